package recovery_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/recovery"
)

func TestCanonical(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63)
	for given, want := range map[string]string{
		"ada@example.com":                       "ada@example.com",
		"Ada@EXAMPLE.com":                       "ada@example.com",
		"a.b+tag@xn--bcher-kva.example":         "a.b+tag@xn--bcher-kva.example",
		"o'neil@localhost":                      "o'neil@localhost",
		long + "a@" + long + ".example":         long + "a@" + long + ".example",
		"":                                      "",
		"ada":                                   "",
		"@example.com":                          "",
		"ada@":                                  "",
		"ada@@example.com":                      "",
		"a@b@example.com":                       "",
		" ada@example.com":                      "",
		"ada@example.com ":                      "",
		"ada@example.com\n":                     "",
		"ada@example.com\r\nBcc: eve@e.example": "",
		"ada\x00@example.com":                   "",
		"ada@example.com,eve@example.com":       "",
		"Ada <ada@example.com>":                 "",
		`"a da"@example.com`:                    "",
		".ada@example.com":                      "",
		"a..da@example.com":                     "",
		"ada.@example.com":                      "",
		"ada@example..com":                      "",
		"ada@-example.com":                      "",
		"ada@example-.com":                      "",
		"ada@example_.com":                      "",
		"ada@[192.0.2.1]":                       "",
		"аda@example.com":                       "", // Cyrillic
		"ada@exаmple.com":                       "", // Cyrillic
		"ada@bücher.example":                    "",
		"\xffda@example.com":                    "",
		long + "aa@example.com":                 "",
		"ada@" + long + "a.example":             "",
		"ada@" + strings.Repeat(long+".", 4) + "example": "",
	} {
		got, err := recovery.Canonical(given)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, recovery.ErrInvalidAddress) {
			t.Errorf("Canonical(%q) = %q, %v, want %q", given, got, err, want)
		}
	}
	if got := auth.HTTPStatus(recovery.ErrInvalidAddress); got != 422 {
		t.Errorf("ErrInvalidAddress has the status %d, want 422", got)
	}
}

// TestCanonicalOfTheHost: a form of the host's own Canonical that is no single address is refused.
func TestCanonicalOfTheHost(t *testing.T) {
	form, fails := "", error(nil)
	run(t, recovery.Config{Canonical: func(string) (string, error) { return form, fails }}, func(t *testing.T, f *fixture) {
		for _, form = range []string{"", "ada", "a@b@c", "ada@example.com\r\nBcc: eve@example.com", "ada @example.com", "a,b@example.com", "<ada@example.com>", "\xff@example.com", "ada@\u2028x", strings.Repeat("a", 255) + "@b"} {
			is(t, f.recovery.RequestReset(t.Context(), ada), recovery.ErrInvalidAddress, form)
		}
		form = "ädä@bücher.example"
		is(t, f.recovery.RequestReset(t.Context(), ada), nil, form)
		fails = errors.New("no such domain")
		err := f.recovery.RequestReset(t.Context(), ada)
		is(t, err, recovery.ErrInvalidAddress, "a form that is refused")
		is(t, err, fails, "a form that is refused")
	})
}

// FuzzCanonical: an accepted address is one mailbox, differs from what was given in case alone, and is
// its own canonical form.
func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{"Ada@Example.com", "a.b+c@xn--bcher-kva.example", "a@b@c", "ada@example.com\r\n", "İ@example.com", "\"a\"@b", ".@-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, given string) {
		got, err := recovery.Canonical(given)
		if err != nil {
			if got != "" || !errors.Is(err, recovery.ErrInvalidAddress) {
				t.Fatalf("Canonical(%q) = %q, %v", given, got, err)
			}
			return
		}
		if again, err := recovery.Canonical(got); err != nil || again != got {
			t.Fatalf("Canonical(%q) = %q, %v: not a fixed point", got, again, err)
		}
		if !strings.EqualFold(got, given) || len(got) != len(given) || strings.Count(got, "@") != 1 || len(got) > 254 {
			t.Fatalf("Canonical(%q) = %q", given, got)
		}
		for _, c := range []byte(got) {
			if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),:;<>[]\`, c) >= 0 {
				t.Fatalf("Canonical(%q) = %q", given, got)
			}
		}
	})
}

// FuzzToken: of all texts, only the token that was sent is valid. A password that is too short shows
// that and leaves the token valid.
func FuzzToken(f *testing.F) {
	fix := newFixture(f, recovery.Config{}, nil)
	fix.user(ada, true)
	if err := fix.recovery.RequestReset(f.Context(), ada); err != nil {
		f.Fatal(err)
	}
	if err := fix.recovery.Close(f.Context()); err != nil { // waits until the message is sent
		f.Fatal(err)
	}
	link := token(f, fix.outbox.sent[0])
	f.Add(link)
	f.Add(link[:63])
	f.Add(link + "=")
	f.Add(link + "\n")
	f.Add(link[:32] + "\r\n" + link[32:])
	f.Add("\n" + link[1:])
	f.Add(link + link)
	f.Add(strings.ToLower(link))
	f.Add(strings.Repeat("A", 64))
	f.Fuzz(func(t *testing.T, text string) {
		err := fix.reset(t.Context(), text, "short")
		_, valid := errors.AsType[*passwords.Error](err)
		if valid != (text == link) || !valid && !errors.Is(err, recovery.ErrInvalidToken) {
			t.Fatalf("Reset(%q): %v", text, err)
		}
		if _, err := fix.recovery.LoginByCode(t.Context(), text, "123456"); !errors.Is(err, recovery.ErrInvalidToken) {
			t.Fatalf("LoginByCode(%q): %v", text, err)
		}
	})
}
