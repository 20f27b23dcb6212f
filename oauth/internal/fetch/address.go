package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// special are the blocks of IPv4 (RFC 6890 section 2.2.2, and what the registry has got since) and of
// 2000::/3 in IPv6 that are not, or not only, the addresses of one public host.
var special = prefixes(`
	0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
	192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15
	198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
	2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3ffe::/16 3fff::/20
`)

// global is what IANA gives out addresses of public hosts from. Outside of it are loopback, link-local,
// site-local, unique-local, multicast and discard addresses, and those that stand for IPv4 addresses: mapped,
// compatible, translated (NAT64, RFC 6052 and RFC 8215). 6to4 and Teredo are in it, and special.
var global = netip.MustParsePrefix("2000::/3")

func prefixes(text string) (list []netip.Prefix) {
	for s := range strings.FieldsSeq(text) {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}

// isPublic reports whether an address is that of a host in the open net.
func isPublic(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" || a.Is6() && !global.Contains(a) {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

var errSpecial = errors.New("the host has a special-use address")

// lookup returns the addresses of a host. The name is resolved once, and one special-use address among the
// addresses refuses them all: which of them is used must not be for the host to say.
func (f *Fetcher) lookup(ctx context.Context, t *target) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(t.name); err == nil {
		return []netip.Addr{a}, f.allowed(a)
	}
	name := t.name
	if name != "localhost" && !strings.HasSuffix(name, ".") {
		name += "." // no search in domains of the server's own network
	}
	resolved, err := f.resolve(ctx, name)
	if err != nil {
		return nil, err
	}
	if len(resolved) == 0 {
		return nil, errors.New("the host has no address")
	}
	addresses := make([]netip.Addr, len(resolved))
	for i, a := range resolved {
		addresses[i] = a.Unmap() // resolvers write IPv4 addresses in both forms
		if err := f.allowed(addresses[i]); err != nil {
			return nil, err
		}
	}
	return addresses[:min(len(addresses), maxTries)], nil
}

// allowed returns an error if an address must not be connected to.
func (f *Fetcher) allowed(a netip.Addr) error {
	if isPublic(a) || f.anyPort && !a.Is4In6() && a.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%w: %v", errSpecial, a)
}
