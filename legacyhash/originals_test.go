package legacyhash_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/legacyhash"
)

// originals reads a file of hashes that the original software made: see testdata/README.md.
func originals[Row any](t testing.TB, name string, least int) (rows []Row) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &rows); err != nil || len(rows) < least {
		t.Fatalf("%s: %d rows, want at least %d: %v", name, len(rows), least, err)
	}
	return rows
}

// checkOriginals fails unless each hash matches its password. For one hash of each scheme, it also
// checks that other passwords and altered hashes do not match.
func checkOriginals(t *testing.T, h auth.Hasher, rows []foreignRow) {
	t.Helper()
	seen := map[string]bool{}
	for _, row := range rows {
		if row.Scheme == "{noop}" || row.Scheme == "{MD4}" {
			if err := legacyhash.All().Verify(t.Context(), row.Hash, row.Password); err != auth.ErrUnknownHash {
				t.Errorf("%s %s: %v, want ErrUnknownHash", row.Source, row.Scheme, err)
			}
			continue
		}
		if err := h.Verify(t.Context(), row.Hash, row.Password); err != nil {
			t.Errorf("%s %s, %d bytes: %s: %v", row.Source, row.Scheme, len(row.Password), row.Hash, err)
		}
		key := row.Source + row.Scheme
		if seen[key] || row.Password == "" || len(row.Password) >= 72 {
			continue // one hash of each scheme is enough, because the checks take long
		}
		seen[key] = true
		if err := legacyhash.All().Verify(t.Context(), row.Hash, row.Password); err != nil {
			t.Errorf("%s %s, verified by All: %s: %v", row.Source, row.Scheme, row.Hash, err)
		}
		checkTwins(t, h, row.Hash, row.Password)
	}
}

func TestSpringOriginals(t *testing.T) {
	t.Parallel()
	rows := originals[foreignRow](t, "spring.json", 110)
	checkOriginals(t, legacyhash.Spring(), rows)

	// An encoder without a DelegatingPasswordEncoder writes no {id}.
	for _, row := range rows {
		_, bare, _ := strings.Cut(row.Hash, "}")
		want := auth.ErrUnknownHash
		if strings.HasPrefix(bare, "$2") || strings.HasPrefix(bare, "$argon2") {
			want = nil
		}
		if err := legacyhash.Spring().Verify(t.Context(), bare, row.Password); err != want {
			t.Errorf("%s without its {id}: %v, want %v", row.Hash, err, want)
		}
	}
}

func TestASPNETOriginals(t *testing.T) {
	t.Parallel()
	checkOriginals(t, legacyhash.ASPNET(), originals[foreignRow](t, "aspnet.json", 74))
}

// firebaseRow is a row of firebase.json.
type firebaseRow struct {
	SignerKey      string `json:"signer_key"`
	SaltSeparator  string `json:"salt_separator"`
	Rounds         int
	MemCost        int `json:"mem_cost"`
	Password, Salt string
	Hash           string
}

func TestFirebaseOriginals(t *testing.T) {
	t.Parallel()
	urls := strings.NewReplacer("+", "-", "/", "_")
	for i, row := range originals[firebaseRow](t, "firebase.json", 17) {
		h, err := legacyhash.Firebase(row.SignerKey, legacyhash.FirebaseConfig{
			SaltSeparator: row.SaltSeparator, Rounds: row.Rounds, MemCost: row.MemCost,
		})
		if err != nil {
			t.Fatal(err)
		}
		encoded := "$fbscrypt$" + row.Salt + "$" + row.Hash
		if err := h.Verify(t.Context(), encoded, row.Password); err != nil {
			t.Errorf("%+v: %v", row, err)
		}
		if row.MemCost > 10 {
			continue // hashes of a low cost are enough, because the checks take long
		}
		// The Admin SDK returns the same hashes in the URL alphabet.
		if err := h.Verify(t.Context(), urls.Replace(encoded), row.Password); err != nil {
			t.Errorf("%+v, in the URL alphabet: %v", row, err)
		}
		if first, last := strings.IndexAny(row.Hash, "+/"), strings.LastIndexAny(row.Hash, "+/"); first < last {
			mixed := "$fbscrypt$" + row.Salt + "$" + urls.Replace(row.Hash[:last]) + row.Hash[last:]
			if err := h.Verify(t.Context(), mixed, row.Password); !errors.Is(err, auth.ErrMalformedHash) {
				t.Errorf("%s, in both alphabets: got %v, want ErrMalformedHash", mixed, err)
			}
		}
		if err := h.Verify(t.Context(), encoded, row.Password+"x"); err != auth.ErrMismatch {
			t.Errorf("%+v, with one more byte: got %v, want ErrMismatch", row, err)
		}
		if i == 1 {
			checkTwins(t, h, encoded, row.Password)
			checkTwins(t, h, urls.Replace(encoded), row.Password)
		}
	}
}
