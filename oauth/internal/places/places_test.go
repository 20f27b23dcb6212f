package places_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/oauth/internal/places"
	"github.com/seed-e36e2130/auth/secrets"
)

// grant is a grant whose state goes through its stored form at each step.
type grant struct {
	keys     *secrets.Ring
	stored   []byte
	live     places.State // the same state, which was never stored
	now      time.Time
	params   places.Params
	networks map[string]netip.Addr
}

// address returns the address that stands for a network's name: the same whenever it is asked.
func (g *grant) address(network string) netip.Addr {
	a, known := g.networks[network]
	if !known {
		n := len(g.networks)
		a = netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 1})
		g.networks[network] = a
	}
	return a
}

// newGrant returns a grant that began at home.
func newGrant(t testing.TB, p places.Params) *grant {
	t.Helper()
	keys, err := secrets.NewRing(secrets.Generate())
	if err != nil {
		t.Fatal(err)
	}
	g := &grant{keys: keys, now: time.Unix(1_700_000_000, 0), params: p, networks: map[string]netip.Addr{}}
	s, first, err := places.Begin(keys, g.address("home"), g.now)
	if err != nil || first != (places.Token{Lineage: 1, Number: 1}) {
		t.Fatalf("Begin = %v, %v", first, err)
	}
	g.stored, g.live = s.Append(nil), s
	return g
}

func (g *grant) state(t testing.TB) places.State {
	t.Helper()
	s, err := places.Parse(g.stored)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// present presents a token, and holds whatever must hold of every answer.
func (g *grant) present(t testing.TB, token places.Token, client netip.Addr) places.Answer {
	t.Helper()
	loaded := g.state(t)
	s, here, err := loaded.Locate(g.keys, client)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(loaded.Append(nil), g.stored) {
		t.Fatal("Locate changed the State that it was called on")
	}
	before := string(s.Append(nil))
	next, a := s.Present(token, here, g.now, g.params)
	if string(s.Append(nil)) != before {
		t.Fatal("Present changed the State that it was called on")
	}
	live, _, err := g.live.Locate(g.keys, client)
	if err != nil {
		t.Fatal(err)
	}
	live, same := live.Present(token, here, g.now, g.params)
	if same != a {
		t.Fatalf("%+v, but before it was stored the state had the answer %+v", a, same)
	}
	after := next.Append(nil)
	switch nl, np, nc, trail := next.Counts(); {
	case nl > 32 || np > 12 || nc > 32 || trail > 6 || len(after) > 2950:
		t.Fatalf("the state has %d lineages, %d places, %d conflicts, a trail of %d: %d bytes", nl, np, nc, trail, len(after))
	case !a.Changed && a.Verdict != places.Ended && string(after) != before:
		t.Fatalf("%+v says that nothing has changed", a)
	case a.Changed && string(after) == before:
		t.Fatalf("%+v says that the state has changed", a)
	}
	if a.Changed {
		g.stored, g.live = after, live
	}
	return a
}

// told writes an answer as the tables of the tests do.
func told(a places.Answer) string {
	var words []string
	token := fmt.Sprintf("%d.%d", a.Token.Lineage, a.Token.Number)
	switch a.Verdict {
	case places.Served:
		words = append(words, token)
	case places.Repeated:
		words = append(words, "again", token)
	case places.Refused:
		words = append(words, "refused")
	case places.Ended:
		words = append(words, "ended")
	}
	if a.Forked {
		words = append(words, "fork")
	}
	if a.Conflict {
		words = append(words, "conflict", fmt.Sprint(a.Conflicts))
	}
	return strings.Join(words, " ")
}

// play presents tokens as a script says. Each line has a token, the network that it comes from, the time
// that has passed since the line before, and the answer.
func (g *grant) play(t testing.TB, script string) {
	t.Helper()
	for line := range strings.Lines(script) {
		request, want, found := strings.Cut(strings.TrimSpace(line), " = ")
		if !found {
			if request != "" {
				t.Fatalf("%q has no answer", request)
			}
			continue
		}
		f := strings.Fields(request)
		passed, err := time.ParseDuration(f[2])
		if err != nil {
			t.Fatal(err)
		}
		var token places.Token
		if _, err := fmt.Sscanf(f[0], "%d.%d", &token.Lineage, &token.Number); err != nil {
			t.Fatal(err)
		}
		g.now = g.now.Add(passed)
		if got := told(g.present(t, token, g.address(f[1]))); got != want {
			t.Fatalf("%s: answered %q, want %q", request, got, want)
		}
	}
}
