package session

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth/internal/clock"
)

// rotation is the state of a session's refresh tokens. A token has a generation and an attempt. Each
// use of the newest token begins a generation. Each attempt after the first replaces a reply that
// did not arrive. The size of the state has a bound, however often the session was used.
type rotation struct {
	Seed        [32]byte
	Generation  uint32
	Attempt     uint32
	TokensUntil clock.Instant // expiry of the last access token, as far as is known
	bound       []binding     // accounts that the session belongs to: see binding
	methods     string        // authentication methods of the login: the words of amr, joined by spaces
	terms       Terms         // terms of the login
	past        []superseded  // generations before this one, the latest first; see used
}

// amr returns the authentication methods of the login (RFC 8176).
func (r *rotation) amr() []string { return strings.Fields(r.methods) }

// MaxMethods bounds the words of amr, joined by spaces, in bytes: [Session].State keeps them.
const MaxMethods = 128

const (
	maxState = 512 // bytes of [Session].State
	maxPast  = 64  // generations that are remembered
)

// superseded says which attempt of a past generation was used, and when, by the store's clock.
type superseded struct {
	Attempt uint32
	At      clock.Instant
}

// lastAttempt is the highest attempt. A state with no number left counts every use as theft.
const lastAttempt = 1<<32 - 2

// Verdict is what the rule of rotation decides about a genuine refresh token.
type Verdict int

const (
	Expired Verdict = iota // the session's time is over, though the token is genuine
	Theft                  // two parties hold the session: it must end
	Rotate                 // the newest token: the answer is the first token of a new generation
	Repeat                 // the newest token a moment ago: the answer is the newest token again
	Retry                  // the reply to it was lost: the lost token is retired, the answer is another
)

// present decides about the genuine token (generation, attempt), presented at now, and returns the
// state that follows. This is the whole rule:
//
//	presented                                        verdict
//	the newest token                                 Rotate
//	a used one, superseded within the last window    Repeat
//	the parent of the newest, later                  Retry
//	an older one, or an attempt that was retired     Theft
//	one that is newer than the newest                Rotate
//
// In the last row the store has lost what it had acknowledged, as a replica of a database can after
// a failover: the token is genuine, so the session had come that far. With a negative window each
// token is good for one use, and the verdict is Theft in the place of Repeat and Retry (RFC 9700
// section 4.14.2).
func (r rotation) present(generation, attempt uint32, now, window clock.Instant) (Verdict, rotation) {
	if generation == 1<<32-1 || attempt >= lastAttempt {
		return Theft, r
	}
	if generation > r.Generation || generation == r.Generation && attempt >= r.Attempt {
		return Rotate, r.used(generation, attempt, now, window)
	}
	age := r.Generation - generation
	if window < 0 || age < 1 || age > uint32(len(r.past)) {
		return Theft, r
	}
	switch past := r.past[age-1]; {
	case past.Attempt != attempt:
		return Theft, r
	case now-past.At <= window && past.At-now <= window: // the clock may have stepped back, but not far
		return Repeat, r
	case age == 1:
		r.Attempt++
		r.past = slices.Clone(r.past)
		r.past[0].At = now
		return Retry, r
	}
	return Theft, r
}

// used returns the state after (generation, attempt) was used at now. It remembers that generation, so
// that its reply can be repeated or retried, and every earlier one that was superseded within the
// window: at most 64 in all.
func (r rotation) used(generation, attempt uint32, now, window clock.Instant) rotation {
	past := []superseded{{attempt, now}}
	if generation == r.Generation { // otherwise the store has lost generations in between
		past = append(past, r.past...)
	}
	for len(past) > 1 && (len(past) > maxPast || now-past[len(past)-1].At > window) {
		past = past[:len(past)-1]
	}
	r.past = past
	r.Generation, r.Attempt = generation+1, 0
	return r
}

// newRotation returns the state of a new session.
func newRotation(amr []string) (r rotation) {
	r.methods = strings.Join(amr, " ")
	rand.Read(r.Seed[:]) // never fails
	return r
}

// The first byte of every state says what it holds. States of earlier versions are read, too. A login
// without terms of its own has a state that the version before can read.
const (
	stateUnbound = 2 // neither bindings nor terms
	stateVersion = 3 // bindings follow the methods
	stateTerms   = 4 // bindings, and then Terms
)

var errState = errors.New("auth: the state of a session is damaged, or was written by a later version")

// encode returns the state as it is stored. Attempts and the times between past generations are small
// numbers, so that 64 of them fit. If they do not, which takes a window of minutes, the oldest are
// left out.
func (r *rotation) encode() []byte {
	version := byte(stateVersion)
	if r.terms != (Terms{}) {
		version = stateTerms
	}
	b := append(make([]byte, 0, maxState), version)
	b = append(b, r.Seed[:]...)
	b = binary.BigEndian.AppendUint32(b, r.Generation)
	b = binary.BigEndian.AppendUint32(b, r.Attempt)
	b = binary.BigEndian.AppendUint64(b, uint64(r.TokensUntil))
	b = append(b, byte(len(r.methods)))
	b = append(b, r.methods...)
	b = appendBindings(b, r.bound)
	if version == stateTerms {
		b = r.terms.append(b)
	}
	var before clock.Instant
	for _, p := range r.past {
		next := binary.AppendUvarint(b, uint64(p.Attempt))
		next = binary.AppendVarint(next, int64(p.At-before))
		if len(next) > maxState {
			break
		}
		b, before = next, p.At
	}
	return b
}

func decodeRotation(b []byte) (r rotation, err error) {
	const fixed = 1 + 32 + 4 + 4 + 8 + 1
	if len(b) < fixed || len(b) > maxState || b[0] < stateUnbound || b[0] > stateTerms {
		return rotation{}, errState
	}
	copy(r.Seed[:], b[1:])
	r.Generation, r.Attempt = binary.BigEndian.Uint32(b[33:]), binary.BigEndian.Uint32(b[37:])
	r.TokensUntil = clock.Instant(binary.BigEndian.Uint64(b[41:]))
	end := fixed + int(b[49])
	if end > len(b) || int(b[49]) > MaxMethods {
		return rotation{}, errState
	}
	r.methods = string(b[fixed:end])
	rest, ok := b[end:], true
	if b[0] != stateUnbound {
		if r.bound, rest, ok = cutBindings(rest); !ok {
			return rotation{}, errState
		}
	}
	if b[0] == stateTerms {
		if r.terms, err = decodeTerms(rest); err != nil {
			return rotation{}, err
		}
		rest = rest[termBytes:]
	}
	var before clock.Instant
	for len(rest) > 0 {
		attempt, n := binary.Uvarint(rest)
		if n <= 0 || attempt > lastAttempt {
			return rotation{}, errState
		}
		between, m := binary.Varint(rest[n:])
		if m <= 0 || len(r.past) == maxPast {
			return rotation{}, errState
		}
		before += clock.Instant(between)
		r.past = append(r.past, superseded{uint32(attempt), before})
		rest = rest[n+m:]
	}
	return r, nil
}
