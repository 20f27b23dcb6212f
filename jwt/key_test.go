package jwt_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

func TestKeysFollowTheirMaterial(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{
		jwt.HS256, jwt.HS384, jwt.HS512, jwt.PS384, jwt.ES256, jwt.ES384, jwt.ES512, jwt.EdDSA,
	} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			k := mustKey(jwt.GenerateKey(alg))(t)
			if k.Algorithm() != alg || !k.CanSign() || k.ID() == "" {
				t.Errorf("%v, signs: %v", k, k.CanSign())
			}
			if _, err := jwt.NewKeyRing(k); err != nil {
				t.Error(err)
			}
			if _, err := k.WithAlgorithm(jwt.RS512); !testkit.IsConfigError(err) {
				t.Errorf("a key made for %s became one for RS512: %v", alg, err)
			}
		})
	}
	for _, alg := range []string{jwt.HS256, jwt.ES256, jwt.EdDSA} {
		if a, b := mustKey(jwt.GenerateKey(alg))(t), mustKey(jwt.GenerateKey(alg))(t); a.ID() == b.ID() {
			t.Errorf("two new keys for %s are one", alg)
		}
	}
	for _, alg := range []string{"", "none", "hs256", "ES256K"} {
		if _, err := jwt.GenerateKey(alg); !testkit.IsConfigError(err) {
			t.Errorf("a key for %q: %v", alg, err)
		}
	}
	if k := mustKey(jwt.NewSecretKey(make64()))(t); k.Algorithm() != jwt.HS256 {
		t.Errorf("a secret makes %s", k.Algorithm())
	}
	rs := mustKey(jwt.NewSigningKey(testRSA()))(t)
	if ps := mustKey(rs.WithAlgorithm(jwt.PS256))(t); rs.Algorithm() != jwt.RS256 || ps.Algorithm() != jwt.PS256 {
		t.Errorf("RSA makes %s, told PS256 %s", rs.Algorithm(), ps.Algorithm())
	}
}

func make64() []byte {
	b := make([]byte, 64)
	for i := range b {
		b[i] = byte(i * i)
	}
	return b
}

func TestZeroKey(t *testing.T) {
	t.Parallel()
	var k jwt.Key
	if k.ID() != "" || k.Algorithm() != "" || k.CanSign() || fmt.Sprint(k) == "" {
		t.Errorf("%v", k)
	}
	_, err := k.WithID("x")
	_, err2 := k.WithAlgorithm(jwt.HS256)
	if !testkit.IsConfigError(err) || !testkit.IsConfigError(err2) {
		t.Errorf("%v, %v", err, err2)
	}
	if _, err := secretKey(t).WithID(""); !testkit.IsConfigError(err) {
		t.Errorf("empty ID: %v", err)
	}
}

// However a key is printed, logged or marshalled, its material stays inside.
func TestKeyShowsNoMaterial(t *testing.T) {
	t.Parallel()
	secret := make64()
	r := testRSA()
	for _, k := range []jwt.Key{mustKey(jwt.NewSecretKey(secret))(t), mustKey(jwt.NewSigningKey(r))(t)} {
		holder := struct {
			Key  jwt.Key
			Keys []*jwt.Key
			Map  map[string]any
		}{k, []*jwt.Key{&k}, map[string]any{"key": k}}
		var out bytes.Buffer
		for _, v := range []any{k, &k, holder, &holder} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T", "%p"} {
				fmt.Fprintf(&out, verb+"\n", v)
			}
			text, err := json.Marshal(v)
			if err != nil {
				t.Error(err)
			}
			out.Write(text)
			slog.New(slog.NewTextHandler(&out, nil)).Info("x", "key", v)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "key", v)
		}
		text, err := xml.Marshal(k)
		if err != nil {
			t.Error(err)
		}
		out.Write(text)
		_, err = k.WithAlgorithm(jwt.ES256)
		fmt.Fprint(&out, err)

		shown := strings.ToLower(out.String())
		for _, n := range []*big.Int{new(big.Int).SetBytes(secret), r.D, r.Primes[0]} {
			for _, leak := range []string{hex.EncodeToString(n.Bytes()[8:16]), n.String()[8:40], fmt.Sprint(n.Bytes()[8:16]), strings.Trim(fmt.Sprintf("%#v", n.Bytes()[8:16]), "[]byte{}")} {
				if strings.Contains(shown, leak) {
					t.Errorf("%v is shown: %s", k, leak)
				}
			}
		}
		if !strings.Contains(out.String(), k.ID()) {
			t.Error("the ID is not shown")
		}
	}
}

// A key of an HSM or key service is one that shows nothing but crypto.Signer.
func TestSignerHeldElsewhere(t *testing.T) {
	t.Parallel()
	type elsewhere struct{ crypto.Signer }
	for _, alg := range []string{jwt.EdDSA, jwt.ES256, jwt.RS256, jwt.PS512} {
		k, err := jwt.NewSigningKey(elsewhere{newSigner(t, alg)})
		if err == nil {
			k, err = k.WithAlgorithm(alg)
		}
		if err != nil {
			t.Fatal(err)
		}
		issuer := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: testkit.RingOf(t, k)})
		if p := testkit.Verify(t, issuer, testkit.Issue(t, issuer, jwt.Claims{Subject: "u"})); p.Subject() != "u" {
			t.Errorf("%s: %v", alg, p)
		}
	}
}

func TestWeakKeysAreConfigErrors(t *testing.T) {
	t.Parallel()
	_, short := jwt.NewSecretKey([]byte("secret"))
	_, weak := jwt.NewVerifyingKey(&rsa.PublicKey{N: big.NewInt(15), E: 3})
	_, none := jwt.NewSigningKey(nil)
	for _, err := range []error{short, weak, none} {
		if !testkit.IsConfigError(err) {
			t.Errorf("%v", err)
		}
	}
}
