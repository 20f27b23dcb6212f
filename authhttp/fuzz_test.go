package authhttp_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/secrets"
)

// Every request, to any endpoint, is answered with JSON or an empty body, and never with 5xx.
func FuzzEndpoints(f *testing.F) {
	store := memstore.New()
	keys := must(jwt.NewKeyRing(must(jwt.GenerateKey("HS256"))))
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Keys: keys}))
	accounts := must(auth.New(store, tokens, auth.Config{Hasher: authtest.FastHasher(f), Sessions: store, RefreshKeys: must(secrets.NewRing(secrets.Generate())), Accounts: store}))
	jar := must(authhttp.NewCookies(authhttp.CookieConfig{RefreshPath: "/c/refresh"}))
	guard := must(auth.NewMiddleware(accounts, auth.MiddlewareConfig{Extractors: []auth.Extractor{auth.BearerToken(), jar.Extractor()}}))
	flows := must(recovery.New(accounts, recovery.NewMemoryAddresses(), store, make(outbox), recovery.Config{BaseURL: "https://app.test", Queue: 65_536}))
	mux := http.NewServeMux()
	for prefix, cfg := range map[string]authhttp.Config{"/b": {PasswordGrant: true}, "/c": {Cookies: jar, PasswordGrant: true}} {
		err := authhttp.Mount(mux, prefix, accounts, guard, authhttp.MountConfig{
			DangerouslyWithoutThrottle: true, Config: cfg, Users: store, Recovery: flows, ResourceServers: must(authhttp.NewResourceServers(map[string]string{"shop": rsSecret})),
		})
		if err != nil {
			f.Fatal(err)
		}
	}
	if _, err := accounts.Register(f.Context(), "ada", "correct horse"); err != nil {
		f.Fatal(err)
	}
	in := must(accounts.Login(f.Context(), "ada", "correct horse"))
	f.Add("POST", "login", asForm, "username=ada&password=correct+horse", "", "")
	f.Add("POST", "login", asData, multipartBody("username", "ada", "password", "correct horse"), "", "")
	f.Add("POST", "register", asJSON, `{"username":"bob","password":"correct horse"}`, "", "")
	f.Add("POST", "token", asForm, "grant_type=refresh_token&refresh_token="+in.RefreshToken, "", "")
	f.Add("POST", "refresh", asJSON, `{"refresh_token":"`+in.RefreshToken+`"}`, "", "__Host-refresh-id="+authhttp.RefreshID(in.RefreshToken)+"; __Secure-refresh="+in.RefreshToken)
	f.Add("POST", "revoke", asForm, "token="+in.AccessToken, "", "")
	f.Add("POST", "introspect", asForm, "token="+in.AccessToken, "Basic c2hvcDp4", "")
	f.Add("POST", "password", asJSON, `{"current_password":"x","new_password":"battery staple"}`, "Bearer "+in.AccessToken, "")
	f.Add("POST", "login/link/request", asJSON, `{"address":"ada@example.com"}`, "", "")
	f.Add("POST", "login/link", asJSON, `{"token":"`+strings.Repeat("A", 64)+`","device_token":"x"}`, "", "")
	f.Add("POST", "login/code", asJSON, `{"challenge":"`+strings.Repeat("A", 64)+`","code":"123456"}`, "", "")
	f.Add("POST", "address", asJSON, `{"current_password":"correct horse","address":"ada@example.com"}`, "Bearer "+in.AccessToken, "")
	f.Add("POST", "address/confirm", asJSON, `{"token":"`+strings.Repeat("A", 64)+`"}`, "", "")
	f.Add("POST", "account/delete", asJSON, `{"current_password":"x"}`, "", "__Host-access="+in.AccessToken)
	f.Add("POST", "logout", asJSON, `{}`, "Bearer "+in.AccessToken, "__Host-access="+in.AccessToken)
	f.Add("DELETE", "sessions/x", "", "", "Bearer "+in.AccessToken, "")
	f.Fuzz(func(t *testing.T, method, path, contentType, body, authorization, cookie string) {
		for _, prefix := range []string{"/b/", "/c/"} {
			r := httptest.NewRequest("GET", prefix, strings.NewReader(body))
			r.Method, r.URL.Path = method, prefix+path
			for name, value := range map[string]string{"Content-Type": contentType, "Authorization": authorization, "Cookie": cookie} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Fatalf("%s %s%s: got %d %s", method, prefix, path, w.Code, w.Body)
			}
			kind := w.Header().Get("Content-Type")
			if strings.HasSuffix(kind, "json") && !json.Valid(w.Body.Bytes()) {
				t.Fatalf("%s %s%s: got %s, want JSON", method, prefix, path, w.Body)
			}
		}
	})
}
