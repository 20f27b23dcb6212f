package auth_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
)

func TestTokensTellTheirScope(t *testing.T) {
	t.Parallel()
	for want, tokens := range map[string]auth.Tokens{
		`{"access_token":"x","token_type":"bearer"}`:                                        {AccessToken: "x"},
		`{"access_token":"x","token_type":"bearer","expires_in":60}`:                        {AccessToken: "x", ExpiresIn: time.Minute, Principal: caller(t, auth.Claims{Subject: "1"})},
		`{"access_token":"x","token_type":"bearer","expires_in":60,"scope":"a:read write"}`: {AccessToken: "x", ExpiresIn: time.Minute, Principal: caller(t, auth.Claims{Subject: "1", Scopes: []string{"a:read", "write"}})},
	} {
		if got, err := json.Marshal(tokens); string(got) != want || err != nil {
			t.Errorf("as JSON: %s, %v, want %s", got, err, want)
		}
	}
}
