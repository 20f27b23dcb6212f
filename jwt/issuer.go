package jwt

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/jose"
)

// Bounds of a token's life.
const (
	defaultLifetime = 15 * time.Minute
	maxLifetime     = 24 * time.Hour
)

// IssuerConfig says which tokens an [Issuer] issues and verifies.
type IssuerConfig struct {
	Issuer   string   // required; iss: name of this service, usually an https URL, as metadata (RFC 8414) must have
	Audience string   // required; aud: API that the tokens are intended for
	Keys     *KeyRing // required; the first key signs, every key verifies

	// Resources are further APIs that [Claims].Audience may name, each token for one of them (RFC 8707
	// section 2.2). The issuer's own Verify refuses such a token: see [Issuer.VerifierFor]. At most
	// 1,024 bytes each.
	Resources []string

	// ClientID is the client_id of tokens whose claims name none (RFC 9068 section 2.2): the program
	// that people log in to. "": the text of Issuer. At most 1,024 bytes.
	ClientID string

	// Lifetime of a token. 0: 15 minutes; from 1 s to 24 h. A token cannot be revoked before it
	// expires, unless Check looks at revocations, so keep it short.
	Lifetime time.Duration

	// These are fields of [VerifierConfig].
	Leeway         time.Duration
	VerifiedTokens int
	Check          func(ctx context.Context, p *Principal) error
}

// Issuer issues access tokens of RFC 9068 and verifies them. It is immutable but for its key ring,
// and safe for concurrent use.
type Issuer struct {
	verifier  *Verifier
	lifetime  time.Duration
	clientID  string
	resources []string
	config    VerifierConfig
}

// NewIssuer returns an issuer, or every fault of cfg as a [*cfgerr.Error]. It issues and verifies one
// token, so that a signer that does not work is found now.
func NewIssuer(cfg IssuerConfig) (*Issuer, error) {
	faults := cfgerr.Faults{Prefix: "jwt.IssuerConfig."}
	lifetime := cfgerr.Within(&faults, "Lifetime", cfg.Lifetime, defaultLifetime, time.Second, maxLifetime)
	if cfg.Keys != nil && !cfg.Keys.signs {
		faults.Add("Keys", "", "only verifies: use NewKeyRing")
	}
	checkName(&faults, "ClientID", cfg.ClientID, true)
	for _, r := range cfg.Resources {
		checkName(&faults, "Resources", r, false)
	}
	config := VerifierConfig{
		Issuer: cfg.Issuer, Audience: cfg.Audience, Keys: cfg.Keys,
		Leeway: cfg.Leeway, VerifiedTokens: cfg.VerifiedTokens, Check: cfg.Check,
	}
	v := newVerifier(config, &faults)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	i := &Issuer{
		verifier: v, lifetime: lifetime, config: config,
		clientID: cmp.Or(cfg.ClientID, cfg.Issuer), resources: slices.Clone(cfg.Resources),
	}
	if err := i.selfTest(); err != nil {
		faults.Add("Keys", "", "self-test failed: "+err.Error())
		return nil, faults.Err()
	}
	return i, nil
}

// selfTest issues one token and verifies it.
func (i *Issuer) selfTest() error {
	token, err := i.Issue(context.Background(), Claims{Subject: "self-test"})
	if err == nil {
		_, err = i.verifier.genuine(token)
	}
	return err
}

// Verify is [Verifier.Verify] for the issuer's own tokens.
func (i *Issuer) Verify(ctx context.Context, token string) (*Principal, error) {
	return i.verifier.Verify(ctx, token)
}

// VerifierFor returns a verifier of the issuer's tokens for one audience: [IssuerConfig].Audience, or
// one of the Resources, byte for byte. It accepts what Verify accepts in every other way, Check included,
// and refuses the tokens of the other audiences. It returns a [*cfgerr.Error] for any other audience.
func (i *Issuer) VerifierFor(audience string) (*Verifier, error) {
	faults := cfgerr.Faults{Prefix: "jwt.Issuer."}
	if !i.hasAudience(audience) {
		faults.Add("VerifierFor", audience, "is neither IssuerConfig.Audience nor one of its Resources")
	}
	config := i.config
	config.Audience = audience
	v := newVerifier(config, &faults)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return v, nil
}

func (i *Issuer) hasAudience(audience string) bool {
	return audience == i.config.Audience || slices.Contains(i.resources, audience)
}

// MaxLifetime returns 24 hours, the upper bound of [IssuerConfig].Lifetime: tokens that were issued
// before a change of Lifetime may still be valid.
func (i *Issuer) MaxLifetime() time.Duration { return maxLifetime }

// Issue returns an access token: typ at+jwt, with iss, sub, aud, client_id, exp, iat and jti (RFC 9068
// section 2.2) and the other claims of c.
//
// It returns an error if c has no Subject; if c sets Issuer, IssuedAt or TokenID; if Audience is
// anything but one of the issuer's; if an actor has no subject; if Expiry
// is past or beyond the issuer's lifetime; if AuthTime is not in the years 1 to 9999; if a scope is
// not a scope-token; if a custom claim collides with a registered one (in any letter case), cannot be
// encoded or is nested too deeply; if the token would be longer than 8,192 bytes; or if signing
// fails.
func (i *Issuer) Issue(ctx context.Context, c Claims) (string, error) {
	if c.Issuer != "" || !c.IssuedAt.IsZero() || c.TokenID != "" {
		return "", errors.New("auth: claims: Issuer, IssuedAt and TokenID are set by the issuer")
	}
	if c.Audience != nil && (len(c.Audience) != 1 || !i.hasAudience(c.Audience[0])) {
		return "", errors.New("auth: claims: Audience is not one of the issuer's: see IssuerConfig.Resources")
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
	c.ClientID = cmp.Or(c.ClientID, i.clientID)
	if c.Audience == nil {
		c.Audience = i.verifier.audiences[:1]
	}

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

// newTokenID returns 128 random bits as text, written into text.
func newTokenID(text *[22]byte) string {
	var random [16]byte
	rand.Read(random[:]) // never fails
	base64.RawURLEncoding.Encode(text[:], random[:])
	return string(text[:])
}
