package secrets_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/secrets"
)

// material returns bytes that look random and are the same each time.
func material(n byte) []byte {
	sum := sha256.Sum256([]byte{'s', n})
	return sum[:]
}

func newKey(t *testing.T, n byte, id string) secrets.Key {
	t.Helper()
	k, err := secrets.New(material(n))
	if err == nil && id != "" {
		k, err = k.WithID(id)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyIsHMACSHA256(t *testing.T) {
	t.Parallel()
	k := newKey(t, 1, "")
	input := []byte("purpose 1\x00input")
	mac := hmac.New(sha256.New, material(1))
	mac.Write(input)
	got, err := k.MAC(input)
	if err != nil || !bytes.Equal(got[:], mac.Sum(nil)) {
		t.Errorf("MAC = %x, %v", got, err)
	}
	if !k.Verify(input, got[:]) {
		t.Error("Verify refuses the Key's own MAC")
	}
	for name, wrong := range map[string][]byte{"a bit": {31: got[31] ^ 1}, "shorter": got[:31], "longer": append(got[:], 0), "empty": nil} {
		if k.Verify(input, wrong) {
			t.Errorf("Verify accepts a MAC that is wrong: %s", name)
		}
	}
	if newKey(t, 2, "").Verify(input, got[:]) {
		t.Error("another Key accepts the MAC")
	}
}

// The caller's bytes may change, and the Key does not.
func TestNewCopies(t *testing.T) {
	t.Parallel()
	secret := material(1)
	k, err := secrets.New(secret)
	if err != nil {
		t.Fatal(err)
	}
	before, err := k.MAC(nil)
	if err != nil {
		t.Fatal(err)
	}
	clear(secret)
	if after, err := k.MAC(nil); after != before || err != nil {
		t.Error("the Key changed with the bytes that it was made from")
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, secret := range map[string][]byte{
		"nothing":         nil,
		"31 bytes":        material(1)[:31],
		"a repeated byte": bytes.Repeat([]byte{7}, 32),
		"a repeated word": []byte(strings.Repeat("abcdefgh", 4)),
		"a PEM block":     []byte("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"),
	} {
		if _, err := secrets.New(secret); !testkit.IsConfigError(err) {
			t.Errorf("%s: %v", name, err)
		} else if len(secret) > 0 && strings.Contains(err.Error(), string(secret)) {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
}

func TestKeyID(t *testing.T) {
	t.Parallel()
	k := newKey(t, 1, "")
	if k.ID() == "" || k.ID() != newKey(t, 1, "").ID() || k.ID() == newKey(t, 2, "").ID() || !secrets.ValidID(k.ID()) {
		t.Errorf("the default ID is %q", k.ID())
	}
	named := newKey(t, 1, "2026-11")
	if named.ID() != "2026-11" || named.Mark() == k.Mark() || named.Mark() != newKey(t, 2, "2026-11").Mark() {
		t.Errorf("the Key is named %q, with the mark %x", named.ID(), named.Mark())
	}
	for _, id := range []string{"", "a b", "a$b", "ä", "a\n", strings.Repeat("a", 65)} {
		if _, err := k.WithID(id); !testkit.IsConfigError(err) || secrets.ValidID(id) {
			t.Errorf("the ID %q: %v", id, err)
		}
	}
	if _, err := k.WithID(strings.Repeat("a", 64)); err != nil {
		t.Error(err)
	}
}

func TestZeroKey(t *testing.T) {
	t.Parallel()
	var k secrets.Key
	if _, err := k.MAC(nil); err == nil {
		t.Error("the zero Key made a MAC")
	}
	if k.Verify(nil, nil) || k.ID() != "" {
		t.Error("the zero Key verifies, or has an ID")
	}
	if _, err := k.WithID("a"); !testkit.IsConfigError(err) {
		t.Errorf("WithID: %v", err)
	}
}

func TestGenerate(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		k := secrets.Generate()
		if seen[k.ID()] {
			t.Fatal("two generated Keys are the same")
		}
		seen[k.ID()] = true
	}
}

// Neither fmt nor slog nor JSON shows the bytes of a Key, whatever holds it.
func TestKeyIsRedacted(t *testing.T) {
	t.Parallel()
	k := newKey(t, 1, "a")
	ring, err := secrets.NewRing(k)
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	for _, v := range []any{k, &k, []secrets.Key{k}, map[string]secrets.Key{"k": k}, struct{ Key secrets.Key }{k}, struct{ key secrets.Key }{k}, ring} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X"} {
			fmt.Fprintf(&shown, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&shown, nil)).Info("log", "v", v)
		slog.New(slog.NewJSONHandler(&shown, nil)).Info("log", "v", v)
		if text, err := json.Marshal(v); err == nil {
			shown.Write(text)
		}
	}
	secret := material(1)
	for _, leak := range []string{string(secret[:8]), hex.EncodeToString(secret[:8]), strings.Trim(fmt.Sprint(secret[:6]), "[]")} {
		if strings.Contains(strings.ToLower(shown.String()), leak) {
			t.Errorf("%q is shown", leak)
		}
	}
	if !strings.Contains(fmt.Sprint(k), `"a"`) {
		t.Errorf("printed as %v, without its ID", k)
	}
}

func TestOpenFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "refresh.key")
	ids := make([]string, 16)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			k, err := secrets.OpenFile(path)
			if err != nil {
				t.Error(err)
			}
			ids[i] = k.ID()
		})
	}
	all.Wait()
	if len(slices.Compact(slices.Clone(ids))) != 1 {
		t.Errorf("processes that started at once have different keys: %q", ids)
	}
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// An HS256 key of package jwt has the same form.
	if k, err := jwt.LoadKeyFile(path); err != nil || k.Algorithm() != jwt.HS256 || k.ID() != ids[0] {
		t.Errorf("as a key of package jwt: %v, %v", k, err)
	}
}

func TestOpenFileRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if _, err := jwt.OpenKeyFile(path("signing.key"), jwt.EdDSA); err != nil {
		t.Fatal(err)
	}
	if _, err := jwt.OpenKeyFile(path("hs512.key"), jwt.HS512); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty.key": "", "text.key": "secret",
		"id.key": `{"kty":"oct","alg":"HS256","kid":"a b","k":"Z0lf1Qcx9nTYh2o4mVbEw8rKpJ3sDuXa6BvRcNyMjPk"}`,
	} {
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"signing.key", "hs512.key", "empty.key", "text.key", "id.key"} {
		if _, err := secrets.OpenFile(path(name)); !testkit.IsConfigError(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := secrets.OpenFile(path("missing/refresh.key")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that is missing: %v", err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	if _, err := secrets.OpenFile(path("good.key")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path("good.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.OpenFile(path("good.key")); !testkit.IsConfigError(err) {
		t.Errorf("readable by others: %v", err)
	}
}

func TestRing(t *testing.T) {
	t.Parallel()
	a, b, c := newKey(t, 1, "a"), newKey(t, 2, "b"), newKey(t, 3, "c")
	ring, err := secrets.NewRing(a, b)
	if err != nil {
		t.Fatal(err)
	}
	check := func(current string, all ...string) {
		t.Helper()
		var ids []string
		for _, k := range ring.Keys() {
			ids = append(ids, k.ID())
		}
		if ring.Current().ID() != current || !slices.Equal(ids, all) {
			t.Errorf("current %q of %q, want %q of %q", ring.Current().ID(), ids, current, all)
		}
		for _, k := range []secrets.Key{a, b, c} {
			byID, there := ring.ByID(k.ID())
			byMark, marked := ring.ByMark(k.Mark())
			want := slices.Contains(all, k.ID())
			if there != want || marked != want || want && (byID.ID() != k.ID() || byMark.ID() != k.ID()) {
				t.Errorf("%s is found: %t by ID, %t by mark, want %t", k.ID(), there, marked, want)
			}
		}
	}
	check("a", "a", "b")
	if err := ring.Replace(c, a); err != nil {
		t.Fatal(err)
	}
	check("c", "c", "a")
	if err := ring.Replace(secrets.Key{}); !testkit.IsConfigError(err) {
		t.Errorf("the zero Key: %v", err)
	}
	if err := ring.Replace(b, newKey(t, 4, "b")); !testkit.IsConfigError(err) {
		t.Errorf("two Keys with one ID: %v", err)
	}
	check("c", "c", "a") // what failed changed nothing
	if err := ring.Replace(b, b); err != nil {
		t.Errorf("one Key twice: %v", err)
	}
}

func TestRingFindsEveryFault(t *testing.T) {
	t.Parallel()
	ring, err := secrets.NewRing(secrets.Key{}, newKey(t, 1, "a"), newKey(t, 2, "a"), secrets.Key{})
	want := []string{"secrets.Ring[0]", "secrets.Ring[2]", "secrets.Ring[3]"}
	if got := testkit.FaultFields(err); ring != nil || !slices.Equal(got, want) {
		t.Errorf("faults in %q, want %q", got, want)
	}
	if fault, ok := errors.AsType[*cfgerr.Error](err); !ok || fault.Reason == "" {
		t.Errorf("%v", err)
	}
}

func TestZeroRing(t *testing.T) {
	t.Parallel()
	var ring secrets.Ring
	if _, found := ring.ByID(""); found || len(ring.Keys()) != 0 || ring.Current().ID() != "" {
		t.Error("the zero Ring has a Key")
	}
}
