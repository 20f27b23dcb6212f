package authhttp

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
)

// maxHops is how many of the host's own proxies a request may come through.
const maxHops = 16

// TrustProxies returns a [Config].ClientIP that reads X-Forwarded-For, and believes only the
// entries that the host's own proxies wrote: those whose addresses are in trusted. It reads the
// list from its end, 16 addresses at most, and returns the first address that is not a trusted
// proxy's. Any client can write the entries before that one. Each proxy must append the address
// that it was called from.
//
// It returns a [*cfgerr.Error] for each prefix that is invalid, has host bits set, or covers all
// addresses, and one if there is no prefix.
func TrustProxies(trusted ...netip.Prefix) (func(*http.Request) netip.Addr, error) {
	trusted = slices.Clone(trusted)
	faults := cfgerr.Faults{Prefix: "authhttp.TrustProxies."}
	if len(trusted) == 0 {
		faults.Add("trusted", "", "must have the prefixes of the proxies' addresses")
	}
	for _, p := range trusted {
		if !p.IsValid() || p != p.Masked() || p.Bits() == 0 || p.Addr().Is4In6() {
			faults.Add("trusted", p.String(), "must be a prefix like 10.0.0.0/8, without host bits, that leaves out some addresses")
		}
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	isProxy := func(addr netip.Addr) bool {
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
	clientIP := cfg.ClientIP
	if clientIP == nil {
		clientIP = remoteIP
	}
	return auth.Device{UserAgent: r.UserAgent(), IP: clientIP(r)}
}

// withDevice returns the context of r with the device that r comes from. Its device token is the
// one in the cookie of c, or in the body if c is nil.
func (cfg Config) withDevice(r *http.Request, in input, c *Cookies) context.Context {
	device := cfg.device(r)
	device.Known = auth.DeviceToken(in.values["device_token"])
	if c != nil {
		token, _ := auth.Cookie(c.device).Extract(r) // a malformed cookie counts as none
		device.Known = auth.DeviceToken(token)
	}
	return auth.WithDevice(r.Context(), device)
}
