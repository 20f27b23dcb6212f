package fetch

import (
	"context"
	"net"
	"net/netip"
	"strconv"
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

// Filled returns what a cache holds after n documents of a size were put into it, while one was used often.
func Filled(n, size int) (entries, bytes int, often, oldest bool) {
	var c cache
	now := time.Unix(1, 0)
	c.put(key{url: "often"}, make([]byte, size), now, now.Add(time.Hour))
	for i := range n {
		c.put(key{url: strconv.Itoa(i)}, make([]byte, size), now, now.Add(time.Hour))
		c.get(key{url: "often"}, now, time.Time{})
		entries, bytes = max(entries, len(c.byKey)), max(bytes, c.bytes)
	}
	_, often = c.get(key{url: "often"}, now, time.Time{})
	_, oldest = c.get(key{url: "0"}, now, time.Time{})
	return entries, bytes, often, oldest
}
