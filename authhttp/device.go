package authhttp

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
)

// maxHops is how many of the host's own proxies a request may come through.
const maxHops = 16

// TrustProxies returns a [Config].ClientIP that reads X-Forwarded-For, and believes only the
// entries that the host's own proxies wrote: those whose addresses are in trusted. It reads the
// list from its end, 16 addresses at most, and returns the first address that is not a trusted
// proxy's. Any client can write the entries before that one. Each proxy must append the address
// that it was called from. A connection over a Unix socket has no address, so its list is not read:
// see [TrustUnixSocket].
//
// It returns a [*cfgerr.Error] for each prefix that is invalid, has host bits set, or covers all
// addresses, and one if there is no prefix.
func TrustProxies(trusted ...netip.Prefix) (func(*http.Request) netip.Addr, error) {
	faults := cfgerr.Faults{Prefix: "authhttp.TrustProxies."}
	if len(trusted) == 0 {
		faults.Add("trusted", "", "must have the prefixes of the proxies' addresses")
	}
	return trustProxies(&faults, trusted, false)
}

// TrustUnixSocket is [TrustProxies] for a server that listens on a Unix socket: whoever connects to
// the socket is one of the host's own proxies, too. The mode of the socket must keep others away.
// trusted has the addresses of further proxies before that one, if there are any.
func TrustUnixSocket(trusted ...netip.Prefix) (func(*http.Request) netip.Addr, error) {
	return trustProxies(&cfgerr.Faults{Prefix: "authhttp.TrustUnixSocket."}, trusted, true)
}

// trustProxies returns the function of TrustProxies, which with socket also trusts a peer without an
// address.
func trustProxies(faults *cfgerr.Faults, trusted []netip.Prefix, socket bool) (func(*http.Request) netip.Addr, error) {
	trusted = slices.Clone(trusted)
	for _, p := range trusted {
		if !p.IsValid() || p != p.Masked() || p.Bits() == 0 || p.Addr().Is4In6() {
			faults.Add("trusted", p.String(), "must be a prefix like 10.0.0.0/8, without host bits, that leaves out some addresses")
		}
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	isProxy := func(addr netip.Addr) bool {
		if !addr.IsValid() {
			return socket
		}
		return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(addr) })
	}
	return func(r *http.Request) netip.Addr {
		client := remoteIP(r)
		list := strings.Join(r.Header["X-Forwarded-For"], ",")
		for hop := 0; hop < maxHops && list != "" && isProxy(client); hop++ {
			last := list[strings.LastIndexByte(list, ',')+1:]
			list = strings.TrimSuffix(list[:len(list)-len(last)], ",")
			caller := parseIP(strings.Trim(last, " \t"))
			if !caller.IsValid() {
				break // the proxy is the last address that is certain
			}
			client = caller
		}
		return client
	}, nil
}

// remoteIP returns the address that the connection comes from, or the zero Addr if it has none.
func remoteIP(r *http.Request) netip.Addr { return parseIP(r.RemoteAddr) }

// parseIP returns an address, given with or without a port, in the form that is compared: IPv4 not
// mapped to IPv6, and without a zone. It returns the zero Addr if s is not an address.
func parseIP(s string) netip.Addr {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		withPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}
		}
		addr = withPort.Addr()
	}
	return addr.Unmap().WithZone("")
}

// device returns the device that r comes from, without its device token.
func (cfg Config) device(r *http.Request) auth.Device {
	return auth.Device{UserAgent: r.UserAgent(), IP: cfg.clientIP(r)}
}

// clientIP returns the address of the client, or the zero Addr if it is unknown. Then nothing is
// counted by network, and an error is logged, once: taking the address of a proxy for that of all
// its clients would let any one of them use up the attempts of all.
func (cfg Config) clientIP(r *http.Request) netip.Addr {
	var client netip.Addr
	switch peer := remoteIP(r); {
	case cfg.ClientIP != nil:
		client = cfg.ClientIP(r)
	case !isLocal(peer) || !isForwarded(r.Header):
		client = peer
	}
	if !client.IsValid() && cfg.Logger != nil {
		cfg.unknownClient.Do(func() {
			cfg.Logger.LogAttrs(r.Context(), slog.LevelError,
				"authhttp: the client's address is unknown, so attempts are not counted by network: "+
					"set Config.ClientIP to the result of TrustProxies, or of TrustUnixSocket behind a Unix socket",
				slog.String("peer", r.RemoteAddr))
		})
	}
	return client
}

// sharedAddressSpace is used within the networks of providers (RFC 6598).
var sharedAddressSpace = netip.MustParsePrefix("100.64.0.0/10")

// isLocal reports whether a proxy of the host may have the address.
func isLocal(addr netip.Addr) bool {
	return addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() || sharedAddressSpace.Contains(addr)
}

// isForwarded reports whether a proxy has added the address that it was called from.
func isForwarded(h http.Header) bool {
	return h["X-Forwarded-For"] != nil || h["Forwarded"] != nil || h["X-Real-Ip"] != nil
}

// shared returns cfg for one endpoint, or for all of one [Mount], which log once together.
func (cfg Config) shared() Config {
	if cfg.unknownClient == nil {
		cfg.unknownClient = new(sync.Once)
	}
	return cfg
}

// withDevice returns the context of r with the device that r comes from, and with the members that the
// host adds. The device token is the one in the cookie of c, or in the body if c is nil.
func (cfg Config) withDevice(r *http.Request, in input, c *Cookies) context.Context {
	device := cfg.device(r)
	device.Known = auth.DeviceToken(in.values["device_token"])
	if c != nil {
		token, _ := auth.Cookie(c.device).Extract(r) // a malformed cookie counts as none
		device.Known = auth.DeviceToken(token)
	}
	ctx := auth.WithDevice(c.sized(r.Context()), device)
	if in.extra != nil {
		ctx = context.WithValue(ctx, extraKey{}, in.extra)
	}
	return ctx
}
