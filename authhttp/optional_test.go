package authhttp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
)

// undecided is a verifier that cannot decide.
type undecided struct{}

func (undecided) Verify(context.Context, string) (*auth.Principal, error) {
	return nil, auth.ErrRevocationUnknown
}

// A public page takes a browser with a stale cookie for a stranger, and removes the cookie. What is refused
// or undecided for other reasons stays so.
func TestOptionalWithStaleCookie(t *testing.T) {
	t.Parallel()
	c := cookies(t, authhttp.CookieConfig{}).Cookies
	keys := must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.HS256))))
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Keys: keys}))
	good := must(tokens.Issue(t.Context(), jwt.Claims{Subject: "ada"}))
	revoked := must(tokens.Issue(t.Context(), jwt.Claims{Subject: "revoked"}))
	other := must(jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: "https://id.test", Audience: "api", Keys: must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.HS256)))),
	}))
	foreign := must(other.Issue(t.Context(), jwt.Claims{Subject: "eve"}))
	checked := must(jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: "https://id.test", Audience: "api", Keys: keys, Leeway: jwt.NoLeeway, Lifetime: time.Hour,
		Check: func(_ context.Context, p *jwt.Principal) error {
			if p.Subject() == "revoked" {
				return auth.ErrRevokedToken
			}
			return nil
		},
	}))
	const access = "__Host-access="
	for name, row := range map[string]struct {
		verifier auth.TokenVerifier
		method   string
		header   header
		status   int
		caller   string
		removed  bool
	}{
		"nothing":           {status: 200},
		"good cookie":       {header: header{"Cookie": access + good}, status: 200, caller: "ada"},
		"good header":       {header: bearer(good), status: 200, caller: "ada"},
		"revoked cookie":    {header: header{"Cookie": access + revoked}, status: 200, removed: true},
		"cookie, other key": {header: header{"Cookie": access + foreign}, status: 200, removed: true},
		"garbage cookie":    {header: header{"Cookie": access + "x"}, status: 200, removed: true},
		"revoked header":    {header: bearer(revoked), status: 401},
		"header and cookie": {header: header{"Authorization": "Bearer " + revoked, "Cookie": access + revoked}, status: 400},
		"basic and cookie":  {header: header{"Authorization": "Basic x", "Cookie": access + revoked}, status: 401},
		"two cookies":       {header: header{"Cookie": access + good + "; " + access + revoked}, status: 400},
		"undecided":         {verifier: undecided{}, header: header{"Cookie": access + good}, status: 503},
		"cross-origin":      {method: "POST", header: header{"Cookie": access + revoked, "Origin": "https://evil.test"}, status: 403},
		"own form":          {method: "POST", header: header{"Cookie": access + revoked, "Sec-Fetch-Site": "same-origin"}, status: 200, removed: true},
	} {
		verifier := auth.TokenVerifier(checked)
		if row.verifier != nil {
			verifier = row.verifier
		}
		m := must(auth.NewMiddleware(verifier, auth.MiddlewareConfig{Extractors: []auth.Extractor{auth.BearerToken(), c.Extractor()}}))
		caller := "nobody was asked"
		h := c.Optional(m)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			caller = ""
			if p, ok := auth.FromContext(r.Context()); ok {
				caller = p.Subject()
			}
			fmt.Fprint(w, "page")
		}))
		method := row.method
		if method == "" {
			method = "GET"
		}
		r, w := httptest.NewRequest(method, "https://app.test/", nil), httptest.NewRecorder()
		for field, value := range row.header {
			r.Header.Set(field, value)
		}
		h.ServeHTTP(w, r)
		lines := w.Header()["Set-Cookie"]
		if w.Code != row.status || w.Code == 200 && caller != row.caller || w.Code != 200 && caller != "nobody was asked" {
			t.Errorf("%s: got %d for %q, want %d for %q", name, w.Code, caller, row.status, row.caller)
		}
		if removed := len(lines) == 1 && lines[0] == "__Host-access=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"; removed != row.removed || len(lines) > 1 {
			t.Errorf("%s: got cookies %v, want the stale one removed: %t", name, lines, row.removed)
		}
		if row.removed && w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got headers %v, want no-store", name, w.Header())
		}
	}
}
