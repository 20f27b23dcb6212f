package oauth

import "time"

// LimiterSize returns how many buckets a limiter holds after it has counted requests from n networks, and
// whether it still refuses what goes beyond the burst of those that it does not hold.
func LimiterSize(n int) (size int, refuses bool) {
	l := newLimiter(10, time.Hour)
	for i := range n {
		l.take(string(rune(i)) + "a network")
	}
	wait := time.Duration(0)
	for range 11 {
		wait = l.take("one more network")
	}
	return len(l.buckets), wait > 0
}
