package apikey_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/apikey"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

// Keys and tokens give the same principal through the same middleware, each asked about its own credentials alone.
func TestMiddleware(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, apikey.Config{})
		tokens := testkit.NewIssuer(t, jwt.IssuerConfig{})
		verifier, err := auth.ByForm(tokens, f.keys[0])
		is(t, err, nil, "ByForm")
		guard, err := auth.NewMiddleware(verifier, auth.MiddlewareConfig{
			Extractors: []auth.Extractor{auth.BearerToken(), apikey.Header("x-api-key"), auth.Cookie("__Host-t")},
		})
		is(t, err, nil, "NewMiddleware")
		caller := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, _ := auth.FromContext(r.Context())
			_, _ = w.Write([]byte(p.Subject() + " " + string(p.Kind())))
		})
		mux := http.NewServeMux()
		mux.Handle("/", guard.Require(caller))
		mux.Handle("/read", guard.RequireScope("read")(caller))
		mux.Handle("/recent", guard.RequireRecent(time.Minute)(caller))
		mux.Handle("/mfa", guard.RequireMFA(caller))

		_, key := f.create(apikey.Spec{Scopes: []string{"read"}})
		_, plain := f.create(apikey.Spec{})
		token := testkit.Issue(t, tokens, auth.Claims{Subject: f.id, AuthTime: time.Now()})
		_, gone := f.create(apikey.Spec{Lifetime: time.Minute})
		time.Sleep(time.Minute)
		for name, row := range map[string]struct {
			path      string
			headers   []string // name and value
			status    int
			body      string
			challenge string
		}{
			"a token":                                  {"/", []string{"Authorization", "Bearer " + token}, 200, f.id + " ", ""},
			"a key":                                    {"/", []string{"Authorization", "Bearer " + key}, 200, f.id + " api_key", ""},
			"a key in its own header":                  {"/", []string{"X-API-Key", key}, 200, f.id + " api_key", ""},
			"a token in that header":                   {"/", []string{"X-API-Key", token}, 200, f.id + " ", ""},
			"an empty header":                          {"/", []string{"X-API-Key", ""}, 401, "", `Bearer realm="api"`},
			"a key with its scope":                     {"/read", []string{"Authorization", "Bearer " + key}, 200, f.id + " api_key", ""},
			"a key without the scope":                  {"/read", []string{"Authorization", "Bearer " + plain}, 403, "", `error="insufficient_scope", scope="read"`},
			"a key where a recent login is asked":      {"/recent", []string{"Authorization", "Bearer " + key}, 401, "", `error="insufficient_user_authentication", max_age="60"`},
			"a key where two factors are asked":        {"/mfa", []string{"Authorization", "Bearer " + key}, 401, "", `error="insufficient_user_authentication", acr_values="mfa"`},
			"a key with a wrong checksum":              {"/", []string{"Authorization", "Bearer " + changed(key, len(key)-1)}, 401, "", `error="invalid_token"`},
			"a key with another prefix":                {"/", []string{"Authorization", "Bearer myapp_test" + key[10:]}, 401, "", `error="invalid_token"`},
			"a key that has expired":                   {"/", []string{"Authorization", "Bearer " + gone}, 401, "", `error="invalid_token"`},
			"a key of a megabyte":                      {"/", []string{"Authorization", "Bearer " + key + strings.Repeat("a", 1<<20)}, 401, "", `error="invalid_token"`},
			"a token of a megabyte":                    {"/", []string{"Authorization", "Bearer " + strings.Repeat("a", 1<<20)}, 401, "", `error="invalid_token"`},
			"a key and a token":                        {"/", []string{"Authorization", "Bearer " + token, "X-API-Key", key}, 400, "", `error="invalid_request"`},
			"a key and a token in a cookie":            {"/", []string{"Authorization", "Bearer " + key, "Cookie", "__Host-t=" + token}, 400, "", `error="invalid_request"`},
			"a key twice":                              {"/", []string{"Authorization", "Bearer " + key, "X-API-Key", key}, 400, "", `error="invalid_request"`},
			"two fields":                               {"/", []string{"X-API-Key", key, "X-API-Key", key}, 400, "", `error="invalid_request"`},
			"a list of keys":                           {"/", []string{"X-API-Key", key + ", " + plain}, 400, "", `error="invalid_request"`},
			"a key and what is no credential":          {"/", []string{"Authorization", "Basic YTpi", "X-API-Key", key}, 200, f.id + " api_key", ""},
			"a key in a query, which is no credential": {"/?api_key=" + key, nil, 401, "", `Bearer realm="api"`},
		} {
			r := httptest.NewRequest("GET", row.path, nil)
			for i := 0; i < len(row.headers); i += 2 {
				r.Header.Add(row.headers[i], row.headers[i+1])
			}
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code != row.status || row.status == 200 && w.Body.String() != row.body || !strings.Contains(w.Header().Get("WWW-Authenticate"), row.challenge) {
				t.Errorf("%s: got %d %s %s", name, w.Code, w.Header().Get("WWW-Authenticate"), w.Body)
			}
			if strings.Contains(w.Header().Get("WWW-Authenticate")+w.Body.String(), key[40:60]) {
				t.Errorf("%s: the answer holds the key", name)
			}
		}
		time.Sleep(5 * time.Second) // no key is in memory
		f.store.fail(context.DeadlineExceeded)
		r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		r.Header.Set("X-API-Key", plain)
		mux.ServeHTTP(w, r)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Header().Get("WWW-Authenticate") != "" {
			t.Errorf("with the store down: got %d %v", w.Code, w.Header())
		}
	})
}

// asked counts the credentials that it is asked about.
type asked struct {
	auth.TokenVerifier
	n int
}

func (a *asked) Verify(ctx context.Context, credential string) (*auth.Principal, error) {
	a.n++
	return a.TokenVerifier.Verify(ctx, credential)
}

func TestByForm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, apikey.Config{})
		tokens := &asked{TokenVerifier: testkit.NewIssuer(t, jwt.IssuerConfig{})}
		verifier, err := auth.ByForm(tokens, f.keys[0])
		is(t, err, nil, "ByForm")
		_, key := f.create(apikey.Spec{})
		for _, credential := range []string{key, changed(key, len(key)-1), "myapp_live_", "myapp_live_.x.y"} {
			_, _ = verifier.Verify(t.Context(), credential)
			if tokens.n != 0 {
				t.Errorf("the verifier of tokens was asked about %s", credential)
			}
		}
		f.store.reset()
		for i, credential := range []string{"", "a.b.c", "myapp_test_" + key[11:], "x" + key} {
			if _, err := verifier.Verify(t.Context(), credential); tokens.n != i+1 || f.store.reads.Load() != 0 {
				t.Errorf("%q: the verifier of tokens was asked %d times, want %d; %v", credential, tokens.n, i+1, err)
			}
		}
	})
	if _, err := auth.ByForm(nil, nil); len(testkit.FaultFields(err)) != 2 {
		t.Errorf("got %v, want two faults", err)
	}
}
