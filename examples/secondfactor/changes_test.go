package secondfactor_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apps "github.com/pquerna/otp/totp"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
	"github.com/seed-e36e2130/auth/throttle"
	"github.com/seed-e36e2130/auth/totp"
)

// postbox keeps mails.
type postbox chan recovery.Message

func (p postbox) Notify(_ context.Context, m recovery.Message) error {
	p <- m
	return nil
}

// TestChangesOfFactors enrols an authenticator app, replaces the recovery codes and removes the app. Each
// ends the other sessions of the user and sends a notice to the verified address.
func TestChangesOfFactors(t *testing.T) {
	t.Parallel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	store, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "users.db"), sqlstore.Config{})
	must(err)
	t.Cleanup(func() { store.Close() })
	key, err := jwt.GenerateKey(jwt.HS256)
	must(err)
	keys, err := jwt.NewKeyRing(key)
	must(err)
	ring, err := secrets.NewRing(secrets.Generate())
	must(err)
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Keys: keys})
	must(err)
	limits, err := throttle.New(store, throttle.Config{})
	must(err)
	factor, err := totp.New(store, ring, totp.Config{Issuer: "Example"})
	must(err)
	accounts, err := auth.New(store, tokens, auth.Config{
		Hasher: authtest.FastHasher(t), Throttle: limits, SecondFactor: factor, Records: store, Sessions: store, RefreshKeys: ring,
	})
	must(err)
	mails := make(postbox, 16)
	flows, err := recovery.New(accounts, store, store, mails, recovery.Config{BaseURL: "https://app.test", OnFirstProof: factor.Disable})
	must(err)
	guard, err := auth.NewMiddleware(accounts, auth.MiddlewareConfig{})
	must(err)
	mux := http.NewServeMux()
	must(authhttp.Mount(mux, "", accounts, guard, authhttp.MountConfig{Users: store, Factor: factor, Recovery: flows}, authhttp.EndpointEnrol))

	ada, err := accounts.Register(ctx, "ada", password)
	must(err)
	must(store.ReplaceAddress(ctx, ada.ID, "", "ada@example.com", true))
	mine, err := accounts.LoginUser(ctx, ada.ID, "hwk", "mfa")
	must(err)
	var reply struct {
		Secret string   `json:"secret"`
		Codes  []string `json:"recovery_codes"`
	}
	post := func(path, code string) {
		t.Helper()
		body, err := json.Marshal(map[string]string{"current_password": password, "code": code})
		must(err)
		if code == "" {
			body, err = json.Marshal(map[string]string{"current_password": password})
			must(err)
		}
		r := httptest.NewRequestWithContext(ctx, "POST", path, strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+mine.AccessToken)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if w.Code >= 300 {
			t.Fatalf("%s: got %d %s", path, w.Code, w.Body)
		}
		if w.Body.Len() > 0 {
			must(json.Unmarshal(w.Body.Bytes(), &reply))
		}
	}
	begun := func() string {
		t.Helper()
		post("/mfa/begin", "")
		code, err := apps.GenerateCode(reply.Secret, time.Now())
		must(err)
		return code
	}
	for _, change := range []struct {
		path string
		code func() string
		want recovery.Kind
	}{
		{"/mfa/confirm", begun, recovery.KindFactorAdded},
		{"/mfa/recovery-codes", func() string { return reply.Codes[0] }, recovery.KindRecoveryCodes},
		{"/mfa/remove", func() string { return reply.Codes[0] }, recovery.KindFactorRemoved},
	} {
		_, err := accounts.LoginUser(ctx, ada.ID, "hwk", "mfa") // another session
		must(err)
		post(change.path, change.code())
		if m := <-mails; m.Kind != change.want || m.To != "ada@example.com" {
			t.Errorf("%s: the notice %s went to %s", change.path, m.Kind, m.To)
		}
		list, err := accounts.Sessions(ctx, ada.ID)
		must(err)
		if len(list) != 1 || list[0].ID != mine.Principal.SessionID() {
			t.Errorf("%s: %d sessions are left, want the one that made the change", change.path, len(list))
		}
	}
	must(flows.Close(ctx))
	if len(mails) > 0 {
		t.Errorf("%d more mails were sent", len(mails))
	}
}
