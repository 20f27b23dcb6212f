package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// The encoding is pepperPrefix, the version, the key's ID, "$" and h's encoding.
const (
	pepperPrefix  = "$auth-pepper$"
	pepperVersion = "v=1,k="
	pepperLabel   = "auth pepper, version 1\x00" // no token begins so: one secret for both uses mixes neither
	pepperMaxID   = 64
)

// Pepper returns a Hasher that puts a secret which is not in the table into every
// hash: h is given not the password but its HMAC-SHA256 under current. Who has
// the table alone cannot even try a password. NIST SP 800-63B-4 section 3.1.1.2;
// OWASP Password Storage Cheat Sheet, "Peppering".
//
// The key's ID stands in the encoded hash, before h's own. Hashes under an older
// key verify, and NeedsRehash is true of them: to rotate, make the old key an
// older one and drop it when no row names it any more. Without its key a hash is
// lost. Hashes made without a pepper are [ErrUnknownHash] here; while there are
// some, name the Hasher that reads them: Hashers(peppered, h).
//
// Keys come from [NewSecretKey], IDs from [Key.WithID]. It returns a
// [ConfigError] for each fault, joined: a key is no HS256 secret, has an ID that
// is not 1 to 64 letters, digits and "._-", or has the ID of another.
func Pepper(h Hasher, current Key, older ...Key) (Hasher, error) {
	p := &peppered{h: h, keys: map[string]Key{}, current: current.ID()}
	var faults []error
	fault := func(field, value, reason string) {
		faults = append(faults, &ConfigError{Field: field, Value: value, Reason: reason})
	}
	if h == nil {
		fault("Pepper.h", "", "there is no Hasher")
	}
	for i, k := range append([]Key{current}, older...) {
		field := "Pepper.current"
		if i > 0 {
			field = fmt.Sprintf("Pepper.older[%d]", i-1)
		}
		switch _, taken := p.keys[k.ID()]; {
		case k.Algorithm() != HS256 || !k.CanSign():
			fault(field, k.ID(), "want a secret for HS256")
			continue
		case !isPepperID(k.ID()):
			fault(field, k.ID(), `the ID stands in each hash: want 1 to 64 letters, digits and "._-"`)
		case taken:
			fault(field, k.ID(), "another key has this ID")
		}
		p.keys[k.ID()] = k
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return p, nil
}

type peppered struct {
	h       Hasher
	keys    map[string]Key // by ID
	current string         // the ID of the key for new hashes
}

func (p *peppered) Hash(ctx context.Context, password string) (string, error) {
	secret, err := pepper(ctx, p.keys[p.current], password)
	if err != nil {
		return "", err
	}
	encoded, err := p.h.Hash(ctx, secret)
	if err != nil {
		return "", err
	}
	return pepperPrefix + pepperVersion + p.current + "$" + encoded, nil
}

func (p *peppered) Verify(ctx context.Context, encoded, password string) error {
	id, inner, err := splitPeppered(encoded)
	if err != nil {
		return err
	}
	key, ok := p.keys[id]
	if !ok {
		return fmt.Errorf("%w: there is no pepper %q", ErrUnknownHash, id)
	}
	secret, err := pepper(ctx, key, password)
	if err != nil {
		return err
	}
	return p.h.Verify(ctx, inner, secret)
}

func (p *peppered) NeedsRehash(encoded string) bool {
	id, inner, err := splitPeppered(encoded)
	return err != nil || id != p.current || p.h.NeedsRehash(inner)
}

// splitPeppered takes off what Pepper has put before h's encoding.
func splitPeppered(encoded string) (id, inner string, err error) {
	rest, ok := strings.CutPrefix(encoded, pepperPrefix)
	if !ok {
		return "", "", ErrUnknownHash
	}
	rest, ok = strings.CutPrefix(rest, pepperVersion)
	id, inner, cut := strings.Cut(rest, "$")
	if !ok || !cut || !isPepperID(id) {
		return "", "", fmt.Errorf("%w: not of the form %s%sID$…", ErrMalformedHash, pepperPrefix, pepperVersion)
	}
	return id, inner, nil
}

// pepper returns what is hashed in the password's place: 43 characters, of which
// bcrypt cuts off none.
func pepper(ctx context.Context, key Key, password string) (string, error) {
	mac, err := key.jose.AppendSign(ctx, nil, []byte(pepperLabel+password))
	if err != nil {
		return "", fmt.Errorf("auth: pepper: %w", err)
	}
	return base64.RawStdEncoding.EncodeToString(mac), nil
}

func isPepperID(id string) bool {
	for _, c := range []byte(id) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return id != "" && len(id) <= pepperMaxID
}
