// Package legacyhash reads the password hashes of other systems, so that their
// users log in as before. It makes none: put it behind the Hasher of your choice,
// and each user's hash becomes current at the next login.
//
//	auth.Config{Hasher: auth.Hashers(auth.Argon2id{}, legacyhash.All())}
//
// The formats, each with the bounds on what a stored hash may ask for. Beyond
// them it is [passwords.ErrMalformedHash], decided before any work.
//
//	Passlib     bcrypt, bcrypt_sha256 (both versions)          cost 4 to 15
//	            argon2i, argon2id                              as auth.Argon2id
//	            pbkdf2_sha1, pbkdf2_sha256, pbkdf2_sha512      10,000,000 iterations
//	            scrypt                                         N=2^17, r=8, p=10
//	            sha256_crypt, sha512_crypt                     1,000 to 1,000,000 rounds
//	            phpass                                         2^7 to 2^20 rounds
//	Django      pbkdf2_sha256, pbkdf2_sha1, scrypt, argon2,    as above
//	            bcrypt, bcrypt_sha256, sha1, md5
//	Werkzeug    pbkdf2 (sha1, sha256, sha512), scrypt,         as above
//	            md5, sha1, sha256, sha512
//	Spring      {bcrypt}, {argon2}, {scrypt}, {pbkdf2},        as above
//	            their @SpringSecurity_v5_8, {sha256},
//	            {MD5}, {SHA-1}, {SHA-256}, {ldap}{SSHA}
//	ASPNET      ASP.NET Core Identity, versions 2 and 3        as above
//	BetterAuth  scrypt                                         fixed
//	Laravel     bcrypt, argon2i, argon2id                      as above
//	Firebase    scrypt                                         as above
//	Devise      bcrypt, with a pepper                          as above
//
// passlib, Django, Werkzeug, PHP, Devise and Better Auth run beside the tests. Spring
// Security, ASP.NET Identity and Firebase do not: testdata has hashes that they made.
//
// What marks an account that has no password, such as Django's "!", plain text and
// digests without a salt match nothing: they are [passwords.ErrUnknownHash].
package legacyhash

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/phc"
	"github.com/seed-e36e2130/auth/passwords"
)

const (
	maxPassword    = 4096 // bytes; those systems take no more
	bcryptPassword = 72   // bytes; bcrypt reads no more
	minDigest      = 16   // bytes; less can be guessed
)

// Hasher is an [passwords.Hasher] that verifies and makes no hash. Its zero value knows
// no format. A password that holds a NUL is a [*passwords.Error] where the
// format could not tell it from another (all but Argon2), and so is one of more
// than 4,096 bytes.
//
// The hashes of another system do not cost what yours do: until a user's next
// login, who can measure the time of a wrong password can tell where the account
// came from.
type Hasher struct {
	formats []format
	cut     bool // passwords for bcrypt are cut at 72 bytes
}

// format is one kind of hash.
type format struct {
	// own reports whether a hash is of this kind, by its mark or its shape, and
	// returns what verify is to read of it.
	own func(encoded string) (rest string, ok bool)
	// verify is as [passwords.Hasher.Verify].
	verify func(ctx context.Context, rest, password string) error
	plain  bool // plain bcrypt
	shared bool // a later format may own the same hash: a mismatch is not the last word
}

// All reads every format of this package that needs no secret or setting of its
// own: all but those of [Firebase] and of [Devise] with a pepper. It reads
// Supabase's form of Firebase's, which has the settings in it.
func All() Hasher {
	return Hasher{formats: slices.Concat(passlib(), django(), werkzeug(), spring(), aspnet(), betterAuth(), supabase())}
}

// Passlib reads the hashes of Python's passlib, which FastAPI programs use.
func Passlib() Hasher { return Hasher{formats: passlib()} }

// Django reads the hashes of Django's auth_user table. What the first login here
// makes of one, Django reads no longer: let its users log in here alone.
func Django() Hasher { return Hasher{formats: django()} }

// Werkzeug reads the hashes of werkzeug.security, which Flask programs use.
func Werkzeug() Hasher { return Hasher{formats: werkzeug()} }

// Spring reads the hashes of Spring Security's DelegatingPasswordEncoder: {id}
// and then the hash. bcrypt and Argon2 may stand without {id}, as their encoders
// write them alone. {noop}, {MD4} and what has no salt is [passwords.ErrUnknownHash].
func Spring() Hasher { return Hasher{formats: spring()} }

// ASPNET reads the hashes of ASP.NET Core Identity and of ASP.NET Identity 2.
func ASPNET() Hasher { return Hasher{formats: aspnet()} }

// BetterAuth reads the hashes of Better Auth. Passwords are brought to Unicode's
// NFKC first, as there.
func BetterAuth() Hasher { return Hasher{formats: betterAuth()} }

// Laravel reads the hashes of Laravel and of PHP's password_hash.
func Laravel() Hasher { return Hasher{formats: []format{bcrypt(""), argon2("")}} }

// DangerouslyTruncating returns h with bcrypt as most systems had it: of a longer
// password it reads the first 72 bytes and takes whatever follows them. Without it
// such a user cannot log in, with it they do with any password that begins so. What
// they type at their first login is their password from then on, to its last byte.
//
// The current Hasher must not read plain bcrypt itself, for then it answers and h
// is not asked: let it be [passwords.Argon2id], or any under [passwords.Pepper].
func (h Hasher) DangerouslyTruncating() Hasher {
	h.cut = true
	return h
}

var errMakesNone = errors.New("auth: legacyhash makes no hashes: name it after the current Hasher in auth.Hashers")

// Hash implements [passwords.Hasher]. It returns an error: this package makes no hashes.
func (h Hasher) Hash(context.Context, string) (string, error) { return "", errMakesNone }

// NeedsRehash implements [passwords.Hasher]. It reports true.
func (h Hasher) NeedsRehash(string) bool { return true }

// Verify implements [passwords.Hasher].
func (h Hasher) Verify(ctx context.Context, encoded, password string) error {
	answer := auth.ErrUnknownHash
	for _, f := range h.formats {
		rest, own := f.own(encoded)
		switch {
		case !own:
			continue
		case len(encoded) > phc.MaxLength:
			return fmt.Errorf("%w: longer than any known hash", auth.ErrMalformedHash)
		case len(password) > maxPassword:
			return &passwords.Error{Rule: passwords.TooLong, Limit: maxPassword}
		case h.cut && f.plain && len(password) > bcryptPassword:
			password = password[:bcryptPassword]
		}
		if answer = f.verify(ctx, rest, password); !f.shared || answer != auth.ErrMismatch {
			break
		}
	}
	return answer
}

// after owns what begins with prefix; the rest is what follows it.
func after(prefix string) func(string) (string, bool) {
	return func(encoded string) (string, bool) { return strings.CutPrefix(encoded, prefix) }
}

// recipe is a stored hash taken apart and found sound: its key function is the
// costly part. It returns as many bytes as digest has.
type recipe struct {
	digest []byte
	key    func(password string) ([]byte, error)
}

// keyed is the verify of a format whose hashes parse takes apart.
func keyed(parse func(rest string) (recipe, error)) func(ctx context.Context, rest, password string) error {
	return func(ctx context.Context, rest, password string) error {
		r, err := parse(rest)
		if err == nil && len(r.digest) < minDigest {
			err = errLength
		}
		if err != nil {
			return fmt.Errorf("%w: %w", auth.ErrMalformedHash, err)
		}
		// HMAC fills a short key up with NULs and C ends a text at one.
		if strings.IndexByte(password, 0) >= 0 {
			return &passwords.Error{Rule: passwords.Encoding}
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("auth: legacyhash: %w", err)
		}
		key, err := r.key(password)
		if err != nil {
			return fmt.Errorf("auth: legacyhash: %w", err)
		}
		if subtle.ConstantTimeCompare(key, r.digest) != 1 {
			return auth.ErrMismatch
		}
		return nil
	}
}
