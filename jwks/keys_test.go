package jwks_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwks"
)

// A bad key of a set has no effect on the tokens of the other keys, and the log names it.
func TestBadKeysAmongGood(t *testing.T) {
	t.Parallel()
	good := newKey(t, "EdDSA", "good")
	broken, published := newKey(t, "EdDSA", "broken"), newKey(t, "EdDSA", "published")
	seed := published.signer.(ed25519.PrivateKey).Seed()
	ec := newKey(t, "ES256", "ec")
	scalar, err := ec.signer.(*ecdsa.PrivateKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret := []byte("a secret that everybody can fetch")
	for name, row := range map[string]struct {
		jwk     map[string]any
		refused string // text in the log; empty: the key is skipped without a message
		token   func() string
	}{
		"a secret": {
			map[string]any{"kty": "oct", "k": encode(secret), "kid": "secret", "alg": "HS256"}, "published",
			func() string {
				text := encode([]byte(`{"alg":"HS256","typ":"at+jwt","kid":"secret"}`)) + "." + strings.Split(good.token(t, issuerURL), ".")[1]
				mac := hmac.New(sha256.New, secret)
				mac.Write([]byte(text))
				return text + "." + encode(mac.Sum(nil))
			},
		},
		"a private key":             {published.jwk(map[string]any{"d": encode(seed)}), "published", func() string { return published.token(t, issuerURL) }},
		"a private key to verify":   {published.jwk(map[string]any{"d": encode(seed), "key_ops": []string{"verify"}, "use": nil}), "published", func() string { return published.token(t, issuerURL) }},
		"a private EC key":          {ec.jwk(map[string]any{"d": encode(scalar)}), "published", func() string { return ec.token(t, issuerURL) }},
		"a short RSA key":           {testKey{"RS256", "weak", weak}.jwk(), "1024 bits", func() string { return testKey{"RS256", "weak", weak}.token(t, issuerURL) }},
		"a key of broken base64url": {broken.jwk(map[string]any{"x": "AAAA="}), "base64url", func() string { return broken.token(t, issuerURL) }},
		"a point of small order":    {broken.jwk(map[string]any{"x": encode(make([]byte, 32))}), "small order", func() string { return broken.token(t, issuerURL) }},
		"a point off the curve":     {ec.jwk(map[string]any{"x": encode(make([]byte, 32))}), "curve", func() string { return ec.token(t, issuerURL) }},
		"another algorithm's":       {ec.jwk(map[string]any{"alg": "ES384"}), "does not fit", func() string { return ec.token(t, issuerURL) }},
		"an unknown kty":            {map[string]any{"kty": "AKP", "kid": "x", "pub": "AAAA"}, "", nil},
		"an unknown curve":          {map[string]any{"kty": "EC", "crv": "secp256k1", "kid": "x", "x": "AAAA", "y": "AAAA"}, "", nil},
		"a curve of 224 bits":       {testKey{"ES256", "x", small}.jwk(map[string]any{"alg": nil}), "", nil},
		"an encryption key":         {broken.jwk(map[string]any{"use": "enc", "alg": "ECDH-ES"}), "", func() string { return broken.token(t, issuerURL) }},
		"an encryption algorithm":   {newKey(t, "RS256", "x").jwk(map[string]any{"alg": "RSA-OAEP", "use": "enc"}), "", nil},
		"more members":              {good.jwk(map[string]any{"x5t": "x", "x5c": []string{"AAAA"}, "issuer": "https://x.test", "ext": true, "key_ops": []string{"verify"}}), "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(t, issuerURL)
				i.answerSet(answer(setOf(t, row.jwk, good.jwk())))
				log := new(logged)
				v := i.verifier(t, func(cfg *jwks.Config) { cfg.Logger = log.logger() })
				accepted(t, v, good.token(t, issuerURL))
				synctest.Wait()
				if row.token != nil {
					refused(t, v, row.token(), auth.ErrUnknownKey)
				}
				if row.refused != "" && (strings.Count(log.String(), "key refused") != 1 || !strings.Contains(log.String(), row.refused)) {
					t.Errorf("the log does not say %q:\n%s", row.refused, log)
				}
				if row.refused == "" && strings.Contains(log.String(), "refused") {
					t.Errorf("a key that is not for us was logged:\n%s", log)
				}
				for _, leak := range []string{encode(secret), encode(seed), encode(scalar)} {
					if strings.Contains(log.String(), leak) {
						t.Errorf("the log contains key material:\n%s", log)
					}
				}
			})
		})
	}
}

// The algorithm of an RSA key comes from its JWK, or else from the host, and never from a token.
func TestRSAAlgorithm(t *testing.T) {
	t.Parallel()
	unnamed := map[string]any{"alg": nil}
	for name, row := range map[string]struct {
		setting string
		member  map[string]any
		takes   string
		not     string
	}{
		"neither says":      {"", unnamed, "RS256", "PS256"},
		"the host says":     {"PS256", unnamed, "PS256", "RS256"},
		"the key says":      {"", map[string]any{"alg": "PS256"}, "PS256", "RS256"},
		"the key says more": {"PS256", map[string]any{"alg": "RS256"}, "RS256", "PS256"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rs, ps := newKey(t, "RS256", "1"), newKey(t, "PS256", "1")
			other := newKey(t, "EdDSA", "2")
			i := newIssuer(t, issuerURL)
			i.answerSet(answer(setOf(t, rs.jwk(row.member), other.jwk())))
			v := i.verifier(t, func(cfg *jwks.Config) { cfg.RSAAlgorithm = row.setting })
			tokens := map[string]string{"RS256": rs.token(t, issuerURL), "PS256": ps.token(t, issuerURL)}
			accepted(t, v, tokens[row.takes])
			refused(t, v, tokens[row.not], auth.ErrInvalidToken)
			accepted(t, v, other.token(t, issuerURL))
		})
	}
}

// A token without kid is verified by the only key of its algorithm, and refused if there are two.
func TestNoKeyID(t *testing.T) {
	t.Parallel()
	nameless := newKey(t, "EdDSA", "")
	i := newIssuer(t, issuerURL)
	i.answerSet(answer(setOf(t, nameless.jwk(map[string]any{"kid": nil}))))
	v := i.verifier(t)
	accepted(t, v, nameless.token(t, issuerURL))

	i = newIssuer(t, issuerURL, newKey(t, "EdDSA", "1"), newKey(t, "EdDSA", "2"))
	refused(t, i.verifier(t), nameless.token(t, issuerURL), auth.ErrUnknownKey)
}
