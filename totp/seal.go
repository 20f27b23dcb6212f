package totp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/seed-e36e2130/auth/secrets"
)

// A sealed secret begins with the 8 bytes of [secrets.Key.Mark]. The nonce, the ciphertext and the
// tag of AES-256-GCM follow.

const (
	sealLabel = "auth totp sealing key, version 1\x00" // input of the MAC that becomes the key
	markBytes = 8
)

var errSealed = errors.New("totp: the secret of a user was sealed with a key that is not in the ring, or is damaged")

// cipherOf returns the cipher whose key is derived from k.
func cipherOf(k secrets.Key) (cipher.AEAD, error) {
	key, err := k.MAC([]byte(sealLabel))
	if err != nil {
		return nil, fmt.Errorf("totp: %w", err)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("totp: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("totp: %w", err)
	}
	return aead, nil
}

// seal seals the secret of a user with the current key. It opens for this user only.
func (f *Factor) seal(userID, secret string) ([]byte, error) {
	key := f.keys.Current()
	aead, err := cipherOf(key)
	if err != nil {
		return nil, err
	}
	mark := key.Mark()
	return aead.Seal(mark[:], nil, []byte(secret), additionalData(userID)), nil
}

// open returns the secret of a user, and whether it is sealed with the current key.
func (f *Factor) open(userID string, sealed []byte) (secret string, current bool, err error) {
	if len(sealed) < markBytes {
		return "", false, errSealed
	}
	mark := [markBytes]byte(sealed)
	key, ok := f.keys.ByMark(mark)
	if !ok {
		return "", false, errSealed
	}
	aead, err := cipherOf(key)
	if err != nil {
		return "", false, err
	}
	text, err := aead.Open(nil, nil, sealed[markBytes:], additionalData(userID))
	if err != nil {
		return "", false, errSealed
	}
	return string(text), mark == f.keys.Current().Mark(), nil
}

// additionalData binds a sealed secret to its user.
func additionalData(userID string) []byte {
	b := binary.BigEndian.AppendUint32([]byte("totp secret\x00"), uint32(len(userID)))
	return append(b, userID...)
}
