package auth_test

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

	"github.com/seed-e36e2130/auth"
)

func TestKeysFollowTheirMaterial(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{
		auth.HS256, auth.HS384, auth.HS512, auth.PS384, auth.ES256, auth.ES384, auth.ES512, auth.EdDSA,
	} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			k := mustKey(auth.GenerateKey(alg))(t)
			if k.Algorithm() != alg || !k.CanSign() || k.ID() == "" {
				t.Errorf("%v, signs: %v", k, k.CanSign())
			}
			if _, err := auth.NewKeyRing(k); err != nil {
				t.Error(err)
			}
			if _, err := k.WithAlgorithm(auth.RS512); !isConfigError(err) {
				t.Errorf("a key made for %s became one for RS512: %v", alg, err)
			}
		})
	}
	for _, alg := range []string{auth.HS256, auth.ES256, auth.EdDSA} {
		if a, b := mustKey(auth.GenerateKey(alg))(t), mustKey(auth.GenerateKey(alg))(t); a.ID() == b.ID() {
			t.Errorf("two new keys for %s are one", alg)
		}
	}
	for _, alg := range []string{"", "none", "hs256", "ES256K"} {
		if _, err := auth.GenerateKey(alg); !isConfigError(err) {
			t.Errorf("a key for %q: %v", alg, err)
		}
	}
	if k := mustKey(auth.NewSecretKey(make64()))(t); k.Algorithm() != auth.HS256 {
		t.Errorf("a secret makes %s", k.Algorithm())
	}
	rs := mustKey(auth.NewSigningKey(testRSA()))(t)
	if ps := mustKey(rs.WithAlgorithm(auth.PS256))(t); rs.Algorithm() != auth.RS256 || ps.Algorithm() != auth.PS256 {
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
	var k auth.Key
	if k.ID() != "" || k.Algorithm() != "" || k.CanSign() || k.String() == "" {
		t.Errorf("%v", k)
	}
	_, err := k.WithID("x")
	_, err2 := k.WithAlgorithm(auth.HS256)
	if !isConfigError(err) || !isConfigError(err2) {
		t.Errorf("%v, %v", err, err2)
	}
	if _, err := secretKey(t).WithID(""); !isConfigError(err) {
		t.Errorf("empty ID: %v", err)
	}
}

// However a key is printed, logged or marshalled, its material stays inside.
func TestKeyShowsNoMaterial(t *testing.T) {
	t.Parallel()
	secret := make64()
	r := testRSA()
	for _, k := range []auth.Key{mustKey(auth.NewSecretKey(secret))(t), mustKey(auth.NewSigningKey(r))(t)} {
		holder := struct {
			Key  auth.Key
			Keys []*auth.Key
			Map  map[string]any
		}{k, []*auth.Key{&k}, map[string]any{"key": k}}
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
		_, err = k.WithAlgorithm(auth.ES256)
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
	for _, alg := range []string{auth.EdDSA, auth.ES256, auth.RS256, auth.PS512} {
		k, err := auth.NewSigningKey(elsewhere{newSigner(t, alg)})
		if err == nil {
			k, err = k.WithAlgorithm(alg)
		}
		if err != nil {
			t.Fatal(err)
		}
		issuer := newIssuer(t, auth.JWTConfig{Keys: ringOf(t, k)})
		if p := verify(t, issuer, issue(t, issuer, auth.Claims{Subject: "u"})); p.Subject() != "u" {
			t.Errorf("%s: %v", alg, p)
		}
	}
}

func TestWeakKeysAreConfigErrors(t *testing.T) {
	t.Parallel()
	_, short := auth.NewSecretKey([]byte("secret"))
	_, weak := auth.NewVerifyingKey(&rsa.PublicKey{N: big.NewInt(15), E: 3})
	_, none := auth.NewSigningKey(nil)
	for _, err := range []error{short, weak, none} {
		if !isConfigError(err) {
			t.Errorf("%v", err)
		}
	}
}
