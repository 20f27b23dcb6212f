package places_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/oauth/internal/places"
)

// A grant of three processes that travel takes less than 150 bytes.
func TestTypicalSize(t *testing.T) {
	t.Parallel()
	g := newGrant(t, places.Params{})
	g.play(t, `
		1.1 home 1h = 1.2
		1.1 home 1h = 2.1 fork
		1.1 home 1h = 3.1 fork
		1.2 office 1h = 1.3
		2.1 office 1h = 2.2
		3.1 office 200h = 3.2`)
	if len(g.stored) >= 150 {
		t.Errorf("%d bytes, want less than 150", len(g.stored))
	}
}

// The largest state that there can be has the size that MaxSize says, and a record has room for it.
func TestMaxSize(t *testing.T) {
	t.Parallel()
	b := places.Largest().Append(nil)
	const youngest = 5 // bytes: some age is 0, because ages are those before the latest time
	if len(b) != places.MaxSize-youngest || places.MaxSize >= 3000 {
		t.Errorf("%d bytes, MaxSize is %d, want less than 3000", len(b), places.MaxSize)
	}
	s, err := places.Parse(b)
	if err != nil || !bytes.Equal(s.Append(nil), b) {
		t.Errorf("Parse: %v", err)
	}
}

// An attacker who has every token that was ever made, and every address, cannot make a state too large.
func TestHostilePresentation(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	p := places.Params{TokenLife: 10 * time.Hour, Conflicts: 32, Days: 7} // so that the conflicts do not end it
	var most [4]int
	var size int
	for range 2 {
		g := newGrant(t, p)
		tokens := []places.Token{{Lineage: 1, Number: 1}}
		for n := range 800 {
			g.now = g.now.Add(time.Duration(random.Int64N(int64(10 * time.Minute))))
			token := tokens[max(0, len(tokens)-1-random.IntN(1+random.IntN(100)))]
			client := g.address(fmt.Sprint(random.IntN(1 + n)))
			if random.IntN(10) == 0 {
				client = g.address("home")
			}
			a := g.present(t, token, client) // has its own bounds
			switch a.Verdict {
			case places.Served:
				tokens = append(tokens, a.Token)
			case places.Ended:
				t.Fatalf("ended after %d requests", n)
			}
			var now [4]int
			now[0], now[1], now[2], now[3] = g.state(t).Counts()
			for i := range most {
				most[i] = max(most[i], now[i])
			}
			size = max(size, len(g.stored))
		}
	}
	if want := [4]int{places.MaxLineages, places.MaxPlaces, places.MaxConflicts, places.MaxTrail}; most != want {
		t.Errorf("at most %d lineages, places, conflicts and places of a trail, want %d: this was not hostile enough", most, want)
	}
	t.Logf("at most %d bytes", size)
}

// Damage is found: no other version, no other length, no part twice.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	seed := bytes.Repeat([]byte{7}, 32)
	// state returns a stored state of these bytes after the seed.
	state := func(parts ...[]byte) []byte { return slices.Concat([]byte{1}, seed, slices.Concat(parts...)) }
	var (
		numbers   = []byte{0x80, 8, 3, 3} // latest time 1024, next lineage 3, next group 3
		place     = []byte{1, 2, 3, 4, 5, 6, 7, 1, 1, 1, 1}
		unused    = []byte{2, 2, 3, 4, 5, 6, 7, 0, 2, 0, 0}
		lineage   = []byte{1, 5, 0, 1, 1, 0, 9, 9, 9, 9, 9, 9, 9} // in the place, trail of one that was forgotten
		conflicts = []byte{2, 5, 0, 4, 1}
		none      = []byte{0}
		some      = []byte{1}
		two       = []byte{2}
	)
	good := state(numbers, two, place, unused, some, lineage, conflicts)
	if s, err := places.Parse(good); err != nil || !bytes.Equal(s.Append(nil), good) {
		t.Fatalf("Parse(%x): %v", good, err)
	}
	with := func(b []byte, at int, to ...byte) []byte {
		return slices.Concat(b[:at], to, b[at+1:])
	}
	most := bytes.Repeat([]byte{0xff}, 8)
	rows := map[string][]byte{
		"nothing":                   nil,
		"version 0":                 with(good, 0, 0),
		"version 2":                 with(good, 0, 2),
		"a byte more":               append(bytes.Clone(good), 0),
		"zeros":                     make([]byte, 100),
		"no lineage":                state(numbers, some, place, none, none),
		"a place twice":             state(numbers, two, place, place, some, lineage, none),
		"own is 2":                  state(numbers, some, with(place, 7, 2), some, lineage, none),
		"a group to come":           state(numbers, some, with(place, 8, 3), some, lineage, none),
		"used by one to come":       state(numbers, some, with(place, 10, 3), some, lineage, none),
		"lineage 0":                 state(numbers, some, place, some, with(lineage, 0, 0), none),
		"a lineage to come":         state(numbers, some, place, some, with(lineage, 0, 3), none),
		"a lineage twice":           state(numbers, some, place, two, lineage, lineage, none),
		"a number above 32 bits":    state(numbers, some, place, some, with(lineage, 1, 0x80, 0x80, 0x80, 0x80, 0x10), none),
		"newest 0":                  state(numbers, some, place, some, with(lineage, 1, 0), none),
		"in a place that is not":    state(numbers, some, place, some, with(lineage, 3, 2), none),
		"a trail of 7":              state(numbers, some, place, some, []byte{1, 5, 0, 1, 7, 1, 1, 1, 1, 1, 1, 1}, none),
		"13 places":                 state(numbers, []byte{13}, bytes.Repeat(place, 13), some, lineage, none),
		"33 lineages":               state(numbers, some, place, []byte{33}, bytes.Repeat(lineage, 33), none),
		"33 conflicts":              state(numbers, some, place, some, lineage, []byte{33}, bytes.Repeat([]byte{0, 1}, 33)),
		"conflicts not by time":     state(numbers, some, place, some, lineage, []byte{2, 4, 1, 5, 0}),
		"a conflict nowhere":        state(numbers, some, place, some, lineage, []byte{1, 5, 2}),
		"an age beyond all bounds":  state(numbers, some, place, some, with(lineage, 2, append(most, 1)...), none),
		"a time beyond all bounds":  state(append(append(most, 0xff, 1), 3, 3), some, place, some, lineage, none),
		"a varint without an end":   state(numbers, some, place, some, []byte{0x80}),
		"a varint that is too long": state(append(append(most, most...), 1)),
	}
	for i := range good {
		rows[fmt.Sprintf("the first %d bytes", i)] = good[:i]
	}
	for name, b := range rows {
		if s, err := places.Parse(b); !errors.Is(err, places.ErrState) {
			t.Errorf("%s: Parse(%x) = %x, %v", name, b, s.Append(nil), err)
		}
	}
}

// Ages have a bound in the store, also if a clock was wrong by centuries.
func TestClocksThatAreWrong(t *testing.T) {
	t.Parallel()
	for _, now := range []time.Time{{}, time.Unix(-1, 0), time.Unix(1<<40, 0), time.Unix(0, math.MaxInt64), time.UnixMilli(math.MaxInt64)} {
		g := newGrant(t, places.Params{})
		for i, at := range []time.Time{now, g.now, now, g.now} {
			g.now = at
			g.present(t, places.Token{Lineage: 1, Number: 1}, g.address(fmt.Sprint(i)))
			g.present(t, places.Token{Lineage: 1, Number: 2}, g.address("home"))
		}
	}
}

// FuzzParse: what is read can be used, and is written as it would be read again.
func FuzzParse(f *testing.F) {
	g := newGrant(f, places.Params{})
	f.Add(g.stored, uint32(1), uint32(1), int64(0))
	g.play(f, `
		1.1 a 1h = 1.2
		1.1 b 1h = 2.1 fork
		1.2 home 1h = 1.3
		2.1 b 1h = 2.2 conflict 1`)
	f.Add(g.stored, uint32(2), uint32(1), int64(1_700_000_000_000))
	f.Add(places.Largest().Append(nil), uint32(7), uint32(9), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, b []byte, lineage, number uint32, at int64) {
		s, err := places.Parse(b)
		if err != nil {
			return
		}
		stored := s.Append(nil)
		again, err := places.Parse(stored)
		if err != nil || !bytes.Equal(again.Append(nil), stored) {
			t.Fatalf("Parse(%x): %v", stored, err)
		}
		g := &grant{keys: g.keys, stored: stored, live: again, now: time.UnixMilli(at), networks: map[string]netip.Addr{}}
		g.present(t, places.Token{Lineage: lineage, Number: number}, g.address("home"))
	})
}
