package places_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/oauth/internal/places"
)

var recorded = regexp.MustCompile(`^(\d+)(?:\.(\d+))?([a-zA-Z]+)(\d+)(?:=(?:(\d+)\.(\d+)|(r|e)))?(!?)$`)

// TestRecordedGrants holds the rule to recorded answers about users and thieves of many kinds. They were made
// by another program, from the table of the rule.
func TestRecordedGrants(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/grants.txt")
	if err != nil {
		t.Fatal(err)
	}
	var grants, requests int
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); line[0] != '#' {
			grants++
			requests += len(f) - 1
			t.Run(strconv.Itoa(grants), func(t *testing.T) {
				t.Parallel()
				replay(t, f)
			})
		}
	}
	if grants != 127 || requests != 12360 {
		t.Errorf("%d grants with %d requests, want 127 with 12360", grants, requests)
	}
}

func replay(t *testing.T, words []string) {
	number := func(s string) uint32 {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		return uint32(n)
	}
	g := newGrant(t, places.Params{TokenLife: time.Duration(number(words[0])) * time.Second})
	g.networks["a"] = g.address("home")
	newest := map[uint32]uint32{1: 1} // by lineage
	for i, word := range words[1:] {
		m := recorded.FindStringSubmatch(word)
		if m == nil {
			t.Fatalf("%q is no request with an answer", word)
		}
		token := places.Token{Lineage: number(m[1])}
		token.Number = newest[token.Lineage]
		if m[2] != "" {
			token.Number = number(m[2])
		}
		g.now = g.now.Add(time.Duration(number(m[4])) * (time.Second / 10))
		a := g.present(t, token, g.address(m[3]))

		want := places.Token{Lineage: token.Lineage, Number: token.Number + 1}
		served := a.Verdict == places.Served || a.Verdict == places.Repeated
		switch {
		case m[7] == "r" && a.Verdict != places.Refused, m[7] == "e" && a.Verdict != places.Ended, m[7] == "" && !served:
			t.Fatalf("request %d, %s: answered %q", i+1, word, told(a))
		case m[5] != "":
			want = places.Token{Lineage: number(m[5]), Number: number(m[6])}
		}
		if event := a.Conflict || !served; served && a.Token != want || event != (m[8] != "") {
			t.Fatalf("request %d, %s: answered %q", i+1, word, told(a))
		}
		if served {
			newest[want.Lineage] = max(newest[want.Lineage], want.Number)
		}
	}
}
