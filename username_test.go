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
		" \t\n":                                "",
		"alice\u200b ":                         "", // a zero width space is no white space
		"alice ":                               "alice",
		"\u3000\u00a0 alice":                   "alice", // an ideographic and a no-break space
		"alice\r\n":                            "alice",
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

// TestUsernameWhiteSpace: a keyboard that adds a space locks nobody out, by any rule.
func TestUsernameWhiteSpace(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]func(string) (string, error){"default": nil, "of the host": asGiven} {
		a := newAuthenticator(t, nil, auth.Config{NormalizeUsername: rule})
		if u, err := a.Register(t.Context(), "\u00a0ada@example.com ", "correct horse"); err != nil || u.Username != "ada@example.com" {
			t.Errorf("%s: Register = %q, %v", name, u.Username, err)
		}
		for _, typed := range []string{"ada@example.com", "ada@example.com ", "\tada@example.com\n"} {
			if _, err := a.Login(t.Context(), typed, "correct horse"); err != nil {
				t.Errorf("%s: Login(%q): %v", name, typed, err)
			}
		}
	}
}

// TestUsernameErrors: the error says which character is to blame, in words of this library.
func TestUsernameErrors(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, nil, auth.Config{})
	for name, want := range map[string]string{
		"weiß":         `"ß" (U+00DF)`,
		"straße":       `"ß" (U+00DF)`,
		"İbrahim":      "\"i\u0307\" (U+0069 U+0307)",
		"yıldız":       `"ı" (U+0131)`,
		"κώςτας":       `"ς" (U+03C2)`,
		"ada lovelace": `" " (U+0020)`,
		"ada\u200b":    `"\u200b" (U+200B)`,
		"user\u0661":   "\"\u0661\" (U+0661)",
		"ade\u0332":    "\"e\u0332\" (U+0065 U+0332)",
		"ɡina":         `"ɡ" (U+0261)`,
		"аlice":        "Cyrillic, Latin",
		" ":            "empty",
		"a\xff":        "UTF-8",
	} {
		_, err := a.Register(t.Context(), name, "correct horse")
		reason, ok := errors.AsType[*auth.UsernameError](err)
		if !ok || !errors.Is(err, auth.ErrInvalidUsername) || !strings.Contains(reason.Reason, want) {
			t.Errorf("Register(%+q): %v, want an error that names %s", name, err, want)
		}
	}
}

// TestTwinsByARuleOfTheHost: the rule about confusable names holds for new names of any form, until the
// host says otherwise. Names that are no twins pass.
func TestTwinsByARuleOfTheHost(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, nil, auth.Config{NormalizeUsername: asGiven})
	all := newAuthenticator(t, nil, auth.Config{NormalizeUsername: asGiven, DangerouslyAllowConfusableUsernames: true})
	for _, name := range []string{
		"аре", "Ада Lovelаce", "Раураl", "weiß", "WEIß", "Ada yıldız", "ΚΏΣΤΑΣ", "user\u0661", "kær", "ⅳan",
		"ａda", "\u212aate", "Zoe\u0308", // other ways to write ada, kate, Zoë
	} {
		if u, err := a.Register(t.Context(), name, "correct horse"); !errors.Is(err, auth.ErrInvalidUsername) {
			t.Errorf("Register(%+q) = %+q, %v", name, u.Username, err)
		}
		if u, err := all.Register(t.Context(), name, "correct horse"); err != nil || u.Username != name {
			t.Errorf("Register(%+q) = %+q, %v where confusable names are allowed", name, u.Username, err)
		}
		if _, err := all.Login(t.Context(), name, "correct horse"); err != nil {
			t.Errorf("Login(%+q): %v", name, err)
		}
	}
	for _, name := range []string{"Ada Lovelace", "Zoë", "ZOË", "José María", "Дарья Иванова", "日本 太郎", "O'Brien", "Ada™", "Łukasz@Example.com"} {
		if u, err := a.Register(t.Context(), name, "correct horse"); err != nil || u.Username != name {
			t.Errorf("Register(%+q) = %+q, %v", name, u.Username, err)
		}
	}
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
