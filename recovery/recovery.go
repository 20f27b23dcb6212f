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
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/detach"
	"github.com/seed-e36e2130/auth/internal/origin"
)

// Config configures a [Recovery]. BaseURL is required. For the rest the zero value is the safe choice.
type Config struct {
	// BaseURL is what each link begins with. A slash, the [Kind] and the token follow:
	// "https://app.example.com/account" gives "https://app.example.com/account/reset?token=…". It
	// must be https, or http to this machine, without query or fragment. The Host header of a request
	// never becomes part of a link.
	BaseURL string

	// Canonical returns the one form of an address that is stored and looked up. It must be the
	// function for usernames if those are addresses. nil: [Canonical].
	Canonical func(address string) (string, error)

	// ResetLife is how long a link to reset the password is valid. 0: 30 min; from 1 min to 1 h.
	ResetLife time.Duration

	// VerifyLife is how long a link to verify or change an address is valid. 0: 24 h; from 1 min to
	// 24 h.
	VerifyLife time.Duration

	// LinkLife and CodeLife are how long a link and a code to log in are valid; where one message has
	// both, the shorter. 0: 15 min and 10 min; from 1 min to 1 h and to 10 min.
	LinkLife, CodeLife time.Duration

	// Workers is how many addresses are looked up, how many requested messages are sent, and how many
	// notices are sent at the same time. Each of the three has workers of its own. 0: 4; from 1 to 64.
	Workers int

	// Queue is how many requests may wait, beside those that occupy a worker. If there are more, every
	// further request is refused, whatever its address. A network can hold a sixteenth of all places.
	// Notices to owners take none of them. 0: 1,024; from 1 to 65,536.
	Queue int

	// NetworkBurst is how many requests for messages one network may make at once, whatever the
	// addresses, and NetworkEvery is how long it takes until one more is allowed. A network is an IPv4
	// address or an IPv6 /64; an IPv6 /48 may make four times as many. Requests are counted where their
	// context has a device with an IP address: see [auth.WithDevice]. 0: 100 and 10 seconds; from 1 to
	// 100,000 and from 1 ms to 1 hour.
	NetworkBurst int
	NetworkEvery time.Duration

	// SendTimeout bounds the work for one message. 0: 30 s; from 1 s to 5 min.
	SendTimeout time.Duration

	// OnFirstProof is called when an address was proven for the first time by a prover who did not give
	// the account's current password: by [Recovery.Reset] or [Recovery.ClaimAddress]. Somebody else may
	// have set the account up. The password has been replaced then, and the sessions and links have
	// ended. OnFirstProof must remove every other credential: second factors, passkeys, API keys. With
	// package totp it is the method Disable of its Factor. The method Forget of a throttle.Throttle
	// removes the devices that are known. After an error the address stays unproven, and the caller gets
	// the error. Required if the accounts have a second factor.
	OnFirstProof func(ctx context.Context, userID string) error

	// Events receives what happens, as [auth.Config].Events does, and is also called from the queue.
	// nil: there are no events.
	Events func(ctx context.Context, e auth.Event)

	// Logger receives the errors of the queue, which no caller waits for. nil: [slog.Default].
	Logger *slog.Logger
}

// Recovery sends links and codes, and does what they are for. It is safe for concurrent use. Make one
// with [New], and end it with Close.
type Recovery struct {
	accounts  *auth.Authenticator
	addresses Addresses
	records   auth.RecordStore
	notifier  Notifier
	config    Config

	lookUps   *queue // look-ups of requests
	sending   *queue // one job for each look-up: its message, or the time of one
	notices   *queue // messages about what happened to accounts
	places    *places
	durations durations // of the messages of the sending queue
}

// New returns a Recovery for these accounts, or every fault of the configuration as a
// [*cfgerr.Error]. Messages go to addresses. The store of records keeps tokens, and how many messages
// were sent.
func New(
	accounts *auth.Authenticator, addresses Addresses, records auth.RecordStore, notifier Notifier, cfg Config,
) (*Recovery, error) {
	faults := cfgerr.Faults{Prefix: "recovery.New."}
	faults.Require("accounts", accounts != nil)
	faults.Require("addresses", addresses != nil)
	faults.Require("records", records != nil)
	faults.Require("notifier", notifier != nil)
	faults.Prefix = "recovery.Config."
	if accounts != nil && accounts.Capabilities().SecondFactor && cfg.OnFirstProof == nil {
		faults.Add("OnFirstProof", "", "is required, because accounts have a second factor: it must remove that")
	}
	cfg.check(&faults)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	calls := detach.New()
	addresses, records = detachedAddresses{addresses, calls}, detachedRecords{records, calls}
	return &Recovery{
		accounts: accounts, addresses: addresses, records: records, notifier: notifier, config: cfg,
		lookUps: newQueue(cfg.Workers, cfg.SendTimeout),
		sending: newQueue(cfg.Workers, cfg.SendTimeout),
		notices: newQueue(cfg.Workers, cfg.SendTimeout),
		places:  newPlaces(cfg.Queue + cfg.Workers),
	}, nil
}

// check adds the faults of c, and puts defaults in the place of what was not given.
func (c *Config) check(faults *cfgerr.Faults) {
	if !isBaseURL(c.BaseURL) {
		faults.Add("BaseURL", c.BaseURL, "must be an https URL, or http to this machine, without user, query and fragment")
	}
	c.BaseURL = strings.TrimSuffix(c.BaseURL, "/")
	c.ResetLife = cfgerr.Within(faults, "ResetLife", c.ResetLife, 30*time.Minute, time.Minute, time.Hour)
	c.VerifyLife = cfgerr.Within(faults, "VerifyLife", c.VerifyLife, 24*time.Hour, time.Minute, 24*time.Hour)
	c.LinkLife = cfgerr.Within(faults, "LinkLife", c.LinkLife, 15*time.Minute, time.Minute, time.Hour)
	c.CodeLife = cfgerr.Within(faults, "CodeLife", c.CodeLife, 10*time.Minute, time.Minute, 10*time.Minute)
	c.Workers = cfgerr.Within(faults, "Workers", c.Workers, 4, 1, 64)
	c.Queue = cfgerr.Within(faults, "Queue", c.Queue, 1024, 1, 65_536)
	c.NetworkBurst = cfgerr.Within(faults, "NetworkBurst", c.NetworkBurst, 100, 1, 100_000)
	c.NetworkEvery = cfgerr.Within(faults, "NetworkEvery", c.NetworkEvery, 10*time.Second, time.Millisecond, time.Hour)
	c.SendTimeout = cfgerr.Within(faults, "SendTimeout", c.SendTimeout, 30*time.Second, time.Second, 5*time.Minute)
	if c.Canonical == nil {
		c.Canonical = Canonical
	}
	if c.OnFirstProof == nil {
		c.OnFirstProof = func(context.Context, string) error { return nil }
	}
	if c.Events == nil {
		c.Events = func(context.Context, auth.Event) {}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}

func isBaseURL(s string) bool {
	return origin.IsSecureURL(s) && !strings.ContainsAny(s, "?\" \\<>")
}

// Close accepts no more requests and returns when every message that waits has been sent and no
// goroutine is left. A notice that waits to be sent again is tried once more. If ctx ends first, Close
// returns its error and the remaining messages are not sent.
func (r *Recovery) Close(ctx context.Context) error {
	queues := []*queue{r.lookUps, r.sending, r.notices} // jobs of a queue add jobs to those after it
	for _, q := range queues {
		if err := q.close(ctx); err != nil {
			for _, q := range queues {
				q.end()
			}
			return err
		}
	}
	return nil
}

// life returns how long what was requested is valid.
func (r *Recovery) life(w wanted) time.Duration {
	switch {
	case w.kind == KindReset:
		return r.config.ResetLife
	case w.kind == KindCode:
		return r.config.CodeLife
	case w.isChallenged():
		return min(r.config.LinkLife, r.config.CodeLife)
	case w.kind == KindLogin:
		return r.config.LinkLife
	}
	return r.config.VerifyLife
}

// account is the state of an account that a token is bound to.
type account struct {
	user        string // ID
	address     string // empty: the account has none
	verified    bool
	fingerprint [sha256.Size]byte // changes with the password
	state       []byte            // a digest that changes with the password, the address, and its first proof
}

// account returns the account of a user. See isGone for its error if the user cannot log in.
func (r *Recovery) account(ctx context.Context, userID string) (account, error) {
	fingerprint, err := r.accounts.Fingerprint(ctx, userID)
	if err != nil && !isGone(err) {
		return account{user: userID}, err
	}
	address, verified, failed := r.addresses.Address(ctx, userID) // also if the account is gone: see recipient
	switch {
	case err != nil:
		return account{user: userID}, err
	case failed != nil && !errors.Is(failed, auth.ErrUserNotFound):
		return account{user: userID}, fmt.Errorf("recovery: load address: %w", failed)
	}
	state := sha256.Sum256(fmt.Appendf(fingerprint[:], "%t%s", verified, address))
	return account{userID, address, verified, fingerprint, state[:]}, nil
}

// isGone reports whether an error means that there is no such user, or that the user may not log in.
func isGone(err error) bool {
	return errors.Is(err, auth.ErrUserNotFound) || errors.Is(err, auth.ErrInvalidCredentials)
}

// emit emits an event about a user, from the device of the call.
func (r *Recovery) emit(ctx context.Context, kind auth.EventKind, userID string, err error) {
	r.config.Events(ctx, auth.Event{Kind: kind, UserID: userID, Device: auth.DeviceFromContext(ctx), Err: err})
}
