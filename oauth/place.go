package oauth

import (
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/seed-e36e2130/auth"
)

// clientIP returns the address of the client, or the zero Addr if it is unknown: behind a proxy of which
// the host says nothing, all clients would seem to be in one place. One Error says so.
func (s *Server) clientIP(r *http.Request) netip.Addr {
	var client netip.Addr
	peer := peerOf(r)
	switch {
	case s.cfg.ClientIP != nil:
		client = s.cfg.ClientIP(r)
	case !isLocal(peer) || !isForwarded(r.Header):
		client = peer
	}
	if !client.IsValid() {
		s.unknownPlaces.Do(func() {
			s.log.LogAttrs(r.Context(), slog.LevelError,
				"oauth: the client's address is unknown, so requests are not counted by network, and the places of refresh tokens "+
					"cannot be told apart: set Config.ClientIP to the result of authhttp.TrustProxies",
				slog.String("peer", r.RemoteAddr))
		})
	}
	return client.Unmap().WithZone("")
}

// withDevice returns r with the device that it comes from.
func (s *Server) withDevice(r *http.Request) *http.Request {
	return r.WithContext(auth.WithDevice(r.Context(), auth.Device{UserAgent: r.UserAgent(), IP: s.clientIP(r)}))
}

// peerOf returns the address that the connection comes from.
func peerOf(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr().Unmap().WithZone("")
}

// sharedAddressSpace is used within the networks of providers (RFC 6598).
var sharedAddressSpace = netip.MustParsePrefix("100.64.0.0/10")

// isLocal reports whether a proxy of the host may have the address.
func isLocal(a netip.Addr) bool {
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || sharedAddressSpace.Contains(a)
}

// isForwarded reports whether a proxy has added the address that it was called from.
func isForwarded(h http.Header) bool {
	return h["X-Forwarded-For"] != nil || h["Forwarded"] != nil || h["X-Real-Ip"] != nil
}

// sameOrigin reports whether a page of the issuer's origin has sent r, or no browser has: browsers name
// the site, or at least the origin, of what sends a write (OWASP ASVS 3.5.1). Host is not asked: it is the
// client's to choose.
func (s *Server) sameOrigin(r *http.Request) bool {
	from := r.Header.Values("Origin")
	site := r.Header.Get("Sec-Fetch-Site")
	switch {
	case len(from) > 1 || site != "" && site != "same-origin":
		return false
	case len(from) == 0 || from[0] == s.origin:
		return true
	}
	return from[0] == "null" && site == "same-origin" // of a page with Referrer-Policy: no-referrer
}
