package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/oauth/internal/redirect"
)

// ConsentPage is what the page that asks the user shows. The page has a form that posts Hidden and a
// button to Action. The name of the button is "decision" and its value "allow" or "deny".
//
// The page may let the user choose among the Scopes: by checkboxes named "scope" with their names, and a
// hidden field named "narrow" with any value. Without that field all Scopes are allowed.
//
// [Server] has set the headers of the answer by then: nothing may frame or store the page, and it loads
// nothing but styles and pictures from this host.
type ConsentPage struct {
	Action     string            // address that the form is posted to
	Hidden     map[string]string // hidden fields
	Account    string            // account that is logged in; "": see [Config].Account
	ClientID   string
	ClientName string // as the client gives it: bounded, and without characters that deceive
	ClientHost string // host and port of the document that describes the client; "": there is none
	Redirect   string // where the answer goes: a host with its port, or a private-use scheme
	Registered bool   // the client has registered itself, and nobody has checked its name: warn
	Loopback   bool   // the answer goes to a program on the user's own machine, which any program can claim to be: warn
	Scopes     []Scope
	Resource   Resource
	Ends       time.Time // when the access ends at the latest, by this server's clock
}

// askKey begins the key of a record that says that a page was answered.
const askKey = "oauth:asked:"

// ask shows the page that asks the user, unless it was answered before.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, user *auth.Principal, c *client, req request, prompt []string) {
	remembered := false
	if !slices.Contains(prompt, "consent") && c.remembers(req.Redirect) {
		var err error
		if remembered, err = s.remembered(r.Context(), user.Subject(), req); err != nil {
			s.show(w, r, err)
			return
		}
	}
	switch {
	case remembered:
		s.giveCode(w, r, user, req)
		return
	case slices.Contains(prompt, "none"):
		s.answerError(w, r, req, refuse("consent_required", "the user has not allowed this"))
		return
	}
	page := ConsentPage{
		Action: s.base + pathDecision, ClientID: c.id, ClientName: c.name, ClientHost: c.host,
		Redirect: redirect.Shown(req.Redirect), Loopback: redirect.IsLoopback(req.Redirect), Registered: !c.known && c.host == "",
		Ends: time.Now().Add(s.cfg.GrantLife),
	}
	page.Resource, _ = s.resource(req.Resource)
	for _, scope := range page.Resource.Scopes {
		if slices.Contains(req.Scopes, scope.Name) {
			page.Scopes = append(page.Scopes, scope)
		}
	}
	req.Nonce, req.User, req.Session = rand.Text(), user.Subject(), user.SessionID()
	sealed, err := s.seal("ask", askTime, req.encode())
	if err == nil && s.cfg.Account != nil {
		page.Account, err = s.cfg.Account(r.Context(), user.Subject())
	}
	if err != nil {
		s.show(w, r, err)
		return
	}
	page.Hidden = map[string]string{"request": sealed}
	s.pageHeaders(w.Header())
	if s.cfg.Consent != nil {
		s.cfg.Consent(w, r, page)
		return
	}
	s.plainConsent(w, page)
}

// decide takes the user's decision. What was asked is in the seal, which is bound to the login that saw the
// page: it is also what no other site can know. Each page is answered once.
func (s *Server) decide(w http.ResponseWriter, r *http.Request) {
	r = s.withDevice(r)
	if !s.sameOrigin(r) {
		s.show(w, r, &refusal{Code: "access_denied", Description: "the form comes from another site", status: http.StatusForbidden})
		return
	}
	if wait := s.limits.authorize.take(networks(s.clientIP(r))...); wait > 0 {
		s.show(w, r, tooMany(wait))
		return
	}
	user, err := s.user(r)
	if err == nil && user == nil {
		err = &refusal{Code: "login_required", Description: "you are not logged in", status: http.StatusUnauthorized}
	}
	var f form
	var all map[string][]string
	if err == nil {
		f, all, err = readForm(w, r, "scope")
	}
	if err != nil {
		s.show(w, r, err)
		return
	}
	req, ok := s.openRequest(f["request"], user)
	decision := f["decision"]
	switch {
	case !ok:
		err = &refusal{Code: "access_denied", Description: "this page is too old, or was made for another login: start again from your app", status: http.StatusForbidden}
	case decision != "allow" && decision != "deny":
		err = refuse("invalid_request", "the form has no decision")
	default:
		err = s.takeOnce(r.Context(), req)
	}
	if err != nil {
		s.show(w, r, err)
		return
	}
	if f["narrow"] != "" {
		req.Scopes = slices.DeleteFunc(req.Scopes, func(scope string) bool { return !slices.Contains(all["scope"], scope) })
	}
	if decision == "deny" || len(req.Scopes) == 0 {
		s.event(r.Context(), EventDenied, user.Subject(), "")
		s.answerError(w, r, req, refuse("access_denied", "the user has not allowed this"))
		return
	}
	c, err := s.stillThere(r.Context(), req)
	if err == nil && c.remembers(req.Redirect) {
		err = s.remember(r.Context(), req)
	}
	if err != nil {
		s.show(w, r, err)
		return
	}
	s.giveCode(w, r, user, req)
}

// stillThere returns the client of a request that its user has just allowed. A client that has registered
// itself is kept from now on. What a document says was looked at when the user was asked.
func (s *Server) stillThere(ctx context.Context, req request) (*client, error) {
	if c := s.clients[req.Client]; c != nil {
		return c, nil
	}
	if s.isDocument(req.Client) {
		return bareDocument(req.Client), nil
	}
	if err := s.allowed(ctx, req.Client); err != nil {
		return nil, err
	}
	return s.registered(ctx, req.Client)
}

// takeOnce returns an error if the page of a request was answered before, on whichever replica.
func (s *Server) takeOnce(ctx context.Context, req request) error {
	record := auth.Record{Key: askKey + req.Nonce, Owner: req.User, ExpiresAt: time.Now().Add(2 * askTime).UTC().Truncate(time.Microsecond)}
	err := s.records.ReplaceRecord(ctx, record.Renew(), record)
	if errors.Is(err, auth.ErrConflict) {
		return refuse("invalid_request", "this page was answered before: start again from your app")
	}
	return err
}

// consent is a consent that is remembered.
type consent struct {
	Redirect string   `json:"r"`
	Scopes   []string `json:"s"`
}

// consentLife is how long a consent is remembered.
const consentLife = 90 * 24 * time.Hour

// consentKey returns the key of the consent that a user gave a client for a resource.
func consentKey(userID, clientID, resource string) string {
	h := sha256.New()
	for _, part := range []string{userID, clientID, resource} {
		sum := sha256.Sum256([]byte(part))
		h.Write(sum[:])
	}
	return "oauth:consent:" + base64url.EncodeToString(h.Sum(nil))
}

// remembered reports whether the user has allowed the same, or more, with the same redirect URI, and the client
// has a grant from that. Whatever ends the grants of a user ends what was remembered: a thief who had the
// account could otherwise allow an app of their own, and lead the owner's browser through it later, unseen.
func (s *Server) remembered(ctx context.Context, userID string, req request) (bool, error) {
	record, _, err := s.records.Record(ctx, consentKey(userID, req.Client, req.Resource))
	var known consent
	if err != nil || record.Version == 0 || json.Unmarshal(record.Value, &known) != nil || known.Redirect != req.Redirect {
		return false, err
	}
	if slices.ContainsFunc(req.Scopes, func(scope string) bool { return !slices.Contains(known.Scopes, scope) }) {
		return false, nil
	}
	grants, err := s.Grants(ctx, userID)
	lives := func(g Grant) bool { return g.ClientID == req.Client && g.Resource == req.Resource }
	return slices.ContainsFunc(grants, lives), err
}

// remember keeps a consent in the place of the one before.
func (s *Server) remember(ctx context.Context, req request) error {
	key := consentKey(req.User, req.Client, req.Resource)
	record, now, err := s.records.Record(ctx, key)
	if err != nil {
		return err
	}
	record.Key, record.Owner, record.ExpiresAt = key, req.User, now.Add(consentLife)
	record.Value, _ = json.Marshal(consent{req.Redirect, req.Scopes})
	if err = s.records.ReplaceRecord(ctx, record.Renew(), record); errors.Is(err, auth.ErrConflict) {
		return nil // another decision was faster; the user is asked again if it was smaller
	}
	return err
}

// forget deletes the consent that a user gave a client for a resource.
func (s *Server) forget(ctx context.Context, userID, clientID, resource string) error {
	key := consentKey(userID, clientID, resource)
	for {
		record, _, err := s.records.Record(ctx, key)
		if err != nil || record.Version == 0 {
			return err
		}
		if err = s.records.DeleteRecord(ctx, key, record.Version); !errors.Is(err, auth.ErrConflict) {
			return err
		}
	}
}
