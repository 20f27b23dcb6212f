package origin

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// HostFault says why [NewHosts] refuses a name.
const HostFault = "must be a name or an address as it comes in Host: lower case, with the port if it is not 80 or 443"

// Hosts are the names, with their ports, at which a server is reached. Without any, it may be reached at all.
type Hosts []string

// NewHosts returns a copy of hosts. It calls fault with each that is not written as [HostFault] says.
func NewHosts(hosts []string, fault func(field, host, reason string)) Hosts {
	for _, host := range hosts {
		u, err := url.Parse("http://" + host)
		if err != nil || u.Hostname() == "" || u.Host != host || strings.HasSuffix(host, ":") || strings.Contains(host, "*") || host != hostOf(host) {
			fault("Hosts", host, HostFault)
		}
	}
	return slices.Clone(hosts)
}

var errForeign = errors.New("another Host, or a page of another origin")

// CheckHost returns an error if r was sent to another host than hosts, or by a page of another origin than
// theirs that p does not trust, whatever its method. It keeps out pages that reach a server by a name of
// their own, which they let point to its address (DNS rebinding). Programs that are no browser send no Origin.
func (p *Protection) CheckHost(hosts Hosts, r *http.Request) error {
	if len(hosts) == 0 {
		return nil
	}
	if !slices.Contains(hosts, hostOf(r.Host)) {
		return errForeign
	}
	switch origins := r.Header["Origin"]; len(origins) {
	case 0:
		return nil
	case 1:
		scheme, host, _ := strings.Cut(origins[0], "://")
		isWeb := scheme == "https" || scheme == "http"
		if isWeb && slices.Contains(hosts, hostOf(host)) || slices.Contains(p.trusted, origins[0]) || p.isBelowParent(origins[0]) {
			return nil
		}
	}
	return errForeign
}

// hostOf returns a host in lower case, without a port that is the default of http or https.
func hostOf(host string) string {
	host = strings.ToLower(host) // allocates nothing if it is in lower case
	return strings.TrimSuffix(strings.TrimSuffix(host, ":443"), ":80")
}
