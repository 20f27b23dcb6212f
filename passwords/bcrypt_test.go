package passwords_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/passwords"
)

// fast is a Bcrypt at the lowest cost there is.
var fast = passwords.LowCostBcrypt(bcrypt.MinCost)

func TestBcryptContract(t *testing.T) {
	t.Parallel()
	authtest.TestHasher(t, func(*testing.T) passwords.Hasher { return fast })
}

func TestLimitContract(t *testing.T) {
	t.Parallel()
	authtest.TestHasher(t, func(*testing.T) passwords.Hasher { return passwords.Limit(fast, 2) })
}

func TestNewBcrypt(t *testing.T) {
	t.Parallel()
	for _, cost := range []int{0, 10, 12, 15} {
		if _, err := passwords.NewBcrypt(cost); err != nil {
			t.Errorf("NewBcrypt(%d): %v", cost, err)
		}
	}
	for _, cost := range []int{-1, 1, 4, 9, 16, 31, 32, math.MaxInt} {
		var fault *cfgerr.Error
		if _, err := passwords.NewBcrypt(cost); !errors.As(err, &fault) {
			t.Errorf("NewBcrypt(%d): %v, want a *cfgerr.Error", cost, err)
		}
	}
}

func TestBcryptRoundTrip(t *testing.T) {
	t.Parallel()
	passwords := []string{
		"", "x", "correct horse battery staple", "pässwörd", " leading and trailing ", "\xff\xfe",
		strings.Repeat("a", 71), strings.Repeat("a", 72), strings.Repeat("a", 73), strings.Repeat("a", 1024),
		strings.Repeat("é", 36), strings.Repeat("é", 36) + "x", strings.Repeat("🐎", 64),
	}
	for _, password := range passwords {
		encoded, err := fast.Hash(t.Context(), password)
		if err != nil {
			t.Fatal(err)
		}
		if err := fast.Verify(t.Context(), encoded, password); err != nil {
			t.Errorf("Verify of %d bytes: %v", len(password), err)
		}
		for _, other := range []string{password + "x", password + " ", "x" + password, strings.ToUpper(password) + "!", password + strings.Repeat("a", 80)} {
			if err := fast.Verify(t.Context(), encoded, other); err == nil {
				t.Errorf("the hash of %q matches %q", password, other)
			}
		}
		if again, err := fast.Hash(t.Context(), password); err != nil || again == encoded {
			t.Errorf("two hashes of one password are equal (%v)", err)
		}
	}
}

// TestBcryptRefuses: what bcrypt would cut off is refused, on both ways in, and
// so is what it cannot tell apart.
func TestBcryptRefuses(t *testing.T) {
	t.Parallel()
	const password = "ab"
	encoded, err := fast.Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	rule := func(err error) passwords.Rule {
		var refused *passwords.Error
		if !errors.As(err, &refused) || errors.Is(err, passwords.ErrMismatch) {
			return ""
		}
		return refused.Rule
	}
	for _, nul := range []string{"ab\x00ab", "ab\x00", "\x00", strings.Repeat("a", 80) + "\x00"} {
		if err := fast.Verify(t.Context(), encoded, nul); rule(err) != passwords.Encoding {
			t.Errorf("Verify(%q): %v", nul, err)
		}
		if _, err := fast.Hash(t.Context(), nul); rule(err) != passwords.Encoding {
			t.Errorf("Hash(%q): %v", nul, err)
		}
	}
	long := strings.Repeat("a", 72)
	cut, err := bcrypt.GenerateFromPassword([]byte(long), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if err := bcrypt.CompareHashAndPassword(cut, []byte(long+"b")); err != nil {
		t.Fatalf("x/crypto no longer cuts: %v", err) // then this test proves nothing
	}
	if err := fast.Verify(t.Context(), string(cut), long+"b"); rule(err) != passwords.TooLong {
		t.Errorf("73 bytes against plain bcrypt: %v", err)
	}
}

func TestBcryptContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	encoded, err := fast.Hash(ctx, "password")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := fast.Hash(ctx, "password"); !errors.Is(err, context.Canceled) {
		t.Errorf("Hash: %v", err)
	}
	if err := fast.Verify(ctx, encoded, "password"); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify: %v", err)
	}
}

const (
	plainText  = "$2b$05$corpusSaltCorpusSaltCuAa63N6ORy2M7Sf33JFpnzphOpfBZLZy"
	sha256Text = "$bcrypt-sha256$v=2,t=2b,r=5$5Hg1DKFqPE8C2aflZ5vVoe$wOK1VFFtS8IGTrGa7.h5fs0u84qyPbS"
	sha256Old  = "$bcrypt-sha256$2b,5$5Hg1DKFqPE8C2aflZ5vVoe$12BjNE0p7axMg55.Y/mHsYiVuFBDQyu"
)

// TestBcryptGrammar: each row is one of the three forms with one thing changed.
func TestBcryptGrammar(t *testing.T) {
	t.Parallel()
	change := func(text, old, replacement string) string {
		changed := strings.Replace(text, old, replacement, 1)
		if changed == text {
			t.Fatalf("%q holds no %q", text, old)
		}
		return changed
	}
	malformed := map[string]string{
		"spare bits in the salt":      change(plainText, "Cu", "Cv"),
		"spare bits in the digest":    change(plainText, "Zy", "Zz"),
		"newline in the salt":         change(plainText, "corpus", "corpu\n"),
		"newlines in the digest":      change(plainText, "Aa63N", "\n\n\n\nN"),
		"no dollar after the cost":    change(plainText, "05$", "05."),
		"trailing byte":               plainText + "x",
		"truncated":                   plainText[:59],
		"cost 3":                      change(plainText, "05", "03"),
		"cost 16":                     change(plainText, "05", "16"),
		"cost with the next of 9":     change(plainText, "05", "0:"),
		"cost in Arabic digits":       change(plainText, "05", "٥"),
		"a megabyte":                  plainText + strings.Repeat("x", 1<<20),
		"v=1":                         change(sha256Text, "v=2", "v=1"),
		"v=3":                         change(sha256Text, "v=2", "v=3"),
		"v=02":                        change(sha256Text, "v=2", "v=02"),
		"t=2a":                        change(sha256Text, "t=2b", "t=2a"),
		"t=2x":                        change(sha256Text, "t=2b", "t=2x"),
		"r=05":                        change(sha256Text, "r=5", "r=05"),
		"r=-5":                        change(sha256Text, "r=5", "r=-5"),
		"r=3":                         change(sha256Text, "r=5", "r=3"),
		"r=16":                        change(sha256Text, "r=5", "r=16"),
		"r=31":                        change(sha256Text, "r=5", "r=31"),
		"r=32":                        change(sha256Text, "r=5", "r=32"),
		"order":                       change(sha256Text, "v=2,t=2b", "t=2b,v=2"),
		"a parameter more":            change(sha256Text, "r=5", "r=5,x=1"),
		"a version segment":           change(sha256Text, "$v=2", "$v=2$v=2"),
		"no digest":                   sha256Text[:strings.LastIndexByte(sha256Text, '$')],
		"sha256: spare bits, salt":    change(sha256Text, "Voe", "Vof"),
		"sha256: spare bits, digest":  change(sha256Text, "PbS", "PbT"),
		"sha256: short digest":        sha256Text[:len(sha256Text)-1],
		"sha256: trailing newline":    sha256Text + "\n",
		"a line break after padding":  plainText + "  \r\n",
		"a tab":                       plainText + "\t",
		"a space and a byte":          plainText + " x",
		"sha256: a megabyte":          sha256Text + strings.Repeat("x", 1<<20),
		"version 1: variant 2y":       change(sha256Old, "2b", "2y"),
		"version 1: rounds 05":        change(sha256Old, ",5", ",05"),
		"version 1: no rounds":        change(sha256Old, ",5", ""),
		"version 1: a version 2 name": change(sha256Old, "2b", "t=2b"),
	}
	unknown := map[string]string{
		"empty": "", "$2x$": change(plainText, "2b", "2x"), "$2$": change(plainText, "2b", "2"),
		"$2c$": change(plainText, "2b", "2c"), "upper case": change(plainText, "2b", "2B"),
		"no dollar": plainText[1:], "space before": " " + plainText, "another": "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFh",
		"Django's": "bcrypt$" + plainText, "locked": "!" + plainText, "bcrypt-sha512": change(sha256Text, "sha256", "sha512"),
		"a megabyte of something": strings.Repeat("$2", 1<<19),
	}
	for want, rows := range map[error]map[string]string{passwords.ErrMalformedHash: malformed, passwords.ErrUnknownHash: unknown} {
		for name, encoded := range rows {
			err := fast.Verify(t.Context(), encoded, "password")
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
			if strings.HasSuffix(encoded, "\n") && !strings.Contains(err.Error(), "trim it") {
				t.Errorf("%s: %v, want what to do", name, err)
			}
			if len(encoded) > 10 && strings.Contains(err.Error(), encoded[len(encoded)-10:]) {
				t.Errorf("%s: the error %q holds the hash", name, err)
			}
		}
	}
	for _, encoded := range []string{
		plainText, change(plainText, "2b", "2a"), change(plainText, "2b", "2y"), sha256Text, sha256Old,
		plainText + strings.Repeat(" ", 12), sha256Text + " ", // padded by a column of type CHAR
	} {
		if err := fast.Verify(t.Context(), encoded, "not it"); err != passwords.ErrMismatch {
			t.Errorf("%q: %v, want ErrMismatch", encoded, err)
		}
		password := "password"
		if strings.HasPrefix(encoded, "$2") {
			password = corpusPassword
		}
		if err := fast.Verify(t.Context(), encoded, password); err != nil {
			t.Errorf("%q with its password: %v", encoded, err)
		}
	}
}

func TestBcryptNeedsRehash(t *testing.T) {
	t.Parallel()
	eleven, err := passwords.NewBcrypt(11)
	if err != nil {
		t.Fatal(err)
	}
	plain := func(cost string) string { return strings.Replace(plainText, "05", cost, 1) }
	long := func(cost string) string { return strings.Replace(sha256Text, "r=5", "r="+cost, 1) }
	for encoded, want := range map[string]bool{
		plain("04"): true, plain("10"): true, plain("11"): false, plain("12"): false, plain("15"): false, plain("31"): false,
		long("4"): true, long("10"): true, long("11"): false, long("15"): false,
		strings.Replace(sha256Old, ",5", ",15", 1): true,
		plain("11") + "   ":                        false, // or each login would write the hash anew
		plain("10") + "   ":                        true,
		"":                                         true,
		"unknown":                                  true,
	} {
		if got := eleven.NeedsRehash(encoded); got != want {
			t.Errorf("NeedsRehash(%q) = %v", encoded, got)
		}
	}
}

// TestBcryptSum: the core under a given salt is x/crypto's bcrypt.
func TestBcryptSum(t *testing.T) {
	t.Parallel()
	for length := 0; length <= 72; length += 1 + rand.IntN(4) {
		key := make([]byte, length)
		for i := range key {
			key[i] = byte(1 + rand.IntN(255))
		}
		cost := bcrypt.MinCost + rand.IntN(2)
		want, err := bcrypt.GenerateFromPassword(key, cost)
		if err != nil {
			t.Fatal(err)
		}
		salt, err := passwords.BcryptSalt(string(want[7:29]))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := passwords.BcryptSum(key, salt, cost); err != nil || got != string(want[29:]) {
			t.Errorf("key %x: %s, %v, x/crypto makes %s", key, got, err, want)
		}
	}
}

// affordable matches the costs that may be hashed, 4 to 15.
var affordable = regexp.MustCompile(`^(\$2[aby]\$(0[4-9]|1[0-5])|\$bcrypt-sha256\$(v=2,t=2b,r=|2[ab],)([4-9]|1[0-5]))\$`)

// FuzzBcryptVerify: whatever the stored text, no panic, no match and no long wait.
func FuzzBcryptVerify(f *testing.F) {
	for _, encoded := range []string{plainText, sha256Text, sha256Old, "", "$2b$", "$2b$31$" + plainText[7:], "$bcrypt-sha256$"} {
		f.Add(encoded, "password")
		f.Add(encoded, strings.Repeat("p", 100))
	}
	const longest = 10 // cost; higher ones are right to take their time
	f.Fuzz(func(t *testing.T, encoded, password string) {
		if cost, err := bcrypt.Cost([]byte(encoded)); err == nil && cost > longest && cost <= 15 || strings.Contains(encoded, "r=1") || strings.Contains(encoded, ",1") {
			t.Skip("no input for this target: costs of 11 to 15 are right to take their time")
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := fast.Verify(ended, encoded, password); errors.Is(err, context.Canceled) && !affordable.MatchString(encoded) {
			t.Fatalf("%q would be hashed", encoded) // cost 31 would take a day
		}
		// The password has a suffix that no seed was made with.
		if err := fast.Verify(t.Context(), encoded, password+"\x01never"); err == nil {
			t.Errorf("%q matches %q", encoded, password)
		}
	})
}
