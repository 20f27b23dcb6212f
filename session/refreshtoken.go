package session

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/seed-e36e2130/auth/secrets"
)

// refreshToken is a refresh token taken apart; as text it is 86 characters of base64url. MAC is the
// HMAC-SHA256, under a secret of the server, of all that stands before it and of the seed in the
// session's row. So neither the secrets nor the store alone can make a token, nothing that is
// stored is a token, and every replica makes the same one.
type refreshToken struct { // encoding/binary needs exported fields
	Key                 [8]byte // secret that made it: see [secrets.Key.Mark]
	Session             [16]byte
	Generation, Attempt uint32
	MAC                 [sha256.Size]byte
}

// parseRefreshToken takes a token apart if it is in its one spelling. Nothing in it may be believed
// before its MAC is verified.
func parseRefreshToken(text string) (t refreshToken, ok bool) {
	if len(text) != base64url.EncodedLen(binary.Size(t)) {
		return t, false
	}
	b, err := base64url.DecodeString(text)
	if err != nil || base64url.EncodeToString(b) != text {
		return t, false
	}
	_, err = binary.Decode(b, binary.BigEndian, &t)
	return t, err == nil
}

func (t *refreshToken) text() string {
	b, _ := binary.Append(nil, binary.BigEndian, t) // cannot fail: its size is fixed
	return base64url.EncodeToString(b)
}

// sessionID returns the ID of the session that the token names.
func (t *refreshToken) sessionID() string { return base64url.EncodeToString(t.Session[:]) }

// input is what the MAC is of. Its label keeps it apart from everything else that the secret may be
// used for: no JWT holds a NUL.
func (t *refreshToken) input(seed [32]byte) []byte {
	b, _ := binary.Append([]byte("auth refresh token 1\x00"), binary.BigEndian, t)
	return append(b[:len(b)-len(t.MAC)], seed[:]...)
}

// newRefreshToken returns the newest token of a session.
func newRefreshToken(keys *secrets.Ring, sessionID string, r *rotation) (string, error) {
	key := keys.Current()
	t := refreshToken{Key: key.Mark(), Generation: r.Generation, Attempt: r.Attempt}
	id, err := base64url.DecodeString(sessionID)
	if err != nil || copy(t.Session[:], id) != len(id) || t.sessionID() != sessionID {
		return "", fmt.Errorf("auth: the session ID %q was not made by this library", sessionID)
	}
	if t.MAC, err = key.MAC(t.input(r.Seed)); err != nil {
		return "", err
	}
	return t.text(), nil
}
