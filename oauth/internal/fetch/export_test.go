package fetch

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Bounds that tests hold the Fetcher to.
const (
	PerHost, PerNetwork, PerAddress, InAll = perHost, perNetwork, perAddress, inAll
	MaxEntries, MaxBytes, MaxNetworks      = maxEntries, maxBytes, maxNetworks
)

// Through puts a resolver and a dialer of a test in the place of the system's.
func (f *Fetcher) Through(resolve func(ctx context.Context, host string) ([]netip.Addr, error), dial func(ctx context.Context, address netip.AddrPort) (net.Conn, error)) {
	f.resolve, f.dial = resolve, dial
}

// Held returns what f holds: documents and their bytes, fetches that run, and names of slots.
func (f *Fetcher) Held() (entries, bytes, flights, names int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range []*slots{&f.hosts, &f.networks, &f.addresses} {
		s.mu.Lock()
		names += len(s.byName)
		s.mu.Unlock()
	}
	return len(f.cache.byKey), f.cache.bytes, len(f.flights), names + len(f.all)
}

// Counted returns how many networks are counted after a fetch of each of some clients.
func Counted(clients func(yield func(netip.Addr) bool)) int {
	r, now := rates{burst: 10, every: time.Second}, time.Unix(1, 0)
	most := 0
	for client := range clients {
		r.take(client, now)
		most = max(most, len(r.full))
	}
	return most
}
