package jwt

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/clock"
	"github.com/seed-e36e2130/auth/internal/jose"
)

// NoLeeway as a Leeway allows no clock skew.
const NoLeeway time.Duration = -1

// NoType among the Types accepts tokens whose header has no typ.
const NoType = "(none)" // no media type contains a parenthesis

// Bounds of a verifier's settings.
const (
	defaultLeeway = 30 * time.Second
	maxLeeway     = 60 * time.Second
	maxName       = 1024 // bytes of an issuer or audience: both stand in each token
)

// VerifierConfig says which tokens a [Verifier] accepts.
type VerifierConfig struct {
	Issuer   string   // required; iss must be exactly this (RFC 8725 section 3.8); at most 1,024 bytes
	Audience string   // required; aud must be or hold exactly this (RFC 8725 section 3.9); at most 1,024 bytes
	Keys     *KeyRing // required; while the zero KeyRing has no keys, Verify returns ErrKeysUnavailable

	// OtherAudiences are further names of this service. The token must have one of all audiences as
	// its aud, or in it.
	OtherAudiences []string

	// Types are the media types that are accepted in typ, compared without case and without
	// "application/" (RFC 8725 section 3.11). nil: "at+jwt" alone, the access tokens of RFC 9068. An
	// issuer that marks its access tokens as plain JWT needs "JWT" here, and one that does not mark
	// them needs [NoType]. Both need RequiredClaims, or an Audience that ID tokens never have.
	Types []string

	// DangerouslyAnyType accepts any typ, and none. An ID token, or anything else that the issuer
	// signs with the same keys for this audience, is then accepted as an access token.
	DangerouslyAnyType bool

	// Leeway is the clock skew that is allowed for exp, nbf and iat: the token is refused from
	// exp+Leeway on, and before nbf-Leeway and iat-Leeway. 0: 30 s; [NoLeeway]: none; at most 60 s.
	Leeway time.Duration

	// VerifiedTokens is how many tokens are remembered as verified, so that a repeated use costs a
	// hash instead of a signature check. Times, the key and Check are looked at on each use all the
	// same. 0: 4,096 tokens with an asymmetric signature, and no others; positive: as many tokens of
	// any kind; negative: none. At most 1,048,576. A place takes about 0.6 KiB for a token of 0.4
	// KiB, and never more than 7 KiB.
	VerifiedTokens int

	// ScopeClaim and RolesClaim say where an issuer that does not follow RFC 9068 puts scopes (a
	// string of words, or an array) and roles (an array; several names lead into objects). "": the
	// claim "scope", which must be a string (RFC 8693 section 4.2), while "scope" allows an array
	// there, too; nil: {"roles"}.
	ScopeClaim string
	RolesClaim []string

	// AudienceClaim is read in the place of aud, for an issuer whose access tokens have no aud. A
	// token that has an aud all the same is refused. "": "aud".
	AudienceClaim string

	// RequiredClaims must be in the token as strings: with exactly this value, or, where the value
	// here is empty, with any value but the empty one. They distinguish access tokens from other
	// tokens that an issuer signs with the same keys.
	RequiredClaims map[string]string

	// Check, if not nil, is called for each token on each use, after everything else was in order. It
	// returns nil to accept the token and [ErrRevokedToken] to refuse it. Any other error means that
	// it could not decide; it is passed on, for a 5xx.
	Check func(ctx context.Context, p *Principal) error
}

// Verifier verifies signed JWTs of one issuer for one audience. It is immutable but for its key ring,
// and safe for concurrent use.
type Verifier struct {
	issuer    string
	audiences []string
	types     []string // nil: any
	leeway    clock.Instant
	names     claimNames
	check     func(context.Context, *Principal) error
	keys      *KeyRing
	places    int
	table     atomic.Pointer[verifiedTable]
}

// NewVerifier returns a verifier, or every fault of cfg as a [*cfgerr.Error].
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	faults := cfgerr.Faults{Prefix: "jwt.VerifierConfig."}
	v := newVerifier(cfg, &faults)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return v, nil
}

// newVerifier returns a verifier, which is of use only if it adds no fault.
func newVerifier(cfg VerifierConfig, faults *cfgerr.Faults) *Verifier {
	checkName(faults, "Issuer", cfg.Issuer)
	checkName(faults, "Audience", cfg.Audience)
	faults.Require("Keys", cfg.Keys != nil)
	leeway := leewayOf(faults, cfg.Leeway)
	if cfg.VerifiedTokens > maxPlaces {
		faults.Add("VerifiedTokens", fmt.Sprint(cfg.VerifiedTokens), fmt.Sprintf("must be at most %d", maxPlaces))
	}
	if slices.Contains(cfg.OtherAudiences, "") {
		faults.Add("OtherAudiences", "", "holds an empty audience")
	}
	return &Verifier{
		issuer: cfg.Issuer, audiences: append([]string{cfg.Audience}, cfg.OtherAudiences...),
		types: acceptedTypes(faults, cfg), leeway: leeway, names: claimNamesOf(faults, cfg),
		check: cfg.Check, keys: cfg.Keys, places: cfg.VerifiedTokens,
	}
}

// checkName adds a fault unless name can be an issuer or an audience.
func checkName(faults *cfgerr.Faults, field, name string) {
	switch {
	case name == "":
		faults.Require(field, false)
	case len(name) > maxName || !utf8.ValidString(name):
		faults.Add(field, "", fmt.Sprintf("must be valid UTF-8 of at most %d bytes", maxName))
	}
}

// leewayOf returns the clock skew that is allowed. See decision 0003.
func leewayOf(faults *cfgerr.Faults, leeway time.Duration) clock.Instant {
	switch {
	case leeway == 0:
		leeway = defaultLeeway
	case leeway == NoLeeway:
		leeway = 0
	case leeway < 0 || leeway > maxLeeway:
		faults.Add("Leeway", leeway.String(), "must be NoLeeway or 0 to 60s")
	}
	return clock.Instant(leeway.Microseconds())
}

// acceptedTypes returns the media types that typ may name, where "" stands for no typ; nil accepts
// any.
func acceptedTypes(faults *cfgerr.Faults, cfg VerifierConfig) []string {
	if cfg.Types == nil && cfg.DangerouslyAnyType {
		return nil
	}
	if cfg.Types == nil {
		return []string{jose.AccessTokenType}
	}
	types := make([]string, len(cfg.Types))
	for i, t := range cfg.Types {
		switch types[i] = jose.MediaType(t); {
		case t == NoType:
			types[i] = ""
		case types[i] == "": // it would mean NoType
			faults.Add("Types", t, "holds an empty type")
		}
	}
	if len(types) == 0 {
		faults.Add("Types", "", "is empty: leave it nil for at+jwt")
	}
	if cfg.DangerouslyAnyType {
		faults.Add("Types", strings.Join(cfg.Types, " "), "contradicts DangerouslyAnyType")
	}
	return types
}

// claimNamesOf returns where this issuer puts the claims whose place can be set.
func claimNamesOf(faults *cfgerr.Faults, cfg VerifierConfig) claimNames {
	names := defaultClaimNames
	if cfg.ScopeClaim != "" {
		names.scope, names.scopes = cfg.ScopeClaim, true
	}
	if len(cfg.RolesClaim) > 0 {
		names.roles = slices.Clone(cfg.RolesClaim)
	}
	if cfg.AudienceClaim != "" {
		names.audience = cfg.AudienceClaim
	}
	names.required = maps.Clone(cfg.RequiredClaims)
	if _, ok := names.required[""]; ok {
		faults.Add("RequiredClaims", "", "holds an empty name")
	}
	return names
}

// Verify returns the principal of a token that is genuine and valid now. Otherwise it returns
// [ErrInvalidToken], or an error that wraps it: [ErrExpiredToken] if all else was in order,
// [ErrUnknownKey] if its key is not in the ring, and [ErrRevokedToken] if Check says so. It returns
// [ErrKeysUnavailable] if the ring has no keys yet. Other errors are Check's own.
func (v *Verifier) Verify(ctx context.Context, token string) (*Principal, error) {
	p, err := v.genuine(token)
	if err != nil {
		return nil, err
	}
	if v.check != nil {
		if err := v.check(ctx, p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// genuine does what Verify does, without Check.
func (v *Verifier) genuine(token string) (*Principal, error) {
	if len(token) > jose.MaxTokenBytes {
		return nil, errTooLong
	}
	now := clock.Now()
	snap := v.keys.snapshot()
	if snap == nil {
		return nil, ErrKeysUnavailable
	}
	table := v.tableOf(snap)

	p, id := table.find(token)
	if p == nil {
		opened, err := snap.ring.Open(token, false)
		if err != nil {
			return nil, tokenError(err)
		}
		if p, err = v.accept(opened); err != nil {
			return nil, err
		}
		if err := v.inTime(p, now); err != nil {
			return nil, err
		}
		table.add(id, p, opened.Key.Symmetric(), now)
	} else if err := v.inTime(p, now); err != nil {
		return nil, err
	}
	return p, nil
}

// accept checks everything about a genuine token but its times.
func (v *Verifier) accept(t jose.Opened) (*Principal, error) {
	if v.types != nil && !slices.Contains(v.types, t.Type) {
		return nil, errType
	}
	p, err := parsePrincipal(t.Payload, v.names)
	if err != nil {
		return nil, err
	}
	if p.issuer != v.issuer {
		return nil, errIssuer
	}
	if !p.isFor(v.audiences) {
		return nil, errAudience
	}
	if p.expiry == clock.Absent {
		return nil, errNoExpiry
	}
	return p, nil
}

// inTime checks the times of a token, each with the leeway.
func (v *Verifier) inTime(p *Principal, now clock.Instant) error {
	switch {
	case now >= p.expiry+v.leeway:
		return ErrExpiredToken
	case p.notBefore != clock.Absent && now < p.notBefore-v.leeway:
		return errNotYet
	case p.issuedAt != clock.Absent && now < p.issuedAt-v.leeway:
		return errNotYet
	}
	return nil
}

// tokenError translates an error of package jose.
func tokenError(err error) error {
	switch err {
	case jose.ErrTooLong:
		return errTooLong
	case jose.ErrHeader:
		return errHeader
	case jose.ErrUnknownKey:
		return ErrUnknownKey
	case jose.ErrNoMatch:
		return errNoMatch
	case jose.ErrSignature:
		return errSignature
	}
	return errMalformed
}
