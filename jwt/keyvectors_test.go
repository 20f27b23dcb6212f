package jwt_test

import (
	"encoding/base64"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

type keyVector struct {
	ID, Kind, Use, Alg, Data, Mode, Expect, Level, Why, Source string
}

// publicHalfTaken are the cases of level policy that are answered otherwise. This
// one allows both answers: a private key where a public one would do is taken and
// its public half alone is published.
var publicHalfTaken = map[string]bool{"key-jwk-45": true}

func TestKeyVectors(t *testing.T) {
	t.Parallel()
	for _, v := range testkit.ReadLines[keyVector](t, "testdata/vectors/keys.jsonl") {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			ring, err := vectorRing(t, v)
			if got := map[bool]string{true: "accept", false: "reject"}[err == nil]; got != v.Expect && !publicHalfTaken[v.ID] {
				t.Errorf("%s, want %s (%s): %s [%s]: %v", got, v.Expect, v.Level, v.Why, v.Source, err)
			}
			if err != nil && (strings.Contains(err.Error(), v.Data) && len(v.Data) > 20 || !strings.HasPrefix(err.Error(), "auth: ")) {
				t.Errorf("the error holds the key or does not begin with auth: %v", err)
			}
			if ring != nil {
				assertNoPrivateMember(t, publishedSet(t, ring))
			}
		})
	}
}

// vectorRing builds from a case what a host would build.
func vectorRing(t *testing.T, v keyVector) (*jwt.KeyRing, error) {
	t.Helper()
	var key jwt.Key
	var err error
	switch v.Kind {
	case "jwks":
		keys, err := jwt.ParseKeySet([]byte(v.Data))
		if err != nil {
			return nil, err
		}
		return jwt.NewVerifyingKeyRing(keys...)
	case "secret":
		secret, decodeErr := base64.StdEncoding.DecodeString(v.Data)
		if decodeErr != nil {
			t.Fatal(decodeErr)
		}
		key, err = jwt.NewSecretKey(secret)
	case "file":
		key, err = loadVectorFile(t, v)
	case "jwk", "pem":
		key, err = jwt.ParseKey([]byte(v.Data))
	default:
		t.Fatalf("unknown kind %s", v.Kind)
	}
	if err == nil {
		key, err = key.WithAlgorithm(v.Alg)
	}
	if err != nil {
		return nil, err
	}
	if v.Use == "sign" {
		return jwt.NewKeyRing(key)
	}
	return jwt.NewVerifyingKeyRing(key)
}

func loadVectorFile(t *testing.T, v keyVector) (jwt.Key, error) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("file modes mean nothing here: run on a Unix system")
	}
	mode, err := strconv.ParseUint(v.Mode, 8, 32)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, []byte(v.Data), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, fs.FileMode(mode)); err != nil {
		t.Fatal(err)
	}
	return jwt.LoadKeyFile(path)
}

// publishedSet returns the body that the ring's handler serves.
func publishedSet(t testing.TB, ring *jwt.KeyRing) string {
	t.Helper()
	w := httptest.NewRecorder()
	ring.JWKSHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d", w.Code)
	}
	return w.Body.String()
}

func assertNoPrivateMember(t testing.TB, set string) {
	t.Helper()
	for _, member := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if strings.Contains(set, `"`+member+`":`) {
			t.Errorf("member %s is published", member)
		}
	}
}
