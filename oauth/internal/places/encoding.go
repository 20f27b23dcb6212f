package places

import (
	"encoding/binary"
	"errors"
	"math"
)

// A state is kept in this form. Numbers are unsigned varints. Ages are milliseconds before the latest
// time of the state.
//
//	version (1 byte), seed (32 bytes), latest time, next lineage, next group
//	count of places (1 byte), and for each: name, own (1 byte), group, age+1 of its last use or 0, lineage
//	count of lineages (1 byte), and for each: id, newest, age, place, count of its trail (1 byte), places
//	count of conflicts (1 byte), and for each: age, place (1 byte: position, from 1, or 0 for none)
//
// A lineage names a place that the state remembers by its position, from 1, in one byte; any other by
// a zero byte and its name.
const version = 1

// MaxSize is the most that a state takes in the store, in bytes, whatever clients present. A grant with
// a few lineages and places takes about 100.
const MaxSize = 1 + 32 + 9 + 2*numberSize +
	1 + maxPlaces*(nameSize+1+numberSize+ageSize+numberSize) +
	1 + maxLineages*(2*numberSize+ageSize+1+(1+maxTrail)*(1+nameSize)) +
	1 + maxConflicts*(ageSize+1)

const (
	nameSize   = len(Place{})
	numberSize = 5 // varint of 32 bits
	ageSize    = 6 // varint of maxAge
	maxAge     = 1<<(7*ageSize) - 2
)

// ErrState is the error of [Parse]: an infrastructure failure, not a mistake of the client.
var ErrState = errors.New("auth: the state of a grant's refresh tokens is damaged, or was written by a later version")

// Append appends the state, as it is kept, to b: at most [MaxSize] bytes.
func (s State) Append(b []byte) []byte {
	latest := s.latest()
	age := func(m moment) uint64 { return uint64(min(latest-m, maxAge)) }

	b = append(b, version)
	b = append(b, s.seed[:]...)
	b = binary.AppendUvarint(b, uint64(latest))
	b = binary.AppendUvarint(b, uint64(s.nextLineage))
	b = binary.AppendUvarint(b, uint64(s.nextGroup))

	b = append(b, byte(len(s.places)))
	for _, x := range s.places {
		b = append(b, x.name[:]...)
		b = append(b, flag(x.own))
		b = binary.AppendUvarint(b, uint64(x.group))
		if x.at == never {
			b = append(b, 0)
		} else {
			b = binary.AppendUvarint(b, age(x.at)+1)
		}
		b = binary.AppendUvarint(b, uint64(x.by))
	}
	b = append(b, byte(len(s.lineages)))
	for _, l := range s.lineages {
		b = binary.AppendUvarint(b, uint64(l.id))
		b = binary.AppendUvarint(b, uint64(l.newest))
		b = binary.AppendUvarint(b, age(l.at))
		b = s.appendPlace(b, l.where)
		b = append(b, byte(len(l.trail)))
		for _, name := range l.trail {
			b = s.appendPlace(b, name)
		}
	}
	b = append(b, byte(len(s.conflicts)))
	for _, c := range s.conflicts {
		b = binary.AppendUvarint(b, age(c.at))
		if c.placed {
			b = append(b, s.position(c.where))
		} else {
			b = append(b, 0)
		}
	}
	return b
}

// latest returns the latest time of the state.
func (s *State) latest() (latest moment) {
	for _, x := range s.places {
		latest = max(latest, x.at)
	}
	for _, l := range s.lineages {
		latest = max(latest, l.at)
	}
	for _, c := range s.conflicts {
		latest = max(latest, c.at)
	}
	return latest
}

// position returns the position of a place among those that are remembered, from 1, or 0.
func (s *State) position(name Place) byte {
	for i, x := range s.places {
		if x.name == name {
			return byte(i + 1)
		}
	}
	return 0
}

func (s *State) appendPlace(b []byte, name Place) []byte {
	i := s.position(name)
	b = append(b, i)
	if i == 0 {
		b = append(b, name[:]...)
	}
	return b
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// Parse reads what [State.Append] wrote. It returns [ErrState] for anything else.
func Parse(b []byte) (State, error) {
	var s State
	r := reader{rest: b}
	if r.byte(version) != version {
		return State{}, ErrState
	}
	copy(s.seed[:], r.bytes(len(s.seed)))
	latest := moment(r.number(math.MaxInt64))
	age := func() moment { return latest - moment(r.number(maxAge)) }
	s.nextLineage, s.nextGroup = r.uint32(), r.uint32()

	for range r.byte(maxPlaces) {
		x := place{name: r.name(), own: r.byte(1) == 1, group: r.uint32(), at: never}
		if used := r.number(maxAge + 1); used > 0 {
			x.at = latest - moment(used-1)
		}
		x.by = r.uint32()
		r.check(x.group < s.nextGroup && x.by < s.nextLineage && s.place(x.name) == nil)
		s.places = append(s.places, x)
	}
	for range r.byte(maxLineages) {
		l := lineage{id: r.uint32(), newest: r.uint32(), at: age(), where: r.place(&s)}
		for range r.byte(maxTrail) {
			l.trail = append(l.trail, r.place(&s))
		}
		r.check(l.id > 0 && l.id < s.nextLineage && l.newest > 0 && s.lineage(l.id) == nil)
		s.lineages = append(s.lineages, l)
	}
	r.check(len(s.lineages) > 0)
	for range r.byte(maxConflicts) {
		c := conflict{at: age()}
		if i := r.byte(byte(len(s.places))); i > 0 {
			c.where, c.placed = s.places[i-1].name, true
		}
		r.check(len(s.conflicts) == 0 || c.at >= s.conflicts[len(s.conflicts)-1].at)
		s.conflicts = append(s.conflicts, c)
	}
	if r.bad || len(r.rest) > 0 {
		return State{}, ErrState
	}
	return s, nil
}

// reader takes a state apart. After a fault it returns zeros.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) check(ok bool) {
	if !ok {
		r.bad, r.rest = true, nil
	}
}

// bytes returns the next n bytes, or nil.
func (r *reader) bytes(n int) []byte {
	r.check(len(r.rest) >= n)
	if r.bad {
		return nil
	}
	var b []byte
	b, r.rest = r.rest[:n], r.rest[n:]
	return b
}

// byte returns the next byte, which is at most most.
func (r *reader) byte(most byte) byte {
	b := r.bytes(1)
	if r.bad {
		return 0
	}
	r.check(b[0] <= most)
	if r.bad {
		return 0
	}
	return b[0]
}

// number returns the next varint, which is at most most.
func (r *reader) number(most uint64) uint64 {
	v, n := binary.Uvarint(r.rest)
	r.check(!r.bad && n > 0 && v <= most)
	if r.bad {
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) uint32() uint32 { return uint32(r.number(math.MaxUint32)) }

func (r *reader) name() (name Place) {
	copy(name[:], r.bytes(nameSize))
	return name
}

// place reads what appendPlace wrote.
func (r *reader) place(s *State) Place {
	if i := r.byte(byte(len(s.places))); i > 0 {
		return s.places[i-1].name
	}
	return r.name()
}
