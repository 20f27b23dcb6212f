package places

import (
	"cmp"
	"slices"
)

// busy reports whether a place that is not the same as here was used later than since, last by another
// lineage than this one. With ownOnly, only own places are looked at.
func (s *State) busy(since moment, lineage uint32, here *place, ownOnly bool) bool {
	return slices.ContainsFunc(s.places, func(x place) bool {
		return x.at > since && x.by != lineage && !same(&x, here) && (x.own || !ownOnly)
	})
}

// same reports whether two places are known to have one holder.
func same(x, y *place) bool { return x.own && y.own || x.group == y.group }

// strayed reports whether a lineage that goes on here is in conflict with another lineage. At an own
// place it never is. Abroad, it is in conflict
//
//   - if it stays, while another lineage was elsewhere;
//   - if it moves from a place that is not own, while another lineage was at home.
//
// A lineage that leaves an own place is not in conflict: that is how a holder travels.
func (s *State) strayed(l *lineage, here *place) bool {
	before := s.place(l.where)
	switch {
	case here.own:
		return false
	case before != nil && same(before, here):
		return s.busy(l.at, l.id, here, false)
	case before == nil || !before.own:
		return s.busy(l.at, l.id, here, true)
	}
	return false
}

// appeared reports whether a lineage that begins here is in conflict with another. It is if the place
// is not own and was used before, and another lineage was elsewhere since.
func (s *State) appeared(here *place) bool {
	return !here.own && here.at != never && s.busy(here.at, here.by, here, false)
}

// travel records that a lineage goes on here, and what that proves. If it came from elsewhere to an own
// place, its way was the holder's: all places of its trail become own, with their groups. If it came
// back to another place, the places in between and this one have one holder, whoever that is.
func (s *State) travel(l *lineage, here *place) {
	if l.where == here.name {
		return
	}
	trail := append([]Place{l.where}, l.trail...)
	l.trail = trail[:min(len(trail), maxTrail)]
	if here.own {
		for _, name := range l.trail {
			if x := s.place(name); x != nil {
				s.acquit(x.group)
			}
		}
		l.trail = nil
		return
	}
	for _, name := range l.trail[:max(slices.Index(l.trail, here.name), 0)] {
		if x := s.place(name); x != nil && !x.own {
			s.join(x.group, here.group)
		}
	}
}

// acquit makes the places of a group own, and deletes their conflicts.
func (s *State) acquit(group uint32) {
	for i := range s.places {
		x := &s.places[i]
		if x.group == group {
			x.own = true
			s.conflicts = slices.DeleteFunc(s.conflicts, func(c conflict) bool { return c.placed && c.where == x.name })
		}
	}
}

// join puts the places of one group into another.
func (s *State) join(from, to uint32) {
	for i := range s.places {
		if s.places[i].group == from {
			s.places[i].group = to
		}
	}
}

// count adds a conflict, and returns how many of the last 24 hours count and whether the grant ends by
// them. A place adds one conflict within the life of an access token. A conflict counts if it is that
// much later than the last one that counted, so that a burst counts once.
func (s *State) count(where Place, at moment, p Params) (recent int, ended bool) {
	s.conflicts = slices.DeleteFunc(s.conflicts, func(c conflict) bool { return c.at.until(at) > week })
	if !slices.ContainsFunc(s.conflicts, func(c conflict) bool {
		return c.placed && c.where == where && c.at.until(at) < p.TokenLife
	}) {
		s.conflicts = append(s.conflicts, conflict{at, where, true})
		slices.SortStableFunc(s.conflicts, func(x, y conflict) int { return cmp.Compare(x.at, y.at) })
		s.conflicts = s.conflicts[max(len(s.conflicts)-maxConflicts, 0):]
	}
	var days int
	var counted, dayCounted *conflict // the last ones that counted
	for i := range s.conflicts {
		c := &s.conflicts[i]
		if counted == nil || counted.at.until(c.at) >= p.TokenLife {
			counted = c
			if c.at.until(at) <= day {
				recent++
			}
		}
		if dayCounted == nil || dayCounted.at.until(c.at) >= nextDay {
			dayCounted = c
			days++
		}
	}
	return recent, recent >= p.Conflicts || days >= p.Days
}
