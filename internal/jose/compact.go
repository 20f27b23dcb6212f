package jose

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
)

// MaxTokenBytes bounds a token before any of it is looked at. RFC 7519 names no
// bound; 8 KiB is what servers commonly accept for a whole header section.
const MaxTokenBytes = 8192

// What can be wrong with a token short of its claims. None holds any of it.
var (
	ErrTooLong    = errors.New("jose: token too long")
	ErrMalformed  = errors.New("jose: not a compact JWS in canonical base64url")
	ErrHeader     = errors.New("jose: protected header refused")
	ErrUnknownKey = errors.New("jose: no key for this header")
	ErrSignature  = errors.New("jose: wrong signature")
)

// canonical refuses the unused bits that would give one token several texts
// (RFC 4648 section 3.5). It still skips CR and LF: see plain.
var canonical = base64.RawURLEncoding.Strict()

// plain reports whether s has none of the two characters that the standard
// decoder skips.
func plain(s string) bool {
	return strings.IndexByte(s, '\n') < 0 && strings.IndexByte(s, '\r') < 0
}

// scratch is the working memory of one call.
type scratch struct {
	token   [MaxTokenBytes]byte
	decoded [MaxTokenBytes]byte // signature, then header or payload
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// Opened is what a genuine token holds.
type Opened struct {
	Payload string // the signed bytes, decoded, not parsed
	Type    string // typ in lower case, without "application/"; empty: absent
	Key     *Key
}

// Open checks the form and the signature of a compact JWS against the ring and
// returns what was signed. The protected header alone says which key is asked;
// the key alone says with which algorithm.
func (r *Ring) Open(token string) (Opened, error) {
	if len(token) > MaxTokenBytes {
		return Opened{}, ErrTooLong
	}
	dot1, dot2 := strings.IndexByte(token, '.'), strings.LastIndexByte(token, '.')
	if dot1 == dot2 || !plain(token) { // no dot or a single one; a third is no base64url
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
	if len(signature) != canonical.EncodedLen(h.key.SignatureLen()) {
		return Opened{}, ErrSignature
	}

	buf := scratches.Get().(*scratch)
	defer scratches.Put(buf)
	text := buf.token[:copy(buf.token[:], token)]
	n, err := canonical.Decode(buf.decoded[:], text[dot2+1:])
	if err != nil {
		return Opened{}, ErrMalformed
	}
	if !h.key.Verify(text[:dot2], buf.decoded[:n]) {
		return Opened{}, ErrSignature
	}
	if n, err = canonical.Decode(buf.decoded[:], text[dot1+1:dot2]); err != nil {
		return Opened{}, ErrMalformed
	}
	if !known {
		r.learn(segment, h)
	}
	return Opened{Payload: string(buf.decoded[:n]), Type: h.typ, Key: h.key}, nil
}

// Seal returns the compact JWS of payload signed by key, under a header segment
// made by [HeaderSegment] for the same key. It returns [ErrTooLong] if Open
// would refuse the length.
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
