package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/oauth/internal/fetch"
	"github.com/seed-e36e2130/auth/oauth/internal/metadata"
)

// Documents configures Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document): the ID of
// a client is the https URL of a document that describes it. Its zero value is off.
//
// The server fetches a document when a user who is logged in comes from its client, and keeps it as its
// headers say, for an hour at most. It connects to no special-use address, follows no redirect, and reads
// 5 KiB in 3 seconds.
type Documents struct {
	On bool

	// PerMinute is how many fetches one network (an IPv4 address, a /64 of IPv6) may cause in a minute. 0:
	// 120; at most 60,000.
	PerMinute int

	// DangerouslyAllowLoopback also fetches from loopback addresses, and from every port, for tests and
	// examples on one machine. Anybody can then have the server ask other programs of that machine.
	DangerouslyAllowLoopback bool
}

// openDocuments makes the fetcher: of documents if they are on, and of the keys of clients.
func (s *Server) openDocuments(faults *cfgerr.Faults) {
	d := s.cfg.Documents
	perMinute := cfgerr.Within(faults, "Documents.PerMinute", d.PerMinute, 120, 1, 60_000)
	if !d.On && d != (Documents{}) {
		faults.Add("Documents", "", "has settings, but is not On")
	}
	var err error
	s.fetcher, err = fetch.New(fetch.Config{
		Burst: perMinute, Every: time.Minute / time.Duration(perMinute), DangerouslyAllowLoopback: d.DangerouslyAllowLoopback,
	})
	faults.Join(err)
}

// isDocument reports whether a client ID is the URL of a document.
func (s *Server) isDocument(id string) bool {
	return s.cfg.Documents.On && strings.HasPrefix(id, "https://")
}

// errUnavailable says that a document cannot be had now. What the cause is may tell of the server's network.
var errUnavailable = &refusal{
	Code: "temporarily_unavailable", Description: "the document that describes the client cannot be fetched", status: http.StatusBadGateway,
	retryAfter: 5 * time.Second,
}

// isPassing reports whether err says that a document cannot be fetched now, and nothing about its client.
func isPassing(err error) bool {
	e, ok := errors.AsType[*refusal](err)
	return ok && (e == errUnavailable || e.status == http.StatusTooManyRequests)
}

// described returns the client whose ID is the URL of a document. It returns errUnavailable if the document
// cannot be fetched, and another [*refusal] if it describes no client.
func (s *Server) described(ctx context.Context, id string, ip netip.Addr) (*client, error) {
	body, err := s.fetcher.Get(ctx, fetch.Request{URL: id, Client: ip, Valid: func(body []byte) error {
		if _, fault := metadata.Document(id, body, s.documentOffer()); fault != nil {
			return fault
		}
		return nil
	}})
	if err := s.fetchError(ctx, err); err != nil {
		return nil, err
	}
	said, fault := metadata.Document(id, body, s.documentOffer())
	if fault != nil {
		return nil, fault
	}
	c := bareDocument(id)
	c.name, c.redirects, c.method, c.methods = displayName(said.Name, c.host), said.RedirectURIs, said.AuthMethod, said.AuthMethods
	c.keys, c.keysURL, c.grants = said.JWKS, said.JWKSURI, said.GrantTypes
	return c, nil
}

// fetchError returns what a client is told of an error of the fetcher, and logs what it is not told.
func (s *Server) fetchError(ctx context.Context, err error) error {
	if retry, ok := errors.AsType[*auth.RetryError](err); ok {
		return tooMany(retry.After)
	}
	switch {
	case errors.Is(err, fetch.ErrURL):
		return errUnknownClient
	case errors.Is(err, fetch.ErrUnavailable):
		s.log.WarnContext(ctx, "oauth: the document of a client cannot be fetched", "error", err)
		return errUnavailable
	case errors.Is(err, fetch.ErrInvalid):
		description := "the document that describes the client is invalid"
		if fault, ok := errors.AsType[*metadata.Fault](err); ok {
			description += ": " + fault.Description
		}
		return &refusal{Code: "invalid_client", Description: description, status: http.StatusUnauthorized}
	}
	return err
}

// bareDocument returns what the URL of a document says of its client.
func bareDocument(id string) *client {
	c := &client{id: id, name: id, method: authNone}
	if u, err := url.Parse(id); err == nil {
		c.name, c.host = u.Host, u.Host
	}
	return c
}

// documentOffer is what the server has for clients that a document describes.
func (s *Server) documentOffer() metadata.Offer {
	return metadata.Offer{Grants: s.selfGrants(), Methods: []string{authNone, authKey}}
}
