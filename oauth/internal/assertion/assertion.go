// Package assertion authenticates OAuth clients that sign a JWT with a key of theirs: private_key_jwt (RFC
// 7523 section 3, as draft-ietf-oauth-rfc7523bis narrows it; OpenID Connect Core section 9). See decision
// 0132.
package assertion

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/jose"
	"github.com/seed-e36e2130/auth/internal/jwkset"
	"github.com/seed-e36e2130/auth/jwt"
)

// Type is the value of client_assertion_type (RFC 7523 section 2.2).
const Type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// MaxLifetime is the longest time from now to the exp of an assertion. A further 30 s are for clocks that
// differ.
const MaxLifetime = 5 * time.Minute

const (
	leeway = 30 * time.Second
	maxID  = 256             // bytes of jti
	margin = 5 * time.Minute // how much longer than an assertion is valid its jti is kept, for clocks that differ

	// newKeys is how old fetched keys may be when an assertion names a key that is not among them.
	// Whoever sends made-up names causes a fetch in this time at most.
	newKeys = 30 * time.Second
)

// types are what typ may be: the type that the draft gives to these assertions, the type of JWTs in general,
// and none, because RFC 7523 demanded none. Tokens of other types are never assertions.
var types = []string{"client-authentication+jwt", "JWT", jwt.NoType}

// Algorithms returns the algorithms of assertions, for the member
// token_endpoint_auth_signing_alg_values_supported of the metadata (RFC 8414 section 2). All are asymmetric.
func Algorithms() []string {
	return []string{jwt.EdDSA, jwt.ES256, jwt.ES384, jwt.ES512, jwt.PS256, jwt.PS384, jwt.PS512, jwt.RS256, jwt.RS384, jwt.RS512}
}

// ErrInvalid says that an assertion does not authenticate the client. It wraps the reason, which is for logs.
var ErrInvalid = errors.New("auth/oauth: invalid client assertion")

// Keys returns a client's JWK set as JSON. Where the set is fetched, it must not have been fetched before
// notBefore. The bytes are not changed.
type Keys func(ctx context.Context, notBefore time.Time) ([]byte, error)

// Checker checks assertions. It is immutable, and safe for concurrent use.
type Checker struct {
	issuer  string
	records auth.RecordStore
}

// New returns a Checker of the assertions for an authorization server, whose issuer they must have as their
// only audience. records keeps which assertions were used, for all replicas. It returns an error for each
// fault, joined, each a [*cfgerr.Error].
func New(issuer string, records auth.RecordStore) (*Checker, error) {
	faults := cfgerr.Faults{Prefix: "assertion.New."}
	faults.Require("issuer", issuer != "")
	faults.Require("records", records != nil)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return &Checker{issuer, records}, nil
}

// ClientID returns the client that an assertion says it is of, so that the client can be looked up where the
// request has no client_id (RFC 7521 section 4.2). Nothing of the assertion has been verified. It returns ""
// if the assertion does not say it.
func ClientID(assertion string) string {
	id, err := jose.UnverifiedText(assertion, "sub")
	if err != nil {
		return ""
	}
	return id
}

// Check returns nil if an assertion authenticates a client now, and was not used before. It is used then. The
// assertion must be signed with one of the client's keys by the algorithm of that key, which is never a
// shared secret; iss and sub must be the client's ID, aud the issuer alone, exp at most [MaxLifetime] ahead;
// and it must have a jti.
//
// It returns [ErrInvalid] if the assertion does not authenticate the client, and any other error if that
// could not be decided: of keys, of the store, or of ctx.
func (c *Checker) Check(ctx context.Context, clientID, assertion string, keys Keys) error {
	if clientID == "" || ClientID(assertion) != clientID {
		return fmt.Errorf("%w: it is not of this client", ErrInvalid) // before anything is fetched for it
	}
	set, err := keys(ctx, time.Time{})
	if err != nil {
		return err
	}
	p, err := c.verify(ctx, clientID, assertion, set)
	if isKeyUnknown(err) {
		newer, failed := keys(ctx, time.Now().Add(-newKeys))
		if failed != nil {
			return failed
		}
		if !bytes.Equal(set, newer) {
			p, err = c.verify(ctx, clientID, assertion, newer)
		}
	}
	if err != nil {
		return err
	}
	if err := c.check(p, clientID); err != nil {
		return err
	}
	return c.use(ctx, clientID, p)
}

// isKeyUnknown reports whether the client may have a key that its set, as it is known, does not have.
func isKeyUnknown(err error) bool {
	return errors.Is(err, jwt.ErrUnknownKey) || errors.Is(err, jwkset.ErrNoKeys)
}

// verify returns what a genuine assertion says, whose times are in order.
func (c *Checker) verify(ctx context.Context, clientID, assertion string, set []byte) (*jwt.Principal, error) {
	published, err := jwkset.Parse(string(set), "")
	if err != nil {
		return nil, fmt.Errorf("%w: keys of the client: %w", ErrInvalid, err)
	}
	ring, err := jwt.NewVerifyingKeyRing(published.Keys...)
	if err != nil {
		return nil, fmt.Errorf("%w: keys of the client: %w", ErrInvalid, err)
	}
	verifier, err := jwt.NewVerifier(jwt.VerifierConfig{
		Issuer: clientID, Audience: c.issuer, Keys: ring, Types: types, Leeway: leeway, VerifiedTokens: -1,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err) // a client ID that is too long
	}
	p, err := verifier.Verify(ctx, assertion)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return p, nil
}

// check checks what access tokens need not keep, and assertions must.
func (c *Checker) check(p *jwt.Principal, clientID string) error {
	reason := ""
	switch id := p.TokenID(); {
	case p.Subject() != clientID: // what Check has compared before was not verified
		reason = "sub is not the client"
	case !slices.Equal(p.Audience(), []string{c.issuer}):
		reason = "aud has more than the issuer"
	case time.Until(p.Expiry()) > MaxLifetime+leeway:
		reason = "exp is more than 5 minutes ahead"
	case id == "":
		reason = "it has no jti"
	case len(id) > maxID:
		reason = "jti is too long"
	default:
		return nil
	}
	return fmt.Errorf("%w: %s", ErrInvalid, reason)
}

// use records that an assertion is used, and refuses it if it was used before (RFC 7523 section 3, item 7).
func (c *Checker) use(ctx context.Context, clientID string, p *jwt.Principal) error {
	sum := sha256.Sum256([]byte(clientID + "\x00" + p.TokenID()))
	key := "oauth-assertion:" + base64.RawURLEncoding.EncodeToString(sum[:])
	_, now, err := c.records.Record(ctx, key) // for the store's time
	if err != nil {
		return fmt.Errorf("auth/oauth: read the record of an assertion: %w", err)
	}
	// The rest of its life is measured here and counted by the store's clock.
	life := time.Until(p.Expiry()) + leeway + margin
	r := auth.Record{Key: key, Value: []byte{1}, ExpiresAt: now.Add(life).UTC().Truncate(time.Microsecond)}
	switch err := c.records.ReplaceRecord(ctx, r.Renew(), r); {
	case errors.Is(err, auth.ErrConflict):
		return fmt.Errorf("%w: it was used before", ErrInvalid)
	case err != nil:
		return fmt.Errorf("auth/oauth: record a used assertion: %w", err)
	}
	return nil
}
