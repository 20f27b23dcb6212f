package oauth

import (
	"net/netip"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth/cfgerr"
)

// Limits bound what each client network (an IPv4 address, a /64 of IPv6) may ask for in a minute, and a
// /48 of IPv6 sixteen times as much. They are counted in the memory of each process, before anything
// is done, and a client whose address is unknown is not counted.
type Limits struct {
	Authorize    int // authorization requests and decisions. 0: 600
	WrongSecrets int // token requests with a wrong secret, of one client. 0: 20
	DeviceCodes  int // codes of devices that are typed in, also counted by account. 0: 20
}

// limits are the counters of a server.
type limits struct {
	authorize, wrongSecret, register, registerAll *limiter

	device, deviceAll, typed *limiter
}

func newLimits(all Config, faults *cfgerr.Faults) limits {
	cfg, register := all.Limits, all.Register
	perMinute := func(field string, value, byDefault int) *limiter {
		n := cfgerr.Within(faults, "Limits."+field, value, byDefault, 1, 1_000_000)
		return newLimiter(n, time.Minute)
	}
	return limits{
		authorize:   perMinute("Authorize", cfg.Authorize, 600),
		wrongSecret: perMinute("WrongSecrets", cfg.WrongSecrets, 20),
		register:    newLimiter(max(register.PerHour, 1), time.Hour),
		registerAll: newLimiter(max(20*register.PerHour, 10_000), time.Hour),
		device:      newLimiter(max(all.Device.PerMinute, 1), time.Minute),
		deviceAll:   newLimiter(max(20*all.Device.PerMinute, 1), time.Minute),
		typed:       perMinute("DeviceCodes", cfg.DeviceCodes, 20),
	}
}

// limiter counts by key in token buckets: burst at once, and then one more after each interval. It holds
// at most maxBuckets of them.
type limiter struct {
	burst int
	every time.Duration

	mu      sync.Mutex
	buckets map[string]time.Time // when the whole burst is allowed again
	swept   time.Time            // when full buckets were last removed
}

// maxBuckets bounds the memory of a limiter: about 10 MB. If as many networks ask at once, those that are
// not in the table share one bucket.
const maxBuckets = 1 << 16

func newLimiter(burst int, per time.Duration) *limiter {
	return &limiter{burst: burst, every: per / time.Duration(burst), buckets: map[string]time.Time{}}
}

// take counts one request at each key, or returns how long to wait, and counts nothing.
func (l *limiter) take(keys ...string) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if wait = l.wait(keys, now); wait > 0 {
		return wait
	}
	for _, key := range keys {
		key = l.slot(key, now)
		l.buckets[key] = l.next(key, now)
	}
	return 0
}

// peek returns how long to wait until a request would be counted.
func (l *limiter) peek(keys ...string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wait(keys, time.Now())
}

// wait returns how long it takes until each key allows one more request. The second key is that of a
// network of many customers, and allows sixteen times as much.
func (l *limiter) wait(keys []string, now time.Time) (wait time.Duration) {
	for i, key := range keys {
		burst := l.every * time.Duration(l.burst)
		if i > 0 {
			burst *= 16
		}
		wait = max(wait, l.next(l.slot(key, now), now).Sub(now)-burst)
	}
	return wait
}

// next returns the state of a bucket after one more request.
func (l *limiter) next(key string, now time.Time) time.Time {
	at := l.buckets[key]
	if at.Before(now) {
		at = now
	}
	return at.Add(l.every)
}

// slot returns the key, or that of the shared bucket if the table is full.
func (l *limiter) slot(key string, now time.Time) string {
	if _, known := l.buckets[key]; known || len(l.buckets) < maxBuckets {
		return key
	}
	if now.Sub(l.swept) > l.every {
		l.swept = now
		for k, at := range l.buckets {
			if !at.After(now) {
				delete(l.buckets, k)
			}
		}
		if len(l.buckets) < maxBuckets {
			return key
		}
	}
	return ""
}

// networks returns the networks that an address is counted under, the smallest first. An unknown address
// has none.
func networks(ip netip.Addr) []string {
	switch {
	case !ip.IsValid():
		return nil
	case ip.Is4():
		return []string{ip.String()}
	}
	small, _ := ip.Prefix(64)
	large, _ := ip.Prefix(48)
	return []string{small.String(), large.String()}
}

// withSuffix returns keys that are counted apart from those without it.
func withSuffix(keys []string, suffix string) []string {
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = k + " " + suffix
	}
	return list
}
