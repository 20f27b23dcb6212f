package throttle

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/seed-e36e2130/auth"
)

// counter is one of the counts that an attempt is added to. Its record has no Owner: an attempt names a
// username, which may be nobody's, and no user ID.
type counter struct {
	key    string
	bucket bucket
}

// counts says where an attempt counts. A known device has a counter of its own, and nothing else counts
// then.
type counts struct {
	known    bool
	device   counter   // for a known device
	networks []counter // for others: the networks of the address, the smallest first
	account  string    // for others: key of the account's record; empty: the attempt is about no account
	budget   budget
	network  uint64 // for others: tag of the network in the account's record
}

// countsOf returns the counts of an attempt.
func (t *Throttle) countsOf(ctx context.Context, a auth.Attempt) (c counts, err error) {
	if a.Username == "" && a.Target != "" { // work that anybody may ask for, about no account
		if ip := a.Device.IP.Unmap().WithZone(""); ip.IsValid() {
			c.networks = t.networksOf(ip, "."+a.Target)
		}
		return c, nil
	}
	if c.known, err = t.isKnown(ctx, a); err != nil {
		return counts{}, err
	}
	kind, name := "", a.Username
	c.budget = t.account
	if a.Target != "" { // the prefix keeps a target apart from a username with the same text
		kind, name, c.budget.lock = "target.", a.Target, 0
	}
	if c.known {
		c.device = counter{knownKey(kind, name, digestOf(a)), t.device}
		return c, nil
	}
	c.account = key(kind+"account", name)
	ip := a.Device.IP.Unmap().WithZone("")
	if !ip.IsValid() {
		return c, nil
	}
	c.network = networkTag(name, site(ip))
	c.networks = t.networksOf(ip, "")
	return c, nil
}

// networksOf returns the counters of the networks of an address, the smallest first, for a purpose.
func (t *Throttle) networksOf(ip netip.Addr, purpose string) []counter {
	networks := []counter{{key("network"+purpose, network(ip)), t.network}}
	if ip.Is6() {
		networks = append(networks, counter{key("site"+purpose, site(ip)), t.site})
	}
	return networks
}

// step is a method of a bucket.
type step func(b bucket, s state, now time.Time) (next state, wait time.Duration)

// update applies a step of its bucket to a counter. It returns the delay that the step asks for.
func (t *Throttle) update(ctx context.Context, c counter, apply step) (wait time.Duration, err error) {
	err = t.records.change(ctx, c.key, func(value []byte, now time.Time) ([]byte, time.Time, bool) {
		stored := decode(value)
		var next state
		next, wait = apply(c.bucket, stored, now)
		if next == (state{}) {
			return nil, time.Time{}, stored != next
		}
		return next.encode(), c.bucket.end(next), stored != next
	})
	return wait, err
}

// updateAccount applies a step of its budget to an account. It returns what check returned before it.
func (t *Throttle) updateAccount(ctx context.Context, c counts, apply accountStep) (wait time.Duration, sharedOut bool, err error) {
	err = t.records.change(ctx, c.account, func(value []byte, now time.Time) ([]byte, time.Time, bool) {
		stored, corrected := decodeAccount(value, now)
		wait, sharedOut = c.budget.check(stored, c.network, now)
		next := apply(c.budget, stored, c.network, now)
		if !corrected && next.inRow == stored.inRow && slices.Equal(next.failures, stored.failures) {
			return nil, time.Time{}, false
		}
		if next.inRow == 0 && len(next.failures) == 0 {
			return nil, time.Time{}, true
		}
		return next.encode(), c.budget.end(next, now), true
	})
	return wait, sharedOut, err
}

// key returns the key of a record. Its length depends on the kind alone, and it shows none of the
// parts.
func key(kind string, parts ...string) string { return keyOf(kind, digest(parts...)) }

func keyOf(kind string, d [sha256.Size]byte) string {
	return "throttle:" + kind + ":" + base64.RawURLEncoding.EncodeToString(d[:])
}

// digest returns a digest of the parts, whose lengths are part of it.
func digest(parts ...string) [sha256.Size]byte {
	h := sha256.New()
	for _, p := range parts {
		_ = binary.Write(h, binary.BigEndian, uint64(len(p)))
		h.Write([]byte(p))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// network returns the smallest network that an address is counted under: an IPv4 address itself, or the
// /64 of an IPv6 address, because one customer has all of that.
func network(ip netip.Addr) string { return prefix(ip, 64) }

// site returns the largest network that one customer may have: an IPv4 address itself, or the /48 of an
// IPv6 address (RFC 6177).
func site(ip netip.Addr) string { return prefix(ip, 48) }

func prefix(ip netip.Addr, bits int) string {
	if ip.Is4() {
		bits = 32
	}
	p, _ := ip.Prefix(bits) // cannot fail: both families have at least so many bits
	return p.String()
}

// networkTag returns what stands for a network in the record of one account. It is never 0.
func networkTag(name, network string) uint64 {
	d := digest("tag", name, network)
	return max(binary.BigEndian.Uint64(d[:]), 1)
}
