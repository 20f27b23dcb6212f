package jwt_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/jwt"
)

// TestReasons checks what the log says about a refused token: which check failed, what was expected, and
// for iss, aud, typ and kid what came.
func TestReasons(t *testing.T) {
	t.Parallel()
	key := must(jwt.GenerateKey(jwt.HS256))
	ring := must(jwt.NewKeyRing(key))
	issue := func(cfg jwt.IssuerConfig) string {
		t.Helper()
		cfg.Keys = ring
		return must(must(jwt.NewIssuer(cfg)).Issue(t.Context(), jwt.Claims{Subject: "ada"}))
	}
	v := must(jwt.NewVerifier(jwt.VerifierConfig{
		Issuer: "https://id.example", Audience: "api", OtherAudiences: []string{"https://api.example"}, Keys: ring,
	}))
	typed := must(jwt.NewVerifier(jwt.VerifierConfig{Issuer: "https://id.example", Audience: "api", Types: []string{"JWT", jwt.NoType}, Keys: ring}))
	good := issue(jwt.IssuerConfig{Issuer: "https://id.example", Audience: "api"})
	_, rest, _ := strings.Cut(good, ".")
	header := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) + "." + rest }
	long := strings.Repeat("x", 300)
	for name, c := range map[string]struct {
		v     jwt.TokenVerifier
		token string
		want  string
	}{
		"iss":      {v, issue(jwt.IssuerConfig{Issuer: "https://id.example/", Audience: "api"}), `issuer "https://id.example/", want "https://id.example"`},
		"aud":      {v, issue(jwt.IssuerConfig{Issuer: "https://id.example", Audience: "web"}), `audience "web", want "api" or "https://api.example"`},
		"long":     {v, issue(jwt.IssuerConfig{Issuer: "https://id.example", Audience: long}), `x" and 100 bytes more, want "api"`},
		"typ":      {typed, good, `type "at+jwt", want "jwt" or absent`},
		"kid":      {v, header(`{"alg":"HS256","typ":"at+jwt","kid":"old\n"}`), `unknown key: kid "old\n"`},
		"no kid":   {must(jwt.NewVerifier(jwt.VerifierConfig{Issuer: "i", Audience: "a", Keys: must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.HS256)), key))})), header(`{"alg":"HS256","typ":"at+jwt"}`), `unknown key: no kid`},
		"any of":   {must(jwt.AnyOf(map[string]jwt.TokenVerifier{"https://id.example": v})), issue(jwt.IssuerConfig{Issuer: "other", Audience: "api"}), `issuer "other", want one that`},
		"long kid": {v, header(`{"alg":"HS256","typ":"at+jwt","kid":"` + strings.Repeat("k", 2000) + `"}`), `unknown key`},
	} {
		_, err := c.v.Verify(t.Context(), c.token)
		if !errors.Is(err, jwt.ErrInvalidToken) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
			continue
		}
		if _, signature, _ := strings.Cut(rest, "."); strings.Contains(err.Error(), signature) || len(err.Error()) > 400 {
			t.Errorf("%s: the reason shows the token, or is too long: %v", name, err)
		}
	}
	if _, err := v.Verify(t.Context(), good); err != nil {
		t.Fatal(err)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
