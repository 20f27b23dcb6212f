package passwords

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/secrets"
)

// An encoded hash is pepperPrefix, the version, the key's ID, "$" and the encoding of the inner
// Hasher.
const (
	pepperPrefix  = "$auth-pepper$"
	pepperVersion = "v=1,k="
	pepperLabel   = "auth pepper, version 1\x00" // keeps these MACs apart from those of other purposes
)

// Pepper returns a Hasher that puts a secret which is not in the table into every hash: h is given
// not the password but its HMAC-SHA256 under the current key of the ring. An attacker who has the
// table alone cannot even try a password. NIST SP 800-63B-4 section 3.1.1.2; OWASP Password Storage
// Cheat Sheet, "Peppering".
//
// The key's ID stands in the encoded hash, before h's own. Hashes under an older key of the ring
// verify, and NeedsRehash is true of them: to rotate, make the old key an older one, and remove it
// when no row names it any more. Without its key a hash is lost. Hashes made without a pepper are
// [ErrUnknownHash] here; while there are some, name the Hasher that reads them:
// Chain(peppered, h).
//
// It returns a [*cfgerr.Error] if h is nil or the ring has no key.
func Pepper(h Hasher, keys *secrets.Ring) (Hasher, error) {
	var faults cfgerr.Faults
	faults.Require("passwords.Pepper.h", h != nil)
	faults.Require("passwords.Pepper.keys", keys != nil && len(keys.Keys()) > 0)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return &peppered{h, keys}, nil
}

type peppered struct {
	h    Hasher
	keys *secrets.Ring
}

func (p *peppered) Hash(ctx context.Context, password string) (string, error) {
	key := p.keys.Current()
	secret, err := pepper(key, password)
	if err != nil {
		return "", err
	}
	encoded, err := p.h.Hash(ctx, secret)
	if err != nil {
		return "", err
	}
	return pepperPrefix + pepperVersion + key.ID() + "$" + encoded, nil
}

func (p *peppered) Verify(ctx context.Context, encoded, password string) error {
	id, inner, err := splitPeppered(encoded)
	if err != nil {
		return err
	}
	key, ok := p.keys.ByID(id)
	if !ok {
		return fmt.Errorf("%w: there is no pepper %q", ErrUnknownHash, id)
	}
	secret, err := pepper(key, password)
	if err != nil {
		return err
	}
	return p.h.Verify(ctx, inner, secret)
}

func (p *peppered) NeedsRehash(encoded string) bool {
	id, inner, err := splitPeppered(encoded)
	return err != nil || id != p.keys.Current().ID() || p.h.NeedsRehash(inner)
}

// splitPeppered returns the key's ID and the encoding of the inner Hasher.
func splitPeppered(encoded string) (id, inner string, err error) {
	rest, ok := strings.CutPrefix(encoded, pepperPrefix)
	if !ok {
		return "", "", ErrUnknownHash
	}
	rest, ok = strings.CutPrefix(rest, pepperVersion)
	id, inner, cut := strings.Cut(rest, "$")
	if !ok || !cut || !secrets.ValidID(id) {
		return "", "", fmt.Errorf("%w: not of the form %s%sID$…", ErrMalformedHash, pepperPrefix, pepperVersion)
	}
	return id, inner, nil
}

// pepper returns what is hashed in place of the password: 43 characters, so bcrypt cuts off none.
func pepper(key secrets.Key, password string) (string, error) {
	mac, err := key.MAC([]byte(pepperLabel + password))
	if err != nil {
		return "", fmt.Errorf("auth: pepper: %w", err)
	}
	return base64.RawStdEncoding.EncodeToString(mac[:]), nil
}
