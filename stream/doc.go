// Package stream ends answers that last with the login that they belong to: server-sent events,
// WebSockets, Connect and gRPC streams, downloads. A middleware verifies a token when a request begins.
// Package stream asks again while the answer lasts, and ends the context of the request when the token
// expires, its session is revoked, its user is disabled, or its API key is deleted:
//
//	streams, err := stream.New(revoked.Check, stream.Config{Changed: revoked.Changed})
//	…
//	defer streams.Close()
//	mux.Handle("GET /answers", guard.Require(streams.Wrap(stream.Cut())(answers)))
//
// The handler watches r.Context(), as it does for clients that hang up. [context.Cause] says why the
// context has ended: [auth.ErrExpiredToken], [auth.ErrRevokedToken], [ErrKeyRevoked], or, if that could
// not be decided, an error that wraps [auth.ErrRevocationUnknown]. A handler that goes on all the same
// cannot write any more a moment later, because the deadline of its connection is set to the past.
//
// A revocation ends a stream within the Bound of package revocation, on every replica. An open stream
// costs less than 1 KiB and no goroutine.
package stream
