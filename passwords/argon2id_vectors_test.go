package passwords_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/passwords"
)

// TestArgon2idVectors runs every Argon2 case, at every level, and those that no
// Hasher may match. It is not parallel: it measures what is allocated.
func TestArgon2idVectors(t *testing.T) {
	for _, c := range testkit.ReadLines[hashCase](t, "testdata/vectors/hashes.jsonl") {
		if !strings.HasPrefix(c.Group, "argon2") && c.Group != "never" {
			continue
		}
		var err error
		hasher := fastArgon2id
		switch { // see decision 0115
		case strings.Contains(c.Hash, "$m=65536,t=2,p=255$"):
			c.Expect, c.MaxMS = "mismatch", 0
		case strings.Contains(c.Hash, "$t=2,m=65536,p=1$"):
			c.Expect, c.MaxMS = "match", 0
		}
		if strings.Contains(c.Hash, "m=262144,") { // beyond 8 times the default: see decision 0045
			if err := hasher.Verify(t.Context(), c.Hash, string(c.Password)); !errors.Is(err, passwords.ErrMalformedHash) {
				t.Errorf("%s: %v, want ErrMalformedHash unless its parameters are named", c.ID, err)
			}
			if hasher, err = passwords.NewArgon2id("", "m=262144,t=2,p=1"); err != nil {
				t.Fatal(err)
			}
		}
		c.checkRefusedEarly(t, hasher)
		bytes := testkit.Allocated(func() { err = hasher.Verify(t.Context(), c.Hash, string(c.Password)) })
		if got := answer(err); got != c.Expect {
			t.Errorf("%s (%s): %s (%v), want %s: %s", c.ID, c.Level, got, err, c.Expect, c.Why)
		}
		if c.Expect == "error" && bytes > 64<<10 {
			t.Errorf("%s: %d bytes allocated before the refusal", c.ID, bytes)
		}
		if got := (passwords.Argon2id{}).NeedsRehash(c.Hash); c.NeedsRehash != nil && got != *c.NeedsRehash {
			t.Errorf("%s: NeedsRehash %v", c.ID, got)
		}
		if err == nil && !strings.Contains(c.Hash, "m=65536") && !strings.Contains(c.Hash, "m=262144") {
			checkArgon2Twins(t, c.Hash, string(c.Password))
		}
	}
}

// TestForeignArgon2 reads the Argon2 hashes that other systems wrote.
func TestForeignArgon2(t *testing.T) {
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
		err := fastArgon2id.Verify(t.Context(), row.Hash, row.Password)
		if strings.HasPrefix(row.Hash, "$argon2id$") || strings.HasPrefix(row.Hash, "$argon2i$") {
			matched++
			if err != nil {
				t.Errorf("%s: %s's %s: %v", row.ID, row.Source, row.Scheme, err)
			}
			checkArgon2Twins(t, row.Hash, row.Password)
		} else if !errors.Is(err, passwords.ErrUnknownHash) {
			t.Errorf("%s: %s's %s: %v, want ErrUnknownHash", row.ID, row.Source, row.Scheme, err)
		}
	}
	if matched < 6 {
		t.Errorf("only %d Argon2 hashes in the file", matched)
	}
}

// checkArgon2Twins: neither an altered password nor an altered hash matches, be it
// the kind of Argon2, a parameter, the salt or the digest.
func checkArgon2Twins(t *testing.T, hash, password string) {
	t.Helper()
	for _, other := range []string{password + "a", password + " ", "a" + password, password + "\x00", password[:max(0, len(password)-1)] + "~"} {
		if fastArgon2id.Verify(t.Context(), hash, other) == nil {
			t.Errorf("%s also matches %q in place of %q", hash, other, password)
		}
	}
	for at := range len(hash) {
		for _, by := range "$A2" {
			twin := hash[:at] + string(by) + hash[at+1:]
			if twin != hash && !strings.Contains(twin, "m=2") && !strings.Contains(twin, "t=2") && fastArgon2id.Verify(t.Context(), twin, password) == nil {
				t.Errorf("%s matches like %s", twin, hash)
			}
		}
	}
}
