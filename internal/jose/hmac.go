package jose

import (
	"crypto"
	"crypto/hmac"
	"hash"
	"sync"
)

// macs computes HMACs under one secret (RFC 7518 section 3.2). It keeps keyed states for reuse,
// because hashing the two padded keys again would double the cost of a token.
type macs struct {
	size int
	pool sync.Pool // holds *macState values that are reset
}

type macState struct {
	hash.Hash
	sum [64]byte // large enough for SHA-512
}

func newMACs(h crypto.Hash, secret []byte) *macs {
	m := &macs{size: h.Size()}
	m.pool.New = func() any { return &macState{Hash: hmac.New(h.New, secret)} }
	return m
}

// appendTo appends the MAC of input to dst.
func (m *macs) appendTo(dst, input []byte) []byte {
	s := m.pool.Get().(*macState)
	s.Write(input)
	dst = s.Sum(dst)
	s.Reset()
	m.pool.Put(s)
	return dst
}

// verify reports whether mac is the MAC of input. It compares in constant time, so that its
// duration does not reveal how many bytes of a forged MAC are right (CWE-208).
func (m *macs) verify(input, mac []byte) bool {
	s := m.pool.Get().(*macState)
	s.Write(input)
	ok := hmac.Equal(s.Sum(s.sum[:0]), mac)
	s.Reset()
	m.pool.Put(s)
	return ok
}
