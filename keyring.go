package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/seed-e36e2130/auth/internal/jose"
)

// KeyRing is the set of keys in force. Whoever holds the ring (an issuer, a
// verifier, a JWK set handler) sees a replacement at once and as a whole. It is
// safe for concurrent use.
//
// The zero KeyRing only verifies and has no keys until its first Replace.
//
// To rotate without refusing one valid token: add the next key as a verifying one
// and wait until every verifier has seen it; let it sign, with the old one still
// verifying; remove the old one when its last token has expired. A key removed is
// refused at once.
type KeyRing struct {
	signs   bool
	current atomic.Pointer[keySnapshot]
	events  atomic.Pointer[func(context.Context, Event)]
}

// keySnapshot is one state of a ring; nothing in it changes.
type keySnapshot struct {
	keys       []*jose.Key // each ID once; keys[0] is signing, if there is one
	ring       *jose.Ring  // of keys
	asymmetric bool        // one of keys is no secret
	signing    *jose.Key   // nil: the ring only verifies
	header     string      // the encoded header of what signing signs
	published  jwkSet      // the public half of keys
}

// NewKeyRing returns a ring whose first key signs and whose keys all verify. It
// returns a [ConfigError] for each fault, joined: signing cannot sign, two different
// keys have one ID, one key has two algorithms, a secret is the public key of
// another, or a key is the zero Key. The first key makes and verifies one signature;
// what its signer answers if that fails comes wrapped.
//
// Secrets and public keys may stand in one ring, each bound to its algorithm, but
// a ring of one sort is easier to keep safe.
func NewKeyRing(signing Key, others ...Key) (*KeyRing, error) {
	r := &KeyRing{signs: true}
	if err := r.Replace(signing, others...); err != nil {
		return nil, err
	}
	return r, nil
}

// NewVerifyingKeyRing returns a ring that only verifies, whatever its keys can
// do. It returns the errors of [NewKeyRing].
func NewVerifyingKeyRing(keys ...Key) (*KeyRing, error) {
	r := &KeyRing{}
	if len(keys) == 0 {
		return nil, &ConfigError{Field: "KeyRing", Reason: "there is no key"}
	}
	if err := r.Replace(keys[0], keys[1:]...); err != nil {
		return nil, err
	}
	return r, nil
}

// Replace puts new keys in place of all keys, in one step; in a ring that signs,
// the first signs. It returns the errors of [NewKeyRing], and then nothing has
// changed.
func (r *KeyRing) Replace(first Key, others ...Key) error {
	s, err := newKeySnapshot(r.signs, append([]Key{first}, others...))
	if err != nil {
		return err
	}
	before := r.current.Swap(s)
	if tell := r.events.Load(); tell != nil && !s.same(before) {
		e := Event{Kind: EventKeyRotated}
		if s.signing != nil {
			e.KeyID = s.signing.ID()
		}
		(*tell)(context.Background(), e)
	}
	return nil
}

// Notify has events told of each later Replace that changes the keys or their order,
// by an [EventKeyRotated], in the goroutine that calls Replace. It takes the place of
// what an earlier Notify named; nil: nobody is told. What [Config].Events is given
// will do.
func (r *KeyRing) Notify(events func(ctx context.Context, e Event)) {
	if events == nil {
		r.events.Store(nil)
		return
	}
	r.events.Store(&events)
}

// same reports whether both hold the same keys in the same order.
func (s *keySnapshot) same(other *keySnapshot) bool {
	return other != nil && slices.EqualFunc(s.keys, other.keys, func(a, b *jose.Key) bool {
		return a.ID() == b.ID() && a.Fingerprint() == b.Fingerprint() && a.Algorithm() == b.Algorithm()
	})
}

// newKeySnapshot is where every state of a ring is checked and built.
func newKeySnapshot(signs bool, keys []Key) (*keySnapshot, error) {
	s := new(keySnapshot)
	var faults []error
	fault := func(i int, reason string) {
		faults = append(faults, &ConfigError{Field: fmt.Sprintf("KeyRing[%d]", i), Value: keys[i].ID(), Reason: reason})
	}
	byID, byMaterial := map[string]*jose.Key{}, map[string]*jose.Key{}
	for i, key := range keys {
		k := key.jose
		if k == nil {
			fault(i, "is the zero Key: GenerateKey and OpenKeyFile make one, among others")
			continue
		}
		if same := byMaterial[k.Fingerprint()]; same != nil && same.Algorithm() != k.Algorithm() {
			fault(i, "stands in the ring with another algorithm: a key has one")
			continue
		}
		if same := byID[k.ID()]; same != nil {
			if same.Fingerprint() != k.Fingerprint() {
				fault(i, "another key has the same ID")
			}
			continue
		}
		byID[k.ID()], byMaterial[k.Fingerprint()] = k, k
		s.keys = append(s.keys, k)
	}
	for _, k := range s.keys {
		for _, f := range k.FingerprintsAsSecret() {
			if byMaterial[f] != nil {
				faults = append(faults, &ConfigError{Field: "KeyRing", Value: byMaterial[f].ID(), Reason: "the secret is a public key of the ring"})
			}
		}
	}
	if first := keys[0].jose; signs && first != nil {
		if s.signing = first; !first.CanSign() {
			fault(0, "cannot sign, only verify")
		} else if err := first.SelfTest(context.Background()); err != nil {
			faults = append(faults, fmt.Errorf("auth: KeyRing[0] %q: self-test: %w", first.ID(), err))
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	s.ring = jose.NewRing(s.keys)
	s.asymmetric = slices.ContainsFunc(s.keys, func(k *jose.Key) bool { return !k.Symmetric() })
	if s.signing != nil {
		s.header = jose.HeaderSegment(s.signing, jose.AccessTokenType)
	}
	var err error
	if s.published, err = newJWKSet(s.keys); err != nil {
		return nil, fmt.Errorf("auth: publish keys: %w", err)
	}
	return s, nil
}

// snapshot returns the keys in force, or nil for no KeyRing and the zero one.
func (r *KeyRing) snapshot() *keySnapshot {
	if r == nil {
		return nil
	}
	return r.current.Load()
}
