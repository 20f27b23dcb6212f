package main

import (
	"errors"
	"io"
	"testing"

	"golang.org/x/oauth2"
)

// TestOAuth2Client checks that golang.org/x/oauth2 gets a token and calls a protected route with
// it.
func TestOAuth2Client(t *testing.T) {
	t.Parallel()
	url := serveTest(t)
	if status, body := register(url, "ada", "correct horse 😀"); status != 201 {
		t.Fatalf("register answers %d %s", status, body)
	}
	for name, style := range map[string]oauth2.AuthStyle{
		"detected": oauth2.AuthStyleAutoDetect, "header": oauth2.AuthStyleInHeader, "params": oauth2.AuthStyleInParams,
	} {
		conf := oauth2.Config{ClientID: "app", ClientSecret: "x", Endpoint: oauth2.Endpoint{TokenURL: url + "/auth/login", AuthStyle: style}}
		token, err := conf.PasswordCredentialsToken(t.Context(), "ada", "correct horse 😀")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if token.Type() != "Bearer" || !token.Valid() || token.Expiry.IsZero() {
			t.Errorf("%s: the token has type %s and expires at %v", name, token.Type(), token.Expiry)
		}
		res, err := conf.Client(t.Context(), token).Get(url + "/profile")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != 200 || err != nil {
			t.Errorf("%s: the profile is %s %s, %v", name, res.Status, body, err)
		}

		_, err = conf.PasswordCredentialsToken(t.Context(), "ada", "wrong horse")
		if refusal, ok := errors.AsType[*oauth2.RetrieveError](err); !ok || refusal.ErrorCode != "invalid_grant" || refusal.Response.StatusCode != 400 {
			t.Errorf("%s: a wrong password: %v, want invalid_grant", name, err)
		}
	}
}
