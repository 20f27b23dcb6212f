package totp_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/throttle"
	"github.com/seed-e36e2130/auth/totp"
)

var _ authhttp.Enroller = (*totp.Factor)(nil)

// TestEndpoints has a user begin, confirm, log in with both factors, renew the recovery codes and
// remove the second factor, over HTTP.
func TestEndpoints(t *testing.T) {
	store := memstore.New()
	f := newFactor(t, store)
	limits, err := throttle.New(store, throttle.Config{})
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := auth.New(store, newIssuer(), auth.Config{Hasher: authtest.FastHasher(t), SecondFactor: f, Records: store, Throttle: limits})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := auth.NewMiddleware(accounts, auth.MiddlewareConfig{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	if err := authhttp.Mount(mux, "", accounts, guard, authhttp.MountConfig{Users: store, Factor: f}); err != nil {
		t.Fatal(err)
	}
	const password = "correct horse battery"
	if _, err := accounts.Register(t.Context(), "ada", password); err != nil {
		t.Fatal(err)
	}
	var access string
	// post sends pairs of names and values, and checks the status of the answer and the code of its
	// problem, if there is one.
	post := func(path string, status int, code string, pairs ...string) (got struct {
		Code   string
		Access string   `json:"access_token"`
		MFA    string   `json:"mfa_token"`
		Secret string   `json:"secret"`
		URL    string   `json:"otpauth_url"`
		Codes  []string `json:"recovery_codes"`
	}) {
		t.Helper()
		members := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			members[pairs[i]] = pairs[i+1]
		}
		body, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", path, strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		if access != "" {
			r.Header.Set("Authorization", "Bearer "+access)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if w.Body.Len() > 0 {
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
		}
		if w.Code != status || got.Code != code || w.Header().Get("Cache-Control") != "no-store" {
			t.Fatalf("%s answers %d %s with the header %v, want %d %s", path, w.Code, w.Body, w.Header(), status, code)
		}
		return got
	}
	passwordAnd := func(code string) []string { return []string{"current_password", password, "code", code} }

	access = post("/login", 200, "", "username", "ada", "password", password).Access
	post("/mfa/confirm", 409, "mfa_not_begun", passwordAnd("123456")...)
	post("/mfa/remove", 403, "invalid_credentials", passwordAnd("123456")...)
	post("/mfa/begin", 403, "invalid_credentials", "current_password", "wrong horse")
	e := post("/mfa/begin", 200, "", "current_password", password)
	if !strings.HasPrefix(e.URL, "otpauth://totp/Example:ada?") || !strings.Contains(e.URL, "secret="+e.Secret) || e.Secret == "" {
		t.Errorf("begin answers the secret %q and the URL %q", e.Secret, e.URL)
	}
	post("/mfa/confirm", 403, "invalid_credentials", passwordAnd("not a code")...)
	post("/mfa/remove", 403, "invalid_credentials", passwordAnd(codeAt(t, e.Secret, time.Now()))...) // before Confirm
	post("/login", 200, "", "username", "ada", "password", password)
	recovery := post("/mfa/confirm", 200, "", passwordAnd(codeAt(t, e.Secret, time.Now()))...).Codes
	if len(recovery) != 10 {
		t.Fatalf("%d recovery codes, want 10", len(recovery))
	}
	post("/mfa/confirm", 409, "mfa_not_begun", passwordAnd(codeAt(t, e.Secret, time.Now()))...)
	post("/mfa/begin", 409, "mfa_enrolled", "current_password", password)

	access = ""
	pending := post("/login", 403, "mfa_required", "username", "ada", "password", password)
	access = post("/login/mfa", 200, "", "mfa_token", pending.MFA, "code", recovery[0]).Access
	renewed := post("/mfa/recovery-codes", 200, "", passwordAnd(recovery[1])...).Codes
	post("/mfa/remove", 403, "invalid_credentials", passwordAnd(recovery[2])...)
	post("/mfa/remove", 403, "invalid_credentials", passwordAnd("")...)
	post("/mfa/remove", 403, "invalid_credentials", "current_password", "", "code", renewed[0])
	post("/mfa/remove", 204, "", passwordAnd(renewed[0])...)
	post("/mfa/recovery-codes", 403, "invalid_credentials", passwordAnd(renewed[1])...)
	access = ""
	post("/login", 200, "", "username", "ada", "password", password)
}
