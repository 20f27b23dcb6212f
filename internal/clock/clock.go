// Package clock holds times as tokens and databases keep them: in whole microseconds, in UTC.
package clock

import "time"

// Instant is a NumericDate (RFC 7519 section 2) in microseconds since 1970.
type Instant int64

const (
	Absent Instant = -1 << 63 // the Instant of a time that is not given

	Second Instant = 1e6
	Min            = -62135596800 * Second // year 1
	Max            = 253402300799 * Second // year 9999
)

// Now returns the current time.
func Now() Instant { return At(time.Now()) }

// At returns t in whole microseconds.
func At(t time.Time) Instant { return Instant(t.UnixMicro()) }

// Time returns i in UTC, and the zero time for [Absent].
func (i Instant) Time() time.Time {
	if i == Absent {
		return time.Time{}
	}
	return time.UnixMicro(int64(i)).UTC()
}

// Microseconds returns t as a database keeps it: in UTC, without nanoseconds and without a
// monotonic clock reading.
func Microseconds(t time.Time) time.Time { return At(t).Time() }
