package testkit

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth/jwt"
)

// VectorSetting is one of testdata/vectors/settings.json.
type VectorSetting struct {
	ID, Issuer, Audience, Typ string
	Profile                   string
	Keys                      []struct{ Kid, Alg string }
	Leeway                    int   `json:"leeway_s"`
	Now                       int64 `json:"now"`
}

// Testdata returns the path of a file below the testdata folder of the repository, from the folder
// of any package: name begins with "testdata/". Any other name is returned as it is.
func Testdata(name string) string {
	if !strings.HasPrefix(name, "testdata/") {
		return name
	}
	for up := "."; len(up) < 20; up += "/.." {
		if path := filepath.Join(up, name); exists(path) {
			return path
		}
	}
	return name
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// ReadLines decodes each line of a file of testdata/vectors as a T.
func ReadLines[T any](t testing.TB, name string) []T {
	t.Helper()
	b, err := os.ReadFile(Testdata(name))
	if err != nil {
		t.Fatal(err)
	}
	var list []T
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var v T
		if err := json.Unmarshal(sc.Bytes(), &v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		list = append(list, v)
	}
	if err := sc.Err(); err != nil || len(list) == 0 {
		t.Fatalf("%s: %d lines, %v", name, len(list), err)
	}
	return list
}

func VectorSettings(t testing.TB) map[string]VectorSetting {
	t.Helper()
	b, err := os.ReadFile(Testdata("testdata/vectors/settings.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []VectorSetting
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	byID := make(map[string]VectorSetting)
	for _, s := range list {
		byID[s.ID] = s
	}
	return byID
}

// VectorKey returns the key of testdata/vectors/keys with this ID.
func VectorKey(t testing.TB, kid, alg string) jwt.Key {
	t.Helper()
	var key jwt.Key
	var err error
	dir := Testdata("testdata/vectors/keys")
	if strings.HasPrefix(kid, "hs") {
		var text, secret []byte
		if text, err = os.ReadFile(filepath.Join(dir, kid+".b64")); err == nil {
			secret, err = base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
		}
		if err == nil {
			key, err = jwt.NewSecretKey(secret)
		}
	} else {
		var text []byte
		if text, err = os.ReadFile(filepath.Join(dir, kid+".public.pem")); err == nil {
			block, _ := pem.Decode(text)
			var public any
			if public, err = x509.ParsePKIXPublicKey(block.Bytes); err == nil {
				key, err = jwt.NewVerifyingKey(public)
			}
		}
	}
	if err == nil {
		key, err = key.WithAlgorithm(alg)
	}
	if err == nil {
		key, err = key.WithID(kid)
	}
	if err != nil {
		t.Fatalf("key %s: %v", kid, err)
	}
	return key
}

// VectorVerifier returns the verifier of a setting.
func VectorVerifier(t testing.TB, s VectorSetting, tokens int) *jwt.Verifier {
	t.Helper()
	var keys []jwt.Key
	for _, k := range s.Keys {
		keys = append(keys, VectorKey(t, k.Kid, k.Alg))
	}
	ring, err := jwt.NewVerifyingKeyRing(keys...)
	if err != nil {
		t.Fatal(err)
	}
	cfg := jwt.VerifierConfig{
		Issuer: s.Issuer, Audience: s.Audience, Keys: ring,
		Leeway: time.Duration(s.Leeway) * time.Second, VerifiedTokens: tokens,
		DangerouslyAnyType: s.Typ == "",
	}
	if s.Leeway == 0 {
		cfg.Leeway = jwt.NoLeeway
	}
	v, err := jwt.NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// AtVectorTime runs f at the time for which the vectors were made.
func AtVectorTime(t *testing.T, f func(t *testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(1_800_000_000, 0)))
		f(t)
	})
}
