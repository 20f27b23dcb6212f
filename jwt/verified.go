package jwt

import (
	"crypto/sha256"
	"sync/atomic"

	"github.com/seed-e36e2130/auth/internal/clock"
)

const (
	defaultPlaces = 4096
	maxPlaces     = 1 << 20
	ways          = 4 // places where one token may be kept
)

// verifiedTable remembers tokens whose signature and claims were in order, for one snapshot of the
// key ring. With another snapshot every token is checked again, so that tokens of a removed key are
// refused at once. The table is keyed by the SHA-256 of the token and has a fixed number of places. A
// new token replaces the oldest of four. It takes no lock. See
// decision 0012.
type verifiedTable struct {
	snap      *keySnapshot
	symmetric bool // whether tokens with a MAC are remembered, too
	mask      uint32
	places    []atomic.Pointer[verifiedToken]
}

type verifiedToken struct {
	id        tokenDigest
	principal *Principal
	added     clock.Instant
}

type tokenDigest [sha256.Size]byte

// newVerifiedTable returns a table of about n places: see [VerifierConfig].VerifiedTokens.
func newVerifiedTable(snap *keySnapshot, n int) *verifiedTable {
	t := &verifiedTable{snap: snap, symmetric: n > 0}
	switch {
	case n < 0 || n == 0 && !snap.asymmetric:
		return t
	case n == 0:
		n = defaultPlaces
	}
	size := ways
	for size < n {
		size *= 2
	}
	t.places = make([]atomic.Pointer[verifiedToken], size)
	t.mask = uint32(size/ways - 1)
	return t
}

// tableOf returns the table for snap. If two callers create one at once, one table is lost, and
// nothing else.
func (v *Verifier) tableOf(snap *keySnapshot) *verifiedTable {
	t := v.table.Load()
	if t == nil || t.snap != snap {
		t = newVerifiedTable(snap, v.places)
		v.table.Store(t)
	}
	return t
}

func (t *verifiedTable) bucket(id *tokenDigest) []atomic.Pointer[verifiedToken] {
	i := uint32(id[0]) | uint32(id[1])<<8 | uint32(id[2])<<16
	i = (i & t.mask) * ways
	return t.places[i : i+ways]
}

// find returns the principal of a token that was verified before, or nil and the digest to add it
// under.
func (t *verifiedTable) find(token string) (*Principal, tokenDigest) {
	if t.places == nil {
		return nil, tokenDigest{}
	}
	id := digest(token)
	for i, b := 0, t.bucket(&id); i < ways; i++ {
		if e := b[i].Load(); e != nil && e.id == id {
			return e.principal, id
		}
	}
	return nil, id
}

// digest returns the SHA-256 of token, without a copy on the heap for tokens of usual length.
func digest(token string) tokenDigest {
	var buf [1024]byte
	return sha256.Sum256(append(buf[:0], token...))
}

func (t *verifiedTable) add(id tokenDigest, p *Principal, symmetric bool, now clock.Instant) {
	if t.places == nil || symmetric && !t.symmetric {
		return
	}
	b := t.bucket(&id)
	place := &b[0]
	oldest := now + 1
	for i := range b {
		e := b[i].Load()
		if e == nil {
			place = &b[i]
			break
		}
		if e.added < oldest {
			place, oldest = &b[i], e.added
		}
	}
	place.Store(&verifiedToken{id, p, now})
}
