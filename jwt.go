package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth/internal/jose"
)

// Bounds of a token's life.
const (
	defaultLifetime = 15 * time.Minute
	maxLifetime     = 24 * time.Hour
)

// JWTConfig says which tokens a [JWTIssuer] makes, and accepts again.
type JWTConfig struct {
	Issuer   string   // required; iss: names this service, as a rule by an https URL, which metadata (RFC 8414) must have
	Audience string   // required; aud: the API that the tokens are for
	Keys     *KeyRing // required; its first key signs, every key verifies

	// Lifetime of a token. 0: 15 minutes; 1 s to 24 h. A token cannot be taken
	// back before (but see Check), so keep it short.
	Lifetime time.Duration

	// As in [JWTVerifierConfig].
	Leeway         time.Duration
	VerifiedTokens int
	Check          func(ctx context.Context, p *Principal) error
}

// JWTIssuer makes access tokens as RFC 9068 has them and verifies them. It is
// immutable but for its key ring, and safe for concurrent use.
type JWTIssuer struct {
	verifier *JWTVerifier
	lifetime time.Duration
}

// NewJWTIssuer returns an issuer, or every fault of cfg as a [*ConfigError]. It
// makes one token and verifies it, so that a signer that does not work shows now.
func NewJWTIssuer(cfg JWTConfig) (*JWTIssuer, error) {
	var faults []error
	switch {
	case cfg.Lifetime == 0:
		cfg.Lifetime = defaultLifetime
	case cfg.Lifetime < time.Second || cfg.Lifetime > maxLifetime:
		faults = append(faults, &ConfigError{"JWTConfig.Lifetime", cfg.Lifetime.String(), "must be 0 or 1s to 24h"})
	}
	if cfg.Keys != nil && !cfg.Keys.signs {
		faults = append(faults, &ConfigError{"JWTConfig.Keys", "", "only verifies: use NewKeyRing"})
	}
	v, err := newJWTVerifier(JWTVerifierConfig{
		Issuer: cfg.Issuer, Audience: cfg.Audience, Keys: cfg.Keys,
		Leeway: cfg.Leeway, VerifiedTokens: cfg.VerifiedTokens, Check: cfg.Check,
	}, "JWTConfig")
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, err
	}
	i := &JWTIssuer{verifier: v, lifetime: cfg.Lifetime}
	if err := i.selfTest(); err != nil {
		return nil, &ConfigError{"JWTConfig.Keys", "", "self-test failed: " + err.Error()}
	}
	return i, nil
}

// selfTest carries one token through the issuer's own verifier.
func (i *JWTIssuer) selfTest() error {
	token, err := i.Issue(context.Background(), Claims{Subject: "self-test"})
	if err == nil {
		_, err = i.verifier.genuine(token)
	}
	return err
}

// Verify is [JWTVerifier.Verify] for the issuer's own tokens.
func (i *JWTIssuer) Verify(ctx context.Context, token string) (*Principal, error) {
	if i == nil {
		return nil, errUnusable
	}
	return i.verifier.Verify(ctx, token)
}

// Issue returns an access token: typ at+jwt, with iss, sub, aud, exp, iat and jti
// (RFC 9068 section 2.2) and what c holds beyond them. It returns an error if
// c has no Subject, sets Issuer, Audience, IssuedAt or TokenID, an Expiry that is
// past or beyond the issuer's lifetime, an AuthTime beyond the years 1 to 9999, a
// scope that is no scope-token, or a custom claim that collides with a registered
// one (in any letter case), cannot be encoded or is nested too deep; if the token
// would be longer than 8,192 bytes; or if signing fails.
func (i *JWTIssuer) Issue(ctx context.Context, c Claims) (string, error) {
	if i == nil || i.verifier == nil {
		return "", errUnusable
	}
	if c.Issuer != "" || c.Audience != nil || !c.IssuedAt.IsZero() || c.TokenID != "" {
		return "", errors.New("auth: claims: Issuer, Audience, IssuedAt and TokenID are the issuer's to set")
	}
	now := time.Now()
	latest := now.Add(i.lifetime)
	if c.Expiry.IsZero() {
		c.Expiry = latest
	}
	if !c.Expiry.After(now) || c.Expiry.After(latest) {
		return "", errors.New("auth: claims: Expiry is past or beyond the issuer's lifetime")
	}
	var id [22]byte
	c.TokenID = newTokenID(&id)
	c.Issuer, c.IssuedAt = i.verifier.issuer, now
	c.Audience = i.verifier.audiences[:1]

	buf := payloads.Get().(*[]byte)
	defer payloads.Put(buf)
	payload, err := appendClaims((*buf)[:0], &c)
	if err != nil {
		return "", err
	}
	*buf = payload
	snap := i.verifier.keys.snapshot()
	token, err := jose.Seal(ctx, snap.signing, snap.header, payload)
	if err != nil {
		return "", fmt.Errorf("auth: sign token: %w", err)
	}
	return token, nil
}

var payloads = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// newTokenID returns 128 random bits as text.
func newTokenID(text *[22]byte) string {
	var random [16]byte
	rand.Read(random[:]) // never fails: crypto/rand
	base64.RawURLEncoding.Encode(text[:], random[:])
	return string(text[:])
}
