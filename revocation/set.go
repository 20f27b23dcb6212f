package revocation

import (
	"hash/maphash"
	"math"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/seed-e36e2130/auth"
)

// set holds revocations in 36 to 64 bytes each. Reading takes no lock and allocates nothing. Only one
// goroutine at a time may write.
type set struct {
	seeds    [4]maphash.Seed // two for session IDs, two for user IDs
	table    atomic.Pointer[table]
	hasUsers atomic.Bool // a revocation of a user was added at some time
}

// table is a hash table with open addressing and linear probing. An entry is never removed or moved:
// expired entries are left out when a new table replaces this one.
//
// A Bloom filter stands before the slots. Nearly every lookup is of a session that has not ended, and
// a table of megabytes is not in the processor's cache: one word of the filter answers most of them.
type table struct {
	filter []atomic.Uint64
	slots  []slot
	used   int // number of slots that are taken; only the writer uses it
}

// slot is free while high is 0. A writer sets high last.
type slot struct {
	high, low atomic.Uint64 // the key
	terms     atomic.Uint64 // packed terms
}

// key stands for an ID: 128 bits under secret random seeds, so that no two IDs share a key, not even
// where an attacker chooses the IDs.
type key struct{ high, low uint64 }

// terms say which tokens of an ID are revoked, and when all of those have expired. Both are in
// seconds since 1970.
type terms struct{ issuedUntil, expiry uint32 }

func (t terms) pack() uint64 { return uint64(t.issuedUntil)<<32 | uint64(t.expiry) }

func unpack(u uint64) terms { return terms{uint32(u >> 32), uint32(u)} }

const (
	minSlots    = 64
	filterSlots = 16             // number of slots for one word of the filter
	allTokens   = math.MaxUint32 // issuedUntil of a session: all its tokens, whenever they were issued
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

// refuses reports whether the token of p was revoked.
func (s *set) refuses(p *auth.Principal) bool {
	if id := p.SessionID(); id != "" {
		return s.ended(id)
	}
	if !s.hasUsers.Load() {
		return false
	}
	terms, found := s.table.Load().find(p.Subject(), s.seeds[2:])
	// A token without iat has an IssuedAt in the year 1, so every revocation of its user refuses it.
	return found && p.IssuedAt().Unix() <= int64(terms.issuedUntil)
}

// ended reports whether the session with an ID has ended.
func (s *set) ended(id string) bool {
	_, found := s.table.Load().find(id, s.seeds[:2])
	return found
}

// find returns the terms of an ID.
func (t *table) find(id string, seeds []maphash.Seed) (terms, bool) {
	high := max(maphash.String(seeds[0], id), 1)
	if word, mask := t.filterWord(high); word.Load()&mask != mask {
		return terms{}, false
	}
	s, taken := t.slot(key{high, maphash.String(seeds[1], id)})
	if !taken {
		return terms{}, false
	}
	return unpack(s.terms.Load()), true
}

// filterWord returns the word of the filter for keys with these high bits, and the bits of the word
// that are set if the table has such a key.
func (t *table) filterWord(high uint64) (word *atomic.Uint64, mask uint64) {
	i, _ := bits.Mul64(high, uint64(len(t.filter)))
	return &t.filter[i], 1<<(high&63) | 1<<(high>>6&63) | 1<<(high>>12&63)
}

// slot returns the slot of a key, or the free slot that the key would take. A table is never full, so
// there always is one.
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

// put adds an entry. If the key has one already, put widens its terms to hold both. It reports whether
// the entry is new, or revokes tokens that the old one did not.
func (t *table) put(k key, added terms) bool {
	s, taken := t.slot(k)
	revokes := true
	if taken {
		stored := unpack(s.terms.Load())
		revokes = added.issuedUntil > stored.issuedUntil
		added = terms{max(added.issuedUntil, stored.issuedUntil), max(added.expiry, stored.expiry)}
	}
	s.terms.Store(added.pack())
	if !taken {
		s.low.Store(k.low)
		s.high.Store(k.high)
		word, mask := t.filterWord(k.high)
		word.Or(mask)
		t.used++
	}
	return revokes
}

// add adds a revocation, unless it has expired by now: a store keeps revocations longer than that. A
// table that is 70 % full is replaced first. It reports whether r revokes tokens that were not revoked.
func (s *set) add(r auth.Revocation, now time.Time) bool {
	id, seeds, revoked := r.SessionID, s.seeds[:2], terms{allTokens, toSecond(r.Expiry)}
	if id == "" {
		id, seeds, revoked.issuedUntil = r.UserID, s.seeds[2:], toSecond(r.IssuedAt)
	}
	if revoked.expiry < toSecond(now) {
		return false
	}
	t := s.table.Load()
	if t.used >= len(t.slots)/10*7 {
		t = s.rebuild(now)
	}
	added := t.put(key{max(maphash.String(seeds[0], id), 1), maphash.String(seeds[1], id)}, revoked)
	if r.SessionID == "" {
		s.hasUsers.Store(true)
	}
	return added
}

// toSecond returns the second that t lies in, limited to the range of a terms field.
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

// rebuild replaces the table by a new one, half full, with the entries that have not expired. A
// goroutine that still reads the old table misses none of these entries.
func (s *set) rebuild(now time.Time) *table {
	old, second := s.table.Load(), toSecond(now)
	t := newTable(max(minSlots, 2*old.live(second)))
	for i := range old.slots {
		stored := &old.slots[i]
		if revoked := unpack(stored.terms.Load()); stored.high.Load() != 0 && revoked.expiry >= second {
			t.put(key{stored.high.Load(), stored.low.Load()}, revoked)
		}
	}
	s.table.Store(t)
	return t
}

// prune gives back the memory of expired entries once they are a fifth of all.
func (s *set) prune(now time.Time) {
	t := s.table.Load()
	if len(t.slots) > minSlots && t.live(toSecond(now)) < t.used/5*4 {
		s.rebuild(now)
	}
}
