package jwt_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

// The MUSTs of the specifications for who makes tokens, one a row.
func TestIssuerSpecifications(t *testing.T) {
	t.Parallel()
	before := time.Now()
	for _, alg := range testkit.Algorithms {
		i := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: testkit.RingOf(t, testkit.Generated(t, alg)), Lifetime: time.Hour})
		token := testkit.Issue(t, i, jwt.Claims{Subject: "u", Scopes: []string{"a", "b"}, Roles: []string{"r"}, Custom: map[string]any{`"}`: `\`}})
		again := testkit.Issue(t, i, jwt.Claims{Subject: "u"})
		h, c := testkit.Segment(t, token, 0), testkit.Segment(t, token, 1)
		number := func(name string) float64 { n, _ := c[name].(float64); return n }
		for rule, ok := range map[string]bool{
			"RFC 7515 3.1: three segments":                         strings.Count(token, ".") == 2,
			"RFC 7515 2: base64url without padding":                !strings.ContainsAny(token, "=+/ \r\n"),
			"RFC 7515 4.1.1: alg is the key's":                     h["alg"] == alg,
			"RFC 7515 4.1.4: kid names the key":                    h["kid"] != nil && h["kid"] != "",
			"RFC 7515 4.1.11: no empty crit":                       h["crit"] == nil,
			"RFC 7797 7: no b64":                                   h["b64"] == nil,
			"RFC 8725 3.6: no zip":                                 h["zip"] == nil,
			"RFC 8725 3.11 and RFC 9068 2.1: typ at+jwt":           h["typ"] == "at+jwt",
			"RFC 8725 3.8 and RFC 9068 2.2: iss":                   c["iss"] == testkit.Issuer,
			"RFC 9068 2.2: sub":                                    c["sub"] == "u",
			"RFC 8725 3.9 and RFC 9068 2.2: aud":                   c["aud"] == testkit.Audience,
			"RFC 9068 2.2: iat":                                    number("iat") >= float64(before.Unix()) && number("iat") <= float64(time.Now().Unix()),
			"RFC 9068 2.2: exp":                                    number("exp") == number("iat")+3600,
			"RFC 7519 2: NumericDate in whole seconds":             number("exp") == float64(int64(number("exp"))),
			"RFC 7519 4.1.7 and RFC 9068 2.2: jti, never the same": c["jti"] != nil && c["jti"] != testkit.Segment(t, again, 1)["jti"],
			"RFC 9068 2.2.3 and RFC 8693 4.2: scope is words":      c["scope"] == "a b",
			"RFC 9068 2.2: client_id":                              c["client_id"] == testkit.Issuer,
			"RFC 7519 4: no name twice":                            len(c) == 10 && c[`"}`] == `\`,
		} {
			if !ok {
				t.Errorf("%s: %s: header %v, claims %v", alg, rule, h, c)
			}
		}
	}
}

// The MUSTs of the specifications for keys, one a row.
func TestKeySpecifications(t *testing.T) {
	t.Parallel()
	random := func(n int) []byte { return ruleSecret[:n] }
	b64 := base64.RawURLEncoding.EncodeToString
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := ec.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	onCurve := func(curve string, x, y []byte) string {
		return `{"kty":"EC","crv":"` + curve + `","x":"` + b64(x) + `","y":"` + b64(y) + `"}`
	}
	big2048, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	secret := func(secret []byte, alg string) func() error {
		return func() error {
			k, err := jwt.NewSecretKey(secret)
			if err == nil {
				_, err = k.WithAlgorithm(alg)
			}
			return err
		}
	}
	public := func(key any) func() error {
		return func() error { _, err := jwt.NewVerifyingKey(key); return err }
	}
	parse := func(text string) func() error {
		return func() error { _, err := jwt.ParseKey([]byte(text)); return err }
	}
	set := func(text string) func() error {
		return func() error { _, err := jwt.ParseKeySet([]byte(text)); return err }
	}
	var zeros [31]byte
	x := b64(mustEd(t))
	good := map[string]func() error{
		"Ed25519": parse(`{"kty":"OKP","crv":"Ed25519","use":"sig","key_ops":["verify"],"alg":"EdDSA","x":"` + x + `"}`),
		"P-256":   parse(onCurve("P-256", point[1:33], point[33:])),
		"RSA":     parse(`{"kty":"RSA","e":"AQAB","n":"` + b64(big2048.N.Bytes()) + `"}`),
		"HS256":   secret(random(32), jwt.HS256),
	}
	for what, make := range good { // else the rows below could be refused for another reason
		if err := make(); err != nil {
			t.Errorf("a sound key, %s: %v", what, err)
		}
	}
	for rule, make := range map[string]func() error{
		"RFC 7518 3.2: HS256 with 31 bytes":                       secret(random(31), jwt.HS256),
		"RFC 7518 3.2: HS384 with 47 bytes":                       secret(append(random(32), random(15)...), jwt.HS384),
		"RFC 7518 3.2: HS512 with 32 bytes":                       secret(random(32), jwt.HS512),
		"RFC 8725 3.5: a secret of one byte, repeated":            secret([]byte(strings.Repeat("k", 64)), jwt.HS256),
		"RFC 8725 3.5: a password, repeated":                      secret([]byte(strings.Repeat("password", 8)), jwt.HS256),
		"RFC 7518 3.3: RSA of 2047 bits":                          public(&rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 2046, 1), E: 65537}),
		"RFC 7518 3.4 and RFC 8725 3.4: a point beside its curve": parse(onCurve("P-256", point[1:33], point[1:33])),
		"RFC 7518 3.4: P-224 has no algorithm":                    parse(onCurve("P-224", point[1:29], point[33:61])),
		"RFC 8037 2: an Ed25519 key of 31 bytes":                  public(ed25519.PublicKey(random(31))),
		"RFC 8725 3.4: an Ed25519 point of small order":           public(ed25519.PublicKey(append([]byte{1}, zeros[:]...))),
		"RFC 7517 4: names are unique":                            parse(`{"kty":"OKP","kty":"OKP","crv":"Ed25519","x":"` + x + `"}`),
		"RFC 7517 4.1: kty is present":                            parse(`{"crv":"Ed25519","x":"` + x + `"}`),
		"RFC 7517 4.2: use is sig":                                parse(`{"kty":"OKP","crv":"Ed25519","use":"enc","x":"` + x + `"}`),
		"RFC 7517 4.3: key_ops allow to verify":                   parse(`{"kty":"OKP","crv":"Ed25519","key_ops":["encrypt"],"x":"` + x + `"}`),
		"RFC 7517 4.3: key_ops hold nothing twice":                parse(`{"kty":"OKP","crv":"Ed25519","key_ops":["verify","verify"],"x":"` + x + `"}`),
		"RFC 7517 4.4: alg fits the key":                          parse(`{"kty":"OKP","crv":"Ed25519","alg":"ES256","x":"` + x + `"}`),
		"RFC 7517 4.5: two keys with one kid":                     set(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"` + x + `"},{"kty":"OKP","crv":"Ed25519","kid":"k","x":"` + b64(mustEd(t)) + `"}]}`),
		"RFC 7517 5: keys is present":                             set(`{"key":[{"kty":"OKP","crv":"Ed25519","x":"` + x + `"}]}`),
		"RFC 7518 6.2.1.2: a coordinate has the curve's size":     parse(onCurve("P-256", append([]byte{0}, point[1:33]...), point[33:])),
		"RFC 7518 6.3.1.1: a modulus with a leading zero":         parse(`{"kty":"RSA","e":"AQAB","n":"` + b64(append([]byte{0}, big2048.N.Bytes()...)) + `"}`),
		"RFC 7468 2: one key in one file":                         parse(testkit.Read(t, "testdata/vectors/keys/es-1.public.pem") + testkit.Read(t, "testdata/vectors/keys/ed-1.public.pem")),
	} {
		if err := make(); !testkit.IsConfigError(err) {
			t.Errorf("%s: %v", rule, err)
		}
	}
}

func mustEd(t testing.TB) ed25519.PublicKey {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return public
}
