package jwt

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
	maxLeeway     = 5 * time.Minute
	maxName       = 1024 // bytes of an issuer or audience: both stand in each token
)

// VerifierConfig says which tokens a [Verifier] accepts.
type VerifierConfig struct {
	Issuer   string   // required, unless a setting below says otherwise; iss must be exactly this (RFC 8725 section 3.8); at most 1,024 bytes
	Audience string   // required, unless a setting below says otherwise; aud must be or hold exactly this (RFC 8725 section 3.9); at most 1,024 bytes
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
	// exp+Leeway on, and before nbf-Leeway and iat-Leeway. 0: 30 s; [NoLeeway]: none; at most 5
	// minutes.
	Leeway time.Duration

	// VerifiedTokens is how many tokens are remembered as verified, so that a repeated use costs a
	// hash instead of a signature check. Times, the key and Check are looked at on each use all the
	// same. 0: 4,096 tokens with an asymmetric signature, and no others; positive: as many tokens of
	// any kind; negative: none. At most 1,048,576. A place takes about 0.6 KiB for a token of 0.4
	// KiB, and never more than 7 KiB.
	VerifiedTokens int

	// ScopeClaim and RolesClaim say where an issuer that does not follow RFC 9068 puts scopes (a
	// string of words, or an array) and roles (an array, one string, or the names of an object as
	// Zitadel writes it; several names lead into objects). "": the claim "scope", which must be a
	// string (RFC 8693 section 4.2), while "scope" allows an array there, too; nil: {"roles"}, and
	// no roles if that claim has another form. A claim that is named here and has another form
	// refuses the token.
	ScopeClaim string
	RolesClaim []string

	// SubjectClaim is read in the place of sub, for an issuer whose tokens have no sub. A token that
	// has a sub all the same is refused. "": "sub".
	SubjectClaim string

	// NumericSubject also accepts a subject that is a whole number, not negative, as the text of its
	// digits. RFC 7519 section 4.1.2 demands a string, and then 42 and "42" are the same subject.
	NumericSubject bool

	// AudienceClaim is read in the place of aud, for an issuer whose access tokens have no aud. A
	// token that has an aud all the same is refused. "": "aud".
	AudienceClaim string

	// IssuerFunc, in the place of Issuer, decides whether the issuer of a token is accepted, for an
	// issuer whose name has a part that varies, such as a tenant. It is called once for each token,
	// after its signature was verified; keyID is the ID of the key that verified it. It must compare
	// whole texts: a prefix alone lets other hosts pass.
	IssuerFunc func(p *Principal, keyID string) bool

	// DangerouslyNoIssuer also accepts tokens without iss. A token that has one must have Issuer,
	// which may then be empty. Nothing but the key tells these tokens from those of another service
	// that has the same key.
	DangerouslyNoIssuer bool

	// DangerouslyNoAudience also accepts tokens without aud. A token that has one must be intended
	// for one of the audiences, and Audience may then be empty. A token that was issued for another
	// service, and does not say so, is then accepted.
	DangerouslyNoAudience bool

	// IgnoreKeyHeaders accepts tokens whose header brings a key or its address (jku, jwk, x5u, x5c),
	// as SAP XSUAA writes them. What they bring is never read: the keys are those of Keys. Without
	// it such tokens are refused, because their only use for a verifier is an attack (RFC 8725
	// section 3.10).
	IgnoreKeyHeaders bool

	// RequiredClaims must be in the token as strings: with exactly this value, or, where the value
	// here is empty, with any value but the empty one. They distinguish access tokens from other
	// tokens that an issuer signs with the same keys.
	RequiredClaims map[string]string

	// Kind is the sort of all callers of this issuer, whatever a token says in sub_profile. "": what
	// the token says there.
	Kind Kind

	// CheckProof, if not nil, is called for each use of a token that is bound to a key (cnf, RFC 7800),
	// before Check. It returns nil if the caller has proven that they have the key, [ErrInvalidToken] if
	// not, and any other error if it could not decide; what the caller sent as proof travels in ctx.
	// nil: such tokens are refused, because they are not bearer tokens.
	CheckProof func(ctx context.Context, p *Principal) error

	// Check, if not nil, is called for each token on each use, after everything else was in order. It
	// returns nil to accept the token and [ErrRevokedToken] to refuse it. Any other error means that
	// it could not decide; it is passed on, for a 5xx.
	Check func(ctx context.Context, p *Principal) error
}

// newVerifier returns a verifier, which is of use only if it adds no fault.
func newVerifier(cfg VerifierConfig, faults *cfgerr.Faults) *Verifier {
	checkName(faults, "Issuer", cfg.Issuer, cfg.DangerouslyNoIssuer || cfg.IssuerFunc != nil)
	checkName(faults, "Audience", cfg.Audience, cfg.DangerouslyNoAudience)
	if cfg.IssuerFunc != nil && (cfg.Issuer != "" || cfg.DangerouslyNoIssuer) {
		faults.Add("IssuerFunc", "", "contradicts Issuer and DangerouslyNoIssuer: it stands in their place")
	}
	faults.Require("Keys", cfg.Keys != nil)
	leeway := leewayOf(faults, cfg.Leeway)
	if cfg.VerifiedTokens > maxPlaces {
		faults.Add("VerifiedTokens", fmt.Sprint(cfg.VerifiedTokens), fmt.Sprintf("must be at most %d", maxPlaces))
	}
	if slices.Contains(cfg.OtherAudiences, "") {
		faults.Add("OtherAudiences", "", "holds an empty audience")
	}
	if _, ok := cfg.RequiredClaims[""]; ok {
		faults.Add("RequiredClaims", "", "holds an empty name")
	}
	audiences := slices.Clone(cfg.OtherAudiences)
	if cfg.Audience != "" {
		audiences = slices.Insert(audiences, 0, cfg.Audience) // the first one is that of an Issuer
	}
	return &Verifier{
		issuer: cfg.Issuer, issuerFunc: cfg.IssuerFunc, noIssuer: cfg.DangerouslyNoIssuer,
		audiences: audiences, noAudience: cfg.DangerouslyNoAudience,
		types: acceptedTypes(faults, cfg), leeway: leeway, names: newClaimNames(cfg), ignoreKeys: cfg.IgnoreKeyHeaders,
		kind: cfg.Kind, check: cfg.Check, checkProof: cfg.CheckProof, keys: cfg.Keys, places: cfg.VerifiedTokens,
	}
}

// checkName adds a fault unless name can be an issuer or an audience, or is empty and optional.
func checkName(faults *cfgerr.Faults, field, name string, optional bool) {
	switch {
	case name == "":
		faults.Require(field, optional)
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
		faults.Add("Leeway", leeway.String(), "must be NoLeeway or 0 to 5m")
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
