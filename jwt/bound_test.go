package jwt_test

import (
	"context"
	"errors"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

// A token that is bound to a key is accepted if its proof was checked at this use, and never else.
func TestBoundTokens(t *testing.T) {
	t.Parallel()
	errProof := errors.New("the key of the proof is not known")
	testkit.AtVectorTime(t, func(t *testing.T) {
		var proof error
		asked, checked := 0, 0
		v, err := jwt.NewVerifier(jwt.VerifierConfig{
			Issuer: testkit.Issuer, Audience: testkit.Audience, Keys: ruleRing(t), VerifiedTokens: 16,
			CheckProof: func(_ context.Context, p *jwt.Principal) error {
				asked++
				if p.Confirmation() != `{"jkt":"x"}` {
					t.Errorf("cnf %s", p.Confirmation())
				}
				return proof
			},
			Check: func(context.Context, *jwt.Principal) error { checked++; return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		bound := claims(`"sub":"u"`, `"sub":"u","cnf":{"jkt":"x"}`)
		for i, wanted := range []error{nil, jwt.ErrInvalidToken, errProof, nil} {
			proof = wanted
			if _, err := v.Verify(t.Context(), bound); !errors.Is(err, proof) {
				t.Errorf("use %d: %v, want %v", i+1, err, proof)
			}
		}
		if asked != 4 || checked != 2 {
			t.Errorf("the proof was asked for %d times of 4, Check %d times of 2", asked, checked)
		}
		for _, bearer := range []string{`"sub":"u"`, `"sub":"u","cnf":null`} {
			p, err := v.Verify(t.Context(), claims(`"sub":"u"`, bearer))
			if err != nil || p.Confirmation() != "" || asked != 4 {
				t.Errorf("bearer token: %v, asked %d times", err, asked)
			}
		}
	})
}

// An actor inside another must have a subject, too.
func TestNestedActors(t *testing.T) {
	t.Parallel()
	testkit.AtVectorTime(t, func(t *testing.T) {
		v, err := jwt.NewVerifier(jwt.VerifierConfig{Issuer: testkit.Issuer, Audience: testkit.Audience, Keys: ruleRing(t)})
		if err != nil {
			t.Fatal(err)
		}
		for act, accepted := range map[string]bool{
			`{"sub":"a","act":{"sub":"b"}}`:                  true,
			`{"sub":"a","iss":"x","act":{"sub":"b"}}`:        true,
			`{"sub":"a","act":{}}`:                           false,
			`{"sub":"a","act":null}`:                         false,
			`{"sub":"a","act":"b"}`:                          false,
			`{"sub":"a","act":{"sub":1}}`:                    false,
			`{"sub":"a","act":{"sub":"b","act":{"x":1}}}`:    false,
			`{"sub":"a","act":[{"sub":"b"}]}`:                false,
			`{"act":{"sub":"b"}}`:                            false,
			`{"sub":"a","act":{"sub":"b","act":{"sub":""}}}`: false,
		} {
			_, err := v.Verify(t.Context(), claims(`"sub":"u"`, `"sub":"u","act":`+act))
			if (err == nil) != accepted {
				t.Errorf("act %s: %v", act, err)
			}
		}
	})
}
