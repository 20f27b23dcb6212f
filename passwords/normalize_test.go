package passwords_test

import (
	"context"
	"errors"
	"testing"

	"github.com/seed-e36e2130/auth/passwords"
)

const (
	composed   = "Zürich Ärger 7"
	decomposed = "Zu\u0308rich A\u0308rger 7"
	mixed      = "Zürich A\u0308rger 7"
)

// verifications counts the calls of Verify.
type verifications struct {
	passwords.Hasher
	n *int
}

func (v verifications) Verify(ctx context.Context, encoded, password string) error {
	*v.n++
	return v.Hasher.Verify(ctx, encoded, password)
}

// TestNormalized checks that every spelling of a password in Unicode is one password, that old hashes
// of each spelling verify, and that a mismatch costs the same with every hash.
func TestNormalized(t *testing.T) {
	t.Parallel()
	var calls int
	plain := passwords.LowCostBcrypt(4)
	h := passwords.Normalized(verifications{plain, &calls})
	hash := func(h passwords.Hasher, password string) string {
		encoded, err := h.Hash(t.Context(), password)
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	for _, row := range []struct {
		hash    string
		entries []string
	}{
		{hash(h, composed), []string{composed, decomposed, mixed}},
		{hash(h, decomposed), []string{composed, decomposed, mixed}},
		{hash(h, mixed), []string{composed, decomposed, mixed}},
		{hash(plain, composed), []string{composed, decomposed, mixed}},
		{hash(plain, decomposed), []string{composed, decomposed}},
		{hash(plain, mixed), []string{mixed}},
		{hash(plain, "\xff\xfe not UTF-8"), []string{"\xff\xfe not UTF-8"}},
	} {
		for _, entry := range row.entries {
			if err := h.Verify(t.Context(), row.hash, entry); err != nil {
				t.Errorf("Verify(%s, %+q): %v", row.hash, entry, err)
			}
		}
		if h.NeedsRehash(row.hash) != plain.NeedsRehash(row.hash) {
			t.Errorf("NeedsRehash(%s) is not that of the Hasher", row.hash)
		}
	}
	for _, encoded := range []string{hash(h, composed), hash(plain, decomposed), hash(plain, "another")} {
		for entry, want := range map[string]int{"wrong": 1, "wr\u00f6ng": 2, "wro\u0308ng": 2, "wro\u0308ng \u00f6": 2} {
			calls = 0
			if err := h.Verify(t.Context(), encoded, entry); err != passwords.ErrMismatch || calls != want {
				t.Errorf("Verify(%s, %+q): %v after %d hashes, want ErrMismatch after %d", encoded, entry, err, calls, want)
			}
		}
	}
	calls = 0
	if err := h.Verify(t.Context(), "!", decomposed); !errors.Is(err, passwords.ErrUnknownHash) || calls != 1 {
		t.Errorf("Verify of no hash: %v after %d calls, want ErrUnknownHash after 1", err, calls)
	}
	if _, err := passwords.Normalized(nil).Hash(t.Context(), composed); err == nil {
		t.Error("Hash without a Hasher: want an error")
	}
}

// TestNewPasswords checks which passwords may be set.
func TestNewPasswords(t *testing.T) {
	t.Parallel()
	rules, err := passwords.NewRules(passwords.Policy{ContextWords: []string{"Bücherei"}})
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]passwords.Rule{
		"        ":                         passwords.Common,
		"\t \n\r \u00a0\u2003\u3000\u1680": passwords.Common,
		"\u200b\u200b\u200b\u200b\u200b\u200b\u200b\u200b": passwords.Common, // zero width
		"\u3164\u3164\u3164\u3164\u2800\u2800\u2800\u2800": passwords.Common, // fillers
		"       x":                         "",
		"u\u0308o\u0308u\u0308o\u0308":     passwords.TooShort, // four letters
		"u\u0308o\u0308u\u0308o\u0308qwxz": "",

		// The username and the words of the service, in every spelling.
		"jörg.müller": passwords.Context, "JÖRG.MÜLLER1": passwords.Context,
		"jo\u0308rg.mu\u0308ller":      passwords.Context,
		"J\u00f6RG.MU\u0308LLER":       passwords.Context,
		"ｊöｒｇ．ｍüｌｌｅｒ":                  passwords.Context, // full width
		"bu\u0308cherei99":             passwords.Context,
		"jo\u0308rg and twelve horses": "",
	} {
		err := rules.Accept(t.Context(), "jörg.müller", password)
		refused, _ := errors.AsType[*passwords.Error](err)
		if want == "" && err != nil || want != "" && (refused == nil || refused.Rule != want) {
			t.Errorf("Accept(%+q): %v, want %q", password, err, want)
		}
	}
}
