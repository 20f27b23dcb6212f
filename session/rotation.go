package session

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/seed-e36e2130/auth/internal/clock"
)

// rotation is the state of a session's refresh tokens. A token has a generation and an attempt. Each
// use of the newest token begins a generation. Each attempt after the first replaces a reply that
// did not arrive. The state has one size, however often the session was used.
type rotation struct {
	rotationState
	methods string // authentication methods of the login: the words of amr, joined by spaces
}

// amr returns the authentication methods of the login (RFC 8176).
func (r *rotation) amr() []string { return strings.Fields(r.methods) }

// MaxMethods bounds the words of amr, joined by spaces, in bytes: they are kept in [Session].State.
const MaxMethods = 128

type rotationState struct { // encoding/binary needs exported fields
	Seed        [32]byte
	Generation  uint32
	Attempt     uint32
	Past        [4]superseded // generations before this one, the latest first
	TokensUntil clock.Instant // expiry of the last access token, as far as is known
}

// superseded says which attempt of a past generation was used, and when, by the store's clock.
type superseded struct {
	Attempt uint32
	At      clock.Instant
}

// noAttempt stands for a generation that this state never saw used.
const noAttempt = 1<<32 - 1

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
	if generation == 1<<32-1 || attempt >= noAttempt-1 {
		return Theft, r // there is no number left
	}
	if generation > r.Generation || generation == r.Generation && attempt >= r.Attempt {
		return Rotate, r.used(generation, attempt, now)
	}
	age := r.Generation - generation
	if window < 0 || age < 1 || age > uint32(len(r.Past)) {
		return Theft, r
	}
	past := &r.Past[age-1]
	switch {
	case past.Attempt != attempt:
		return Theft, r
	case now-past.At <= window && past.At-now <= window: // the clock may have stepped back, but not far
		return Repeat, r
	case age == 1:
		r.Attempt++
		past.At = now
		return Retry, r
	}
	return Theft, r
}

// used returns the state after (generation, attempt) was used at now.
func (r rotation) used(generation, attempt uint32, now clock.Instant) rotation {
	if generation != r.Generation {
		for i := range r.Past {
			r.Past[i].Attempt = noAttempt
		}
	}
	copy(r.Past[1:], r.Past[:])
	r.Past[0] = superseded{attempt, now}
	r.Generation, r.Attempt = generation+1, 0
	return r
}

// newRotation returns the state of a new session.
func newRotation(amr []string) (r rotation) {
	r.methods = strings.Join(amr, " ")
	rand.Read(r.Seed[:]) // never fails
	for i := range r.Past {
		r.Past[i].Attempt = noAttempt
	}
	return r
}

// stateVersion is the first byte of every state, so that a later version can hold more.
const stateVersion = 1

var errState = errors.New("auth: the state of a session is damaged, or was written by a later version")

func (r *rotation) encode() []byte {
	b, _ := binary.Append([]byte{stateVersion}, binary.BigEndian, &r.rotationState) // cannot fail: its size is fixed
	return append(b, r.methods...)
}

func decodeRotation(b []byte) (r rotation, err error) {
	fixed := 1 + binary.Size(r.rotationState)
	if len(b) < fixed || len(b) > fixed+MaxMethods || b[0] != stateVersion {
		return r, errState
	}
	r.methods = string(b[fixed:])
	_, err = binary.Decode(b[1:fixed], binary.BigEndian, &r.rotationState)
	return r, err
}
