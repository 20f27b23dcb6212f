package auth_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/memstore"
)

// TestTwins: what is easily taken for another name cannot be registered; names that
// people bear can.
func TestTwins(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, nil, auth.Config{})
	for _, name := range []string{
		"аре", "сосо", "раураӏ", "οο", "ρουα", "հո", "ѕсоре42", "ꓐꓳꓐ", "ⲟⲣⲟ", "ᕼ", "о_0", // whole names of another script
		"аlice", "zоë", "ёlan", "αda", "日本о", "raj\u0930\u093e\u091c", // mixed
		"yıldız", "ışık", "ɑda", "ɡina", "ƅob", "ꞌada", "kær", "þar", "cœur", "bøꬲ", // within Latin
		"weiß", "größe", "σίσυφοσ", "ΣΊΣΥΦΟΣ", "κώςτας", "ς", "\u1c82ля", // in capitals
		"user\u0661", "\u0661\u0662", "user\u06f1", "علی\u06f1", "علی\u0661", "राज\u0967", // digits
		"क\u094d\u200dष", "क\u094d\u200cष", "می\u200cخواهم", // joiners
		"İda", "i\u0307da", "і\u0307ва", "l\u0335ada", "o\u0338le", "c\u0306ada", "e\u0332va", "ren\u0435\u0301", "e\u064elan", // marks
		"é\u0301ve", "e\u0301\u0301ve", "a\u0300\u0301\u0302\u0303\u0304", "ש\u05b8\u05b8",
		"o\u02bcneil", "об\u02bcєкт", "ke\u02bbala", // modifier letters
		"сосо@example.com", "ada@ехаре.рф.сосо@сосо", "сосо@пример.рф", "ada@exаmple.com", // either side of the @
	} {
		if u, err := a.Register(t.Context(), name, "correct horse"); !errors.Is(err, auth.ErrInvalidUsername) {
			t.Errorf("Register(%+q) = %+q, %v", name, u.Username, err)
		}
	}
	for _, name := range []string{
		"josé", "müller", "señor", "bjørn", "łukasz", "đorđe", "čapek", "nguyễn", "þór", "ærø", "ștefan", "paşa", "ɓala", "l·la",
		"ẹ\u0301bu\u0301n", "ọ\u0300rẹ\u0301", "g\u0303ua", "ɔ\u0301", // no character has these marks
		"ольга", "сергей", "андрій", "їжак", "об'єкт", "марта42", "κώστας", "ίο\u0304ς", "κώστας1", "ίων.ας.λέων@example.com", "ελένη", "άννα", "գրիգոր", "ნინო", "ᎠᏂ",
		"שרה", "דָּוִד", "علي", "محمد_7", "राज", "ราช", "ソニー", "ひろし日本", "日本alice", "sonyソニー", "lin林ㄌ", "kim金철수", "ᐃᓄᒃ",
		"ольга@example.com", "ada@пример.рф", "josé@bücher.example", "日本@example.com",
	} {
		if _, err := a.Register(t.Context(), name, "correct horse"); err != nil {
			t.Errorf("Register(%+q): %v", name, err)
		}
	}
}

// TestTwinsOfStoredNames: the rule is for new names. Whoever has another logs in.
func TestTwinsOfStoredNames(t *testing.T) {
	t.Parallel()
	users := memstore.New()
	a := newAuthenticator(t, users, auth.Config{})
	u, err := a.Register(t.Context(), "ada", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	u, err = users.UserByID(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"аlice", "сосо", "yıldız", "weiß", "user\u06f1"} {
		u.ID, u.Username = "id-"+name, name
		if _, err := users.CreateUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		if got, err := a.Login(t.Context(), name, "correct horse"); err != nil || got.Principal.Subject() != u.ID {
			t.Errorf("Login(%q): %v", name, err)
		}
		if err := a.SetPassword(t.Context(), u.ID, "battery staple"); err != nil {
			t.Errorf("SetPassword of %q: %v", name, err)
		}
	}
}

// looksASCII reports whether all of a name that is not ASCII is twin of what is.
func looksASCII(name string, twin map[rune]bool) bool {
	outside := func(c rune) bool { return c > unicode.MaxASCII }
	return strings.ContainsFunc(name, outside) && !strings.ContainsFunc(name, func(c rune) bool { return outside(c) && !twin[c] })
}

// lookalikes are the characters outside ASCII whose skeleton is ASCII, by skeleton
// and as a set.
func lookalikes(t testing.TB) (of map[string][]rune, all map[rune]bool) {
	t.Helper()
	data, err := os.ReadFile("testdata/lookalikes.txt")
	if err != nil {
		t.Fatal(err)
	}
	of, all = map[string][]rune{}, map[rune]bool{}
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "# ") {
			continue
		}
		line = strings.TrimSuffix(line, "\n")
		skeleton, points, _ := strings.Cut(line[1:], " ") // the first may be the space
		for _, point := range strings.Fields(points) {
			c, err := strconv.ParseUint(point, 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			of[line[:1]+skeleton] = append(of[line[:1]+skeleton], rune(c))
			all[rune(c)] = true
		}
	}
	return of, all
}

// TestTwinsOfASCII: whatever is put for the characters of a name in ASCII, by the
// data of UTS 39, is refused, or its canonical form is ASCII or looks like none that is.
func TestTwinsOfASCII(t *testing.T) {
	t.Parallel()
	a, all := newAuthenticator(t, nil, auth.Config{}), 0
	data, twin := lookalikes(t)
	tryName := func(name string) {
		t.Helper()
		all++
		u, err := a.Register(t.Context(), name, "correct horse")
		switch {
		case err == nil:
			if looksASCII(u.Username, twin) {
				t.Errorf("Register(%+q) = %+q", name, u.Username)
			}
		case !errors.Is(err, auth.ErrInvalidUsername) && !errors.Is(err, auth.ErrUserExists):
			t.Errorf("Register(%+q): %v", name, err)
		}
	}
	of := map[rune][]rune{} // what looks like this small letter, or its capital
	for skeleton, cs := range data {
		for _, c := range cs {
			for _, form := range []string{"?", "??", "a?", "?1", "x?y", "?@a.example", "a@?", "\u05d5?", "ノ?"} {
				tryName(strings.ReplaceAll(form, "?", string(c)))
			}
		}
		if len(skeleton) == 1 {
			small := unicode.ToLower(rune(skeleton[0]))
			of[small] = append(of[small], cs...)
		}
	}
	if len(twin) < 1800 || len(of['o']) < 100 {
		t.Fatalf("read %d characters", len(twin))
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"ace", "bob", "joe", "ivy", "root", "o'h", "a1o", "admin", "paypal", "rogers", "support", "x-y.z"} {
		// Of one script, in every combination; of any, as dice have it.
		for _, script := range unicode.Scripts {
			letters := map[rune][]rune{}
			for _, c := range name {
				letters[c] = []rune{c}
				for _, like := range of[c] {
					if unicode.Is(script, like) && len(letters[c]) < 5 {
						letters[c] = append(letters[c], like)
					}
				}
			}
			names := []string{""}
			for _, c := range name {
				var longer []string
				for _, start := range names {
					for _, like := range letters[c] {
						longer = append(longer, start+string(like))
					}
				}
				names = longer
			}
			for _, like := range names {
				if like != name {
					tryName(like)
				}
			}
		}
		for range 500 {
			tryName(strings.Map(func(c rune) rune {
				choice := slices.Concat([]rune{c}, of[c])
				return choice[r.IntN(len(choice))]
			}, name))
		}
	}
	t.Logf("%d names", all)
}
