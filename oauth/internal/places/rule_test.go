package places_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/oauth/internal/places"
)

// Each row is a part of the rule, and fails without it. The grant began at home, with the token 1.1.
// "thief" and the names of other networks are strangers until their lineage has come home.
func TestRule(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, script string }{
		{"the newest token is served", `
			1.1 home 1h = 1.2
			1.2 home 1h = 1.3`},
		{"a client that moves is in conflict with nobody", `
			1.1 a 1h = 1.2
			1.2 b 1h = 1.3
			1.3 a 1h = 1.4
			1.4 c 1h = 1.5
			1.5 home 1h = 1.6`},

		// Repeat.
		{"a used token is answered again for 30 seconds", `
			1.1 home 1h = 1.2
			1.1 home 10s = again 1.2
			1.1 home 20s = again 1.2
			1.1 home 1s = 2.1 fork`},
		{"also where the place is a stranger", `
			1.1 a 1h = 1.2
			1.1 a 10s = again 1.2`},
		{"not from another place", `
			1.1 home 1h = 1.2
			1.1 a 10s = 2.1 fork`},
		{"not if its successor was used", `
			1.1 home 1h = 1.2
			1.2 home 1s = 1.3
			1.1 home 1s = 2.1 fork`},
		{"also if the clock has stepped back, but not far", `
			1.1 home 1h = 1.2
			1.1 home -20s = again 1.2
			1.1 home -20s = 2.1 fork`},

		// Fork.
		{"each process has its lineage", `
			1.1 home 1h = 1.2
			1.1 home 1m = 2.1 fork
			1.1 home 1m = 3.1 fork
			2.1 home 1h = 2.2
			1.2 home 1m = 1.3
			3.1 home 1m = 3.2
			2.1 home 1m = 4.1 fork`},
		{"an own place may fork, whoever was elsewhere", `
			1.1 home 1h = 1.2
			1.2 a 1h = 1.3
			1.2 home 1h = 2.1 fork`},
		{"a stranger may fork once", `
			1.1 home 1h = 1.2
			1.1 thief 1h = 2.1 fork
			1.1 thief 1h = 3.1 fork
			1.2 home 1h = 1.3
			1.1 thief 1h = 4.1 fork conflict 1`},
		{"to be refused somewhere is not to use the place", `
			1.1 home 1h = 1.2
			1.1 home 1h = 2.1 fork
			2.1 home 49h = 2.2
			1.1 thief 1m = refused
			2.1 thief 1h = 3.1 fork`},

		// Table A.
		{"whoever leaves an own place is no thief", `
			1.1 home 1h = 1.2
			1.1 home 1h = 2.1 fork
			1.2 a 1h = 1.3`},
		{"to stay abroad while another is at home", `
			1.1 home 1h = 1.2
			1.1 thief 1h = 2.1 fork
			1.2 home 1h = 1.3
			2.1 thief 1h = 2.2 conflict 1`},
		{"to stay abroad while another is elsewhere abroad", `
			1.1 home 1h = 1.2
			1.1 thief 1h = 2.1 fork
			1.2 a 1h = 1.3
			2.1 thief 1h = 2.2 conflict 1
			1.3 a 1h = 1.4 conflict 2`},
		{"to stay abroad while nobody was elsewhere since", `
			1.1 home 1h = 1.2
			1.1 home 1h = 2.1 fork
			1.2 a 1h = 1.3
			1.3 a 1h = 1.4
			1.2 a 1h = 3.1 fork
			1.4 a 1h = 1.5`},
		{"to move on abroad while another is at home", `
			1.1 home 1h = 1.2
			1.1 thief 1h = 2.1 fork
			1.2 home 1h = 1.3
			2.1 proxy 1h = 2.2 conflict 1`},
		{"to move on abroad while another is elsewhere abroad", `
			1.1 home 1h = 1.2
			1.1 a 1h = 2.1 fork
			1.2 b 1h = 1.3
			2.1 c 1h = 2.2`},
		{"to come home while another is abroad", `
			1.1 a 1h = 1.2
			1.1 a 1h = 2.1 fork
			2.1 b 1h = 2.2
			1.2 home 1h = 1.3`},
		{"to move on in a group while another is elsewhere abroad", `
			1.1 a 1h = 1.2
			1.2 b 1h = 1.3
			1.3 a 1h = 1.4
			1.1 c 1h = 2.1 fork
			1.4 b 1h = 1.5 conflict 1`},
		{"a place that was forgotten is abroad", `
			1.1 home 1h = 1.2
			1.1 home 1h = 2.1 fork
			1.2 x 1m = 1.3
			2.1 p1 1m = 2.2
			2.2 p2 1m = 2.3
			2.3 p3 1m = 2.4
			2.4 p4 1m = 2.5
			2.5 p5 1m = 2.6
			2.6 p6 1m = 2.7
			2.7 p7 1m = 2.8
			2.8 p8 1m = 2.9
			2.9 p9 1m = 2.10
			2.10 p10 1m = 2.11
			2.11 p11 1m = 2.12
			1.1 home 1h = 3.1 fork
			1.3 y 1m = 1.4 conflict 1`},

		// Table B.
		{"a place is own after the way home", `
			1.1 home 1h = 1.2
			1.2 a 1h = 1.3
			1.3 home 1h = 1.4
			1.2 a 1h = 2.1 fork
			1.4 home 1h = 1.5
			2.1 a 1h = 2.2
			1.5 home 1h = 1.6
			1.2 a 1h = 3.1 fork`},
		{"so are all of the trail", `
			1.1 a 1h = 1.2
			1.2 b 1h = 1.3
			1.3 home 1h = 1.4
			1.2 a 1h = 2.1 fork
			1.4 home 1h = 1.5
			2.1 a 1h = 2.2`},
		{"but no more than 6 places of it", `
			1.1 a 1h = 1.2
			1.2 b1 1h = 1.3
			1.3 b2 1h = 1.4
			1.4 b3 1h = 1.5
			1.5 b4 1h = 1.6
			1.6 b5 1h = 1.7
			1.7 b6 1h = 1.8
			1.8 home 1h = 1.9
			1.2 a 1h = 2.1 fork
			1.2 b1 1h = 3.1 fork
			1.9 home 1h = 1.10
			2.1 a 1h = 2.2 conflict 1
			3.1 b1 1h = 3.2`},
		{"the way home clears the conflicts of its places", `
			1.1 home 1h = 1.2
			1.1 a 1h = 2.1 fork
			1.2 home 1h = 1.3
			2.1 a 1h = 2.2 conflict 1
			2.2 home 1h = 2.3
			1.3 home 1h = 1.4
			1.1 thief 1h = 3.1 fork
			1.4 home 1h = 1.5
			3.1 thief 1h = 3.2 conflict 1`},
		{"and only theirs", `
			1.1 home 1h = 1.2
			1.1 thief 1h = 2.1 fork
			1.2 a 1h = 1.3
			2.1 thief 1h = 2.2 conflict 1
			1.3 a 1h = 1.4 conflict 2
			1.4 home 1h = 1.5
			2.2 thief 1h = 2.3 conflict 2`},
		{"to stay somewhere makes no trail", `
			1.1 a 1h = 1.2
			1.2 b 1h = 1.3
			1.3 b 1h = 1.4
			1.4 b 1h = 1.5
			1.5 b 1h = 1.6
			1.6 b 1h = 1.7
			1.7 b 1h = 1.8
			1.8 b 1h = 1.9
			1.9 home 1h = 1.10
			1.1 a 1h = 2.1 fork
			1.10 home 1h = 1.11
			2.1 a 1h = 2.2`},
		{"to and fro makes two places one", `
			1.1 a 1h = 1.2
			1.2 b 1h = 1.3
			1.3 a 1h = 1.4
			1.3 b 1h = 2.1 fork
			1.4 a 1h = 1.5
			2.1 b 1h = 2.2`},
		{"one way alone does not", `
			1.1 a 1h = 1.2
			1.2 b 1h = 1.3
			1.2 a 1h = 2.1 fork
			1.3 b 1h = 1.4 conflict 1`},
		{"what was in between is one with it", `
			1.1 a 1h = 1.2
			1.2 b 1h = 1.3
			1.3 c 1h = 1.4
			1.4 a 1h = 1.5
			1.3 b 1h = 2.1 fork
			1.5 a 1h = 1.6
			2.1 b 1h = 2.2`},
		{"a group joins another as a whole", `
			1.1 z 1h = 1.2
			1.1 a 1h = 2.1 fork
			2.1 b 1h = 2.2
			2.2 a 1h = 2.3
			2.3 b 1h = 2.4
			1.2 a 1h = 1.3
			1.3 z 1h = 1.4
			2.4 b 1h = 2.5`},
		{"what was before is not", `
			1.1 x 1h = 1.2
			1.2 a 1h = 1.3
			1.3 b 1h = 1.4
			1.4 a 1h = 1.5
			1.2 x 1h = 2.1 fork
			1.5 a 1h = 1.6 conflict 1`},
		{"an own place in between stays what it is", `
			1.1 a 1h = 1.2
			1.2 b 1h = 1.3
			1.2 b 1h = 2.1 fork
			2.1 home 1h = 2.2
			1.3 a 1h = 1.4
			2.2 b 1h = 2.3
			1.4 a 1h = 1.5 conflict 1`},
		{"a group comes home together", `
			1.1 a 1h = 1.2
			1.2 b 1h = 1.3
			1.3 a 1h = 1.4
			1.3 b 1h = 2.1 fork
			2.1 home 1h = 2.2
			1.4 a 1h = 1.5
			2.2 home 1h = 2.3
			1.5 a 1h = 1.6`},

		// Dormant.
		{"a copy that was put aside is refused", `
			1.1 home 1h = 1.2
			1.1 home 1h = 2.1 fork
			2.1 home 49h = 2.2
			1.1 thief 1m = refused
			1.1 thief 1m = refused
			2.2 home 1h = 2.3`},
		{"not if its lineage was used", `
			1.1 home 47h = 1.2
			1.1 home 1h = 2.1 fork
			2.1 home 46h = 2.2
			1.1 thief 1m = 3.1 fork`},
		{"not at an own place", `
			1.1 home 1h = 1.2
			1.1 home 1h = 2.1 fork
			2.1 home 49h = 2.2
			1.1 home 1m = 3.1 fork`},
		{"at whichever of them", `
			1.1 a 1h = 1.2
			1.2 home 1h = 1.3
			1.2 home 1h = 2.1 fork
			2.1 home 49h = 2.2
			1.1 a 1m = 3.1 fork`},
		{"not if nobody else was at home since", `
			1.1 home 1h = 1.2
			1.1 home 1h = 2.1 fork
			1.1 a 49h = 3.1 fork`},
		{"not if somebody else was elsewhere abroad alone", `
			1.1 home 1h = 1.2
			1.1 home 1h = 2.1 fork
			2.1 b 49h = 2.2
			1.1 a 1m = 3.1 fork`},
		{"not if it is newest and rested at home: its holder has travelled", `
			1.1 home 1h = 1.2
			1.1 home 1h = 2.1 fork
			2.1 home 49h = 2.2
			1.2 a 1m = 1.3`},
		{"also if it is newest but rested abroad", `
			1.1 home 1h = 1.2
			1.2 a 1h = 1.3
			1.1 home 1h = 2.1 fork
			2.1 home 49h = 2.2
			1.3 b 1m = refused
			1.3 a 1m = refused
			1.3 home 1m = 1.4`},

		// Count.
		{"6 conflicts within 24 hours end the grant", `
			1.1 home 1h = 1.2
			1.1 thief 1m = 2.1 fork
			1.2 home 1h = 1.3
			2.1 thief 1m = 2.2 conflict 1
			1.3 home 1h = 1.4
			2.2 thief 1m = 2.3 conflict 2
			1.4 home 1h = 1.5
			2.3 thief 1m = 2.4 conflict 3
			1.5 home 1h = 1.6
			2.4 thief 1m = 2.5 conflict 4
			1.6 home 1h = 1.7
			2.5 thief 1m = 2.6 conflict 5
			1.7 home 1h = 1.8
			2.6 thief 1m = ended conflict 6`},
		{"those of a burst are one", `
			1.1 home 1h = 1.2
			1.1 t1 1m = 2.1 fork
			1.1 t2 1s = 3.1 fork
			1.1 t3 1s = 4.1 fork
			1.2 home 1h = 1.3
			2.1 t1 1m = 2.2 conflict 1
			3.1 t2 1s = 3.2 conflict 1
			4.1 t3 1s = 4.2 conflict 1`},
		{"those of one place are one within the life of an access token", `
			1.1 home 1h = 1.2
			1.1 thief 1m = 2.1 fork
			1.2 home 1h = 1.3
			2.1 thief 1m = 2.2 conflict 1
			1.3 home 13m = 1.4
			2.2 thief 1m = 2.3 conflict 1
			1.4 home 30s = 1.5
			2.3 thief 30s = 2.4 conflict 2`},
		{"also if the clock steps back", `
			1.1 home 1h = 1.2
			1.1 t1 1m = 2.1 fork
			1.1 t2 1m = 3.1 fork
			1.2 home 1h = 1.3
			2.1 t1 1h = 2.2 conflict 1
			3.1 t2 -30m = 3.2 conflict 2
			1.3 home 1m = 1.4`},
		{"older than 24 hours they do not count", `
			1.1 home 1h = 1.2
			1.1 thief 1m = 2.1 fork
			1.2 home 1h = 1.3
			2.1 thief 1m = 2.2 conflict 1
			1.3 home 1h = 1.4
			2.2 thief 1m = 2.3 conflict 2
			1.4 home 24h = 1.5
			2.3 thief 1m = 2.4 conflict 1`},
		{"a conflict on each of 4 days ends the grant", `
			1.1 home 1h = 1.2
			1.1 thief 1m = 2.1 fork
			1.2 home 20h = 1.3
			2.1 thief 1m = 2.2 conflict 1
			1.3 home 20h = 1.4
			2.2 thief 1m = 2.3 conflict 2
			1.4 home 20h = 1.5
			2.3 thief 1m = 2.4 conflict 2
			1.5 home 20h = 1.6
			2.4 thief 1m = ended conflict 2`},
		{"days are 19.2 hours apart", `
			1.1 home 1h = 1.2
			1.1 thief 1m = 2.1 fork
			1.2 home 20h = 1.3
			2.1 thief 1m = 2.2 conflict 1
			1.3 home 18h = 1.4
			2.2 thief 1m = 2.3 conflict 2
			1.4 home 18h = 1.5
			2.3 thief 1m = 2.4 conflict 2
			1.5 home 18h = 1.6
			2.4 thief 1m = 2.5 conflict 2`},
		{"days older than 7 do not count", `
			1.1 home 1h = 1.2
			1.1 thief 1m = 2.1 fork
			1.2 home 20h = 1.3
			2.1 thief 1m = 2.2 conflict 1
			1.3 home 20h = 1.4
			2.2 thief 1m = 2.3 conflict 2
			1.4 home 47h = 1.5
			2.3 thief 1m = 2.4 conflict 1
			2.4 thief 46h = 2.5
			2.5 thief 46h = 2.6
			1.5 home 10h = 1.6
			2.6 thief 1m = 2.7 conflict 1`},

		// What the store has lost.
		{"a number above the newest goes on from there", `
			1.7 home 1h = 1.8
			1.1 home 1h = 2.1 fork`},
		{"a lineage above the newest is not begun again", `
			5.3 home 1h = 6.1 fork
			1.1 home 1m = 1.2
			1.1 home 1h = 7.1 fork`},
		{"numbers never start again", `
			1.4294967294 home 1h = ended`},
		{"IDs never start again", `
			4294967294.1 home 1h = ended`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			newGrant(t, places.Params{}).play(t, row.script)
		})
	}
}

// A state remembers 12 places. It forgets strangers first, the one used least recently before others.
func TestPlacesAreBounded(t *testing.T) {
	t.Parallel()
	g := newGrant(t, places.Params{})
	g.play(t, `
		1.1 own 1h = 1.2
		1.2 home 1h = 1.3
		1.1 thief 1h = 2.1 fork
		1.3 home 1h = 1.4
		2.1 thief 1h = 2.2 conflict 1`)
	for i := range 9 {
		g.play(t, fmt.Sprintf("1.1 p%d 1m = %d.1 fork", i, 3+i)) // 12 places with these
	}
	if _, n, _, _ := g.state(t).Counts(); n != 12 {
		t.Fatalf("%d places, want 12", n)
	}
	g.play(t, `
		1.1 p9 1m = 12.1 fork
		2.2 thief 1h = 2.3 conflict 2
		1.1 p0 1m = 13.1 fork
		1.1 p3 1m = 14.1 fork conflict 2
		1.1 own 1m = 15.1 fork
		1.4 home 1m = 1.5
		15.1 own 1m = 15.2`)
	// The thief's place was forgotten for p9, but not its conflict; p0 for the thief's; p3 and own never.
}

// A place that was forgotten is a new place when it is used again.
func TestForgottenPlace(t *testing.T) {
	t.Parallel()
	t.Run("a trail", func(t *testing.T) {
		t.Parallel()
		g := newGrant(t, places.Params{})
		g.play(t, `
			1.1 x 1h = 1.2
			1.2 y 1h = 1.3`)
		for i := range 12 { // x and y are forgotten
			g.play(t, fmt.Sprintf("1.1 p%d 1m = %d.1 fork", i, 2+i))
		}
		g.play(t, `
			1.3 home 1h = 1.4
			1.1 x 1h = 14.1 fork
			1.4 b 1h = 1.5
			1.5 home 1h = 1.6
			14.1 x 1m = 14.2 conflict 1`)
	})
	t.Run("a repeated reply", func(t *testing.T) {
		t.Parallel()
		g := newGrant(t, places.Params{Repeat: 10 * time.Minute, TokenLife: time.Minute})
		g.play(t, "1.1 x 1h = 1.2")
		for i := range 11 {
			g.play(t, fmt.Sprintf("9.1 q%d 1s = %d.1 fork", i, 10+i))
		}
		g.play(t, "1.1 x 1s = again 1.2") // there again, and never used
	})
	t.Run("a lineage at rest", func(t *testing.T) {
		t.Parallel()
		g := newGrant(t, places.Params{})
		g.play(t, `
			1.1 own 1h = 1.2
			1.2 home 1h = 1.3
			1.3 own 1h = 1.4
			1.1 home 1h = 2.1 fork`)
		for i := range 12 { // these become own, so that own is forgotten
			g.play(t, fmt.Sprintf(`
				2.%d p%d 1h = 2.%d
				2.%d home 1h = 2.%d`, 1+2*i, i, 2+2*i, 2+2*i, 3+2*i))
		}
		g.play(t, `
			2.25 home 48h = 2.26
			1.4 b 1m = refused
			2.23 b 1m = 3.1 fork`)
	})
	t.Run("the conflicts of others", func(t *testing.T) {
		t.Parallel()
		g := newGrant(t, places.Params{})
		g.play(t, `
			1.1 home 1h = 1.2
			1.1 a 1h = 2.1 fork
			1.2 home 1h = 1.3
			1.1 x 1m = 3.1 fork
			2.1 a 1h = 2.2 conflict 1`)
		for i := range 10 { // for the last of them, x is forgotten
			g.play(t, fmt.Sprintf("1.1 q%d 1m = %d.1 fork", i, 4+i))
		}
		g.play(t, `
			2.2 home 1h = 2.3
			1.3 home 1h = 1.4
			3.1 y 1h = 3.2 conflict 1`)
	})
}

// If all places are own, the one used least recently is forgotten.
func TestOwnPlacesAreBounded(t *testing.T) {
	t.Parallel()
	g := newGrant(t, places.Params{})
	number := 1
	move := func(network string) {
		t.Helper()
		g.play(t, fmt.Sprintf("1.%d %s 1h = 1.%d", number, network, number+1))
		number++
	}
	for i := range 12 {
		move(fmt.Sprint("p", i))
		move("home")
	}
	if _, n, _, _ := g.state(t).Counts(); n != 12 {
		t.Fatalf("%d places, want 12", n)
	}
	g.play(t, fmt.Sprintf(`
		1.1 p1 1h = 2.1 fork
		1.%d home 1h = 1.%d
		2.1 p1 1h = 2.2
		1.1 p0 1h = 3.1 fork
		1.%d home 1h = 1.%d
		3.1 p0 1h = 3.2 conflict 1`, number, number+1, number+1, number+2))
}

// A state remembers 32 lineages, and forgets the one used least recently. A token of a lineage that was
// forgotten begins another.
func TestLineagesAreBounded(t *testing.T) {
	t.Parallel()
	g := newGrant(t, places.Params{})
	g.play(t, "1.1 home 1h = 1.2")
	for i := range 31 {
		g.play(t, fmt.Sprintf("1.1 home 1m = %d.1 fork", i+2))
	}
	if n, _, _, _ := g.state(t).Counts(); n != 32 || g.state(t).Lineages() != 32 {
		t.Fatalf("%d lineages, want 32", n)
	}
	g.play(t, `
		1.2 home 1m = 1.3
		1.1 home 1m = 33.1 fork
		2.1 home 1m = 34.1 fork
		4.1 home 1m = 4.2`)
	if n := g.state(t).Lineages(); n != 32 {
		t.Fatalf("%d lineages, want 32", n)
	}
}

// With Strict every use of a used token ends the grant, wherever it comes from.
func TestStrict(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name   string
		repeat time.Duration
		script string
	}{
		{"a client that moves", 0, `
			1.1 home 1h = 1.2
			1.2 a 1h = 1.3
			1.3 b 200h = 1.4`},
		{"a used token at once", 0, `
			1.1 home 1h = 1.2
			1.1 home 0s = ended`},
		{"an older one", 30 * time.Second, `
			1.1 home 1h = 1.2
			1.2 home 1s = 1.3
			1.1 home 1s = ended`},
		{"Repeat answers again", 30 * time.Second, `
			1.1 home 1h = 1.2
			1.1 home 30s = again 1.2
			1.1 home 1s = ended`},
		{"but not elsewhere", 30 * time.Second, `
			1.1 home 1h = 1.2
			1.1 a 1s = ended`},
		{"a negative Repeat", -1, `
			1.1 home 1h = 1.2
			1.1 home 0s = ended`},
		{"a lineage that is not known", 0, `
			2.1 home 1h = ended`},
		{"what the store has lost", 0, `
			1.7 home 1h = 1.8
			1.7 home 1h = ended`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			newGrant(t, places.Params{Strict: true, Repeat: row.repeat}).play(t, row.script)
		})
	}
}

// Lineages that began before a host chose Strict go on, each until a used token of it comes again.
func TestStrictLater(t *testing.T) {
	t.Parallel()
	g := newGrant(t, places.Params{})
	g.play(t, `
		1.1 home 1h = 1.2
		1.1 home 1h = 2.1 fork`)
	g.params.Strict = true
	g.play(t, `
		2.1 home 1h = 2.2
		1.2 a 1h = 1.3
		2.1 home 1h = ended`)
}

// Each setting takes the place of its default.
func TestParams(t *testing.T) {
	t.Parallel()
	const caught = `
		1.1 home 1h = 1.2
		1.1 thief 1m = 2.1 fork
		1.2 home 1h = 1.3
		2.1 thief 1m = `
	rows := []struct {
		name   string
		p      places.Params
		script string
	}{
		{"Repeat", places.Params{Repeat: time.Second}, `
			1.1 home 1h = 1.2
			1.1 home 1s = again 1.2
			1.1 home 1s = 2.1 fork`},
		{"no Repeat", places.Params{Repeat: -1}, `
			1.1 home 1h = 1.2
			1.1 home 0s = 2.1 fork`},
		{"Conflicts", places.Params{Conflicts: 1}, caught + "ended conflict 1"},
		{"Days", places.Params{Days: 1}, caught + "ended conflict 1"},
		{"TokenLife", places.Params{TokenLife: 2 * time.Hour}, caught + `2.2 conflict 1
			1.3 home 1h = 1.4
			2.2 thief 1m = 2.3 conflict 1
			1.4 home 1h = 1.5
			2.3 thief 1m = 2.4 conflict 2`},
		{"Dormant", places.Params{Dormant: time.Hour}, `
			1.1 home 1h = 1.2
			1.1 home 1m = 2.1 fork
			2.1 home 1h = 2.2
			1.1 thief 1m = refused`},
		{"what is out of bounds", places.Params{TokenLife: -1, Dormant: -1, Conflicts: -1, Days: -1}, strings.TrimSuffix(caught, "2.1 thief 1m = ") + `
			2.1 thief 1m = 2.2 conflict 1
			1.1 a 47h = 3.1 fork`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			newGrant(t, row.p).play(t, row.script)
		})
	}
}
