package legacyhash

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/seed-e36e2130/auth/internal/phc"
	"github.com/seed-e36e2130/auth/passwords"
)

func mediawiki() []format {
	return []format{
		{own: after(":pbkdf2:"), verify: keyed(mediawikiPBKDF2)},
		{own: after(":pbkdf2-legacyA:!"), verify: keyed(mediawikiLayers(false))},
		{own: after(":pbkdf2-legacyB:!"), verify: keyed(mediawikiLayers(true))},
		{own: after(":B:"), verify: keyed(mediawikiB)},
		{own: after(":bcrypt:"), verify: mediawikiBcrypt, plain: true},
		argon2(":argon2:"),
	}
}

// mediawikiPBKDF2 reads sha512:iterations:length:salt:digest.
func mediawikiPBKDF2(rest string) (recipe, error) {
	part := strings.Split(rest, ":")
	if len(part) != 5 {
		return recipe{}, errParts
	}
	newHash, _, ok := hashOf(part[0])
	if !ok {
		return recipe{}, errParts
	}
	size, ok := phc.Number(part[2], maxPBKDF2Size)
	if !ok {
		return recipe{}, errLength
	}
	salt, err := fromBase64(standardBase64, part[3])
	if err != nil {
		return recipe{}, err
	}
	digest, err := fromBase64(standardBase64, part[4])
	if err != nil {
		return recipe{}, err
	}
	return pbkdf2Hash(newHash, part[1], salt, digest, size)
}

// mediawikiSum returns the MD5 of a password, or with a salt the MD5 of the salt and that, in digits.
func mediawikiSum(salt, password string) string {
	if salt == "" {
		return md5Digits(password)
	}
	return md5Digits(salt + "-" + md5Digits(password))
}

// mediawikiB reads salt:digest.
func mediawikiB(rest string) (recipe, error) {
	text, digits, _ := strings.Cut(rest, ":")
	salt, err := textSalt(text)
	if err != nil {
		return recipe{}, err
	}
	digest, err := fromHex(digits)
	if err != nil {
		return recipe{}, err
	}
	return saltedDigest(md5.Size, digest, salt, func(password string) []byte {
		sum, _ := hex.DecodeString(mediawikiSum(text, password)) // no error: these are digits
		return sum
	})
}

// mediawikiLayers reads sha512:iterations:length!salt of the MD5!salt!digest, which wrapOldPasswords.php
// makes of hashes of the types A and B: PBKDF2 of the digits of the MD5. Only type B has a salt of the
// MD5.
func mediawikiLayers(salted bool) func(rest string) (recipe, error) {
	return func(rest string) (recipe, error) {
		part := strings.Split(rest, "!")
		if len(part) != 4 {
			return recipe{}, errParts
		}
		outer, err := mediawikiPBKDF2(part[0] + ":" + part[2] + ":" + part[3])
		if err != nil {
			return recipe{}, err
		}
		salt, err := textSalt(part[1])
		if err != nil || (len(salt) > 0) != salted || len(salt) > maxSalt {
			return recipe{}, errSalt
		}
		return recipe{digest: outer.digest, key: func(password string) ([]byte, error) {
			return outer.key(mediawikiSum(part[1], password))
		}}, nil
	}
}

// mediawikiBcrypt verifies cost$ and the salt, $ and the digest of a bcrypt hash.
func mediawikiBcrypt(ctx context.Context, rest, password string) error {
	part := strings.Split(rest, "$")
	if len(part) != 3 || len(part[1]) != 22 {
		return fmt.Errorf("%w: %w", passwords.ErrMalformedHash, errParts)
	}
	cost, ok := phc.Number(part[0], 31)
	if !ok {
		return fmt.Errorf("%w: %w", passwords.ErrMalformedHash, errCost)
	}
	return cheapBcrypt.Verify(ctx, fmt.Sprintf("$2y$%02d$%s%s", cost, part[1], part[2]), password)
}
