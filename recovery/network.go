package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/seed-e36e2130/auth"
)

// networkOf returns the network that a call comes from: an IPv4 address, or the /48 of an IPv6 address,
// because one customer may have all of that (RFC 6177). It is empty if the context has no device with
// an address.
func networkOf(ctx context.Context) string {
	return prefixOf(auth.DeviceFromContext(ctx).IP, 48)
}

func prefixOf(ip netip.Addr, bits int) string {
	ip = ip.Unmap().WithZone("")
	if !ip.IsValid() {
		return ""
	}
	if ip.Is4() {
		bits = 32
	}
	p, _ := ip.Prefix(bits) // cannot fail: both families have at least so many bits
	return p.String()
}

// sitesAsNetworks is how many times the requests of a /64 the /48 around it may make.
const sitesAsNetworks = 4

// countRequest counts a request for a message from the network of the call. It does the same for every
// address. It returns a [*auth.RetryError] of [auth.ErrTooManyAttempts] if the network made too many.
func (r *Recovery) countRequest(ctx context.Context) error {
	ip, burst, every := auth.DeviceFromContext(ctx).IP.Unmap(), r.config.NetworkBurst, r.config.NetworkEvery
	if !ip.IsValid() {
		return nil
	}
	if err := r.spend(ctx, "network", prefixOf(ip, 64), burst, every); err != nil || ip.Is4() {
		return err
	}
	return r.spend(ctx, "site", prefixOf(ip, 48), sitesAsNetworks*burst, every/sitesAsNetworks)
}

// spend counts a request of a network that may make burst of them at once, and one more each time that
// every has passed.
func (r *Recovery) spend(ctx context.Context, kind, network string, burst int, every time.Duration) error {
	const conflicts = 16 // a client that reaches it is one of very many in its network
	for range conflicts {
		record, now, err := r.load(ctx, key(Kind(kind), digest(kind, network)))
		if err != nil {
			return err
		}
		var restored int64 // when all requests are allowed again, in microseconds since 1970
		if record.Version != 0 && json.Unmarshal(record.Value, &restored) != nil {
			return fmt.Errorf("recovery: record %s is malformed", record.Key)
		}
		owed := time.UnixMicro(restored).Sub(now)
		owed = min(max(owed, 0), time.Duration(burst)*every) // it is greater if the clock was set back
		if wait := owed - time.Duration(burst-1)*every; wait > 0 {
			return tooManyRequests(wait)
		}
		end := now.Add(owed + every)
		if _, err = r.write(ctx, record, end.UnixMicro(), end.Add(time.Millisecond)); !errors.Is(err, auth.ErrConflict) {
			return err
		}
	}
	return tooManyRequests(time.Second)
}

func tooManyRequests(wait time.Duration) error {
	return fmt.Errorf("recovery: requests of this network: %w",
		&auth.RetryError{Err: auth.ErrTooManyAttempts, After: max(wait, time.Second)})
}
