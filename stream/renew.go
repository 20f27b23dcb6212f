package stream

import (
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/seed-e36e2130/auth"
)

// ErrNoSession is returned by [Streams.Renew] for a token that belongs to no session or never expires.
// It wraps [auth.ErrInvalidRequest].
var ErrNoSession = fmt.Errorf("%w: a renewal needs a token that expires and belongs to a session", auth.ErrInvalidRequest)

const (
	// lookLimit is how long the end of a stream waits for the store to say whether it was renewed.
	lookLimit = 2 * time.Second

	// clockMargin is how much longer a renewal is kept than its token lives: replicas whose clocks
	// differ look for it at the end of the token by their own.
	clockMargin = 10 * time.Minute

	renewalPrefix = "stream.renewal."
	maxOwner      = 255 // bytes of an auth.Record's Owner
)

// Renew lets the open streams of a login go on until the token of p expires: those whose callers have
// every claim of p, but for times and the token's ID. So the session, the user, the scopes and the roles
// must be the same, and a caller can renew no stream of another session or user. Streams with other
// claims end as they would have. p is the caller of a side request, or of a message in a WebSocket, whose
// new token was verified as any other.
//
// With [Config].Records, streams on other replicas go on, too: each replica looks for a renewal when the
// token of a stream expires. Without it, Renew reaches the streams of this process alone.
//
// It returns [ErrNoSession], the error for which p may not go on, or the store's error. A renewal that
// failed may be repeated.
func (s *Streams) Renew(ctx context.Context, p *auth.Principal) error {
	switch {
	case p == nil || p.Subject() == "":
		return auth.ErrNoCredentials
	case p.SessionID() == "" || p.Expiry().IsZero():
		return ErrNoSession
	}
	if err := s.ask(ctx, p); err != nil {
		return err
	}
	login, err := loginOf(p)
	if err != nil {
		return err
	}
	for _, o := range s.streamsOf(p.SessionID()) {
		if other, err := loginOf(o.caller); err == nil && other == login {
			s.extend(o, p.Expiry())
		}
	}
	if s.records == nil {
		return nil
	}
	return s.publish(ctx, p, login)
}

// RenewHandler answers 204 to a POST of a caller whose streams it has renewed: see [Streams.Renew]. It
// stands behind the middleware that verifies the caller.
func (s *Streams) RenewHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "use POST", http.StatusMethodNotAllowed)
			return
		}
		caller, _ := auth.FromContext(r.Context())
		if err := s.Renew(r.Context(), caller); err != nil {
			s.refuse(w, r, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
	})
}

// login stands for all that a caller's tokens say, but for times and the token's ID.
type login [16]byte

func (l login) key() string { return renewalPrefix + hex.EncodeToString(l[:]) }

// loginOf returns the login of a caller.
func loginOf(p *auth.Principal) (l login, err error) {
	c := p.Claims()
	c.IssuedAt, c.Expiry, c.AuthTime, c.TokenID = time.Time{}, time.Time{}, time.Time{}, ""
	for _, set := range []*[]string{&c.Audience, &c.Scopes, &c.Roles, &c.AMR} {
		slices.Sort(*set)
	}
	text, err := json.Marshal(c) // maps are written in the order of their keys
	if err != nil {
		return l, fmt.Errorf("stream: claims: %w", err)
	}
	sum := sha256.Sum256(append([]byte("stream login\x00"), text...))
	copy(l[:], sum[:])
	return l, nil
}

// streamsOf returns the open streams of a session ID, which may be those of several issuers.
func (s *Streams) streamsOf(sessionID string) (all []*open) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.open {
		if o.caller.SessionID() == sessionID {
			all = append(all, o)
		}
	}
	return all
}

// extend lets a stream go on until expiry, unless it may go on for longer already, or has ended.
func (s *Streams) extend(o *open, expiry time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.index < 0 || expiry.Add(s.leeway).UnixNano() <= o.end {
		return
	}
	s.setEnd(o, expiry)
	o.state = waiting
	heap.Fix(&s.open, int(o.index))
	s.wakeBy(o.deadline)
	o.setExpired(false)
}

// publish writes a renewal for other replicas, unless they have a later one.
func (s *Streams) publish(ctx context.Context, p *auth.Principal, l login) error {
	for range 4 { // a conflict means that a concurrent request has written
		r, now, err := s.records.Record(ctx, l.key())
		if err != nil {
			return fmt.Errorf("stream: load renewal: %w", err)
		}
		if !renewedUntil(r).Before(p.Expiry()) {
			return nil
		}
		r.Key, r.Owner = l.key(), p.Subject()
		if len(r.Owner) > maxOwner { // no ID of a user of ours
			r.Owner = ""
		}
		r.Value = strconv.AppendInt(nil, p.Expiry().UnixMicro(), 10)
		r.ExpiresAt = now.Add(time.Until(p.Expiry()) + s.leeway + maxOverrun + clockMargin).UTC().Truncate(time.Microsecond)
		old := r.Renew()
		switch err = s.records.ReplaceRecord(ctx, old, r); {
		case err == nil:
			return nil
		case !errors.Is(err, auth.ErrConflict):
			return fmt.Errorf("stream: write renewal: %w", err)
		}
	}
	return fmt.Errorf("stream: write renewal: %w", &auth.RetryError{Err: auth.ErrBusy, After: time.Second})
}

// renewedUntil returns the expiry that a renewal has written, or the zero time.
func renewedUntil(r auth.Record) time.Time {
	micros, err := strconv.ParseInt(string(r.Value), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// look asks the store whether streams whose tokens have expired were renewed at another replica.
func (s *Streams) look(due []*open) {
	ctx, cancel := context.WithTimeout(s.ctx, lookLimit)
	defer cancel()
	var failed atomic.Pointer[error]
	defer func() {
		if err := failed.Load(); err != nil && s.ctx.Err() == nil { // one line for all of them
			s.log.Error("auth: streams were not renewed, because that could not be looked up", "error", *err)
		}
	}()
	inParallel(len(due), func(i int) {
		o := due[i]
		expiry, err := s.lookUp(ctx, o.caller)
		if err != nil {
			failed.Store(&err)
		}
		s.extend(o, expiry)
		s.mu.Lock()
		defer s.mu.Unlock()
		if o.index >= 0 && o.state == looking { // not renewed
			o.state, o.deadline = looked, 0
			heap.Fix(&s.open, int(o.index))
			s.wakeBy(o.deadline)
		}
	})
}

// lookUp returns until when the login of a caller was renewed, or the zero time.
func (s *Streams) lookUp(ctx context.Context, p *auth.Principal) (time.Time, error) {
	l, err := loginOf(p)
	if err != nil {
		return time.Time{}, err
	}
	r, _, err := s.records.Record(ctx, l.key())
	if err != nil {
		return time.Time{}, fmt.Errorf("stream: load renewal: %w", err)
	}
	return renewedUntil(r), nil
}
