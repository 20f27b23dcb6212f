package auth_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/secrets"
)

// TestNothingShowsASecret walks through the values of this module that hold a secret, each by itself
// and nested in a struct, a map, a slice and behind a pointer, through fmt, slog and JSON.
func TestNothingShowsASecret(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-s3cr3t-s3cr3t-s3cr3t-0123"
	material := []byte("\x8f\x13\xd2\x77\x05\xe9\x41\xba\x60\x2c\xf8\x94\x3a\xd7\x1e\x5b\xc6\x09\x82\xf4\x6d\xb1\x27\xee\x58\x9a\x03\xcd\x74\xa5\x3f\x10")
	key, err := jwt.NewSecretKey(material)
	if err != nil {
		t.Fatal(err)
	}
	own, err := secrets.New(material)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := secrets.NewRing(own)
	if err != nil {
		t.Fatal(err)
	}
	peppered, err := passwords.Pepper(authtest.FastHasher(t), ring)
	if err != nil {
		t.Fatal(err)
	}
	store := memstore.New()
	user := auth.User{ID: "1", Username: "ada", PasswordHash: secret}
	if _, err := store.CreateUser(t.Context(), user); err != nil {
		t.Fatal(err)
	}
	session := auth.Session{ID: "x", UserID: "1", State: []byte(secret), ExpiresAt: time.Now().Add(time.Hour)}
	if err := store.CreateSession(t.Context(), session); err != nil {
		t.Fatal(err)
	}
	issuer := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: testkit.RingOf(t, key)})
	accounts, err := auth.New(store, issuer, auth.Config{
		Hasher: constantHasher(func() string { return secret }), Sessions: store, RefreshKeys: ring,
	})
	if err != nil {
		t.Fatal(err)
	}
	device := auth.Device{UserAgent: "browser", Known: secret}
	for name, row := range map[string]struct {
		v      any
		answer bool // the body of an answer: its JSON may show it
	}{
		"Tokens":           {v: auth.Tokens{AccessToken: secret, RefreshToken: secret, DeviceToken: secret}, answer: true},
		"MFARequiredError": {v: &auth.MFARequiredError{Token: secret}},
		"wrapped":          {v: fmt.Errorf("login: %w", &auth.MFARequiredError{Token: secret})},
		"DeviceToken":      {v: auth.DeviceToken(secret)},
		"Device":           {v: device},
		"Attempt":          {v: auth.Attempt{Username: "ada", Device: device}},
		"Event":            {v: auth.Event{Kind: auth.EventLogin, Device: device}},
		"context":          {v: auth.WithDevice(context.Background(), device)},
		"User":             {v: user},
		"Session":          {v: session},
		"memstore.Store":   {v: store},
		"Authenticator":    {v: accounts},
		"jwt.Key":          {v: key},
		"jwt.Issuer":       {v: issuer},
		"secrets.Key":      {v: own},
		"secrets.Ring":     {v: ring},
		"Pepper":           {v: peppered},
	} {
		nested := []any{
			row.v, &row.v, struct{ V any }{row.v}, map[string]any{"v": row.v}, []any{row.v}, &struct{ V map[string]any }{map[string]any{"v": row.v}},
		}
		for _, v := range nested {
			var shown strings.Builder
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X"} {
				fmt.Fprintf(&shown, verb+"\n", v)
			}
			slog.New(slog.NewTextHandler(&shown, nil)).Info("log", "v", v)
			if !row.answer {
				slog.New(slog.NewJSONHandler(&shown, nil)).Info("log", "v", v)
				if text, err := json.Marshal(v); err == nil {
					shown.Write(text)
				}
			}
			for _, s := range [][]byte{[]byte(secret), material} {
				for _, leak := range []string{string(s[:12]), hex.EncodeToString(s[:12]), base64.StdEncoding.EncodeToString(s[:12]), strings.Trim(fmt.Sprint(s[:6]), "[]")} {
					if strings.Contains(strings.ToLower(shown.String()), strings.ToLower(leak)) {
						t.Errorf("%s as %T shows its secret: %q in %s", name, v, leak, shown.String())
					}
				}
			}
		}
	}
}

// constantHasher makes the same hash of every password.
type constantHasher func() string

// Hash implements [auth.Hasher].
func (h constantHasher) Hash(context.Context, string) (string, error) { return h(), nil }

// Verify implements [auth.Hasher].
func (h constantHasher) Verify(context.Context, string, string) error {
	return errors.New("not called")
}

// NeedsRehash implements [auth.Hasher].
func (h constantHasher) NeedsRehash(string) bool { return false }
