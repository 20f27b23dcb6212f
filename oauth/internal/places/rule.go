package places

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Verdict says what becomes of a request with a genuine refresh token.
type Verdict int

const (
	// Refused: the request is refused, and the grant goes on. Event refresh_dormant.
	Refused Verdict = iota
	// Ended: two parties hold the grant, which must end with all its tokens. Event refresh_reuse.
	Ended
	// Served: the answer is the next token of a lineage.
	Served
	// Repeated: the answer is a token that was the answer a moment ago, too.
	Repeated
)

// Answer is what [State.Present] decides.
type Answer struct {
	Verdict Verdict
	Token   Token // token to return, if Served or Repeated

	// Changed says that the new state must be stored, by compare-and-swap, before the answer is
	// given. If the swap fails, load the grant and present the token again. An Ended grant is
	// deleted, so Changed says nothing about it.
	Changed bool

	Forked    bool // a lineage has begun: event refresh_forked
	Conflict  bool // event refresh_conflict, also if the grant has Ended by it
	Conflicts int  // conflicts of the last 24 hours that count, of [Params].Conflicts; with Conflict only
}

// Present decides about a genuine token that a client presents from a place, and returns the state that
// follows. The caller has verified the token by [State.Open], and has checked client, idle time and
// absolute end. from is a place of [State.Locate], now is the store's time.
//
// A number above the newest of its lineage means that the store has lost what it had acknowledged, as
// a replica of a database can after a failover: the lineage goes on from that number.
func (s State) Present(t Token, from Place, now time.Time, p Params) (State, Answer) {
	p = p.withDefaults()
	at := momentOf(now)
	const last = math.MaxUint32 - 1 // numbers never start again
	if max(t.Number, t.Lineage, s.nextLineage, s.nextGroup) >= last {
		return s, Answer{Verdict: Ended}
	}
	s = s.clone()
	if p.Strict {
		return s.presentStrict(t, from, at, p)
	}

	arrived := s.arrive(from)
	here := s.place(from)
	l := s.lineage(t.Lineage) // nil: forgotten
	switch {
	case l != nil && s.dormant(l, t.Number, here, at, p):
		return s, Answer{Verdict: Refused, Changed: arrived}
	case l != nil && l.repeats(t.Number, from, at, p):
		return s, Answer{Verdict: Repeated, Token: l.token(), Changed: arrived}
	}

	var a Answer
	if l != nil && t.Number >= l.newest {
		a.Conflict = s.strayed(l, here)
		l.newest = t.Number
		s.travel(l, here)
	} else {
		a.Forked = true
		a.Conflict = s.appeared(here)
		l = s.fork(t.Lineage)
	}
	if a.Conflict {
		var ended bool
		if a.Conflicts, ended = s.count(from, at, p); ended {
			return s, Answer{Verdict: Ended, Conflict: true, Conflicts: a.Conflicts}
		}
	}
	here.at, here.by = at, l.id
	a.Verdict, a.Token, a.Changed = Served, l.serve(from, at), true
	return s, a
}

// presentStrict is Present for [Params].Strict. A lineage that began before the host chose Strict goes
// on, and no other begins.
func (s State) presentStrict(t Token, from Place, at moment, p Params) (State, Answer) {
	switch l := s.lineage(t.Lineage); {
	case l == nil:
		return s, Answer{Verdict: Ended}
	case l.repeats(t.Number, from, at, p):
		return s, Answer{Verdict: Repeated, Token: l.token()}
	case t.Number < l.newest:
		return s, Answer{Verdict: Ended}
	default:
		l.newest = t.Number
		return s, Answer{Verdict: Served, Token: l.serve(from, at), Changed: true}
	}
}

// repeats reports whether the token with this number was used a moment ago, from the same place.
func (l *lineage) repeats(number uint32, from Place, at moment, p Params) bool {
	apart := l.at.until(at).Abs() // the clock may have stepped back, but not far
	return p.Repeat > 0 && number+1 == l.newest && apart <= p.Repeat && l.where == from
}

// serve records a use of the lineage, and returns its next token.
func (l *lineage) serve(from Place, at moment) Token {
	l.newest++
	l.where, l.at = from, at
	return l.token()
}

// arrive adds a place to those that are remembered, and reports whether it was new.
func (s *State) arrive(name Place) bool {
	if s.place(name) != nil {
		return false
	}
	if len(s.places) >= maxPlaces {
		s.forgetPlace()
	}
	s.places = append(s.places, place{name: name, group: s.nextGroup, at: never})
	s.nextGroup++
	return true
}

// forgetPlace forgets the place that is not own and was used least recently or, if all are own, the
// one that was used least recently. Its conflicts stay, without a place.
func (s *State) forgetPlace() {
	oldest := slices.MinFunc(s.places, func(x, y place) int {
		if x.own != y.own {
			if y.own {
				return -1
			}
			return 1
		}
		return cmp.Compare(x.at, y.at)
	})
	s.places = slices.DeleteFunc(s.places, func(x place) bool { return x.name == oldest.name })
	for i := range s.conflicts {
		if s.conflicts[i].where == oldest.name {
			s.conflicts[i].where, s.conflicts[i].placed = Place{}, false
		}
	}
}

// fork begins a lineage, and returns it. presented is the lineage of the token that led to it, which
// is higher than all that the state remembers only if the store has lost a write.
func (s *State) fork(presented uint32) *lineage {
	if len(s.lineages) >= maxLineages {
		oldest := slices.MinFunc(s.lineages, func(x, y lineage) int { return cmp.Compare(x.at, y.at) })
		s.lineages = slices.DeleteFunc(s.lineages, func(x lineage) bool { return x.id == oldest.id })
	}
	id := max(s.nextLineage, presented+1)
	s.nextLineage = id + 1
	s.lineages = append(s.lineages, lineage{id: id})
	return &s.lineages[len(s.lineages)-1]
}

// dormant reports whether a use is that of a copy that was put aside. It comes from a place that is not
// own, its lineage has rested for 2 days, and another lineage was used at an own place in that time.
// The newest token of a lineage that rested at an own place is excepted: its holder has travelled.
func (s *State) dormant(l *lineage, number uint32, here *place, at moment, p Params) bool {
	if l.at.until(at) <= p.Dormant || !s.busy(at.add(-p.Dormant), l.id, here, true) {
		return false // all own places are the same, so none is busy to a use at an own place
	}
	rested := s.place(l.where)
	return number < l.newest || rested == nil || !rested.own
}
