package apikey

import (
	"crypto/sha256"
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/seed-e36e2130/auth"
)

// ways is the number of places where one key may be kept.
const ways = 4

// cache remembers keys that were verified. It has a fixed number of places, takes no lock, and is keyed by the
// digests of keys. A new key replaces the oldest of four.
type cache struct {
	places []atomic.Pointer[entry]
	ends   atomic.Int64 // how often a key was forgotten
}

// entry is a key that was verified.
type entry struct {
	digest    [sha256.Size]byte
	principal *auth.Principal
	account   *auth.Principal // what the feed of revocations is asked about: see Keys.account
	began     time.Time       // before the record was read
	life      time.Duration
}

func newCache(n int) *cache {
	size := ways
	for size < n {
		size *= 2
	}
	return &cache{places: make([]atomic.Pointer[entry], size)}
}

func (c *cache) bucket(sum *[sha256.Size]byte) []atomic.Pointer[entry] {
	i := binary.LittleEndian.Uint32(sum[:]) % uint32(len(c.places)/ways) * ways
	return c.places[i : i+ways]
}

// find returns the entry of a key, if it is not over.
func (c *cache) find(sum *[sha256.Size]byte, now time.Time) *entry {
	if c == nil {
		return nil
	}
	b := c.bucket(sum)
	for i := range b {
		if e := b[i].Load(); e != nil && e.digest == *sum && !e.over(now, now.UnixNano()) {
			return e
		}
	}
	return nil
}

// over reports whether an entry is too old at now, which is wall by the wall clock, in nanoseconds since 1970. It looks at both clocks: the monotonic one stands still while a
// machine is suspended, and the wall clock may step.
func (e *entry) over(now time.Time, wall int64) bool {
	byWall := time.Duration(wall - e.began.UnixNano())
	return now.Sub(e.began) >= e.life || byWall >= e.life || byWall < 0
}

// mark returns a mark for [cache.add], to be taken before the record of a key is read.
func (c *cache) mark() int64 {
	if c == nil {
		return 0
	}
	return c.ends.Load()
}

// add adds an entry in the place of an older one of the same key, of one that is over, or of the oldest. It
// does not stay if a key was forgotten since the mark: its record may have been read before that.
func (c *cache) add(e *entry, now time.Time, mark int64) {
	if c == nil || e.life <= 0 {
		return
	}
	b := c.bucket(&e.digest)
	place := &b[0]
	for i := range b {
		there := b[i].Load()
		if there == nil || there.digest == e.digest || there.over(now, now.UnixNano()) {
			place = &b[i]
			break
		}
		if oldest := place.Load(); oldest != nil && there.began.Before(oldest.began) {
			place = &b[i]
		}
	}
	place.Store(e)
	if c.ends.Load() != mark {
		place.CompareAndSwap(e, nil)
	}
}

// forget removes all entries of a key ID.
func (c *cache) forget(id string) {
	if c == nil {
		return
	}
	c.ends.Add(1)
	for i := range c.places {
		if e := c.places[i].Load(); e != nil && e.principal.TokenID() == id {
			c.places[i].CompareAndSwap(e, nil)
		}
	}
}
