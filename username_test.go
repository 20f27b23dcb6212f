package auth_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed-e36e2130/auth"
)

// TestUsernames: one person, one form (RFC 8265 section 3.3).
func TestUsernames(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, nil, auth.Config{})
	for given, want := range map[string]string{
		"alice":                                "alice",
		"ALICE":                                "alice",
		"Ａｌｉｃｅ":                                "alice",
		"a.l+i@Example.COM":                    "a.l+i@example.com",
		"Zoë":                                  "zoë",
		"Zoe\u0308":                            "zoë",
		"Σίσυφος":                              "σίσυφος",
		"日本":                                   "日本",
		"\u0131":                               "", // dotless i: its capital is that of i
		strings.Repeat("a", 255):               strings.Repeat("a", 255),
		strings.Repeat("é", 127):               strings.Repeat("é", 127),
		"K\u0041\u0301":                        "k\u00e1",
		"\u212b":                               "\u00e5",
		"`-=[];',./~!#$%^&*()_+{}|:<>?":        "`-=[];',./~!#$%^&*()_+{}|:<>?",
		"אבג":                                  "אבג",
		strings.Repeat("\uff21", 255/3):        strings.Repeat("a", 85),
		"0123456789":                           "0123456789",
		"\u30d1\u30b9":                         "\u30d1\u30b9",
		"\uff8a\uff9f\uff7d":                   "\u30d1\u30b9", // half width, composed
		"x\u00b7x":                             "",             // a middle dot stands between two l alone
		"":                                     "",
		" ":                                    "",
		"a b":                                  "",
		"alice ":                               "",
		" alice":                               "",
		"alice\n":                              "",
		"al\x00ice":                            "",
		"alice\u200b":                          "", // zero width space
		"al\u00adice":                          "", // soft hyphen
		"\u202ealice":                          "", // right-to-left override
		"ﬀ":                                    "", // a ligature
		"①":                                    "",
		"אa":                                   "", // the Bidi rule
		"\u0430lice":                           "", // a Cyrillic a
		"\u0391lice":                           "", // a Greek Alpha
		"alic\u0435":                           "", // a Cyrillic e
		"дарья42":                              "дарья42",
		"日本alice":                              "日本alice", // nobody takes one for the other
		"alice\xff":                            "",
		"\xed\xa0\x80":                         "",
		strings.Repeat("a", 256):               "",
		strings.Repeat("é", 128):               "",
		strings.Repeat("\u0390", 120) + "\xff": "",
	} {
		u, err := a.Register(t.Context(), given, "correct horse")
		switch {
		case want == "" && !errors.Is(err, auth.ErrInvalidUsername):
			t.Errorf("Register(%q) = %q, %v, want ErrInvalidUsername", given, u.Username, err)
		case want != "" && err != nil && !errors.Is(err, auth.ErrUserExists):
			t.Errorf("Register(%q): %v", given, err)
		case want != "" && err == nil && u.Username != want:
			t.Errorf("Register(%q) = %q, want %q", given, u.Username, want)
		}
		if want == "" {
			continue
		}
		if _, err := a.Login(t.Context(), want, "correct horse"); err != nil {
			t.Errorf("Login(%q) after Register(%q): %v", want, given, err)
		}
		if _, err := a.Register(t.Context(), want, "correct horse"); err != auth.ErrUserExists {
			t.Errorf("Register(%q) after Register(%q): %v", want, given, err)
		}
	}
}

// FuzzUsername: a canonical form is its own canonical form, and bounded; its capitals
// are no other account, nor does it look like a name in ASCII.
func FuzzUsername(f *testing.F) {
	for _, seed := range []string{"Alice", "Zoe\u0308", "\uff8a\uff9f\uff7d", "\u0130", "a\xff", "אבג1", "сосо", "Straße", "ΚΏΣΤΑΣ", "þór"} {
		f.Add(seed)
	}
	a := newAuthenticator(f, nil, auth.Config{})
	_, twin := lookalikes(f)
	f.Fuzz(func(t *testing.T, given string) {
		u, err := a.Register(t.Context(), given, "correct horse")
		switch {
		case errors.Is(err, auth.ErrUserExists):
			return
		case errors.Is(err, auth.ErrInvalidUsername):
			if _, err := a.Login(t.Context(), given, "correct horse"); err != auth.ErrInvalidCredentials {
				t.Errorf("Login(%q): %v", given, err)
			}
			return
		case err != nil:
			t.Fatalf("Register(%q): %v", given, err)
		}
		if len(u.Username) > 255 || strings.ContainsAny(u.Username, "\x00 \n") {
			t.Errorf("Register(%q) = %q", given, u.Username)
		}
		if _, err := a.Register(t.Context(), u.Username, "correct horse"); err != auth.ErrUserExists {
			t.Errorf("%q and %q are two accounts: %v", given, u.Username, err)
		}
		if v, err := a.Register(t.Context(), strings.ToUpper(u.Username), "correct horse"); err == nil {
			t.Errorf("%q and %q are two accounts", u.Username, v.Username)
		}
		if looksASCII(u.Username, twin) {
			t.Errorf("%+q looks like a name in ASCII", u.Username)
		}
	})
}

// TestUsernameRuleOfTheHost: its form is taken, within the bounds.
func TestUsernameRuleOfTheHost(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, nil, auth.Config{NormalizeUsername: func(name string) (string, error) {
		switch name {
		case "refused":
			return "", errors.New("no such form")
		case "empty":
			return "", nil
		case "NUL":
			return "a\x00", nil
		case "not UTF-8":
			return "\xff", nil
		case "long":
			return strings.Repeat("x", 256), nil
		}
		if len(name) > 255 || !utf8.ValidString(name) {
			t.Errorf("is asked for %q", name)
		}
		return "Mr " + name, nil
	}})
	if u, err := a.Register(t.Context(), "A b", "correct horse"); err != nil || u.Username != "Mr A b" {
		t.Errorf("Register = %q, %v", u.Username, err)
	}
	for _, name := range []string{"refused", "empty", "NUL", "not UTF-8", "long", strings.Repeat("x", 256), "\xff"} {
		if _, err := a.Register(t.Context(), name, "correct horse"); !errors.Is(err, auth.ErrInvalidUsername) {
			t.Errorf("Register(%.20q): %v", name, err)
		}
		if _, err := a.Login(t.Context(), name, "correct horse"); err != auth.ErrInvalidCredentials {
			t.Errorf("Login(%.20q): %v", name, err)
		}
	}
}
