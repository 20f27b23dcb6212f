package throttle

import (
	"encoding/binary"
	"math"
	"time"
)

// state is what is counted under one key. Its zero is that of a key without a
// record.
type state struct {
	failures int64
	at       int64 // microseconds since 1970: see the bucket
}

const stateSize = 16

func (s state) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(s.failures))
	return binary.BigEndian.AppendUint64(b, uint64(s.at))
}

// decode returns what encode made, or the zero of anything else.
func decode(b []byte) (s state) {
	if len(b) == stateSize {
		s.failures, s.at = int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))
	}
	return s
}

// bucket is how failures are counted: what an attempt, its undoing and its success
// make of a state, and when a state may be forgotten.
type bucket interface {
	// take counts a failure, or refuses for as long as wait, if that is above 0.
	// Then next is s, but for a time that is later than it can be: where the clock
	// stepped back, nobody waits until it has come as far again.
	take(s state, now time.Time) (next state, wait time.Duration)
	giveBack(s state, now time.Time) (next state, wait time.Duration)
	succeed(s state, now time.Time) (next state, wait time.Duration)
	end(s state) time.Time
}

// delays makes each failure after the free ones wait twice as long as the one
// before. state.at is when the last one was.
type delays struct {
	free        int
	first, most time.Duration
	lock        int // failures after which there is no end to the wait; 0: none
}

// delay returns how long the attempt after n failures has to wait.
func (d delays) delay(n int64) time.Duration {
	over := n - int64(d.free)
	switch {
	case over < 0:
		return 0
	case over >= 32 || d.first<<over > d.most || d.first<<over < d.first:
		return d.most
	}
	return d.first << over
}

const locked = 24 * time.Hour // what a locked account is told to wait

func (d delays) take(s state, now time.Time) (state, time.Duration) {
	if d.lock > 0 && s.failures >= int64(d.lock) {
		return s, locked
	}
	s.at = min(s.at, now.UnixMicro())
	if wait := time.UnixMicro(s.at).Add(d.delay(s.failures)).Sub(now); s.failures > 0 && wait > 0 {
		return s, wait
	}
	return state{s.failures + 1, now.UnixMicro()}, 0
}

// giveBack leaves the failures before it, whose wait was over when it was taken and
// does not begin again.
func (d delays) giveBack(s state, _ time.Time) (state, time.Duration) {
	if s.failures <= 1 {
		return state{}, 0
	}
	s.failures--
	s.at -= d.delay(s.failures).Microseconds()
	return s, 0
}

func (d delays) succeed(state, time.Time) (state, time.Duration) { return state{}, 0 }

// end lets n failures be remembered for n times the longest delay: who waits for
// them to be forgotten gets no further than who waits for the delays.
func (d delays) end(s state) time.Time {
	if d.lock > 0 && s.failures >= int64(d.lock) {
		return time.Time{}
	}
	n := min(s.failures, int64(math.MaxInt64/d.most)/2)
	return time.UnixMicro(s.at).Add(time.Duration(n) * d.most).UTC()
}

// rate is a token bucket: burst failures at once, and then one every so often.
// state.at is when it will be full again; failures is not used.
type rate struct {
	burst int
	every time.Duration
}

func (r rate) take(s state, now time.Time) (state, time.Duration) {
	empty := now.Add(time.Duration(r.burst) * r.every)
	s.at = min(s.at, empty.UnixMicro())
	full := time.UnixMicro(max(s.at, now.UnixMicro())).Add(r.every)
	if wait := full.Sub(empty); wait > 0 {
		return s, wait
	}
	return state{0, full.UnixMicro()}, 0
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
