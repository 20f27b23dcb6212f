package auth

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"strings"
)

// rotation is the state of a session's refresh tokens. A token is a generation
// and an attempt: each use of the newest begins a generation, and each attempt
// after the first stands for an answer that did not arrive. The state is of one
// size, however often the session was used.
type rotation struct {
	rotationState
	methods string // how the user proved who they are: words of amr, joined by spaces
}

// amr returns how the user proved who they are (RFC 8176).
func (r *rotation) amr() []string { return strings.Fields(r.methods) }

// maxMethods bounds the text of amr, so that a state fits what a store keeps.
const maxMethods = 128

type rotationState struct { // field names are encoding/binary's wish
	Seed        [32]byte
	Generation  uint32
	Attempt     uint32
	Past        [4]superseded // of the generations before this one, the last first
	TokensUntil instant       // when the last access token expires, as far as is known
}

// superseded says which attempt of a past generation was used, and when by the
// store's clock.
type superseded struct {
	Attempt uint32
	At      instant
}

// noAttempt is the attempt of a generation that this state never saw used.
const noAttempt = 1<<32 - 1

// verdict is what a genuine token gets.
type verdict int

const (
	theft  verdict = iota // two hold it: the session ends
	rotate                // it was the newest: it gets the first of a generation
	repeat                // it was the newest a moment ago: it gets the newest again
	retry                 // its answer was lost: that one is retired, it gets another
)

// present decides about the genuine token (generation, attempt), presented at
// now, and returns the state that follows. This is the whole rule:
//
//	the newest                                  rotate
//	used, and superseded within the last window repeat
//	the parent of the newest, later             retry
//	older, or an attempt that was retired       theft
//	newer than the newest                       rotate
//
// In the last line the store has lost what it had acknowledged, as a replica may
// that took over: the token is genuine, so the session had come that far. With a
// window below 0 a token is good for one use, and the rule is theft in place of
// repeat and retry (RFC 9700 section 4.14.2).
func (r rotation) present(generation, attempt uint32, now, window instant) (verdict, rotation) {
	if generation == 1<<32-1 || attempt >= noAttempt-1 {
		return theft, r // there is no number left
	}
	if generation > r.Generation || generation == r.Generation && attempt >= r.Attempt {
		return rotate, r.used(generation, attempt, now)
	}
	age := r.Generation - generation
	if window < 0 || age < 1 || age > uint32(len(r.Past)) {
		return theft, r
	}
	past := &r.Past[age-1]
	switch {
	case past.Attempt != attempt:
		return theft, r
	case now-past.At <= window && past.At-now <= window: // the clock may have stepped back, but not far
		return repeat, r
	case age == 1:
		r.Attempt++
		past.At = now
		return retry, r
	}
	return theft, r
}

// used returns the state after (generation, attempt) was used at now.
func (r rotation) used(generation, attempt uint32, now instant) rotation {
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

// newRotation returns the state of a session that begins.
func newRotation(amr []string) (r rotation) {
	r.methods = strings.Join(amr, " ")
	rand.Read(r.Seed[:]) // never fails: crypto/rand
	for i := range r.Past {
		r.Past[i].Attempt = noAttempt
	}
	return r
}

// stateVersion begins every state, so that a later one can hold more.
const stateVersion = 1

var errState = errors.New("auth: the session's state is damaged, or a later version's")

func (r *rotation) encode() []byte {
	b, _ := binary.Append([]byte{stateVersion}, binary.BigEndian, &r.rotationState) // of fixed size: it cannot fail
	return append(b, r.methods...)
}

func decodeRotation(b []byte) (r rotation, err error) {
	fixed := 1 + binary.Size(r.rotationState)
	if len(b) < fixed || len(b) > fixed+maxMethods || b[0] != stateVersion {
		return r, errState
	}
	r.methods = string(b[fixed:])
	_, err = binary.Decode(b[1:fixed], binary.BigEndian, &r.rotationState)
	return r, err
}
