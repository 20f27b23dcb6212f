package throttle

import (
	"encoding/binary"
	"math"
	"time"
)

// state is the value of a counter. A counter without a record has the zero state.
type state struct {
	failures int64
	at       int64 // microseconds since 1970; each bucket says of what
}

const stateSize = 16

func (s state) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(s.failures))
	return binary.BigEndian.AppendUint64(b, uint64(s.at))
}

// decode returns the state that encode wrote, or the zero state for any other value.
func decode(b []byte) (s state) {
	if len(b) == stateSize {
		s.failures, s.at = int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))
	}
	return s
}

// bucket is a rule for counting failures: it says what an attempt, its undoing and its success make
// of a state, and when a state may be forgotten.
type bucket interface {
	// take counts a failure, or refuses it and returns how long to wait. If it refuses, next is s,
	// except that a time in the future is corrected: after a clock was set back, no client has to
	// wait until it has caught up.
	take(s state, now time.Time) (next state, wait time.Duration)
	giveBack(s state, now time.Time) (next state, wait time.Duration)
	succeed(s state, now time.Time) (next state, wait time.Duration)
	end(s state) time.Time
}

// delays is a bucket in which each failure beyond the free ones doubles the delay before the next
// attempt. state.at is the time of the last failure.
type delays struct {
	free       int
	first, max time.Duration
}

// delay returns how long the attempt after n failures has to wait.
func (d delays) delay(n int64) time.Duration {
	beyond := n - int64(d.free)
	switch {
	case beyond < 0:
		return 0
	case beyond >= 32 || d.first<<beyond > d.max || d.first<<beyond < d.first:
		return d.max
	}
	return d.first << beyond
}

// lockedWait is the delay that is reported for a locked account, which no delay unlocks.
const lockedWait = 24 * time.Hour

func (d delays) take(s state, now time.Time) (state, time.Duration) {
	s.at = min(s.at, now.UnixMicro())
	if wait := time.UnixMicro(s.at).Add(d.delay(s.failures)).Sub(now); s.failures > 0 && wait > 0 {
		return s, wait
	}
	return state{s.failures + 1, now.UnixMicro()}, 0
}

// giveBack returns the state before the last take. The delay of the remaining failures was over then,
// and must not begin again.
func (d delays) giveBack(s state, _ time.Time) (state, time.Duration) {
	if s.failures <= 1 {
		return state{}, 0
	}
	s.failures--
	s.at -= d.delay(s.failures).Microseconds()
	return s, 0
}

func (d delays) succeed(state, time.Time) (state, time.Duration) { return state{}, 0 }

// end returns when a state is forgotten: n failures are kept for n times the longest delay, so that
// waiting for them to be forgotten allows no more guesses than waiting for the delays.
func (d delays) end(s state) time.Time {
	n := min(s.failures, int64(math.MaxInt64/d.max)/2)
	return time.UnixMicro(s.at).Add(time.Duration(n) * d.max).UTC()
}

// rate is a token bucket: it allows burst failures at once, and then one more after each interval.
// state.at is the time at which the whole burst is allowed again. state.failures is not used.
type rate struct {
	burst int
	every time.Duration
}

func (r rate) take(s state, now time.Time) (state, time.Duration) {
	latest := now.Add(time.Duration(r.burst) * r.every) // value of at when the burst is used up
	s.at = min(s.at, latest.UnixMicro())
	next := time.UnixMicro(max(s.at, now.UnixMicro())).Add(r.every)
	if wait := next.Sub(latest); wait > 0 {
		return s, wait
	}
	return state{0, next.UnixMicro()}, 0
}

func (r rate) giveBack(s state, now time.Time) (state, time.Duration) {
	s.at -= r.every.Microseconds()
	if s.at <= now.UnixMicro() {
		s = state{}
	}
	return s, 0
}

func (r rate) succeed(s state, now time.Time) (state, time.Duration) { return r.giveBack(s, now) }

func (r rate) end(s state) time.Time { return time.UnixMicro(s.at).UTC() }
