package jwt

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/jose"
)

// KeyRing is the set of keys that are in use. An issuer, a verifier or a JWK set handler that has the
// ring sees a replacement at once and as a whole. It is safe for concurrent use.
//
// The zero KeyRing only verifies, and has no keys until its first Replace.
//
// To rotate keys without refusing a valid token, first add the next key as one that verifies, and
// wait until every verifier has it. Then let it sign, with the old key still verifying. Remove the
// old key when its last token has expired. Tokens of a removed key are refused at once.
type KeyRing struct {
	signs    bool
	current  atomic.Pointer[keySnapshot]
	replaced atomic.Pointer[func(ctx context.Context, keyID string)]
}

// keySnapshot is one state of a ring; nothing in it changes.
type keySnapshot struct {
	keys       []*jose.Key // each ID once; the first is signing, if there is one
	ring       *jose.Ring  // verifies with keys
	asymmetric bool        // whether one of keys is not a secret
	signing    *jose.Key   // nil: the ring only verifies
	header     string      // encoded header of the tokens that signing signs
	published  jwkSet      // public half of keys
}

// NewKeyRing returns a ring whose first key signs and whose keys all verify. It returns a
// [*cfgerr.Error] for each fault, joined: signing cannot sign, two different keys have one ID, one
// key has two algorithms, a secret is the public key of another key, or a key is the zero Key. The
// first key makes and verifies one signature; if that fails, the signer's error is wrapped.
//
// A ring may hold secrets and public keys, each bound to its algorithm, but a ring of one sort is
// easier to keep safe.
func NewKeyRing(signing Key, others ...Key) (*KeyRing, error) {
	r := &KeyRing{signs: true}
	if err := r.Replace(signing, others...); err != nil {
		return nil, err
	}
	return r, nil
}

// NewVerifyingKeyRing returns a ring that only verifies, even if its keys can sign. It returns the
// errors of [NewKeyRing].
func NewVerifyingKeyRing(keys ...Key) (*KeyRing, error) {
	r := &KeyRing{}
	if len(keys) == 0 {
		return nil, &cfgerr.Error{Field: "jwt.KeyRing", Reason: "there is no key"}
	}
	if err := r.Replace(keys[0], keys[1:]...); err != nil {
		return nil, err
	}
	return r, nil
}

// Replace puts new keys in the place of all keys, in one step. In a ring that signs, the first key
// signs. It returns the errors of [NewKeyRing], and then nothing has changed.
func (r *KeyRing) Replace(first Key, others ...Key) error {
	s, err := newKeySnapshot(r.signs, append([]Key{first}, others...))
	if err != nil {
		return err
	}
	before := r.current.Swap(s)
	if replaced := r.replaced.Load(); replaced != nil && !s.same(before) {
		id := ""
		if s.signing != nil {
			id = s.signing.ID()
		}
		(*replaced)(context.Background(), id)
	}
	return nil
}

// OnReplace has f called after each later [KeyRing.Replace] that changes the keys or their order,
// in the goroutine that calls Replace. keyID is the ID of the key that signs now, and empty where
// the ring only verifies. One function is called: a later OnReplace takes the place of an earlier
// one, and nil removes it.
func (r *KeyRing) OnReplace(f func(ctx context.Context, keyID string)) {
	if f == nil {
		r.replaced.Store(nil)
		return
	}
	r.replaced.Store(&f)
}

// IDs returns the IDs of the ring's keys. In a ring that signs, the first is that of the key that signs.
func (r *KeyRing) IDs() (ids []string) {
	if s := r.current.Load(); s != nil {
		for _, k := range s.keys {
			ids = append(ids, k.ID())
		}
	}
	return ids
}

// same reports whether both hold the same keys in the same order.
func (s *keySnapshot) same(other *keySnapshot) bool {
	return other != nil && slices.EqualFunc(s.keys, other.keys, func(a, b *jose.Key) bool {
		return a.ID() == b.ID() && a.Fingerprint() == b.Fingerprint() && a.Algorithm() == b.Algorithm()
	})
}

// newKeySnapshot checks keys and builds a state of a ring. See decision 0020.
func newKeySnapshot(signs bool, keys []Key) (*keySnapshot, error) {
	s := new(keySnapshot)
	var faults cfgerr.Faults
	fault := func(i int, reason string) {
		faults.Add(fmt.Sprintf("jwt.KeyRing[%d]", i), keys[i].ID(), reason)
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
		for _, secret := range s.keys {
			if secret.Spells(k) {
				faults.Add("jwt.KeyRing", secret.ID(), "the secret is a public key of the ring")
			}
		}
	}
	if first := keys[0].jose; signs && first != nil {
		if s.signing = first; !first.CanSign() {
			fault(0, "cannot sign, only verify")
		} else if err := first.SelfTest(context.Background()); err != nil {
			faults.Join(fmt.Errorf("auth: jwt.KeyRing[0] %q: self-test: %w", first.ID(), err))
		}
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	s.ring = jose.NewRing(s.keys, signs)
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

// snapshot returns the keys in use, or nil for the zero KeyRing.
func (r *KeyRing) snapshot() *keySnapshot {
	return r.current.Load()
}
