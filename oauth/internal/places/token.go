package places

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/seed-e36e2130/auth/secrets"
)

// ErrNotGenuine is the error of a refresh token that this server did not make. It changes nothing: an
// attacker who knows the ID of a grant cannot end it.
var ErrNotGenuine = errors.New("auth: the refresh token is not genuine")

// refreshToken is a refresh token taken apart; as text it is 86 characters of base64url. MAC is the
// HMAC-SHA256, under a secret of the server, of all that stands before it and of the grant's seed.
// Neither the secrets nor the store alone can make a token, no token is stored, and every replica
// makes the same one.
type refreshToken struct { // encoding/binary needs exported fields
	Key             [8]byte // secret that made it: see [secrets.Key.Mark]
	Grant           [16]byte
	Lineage, Number uint32
	MAC             [sha256.Size]byte
}

var base64url = base64.RawURLEncoding

func (t *refreshToken) encode() []byte {
	b, _ := binary.Append(nil, binary.BigEndian, t) // cannot fail: its size is fixed
	return b
}

// input is what the MAC is of. Its label keeps it apart from everything else that the secret is used
// for: no JWT holds a NUL.
func (t *refreshToken) input(seed *[32]byte) []byte {
	b := append([]byte("auth oauth refresh token 1\x00"), t.encode()...)
	return append(b[:len(b)-len(t.MAC)], seed[:]...)
}

// Text returns a token of the state as the client gets it, made with the current secret of keys. grant
// is the ID of the grant: 16 bytes in base64url, 22 characters. Text returns an error if it is not, or
// if keys is empty.
func (s State) Text(keys *secrets.Ring, grant string, t Token) (string, error) {
	key := keys.Current()
	text := refreshToken{Key: key.Mark(), Lineage: t.Lineage, Number: t.Number}
	id, err := base64url.DecodeString(grant)
	if err != nil || len(id) != len(text.Grant) || base64url.EncodeToString(id) != grant {
		return "", fmt.Errorf("auth: the grant ID %q is not 16 bytes in base64url", grant)
	}
	text.Grant = [16]byte(id)
	if text.MAC, err = key.MAC(text.input(&s.seed)); err != nil {
		return "", err
	}
	return base64url.EncodeToString(text.encode()), nil
}

// Presented is a refresh token whose MAC has not been verified yet: [State.Open] does that, with the
// state of the grant that it names.
type Presented struct {
	token refreshToken
	key   secrets.Key
}

// Read takes apart a refresh token that a client presents. It returns [ErrNotGenuine] if the text is not
// the one spelling of a token, or if its secret is not in keys. The store need not be asked about such
// a text.
func Read(keys *secrets.Ring, text string) (Presented, error) {
	var p Presented
	if len(text) != base64url.EncodedLen(binary.Size(p.token)) {
		return Presented{}, ErrNotGenuine
	}
	b, err := base64url.DecodeString(text)
	if err != nil || base64url.EncodeToString(b) != text {
		return Presented{}, ErrNotGenuine
	}
	if _, err := binary.Decode(b, binary.BigEndian, &p.token); err != nil {
		return Presented{}, ErrNotGenuine
	}
	var known bool
	if p.key, known = keys.ByMark(p.token.Key); !known {
		return Presented{}, ErrNotGenuine
	}
	return p, nil
}

// Format writes nothing of the token, whatever the verb.
func (Presented) Format(f fmt.State, _ rune) { io.WriteString(f, "places.Presented") }

// Grant returns the ID of the grant that the token names: 22 characters of base64url.
func (p Presented) Grant() string { return base64url.EncodeToString(p.token.Grant[:]) }

// Open verifies the MAC of a token of this grant. It returns [ErrNotGenuine] if the MAC is wrong.
func (s State) Open(p Presented) (Token, error) {
	if !p.key.Verify(p.token.input(&s.seed), p.token.MAC[:]) {
		return Token{}, ErrNotGenuine
	}
	return Token{p.token.Lineage, p.token.Number}, nil
}
