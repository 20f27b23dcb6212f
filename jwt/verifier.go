package jwt

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/clock"
	"github.com/seed-e36e2130/auth/internal/jose"
)

// Verifier verifies signed JWTs of one issuer for one audience. It is immutable but for its key ring,
// and safe for concurrent use.
type Verifier struct {
	issuer     string
	issuerFunc func(p *Principal, keyID string) bool // nil: issuer decides
	noIssuer   bool                                  // whether a token without iss is accepted
	audiences  []string
	noAudience bool     // whether a token without aud is accepted
	types      []string // nil: any
	leeway     clock.Instant
	names      *claimNames
	ignoreKeys bool // whether headers that bring a key are accepted, without it
	kind       Kind // of every caller; "": the token says it
	check      func(context.Context, *Principal) error
	checkProof func(context.Context, *Principal) error
	keys       *KeyRing
	places     int
	table      atomic.Pointer[verifiedTable]
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

// Verify returns the principal of a token that is genuine and valid now. Otherwise it returns
// [ErrInvalidToken], or an error that wraps it: [ErrExpiredToken] if all else was in order,
// [ErrUnknownKey] if its key is not in the ring, and [ErrRevokedToken] if Check says so. It returns
// [ErrKeysUnavailable] if the ring has no keys yet. Other errors are Check's own.
func (v *Verifier) Verify(ctx context.Context, token string) (*Principal, error) {
	p, err := v.genuine(token)
	if err != nil {
		return nil, err
	}
	if p.cnf != "" { // only a verifier that checks proofs reads such a token
		if err := v.checkProof(ctx, p); err != nil {
			return nil, err
		}
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
		opened, err := snap.ring.Open(token, v.ignoreKeys)
		if err != nil {
			return nil, tokenError(token, err)
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
		return nil, &refused{errType, t.Type, oneOf(v.types)}
	}
	p, err := parsePrincipal(t.Payload, v.names)
	if err != nil {
		return nil, err
	}
	if v.kind != "" {
		p.kind = v.kind
	}
	if !v.isIssuer(p, t.Key.ID()) {
		return nil, v.wrongIssuer(p)
	}
	if !p.isFor(v.audiences) && !(v.noAudience && p.audience == "") {
		return nil, &refused{errAudience, strings.Join(p.Audience(), ", "), oneOf(v.audiences)}
	}
	if p.expiry == clock.Absent {
		return nil, errNoExpiry
	}
	return p, nil
}

// wrongIssuer says which issuer was expected.
func (v *Verifier) wrongIssuer(p *Principal) error {
	if v.issuerFunc != nil {
		return &refused{errIssuer, p.issuer, "another, or another key of the set"}
	}
	return &refused{errIssuer, p.issuer, brief(v.issuer)}
}

// isIssuer reports whether the issuer of p is the one whose tokens v accepts.
func (v *Verifier) isIssuer(p *Principal, keyID string) bool {
	switch {
	case v.issuerFunc != nil:
		return v.issuerFunc(p, keyID)
	case v.noIssuer && p.issuer == "":
		return true
	}
	return p.issuer == v.issuer
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
func tokenError(token string, err error) error {
	switch err {
	case jose.ErrTooLong:
		return errTooLong
	case jose.ErrHeader:
		return errHeader
	case jose.ErrUnknownKey:
		return newUnknownKey(token)
	case jose.ErrNoMatch:
		return errNoMatch
	case jose.ErrSignature:
		return errSignature
	}
	return errMalformed
}
