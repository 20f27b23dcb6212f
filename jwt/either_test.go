package jwt_test

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

func either(t testing.TB, first, second jwt.TokenVerifier) jwt.TokenVerifier {
	t.Helper()
	v, err := jwt.Either(first, second)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Which answers of the first verifier are final, and whose error a refusal has.
func TestEitherAsks(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	other := fmt.Errorf("%w: another", jwt.ErrInvalidToken)
	ada, bob := callerOf(t, "i", "ada"), callerOf(t, "i", "bob")
	for name, row := range map[string]struct {
		first, second counting
		askSecond     int
		p             *jwt.Principal
		want          error
	}{
		"accepted":                  {counting{p: ada}, counting{p: bob}, 0, ada, nil},
		"unknown key":               {counting{err: jwt.ErrUnknownKey}, counting{p: bob}, 1, bob, nil},
		"refused":                   {counting{err: other}, counting{p: bob}, 1, bob, nil},
		"expired":                   {counting{err: jwt.ErrExpiredToken}, counting{p: bob}, 0, nil, jwt.ErrExpiredToken},
		"revoked":                   {counting{err: jwt.ErrRevokedToken}, counting{p: bob}, 0, nil, jwt.ErrRevokedToken},
		"revoked, wrapped":          {counting{err: fmt.Errorf("why: %w", jwt.ErrRevokedToken)}, counting{p: bob}, 0, nil, jwt.ErrRevokedToken},
		"not decided":               {counting{err: down}, counting{p: bob}, 0, nil, down},
		"no keys":                   {counting{err: jwt.ErrKeysUnavailable}, counting{p: bob}, 0, nil, jwt.ErrKeysUnavailable},
		"nobody":                    {counting{}, counting{p: bob}, 0, nil, jwt.ErrNobody},
		"a caller beside an error":  {counting{p: ada, err: other}, counting{err: jwt.ErrExpiredToken}, 1, nil, jwt.ErrExpiredToken},
		"refused by both":           {counting{err: jwt.ErrUnknownKey}, counting{err: other}, 1, nil, other},
		"second has no key":         {counting{err: other}, counting{err: jwt.ErrUnknownKey}, 1, nil, other},
		"second does not decide":    {counting{err: other}, counting{err: down}, 1, nil, down},
		"second names nobody":       {counting{err: other}, counting{}, 1, nil, jwt.ErrNobody},
		"second's caller and error": {counting{err: other}, counting{p: bob, err: jwt.ErrRevokedToken}, 1, nil, jwt.ErrRevokedToken},
	} {
		p, err := either(t, &row.first, &row.second).Verify(t.Context(), "token")
		if p != row.p || !errors.Is(err, row.want) || (err == nil) != (row.want == nil) {
			t.Errorf("%s: got %v, %v, want %v, %v", name, p, err, row.p, row.want)
		}
		if row.first.asked != 1 || row.second.asked != row.askSecond {
			t.Errorf("%s: asked first %d and second %d times, want 1 and %d", name, row.first.asked, row.second.asked, row.askSecond)
		}
	}
}

// One's own old tokens, without iss and aud, under the same secret and under another, beside new ones.
// An old token is accepted until it expires. A new one that has expired, was revoked or is not valid
// yet is not taken for an old one, although the old rules would let it pass.
func TestEitherOwnOldTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		revoked := ""
		check := func(_ context.Context, p *jwt.Principal) error {
			if p.TokenID() == revoked {
				return jwt.ErrRevokedToken
			}
			return nil
		}
		old := mustKey(jwt.NewSecretKey(ruleSecret))(t)
		for name, key := range map[string]jwt.Key{"another key": testkit.Generated(t, jwt.EdDSA), "the same secret": old} {
			revoked = ""
			oldRing, err := jwt.NewVerifyingKeyRing(old)
			if err != nil {
				t.Fatal(err)
			}
			tokens := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: testkit.RingOf(t, key), Lifetime: time.Hour, Check: check})
			lax, err := jwt.NewVerifier(jwt.VerifierConfig{
				Issuer: testkit.Issuer, DangerouslyNoIssuer: true, Audience: testkit.Audience, DangerouslyNoAudience: true,
				Keys: oldRing, Types: []string{"JWT", "at+jwt"}, NumericSubject: true, Leeway: 5 * time.Minute,
			})
			if err != nil {
				t.Fatal(err)
			}
			v := either(t, tokens, lax)
			oldToken := rawToken(`{"alg":"HS256","typ":"JWT"}`, fmt.Sprintf(`{"sub":7,"exp":%d}`, time.Now().Add(time.Hour).Unix()))
			if p := testkit.Verify(t, v, oldToken); p.Subject() != "7" {
				t.Errorf("%s: an old token speaks for %q", name, p.Subject())
			}
			newToken := testkit.Issue(t, tokens, jwt.Claims{Subject: "u"})
			p := testkit.Verify(t, v, newToken)
			if name == "the same secret" {
				testkit.Verify(t, lax, newToken) // the old rules alone let it pass
			}
			revoked = p.TokenID()
			if p, err := v.Verify(t.Context(), newToken); !errors.Is(err, jwt.ErrRevokedToken) {
				t.Errorf("%s: a revoked token: %v, %v", name, p, err)
			}
			revoked = ""
			time.Sleep(time.Hour + time.Minute) // expired for the new rules, and within the leeway of the old
			if name == "the same secret" {
				testkit.Verify(t, lax, newToken)
			}
			if p, err := v.Verify(t.Context(), newToken); !errors.Is(err, jwt.ErrExpiredToken) {
				t.Errorf("%s: an expired token: %v, %v", name, p, err)
			}
			early := rawToken(`{"alg":"HS256","typ":"at+jwt"}`, fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":"u","nbf":%d,"exp":%d}`,
				testkit.Issuer, testkit.Audience, time.Now().Add(time.Minute).Unix(), time.Now().Add(time.Hour).Unix()))
			if name == "the same secret" {
				testkit.Verify(t, lax, early)
				if p, err := v.Verify(t.Context(), early); !errors.Is(err, jwt.ErrInvalidToken) {
					t.Errorf("%s: a token that is not valid yet: %v, %v", name, p, err)
				}
			}
			time.Sleep(10 * time.Minute)
			if p, err := v.Verify(t.Context(), oldToken); !errors.Is(err, jwt.ErrExpiredToken) {
				t.Errorf("%s: an old token, expired: %v, %v", name, p, err)
			}
		}
	})
}

// Two kinds of keys under one issuer, behind AnyOf.
func TestEitherTwoKindsOfKeys(t *testing.T) {
	t.Parallel()
	testkit.AtVectorTime(t, func(t *testing.T) {
		es := testkit.Generated(t, jwt.ES256)
		now := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: testkit.RingOf(t, es)})
		before := ruleVerifier(t)
		v := anyOf(t, map[string]jwt.TokenVerifier{testkit.Issuer: either(t, before, now)})
		testkit.Verify(t, v, testkit.Issue(t, now, jwt.Claims{Subject: "u"}))
		testkit.Verify(t, v, rawToken(ruleHeader, ruleClaims))
		for name, token := range map[string]string{
			"forged, HS256":                   dropSignature(rawToken(ruleHeader, ruleClaims)) + "AAAA",
			"none":                            dropSignature(header(`HS256`, `none`)),
			"HS256 under the ID of the other": header(`"kid":"k"`, fmt.Sprintf(`"kid":%q`, es.ID())),
		} {
			if p, err := v.Verify(t.Context(), token); !errors.Is(err, jwt.ErrInvalidToken) {
				t.Errorf("%s: %v, %v", name, p, err)
			}
		}
	})
}

func TestEitherConfig(t *testing.T) {
	t.Parallel()
	for name, pair := range map[string][2]jwt.TokenVerifier{
		"no first": {nil, &counting{}}, "no second": {&counting{}, nil}, "none": {},
	} {
		if v, err := jwt.Either(pair[0], pair[1]); v != nil || !testkit.IsConfigError(err) {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	verifier := func(key jwt.Key) jwt.TokenVerifier {
		ring, err := jwt.NewVerifyingKeyRing(key)
		if err != nil {
			t.Fatal(err)
		}
		v, err := jwt.NewVerifier(jwt.VerifierConfig{Issuer: testkit.Issuer, Audience: testkit.Audience, Keys: ring})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	asymmetric, confused := verifier(mustKey(jwt.NewVerifyingKey(public))(t)), verifier(mustKey(jwt.NewSecretKey([]byte(hex.EncodeToString(public))))(t))
	if v, err := jwt.Either(confused, asymmetric); v != nil || !testkit.IsConfigError(err) {
		t.Errorf("a secret that is the public key of the other: %v, %v", v, err)
	}
	inner := either(t, confused, &counting{})
	if v, err := jwt.Either(asymmetric, inner); v != nil || !testkit.IsConfigError(err) {
		t.Errorf("a secret that is a public key, one level below: %v, %v", v, err)
	}
	if v, err := jwt.AnyOf(map[string]jwt.TokenVerifier{"a": inner, "b": asymmetric}); v != nil || !testkit.IsConfigError(err) {
		t.Errorf("a secret that is a public key, below AnyOf: %v, %v", v, err)
	}
}
