package auth

import (
	"context"
	"log/slog"
	"time"

	"github.com/seed-e36e2130/auth/internal/usernames"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/session"
)

// Authenticator registers accounts, checks passwords, and issues the tokens that it verifies. Make
// one with [New]. It is immutable and safe for concurrent use.
//
// Its methods pass their context on. A call of a store, throttle or second factor that has begun is not
// cancelled with it, so that clients who hang up cost a database no connections: it ends after 10
// seconds, or by a nearer deadline of the context, but not before 2 seconds. No call begins once the
// context has ended. Where none of the errors they name applies, they return what
// stores, hashers and issuers return, wrapped: an infrastructure failure, or a [*RetryError] of
// [passwords.ErrBusy] if too many hashes are waiting.
type Authenticator struct {
	users     UserStore
	tokens    TokenIssuer
	hasher    Hasher
	passwords *passwords.Rules
	usernames usernames.Rule
	newID     func(context.Context) (string, error)
	claims    func(context.Context, User, *Claims) error
	log       *slog.Logger

	// unknownHash is the hash of a random password. Every failed login costs the same, because this
	// hash is checked where there is no account, or where the account has no hash.
	unknownHash func() string // a function, because package fmt does not look into functions

	throttle Throttle                    // nil: attempts are not limited
	second   SecondFactor                // nil: no account has one
	records  RecordStore                 // nil: nothing waits for a second factor, and nothing is deleted with an account
	accounts AccountStore                // nil: no account can be disabled or deleted
	sessions *session.Keeper             // nil: there are no sessions
	revoked  func(context.Context) error // nil: nothing to call
	events   func(context.Context, Event)

	keepSessions bool // Config.DangerouslyKeepSessions
}

// Capabilities says what an [Authenticator] was configured with.
type Capabilities struct {
	Sessions     bool // refresh tokens, logout, a list of sessions: [Config].Sessions
	Throttle     bool // attempts are limited: [Config].Throttle
	SecondFactor bool // accounts may have a second factor: [Config].SecondFactor
	Accounts     bool // accounts can be disabled and deleted: [Config].Accounts
}

// Capabilities returns what a was configured with. Methods that need more return an error.
func (a *Authenticator) Capabilities() Capabilities {
	return Capabilities{
		Sessions: a.sessions != nil, Throttle: a.throttle != nil, SecondFactor: a.second != nil, Accounts: a.accounts != nil,
	}
}

// Verify returns the principal of a token: see [jwt.TokenVerifier].
func (a *Authenticator) Verify(ctx context.Context, token string) (*Principal, error) {
	return a.tokens.Verify(ctx, token)
}

// WithDevice returns a context for calls that come from device d: the sessions that they begin or
// use, and the events that they cause, name it, and a [Throttle] knows it by d.Known.
func WithDevice(ctx context.Context, d Device) context.Context {
	clean := d.Clean()
	clean.Known = d.Known
	return context.WithValue(ctx, deviceKey{}, &clean) // a pointer: no verb of package fmt prints what it points at
}

// DeviceFromContext returns the device of [WithDevice] without Known, or the zero Device.
func DeviceFromContext(ctx context.Context) Device {
	d := knownDevice(ctx)
	d.Known = ""
	return d
}

// WithSession returns a context for logins on terms of their own, such as a short life for users who do
// not ask to be remembered: the session that such a call begins keeps the terms through every refresh. A
// change of the password keeps those of the caller's session.
func WithSession(ctx context.Context, t session.Terms) context.Context {
	return session.WithTerms(ctx, t)
}

type deviceKey struct{}

// knownDevice returns the device of a call, with Known.
func knownDevice(ctx context.Context) Device {
	if d, ok := ctx.Value(deviceKey{}).(*Device); ok {
		return *d
	}
	return Device{}
}

// emit emits an event about a user.
func (a *Authenticator) emit(ctx context.Context, kind EventKind, userID, sessionID string) {
	a.events(ctx, Event{Kind: kind, UserID: userID, SessionID: sessionID, Device: DeviceFromContext(ctx)})
}

// cleanupTime bounds what is done for a client that may have hung up.
const cleanupTime = 10 * time.Second

// detached returns a context for work that must be done though the client hangs up, but not though
// the store is down.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
}

// withoutHash returns u as it may leave this package.
func withoutHash(u User) User {
	u.PasswordHash = ""
	return u
}
