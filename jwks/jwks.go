package jwks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/jose"
	"github.com/seed-e36e2130/auth/jwt"
)

// Config says whose tokens a [Verifier] accepts and where it gets the keys. The functions named
// after products, such as [Keycloak], return a Config that is ready for use.
type Config struct {
	// Tokens says which tokens are accepted. Issuer and Audience are required. Keys must be nil,
	// because the keys are fetched. The other fields mean what they mean for [jwt.NewVerifier];
	// note that most issuers need Types.
	Tokens jwt.VerifierConfig

	// KeysURL is where the issuer publishes its JWK set. If it is empty, the URL comes from the
	// issuer's metadata (OpenID Connect Discovery 1.0 section 4). Issuer must then be an https URL,
	// and the metadata must repeat it byte for byte. Tokens without one Issuer need KeysURL.
	KeysURL string

	// KeyHosts are further hosts, as in "keys.example.com" or "10.0.0.1:8443", that the metadata
	// may name for the JWK set. The issuer's own host is always allowed.
	KeyHosts []string

	// RSAAlgorithm is for RSA keys whose JWK names no algorithm: one of RS256 to PS512. Empty means
	// RS256. A token never chooses it. Of a key that is in the set for two algorithms, it selects
	// the one that is used; otherwise the first is.
	RSAAlgorithm string

	// Refresh is the age from which keys are fetched again in the background. A request waits for
	// new keys only if they are twice as old, after a time without requests. 0 means what the
	// response's Cache-Control or Expires says, within 5 minutes to 1 hour, and 15 minutes if it says nothing.
	// Otherwise it is at least 1 s and at most half of MaxStale.
	Refresh time.Duration

	// Cooldown is the least time between two fetches that tokens with unknown keys cause, and the
	// time from a failed fetch to the next. 0 means 30 s; otherwise 1 s to 10 minutes.
	Cooldown time.Duration

	// MaxStale is the age up to which keys are used while fetching newer ones fails. 0 means
	// 24 hours; otherwise 10 minutes to 7 days. Where the issuer publishes a set without a usable
	// key, its older keys are used for 5 minutes at most.
	MaxStale time.Duration

	// Timeout bounds one fetch, including that of the metadata. 0 means 10 s; otherwise 1 s to 60
	// s.
	Timeout time.Duration

	// Transport makes the requests, for proxies and private certificate authorities. With every
	// transport, redirects are not followed, a response has at most 256 KiB, and a set has at most
	// 100 keys. nil means a transport of the Verifier's own that uses the proxy of the environment.
	Transport http.RoundTripper

	// DangerouslyPlainHTTP allows http to hosts other than this machine. Anybody on the network
	// path can then replace the keys.
	DangerouslyPlainHTTP bool

	// Logger gets a message when keys have changed, could not be fetched, or are refused. nil:
	// [slog.Default].
	Logger *slog.Logger

	tenants func(id string) bool // of EntraTenants
	fault   *cfgerr.Error        // of a parameter of a function named after a product; nil: none
}

// Verifier is a [jwt.TokenVerifier] for the tokens of one issuer, whose keys it fetches. It is safe
// for concurrent use. It needs no Close: only a fetch outlives a request, and it ends within
// Timeout.
type Verifier struct {
	issuer    string
	noIssuer  bool     // whether a token without iss is accepted
	anyIssuer bool     // whether a function of the host decides about iss
	tenants   *tenants // nil: there is one issuer
	isEntra   bool
	tokens    *jwt.Verifier
	keys      *cache
}

// New returns a verifier, or every fault of cfg, joined, each an [*cfgerr.Error]. It does not fetch
// anything yet.
func New(cfg Config) (*Verifier, error) {
	faults := cfgerr.Faults{Prefix: "jwks.Config."}
	cfg.Cooldown = cfgerr.Within(&faults, "Cooldown", cfg.Cooldown, 30*time.Second, time.Second, 10*time.Minute)
	cfg.MaxStale = cfgerr.Within(&faults, "MaxStale", cfg.MaxStale, 24*time.Hour, 10*time.Minute, 7*24*time.Hour)
	cfg.Timeout = cfgerr.Within(&faults, "Timeout", cfg.Timeout, 10*time.Second, time.Second, time.Minute)
	cfg.Refresh = cfgerr.Within(&faults, "Refresh", cfg.Refresh, 0, time.Second, cfg.MaxStale/2)
	switch alg := cfg.RSAAlgorithm; alg {
	case "", jwt.RS256, jwt.RS384, jwt.RS512, jwt.PS256, jwt.PS384, jwt.PS512:
	default:
		faults.Add("RSAAlgorithm", alg, "must be one of RS256 to PS512")
	}
	if cfg.fault != nil {
		faults.Join(cfg.fault)
	}
	v := &Verifier{
		issuer: cfg.Tokens.Issuer, noIssuer: cfg.Tokens.DangerouslyNoIssuer, anyIssuer: cfg.Tokens.IssuerFunc != nil,
		isEntra: strings.HasPrefix(cfg.Tokens.Issuer, "https://login.microsoftonline."),
	}
	if (v.noIssuer || v.anyIssuer) && v.issuer == "" {
		faults.Require("KeysURL", cfg.KeysURL != "")
	}
	if v.isEntra && cfg.fault == nil && isManyTenants(v.issuer) {
		faults.Add("Tokens.Issuer", v.issuer, "stands for many tenants, whose tokens have other names in iss: use jwks.EntraTenants")
	}
	ring := new(jwt.KeyRing)
	if cfg.Tokens.Keys != nil {
		faults.Add("Tokens.Keys", "", "must be nil: the keys are fetched")
	}
	rules := cfg.Tokens
	rules.Keys = ring
	if rules.ScopeClaim == "" {
		rules.ScopeClaim = "scope" // other issuers write an array there, too
	}
	if cfg.tenants != nil {
		v.tenants = &tenants{issuer: v.issuer, allow: cfg.tenants}
		if !strings.Contains(v.issuer, tenantID) || v.anyIssuer {
			faults.Add("Tokens.Issuer", v.issuer, "must have "+tenantID+" in the place of the tenant's ID, without IssuerFunc")
		}
		rules.Issuer = ""
		rules.IssuerFunc = func(p *jwt.Principal, keyID string) bool { return v.tenants.isIssuer(p, v.keys.issuerOf(keyID)) }
		rules.Check = v.tenants.check(rules.Check)
	}
	tokens, err := jwt.NewVerifier(rules)
	faults.Join(err)
	source := newSource(&cfg, &faults)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	v.keys = newCache(&cfg, source, ring)
	v.tokens = tokens
	return v, nil
}

// Verify returns the principal of a token that is genuine and valid now.
//
// It returns the errors of [jwt.Verifier.Verify]; [jwt.ErrKeysUnavailable] in a
// [*auth.RetryError] if there are no keys to check the token with; and the context's error if
// ctx ends while Verify waits for a fetch. The fetch itself continues for other requests.
func (v *Verifier) Verify(ctx context.Context, token string) (*jwt.Principal, error) {
	held, now := v.keys.held.Load(), time.Now()
	if !held.serves(now) || held.isLate(now) {
		// A token of another issuer must not cause a request to this one.
		if err := v.checkIssuer(token); err != nil {
			return nil, err
		}
		if err := v.keys.renew(ctx, held); err != nil {
			return nil, err
		}
		held = v.keys.held.Load()
	}

	p, err := v.tokens.Verify(ctx, token)
	due, unknown := held.isDue(now), errors.Is(err, jwt.ErrUnknownKey)
	if !due && !unknown {
		return p, v.explained(err, token)
	}
	if err != nil {
		if foreign := v.checkIssuer(token); foreign != nil {
			return nil, foreign
		}
	}
	if unknown {
		return v.verifyWithNewKeys(ctx, token, held, err)
	}
	v.keys.start(held, dueKeys)
	return p, err
}

// verifyWithNewKeys fetches the keys and verifies a token again whose key was not among those in
// seen. A fetch that was already running may have begun before the token's key was published, so
// Verify waits for a second fetch, but not for a third.
// See decision 0032: without a successful fetch the answer is a 503, with one it is a 401.
func (v *Verifier) verifyWithNewKeys(ctx context.Context, token string, seen *held, unknown error) (*jwt.Principal, error) {
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
		if !errors.Is(err, jwt.ErrUnknownKey) {
			return p, err
		}
	}
	if err := v.keys.failure(); err != nil {
		return nil, err // the unknown key may be a new one that could not be fetched
	}
	return nil, unknown
}

// checkIssuer refuses tokens of other issuers before they cause a fetch. It reads the claim without
// verifying the token, so its success proves nothing.
func (v *Verifier) checkIssuer(token string) error {
	unverified, err := jose.UnverifiedText(token, "iss")
	switch {
	case err != nil:
		return errMalformed
	case v.anyIssuer, v.noIssuer && unverified == "":
		return nil
	case v.tenants != nil && v.tenants.of(unverified) != "":
		if !v.tenants.allow(v.tenants.of(unverified)) {
			return errTenant
		}
		return nil
	case unverified == v.issuer && v.tenants == nil:
		return nil
	case v.isEntra && isEntraV1(unverified):
		return errEntraV1
	}
	return &otherIssuer{unverified, v.issuer}
}

// otherIssuer says which issuer a token names, that anybody may have made. Its text is made when it is
// needed.
type otherIssuer struct{ got, want string }

func (e *otherIssuer) Error() string {
	return fmt.Sprintf("%v %.200q, want %q", errIssuer, e.got, e.want)
}
func (e *otherIssuer) Unwrap() error { return errIssuer }

// explained returns err, or a better reason for it if the token is one of Entra's version 1, which
// lacks other claims as well.
func (v *Verifier) explained(err error, token string) error {
	if v.isEntra && errors.Is(err, jwt.ErrInvalidToken) {
		if unverified, _ := jose.UnverifiedText(token, "iss"); isEntraV1(unverified) {
			return errEntraV1
		}
	}
	return err
}

var (
	errIssuer    = fmt.Errorf("%w: issuer", jwt.ErrInvalidToken)
	errMalformed = fmt.Errorf("%w: malformed", jwt.ErrInvalidToken)
)

// Issuer returns the issuer whose tokens v verifies: the key for v in the map of [jwt.AnyOf]. The
// verifier of [EntraTenants] has no one issuer, and cannot be in that map: see [jwt.Either].
func (v *Verifier) Issuer() string { return v.issuer }
