package auth_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/memstore"
)

// A login's token says who, how and since when, and nothing of the account that the
// host has not added: ASVS 14.2.6.
func TestLoginTokenHolds(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	for want, cfg := range map[string]auth.Config{
		"amr aud auth_time client_id exp iat iss jti sub":     {},
		"amr aud auth_time client_id exp iat iss jti sid sub": {Sessions: store, RefreshKeys: testkit.Secrets(t)},
	} {
		a := newAuthenticator(t, memstore.New(), cfg)
		if _, err := a.Register(t.Context(), "ada@example.com", "correct horse"); err != nil {
			t.Fatal(err)
		}
		tokens, err := a.Login(t.Context(), "ada@example.com", "correct horse")
		if err != nil {
			t.Fatal(err)
		}
		claims := testkit.Segment(t, tokens.AccessToken, 1)
		if got := strings.Join(slices.Sorted(maps.Keys(claims)), " "); got != want {
			t.Errorf("the token holds %s, want %s: %v", got, want, claims)
		}
	}
}
