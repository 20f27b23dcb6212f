package authhttp_test

import (
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
)

// The endpoints for a user's own account are for the user in person: a token that an agent, a key or a
// service has been given opens none of them.
func TestInPerson(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	mine := s.login()
	p, err := s.accounts.Verify(t.Context(), mine.Access)
	if err != nil {
		t.Fatal(err)
	}
	agent, err := s.accounts.Delegate(t.Context(), p, jwt.Delegation{Actor: "agent-1"})
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{"agent": agent.AccessToken}
	issuer := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test/tenant", Audience: "api", Keys: s.keys}))
	for name, c := range map[string]auth.Claims{
		"key":     {Kind: auth.KindAPIKey},
		"service": {Kind: auth.KindService},
		"actor":   {Actors: []string{"agent-1"}},
	} {
		c.Subject, c.SessionID, c.AuthTime = p.Subject(), p.SessionID(), p.AuthTime()
		token, err := issuer.Issue(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		tokens[name] = token
	}
	guarded := 0
	for _, e := range authhttp.Table() {
		if strings.HasPrefix(e.Path, "/.well-known/") {
			continue // public, and not below the prefix
		}
		path := "/auth" + strings.ReplaceAll(e.Path, "{id}", p.SessionID())
		if s.call(s.Client(), e.Method, path, "", nil).header.Get("WWW-Authenticate") == "" {
			continue // asks for no access token
		}
		guarded++
		for name, token := range tokens {
			body := ""
			if e.Method == "POST" && e.Path != "/logout" {
				body = object("password", password)
			}
			a := s.call(s.Client(), e.Method, path, body, bearer(token))
			if a.status == 401 && name == "agent" { // the guard asked first when the person proved their identity
				a.want(t, name+" at "+e.Method+" "+path, 401, "insufficient_user_authentication")
				continue
			}
			a.want(t, name+" at "+e.Method+" "+path, 403, "insufficient_scope")
		}
	}
	for name, token := range tokens {
		s.call(s.Client(), "POST", "/auth/revoke", form("token", token), nil).want(t, name+" revokes its token", 400, "unsupported_token_type")
	}
	if guarded < 12 {
		t.Errorf("%d endpoints that ask for a token, want at least 12", guarded)
	}
	if _, err := s.accounts.Verify(t.Context(), mine.Access); err != nil {
		t.Errorf("the user's own token afterwards: %v", err)
	}
}
