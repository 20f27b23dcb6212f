package places

import (
	"crypto/rand"
	"fmt"
	"io"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/seed-e36e2130/auth/secrets"
)

// State is what is kept of a grant's refresh tokens: which lineages there are, and from which places
// they were used. No token and no address is part of it. A State never changes: its methods return
// another. [Begin] makes the first, [State.Append] and [Parse] write and read it. The zero State has
// no lineage.
type State struct {
	seed        [32]byte // random, part of each token's MAC and of each place's digest
	nextLineage uint32   // ID of the next lineage; never reused
	nextGroup   uint32   // ID of the next group
	lineages    []lineage
	places      []place
	conflicts   []conflict // by time
}

// Token names a refresh token of a grant: see [State.Text].
type Token struct {
	Lineage uint32 // from 1
	Number  uint32 // position in the lineage, from 1
}

// moment is a time in milliseconds since 1970.
type moment int64

// never is before every other moment.
const never moment = math.MinInt64

func momentOf(t time.Time) moment { return moment(max(t.UnixMilli(), 0)) }

func (m moment) add(d time.Duration) moment { return m + moment(d.Milliseconds()) }

// until returns the time from m to later, neither of which is never.
func (m moment) until(later moment) time.Duration {
	const most = math.MaxInt64 / moment(time.Millisecond)
	return time.Duration(min(max(later-m, -most), most)) * time.Millisecond
}

// lineage is a chain of tokens.
type lineage struct {
	id     uint32
	newest uint32  // number of its newest token
	at     moment  // its last use
	where  Place   // place of its last use; may be one that the state has forgotten
	trail  []Place // places before that one, the last first; never changed in place
}

func (l *lineage) token() Token { return Token{l.id, l.newest} }

// place is a place that the state remembers.
type place struct {
	name  Place
	own   bool   // proven to be the holder's
	group uint32 // places of one group have one holder
	at    moment // its last use, or never
	by    uint32 // ID of the lineage that used it last; 0: none
}

// conflict is a use that an honest holder would hardly have made.
type conflict struct {
	at     moment
	where  Place
	placed bool // whether the state remembers the place
}

// Begin returns the state of a new grant, whose holder has just logged in from an address, and its
// first token. The address is that of the client, behind the proxies that the host trusts; the zero
// Addr means that none is known. Begin draws the random seed of the grant. It returns an error if
// keys is empty.
func Begin(keys *secrets.Ring, client netip.Addr, now time.Time) (State, Token, error) {
	s := State{nextLineage: 2, nextGroup: 2}
	rand.Read(s.seed[:]) // never fails
	s, home, err := s.Locate(keys, client)
	if err != nil {
		return State{}, Token{}, err
	}
	at := momentOf(now)
	s.lineages = []lineage{{id: 1, newest: 1, at: at, where: home}}
	s.places = []place{{name: home, own: true, group: 1, at: at, by: 1}}
	return s, s.lineages[0].token(), nil
}

// Lineages returns how many lineages the grant has: about the number of the client's processes.
func (s State) Lineages() int { return len(s.lineages) }

// Format writes nothing of the state, whatever the verb: its seed is secret.
func (State) Format(f fmt.State, _ rune) { io.WriteString(f, "places.State") }

// clone returns a State that shares nothing with s that is ever changed.
func (s State) clone() State {
	s.lineages, s.places, s.conflicts = slices.Clone(s.lineages), slices.Clone(s.places), slices.Clone(s.conflicts)
	return s
}

// lineage returns the lineage with this ID, or nil if there is none.
func (s *State) lineage(id uint32) *lineage {
	if i := slices.IndexFunc(s.lineages, func(l lineage) bool { return l.id == id }); i >= 0 {
		return &s.lineages[i]
	}
	return nil
}

// place returns the place with this name, or nil if there is none.
func (s *State) place(name Place) *place {
	if i := slices.IndexFunc(s.places, func(p place) bool { return p.name == name }); i >= 0 {
		return &s.places[i]
	}
	return nil
}
