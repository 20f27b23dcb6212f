package revocation

import (
	"hash/maphash"
	"math"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/seed-e36e2130/auth"
)

// set holds revocations in 36 to 64 bytes each. Reading takes no lock and makes no
// garbage; only one goroutine at a time may write.
type set struct {
	seeds [4]maphash.Seed // two for sessions, two for users
	table atomic.Pointer[table]
	users atomic.Bool // there is or was a revocation of a user
}

// table is open addressing with linear probing. An entry is never removed nor
// moved: the table is made anew without what has expired.
//
// A Bloom filter stands before it, for nearly every look-up is of a session that
// goes on, and a table of megabytes is not in the processor's cache: one word of
// the filter answers most of them.
type table struct {
	filter []atomic.Uint64
	slots  []slot
	used   int // the writer's
}

// slot is free while high is 0, which is written last.
type slot struct {
	high, low atomic.Uint64 // the key
	terms     atomic.Uint64
}

// key stands for an ID: 128 bits under seeds that nobody knows, so no two are taken
// for one, not even where others choose the IDs.
type key struct{ high, low uint64 }

// terms say, in seconds since 1970, which tokens are meant and when all of them
// have expired.
type terms struct{ issuedUntil, expiry uint32 }

func (t terms) pack() uint64 { return uint64(t.issuedUntil)<<32 | uint64(t.expiry) }

func unpack(u uint64) terms { return terms{uint32(u >> 32), uint32(u)} }

const (
	minSlots    = 64
	filterSlots = 16             // that share one word of the filter
	allTokens   = math.MaxUint32 // of a session, whenever they were issued
)

// newSet returns an empty set.
func newSet() *set {
	s := new(set)
	for i := range s.seeds {
		s.seeds[i] = maphash.MakeSeed()
	}
	s.table.Store(newTable(minSlots))
	return s
}

func newTable(slots int) *table {
	return &table{slots: make([]slot, slots), filter: make([]atomic.Uint64, slots/filterSlots)}
}

// refuses reports whether the principal's token was revoked.
func (s *set) refuses(p *auth.Principal) bool {
	if id := p.SessionID(); id != "" {
		_, found := s.table.Load().find(id, s.seeds[:2])
		return found
	}
	if !s.users.Load() {
		return false
	}
	terms, found := s.table.Load().find(p.Subject(), s.seeds[2:])
	// A token that does not say when it was issued was issued in the year 1.
	return found && p.IssuedAt().Unix() <= int64(terms.issuedUntil)
}

// find returns the terms of an ID.
func (t *table) find(id string, seeds []maphash.Seed) (terms, bool) {
	high := max(maphash.String(seeds[0], id), 1)
	if word, mask := t.word(high); word.Load()&mask != mask {
		return terms{}, false
	}
	s, found := t.slot(key{high, maphash.String(seeds[1], id)})
	if !found {
		return terms{}, false
	}
	return unpack(s.terms.Load()), true
}

// word returns the word of the filter for keys with these bits, and what is set in
// it if there is one.
func (t *table) word(high uint64) (word *atomic.Uint64, mask uint64) {
	i, _ := bits.Mul64(high, uint64(len(t.filter)))
	return &t.filter[i], 1<<(high&63) | 1<<(high>>6&63) | 1<<(high>>12&63)
}

// slot returns the slot of a key, or the free one where it would be: there always
// is one.
func (t *table) slot(k key) (s *slot, taken bool) {
	i, _ := bits.Mul64(k.high, uint64(len(t.slots)))
	for {
		s = &t.slots[i]
		switch high := s.high.Load(); {
		case high == 0:
			return s, false
		case high == k.high && s.low.Load() == k.low:
			return s, true
		}
		if i++; i == uint64(len(t.slots)) {
			i = 0
		}
	}
}

// put adds an entry, or widens the one there is.
func (t *table) put(k key, new terms) {
	s, taken := t.slot(k)
	if taken {
		old := unpack(s.terms.Load())
		new = terms{max(new.issuedUntil, old.issuedUntil), max(new.expiry, old.expiry)}
	}
	s.terms.Store(new.pack())
	if !taken {
		s.low.Store(k.low)
		s.high.Store(k.high)
		word, mask := t.word(k.high)
		word.Or(mask)
		t.used++
	}
}

// add makes r known.
func (s *set) add(r auth.Revocation, now time.Time) {
	id, seeds, to := r.SessionID, s.seeds[:2], terms{allTokens, toSecond(r.Expiry)}
	if id == "" {
		id, seeds, to.issuedUntil = r.UserID, s.seeds[2:], toSecond(r.IssuedAt)
	}
	t := s.table.Load()
	if t.used >= len(t.slots)/10*7 {
		t = s.renew(now)
	}
	t.put(key{max(maphash.String(seeds[0], id), 1), maphash.String(seeds[1], id)}, to)
	if r.SessionID == "" {
		s.users.Store(true)
	}
}

// toSecond returns the second that t lies in, as far as it fits.
func toSecond(t time.Time) uint32 {
	return uint32(min(max(t.Unix(), 0), math.MaxUint32-1))
}

// live returns how many entries have not expired.
func (t *table) live(now uint32) (n int) {
	for i := range t.slots {
		if t.slots[i].high.Load() != 0 && unpack(t.slots[i].terms.Load()).expiry >= now {
			n++
		}
	}
	return n
}

// renew makes the table anew, half full, without what has expired. Who reads the
// old one meanwhile misses nothing that was in it.
func (s *set) renew(now time.Time) *table {
	old, at := s.table.Load(), toSecond(now)
	t := newTable(max(minSlots, 2*old.live(at)))
	for i := range old.slots {
		o := &old.slots[i]
		if to := unpack(o.terms.Load()); o.high.Load() != 0 && to.expiry >= at {
			t.put(key{o.high.Load(), o.low.Load()}, to)
		}
	}
	s.table.Store(t)
	return t
}

// prune gives back the memory of what has expired, once that is a fifth.
func (s *set) prune(now time.Time) {
	t := s.table.Load()
	if len(t.slots) > minSlots && t.live(toSecond(now)) < t.used/5*4 {
		s.renew(now)
	}
}
