package authhttp

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth"
)

// maxHops is how many proxies of the host's own a request may come through.
const maxHops = 16

// TrustProxies returns a [Config].ClientIP that reads X-Forwarded-For, but only
// what the host's own proxies wrote there: those whose addresses lie in trusted.
// It goes through the list from its end, 16 addresses at most, and returns the
// first that is not one of theirs. What stands before that anybody can write. Each
// proxy must append the address that it was called from.
//
// It returns a [*cfgerr.Error] for each prefix that is not valid, is not in its
// shortest form, or trusts everybody, and one if there are none.
func TrustProxies(trusted ...netip.Prefix) (func(*http.Request) netip.Addr, error) {
	trusted = slices.Clone(trusted)
	var faults []error
	if len(trusted) == 0 {
		faults = append(faults, &auth.ConfigError{Field: "TrustProxies", Reason: "needs the prefixes of the proxies' addresses"})
	}
	for _, p := range trusted {
		if !p.IsValid() || p != p.Masked() || p.Bits() == 0 || p.Addr().Is4In6() {
			faults = append(faults, &auth.ConfigError{
				Field: "TrustProxies", Value: p.String(),
				Reason: "must be a prefix like 10.0.0.0/8, without host bits, and not all there is",
			})
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	ours := func(a netip.Addr) bool {
		return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	return func(r *http.Request) netip.Addr {
		client := remoteIP(r)
		list := strings.Join(r.Header["X-Forwarded-For"], ",")
		for hop := 0; hop < maxHops && list != "" && ours(client); hop++ {
			last := list[strings.LastIndexByte(list, ',')+1:]
			list = strings.TrimSuffix(list[:len(list)-len(last)], ",")
			before := parseIP(strings.Trim(last, " \t"))
			if !before.IsValid() {
				break // the proxy is the last that is known
			}
			client = before
		}
		return client
	}, nil
}

// remoteIP returns the address of whoever opened the connection, or the zero Addr
// if it has none.
func remoteIP(r *http.Request) netip.Addr { return parseIP(r.RemoteAddr) }

// parseIP reads an address, with or without a port, in the one form that it is
// compared in.
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

// device returns where r comes from.
func (cfg Config) device(r *http.Request) auth.Device {
	ip := cfg.ClientIP
	if ip == nil {
		ip = remoteIP
	}
	return auth.Device{UserAgent: r.UserAgent(), IP: ip(r)}
}

// known returns where r comes from, and the device token that came with it: in c if
// that is not nil.
func (cfg Config) known(r *http.Request, in input, c *Cookies) auth.Device {
	d := cfg.device(r)
	d.Known = auth.DeviceToken(in.values["device_token"])
	if c != nil {
		token, _ := auth.Cookie(c.device).Extract(r) // one that cannot be read is unknown
		d.Known = auth.DeviceToken(token)
	}
	return d
}
