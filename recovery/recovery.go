package recovery

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/origin"
)

// Config is what [New] may be told, beside BaseURL, which is required.
type Config struct {
	// BaseURL is what each link begins with, followed by a slash, the [Kind] and
	// the token: "https://app.example/account" gives
	// "https://app.example/account/reset?token=…". It is https, or http on this
	// machine itself, without query or fragment. No link is ever made of what a
	// request says about its host.
	BaseURL string

	// Canonical returns the one form of an address that is stored and looked up.
	// nil: [Canonical]. It must be that of the usernames if those are addresses.
	Canonical func(address string) (string, error)

	// ResetLife is how long a link to a new password is good. 0: 30 min; 1 min to 1 h.
	ResetLife time.Duration

	// VerifyLife is how long a link that proves or changes an address is good. 0:
	// 24 h; 1 min to 24 h.
	VerifyLife time.Duration

	// LinkLife and CodeLife are how long a link or code logs in. 0: 15 min and 10
	// min; 1 min to 1 h and to 10 min.
	LinkLife, CodeLife time.Duration

	// Workers is how many messages are sent at once. 0: 4; 1 to 64.
	Workers int

	// Queue is how many requests may wait to be sent; one more is refused, whoever
	// it is from. 0: 1,024; 1 to 65,536.
	Queue int

	// SendTimeout bounds the work for one message. 0: 30 s; 1 s to 5 min.
	SendTimeout time.Duration

	// Events receives what happens, as [auth.Config].Events does: from the queue,
	// too. nil: nobody is told.
	Events func(ctx context.Context, e auth.Event)

	// Logger is told what failed in the queue, where nobody waits for an error.
	// nil: nobody.
	Logger *slog.Logger
}

// Recovery does what the package says. Make one with [New], and end it with Close;
// it is safe for concurrent use.
type Recovery struct {
	accounts  *auth.Authenticator
	addresses Addresses
	records   auth.RecordStore
	notifier  Notifier
	config    Config
	queue     *queue
}

var errZero = errors.New("recovery: zero value is not usable, use its New function")

// New returns a Recovery of these accounts, or every fault as an
// [*cfgerr.Error]. Addresses are where messages go; records keep tokens and how
// many messages were sent.
func New(accounts *auth.Authenticator, addresses Addresses, records auth.RecordStore, notifier Notifier, cfg Config) (*Recovery, error) {
	var faults []error
	fault := func(field, value, reason string) {
		faults = append(faults, &auth.ConfigError{Field: field, Value: value, Reason: reason})
	}
	for _, required := range []struct {
		name    string
		missing bool
	}{
		{"accounts", accounts == nil}, {"addresses", addresses == nil}, {"records", records == nil}, {"notifier", notifier == nil},
	} {
		if required.missing {
			fault("recovery.New."+required.name, "", "is required")
		}
	}
	if !isBaseURL(cfg.BaseURL) {
		fault("recovery.Config.BaseURL", cfg.BaseURL, "must be https (http on this machine itself), with a host, without user, query and fragment")
	}
	within(fault, "ResetLife", &cfg.ResetLife, 30*time.Minute, time.Minute, time.Hour)
	within(fault, "VerifyLife", &cfg.VerifyLife, 24*time.Hour, time.Minute, 24*time.Hour)
	within(fault, "LinkLife", &cfg.LinkLife, 15*time.Minute, time.Minute, time.Hour)
	within(fault, "CodeLife", &cfg.CodeLife, 10*time.Minute, time.Minute, 10*time.Minute)
	within(fault, "Workers", &cfg.Workers, 4, 1, 64)
	within(fault, "Queue", &cfg.Queue, 1024, 1, 65_536)
	within(fault, "SendTimeout", &cfg.SendTimeout, 30*time.Second, time.Second, 5*time.Minute)
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	cfg.BaseURL = strings.TrimSuffix(cfg.BaseURL, "/")
	if cfg.Canonical == nil {
		cfg.Canonical = Canonical
	}
	if cfg.Events == nil {
		cfg.Events = func(context.Context, auth.Event) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Recovery{
		accounts: accounts, addresses: addresses, records: records, notifier: notifier, config: cfg,
		queue: newQueue(cfg.Workers, cfg.Queue, cfg.SendTimeout),
	}, nil
}

// within checks a setting of which 0 is the default.
func within[T int | time.Duration](fault func(field, value, reason string), name string, value *T, otherwise, least, most T) {
	if *value == 0 {
		*value = otherwise
	} else if *value < least || *value > most {
		fault("recovery.Config."+name, fmt.Sprint(*value), fmt.Sprintf("must be 0 or %v to %v", least, most))
	}
}

func isBaseURL(s string) bool {
	return origin.IsSecureURL(s) && !strings.ContainsAny(s, "?\" \\<>")
}

// Close takes no more requests, and returns when all messages that wait have been
// sent; no goroutine is left then. It returns ctx's error if that ends first, and
// then the rest is not sent.
func (r *Recovery) Close(ctx context.Context) error {
	if err := r.usable(); err != nil {
		return err
	}
	return r.queue.close(ctx)
}

func (r *Recovery) usable() error {
	if r == nil || r.queue == nil {
		return errZero
	}
	return nil
}

// life returns how long tokens of a kind are good.
func (r *Recovery) life(kind Kind) time.Duration {
	switch kind {
	case KindReset:
		return r.config.ResetLife
	case KindLogin:
		return r.config.LinkLife
	case KindCode:
		return r.config.CodeLife
	}
	return r.config.VerifyLife
}

// account is what a token is bound to.
type account struct {
	user     string
	address  string // empty: none
	verified bool
	mark     [sha256.Size]byte // the fingerprint of the password
	state    []byte            // a digest that changes when password or address do
}

// account returns that of a user. See isGone for who has none.
func (r *Recovery) account(ctx context.Context, userID string) (account, error) {
	mark, err := r.accounts.Fingerprint(ctx, userID)
	if err != nil {
		return account{}, err
	}
	address, verified, err := r.addresses.Address(ctx, userID)
	if err != nil && !errors.Is(err, auth.ErrUserNotFound) {
		return account{}, fmt.Errorf("recovery: load address: %w", err)
	}
	state := sha256.Sum256(append(mark[:], address...))
	return account{user: userID, address: address, verified: verified, mark: mark, state: state[:]}, nil
}

// isGone reports whether an error means that there is nobody, or nobody who may
// log in.
func isGone(err error) bool {
	return errors.Is(err, auth.ErrUserNotFound) || errors.Is(err, auth.ErrInvalidCredentials)
}

func (r *Recovery) tell(ctx context.Context, kind auth.EventKind, userID string, err error) {
	r.config.Events(ctx, auth.Event{Kind: kind, UserID: userID, Device: auth.DeviceFromContext(ctx), Err: err})
}
