package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/usernames"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/session"
)

// Config configures an [Authenticator]. Its zero value is the safe choice.
type Config struct {
	// Hasher makes and checks password hashes. nil: bcrypt at cost 12. Unless it comes from [passwords.Limit],
	// it is put in a Limit of the default size.
	Hasher Hasher

	// Passwords says what a new password must satisfy. Its zero value asks for 8 characters that are
	// no common password and not the username.
	Passwords passwords.Policy

	// NormalizeUsername returns the canonical form of a username, which is stored and looked up, or
	// an error if the username is not allowed. It gets the username without the white space around it.
	// The form must have 1 to 255 bytes. nil: [CanonicalUsername].
	NormalizeUsername func(username string) (string, error)

	// DangerouslyAllowConfusableUsernames lets Register accept new usernames that are confusable with
	// others (UTS 39): names that mix scripts, that look like an ASCII name, also in capitals, or that
	// contain other digits than 0 to 9. False: it rejects them, whatever NormalizeUsername is. Accounts
	// that have such a name can log in either way.
	DangerouslyAllowConfusableUsernames bool

	// NewUserID returns the ID of the account that [Authenticator.Register] adds, for tables whose
	// IDs have a form of their own, such as a UUID or the next value of a sequence. It must not be
	// empty, nor one that any account ever had. An error ends the registration and is passed on.
	// nil: 26 random letters and digits.
	NewUserID func(ctx context.Context) (string, error)

	// Claims, if not nil, completes the claims of a user's token: scopes, roles, custom claims.
	// Subject, SessionID, AuthTime and AMR are set; the first two must stay as they are. u comes
	// without its PasswordHash. It is called for each token, also at a refresh: a user who loses a
	// role keeps it until the token expires or its session is ended, except with package roles, whose
	// Rules have such a function. An error ends the login or refresh and is passed on.
	Claims func(ctx context.Context, u User, c *Claims) error

	// Throttle, if not nil, is asked before a password is looked at. nil: only the cost of hashing
	// slows down guessing. Required with SecondFactor.
	Throttle Throttle

	// SecondFactor, if not nil, is asked when a user has proven their password: see
	// [Authenticator.Login]. It needs a Throttle, because codes are short and checking one takes no
	// time. nil: a password is enough.
	SecondFactor SecondFactor

	// Records keeps logins that wait for their second factor: usually the same store as users.
	// [Authenticator.Delete] deletes all records there that the user owns, so name the store that
	// package recovery and the second factor keep theirs in. Required with SecondFactor. nil: Delete
	// leaves records to DeleteUser of Accounts, and to the host.
	Records RecordStore

	// Accounts, if not nil, is used by Disable, Enable and Delete: usually the same store as users.
	Accounts AccountStore

	// Sessions, if not nil, keeps sessions, each with refresh tokens. nil: an access token is all
	// that a login gives.
	Sessions SessionStore

	// RefreshKeys make refresh tokens; they are the same on all replicas. When you replace a key,
	// keep the old one among the older keys for SessionIdle more: removed at once, it ends all
	// sessions that were last used with it. Required with Sessions.
	RefreshKeys *secrets.Ring

	// RefreshWindow is how long a used refresh token still gets the answer that it got, for two tabs
	// and for repeated requests: see [Authenticator.Refresh]. 0: 30 s; at most 10 minutes; negative:
	// not at all, so that a token is good for one use.
	RefreshWindow time.Duration

	// SessionIdle is how long a session lives that is not used, SessionLifetime how long any session
	// lives. 0: 14 days and 90 days; from 1 minute to 3,650 days.
	SessionIdle, SessionLifetime time.Duration

	// SessionsPerUser is how many sessions a user may have: one more ends the least recently used.
	// 0: 100; from 1 to 1,000.
	SessionsPerUser int

	// DangerouslyKeepSessions leaves the other sessions of a user as they are when the user changes the
	// password or the address, or adds or removes a second factor: see
	// [Authenticator.EndOtherSessions]. A thief who has one of them keeps it. A password that is reset
	// ends all sessions, whatever this says.
	DangerouslyKeepSessions bool

	// Revoked, if not nil, is called when sessions have ended, before the call that ended them
	// returns. With the Sync of a revocation.List their access tokens end at once in this process.
	// Its error is logged.
	Revoked func(ctx context.Context) error

	// Events receives what happens, after it has happened, in the goroutine that caused it. It must
	// return soon, and hand over work that takes longer. It is called from several goroutines at
	// once. At a failed login it must do the same for every reason, or the time that it takes tells
	// which accounts exist. nil: there are no events.
	Events func(ctx context.Context, e Event)

	// Logger receives what an operator should know: a stored hash that cannot be read, an upgrade of
	// a hash that failed. nil: [slog.Default].
	Logger *slog.Logger
}

// CanonicalUsername is the default of [Config].NormalizeUsername: UsernameCaseMapped of RFC 8265, which
// folds case and width and allows e-mail addresses, without the white space around the username. A
// function of the host's own can begin with it. It returns a [*UsernameError] if there is no such form.
func CanonicalUsername(username string) (string, error) {
	return usernames.NewRule(nil, false).Canonical(username)
}

// New returns an Authenticator for the accounts in users and the tokens of tokens. It makes one
// password hash (a quarter of a second with the default), and issues and verifies one token. It
// returns every fault as a [*ConfigError], or the error with which the hasher or the issuer failed.
func New(users UserStore, tokens TokenIssuer, cfg Config) (*Authenticator, error) {
	a := &Authenticator{
		users: users, tokens: tokens, usernames: usernames.NewRule(cfg.NormalizeUsername, cfg.DangerouslyAllowConfusableUsernames), claims: cfg.Claims,
		throttle: cfg.Throttle, second: cfg.SecondFactor, records: cfg.Records, accounts: cfg.Accounts, revoked: cfg.Revoked,
		hasher: cfg.Hasher, newID: cfg.NewUserID, events: cfg.Events, log: cfg.Logger, keepSessions: cfg.DangerouslyKeepSessions,
	}
	if users != nil {
		a.detachStores(&cfg.Sessions)
	}
	if err := a.check(cfg); err != nil {
		return nil, err
	}
	a.setDefaults()
	if err := a.selfTest(context.Background()); err != nil {
		return nil, err
	}
	return a, nil
}

// check finds every fault of the configuration, and takes over the parts that have rules of their
// own.
func (a *Authenticator) check(cfg Config) (err error) {
	var faults cfgerr.Faults
	faults.Require("New.users", a.users != nil)
	faults.Require("New.tokens", a.tokens != nil)
	if a.tokens != nil && a.tokens.MaxLifetime() <= 0 {
		faults.Add("New.tokens", a.tokens.MaxLifetime().String(), "has a MaxLifetime that is not positive: revocations would not be kept")
	}
	if cfg.SecondFactor != nil && cfg.Records == nil {
		faults.Add("Config.Records", "", "is required with SecondFactor")
	}
	if cfg.SecondFactor != nil && cfg.Throttle == nil {
		faults.Add("Config.Throttle", "", "is required with SecondFactor: codes could be guessed without limit")
	}
	a.passwords, err = passwords.NewRules(cfg.Passwords)
	faults.Join(err)
	if cfg.Sessions == nil {
		refuseSessionSettings(&faults, cfg)
		return faults.Err()
	}
	settings := session.Config{
		Store: cfg.Sessions, Keys: cfg.RefreshKeys, Window: cfg.RefreshWindow,
		Idle: cfg.SessionIdle, Life: cfg.SessionLifetime, PerUser: cfg.SessionsPerUser,
	}
	if a.tokens != nil {
		settings.TokenLife = a.tokens.MaxLifetime()
	}
	a.sessions, err = session.New(settings)
	faults.Join(err)
	return faults.Err()
}

// refuseSessionSettings adds a fault for each setting of sessions: there are none.
func refuseSessionSettings(faults *cfgerr.Faults, cfg Config) {
	for _, setting := range []struct {
		field string
		given bool
	}{
		{"RefreshKeys", cfg.RefreshKeys != nil}, {"RefreshWindow", cfg.RefreshWindow != 0}, {"Revoked", cfg.Revoked != nil},
		{"DangerouslyKeepSessions", cfg.DangerouslyKeepSessions},
		{"SessionIdle", cfg.SessionIdle != 0}, {"SessionLifetime", cfg.SessionLifetime != 0}, {"SessionsPerUser", cfg.SessionsPerUser != 0},
	} {
		if setting.given {
			faults.Add("Config."+setting.field, "", "is of no use without Sessions")
		}
	}
}

// setDefaults puts defaults in the place of what was not given.
func (a *Authenticator) setDefaults() {
	if a.hasher == nil {
		a.hasher = passwords.Bcrypt{}
	}
	a.hasher = passwords.Normalized(passwords.Limit(a.hasher, 0))
	if a.newID == nil {
		a.newID = func(context.Context) (string, error) { return rand.Text(), nil } // 128 random bits or more
	}
	if a.events == nil {
		a.events = func(context.Context, Event) {}
	}
	if a.log == nil {
		a.log = slog.Default()
	}
}

// selfTest makes the hash that stands in for accounts without one, and issues and verifies one
// token: a hasher that does not work, or an issuer that refuses its own tokens, is found before the
// first login.
func (a *Authenticator) selfTest(ctx context.Context) error {
	unknown, err := a.hash(ctx, rand.Text())
	if err != nil {
		return err
	}
	a.unknownHash = func() string { return unknown }
	if a.hasher.NeedsRehash(unknown) {
		return &ConfigError{Field: "Config.Hasher", Reason: "reports the hash that it has just made as too weak"}
	}
	const subject = "self-test"
	token, err := a.tokens.Issue(ctx, Claims{Subject: subject})
	if err != nil {
		return fmt.Errorf("auth: issue token: %w", err)
	}
	p, err := a.tokens.Verify(ctx, token)
	// The self-test token has a made-up subject, so ErrRevokedToken or an undecided Check does not
	// mean that issuer and verifier disagree.
	refused := errors.Is(err, ErrInvalidToken) && !errors.Is(err, ErrRevokedToken)
	if refused || err == nil && p.Subject() != subject {
		return &ConfigError{Field: "New.tokens", Reason: "does not verify the token that it has just issued"}
	}
	if err == nil && time.Until(p.Expiry()) > a.tokens.MaxLifetime() {
		return &ConfigError{Field: "New.tokens", Value: a.tokens.MaxLifetime().String(), Reason: "has a MaxLifetime that the token it has just issued outlives"}
	}
	return nil
}
