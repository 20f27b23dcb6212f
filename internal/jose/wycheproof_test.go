package jose_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-e36e2130/auth/internal/jose"
	"github.com/seed-e36e2130/auth/internal/testenv"
)

// TestWycheproof runs the JWS and JWK vectors of C2SP/wycheproof, and its cases of RSA, PSS and
// ECDSA signatures, transferred to the keys of testdata/vectors. If a key is refused, its tokens
// count as refused.
func TestWycheproof(t *testing.T) {
	t.Parallel()
	dir := testenv.Wycheproof(t)
	var keys map[string]json.RawMessage
	text, err := os.ReadFile(filepath.Join(dir, "wycheproof_keys.json"))
	if err == nil {
		err = json.Unmarshal(text, &keys)
	}
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "tokens.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	n := 0
	for ; sc.Scan(); n++ {
		var v struct{ ID, Settings, Token, Expect, Level, Why string }
		if err := json.Unmarshal(sc.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		got := "reject"
		ring, err := wycheproofRing(t, v.Settings, keys)
		if err == nil {
			if _, err = ring.Open(v.Token, false); err == nil {
				got = "accept"
			}
		}
		if got != v.Expect {
			t.Errorf("%s: got %s, want %s (%s): %s: %v", v.ID, got, v.Expect, v.Level, v.Why, err)
		}
	}
	if err := sc.Err(); err != nil || n < 600 {
		t.Errorf("read %d cases, want at least 600: %v", n, err)
	}
}

// wycheproofRing returns the ring of a setting: a JWK or JWK set of the vectors, or a key of
// testdata/vectors.
func wycheproofRing(t *testing.T, setting string, keys map[string]json.RawMessage) (*jose.Ring, error) {
	t.Helper()
	if alg, ok := map[string]string{"RS": "RS256", "PS": "PS256", "ES": "ES256"}[setting]; ok {
		id := map[string]string{"RS": "rs-1", "PS": "ps-1", "ES": "es-1"}[setting]
		text, err := os.ReadFile(filepath.Join("..", "..", "testdata", "vectors", "keys", id+".public.pem"))
		if err != nil {
			t.Fatal(err)
		}
		k, err := jose.Parse(text)
		if err == nil {
			k, err = k.With(alg, id)
		}
		if err != nil {
			t.Fatal(err)
		}
		return jose.NewRing([]*jose.Key{k}, false), nil
	}
	text, ok := keys[setting]
	if !ok {
		t.Fatalf("there are no keys for the setting %s", setting)
	}
	if setting[:2] == "WK" {
		set, faults, err := jose.ParseSet(string(text))
		if err == nil && len(faults) > 0 {
			err = faults[0]
		}
		if err != nil {
			return nil, err
		}
		return jose.NewRing(set, false), nil
	}
	k, err := jose.ParseJWK(string(text))
	switch setting {
	case "WP-12", "WP-16", "WP-21": // the sample of RFC 7520 section 3.5, and zeros: ParseJWK refuses both
		if err == nil {
			t.Errorf("ParseJWK accepts the secret of %s", setting)
		}
		var jwk struct{ K, Alg, Kid string }
		if err := json.Unmarshal(text, &jwk); err != nil {
			t.Fatal(err)
		}
		secret, err := base64.RawURLEncoding.DecodeString(jwk.K)
		if err != nil {
			t.Fatal(err)
		}
		if k, err = jose.NewUncheckedSecret(secret, jwk.Alg, jwk.Kid); err != nil {
			t.Fatal(err)
		}
	default:
		if err != nil {
			return nil, err
		}
	}
	return jose.NewRing([]*jose.Key{k}, false), nil
}
