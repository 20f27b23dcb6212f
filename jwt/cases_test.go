package jwt_test

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

// tokenCase is a file of testdata/cases: a token as another issuer made it, its keys, and what a host
// configures. Lines at its head say what is expected and why.
type tokenCase struct {
	Token  string
	JWKS   json.RawMessage
	Config struct {
		Issuer, Audience, Leeway string
		RolesClaim, Types        []string
	}
}

func readCase(t *testing.T, name string) (c tokenCase) {
	t.Helper()
	text, err := os.ReadFile("testdata/cases/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text[strings.Index(string(text), "\n{"):], &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// verifier returns the verifier that the case configures, with a change.
func (c tokenCase) verifier(t *testing.T, change func(*jwt.VerifierConfig)) *jwt.Verifier {
	t.Helper()
	keys, err := jwt.ParseKeySet(c.JWKS)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := jwt.NewVerifyingKeyRing(keys...)
	if err != nil {
		t.Fatal(err)
	}
	cfg := jwt.VerifierConfig{Issuer: c.Config.Issuer, Audience: c.Config.Audience, Keys: ring, Types: c.Config.Types, RolesClaim: c.Config.RolesClaim}
	if change != nil {
		change(&cfg)
	}
	v, err := jwt.NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Tokens as other issuers write them.
func TestTokenCases(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change  func(*jwt.VerifierConfig)
		subject string
		roles   string
	}{
		"01-roles-one-string": {nil, "u-42", "admin"},
		"02-roles-object":     {nil, "u-42", "admin editor"},
		"04-cnf-null":         {nil, "u-42", ""},
		"06-sid-number":       {nil, "u-42", ""},
		"07-sub-number":       {func(cfg *jwt.VerifierConfig) { cfg.NumericSubject = true }, "42", ""},
		"12-no-iss": {func(cfg *jwt.VerifierConfig) {
			cfg.DangerouslyNoIssuer, cfg.DangerouslyNoAudience = true, true
			cfg.SubjectClaim, cfg.NumericSubject = "user_id", true
			cfg.RequiredClaims = map[string]string{"token_type": "access"}
		}, "42", ""},
	} {
		c := readCase(t, name)
		p := testkit.Verify(t, c.verifier(t, row.change), c.Token)
		if p.Subject() != row.subject || strings.Join(p.Roles(), " ") != row.roles || p.SessionID() != "" {
			t.Errorf("%s reads as %+v", name, p.Claims())
		}
		for role := range strings.FieldsSeq(row.roles) {
			if !p.HasRole(role) {
				t.Errorf("%s: no role %s", name, role)
			}
		}
	}
	for name, want := range map[string]string{"07-sub-number": "sub", "12-no-iss": "no subject"} {
		c := readCase(t, name)
		if p, err := c.verifier(t, nil).Verify(t.Context(), c.Token); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s without a setting: got %v, %v, want an error that names %s", name, p, err, want)
		}
	}
}

// A token of an issuer whose clock is 3 minutes ahead.
func TestClockCase(t *testing.T) {
	t.Parallel()
	c := readCase(t, "15-clock-3-minutes")
	leeway, err := time.ParseDuration(c.Config.Leeway)
	if err != nil {
		t.Fatal(err)
	}
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ring := testkit.RingOf(t, mustKey(jwt.NewSigningKey(private))(t))
		ahead := func(d time.Duration) string {
			now := time.Now()
			return signedBy(t, private, `{"alg":"EdDSA","typ":"JWT"}`, fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":"u-42","iat":%d,"nbf":%[3]d,"exp":%d}`,
				c.Config.Issuer, c.Config.Audience, now.Add(d).Unix(), now.Add(time.Hour).Unix()))
		}
		v := c.verifier(t, func(cfg *jwt.VerifierConfig) { cfg.Leeway, cfg.Keys = leeway, ring })
		testkit.Verify(t, v, ahead(3*time.Minute))
		if _, err := v.Verify(t.Context(), ahead(3*time.Minute+time.Second)); err == nil {
			t.Error("accepted a token from beyond the leeway")
		}
	})
}
