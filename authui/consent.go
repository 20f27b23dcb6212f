package authui

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth/oauth"
)

// Consent writes the page that asks a user whether an app may have access. It is for the Consent of an
// [oauth.Config]. The page says which app asks and who publishes it, where the answer goes, and what the app
// may do then, in the words of the scopes. A user can leave out single permissions of several.
func (p *Pages) Consent(w http.ResponseWriter, r *http.Request, page oauth.ConsentPage) {
	v := p.visit(w, r)
	// Chromium would hold form-action against the redirect to the app.
	w.Header().Set("Content-Security-Policy", p.policy)
	page.Account = v.accountOr(page.Account)
	v.show("consent", page)
}

// accountOr returns name, or the username of who is logged in if the server gave none.
func (v *visit) accountOr(name string) string {
	if name == "" && v.has("GET /me") {
		if re := v.call("GET /me", nil); re.ok() {
			return re.User.Username
		}
	}
	return name
}

// Device writes the pages for the user of a device without a browser. It is for the Page of an
// [oauth.Device]. The page shows the code, for the user to compare it with that of the device, and warns of
// codes that somebody has sent.
func (p *Pages) Device(w http.ResponseWriter, r *http.Request, page oauth.DevicePage) {
	v := p.visit(w, r)
	w.Header().Set("Content-Security-Policy", p.policy)
	if page.Step == oauth.DeviceDecide {
		page.Account = v.accountOr(page.Account)
	}
	if page.Unknown {
		v.refuse(http.StatusNotFound, "problem.device_code")
	}
	v.show("device", page)
}

// Apps are the apps that users have given access to. [oauth.Server] implements it.
type Apps interface {
	Grants(ctx context.Context, userID string) ([]oauth.Grant, error)
	EndGrant(ctx context.Context, userID, grantID string) error
}

// appView is a connected app on the page of the account.
type appView struct {
	ID, Name, ClientID, Resource string
	Scopes                       string // separated by commas
	Created, LastUsed, Exact     string
}

// apps returns the connected apps of the user.
func (v *visit) apps() ([]appView, error) {
	if v.cfg.Apps == nil {
		return nil, nil
	}
	grants, err := v.cfg.Apps.Grants(v.r.Context(), v.principal.Subject())
	if err != nil {
		return nil, err
	}
	list := make([]appView, 0, len(grants))
	for _, g := range grants {
		list = append(list, appView{
			ID: g.ID, Name: g.ClientName, ClientID: g.ClientID, Resource: g.Resource, Scopes: strings.Join(g.Scopes, ", "),
			Created: v.time(g.Created), LastUsed: v.time(g.LastUsed), Exact: g.LastUsed.UTC().Format(time.RFC3339),
		})
	}
	return list, nil
}

// endApp ends the access of an app.
func (p *Pages) endApp(v *visit) {
	err := p.cfg.Apps.EndGrant(v.r.Context(), v.principal.Subject(), v.value("id"))
	switch {
	case errors.Is(err, oauth.ErrGrantNotFound):
		v.refuse(http.StatusNotFound, "problem.app_not_found")
		p.showAccount(v)
	case err != nil:
		v.fail(err)
	default:
		v.redirect(p.cfg.Prefix + "/account?" + url.Values{"notice": {"app_ended"}}.Encode())
	}
}
