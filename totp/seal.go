package totp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

const keyBytes = 32

// key seals secrets with AES-256-GCM.
type key struct {
	id   [4]byte // how a sealed secret names it
	aead cipher.AEAD
}

func newKey(material []byte) (k key, ok bool) {
	if len(material) != keyBytes || [keyBytes]byte(material) == ([keyBytes]byte{}) {
		return k, false
	}
	block, err := aes.NewCipher(material)
	if err != nil {
		return k, false
	}
	if k.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return k, false
	}
	sum := sha256.Sum256(append([]byte("totp key id\x00"), material...))
	copy(k.id[:], sum[:])
	return k, true
}

// Format writes nothing of the key, whatever the verb.
func (key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[REDACTED]")) }

// seal returns the secret of a user, which opens for that user alone.
func (k *key) seal(userID, secret string) []byte {
	return k.aead.Seal(k.id[:], nil, []byte(secret), about(userID))
}

// open returns the secret, and the key that it was sealed with.
func (f *Factor) open(userID string, sealed []byte) (secret string, by *key, err error) {
	for i := range f.keys {
		k := &f.keys[i]
		if len(sealed) < len(k.id) || [4]byte(sealed) != k.id {
			continue
		}
		if text, err := k.aead.Open(nil, nil, sealed[len(k.id):], about(userID)); err == nil {
			return string(text), k, nil
		}
	}
	return "", nil, errUnknown
}

func about(userID string) []byte {
	b := binary.BigEndian.AppendUint32([]byte("totp secret\x00"), uint32(len(userID)))
	return append(b, userID...)
}
