package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"
	"unicode/utf8"
)

// Config is what [New] may be told. Its zero value is the safe choice.
type Config struct {
	// Hasher makes and checks password hashes. nil: bcrypt at cost 12. Unless it
	// comes from [Limit] it is put in a Limit of the default size.
	Hasher Hasher

	// MinPasswordLength of a new password, in code points. 0: 8; 8 to 64, and 15
	// where a password is all that protects an account (NIST SP 800-63B-4
	// section 3.1.1.2).
	MinPasswordLength int

	// MaxPasswordBytes of a password, in UTF-8. 0: 1,024; 256 to 4,096.
	MaxPasswordBytes int

	// ContextWords are what a new password may not be made of, beside the user's own
	// name: the service's name, say, or its domain. A password is refused that has
	// fewer than 8 characters besides, fewer than 4 of them letters, in whatever
	// case. At most 100, each of at least 3 characters and at most 255 bytes.
	ContextWords []string

	// PasswordChecker, if not nil, is asked about a new password that breaks no
	// other rule, as with package pwned.
	PasswordChecker PasswordChecker

	// NormalizeUsername returns the one form of a username that is stored and
	// looked up, or an error if it is none; whatever the form, it has 1 to 255
	// bytes. nil: UsernameCaseMapped of RFC 8265, which folds case and width and
	// takes e-mail addresses too; and Register refuses names that are easily taken
	// for another, by the data of UTS 39, while whoever has one logs in: names that
	// mix scripts, look like one in ASCII, also in capitals, or hold other digits
	// than 0 to 9. It is the way to keep the names of a table that already exists.
	NormalizeUsername func(username string) (string, error)

	// NewUserID returns the ID of the account that [Authenticator.Register] makes,
	// for tables whose IDs have a form of their own: a UUID, the next value of a
	// sequence. It must be one that no account has had, and not empty; an error ends
	// the registration and is passed on. nil: 26 random letters and digits.
	NewUserID func(ctx context.Context) (string, error)

	// Claims, if not nil, completes the claims of a user's token: scopes, roles,
	// custom ones. Subject, SessionID, AuthTime and AMR are set; the first two
	// must stay. u comes without its PasswordHash. It is called for each token,
	// that of a refresh too: who loses a role keeps it until the token expires or its
	// session is ended. An error ends the login or refresh and is passed on.
	Claims func(ctx context.Context, u User, c *Claims) error

	// Throttle, if not nil, is asked before a password is looked at. nil: who
	// guesses is slowed by the hashing alone. Required with SecondFactor.
	Throttle Throttle

	// SecondFactor, if not nil, is asked when a user has proven their password:
	// see [Authenticator.Login]. It needs a Throttle: a code is short, and looking at
	// one takes no time. nil: a password is enough.
	SecondFactor SecondFactor

	// Records keeps what a login is at before its second factor: as a rule, the
	// same store as users. Required with SecondFactor.
	Records RecordStore

	// Accounts, if not nil, is for Disable, Enable and Delete: as a rule, the same
	// store as users.
	Accounts AccountStore

	// Sessions, if not nil, keeps logins, each with refresh tokens. nil: an access
	// token is all that a login gives.
	Sessions SessionStore

	// RefreshKeys make refresh tokens: HS256 secrets, the same for all replicas. A
	// key that no longer signs is needed for SessionIdle more; taken away at once,
	// it ends everybody's sessions that were last used with it. They may be the
	// keys of a [JWTIssuer] if those are such. Required with Sessions.
	RefreshKeys *KeyRing

	// RefreshWindow is how long a used refresh token still gets the answer that it
	// got, for two tabs and for repeated requests: see [Authenticator.Refresh].
	// 0: 30 s; at most 10 minutes; negative: not at all, so that a token is good
	// for one use.
	RefreshWindow time.Duration

	// SessionIdle is how long a session lives that is not used, SessionLifetime
	// how long it lives at all. 0: 14 days and 90 days; 1 minute to 3650 days.
	SessionIdle, SessionLifetime time.Duration

	// SessionsPerUser is how many there may be: one more ends the one that was not
	// used for longest. 0: 100; 1 to 1,000.
	SessionsPerUser int

	// Revoked, if not nil, is called when sessions have ended, before the call
	// that ended them returns: with the Sync of a revocation.List their access
	// tokens end at once where they were logged out. Its error is logged.
	Revoked func(ctx context.Context) error

	// Events receives what happens, after it has happened, in the goroutine that
	// caused it: it must return soon, and hand over what takes longer. It is called
	// from several goroutines at once. What it does at a failed login it does for
	// every reason alike, or time tells who exists. nil: nobody is told.
	Events func(ctx context.Context, e Event)

	// Logger is told what an operator should know: a stored hash that cannot be
	// read, an upgrade of a hash that failed. nil: nobody.
	Logger *slog.Logger
}

// New returns an Authenticator over the accounts in users and the tokens of
// tokens. It makes one password hash (a quarter of a second with the default) and
// carries one token through its own verifier. It returns every fault as a
// [*ConfigError], or the error with which hasher or issuer failed.
func New(users UserStore, tokens TokenIssuer, cfg Config) (*Authenticator, error) {
	var faults []error
	fault := func(field, value, reason string) {
		faults = append(faults, &ConfigError{Field: field, Value: value, Reason: reason})
	}
	within := func(field string, value *int, otherwise, least, most int) {
		if *value == 0 {
			*value = otherwise
		} else if *value < least || *value > most {
			fault(field, strconv.Itoa(*value), fmt.Sprintf("must be 0 or %d to %d", least, most))
		}
	}
	if users == nil {
		fault("New.users", "", "is required")
	}
	if tokens == nil {
		fault("New.tokens", "", "is required")
	}
	within("Config.MinPasswordLength", &cfg.MinPasswordLength, leastMinPassword, leastMinPassword, mostMinPassword)
	within("Config.MaxPasswordBytes", &cfg.MaxPasswordBytes, defaultMaxPassword, leastMaxPassword, mostMaxPassword)
	if len(cfg.ContextWords) > maxContextWords {
		fault("Config.ContextWords", strconv.Itoa(len(cfg.ContextWords)), fmt.Sprintf("must be at most %d", maxContextWords))
	}
	for _, w := range cfg.ContextWords {
		if len(w) > maxUsername || !utf8.ValidString(w) || utf8.RuneCountInString(w) < leastContextWord {
			fault("Config.ContextWords", w, fmt.Sprintf("must be text of at least %d characters and at most %d bytes", leastContextWord, maxUsername))
		}
	}
	if (cfg.SecondFactor == nil) != (cfg.Records == nil) {
		fault("Config.Records", "", "is required with SecondFactor, and of no use without")
	}
	if cfg.SecondFactor != nil && cfg.Throttle == nil {
		fault("Config.Throttle", "", "is required with SecondFactor: whoever is not slowed guesses a code")
	}
	kept := newSessions(&cfg, fault)
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}

	if cfg.Hasher == nil {
		cfg.Hasher = Bcrypt{}
	}
	if _, bounded := cfg.Hasher.(*limited); !bounded {
		cfg.Hasher = Limit(cfg.Hasher, 0)
	}
	ownForm := cfg.NormalizeUsername != nil
	if !ownForm {
		cfg.NormalizeUsername = precisUsername
	}
	if cfg.NewUserID == nil {
		cfg.NewUserID = func(context.Context) (string, error) { return rand.Text(), nil } // at least 128 bits
	}
	if cfg.Events == nil {
		cfg.Events = func(context.Context, Event) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Authenticator{
		users: users, tokens: tokens, hasher: cfg.Hasher,
		passwords: passwordRule{
			least: cfg.MinPasswordLength, most: cfg.MaxPasswordBytes,
			context: contextWords(cfg.ContextWords...), checker: cfg.PasswordChecker,
		},
		normalize: cfg.NormalizeUsername, distinct: !ownForm, newID: cfg.NewUserID, claims: cfg.Claims, log: cfg.Logger,
		throttle: cfg.Throttle, second: cfg.SecondFactor, records: cfg.Records, accounts: cfg.Accounts, sessions: kept, events: cfg.Events,
	}
	if err := a.start(context.Background()); err != nil {
		return nil, err
	}
	return a, nil
}
