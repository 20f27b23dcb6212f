package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/detach"
)

// ErrKeyRevoked is the cause of the end of a stream whose API key was deleted or rolled, or whose key's
// user was disabled. It wraps [auth.ErrRevokedToken].
var ErrKeyRevoked = fmt.Errorf("%w: the API key", auth.ErrRevokedToken)

// Bounds of a Config.
const (
	defaultEvery  = time.Second
	minEvery      = 100 * time.Millisecond
	maxEvery      = 5 * time.Second
	defaultLeeway = 30 * time.Second
)

// Config configures [New]. Its zero value is the safe choice.
type Config struct {
	// Keys is asked in the place of the check of [New] about callers of the kind "api_key": whether the
	// key and its user may still be used. It returns what that check returns. nil: no stream begins for
	// such a caller, and the request is answered 500.
	Keys func(ctx context.Context, p *auth.Principal) error

	// Changed returns a channel that is closed when the check may answer otherwise than before, as the
	// Changed of a revocation.List does. All streams are then asked about at once. nil: they are asked
	// about as Every says.
	Changed func() <-chan struct{}

	// Every is how often all streams are asked about. A stream about which that could not be decided for
	// five times as long is ended. 0: 1 s; from 100 ms to 5 s.
	Every time.Duration

	// Leeway is the clock skew that is allowed for exp, as the verifier of the tokens allows it: a stream
	// ends when a request with its token would be refused. 0: 30 s; jwt.NoLeeway: none; at most 5
	// minutes.
	Leeway time.Duration

	// Records keeps renewals for the streams on other replicas: see [Streams.Renew]. A renewal belongs to
	// its user, whose deletion removes it if the store is the Records of [auth.Config]. nil: a renewal
	// reaches the streams of its own process alone.
	Records auth.RecordStore

	// Events receives an [EventEnded] for each stream that was ended, but by Close, under the rules of
	// [auth.Config].Events. It must not wait. nil: there are no events.
	Events func(ctx context.Context, e auth.Event)

	// Guard is the configuration of the middleware before the streams. Its Realm, ResourceMetadata,
	// ErrorHandler and Logger say how a request is refused for which no stream begins.
	Guard auth.MiddlewareConfig
}

// EventEnded says that an answer that was being sent was cut off: Err is the cause, UserID the caller, SessionID
// or KeyID what they called by, and Actor and ClientID who acted for them.
const EventEnded auth.EventKind = "stream_ended"

// Streams ends the streams of one process with the logins that they belong to. One goroutine serves all
// of them. Make one with [New]. It is safe for concurrent use.
type Streams struct {
	check, keys func(ctx context.Context, p *auth.Principal) error
	changed     func() <-chan struct{}
	every       time.Duration
	leeway      time.Duration
	records     auth.RecordStore // nil: none
	refusals    *auth.Middleware
	log         *slog.Logger
	events      func(context.Context, auth.Event)

	began  time.Time       // what times of checks are measured from, by the monotonic clock
	ctx    context.Context // ends with Close
	stop   context.CancelFunc
	closed chan struct{}  // closed when the goroutine has ended
	wake   chan struct{}  // asks the goroutine to look at the deadlines
	looks  sync.WaitGroup // look-ups of renewals

	mu       sync.Mutex
	open     deadlines // every stream, the first to expire at the front
	nextWake time.Time // when the goroutine looks at the deadlines without being asked
	stopped  bool
	lastErr  error // why the last check could not decide
}

// New returns a Streams, or every fault of the configuration as a [*cfgerr.Error]. check is asked again
// and again about each caller who has a stream open. It is the Check of the verifier of the tokens, as a
// rule that of a revocation.List: it returns nil if the caller may go on, an error that wraps
// [auth.ErrInvalidToken] if not, and any other error if that could not be decided. Call [Streams.Close]
// before the program ends.
func New(check func(ctx context.Context, p *auth.Principal) error, cfg Config) (*Streams, error) {
	faults := cfgerr.Faults{Prefix: "stream."}
	faults.Require("New.check", check != nil)
	s := &Streams{
		check: check, keys: cfg.Keys, changed: cfg.Changed, log: cmp.Or(cfg.Guard.Logger, slog.Default()), events: cfg.Events,
		every: cfgerr.Within(&faults, "Config.Every", cfg.Every, defaultEvery, minEvery, maxEvery), leeway: cfg.Leeway,
		began: time.Now(), closed: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	if s.leeway < 0 { // jwt.NoLeeway
		s.leeway = 0
	} else {
		s.leeway = cfgerr.Within(&faults, "Config.Leeway", s.leeway, defaultLeeway, time.Microsecond, maxOverrun)
	}
	if cfg.Records != nil {
		s.records = detach.Records[auth.Record]{Store: cfg.Records, Calls: detach.New()}
	}
	var err error
	s.refusals, err = newRefusals(cfg.Guard)
	faults.Join(err)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.nextWake = time.Now().Add(s.every)
	go s.run()
	return s, nil
}

// Close ends every stream, with the cause [context.Canceled], and the goroutine. From then on no stream
// begins: requests are answered 503. It returns nil.
func (s *Streams) Close() error {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.stop()
	<-s.closed
	for {
		s.mu.Lock()
		if len(s.open) == 0 {
			s.mu.Unlock()
			return nil
		}
		o := s.open[0]
		s.open.remove(o)
		s.mu.Unlock()
		s.cut(o, context.Canceled)
	}
}

// ask asks whether p may go on. It returns nil, the cause for which the stream ends, or an error that
// says that this could not be decided.
func (s *Streams) ask(ctx context.Context, p *auth.Principal) error {
	check, revoked := s.check, auth.ErrRevokedToken
	if p.Kind() == auth.KindAPIKey {
		if s.keys == nil {
			return &cfgerr.Error{Field: "stream.Config.Keys", Reason: "is required for callers who use API keys"}
		}
		check, revoked = s.keys, ErrKeyRevoked
	}
	switch err := check(ctx, p); {
	case err == nil:
		return nil
	case errors.Is(err, auth.ErrExpiredToken):
		return auth.ErrExpiredToken
	case errors.Is(err, auth.ErrInvalidToken):
		return revoked
	default:
		return err
	}
}
