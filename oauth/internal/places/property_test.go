package places_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/oauth/internal/places"
)

// A client with one process, which stores what it is given, is served wherever it goes: it is in conflict
// with nobody, and no token is given to it twice.
func TestOneProcessIsNoThief(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, 1))
		g := newGrant(t, places.Params{})
		token := places.Token{Lineage: 1, Number: 1}
		for range 100 {
			g.now = g.now.Add(time.Duration(random.Int64N(int64(100 * time.Hour))))
			a := g.present(t, token, g.address(fmt.Sprint(random.IntN(1+random.IntN(20)))))
			if a.Verdict != places.Served || a.Conflict || a.Forked || a.Token != (places.Token{Lineage: 1, Number: token.Number + 1}) {
				t.Fatalf("seed %d: %v was answered %q", seed, token, told(a))
			}
			token = a.Token
		}
	}
}

// A thief at its own pace, on another network, is found within a day, whoever refreshes first. The owner
// commutes.
func TestThiefIsFound(t *testing.T) {
	t.Parallel()
	for _, thief := range []time.Duration{time.Second, 30 * time.Minute, 59 * time.Minute} {
		g := newGrant(t, places.Params{})
		g.play(t, `
			1.1 office 9h = 1.2
			1.2 home 9h = 1.3`)
		owned, stolen := places.Token{Lineage: 1, Number: 3}, places.Token{Lineage: 1, Number: 3}
		use := func(token places.Token, network string) (places.Token, bool) {
			a := g.present(t, token, g.address(network))
			return a.Token, a.Verdict == places.Ended
		}
		hours, ended := 0, false
		for ; hours < 24 && !ended; hours++ {
			network := "home"
			if hours%12 < 8 {
				network = "office"
			}
			g.now = g.now.Add(thief)
			if stolen, ended = use(stolen, "thief"); ended {
				break
			}
			g.now = g.now.Add(time.Hour - thief)
			owned, ended = use(owned, network)
		}
		if !ended {
			t.Errorf("a thief %v after the owner is not found within %d hours", thief, hours)
		}
	}
}

// FuzzPresent: whatever is presented, a token is served to one request, the home of the login is never in
// conflict and never refused, and Strict serves no token twice.
func FuzzPresent(f *testing.F) {
	f.Add([]byte("\x00\x00\x10\x01\x00\x10\x01\x01\x20\x02\x01\x30"), false)
	f.Add([]byte("\x00\x01\x10\x01\x02\x10\x01\x00\x20\x02\x01\x30\x00\x00\x00"), true)
	f.Fuzz(func(t *testing.T, script []byte, strict bool) {
		g := newGrant(t, places.Params{Strict: strict})
		tokens := []places.Token{{Lineage: 1, Number: 1}}
		made, used := map[places.Token]bool{tokens[0]: true}, map[places.Token]bool{}
		for ; len(script) >= 3 && len(tokens) < 500; script = script[3:] {
			token, network := tokens[int(script[0])%len(tokens)], fmt.Sprint(script[1])
			if script[1] == 0 {
				network = "home"
			}
			g.now = g.now.Add(time.Duration(script[2]) * 20 * time.Minute)
			a := g.present(t, token, g.address(network))
			if a.Verdict == places.Ended {
				return
			}
			if a.Verdict == places.Served {
				if made[a.Token] || strict && used[token] {
					t.Fatalf("%v was answered with %v", token, a.Token)
				}
				made[a.Token], used[token] = true, true
				tokens = append(tokens, a.Token)
			}
			if network == "home" && (a.Conflict || a.Verdict == places.Refused) && knowsHome(t, g) {
				t.Fatalf("home: %v was answered %q", token, told(a))
			}
		}
	})
}

// knowsHome reports whether fewer places were seen than a state remembers, so that home is one of them.
func knowsHome(t *testing.T, g *grant) bool {
	_, n, _, _ := g.state(t).Counts()
	return n < places.MaxPlaces
}
