package jose

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
)

// MaxTokenBytes is the greatest length of a token. It is checked before anything is parsed, so that
// the work and memory for a hostile token are bounded (CWE-400; golang-jwt lacked such a bound:
// CVE-2025-30204). RFC 7519 sets none. Servers commonly accept 8 KiB for all header fields
// together.
const MaxTokenBytes = 8192

// Why a token is refused before its claims are read. No error contains any text of the token.
var (
	ErrTooLong    = errors.New("jose: token too long")
	ErrMalformed  = errors.New("jose: not a compact JWS in canonical base64url")
	ErrHeader     = errors.New("jose: protected header refused")
	ErrUnknownKey = errors.New("jose: no key for this header")
	ErrSignature  = errors.New("jose: wrong signature")
	ErrNoMatch    = errors.New("jose: the header names no key, and the only one of its algorithm did not sign")
)

// canonical is base64url without padding (RFC 7515 section 2). Strict refuses unused bits that are
// not zero, with which one token would have several spellings (RFC 4648 section 3.5): a list of
// revoked tokens or a cache must see only one. The decoder still skips CR and LF: see plain.
var canonical = base64.RawURLEncoding.Strict()

// plain reports whether s has neither CR nor LF, which the standard decoder skips even if it is
// strict. RFC 7515 section 2 allows no line breaks.
func plain(s string) bool {
	return strings.IndexByte(s, '\n') < 0 && strings.IndexByte(s, '\r') < 0
}

// scratch is the working memory of one call of Open, Seal or UnverifiedText.
type scratch struct {
	token   [MaxTokenBytes]byte
	decoded [MaxTokenBytes]byte // the signature, later the payload
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// Opened is the content of a token whose signature was verified.
type Opened struct {
	Payload string // the signed payload, decoded but not parsed
	Type    string // typ in the form of MediaType; empty if the header has none
	Key     *Key   // key that verified the signature
}

// Open checks the form and the signature of a compact JWS (RFC 7515 section 7.1) against the ring
// and returns the signed payload. The protected header selects one of the ring's keys and cannot
// bring its own: see decision 0011. The key alone determines the algorithm (RFC 8725 section 3.1).
//
// A header that brings a key, or the address of one, is refused. With ignoreKeys it is accepted, and
// what it brings is ignored.
func (r *Ring) Open(token string, ignoreKeys bool) (Opened, error) {
	if len(token) > MaxTokenBytes {
		return Opened{}, ErrTooLong
	}
	dot1, dot2 := strings.IndexByte(token, '.'), strings.LastIndexByte(token, '.')
	if dot1 == dot2 || !plain(token) { // fewer than two dots; the decoder refuses a third
		return Opened{}, ErrMalformed
	}
	segment, signature := token[:dot1], token[dot2+1:]

	h, known := r.lookup(segment)
	if !known {
		var err error
		if h, err = r.parse(segment); err != nil {
			return Opened{}, err
		}
	}
	if h.holdsKey && !ignoreKeys {
		return Opened{}, ErrHeader
	}
	// Each algorithm has signatures of one length (RFC 7518 sections 3.2 to 3.5, RFC 8032 section
	// 5.1.6), so another length is refused before any decoding.
	if len(signature) != canonical.EncodedLen(h.key.SignatureLen()) {
		return Opened{}, h.mismatch()
	}

	buf := scratches.Get().(*scratch)
	defer scratches.Put(buf)
	text := buf.token[:copy(buf.token[:], token)]
	n, err := canonical.Decode(buf.decoded[:], text[dot2+1:])
	if err != nil {
		return Opened{}, ErrMalformed
	}
	if !h.key.Verify(text[:dot2], buf.decoded[:n]) {
		return Opened{}, h.mismatch()
	}
	if n, err = canonical.Decode(buf.decoded[:], text[dot1+1:dot2]); err != nil {
		return Opened{}, ErrMalformed
	}
	if !known {
		r.learn(segment, h) // only after the signature was verified: see Ring.headers
	}
	return Opened{Payload: string(buf.decoded[:n]), Type: h.typ, Key: h.key}, nil
}

// mismatch returns why a signature does not verify. If the header does not name the key, another key
// may have signed: the issuer may have replaced a key that has no ID.
func (h header) mismatch() error {
	if !h.named {
		return ErrNoMatch
	}
	return ErrSignature
}

// Seal returns the compact JWS of payload, signed by key. The segment is the protected header,
// which [HeaderSegment] returns for the same key. Seal returns [ErrTooLong] if Open would refuse
// the token for its length.
func Seal(ctx context.Context, key *Key, segment string, payload []byte) (string, error) {
	dot2 := len(segment) + 1 + canonical.EncodedLen(len(payload))
	size := dot2 + 1 + canonical.EncodedLen(key.SignatureLen())
	if size > MaxTokenBytes {
		return "", ErrTooLong
	}
	buf := scratches.Get().(*scratch)
	defer scratches.Put(buf)
	text := append(append(buf.token[:0], segment...), '.')
	text = canonical.AppendEncode(text, payload)
	signature, err := key.AppendSign(ctx, buf.decoded[:0], text)
	if err != nil {
		return "", err
	}
	text = canonical.AppendEncode(append(text, '.'), signature)
	return string(text), nil
}
