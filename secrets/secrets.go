// Package secrets holds a server's own secrets: the keys of refresh tokens, the pepper of password
// hashes, the keys from which package totp derives the keys that seal second factors. A secret makes
// message authentication codes (MACs) and nothing else, and can be rotated while the server runs.
package secrets

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/jose"
	"github.com/seed-e36e2130/auth/internal/keyfile"
)

// Key is one secret, for HMAC-SHA256. It never changes, and shows its ID but never its bytes,
// however it is printed, logged or marshalled. The zero Key is no secret, and a [Ring] refuses it.
type Key struct{ jose *jose.Key }

// New returns a Key of the given bytes: at least 32, from a random source. It returns a
// [*cfgerr.Error] if there are fewer, if they repeat themselves, or if they are a published sample
// or the text of another key. The bytes are copied.
func New(secret []byte) (Key, error) {
	return newKey("secrets.New", func() (*jose.Key, error) { return jose.NewSecret(secret, jose.HS256, "") })
}

// Generate returns a new Key of 32 bytes from the system's random source. It lasts as long as the
// process: use [OpenFile] for a Key that survives a restart.
func Generate() Key {
	secret := make([]byte, 32)
	for {
		rand.Read(secret)                      // never fails
		if k, err := New(secret); err == nil { // refused only if it looks like no random bytes
			return k
		}
	}
}

// OpenFile returns the Key in a file, a JWK (RFC 7517) of kty "oct" and alg HS256, and creates the
// file with a new Key and mode 0600 if there is none. Of processes that start at once, one creates
// the Key and all get it.
//
// It returns a [*cfgerr.Error] if the file holds another kind of key, if group or others can read or
// write it, or if it belongs neither to the user of the process nor to root. The group may read it if
// the process is in the group or owns the file. What the file system returns is wrapped.
func OpenFile(path string) (Key, error) {
	key, err := keyfile.Open(path, jose.HS256)
	if err != nil {
		return Key{}, err
	}
	if err := checkID(key.ID()); err != nil {
		return Key{}, &cfgerr.Error{Field: "key file", Value: path, Reason: err.Error()}
	}
	return Key{key}, nil
}

func newKey(field string, make func() (*jose.Key, error)) (Key, error) {
	key, err := make()
	if err == nil {
		err = checkID(key.ID())
	}
	if err != nil {
		return Key{}, &cfgerr.Error{Field: field, Reason: err.Error()}
	}
	return Key{key}, nil
}

// WithID returns the Key under another ID: 1 to 64 letters, digits, dots, hyphens and underscores.
// It returns a [*cfgerr.Error] for any other, and for the zero Key.
func (k Key) WithID(id string) (Key, error) {
	return newKey("secrets.Key.WithID", func() (*jose.Key, error) {
		switch {
		case k.jose == nil:
			return nil, errors.New("the Key is the zero Key")
		case id == "":
			return nil, errors.New("the ID is empty")
		}
		return k.jose.With("", id)
	})
}

const maxID = 64

// ValidID reports whether id can name a Key: 1 to 64 letters, digits, dots, hyphens and underscores.
// IDs stand in stored hashes.
func ValidID(id string) bool {
	for _, c := range []byte(id) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return id != "" && len(id) <= maxID
}

func checkID(id string) error {
	if !ValidID(id) {
		return fmt.Errorf("the ID %.80q is not 1 to %d letters, digits, dots, hyphens and underscores", id, maxID)
	}
	return nil
}

// ID returns the ID that was given, or else a truncated SHA-256 of the secret, which does not help
// to find it. It is empty for the zero Key.
func (k Key) ID() string {
	if k.jose == nil {
		return ""
	}
	return k.jose.ID()
}

// Mark returns a digest of the ID, of one length: how tokens and sealed records name their Key.
func (k Key) Mark() (mark [8]byte) {
	sum := sha256.Sum256([]byte("auth key mark\x00" + k.ID()))
	copy(mark[:], sum[:])
	return mark
}

// MAC returns the HMAC-SHA256 of input. Begin input with a label of its purpose, so that a MAC of
// one purpose is of no use for another. It returns an error for the zero Key.
func (k Key) MAC(input []byte) (mac [sha256.Size]byte, err error) {
	if k.jose == nil {
		return mac, errZero
	}
	out, err := k.jose.AppendSign(context.Background(), mac[:0], input)
	if err != nil {
		return mac, fmt.Errorf("auth: MAC: %w", err)
	}
	copy(mac[:], out)
	return mac, nil
}

// Verify reports whether mac is the HMAC-SHA256 of input, in a time that does not depend on mac.
func (k Key) Verify(input, mac []byte) bool {
	return k.jose != nil && k.jose.Verify(input, mac)
}

var errZero = errors.New("auth: the secrets.Key is the zero Key")

// Format writes the ID and never the secret, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "secrets.Key(%q)", k.ID()) }

// LogValue returns what Format writes.
func (k Key) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(k)) }

// MarshalText returns what Format writes: JSON and the like show no more.
func (k Key) MarshalText() ([]byte, error) { return []byte(fmt.Sprint(k)), nil }
