package authhttp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
)

func TestNewResourceServers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("s3cr3t, ", 4)
	for name, secrets := range map[string]map[string]string{
		"none": nil, "no name": {"": long}, "long name": {strings.Repeat("x", 129): long}, "short secret": {"shop": long[:31]},
		"long secret": {"shop": strings.Repeat("x", 257)}, "non-ASCII secret": {"shop": long + "é"}, "newline in name": {"sh\nop": long},
	} {
		_, err := authhttp.NewResourceServers(secrets)
		if _, ok := errors.AsType[*auth.ConfigError](err); !ok || strings.Contains(fmt.Sprint(err), secret) {
			t.Errorf("%s: got %v, want a ConfigError without the secret", name, err)
		}
	}
	servers, err := authhttp.NewResourceServers(map[string]string{"shop": long})
	if err != nil || strings.Contains(fmt.Sprintf("%v %+v %#v", servers, servers, servers), secret) {
		t.Errorf("NewResourceServers: got %v, or the value prints its secret", err)
	}
}

// Only a registered server is answered, which authenticates with HTTP Basic as RFC 6749 section
// 2.3.1 encodes it.
func TestIntrospectClients(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	in := s.login()
	basic := func(name, password string) header {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth(name, password)
		return header{"Authorization": r.Header.Get("Authorization")}
	}
	name, password := url.QueryEscape(rsName), url.QueryEscape(rsSecret)
	for what, h := range map[string]header{
		"none": nil, "bearer": bearer(in.Access), "other secret": basic(name, password+"x"), "other name": basic("shop", password),
		"no secret": basic(name, ""), "empty": basic("", ""), "bad escape": basic(name, password+"%zz"), "not encoded": basic(rsName, rsSecret),
		"no base64": {"Authorization": "Basic !"},
	} {
		a := s.call(s.Client(), "POST", "/auth/introspect", form("token", in.Access), h).want(t, what, 401, "invalid_client")
		if got := a.header.Get("WWW-Authenticate"); got != `Basic realm="introspection"` || a.Active != nil {
			t.Errorf("%s: got challenge %s and %s, want Basic and nothing about the token", what, got, a.text)
		}
	}
	twice := must(http.NewRequest("POST", s.URL+"/auth/introspect", strings.NewReader(form("token", in.Access))))
	twice.Header.Set("Content-Type", asForm)
	for _, h := range []header{basic(name, password), basic("shop", password)} {
		twice.Header.Add("Authorization", h["Authorization"])
	}
	if res := must(s.Client().Do(twice)); res.StatusCode != 401 {
		t.Errorf("two credentials: got %d, want 401", res.StatusCode)
	} else {
		res.Body.Close()
	}
	s.call(s.Client(), "POST", "/auth/introspect", form("client_id", rsName, "client_secret", rsSecret, "token", in.Access), nil).want(t, "secret in the body", 401, "invalid_client")
	s.call(s.Client(), "POST", "/auth/introspect", "", nil).want(t, "no body", 415, "invalid_request")
	s.call(s.Client(), "POST", "/auth/introspect", "x=1", basic(name, password)).want(t, "no token", 400, "invalid_request")

	a := s.call(s.Client(), "POST", "/auth/introspect", form("token", in.Access, "token_type_hint", "x"), basic(name, password)).want(t, "introspect", 200, "")
	me := s.call(s.Client(), "GET", "/auth/me", "", bearer(in.Access))
	if a.Active == nil || !*a.Active || a.Subject != me.ID || !strings.Contains(a.text, `"iss":"https://id.test/tenant"`) || !strings.Contains(a.text, `"aud":["api"]`) || !strings.Contains(a.text, `"exp":`) {
		t.Errorf("introspect: got %s, want the claims of the token", a.text)
	}
	s.call(s.Client(), "POST", "/auth/logout", "", bearer(in.Access))
	other := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test/tenant", Audience: "another", Keys: s.keys}))
	for what, token := range map[string]string{
		"ended": in.Access, "refresh": s.login().Refresh, "nonsense": "x", "long": strings.Repeat("x", 9000),
		"foreign": must(other.Issue(t.Context(), auth.Claims{Subject: me.ID})),
	} {
		a := s.call(s.Client(), "POST", "/auth/introspect", form("token", token), basic(name, password)).want(t, what, 200, "")
		if a.text != `{"active":false}`+"\n" {
			t.Errorf("%s: got %s, want inactive and nothing else", what, a.text)
		}
	}
}

// verifierFunc is a function as a TokenVerifier.
type verifierFunc func(context.Context, string) (*auth.Principal, error)

func (f verifierFunc) Verify(ctx context.Context, token string) (*auth.Principal, error) {
	return f(ctx, token)
}

// If the verifier cannot decide, the answer says neither active nor inactive.
func TestIntrospectUndecided(t *testing.T) {
	t.Parallel()
	servers := must(authhttp.NewResourceServers(map[string]string{"shop": rsSecret}))
	for err, status := range map[error]int{auth.ErrRevocationUnknown: 503, &auth.RetryError{Err: auth.ErrKeysUnavailable, After: time.Second}: 503, errors.New("disk full"): 500} {
		down := verifierFunc(func(context.Context, string) (*auth.Principal, error) { return nil, err })
		r := httptest.NewRequest("POST", "/", strings.NewReader("token=s3cr3t"))
		r.Header.Set("Content-Type", asForm)
		r.SetBasicAuth("shop", url.QueryEscape(rsSecret))
		w := httptest.NewRecorder()
		authhttp.Introspect(down, servers, authhttp.Config{}).ServeHTTP(w, r)
		if refused(t, err.Error(), w, status); strings.Contains(w.Body.String(), "active") {
			t.Errorf("%v: got %s, want no state", err, w.Body)
		}
	}
}
