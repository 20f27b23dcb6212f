package stream

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-e36e2130/auth"
)

// linger is how long a handler may still write after its context has ended, to say why.
const linger = 500 * time.Millisecond

// errClosed is the cause for which no stream begins after Close.
var errClosed = fmt.Errorf("stream: closed: %w", context.Canceled)

// open is one stream, and the context of its request.
type open struct {
	context.Context // ends with the stream
	cancel          context.CancelCauseFunc
	caller          *auth.Principal
	overrun         time.Duration // how long the stream may last after end

	// Streams.mu guards these. Times are by the wall clock, in nanoseconds since 1970.
	deadline int64 // when to look at the stream
	end      int64 // when its token expires, with the leeway; math.MaxInt64: never
	index    int32 // place in Streams.open; -1: none
	state    state

	isOver  bool // whether the token has expired; guarded by mu, as are writer and expired
	mu      sync.Mutex
	writer  http.ResponseWriter // nil: none, or the handler has returned
	expired chan struct{}       // closed when the token has expired; nil: not asked for

	decided atomic.Int64 // when the last check began that decided, as a time.Duration since Streams.began
}

// state says whether it is known if a stream was renewed whose deadline has come.
type state uint8

const (
	waiting state = iota // the deadline has not come
	looking              // the store is being asked
	looked               // it was not renewed
)

type openKey struct{}

// Value returns the stream itself for [Expired], and otherwise the value of the request's context.
func (o *open) Value(key any) any {
	if key == (openKey{}) {
		return o
	}
	return o.Context.Value(key)
}

// Wrap returns a middleware whose handlers get a context that ends with the caller's login. It stands
// behind the middleware that verifies the caller, such as [auth.Middleware.Require]: a request without a
// verified caller is answered 401. A request is answered 503 if it cannot be decided whether the caller
// may go on.
//
// A stream lasts until its handler returns: the handler of a WebSocket returns when the socket is closed.
//
// The [http.ResponseWriter] is not wrapped, so that handlers can flush and hijack. Half a second after
// the context has ended, the read and write deadlines of the connection are set to the past: of the
// stream alone with HTTP/2. A handler that does not watch its context then fails to write.
func (s *Streams) Wrap(policy Policy) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			caller, ok := auth.FromContext(r.Context())
			if !ok {
				s.refuse(w, r, auth.ErrNoCredentials)
				return
			}
			o, err := s.begin(r.Context(), caller, policy, w)
			if err != nil {
				s.refuse(w, r, err)
				return
			}
			defer s.finish(o)
			next.ServeHTTP(w, r.WithContext(o))
		})
	}
}

// Begin returns a context that ends with the login of p, for streams that are no HTTP requests, such as
// those of an interceptor of gRPC. [auth.FromContext] finds in it whom it finds in ctx. Call finish when the stream has ended. It returns the error for which
// no stream begins: answer it as one of the middleware, with [auth.HTTPStatus].
func (s *Streams) Begin(ctx context.Context, p *auth.Principal, policy Policy) (stream context.Context, finish func(), err error) {
	if p == nil || p.Subject() == "" {
		return nil, nil, auth.ErrNoCredentials
	}
	o, err := s.begin(ctx, p, policy, nil)
	if err != nil {
		return nil, nil, err
	}
	return o, func() { s.finish(o) }, nil
}

// Expired returns a channel that is closed when the token of a stream has expired. Under [Grace] and
// [FinishAnswer] the context of the stream goes on then. ctx is the context of a request behind
// [Streams.Wrap], or one derived from it; otherwise Expired returns nil. After a renewal call it again.
func Expired(ctx context.Context) <-chan struct{} {
	o, ok := ctx.Value(openKey{}).(*open)
	if !ok {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.expired == nil {
		o.expired = make(chan struct{})
		if o.isOver || o.Err() != nil {
			close(o.expired)
		}
	}
	return o.expired
}

func (s *Streams) begin(ctx context.Context, p *auth.Principal, policy Policy, w http.ResponseWriter) (*open, error) {
	if policy.fault != nil {
		return nil, policy.fault
	}
	now := time.Now()
	o := &open{caller: p, overrun: max(min(s.leeway+policy.overrun, maxOverrun)-s.leeway, 0), writer: w, index: -1}
	o.decided.Store(int64(now.Sub(s.began)))
	s.setEnd(o, p.Expiry())
	if now.UnixNano() >= o.end {
		return nil, auth.ErrExpiredToken
	}
	o.Context, o.cancel = context.WithCancelCause(ctx)
	if err := s.add(o); err != nil {
		o.cancel(nil)
		return nil, err
	}
	// The check comes after the stream was added. A revocation in between is seen by one of the two.
	if err := s.ask(ctx, p); err != nil {
		s.finish(o)
		return nil, err
	}
	return o, nil
}

// setEnd sets when a stream ends whose token expires at expiry. The zero time is never.
func (s *Streams) setEnd(o *open, expiry time.Time) {
	switch {
	case expiry.IsZero(), expiry.Year() > 2200: // much later times are beyond the range of UnixNano
		o.end = math.MaxInt64
	case expiry.Year() < 1970:
		o.end = 0
	default:
		o.end = expiry.Add(s.leeway).UnixNano()
	}
	o.deadline = o.end
}

// hard returns when a stream ends whatever its policy.
func (o *open) hard() int64 {
	if o.end == math.MaxInt64 {
		return o.end
	}
	return o.end + int64(o.overrun)
}

// add adds a stream, and wakes the goroutine if it would look at the deadlines too late.
func (s *Streams) add(o *open) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errClosed
	}
	heap.Push(&s.open, o)
	s.wakeBy(o.deadline)
	return nil
}

// wakeBy wakes the goroutine unless it looks at the deadlines by then. The caller holds s.mu.
func (s *Streams) wakeBy(deadline int64) {
	if deadline >= s.nextWake.UnixNano() {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default: // it was asked already
	}
}

// finish removes a stream whose handler has returned.
func (s *Streams) finish(o *open) {
	s.mu.Lock()
	s.open.remove(o)
	s.mu.Unlock()
	o.mu.Lock()
	o.writer = nil // must not be used after the handler has returned
	o.mu.Unlock()
	o.cancel(nil)
}

// cut ends the context of a stream that was removed, and a moment later what its handler reads and
// writes.
func (s *Streams) cut(o *open, cause error) {
	s.log.Debug("auth: stream ended", "caller", o.caller, "cause", cause)
	o.cancel(cause)
	o.setExpired(true)
	o.mu.Lock()
	if o.writer != nil {
		time.AfterFunc(linger, o.cutConnection)
	}
	o.mu.Unlock()
	s.tellEnded(o.caller, cause)
}

// tellEnded emits the event of a stream that was cut.
func (s *Streams) tellEnded(p *auth.Principal, cause error) {
	if s.events == nil || errors.Is(cause, context.Canceled) { // Close
		return
	}
	e := auth.Event{Kind: EventEnded, UserID: p.Subject(), SessionID: p.SessionID(), Actor: p.Actor(), ClientID: p.ClientID(), Err: cause}
	if p.Kind() == auth.KindAPIKey {
		e.KeyID = p.TokenID()
	}
	s.events(context.Background(), e)
}

func (o *open) cutConnection() {
	o.mu.Lock() // the handler does not return meanwhile
	defer o.mu.Unlock()
	if o.writer == nil {
		return
	}
	c := http.NewResponseController(o.writer)
	// An error means that the writer has no deadlines: then the handler alone can end the answer.
	past := time.Unix(1, 0)
	_, _ = c.SetWriteDeadline(past), c.SetReadDeadline(past)
}

// setExpired tells the handler of a stream whether its token has expired.
func (o *open) setExpired(expired bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case expired && !o.isOver && o.expired != nil:
		close(o.expired)
	case !expired && o.isOver:
		o.expired = nil // a closed channel cannot be opened again
	}
	o.isOver = expired
}

// deadlines is a heap of streams, the one with the nearest deadline first.
type deadlines []*open

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].deadline < d[j].deadline }

func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].index, d[j].index = int32(i), int32(j)
}

// Push and Pop are for package heap.
func (d *deadlines) Push(x any) {
	o := x.(*open)
	o.index = int32(len(*d))
	*d = append(*d, o)
}

func (d *deadlines) Pop() any {
	last := len(*d) - 1
	o := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	o.index = -1
	return o
}

// remove removes a stream, and reports whether it was there.
func (d *deadlines) remove(o *open) bool {
	if o.index < 0 {
		return false
	}
	heap.Remove(d, int(o.index))
	return true
}

// refuse answers a request for which no stream begins.
func (s *Streams) refuse(w http.ResponseWriter, r *http.Request, err error) {
	refuse(s.refusals, w, r, err)
}

func refuse(refusals *auth.Middleware, w http.ResponseWriter, r *http.Request, err error) {
	refusals.Require(nil).ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), refusedKey{}, err)))
}

// refusal is a verifier that refuses every request, for the reason in its context. Behind a middleware
// it gives the answers and the log lines of any other refusal.
type refusal struct{}

type refusedKey struct{}

func (refusal) Verify(ctx context.Context, _ string) (*auth.Principal, error) {
	err, _ := ctx.Value(refusedKey{}).(error)
	if err == nil {
		err = errors.New("stream: refused without a reason")
	}
	return nil, err
}

func (refusal) Extract(*http.Request) (string, error) { return "none", nil }

func (refusal) Ambient() bool { return false }

func newRefusals(cfg auth.MiddlewareConfig) (*auth.Middleware, error) {
	cfg.Extractors = []auth.Extractor{refusal{}}
	return auth.NewMiddleware(refusal{}, cfg)
}
