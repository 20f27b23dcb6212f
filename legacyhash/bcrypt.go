package legacyhash

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/passwords"
)

// leastBcrypt reads bcrypt hashes. A mismatch takes as long as a new hash of the
// Hasher's cost; no more of that is wanted here, where no hash is made.
var leastBcrypt, _ = passwords.NewBcrypt(10) // which is within its bounds

// bcrypt is plain bcrypt behind a mark, read by [passwords.Bcrypt].
func bcrypt(mark string) format {
	return format{own: bcryptAfter(mark), verify: leastBcrypt.Verify, plain: true}
}

// bcryptAfter owns plain bcrypt hashes behind a mark, and none of its relatives.
func bcryptAfter(mark string) func(string) (string, bool) {
	return func(encoded string) (string, bool) {
		rest, ok := strings.CutPrefix(encoded, mark)
		return rest, ok && strings.HasPrefix(rest, "$2")
	}
}

// djangoBcryptSHA256 is bcrypt of the password's SHA-256 in hexadecimal digits.
func djangoBcryptSHA256() format {
	return format{own: bcryptAfter("bcrypt_sha256$"), verify: func(ctx context.Context, rest, password string) error {
		sum := sha256.Sum256([]byte(password))
		return leastBcrypt.Verify(ctx, rest, hex.EncodeToString(sum[:]))
	}}
}

// argon2 is what [passwords.Argon2id] reads, behind a mark.
func argon2(mark string) format {
	return format{verify: passwords.Argon2id{}.Verify, own: func(encoded string) (string, bool) {
		rest, ok := strings.CutPrefix(encoded, mark)
		return rest, ok && strings.HasPrefix(rest, "$argon2i")
	}}
}

// Devise reads the hashes of Ruby's Devise: bcrypt of the password and then the
// pepper, cut at 72 bytes, which leaves of a long pepper only the beginning. The
// pepper is the setting config.pepper; it may be empty. Use it in place of what
// reads plain bcrypt without a pepper: both would claim the same hashes.
//
// It returns an [*cfgerr.Error] if the pepper holds a NUL.
func Devise(pepper string) (Hasher, error) {
	if strings.IndexByte(pepper, 0) >= 0 {
		return Hasher{}, &auth.ConfigError{Field: "Devise.pepper", Reason: "it holds a NUL, which Devise refuses"}
	}
	return Hasher{formats: []format{{
		own: bcryptAfter(""), plain: true,
		verify: func(ctx context.Context, rest, password string) error {
			// A password that is too long by itself is refused by Bcrypt.
			if len(password) <= bcryptPassword {
				joined := password + pepper
				password = joined[:min(len(joined), bcryptPassword)]
			}
			return leastBcrypt.Verify(ctx, rest, password)
		},
	}}}, nil
}
