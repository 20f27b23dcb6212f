package legacyhash_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/legacyhash"
	"github.com/seed-e36e2130/auth/passwords"
)

// Each file of testdata/cases has a hash of a system that is in use, after lines of comments that name
// its password. The hash matches it, alone and behind the default hasher, and is replaced unless it is
// a current hash already.
func TestCases(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/cases/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d cases: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			expected, rest, _ := strings.Cut(string(text), "\n")
			_, password, _ := strings.Cut(expected, `"`)
			password, _, _ = strings.Cut(password, `"`)
			_, hash, _ := strings.Cut(rest, "\n")
			hash = strings.TrimSuffix(hash, "\n")
			hasher := passwords.Hasher(legacyhash.All())
			if strings.Contains(expected, "auth.Argon2id") {
				hasher = passwords.Argon2id{}
			}
			for name, h := range map[string]passwords.Hasher{
				"alone":           hasher,
				"behind bcrypt":   passwords.Chain(passwords.Bcrypt{}, legacyhash.All()),
				"behind argon2id": passwords.Chain(passwords.Argon2id{}, legacyhash.All()),
			} {
				if err := h.Verify(t.Context(), hash, password); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if err := h.Verify(t.Context(), hash, password+"!"); err != passwords.ErrMismatch {
					t.Errorf("%s, with another password: %v, want ErrMismatch", name, err)
				}
			}
			if !passwords.Chain(passwords.Argon2id{}, legacyhash.All()).NeedsRehash(hash) && !strings.HasPrefix(hash, "$argon2id$") {
				t.Error("NeedsRehash is false")
			}
		})
	}
}
