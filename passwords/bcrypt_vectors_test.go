package passwords_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/passwords"
)

// hashCase is a line of hashes.jsonl.
type hashCase struct {
	ID, Group, Format, Hash, Level, Why string

	Password    []byte
	Expect      string // match, mismatch or error
	MaxMS       int    `json:"max_ms"`
	NeedsRehash *bool  `json:"needs_rehash"`
}

// checkRefusedEarly checks that h refuses a hash that the vectors give little time
// before it hashes anything: a context that has ended would end that work.
func (c hashCase) checkRefusedEarly(t *testing.T, h passwords.Hasher) {
	t.Helper()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Verify(ended, c.Hash, string(c.Password)); c.MaxMS > 0 && errors.Is(err, context.Canceled) {
		t.Fatalf("%s: %s would be hashed: %s", c.ID, c.Hash, c.Why)
	}
}

// answer names what Verify said in the words of the vectors.
func answer(err error) string {
	switch {
	case err == nil:
		return "match"
	case errors.Is(err, passwords.ErrMismatch):
		return "mismatch"
	}
	return "error"
}

// TestBcryptVectors runs every case of bcrypt and bcrypt-sha256, at every level,
// and those that no Hasher may match.
func TestBcryptVectors(t *testing.T) {
	t.Parallel()
	for _, c := range testkit.ReadLines[hashCase](t, "testdata/vectors/hashes.jsonl") {
		if !strings.HasPrefix(c.Format, "bcrypt") && c.Group != "never" {
			continue
		}
		want := c.Expect
		if strings.HasPrefix(c.Hash, "$2$") { // optional, and its why says that refusing is right
			want = "error"
		}
		c.checkRefusedEarly(t, fast)
		err := fast.Verify(t.Context(), c.Hash, string(c.Password))
		if got := answer(err); got != want {
			t.Errorf("%s (%s): %s (%v), want %s: %s", c.ID, c.Level, got, err, want, c.Why)
		}
		if got := (passwords.Bcrypt{}).NeedsRehash(c.Hash); c.NeedsRehash != nil && got != *c.NeedsRehash {
			t.Errorf("%s: NeedsRehash %v", c.ID, got)
		}
		if err == nil {
			checkTwins(t, c.Hash, string(c.Password))
		}
	}
}

// TestForeignBcrypt reads the bcrypt hashes that other systems wrote.
func TestForeignBcrypt(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../testdata/vectors/passwords.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct{ ID, Source, Scheme, Password, Hash string }
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatal(err)
	}
	matched := 0
	for _, row := range rows {
		err := fast.Verify(t.Context(), row.Hash, row.Password)
		if strings.HasPrefix(row.Hash, "$2") || strings.HasPrefix(row.Hash, "$bcrypt-sha256$") {
			matched++
			if err != nil {
				t.Errorf("%s: %s's %s: %v", row.ID, row.Source, row.Scheme, err)
			}
			checkTwins(t, row.Hash, row.Password)
		} else if !errors.Is(err, passwords.ErrUnknownHash) {
			t.Errorf("%s: %s's %s: %v, want ErrUnknownHash", row.ID, row.Source, row.Scheme, err)
		}
	}
	if matched < 10 {
		t.Errorf("only %d bcrypt hashes in the file", matched)
	}
}

// checkTwins: neither an altered password nor an altered hash matches.
func checkTwins(t *testing.T, hash, password string) {
	t.Helper()
	if strings.Contains(hash, "$10$") {
		return // 60 ms each; the cheaper ones have shown it
	}
	passwords := []string{password + "a", password + " ", "a" + password}
	if password != "" {
		passwords = append(passwords, password[:len(password)-1])
	}
	for _, other := range passwords {
		if fast.Verify(t.Context(), hash, other) == nil {
			t.Errorf("%s also matches %q in place of %q", hash, other, password)
		}
	}
	last := strings.LastIndexByte(hash, '$') + 1
	// In salt or digest, and the last character, each by one that is canonical there.
	for _, at := range []int{last + 3, last + 25, len(hash) - 1} {
		twin := []byte(hash)
		if twin[at] = 'O'; hash[at] == 'O' {
			twin[at] = '.'
		}
		if fast.Verify(t.Context(), string(twin), password) == nil {
			t.Errorf("%s matches like %s", twin, hash)
		}
	}
}
