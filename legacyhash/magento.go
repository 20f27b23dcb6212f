package legacyhash

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"

	"github.com/seed-e36e2130/auth/internal/phc"
	"github.com/seed-e36e2130/auth/passwords"
)

func magento() []format {
	return []format{{own: isMagento, verify: verifyMagento}}
}

// isMagento reports whether a hash has the shape of Magento 2's, which have no prefix: 32 or 64
// hexadecimal digits, a salt, and at least one version.
func isMagento(encoded string) (string, bool) {
	digits, rest, _ := strings.Cut(encoded, ":")
	if len(digits) != 2*md5.Size && len(digits) != 2*sha256.Size || !strings.Contains(rest, ":") {
		return "", false
	}
	_, err := fromHex(digits)
	return encoded, err == nil
}

// verifyMagento verifies digest:salt:version, where the version is 0 (MD5), 1 (SHA-256), 2 (Argon2id
// with the parameters of libsodium's "interactive") or 3_size_passes_memory (Argon2id). After an upgrade
// of the hashes there are several versions, oldest first, and each hashes the digits of the one before.
func verifyMagento(ctx context.Context, encoded, password string) error {
	part := strings.Split(encoded, ":")
	salt, versions, last := part[1], part[2:len(part)-1], part[len(part)-1]
	var older []func() hash.Hash
	for _, version := range versions {
		newHash, ok := magentoHash(version)
		if !ok || len(older) == 2 {
			return fmt.Errorf("%w: %w", passwords.ErrMalformedHash, errParts)
		}
		older = append(older, newHash)
	}
	layered := func(password string) string { // what the older versions make of the password
		for _, newHash := range older {
			password = hex.EncodeToString(hashed(newHash, salt+password))
		}
		return password
	}
	if newHash, ok := magentoHash(last); ok {
		return keyed(func(string) (recipe, error) {
			digest, err := fromHex(part[0])
			if err != nil {
				return recipe{}, err
			}
			text, err := textSalt(salt)
			if err != nil {
				return recipe{}, err
			}
			return saltedDigest(newHash().Size(), digest, text, func(password string) []byte {
				return hashed(newHash, salt+layered(password))
			})
		})(ctx, encoded, password)
	}
	argon2id, err := magentoArgon2id(part[0], salt, last)
	if err != nil {
		return fmt.Errorf("%w: %w", passwords.ErrMalformedHash, err)
	}
	if strings.IndexByte(password, 0) >= 0 {
		return &passwords.Error{Rule: passwords.Encoding}
	}
	return passwords.Argon2id{}.Verify(ctx, argon2id, layered(password))
}

// magentoHash returns the hash function of a version.
func magentoHash(version string) (newHash func() hash.Hash, ok bool) {
	switch version {
	case "0":
		return md5.New, true
	case "1":
		return sha256.New, true
	}
	return nil, false
}

// magentoArgon2id returns the encoded hash of [passwords.Argon2id]. Of the salt, 16 bytes count; a
// shorter one is repeated.
func magentoArgon2id(digits, salt, version string) (string, error) {
	if version == "2" {
		version = "3_32_2_67108864"
	}
	part := strings.Split(version, "_")
	if len(part) != 4 || part[0] != "3" || part[1] != "32" {
		return "", errParts
	}
	memory, ok := phc.Number(part[3], 1<<31-1)
	if !ok || memory%1024 != 0 {
		return "", errCost
	}
	digest, err := fromHex(digits)
	if err != nil {
		return "", err
	}
	if len(digest) != sha256.Size {
		return "", errLength
	}
	text, err := textSalt(salt)
	if err != nil || len(text) == 0 || len(text) > maxSalt {
		return "", errSalt
	}
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%s,p=1$%s$%s", memory/1024, part[2],
		rawBase64.EncodeToString([]byte(strings.Repeat(salt, 16))[:16]), rawBase64.EncodeToString(digest)), nil
}
