package throttle

import (
	"encoding/binary"
	"slices"
	"time"
)

// window is how long a failure at an account counts. It is an hour longer than the 30 days of the
// promise, because an attempt that is undone takes back the newest failure of its network, which may
// be that of another attempt, begun while the first one lasted.
const window = 30*24*time.Hour + time.Hour

// budget is the rule for failures at one account, or at one target, from devices that are not known.
type budget struct {
	perAccount int    // failures in any window, from all networks together
	perNetwork int    // failures in any window, from one network
	delays     delays // delays of one network
	lock       int    // number of failures in a row that lock the account for good; 0: none
}

// failure is one failed attempt.
type failure struct {
	at       int64  // microseconds since 1970
	network  uint64 // see networkTag; 0: no network
	forgiven bool   // the owner has logged in from the network since: it causes no delay
}

// account is the value of the record that a budget keeps of an account: all failures that still count,
// oldest first. It has a fixed maximum size, whatever the number of networks.
type account struct {
	inRow    int64 // failures since the last success
	failures []failure
}

const (
	accountHeader = 8
	failureSize   = 17
	maxFailures   = 100 // so that a record has at most 1,708 bytes
)

func (s account) encode() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, accountHeader+failureSize*len(s.failures)), uint64(s.inRow))
	for _, f := range s.failures {
		b = binary.BigEndian.AppendUint64(b, uint64(f.at))
		b = binary.BigEndian.AppendUint64(b, f.network)
		b = append(b, flag(f.forgiven))
	}
	return b
}

// decodeAccount returns the account that encode wrote, without the failures that no longer count at
// now, or the zero account for any other value. Times in the future are corrected, which must be
// written: after a clock was set back, failures count for one window from now, and not until the clock
// has caught up.
func decodeAccount(b []byte, now time.Time) (s account, corrected bool) {
	if len(b) < accountHeader || (len(b)-accountHeader)%failureSize != 0 {
		return account{}, false
	}
	s.inRow = int64(binary.BigEndian.Uint64(b))
	s.failures = make([]failure, 0, (len(b)-accountHeader)/failureSize+1) // with room for take
	for b = b[accountHeader:]; len(b) > 0; b = b[failureSize:] {
		f := failure{int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint64(b[8:]), b[16] != 0}
		if f.at > now.UnixMicro() {
			f.at, corrected = now.UnixMicro(), true
		}
		if f.at > now.Add(-window).UnixMicro() {
			s.failures = append(s.failures, f)
		}
	}
	return s, corrected
}

// check returns how long an attempt from a network has to wait. sharedOut reports that this is because
// of attempts from all networks together; otherwise it is because of those from this network.
func (b budget) check(s account, network uint64, now time.Time) (wait time.Duration, sharedOut bool) {
	if b.lock > 0 && s.inRow >= int64(b.lock) {
		return lockedWait, true
	}
	if network != 0 {
		var own []failure
		inRow, last := int64(0), int64(0)
		for _, f := range s.failures {
			if f.network != network {
				continue
			}
			own = append(own, f)
			if !f.forgiven {
				inRow, last = inRow+1, f.at
			}
		}
		wait = untilFree(own, b.perNetwork, now)
		if inRow > 0 {
			wait = max(wait, time.UnixMicro(last).Add(b.delays.delay(inRow)).Sub(now))
		}
		if wait > 0 {
			return wait, false
		}
	}
	wait = untilFree(s.failures, b.perAccount, now)
	return wait, wait > 0
}

// untilFree returns how long it takes until fewer than most of the failures count.
func untilFree(list []failure, most int, now time.Time) time.Duration {
	if len(list) < most {
		return 0
	}
	return time.UnixMicro(list[len(list)-most].at).Add(window).Sub(now)
}

// An accountStep returns what becomes of an account after something happened at a network.
type accountStep func(b budget, s account, network uint64, now time.Time) account

func (b budget) look(s account, _ uint64, _ time.Time) account { return s }

// take counts a failure, if check lets it pass.
func (b budget) take(s account, network uint64, now time.Time) account {
	if wait, _ := b.check(s, network, now); wait > 0 {
		return s
	}
	return account{s.inRow + 1, append(slices.Clone(s.failures), failure{at: now.UnixMicro(), network: network})}
}

// giveBack takes back the newest failure of a network.
func (b budget) giveBack(s account, network uint64, _ time.Time) account {
	for i := len(s.failures) - 1; i >= 0; i-- {
		if s.failures[i].network == network {
			return account{max(s.inRow-1, 0), slices.Delete(slices.Clone(s.failures), i, i+1)}
		}
	}
	return s
}

// succeed takes back the failure of the attempt that has succeeded, and forgives the others.
func (b budget) succeed(s account, network uint64, now time.Time) account {
	s = b.giveBack(s, network, now)
	s.inRow = 0
	return b.forgive(s, network, now)
}

// forgive ends the delay of a network: the owner has logged in from it. Its failures still count, so
// that logins of the owner give nobody more guesses, on whatever network.
func (b budget) forgive(s account, network uint64, _ time.Time) account {
	s.failures = slices.Clone(s.failures)
	for i := range s.failures {
		if s.failures[i].network == network {
			s.failures[i].forgiven = true
		}
	}
	if b.lock == 0 || s.inRow < int64(b.lock) { // a lock ends with Unlock alone
		s.inRow = 0
	}
	return s
}

func (b budget) forget(account, uint64, time.Time) account { return account{} }

// end returns when an account may be forgotten, or the zero time: never. Where failures in a row lock,
// they are kept for the longest delay each, if that is longer.
func (b budget) end(s account, now time.Time) time.Time {
	if b.lock > 0 && s.inRow >= int64(b.lock) {
		return time.Time{}
	}
	last := now
	if n := len(s.failures); n > 0 {
		last = time.UnixMicro(s.failures[n-1].at)
	}
	keep := window
	if b.lock > 0 {
		keep = max(keep, time.Duration(s.inRow)*b.delays.max)
	}
	return last.Add(keep).UTC()
}
