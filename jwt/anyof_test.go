package jwt_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

// counting counts what it is asked and answers with p and err.
type counting struct {
	p     *jwt.Principal
	err   error
	asked int
}

func (c *counting) Verify(context.Context, string) (*jwt.Principal, error) {
	c.asked++
	return c.p, c.err
}

func callerOf(t testing.TB, issuer, subject string) *jwt.Principal {
	t.Helper()
	p, err := jwt.NewPrincipal(jwt.Claims{Issuer: issuer, Subject: subject})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func anyOf(t testing.TB, byIssuer map[string]jwt.TokenVerifier) jwt.TokenVerifier {
	t.Helper()
	v, err := jwt.AnyOf(byIssuer)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// unsigned returns a token of this payload that nobody signed.
func unsigned(payload string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".AAAA"
}

func TestAnyOf(t *testing.T) {
	t.Parallel()
	const a, b = "https://a.test", "https://b.test"
	ofA, ofB := testkit.NewIssuer(t, jwt.IssuerConfig{Issuer: a}), testkit.NewIssuer(t, jwt.IssuerConfig{Issuer: b})
	v := anyOf(t, map[string]jwt.TokenVerifier{a: ofA, b: ofB})
	for issuer, maker := range map[string]jwt.TokenIssuer{a: ofA, b: ofB} {
		if p := testkit.Verify(t, v, testkit.Issue(t, maker, jwt.Claims{Subject: "u-1"})); p.Issuer() != issuer {
			t.Errorf("issuer %q, want %q", p.Issuer(), issuer)
		}
	}

	// Signed by A, and by A alone, in the name of B.
	forger := testkit.NewIssuer(t, jwt.IssuerConfig{Issuer: b})
	if _, err := v.Verify(t.Context(), testkit.Issue(t, forger, jwt.Claims{Subject: "u-1"})); !errors.Is(err, jwt.ErrInvalidToken) {
		t.Errorf("a token that is not its issuer's: %v", err)
	}
}

// A refusal is final: it is never tried whether another would have accepted.
func TestAnyOfAsksOne(t *testing.T) {
	t.Parallel()
	const a, b = "https://a.test", "https://b.test"
	down := errors.New("down")
	for name, row := range map[string]struct {
		token      string
		a          counting
		askA, askB int
		want       error
	}{
		"refused":            {unsigned(`{"iss":"https://a.test"}`), counting{err: jwt.ErrExpiredToken}, 1, 0, jwt.ErrExpiredToken},
		"not decided":        {unsigned(`{"iss":"https://a.test"}`), counting{err: down}, 1, 0, down},
		"another's caller":   {unsigned(`{"iss":"https://a.test"}`), counting{p: callerOf(t, b, "u")}, 1, 0, jwt.ErrInvalidToken},
		"unknown issuer":     {unsigned(`{"iss":"https://a.test/"}`), counting{}, 0, 0, jwt.ErrInvalidToken},
		"no issuer":          {unsigned(`{}`), counting{}, 0, 0, jwt.ErrInvalidToken},
		"issuer no string":   {unsigned(`{"iss":["https://a.test"]}`), counting{}, 0, 0, jwt.ErrInvalidToken},
		"two issuers":        {unsigned(`{"iss":"https://a.test","iss":"https://b.test"}`), counting{}, 0, 0, jwt.ErrInvalidToken},
		"trailing bytes":     {unsigned(`{"iss":"https://a.test"}{}`), counting{}, 0, 0, jwt.ErrInvalidToken},
		"too deep":           {unsigned(`{"iss":"https://a.test","x":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `}`), counting{}, 0, 0, jwt.ErrInvalidToken},
		"too long":           {unsigned(`{"iss":"https://a.test"}`) + strings.Repeat("A", 8192), counting{}, 0, 0, jwt.ErrInvalidToken},
		"no token":           {"opaque", counting{}, 0, 0, jwt.ErrInvalidToken},
		"two segments":       {"e30.e30", counting{}, 0, 0, jwt.ErrInvalidToken},
		"not base64url":      {"e30.e3=.AAAA", counting{}, 0, 0, jwt.ErrInvalidToken},
		"line end in base64": {strings.Replace(unsigned(`{"iss":"https://a.test"}`), ".e", ".\ne", 1), counting{}, 0, 0, jwt.ErrInvalidToken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ofB := &counting{p: callerOf(t, b, "u")}
			p, err := anyOf(t, map[string]jwt.TokenVerifier{a: &row.a, b: ofB}).Verify(t.Context(), row.token)
			if p != nil || !errors.Is(err, row.want) {
				t.Errorf("%v, %v, want %v", p, err, row.want)
			}
			if row.a.asked != row.askA || ofB.asked != row.askB {
				t.Errorf("asked A %d and B %d times, want %d and %d", row.a.asked, ofB.asked, row.askA, row.askB)
			}
		})
	}
}

func TestAnyOfNobody(t *testing.T) {
	t.Parallel()
	v := anyOf(t, map[string]jwt.TokenVerifier{"i": &counting{}})
	if p, err := v.Verify(t.Context(), unsigned(`{"iss":"i"}`)); p != nil || err == nil || errors.Is(err, jwt.ErrInvalidToken) {
		t.Errorf("neither caller nor error: %v, %v", p, err)
	}
}

func TestAnyOfConfig(t *testing.T) {
	t.Parallel()
	for name, byIssuer := range map[string]map[string]jwt.TokenVerifier{
		"none": nil, "no issuer": {"": &counting{}}, "no verifier": {"i": nil},
	} {
		var fault *cfgerr.Error
		if v, err := jwt.AnyOf(byIssuer); v != nil || !errors.As(err, &fault) {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}

	// The map is the caller's: what it holds later does not count.
	byIssuer := map[string]jwt.TokenVerifier{"i": &counting{p: callerOf(t, "i", "u")}}
	v := anyOf(t, byIssuer)
	delete(byIssuer, "i")
	if _, err := v.Verify(t.Context(), unsigned(`{"iss":"i"}`)); err != nil {
		t.Error(err)
	}
}

// In front of one verifier AnyOf changes no answer.
func TestAnyOfAgrees(t *testing.T) {
	t.Parallel()
	settings := testkit.VectorSettings(t)
	cases := testkit.ReadLines[tokenVector](t, "testdata/vectors/tokens.jsonl")
	testkit.AtVectorTime(t, func(t *testing.T) {
		alone, behind := map[string]jwt.TokenVerifier{}, map[string]jwt.TokenVerifier{}
		for _, c := range cases {
			if alone[c.Settings] == nil {
				s := settings[c.Settings]
				alone[c.Settings] = testkit.VectorVerifier(t, s, -1)
				behind[c.Settings] = anyOf(t, map[string]jwt.TokenVerifier{s.Issuer: alone[c.Settings]})
			}
			p, err := alone[c.Settings].Verify(t.Context(), c.Token)
			q, errBehind := behind[c.Settings].Verify(t.Context(), c.Token)
			if (err == nil) != (errBehind == nil) || err == nil && p.Subject() != q.Subject() || errBehind != nil && !errors.Is(errBehind, jwt.ErrInvalidToken) {
				t.Errorf("%s: alone %v, %v; behind AnyOf %v, %v", c.ID, p, err, q, errBehind)
			}
		}
	})
}

// TestAnyOfSecretOfAnother checks that no issuer has a public key of another as its secret.
func TestAnyOfSecretOfAnother(t *testing.T) {
	t.Parallel()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	verifier := func(key jwt.Key, err error) *jwt.Verifier {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		ring, err := jwt.NewVerifyingKeyRing(key)
		if err != nil {
			t.Fatal(err)
		}
		v, err := jwt.NewVerifier(jwt.VerifierConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: ring})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	asymmetric := verifier(jwt.NewVerifyingKey(public))
	confused := verifier(jwt.NewSecretKey([]byte(hex.EncodeToString(public))))
	sound := verifier(jwt.GenerateKey(jwt.HS256))
	if _, err := jwt.AnyOf(map[string]jwt.TokenVerifier{"a": asymmetric, "b": sound}); err != nil {
		t.Errorf("a secret beside a public key: %v", err)
	}
	if _, err := jwt.AnyOf(map[string]jwt.TokenVerifier{"a": asymmetric, "b": confused}); !testkit.IsConfigError(err) {
		t.Errorf("a secret that is the public key of another issuer: %v, want a ConfigError", err)
	}
}
