package legacyhash

import (
	"crypto/md5"
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

// Bounds on the cost that a stored hash may ask for.
const (
	maxSalt = 128 // bytes

	// With the greatest N and r, scrypt needs 128 MiB.
	maxScryptLog2N = 17
	maxScryptN     = 1 << maxScryptLog2N
	maxScryptR     = 8
	maxScryptP     = 10
	maxScryptWork  = 1 << 22 // N times r times p
)

var (
	errParts    = errors.New("a part of the format is missing or unknown")
	errCost     = errors.New("the cost is not a number within the bounds")
	errSalt     = errors.New("the salt is empty, too long or has a character outside the alphabet")
	errLength   = errors.New("the digest does not have the length of the format")
	errEncoding = errors.New("the salt or the digest is not in canonical encoding")
)

// scryptHash returns the recipe of scrypt (RFC 7914). The digest must have size bytes, for the reason
// that [pbkdf2Hash] names.
func scryptHash(n, r, p int, salt, digest []byte, size int) (recipe, error) {
	switch {
	case n < 2 || n > maxScryptN || n&(n-1) != 0 || r < 1 || r > maxScryptR || p < 1 || p > maxScryptP || n*r*p > maxScryptWork:
		return recipe{}, errCost
	case len(salt) == 0 || len(salt) > maxSalt:
		return recipe{}, errSalt
	case len(digest) != size:
		return recipe{}, errLength
	}
	return recipe{digest: digest, key: func(password string) ([]byte, error) {
		return scrypt.Key([]byte(password), salt, n, r, p, size)
	}}, nil
}

// saltedDigest returns the recipe of one hash of size bytes over password and salt. See decision
// 0043.
func saltedDigest(size int, digest, salt []byte, sum func(password string) []byte) (recipe, error) {
	switch {
	case len(salt) == 0 || len(salt) > maxSalt:
		return recipe{}, errSalt
	case len(digest) != size:
		return recipe{}, errLength
	}
	return recipe{digest: digest, key: func(password string) ([]byte, error) { return sum(password), nil }}, nil
}

// hashed returns the hash of text.
func hashed(newHash func() hash.Hash, text string) []byte {
	h := newHash()
	h.Write([]byte(text))
	return h.Sum(nil)
}

// md5Digits returns the MD5 of text in hexadecimal digits.
func md5Digits(text string) string { return hex.EncodeToString(hashed(md5.New, text)) }

// numbers reads the numbers of an scrypt hash. It returns 0, which is out of bounds, for a text
// that is not a number.
func numbers(texts ...string) []int {
	list := make([]int, len(texts))
	for i, text := range texts {
		list[i], _ = phc.Number(text, maxScryptN)
	}
	return list
}

// hashOf returns the hash function with this name in Python, and its size in bytes.
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

// textSalt returns a salt whose text is hashed. It must be printable ASCII without spaces.
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
	// passlibBase64 is passlib's ab64: raw base64 with '.' in place of '+'.
	passlibBase64 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./").WithPadding(base64.NoPadding).Strict()
	// bcryptBase64 is that of bcrypt.
	bcryptBase64 = base64.NewEncoding("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").WithPadding(base64.NoPadding).Strict()
)

// fromBase64 decodes the canonical encoding. It compares lengths because package base64 skips line
// breaks even if it is strict.
func fromBase64(encoding *base64.Encoding, text string) ([]byte, error) {
	decoded, err := encoding.DecodeString(text)
	if err != nil || encoding.EncodedLen(len(decoded)) != len(text) {
		return nil, errEncoding
	}
	return decoded, nil
}

// fromHex decodes hexadecimal digits, which must be in lower case.
func fromHex(text string) ([]byte, error) {
	decoded, err := hex.DecodeString(text)
	if err != nil || hex.EncodeToString(decoded) != text {
		return nil, errEncoding
	}
	return decoded, nil
}
