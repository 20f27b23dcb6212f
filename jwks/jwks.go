package jwks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/jose"
	"github.com/seed-e36e2130/auth/jwt"
)

// Config says whose tokens a [Verifier] accepts and how it comes by the keys. The
// functions named after products return one that is ready for use.
type Config struct {
	// Tokens says which tokens are accepted. Issuer and Audience are required.
	// Keys must be nil: the keys are the ones fetched. Its other fields mean what
	// they mean for [jwt.NewVerifier]; note that most issuers need Types.
	Tokens jwt.VerifierConfig

	// KeysURL is where the issuer publishes its JWK set. "": where the issuer's
	// metadata says (OpenID Connect Discovery 1.0 section 4), and then Issuer must
	// be an https URL and be named by the metadata exactly as it is here.
	KeysURL string

	// KeyHosts are further hosts, as in "keys.example.com" or "10.0.0.1:8443",
	// that the metadata may name for the JWK set. The issuer's own is always
	// allowed.
	KeyHosts []string

	// RSAAlgorithm is for RSA keys whose JWK names no algorithm: one of RS256 to
	// PS512. "": RS256. It never comes from a token.
	RSAAlgorithm string

	// Refresh is the age from which keys are fetched anew. Requests wait for that
	// only where the keys are twice as old, after a time without requests. 0: as
	// the answer's Cache-Control says, but 5 minutes to 1 hour, and 15 minutes
	// where it does not say; else at least 1 s and at most half of MaxStale.
	Refresh time.Duration

	// Cooldown is the least time between two fetches that tokens with unknown keys
	// cause, and from a failed fetch to the next. 0: 30 s; else 1 s to 10 minutes.
	Cooldown time.Duration

	// MaxStale is the age up to which keys serve that could not be fetched anew.
	// 0: 24 hours; else at least 10 minutes and at most 7 days.
	MaxStale time.Duration

	// Timeout bounds one fetch, metadata and all. 0: 10 s; else 1 s to 60 s.
	Timeout time.Duration

	// Transport makes the requests, for proxies and private certificate
	// authorities. Whatever it is, redirects are not followed, an answer may have
	// 256 KiB, and a set 100 keys. nil: a transport of its own, with the proxy of
	// the environment.
	Transport http.RoundTripper

	// DangerouslyPlainHTTP allows http to hosts other than this machine: whoever
	// can reach the wire then chooses the keys.
	DangerouslyPlainHTTP bool

	// Logger is told when keys have changed, could not be fetched, or are
	// refused. nil: silent.
	Logger *slog.Logger
}

// Verifier is an [jwt.TokenVerifier] for the tokens of one issuer, whose keys it
// fetches. It is safe for concurrent use. It has nothing to close: a fetch is the
// only thing that goes on after a request, and ends within Timeout.
type Verifier struct {
	issuer string
	tokens *jwt.Verifier
	keys   *cache
}

// New returns a verifier, or every fault of cfg as an [*cfgerr.Error]. It
// fetches nothing yet.
func New(cfg Config) (*Verifier, error) {
	var faults []error
	fault := func(field, value, reason string) {
		faults = append(faults, &auth.ConfigError{Field: "jwks.Config." + field, Value: value, Reason: reason})
	}
	between := func(field string, d *time.Duration, preset, least, most time.Duration) {
		if *d == 0 {
			*d = preset
		} else if *d < least || *d > most {
			fault(field, d.String(), fmt.Sprintf("must be 0 or %v to %v", least, most))
		}
	}
	between("Cooldown", &cfg.Cooldown, 30*time.Second, time.Second, 10*time.Minute)
	between("MaxStale", &cfg.MaxStale, 24*time.Hour, 10*time.Minute, 7*24*time.Hour)
	between("Timeout", &cfg.Timeout, 10*time.Second, time.Second, time.Minute)
	between("Refresh", &cfg.Refresh, 0, time.Second, cfg.MaxStale/2)
	switch alg := cfg.RSAAlgorithm; alg {
	case "", jwt.RS256, jwt.RS384, jwt.RS512, jwt.PS256, jwt.PS384, jwt.PS512:
	default:
		fault("RSAAlgorithm", alg, "must be one of RS256 to PS512")
	}

	ring := new(jwt.KeyRing)
	if cfg.Tokens.Keys != nil {
		fault("Tokens.Keys", "", "must be nil: the keys are fetched")
	}
	cfg.Tokens.Keys = ring
	tokens, err := jwt.NewVerifier(cfg.Tokens)
	if err != nil {
		faults = append(faults, err)
	}
	source := newSource(&cfg, fault)
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &Verifier{
		issuer: cfg.Tokens.Issuer,
		tokens: tokens,
		keys:   newCache(&cfg, source, ring),
	}, nil
}

// Verify returns the principal of a token that is genuine and valid now. It
// returns the errors of [jwt.Verifier.Verify], [jwt.ErrKeysUnavailable] in an
// [*passwords.RetryError] if there are no keys to decide by, and ctx's error if that
// ended while Verify waited for a fetch; the fetch goes on for others.
func (v *Verifier) Verify(ctx context.Context, token string) (*auth.Principal, error) {
	if v == nil || v.tokens == nil {
		return nil, errUnusable
	}
	held, now := v.keys.held.Load(), time.Now()
	if !held.serves(now) || held.isLate(now) {
		// The issuer is looked at before anything is asked of it.
		if err := v.checkIssuer(token); err != nil {
			return nil, err
		}
		if err := v.keys.renew(ctx, held); err != nil {
			return nil, err
		}
		held = v.keys.held.Load()
	}

	p, err := v.tokens.Verify(ctx, token)
	due, unknown := held.isDue(now), errors.Is(err, auth.ErrUnknownKey)
	if !due && !unknown {
		return p, err
	}
	if err != nil {
		if foreign := v.checkIssuer(token); foreign != nil {
			return nil, foreign
		}
	}
	if unknown {
		return v.verifyAnew(ctx, token, held, err)
	}
	v.keys.start(held, dueKeys)
	return p, err
}

// verifyAnew verifies a token again whose key was not among those held. A fetch
// that was under way may have begun before its key was published; so a second one
// is waited for, but no third.
func (v *Verifier) verifyAnew(ctx context.Context, token string, seen *held, unknown error) (*auth.Principal, error) {
	for range 2 {
		fetch := v.keys.start(seen, unknownKey)
		if fetch == nil {
			break
		}
		if err := fetch.wait(ctx); err != nil {
			return nil, err
		}
		seen = v.keys.held.Load()
		p, err := v.tokens.Verify(ctx, token)
		if !errors.Is(err, auth.ErrUnknownKey) {
			return p, err
		}
	}
	if err := v.keys.failure(); err != nil {
		return nil, err // the key may be a new one that could not be fetched
	}
	return nil, unknown
}

// checkIssuer keeps the tokens of others from causing a fetch. What it accepts is
// not verified, and proves nothing.
func (v *Verifier) checkIssuer(token string) error {
	unverified, err := jose.UnverifiedText(token, "iss")
	switch {
	case err != nil:
		return errMalformed
	case unverified != v.issuer:
		return errIssuer
	}
	return nil
}

var (
	errIssuer    = fmt.Errorf("%w: issuer", auth.ErrInvalidToken)
	errMalformed = fmt.Errorf("%w: malformed", auth.ErrInvalidToken)
	errUnusable  = errors.New("auth/jwks: zero value is not usable, use New")
)

// Issuer returns the issuer whose tokens v verifies, as [jwt.AnyOf] wants it.
func (v *Verifier) Issuer() string {
	if v == nil {
		return ""
	}
	return v.issuer
}
