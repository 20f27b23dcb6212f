package bench

import (
	"errors"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
)

// credulous accepts every signature and makes none.
type credulous struct{ jws.Signer }

func (credulous) Verify([]byte, []byte, any) error       { return nil }
func (credulous) Sign([]byte, any) ([]byte, error)       { return nil, errors.New("credulous signs nothing") }
func (credulous) Algorithm() jwa.SignatureAlgorithm      { return "" }
func (c credulous) verifier() (jws.Verifier, error)      { return c, nil }
func (c credulous) signer() (signer jws.Signer, _ error) { return c, nil }

// TestRegistry checks that a verifier which another package puts into jwx's registry, of which
// there is one for the whole process, has no influence on the tokens of this library.
func TestRegistry(t *testing.T) {
	for alg, ours := range map[jwa.SignatureAlgorithm]string{jwa.RS256: jwt.RS256, jwa.ES256: jwt.ES256, jwa.EdDSA: jwt.EdDSA} {
		verifier, err := jws.NewVerifier(alg)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := jws.NewSigner(alg)
		if err != nil {
			t.Fatal(err)
		}
		jws.RegisterVerifier(alg, jws.VerifierFactoryFn(credulous{}.verifier))
		jws.RegisterSigner(alg, jws.SignerFactoryFn(credulous{}.signer))
		t.Cleanup(func() {
			jws.RegisterVerifier(alg, jws.VerifierFactoryFn(func() (jws.Verifier, error) { return verifier, nil }))
			jws.RegisterSigner(alg, jws.SignerFactoryFn(func() (jws.Signer, error) { return signer, nil }))
		})

		key, err := jwt.GenerateKey(ours)
		if err != nil {
			t.Fatal(err)
		}
		ring, err := jwt.NewKeyRing(key)
		if err != nil {
			t.Errorf("%s: %v", ours, err)
			continue
		}
		tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://id.test", Audience: "api", Keys: ring})
		if err != nil {
			t.Errorf("%s: %v", ours, err)
			continue
		}
		token, err := tokens.Issue(t.Context(), auth.Claims{Subject: "ada"})
		if err != nil {
			t.Errorf("%s: %v", ours, err)
			continue
		}
		if _, err := tokens.Verify(t.Context(), token); err != nil {
			t.Errorf("%s: %v", ours, err)
		}
		signed, sig := token[:strings.LastIndexByte(token, '.')+1], token[strings.LastIndexByte(token, '.')+1:]
		forged := signed + strings.Repeat("A", len(sig))
		if _, err := tokens.Verify(t.Context(), forged); !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("%s: a forged signature: %v, want ErrInvalidToken", ours, err)
		}
	}
}
