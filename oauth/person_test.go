package oauth_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/oauth"
)

// A token that an app has got is that of a program, and a program can neither consent for its user nor
// disconnect apps, though its token is as good as a login everywhere else.
func TestAppsAreNoPersons(t *testing.T) {
	t.Parallel()
	r := newServer(t, func(cfg *oauth.Config) {
		notesOnly := cfg.Tokens
		cfg.User = func(req *http.Request) (*auth.Principal, error) { // a host that takes tokens for notes as logins, too
			cookie, err := req.Cookie("login")
			if err != nil {
				return nil, auth.ErrNoCredentials
			}
			v, err := notesOnly.VerifierFor(notes)
			if err != nil {
				return nil, err
			}
			if p, err := v.Verify(req.Context(), cookie.Value); err == nil {
				return p, nil
			}
			v, err = notesOnly.VerifierFor(issuer)
			if err != nil {
				return nil, err
			}
			return v.Verify(req.Context(), cookie.Value)
		}
	})
	r.user("ada@example.com")
	a := r.flow(r.login("ada@example.com"))
	c, err := r.verify(a.Access, notes)
	if err != nil || c.Kind != auth.KindAgent {
		t.Fatalf("kind %q of an app's token, %v", c.Kind, err)
	}
	app := "login=" + a.Access
	if resp := r.do("GET", "/authorize?"+query(), "", "Cookie", app); resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(resp.Header.Get("Location"), "/login?") {
		t.Errorf("an app asks for consent: %d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	if resp := r.do("GET", "/apps", "", "Cookie", app); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("an app lists apps: %d", resp.StatusCode)
	}
	if resp := r.do("GET", "/apps", "", "Cookie", r.login("ada@example.com")); resp.StatusCode != http.StatusOK {
		t.Errorf("the user lists apps: %d", resp.StatusCode)
	}
}
