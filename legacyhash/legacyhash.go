// Package legacyhash reads the password hashes of other systems, so that their users log in with
// the same passwords as before. It makes no hashes: put it after your Hasher in [passwords.Chain],
// and each user's next login replaces their hash with a current one. See decision 0042.
//
//	auth.Config{Hasher: passwords.Chain(passwords.Argon2id{}, legacyhash.All())}
//
// The table has the formats, each with the bounds on the cost that a stored hash may ask for. A
// hash beyond them is refused with [passwords.ErrMalformedHash] before any work is done. At the
// bounds a check takes at most about 8 times as long as a bcrypt hash of cost 12.
//
//	Passlib     bcrypt, bcrypt_sha256 (both versions)          cost 4 to 15
//	            argon2i, argon2id                              as passwords.Argon2id
//	            pbkdf2_sha1, pbkdf2_sha256, pbkdf2_sha512      10,000,000 iterations (4,000,000 of SHA-512)
//	            scrypt                                         N=2^17, r=8, p=10, N*r*p=2^22
//	            sha256_crypt, sha512_crypt                     1,000 to 1,000,000 rounds; times bytes: 2^28
//	            phpass                                         2^7 to 2^20 rounds; times bytes: 2^28
//	Django      pbkdf2_sha256, pbkdf2_sha1, scrypt, argon2,    as above
//	            bcrypt, bcrypt_sha256, sha1, md5
//	Werkzeug    pbkdf2 (sha1, sha256, sha512), scrypt,         as above
//	            md5, sha1, sha256, sha512
//	Spring      {bcrypt}, {argon2}, {scrypt}, {pbkdf2},        as above
//	            their @SpringSecurity_v5_8, {sha256},
//	            {MD5}, {SHA-1}, {SHA-256}, {ldap}{SSHA}
//	ASPNET      ASP.NET Core Identity, versions 2 and 3        as above
//	Laravel     bcrypt, argon2i, argon2id                      as above
//	WordPress   $wp$2y$ of 6.8, $P$, bcrypt, argon2i, argon2id as above, $wp$2y$ to cost 14
//	Drupal      $S$, U$S$, $P$, $H$, U$P$, U$H$, bcrypt        as above
//	MediaWiki   pbkdf2, pbkdf2-legacyA and -legacyB, B,        as above
//	            bcrypt, argon2
//	Magento     versions 0 to 3 and their layers               as above
//	Nextcloud   1|, 2|, 3|                                     as above
//	PHC         pbkdf2-sha1, -sha256, -sha512 with i and l,    as above, for each block of the digest
//	            pbkdf2 with f, w and l; scrypt, bcrypt, argon2
//	PBKDF2      salt and digest from columns                   as above, for each block of the digest
//	BetterAuth  scrypt                                         fixed
//	Lucia       scrypt, with and without s2:                   fixed
//	AdonisJS    scrypt, bcrypt, argon2i, argon2id              as above
//	LDAP        {SSHA}, {SSHA256}, {SSHA384}, {SSHA512},       as above
//	            {SMD5}, {CRYPT}, {PBKDF2} and its relatives,
//	            {ARGON2}; {BLF-CRYPT}, {SHA256-CRYPT},
//	            {SHA512-CRYPT}, {ARGON2I}, {ARGON2ID}
//	Firebase    scrypt                                         as above
//	Devise      bcrypt, with a pepper                          as above
//
// PHC reads the hashes of Keycloak, Ory Kratos, RustCrypto, Mattermost and Discourse, and LDAP those of
// OpenLDAP and Dovecot.
//
// The tests run passlib, Django, Werkzeug, PHP, Devise and Better Auth themselves. For the others,
// testdata has hashes that the original software made.
//
// The mark of an account without a password (such as Django's "!"), a password in plain text and a
// digest without a salt match no password: they are [passwords.ErrUnknownHash]. Spaces after a hash are
// ignored, because a column of type CHAR pads with them.
package legacyhash

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth/internal/phc"
	"github.com/seed-e36e2130/auth/passwords"
)

const (
	maxPassword    = 4096 // bytes; the systems accept no longer password
	bcryptPassword = 72   // bytes; bcrypt reads no more of a password
	minDigest      = 16   // bytes; a shorter digest could match by chance (decision 0042)
	maxHash        = 2048 // bytes; a PBKDF2 digest of 512 bytes takes 1,024 digits
)

// Hasher is a [passwords.Hasher] that verifies hashes and makes none. Its zero value reads no
// format.
//
// Verify returns a [*passwords.Error] for a password of more than 4,096 bytes (512 for Drupal's $S$), and
// for one whose length times the rounds of sha-crypt or phpass is above 2^28. It returns one for a
// password with a NUL character as well, except for Argon2: the other formats do not distinguish such a
// password from certain others.
//
// The hashes of another system cost more or less time than yours. Until a user's next login, an
// attacker who measures how long a wrong password takes can find out which system the account is
// from.
type Hasher struct {
	formats []format
	cut     bool // whether passwords for plain bcrypt are cut at 72 bytes
}

// format is one kind of hash.
type format struct {
	// own reports whether a hash has this format, by its prefix or its shape, and returns the text
	// that verify needs.
	own func(encoded string) (rest string, ok bool)
	// verify does the same as [passwords.Hasher.Verify] for that text.
	verify func(ctx context.Context, rest, password string) error
	plain  bool // whether the format is plain bcrypt, which reads only 72 bytes
	shared bool // whether a later format may own the same hash, so that it is tried after a mismatch
}

// All returns a Hasher for every format of this package that needs no secret or setting: all except
// those of [Firebase] and of [Devise] with a pepper. It includes Supabase's form of Firebase's
// hashes, which contains the settings.
func All() Hasher { return Hasher{formats: allFormats} }

// allFormats is made once, because it has about 100 formats. It is never changed.
var allFormats = slices.Concat(passlib(), django(), longColumns(), werkzeug(), spring(), aspnet(), supabase(),
	wordpress(), drupal(), mediawiki(), magento(), nextcloud(), lucia(), adonisJS(), ldap())

// Passlib returns a Hasher for the hashes of Python's passlib, which FastAPI programs use.
func Passlib() Hasher { return Hasher{formats: passlib()} }

// Django returns a Hasher for the hashes of Django's auth_user table. Django cannot read the hash
// that replaces one at the first login here, so its users should log in only here from then on.
func Django() Hasher { return Hasher{formats: django()} }

// Werkzeug returns a Hasher for the hashes of werkzeug.security, which Flask programs use.
func Werkzeug() Hasher { return Hasher{formats: werkzeug()} }

// Spring returns a Hasher for the hashes of Spring Security's DelegatingPasswordEncoder: {id} and
// then the hash. bcrypt and Argon2 hashes may lack the {id}, because their encoders write none when
// they are used alone. {noop}, {MD4} and hashes without a salt are [passwords.ErrUnknownHash]: see
// decision 0043.
func Spring() Hasher { return Hasher{formats: spring()} }

// ASPNET returns a Hasher for the hashes of ASP.NET Core Identity and of ASP.NET Identity 2.
func ASPNET() Hasher { return Hasher{formats: aspnet()} }

// BetterAuth returns a Hasher for the hashes of Better Auth. As Better Auth does, it normalizes
// passwords to Unicode's NFKC first.
func BetterAuth() Hasher { return Hasher{formats: betterAuth()} }

// Laravel returns a Hasher for the hashes of Laravel and of PHP's password_hash.
func Laravel() Hasher { return Hasher{formats: []format{bcrypt(""), argon2("")}} }

// WordPress returns a Hasher for the hashes of WordPress: $wp$2y$ of version 6.8 and later, $P$ of
// earlier ones, and the bcrypt and Argon2 hashes of plugins. WordPress hashes a password from a form
// with a backslash before each quote and backslash, so both forms of such a password are tried.
func WordPress() Hasher { return Hasher{formats: wordpress()} }

// Drupal returns a Hasher for the hashes of Drupal 7 and later.
func Drupal() Hasher { return Hasher{formats: drupal()} }

// MediaWiki returns a Hasher for the column user_password of MediaWiki.
func MediaWiki() Hasher { return Hasher{formats: mediawiki()} }

// Magento returns a Hasher for the hashes of Magento 2 and Adobe Commerce.
func Magento() Hasher { return Hasher{formats: magento()} }

// Nextcloud returns a Hasher for the hashes of Nextcloud, and of ownCloud since version 8.
func Nextcloud() Hasher { return Hasher{formats: nextcloud()} }

// PHC returns a Hasher for PBKDF2, scrypt, bcrypt and Argon2 as PHC strings: those of Ory Kratos,
// RustCrypto, Mattermost, Discourse and npm's @phc packages. Keycloak's hashes become such strings when
// the query that exports them joins their parts: $pbkdf2-sha256$i=iterations,l=length$salt$digest.
func PHC() Hasher { return Hasher{formats: append(phcStrings(), bcrypt(""), argon2(""))} }

// Lucia returns a Hasher for the hashes of Lucia, versions 1 to 3. As Lucia does, it normalizes
// passwords to Unicode's NFKC first.
func Lucia() Hasher { return Hasher{formats: lucia()} }

// AdonisJS returns a Hasher for the hashes of AdonisJS.
func AdonisJS() Hasher { return Hasher{formats: adonisJS()} }

// LDAP returns a Hasher for the attribute userPassword of OpenLDAP and other directories (RFC 2307
// section 5.3), and for the hashes of Dovecot.
func LDAP() Hasher { return Hasher{formats: ldap()} }

// DangerouslyTruncating returns a copy of h that reads only the first 72 bytes of a password for
// plain bcrypt, as most systems did. Without it, a user with a longer password cannot log in. With
// it, every password with the same first 72 bytes matches. The whole password of their first login
// is the one that counts from then on. See decision 0044.
//
// The current Hasher must not read plain bcrypt itself, because the chain would then not ask h. Use
// [passwords.Argon2id], or any Hasher under [passwords.Pepper].
func (h Hasher) DangerouslyTruncating() Hasher {
	h.cut = true
	return h
}

var errMakesNone = errors.New("auth: legacyhash makes no hashes; put it after the current Hasher in passwords.Chain")

// Hash implements [passwords.Hasher]. It always returns an error, because this package makes no
// hashes.
func (h Hasher) Hash(context.Context, string) (string, error) { return "", errMakesNone }

// NeedsRehash implements [passwords.Hasher]. It always reports true.
func (h Hasher) NeedsRehash(string) bool { return true }

// Verify implements [passwords.Hasher].
func (h Hasher) Verify(ctx context.Context, encoded, password string) error {
	result := passwords.ErrUnknownHash
	length := len(encoded)
	encoded, whiteSpace := phc.Unpad(encoded)
	for _, f := range h.formats {
		rest, own := f.own(encoded)
		switch {
		case !own:
			continue
		case length > maxHash:
			return fmt.Errorf("%w: more than %d bytes", passwords.ErrMalformedHash, maxHash)
		case whiteSpace != nil:
			return fmt.Errorf("%w: %w", passwords.ErrMalformedHash, whiteSpace)
		case len(password) > maxPassword:
			return &passwords.Error{Rule: passwords.TooLong, Limit: maxPassword}
		case h.cut && f.plain && len(password) > bcryptPassword:
			password = password[:bcryptPassword]
		}
		if result = f.verify(ctx, rest, password); !f.shared || result != passwords.ErrMismatch {
			break
		}
	}
	return result
}

// after returns the own function of a format whose hashes begin with prefix. verify gets the text
// after it.
func after(prefix string) func(string) (string, bool) {
	return func(encoded string) (string, bool) { return strings.CutPrefix(encoded, prefix) }
}

// recipe is a stored hash that was parsed and checked. The expensive computation is in key, which
// returns as many bytes as digest has.
type recipe struct {
	digest  []byte
	key     func(password string) ([]byte, error)
	longest int // greatest length of a password in bytes; 0: maxPassword
}

// keyed returns the verify function of a format whose hashes parse reads.
func keyed(parse func(rest string) (recipe, error)) func(ctx context.Context, rest, password string) error {
	return func(ctx context.Context, rest, password string) error {
		r, err := parse(rest)
		if err == nil && len(r.digest) < minDigest {
			err = errLength
		}
		if err != nil {
			return fmt.Errorf("%w: %w", passwords.ErrMalformedHash, err)
		}
		// HMAC pads a short key with NULs, and C ends a string at a NUL: another password would
		// match.
		if strings.IndexByte(password, 0) >= 0 {
			return &passwords.Error{Rule: passwords.Encoding}
		}
		if r.longest > 0 && len(password) > r.longest {
			return &passwords.Error{Rule: passwords.TooLong, Limit: min(r.longest, maxPassword)}
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("auth: legacyhash: %w", err)
		}
		key, err := r.key(password)
		if err != nil {
			return fmt.Errorf("auth: legacyhash: %w", err)
		}
		if subtle.ConstantTimeCompare(key, r.digest) != 1 {
			return passwords.ErrMismatch
		}
		return nil
	}
}
