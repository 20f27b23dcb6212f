package legacyhash

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/passwords"
)

// cheapBcrypt verifies bcrypt hashes. With [passwords.Bcrypt], a mismatch takes at least as long as
// a new hash of the configured cost. This package makes no hashes, so the lowest cost is enough.
var cheapBcrypt, _ = passwords.NewBcrypt(10) // no error: 10 is within the bounds

// bcrypt is the format of plain bcrypt after a prefix. [passwords.Bcrypt] reads it.
func bcrypt(mark string) format {
	return format{own: bcryptAfter(mark), verify: cheapBcrypt.Verify, plain: true}
}

// bcryptAfter returns the own function for plain bcrypt hashes after a prefix, without
// bcrypt-sha256.
func bcryptAfter(mark string) func(string) (string, bool) {
	return func(encoded string) (string, bool) {
		rest, ok := strings.CutPrefix(encoded, mark)
		return rest, ok && strings.HasPrefix(rest, "$2")
	}
}

// nextcloud has the formats of Nextcloud's Hasher: a version, | and the hash of PHP.
func nextcloud() (list []format) {
	for _, mark := range []string{"1|", "2|", "3|"} {
		list = append(list, bcrypt(mark), argon2(mark))
	}
	return list
}

// djangoBcryptSHA256 is the format of Django's BCryptSHA256PasswordHasher: bcrypt of the SHA-256 of
// the password in hexadecimal digits.
func djangoBcryptSHA256() format {
	return format{own: bcryptAfter("bcrypt_sha256$"), verify: func(ctx context.Context, rest, password string) error {
		sum := sha256.Sum256([]byte(password))
		return cheapBcrypt.Verify(ctx, rest, hex.EncodeToString(sum[:]))
	}}
}

// argon2 is the format of Argon2i and Argon2id after a prefix. [passwords.Argon2id] reads it.
func argon2(mark string) format {
	return format{verify: passwords.Argon2id{}.Verify, own: func(encoded string) (string, bool) {
		rest, ok := strings.CutPrefix(encoded, mark)
		return rest, ok && strings.HasPrefix(rest, "$argon2i")
	}}
}

// Devise returns a Hasher for the hashes of Ruby's Devise: bcrypt of the password followed by the
// pepper, cut at 72 bytes, so that only the beginning of a long pepper counts. The pepper is
// Devise's setting config.pepper and may be empty. Do not combine it with a Hasher that reads plain
// bcrypt without a pepper, because both would claim the same hashes.
//
// It returns a [*cfgerr.Error] if the pepper contains a NUL character.
func Devise(pepper string) (Hasher, error) {
	if strings.IndexByte(pepper, 0) >= 0 {
		return Hasher{}, &cfgerr.Error{Field: "legacyhash.Devise.pepper", Reason: "must not contain a NUL character, which Devise refuses"}
	}
	return Hasher{formats: []format{{
		own: bcryptAfter(""), plain: true,
		verify: func(ctx context.Context, rest, password string) error {
			// Bcrypt refuses a password that is too long without the pepper.
			if len(password) <= bcryptPassword {
				joined := password + pepper
				password = joined[:min(len(joined), bcryptPassword)]
			}
			return cheapBcrypt.Verify(ctx, rest, password)
		},
	}}}, nil
}
