package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
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

	// NormalizeUsername returns the one form of a username that is stored and
	// looked up, or an error if it is none; whatever the form, it has 1 to 255
	// bytes. nil: UsernameCaseMapped of RFC 8265, which folds case and width and
	// takes e-mail addresses too. It is the place to refuse look-alikes of other
	// scripts, and the way to keep the names of a table that already exists.
	NormalizeUsername func(username string) (string, error)

	// Claims, if not nil, completes the claims of a user's token: scopes, roles,
	// custom ones. Subject, AuthTime and AMR are set; Subject must stay. u comes
	// without its PasswordHash. An error ends the login and is passed on.
	Claims func(ctx context.Context, u User, c *Claims) error

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
		fault("users", "", "is required")
	}
	if tokens == nil {
		fault("tokens", "", "is required")
	}
	within("Config.MinPasswordLength", &cfg.MinPasswordLength, leastMinPassword, leastMinPassword, mostMinPassword)
	within("Config.MaxPasswordBytes", &cfg.MaxPasswordBytes, defaultMaxPassword, leastMaxPassword, mostMaxPassword)
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}

	if cfg.Hasher == nil {
		cfg.Hasher = Bcrypt{}
	}
	if _, bounded := cfg.Hasher.(*limited); !bounded {
		cfg.Hasher = Limit(cfg.Hasher, 0)
	}
	if cfg.NormalizeUsername == nil {
		cfg.NormalizeUsername = precisUsername
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Authenticator{
		users: users, tokens: tokens, hasher: cfg.Hasher,
		passwords: passwordRule{least: cfg.MinPasswordLength, most: cfg.MaxPasswordBytes},
		normalize: cfg.NormalizeUsername, claims: cfg.Claims, log: cfg.Logger,
	}
	if err := a.start(context.Background()); err != nil {
		return nil, err
	}
	return a, nil
}
