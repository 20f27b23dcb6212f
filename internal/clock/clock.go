// Package clock holds times as tokens and databases keep them: in whole microseconds, in UTC.
package clock

import (
	"context"
	"time"
)

// Instant is a NumericDate (RFC 7519 section 2) in microseconds since 1970.
type Instant int64

const (
	Absent Instant = -1 << 63 // the Instant of a time that is not given

	Second Instant = 1e6
	Min            = -62135596800 * Second // year 1
	Max            = 253402300799 * Second // year 9999
)

// Slack is how far the clocks of two machines may differ, or one clock step, before something is
// forgotten too early. It exceeds the error of a clock that shows local time in place of UTC.
const Slack = 24 * time.Hour

type contextKey struct{}

// With returns a context for which [In] reads now. Tests give each store a clock of its own.
func With(ctx context.Context, now func() time.Time) context.Context {
	return context.WithValue(ctx, contextKey{}, now)
}

// In returns the current time by the clock of ctx, which is the system's unless [With] has set one.
func In(ctx context.Context) time.Time {
	if now, ok := ctx.Value(contextKey{}).(func() time.Time); ok {
		return now()
	}
	return time.Now()
}

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
