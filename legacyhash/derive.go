package legacyhash

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"

	"golang.org/x/crypto/scrypt"

	"github.com/seed-e36e2130/auth/internal/phc"
)

// The bounds on what a stored hash may ask for.
const (
	maxPBKDF2  = 10_000_000 // iterations
	maxScryptN = 1 << 17    // with r=8: 128 MiB
	maxScryptR = 8
	maxScryptP = 10
	maxSalt    = 128 // bytes
)

var (
	errParts    = errors.New("not the parts of its format")
	errCost     = errors.New("its cost is no number within the bounds")
	errSalt     = errors.New("its salt is empty, too long or has a foreign character")
	errLength   = errors.New("its digest is of another length")
	errEncoding = errors.New("its salt or digest is not canonical")
)

// pbkdf2Hash is the recipe of PBKDF2 (RFC 8018 section 5.2) with iterations as
// they stand in the hash. The digest must have size bytes: a shorter one would be
// the beginning of the right one, and match.
func pbkdf2Hash(newHash func() hash.Hash, iterations string, salt, digest []byte, size int) (recipe, error) {
	n, ok := phc.Number(iterations, maxPBKDF2)
	switch {
	case !ok || n < 1:
		return recipe{}, errCost
	case len(salt) == 0 || len(salt) > maxSalt:
		return recipe{}, errSalt
	case len(digest) != size:
		return recipe{}, errLength
	}
	return recipe{digest, func(password string) ([]byte, error) {
		return pbkdf2.Key(newHash, password, salt, n, size)
	}}, nil
}

// scryptHash is the recipe of scrypt (RFC 7914), with the same rule for the digest.
func scryptHash(n, r, p int, salt, digest []byte, size int) (recipe, error) {
	switch {
	case n < 2 || n > maxScryptN || n&(n-1) != 0 || r < 1 || r > maxScryptR || p < 1 || p > maxScryptP:
		return recipe{}, errCost
	case len(salt) == 0 || len(salt) > maxSalt:
		return recipe{}, errSalt
	case len(digest) != size:
		return recipe{}, errLength
	}
	return recipe{digest, func(password string) ([]byte, error) {
		return scrypt.Key([]byte(password), salt, n, r, p, size)
	}}, nil
}

// saltedDigest is the recipe of one hash of size bytes over password and salt.
func saltedDigest(size int, digest, salt []byte, sum func(password string) []byte) (recipe, error) {
	switch {
	case len(salt) == 0 || len(salt) > maxSalt:
		return recipe{}, errSalt
	case len(digest) != size:
		return recipe{}, errLength
	}
	return recipe{digest, func(password string) ([]byte, error) { return sum(password), nil }}, nil
}

// hashed returns the hash of a text.
func hashed(newHash func() hash.Hash, text string) []byte {
	h := newHash()
	h.Write([]byte(text))
	return h.Sum(nil)
}

// numbers reads the numbers of an scrypt hash; what is none becomes 0, which is out
// of bounds.
func numbers(texts ...string) []int {
	list := make([]int, len(texts))
	for i, text := range texts {
		list[i], _ = phc.Number(text, maxScryptN)
	}
	return list
}

// hashOf returns a hash function by the name it has in Python.
func hashOf(name string) (newHash func() hash.Hash, size int, ok bool) {
	switch name {
	case "sha1":
		return sha1.New, sha1.Size, true
	case "sha256":
		return sha256.New, sha256.Size, true
	case "sha512":
		return sha512.New, sha512.Size, true
	}
	return nil, 0, false
}

// textSalt returns a salt that is hashed as the text it is: printable ASCII.
func textSalt(text string) ([]byte, error) {
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' {
			return nil, errSalt
		}
	}
	return []byte(text), nil
}

var (
	standardBase64 = base64.StdEncoding.Strict()
	urlBase64      = base64.URLEncoding.Strict()
	rawBase64      = base64.RawStdEncoding.Strict()
	// passlibBase64 is passlib's ab64.
	passlibBase64 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./").WithPadding(base64.NoPadding).Strict()
)

// fromBase64 decodes the one spelling that bytes have. Package base64 skips line
// breaks even where it is strict.
func fromBase64(encoding *base64.Encoding, text string) ([]byte, error) {
	decoded, err := encoding.DecodeString(text)
	if err != nil || encoding.EncodedLen(len(decoded)) != len(text) {
		return nil, errEncoding
	}
	return decoded, nil
}

// fromHex decodes lower-case hexadecimal digits.
func fromHex(text string) ([]byte, error) {
	decoded, err := hex.DecodeString(text)
	if err != nil || hex.EncodeToString(decoded) != text {
		return nil, errEncoding
	}
	return decoded, nil
}
