package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed-e36e2130/auth/internal/jose"
)

// refreshToken is a refresh token taken apart: 86 characters of base64url. MAC is
// HMAC-SHA256 under a key of the server, over all that stands before it and over
// the seed in the session's row. So neither the keys nor the store alone can make
// a token, nothing that is stored is one, and every replica makes the same.
type refreshToken struct { // field names are encoding/binary's wish
	Key                 [8]byte // which of the server's keys: see keyMark
	Session             [16]byte
	Generation, Attempt uint32
	MAC                 [sha256.Size]byte
}

var base64url = base64.RawURLEncoding

// parseRefreshToken takes a token apart if it is spelled as it was made. Nothing
// in it is to be believed before its MAC was verified.
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
	b, _ := binary.Append(nil, binary.BigEndian, t) // of fixed size: it cannot fail
	return base64url.EncodeToString(b)
}

// sessionID returns the ID of the session that the token names.
func (t *refreshToken) sessionID() string { return base64url.EncodeToString(t.Session[:]) }

// input is what the MAC is over. The label keeps it apart from everything else
// that the key may sign: no JWT holds a NUL.
func (t *refreshToken) input(seed [32]byte) []byte {
	b, _ := binary.Append([]byte("auth refresh token 1\x00"), binary.BigEndian, t)
	return append(b[:len(b)-len(t.MAC)], seed[:]...)
}

// keyMark is how a token names a key: it is of one length and shows nothing of
// how the host names keys.
func keyMark(k *jose.Key) (mark [8]byte) {
	sum := sha256.Sum256([]byte("auth refresh key\x00" + k.ID()))
	copy(mark[:], sum[:])
	return mark
}

var errRefreshKeys = errors.New("auth: Config.RefreshKeys: the ring's first key is not an HS256 secret")

// newRefreshToken returns the newest token of a session.
func newRefreshToken(ctx context.Context, keys *KeyRing, sessionID string, r *rotation) (string, error) {
	k := keys.snapshot().signing
	if !isRefreshKey(k) {
		return "", errRefreshKeys // since a Replace
	}
	t := refreshToken{Key: keyMark(k), Generation: r.Generation, Attempt: r.Attempt}
	id, err := base64url.DecodeString(sessionID)
	if err != nil || copy(t.Session[:], id) != len(id) || t.sessionID() != sessionID {
		return "", fmt.Errorf("auth: session ID %q is not of this library", sessionID)
	}
	mac, err := k.AppendSign(ctx, nil, t.input(r.Seed))
	if err != nil {
		return "", fmt.Errorf("auth: sign refresh token: %w", err)
	}
	copy(t.MAC[:], mac)
	return t.text(), nil
}

// knownKey reports whether the token names a key of the ring, which takes no
// look at the store.
func (t *refreshToken) knownKey(keys *KeyRing) bool {
	return t.verify(keys, func(*jose.Key) bool { return true })
}

// genuine reports whether the token was made by this server for a session with
// this seed.
func (t *refreshToken) genuine(keys *KeyRing, seed [32]byte) bool {
	return t.verify(keys, func(k *jose.Key) bool { return k.Verify(t.input(seed), t.MAC[:]) })
}

// verify reports whether a key that the token names satisfies ok.
func (t *refreshToken) verify(keys *KeyRing, ok func(*jose.Key) bool) bool {
	for _, k := range keys.snapshot().keys {
		if isRefreshKey(k) && keyMark(k) == t.Key && ok(k) {
			return true
		}
	}
	return false
}

// isRefreshKey reports whether k makes the same MAC of the same text every time:
// a signature would not.
func isRefreshKey(k *jose.Key) bool { return k != nil && k.Algorithm() == HS256 }
