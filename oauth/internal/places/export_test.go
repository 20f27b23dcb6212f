package places

import (
	"bytes"
	"math"
)

// The bounds of a state.
const (
	MaxLineages  = maxLineages
	MaxPlaces    = maxPlaces
	MaxTrail     = maxTrail
	MaxConflicts = maxConflicts
)

// Counts returns how many lineages, places and conflicts the state holds, and the length of its longest
// trail.
func (s State) Counts() (lineages, places, conflicts, trail int) {
	for _, l := range s.lineages {
		trail = max(trail, len(l.trail))
	}
	return len(s.lineages), len(s.places), len(s.conflicts), trail
}

// Holds reports whether the stored state has these bytes somewhere.
func (s State) Holds(b []byte) bool { return bytes.Contains(s.Append(nil), b) }

// Largest returns a state whose every list is full and whose every number has its greatest value.
func Largest() State {
	const latest = math.MaxInt64 - 1
	s := State{nextLineage: math.MaxUint32, nextGroup: math.MaxUint32}
	name := func(i int) (p Place) {
		copy(p[:], []byte{1, 1, 1, 1, 1, byte(i >> 8), byte(i)})
		return p
	}
	for i := range maxPlaces {
		s.places = append(s.places, place{name: name(i), own: true, group: math.MaxUint32 - 1, at: latest - maxAge, by: math.MaxUint32 - 1})
	}
	for i := range maxLineages {
		l := lineage{id: uint32(math.MaxUint32 - 1 - i), newest: math.MaxUint32, at: latest - maxAge, where: name(100 + i)}
		for j := range maxTrail {
			l.trail = append(l.trail, name(200+i*maxTrail+j))
		}
		s.lineages = append(s.lineages, l)
	}
	for range maxConflicts {
		s.conflicts = append(s.conflicts, conflict{at: latest - maxAge, where: name(0), placed: true})
	}
	s.conflicts[maxConflicts-1].at = latest
	return s
}
