package legacyhash

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"strings"
)

func passlib() []format {
	return append(phcStrings(),
		bcrypt(""),
		format{own: bcryptSHA256, verify: cheapBcrypt.Verify},
		argon2(""),
		shaCrypt("$5$", sha256.New, sha256Order),
		shaCrypt("$6$", sha512.New, sha512Order),
		portable("$P$"),
		portable("$H$"),
	)
}

// whole returns the own function of a format whose hashes begin with mark. verify gets the whole
// hash.
func whole(mark string) func(string) (string, bool) {
	return func(encoded string) (string, bool) { return encoded, strings.HasPrefix(encoded, mark) }
}

func bcryptSHA256(encoded string) (string, bool) { return whole("$bcrypt-sha256$")(encoded) }

func django() []format {
	return []format{
		{own: after("pbkdf2_sha256$"), verify: keyed(djangoPBKDF2("sha256"))},
		{own: after("pbkdf2_sha1$"), verify: keyed(djangoPBKDF2("sha1"))},
		{own: after("scrypt$"), verify: keyed(djangoScrypt)},
		argon2("argon2"),
		bcrypt("bcrypt$"),
		djangoBcryptSHA256(),
		{own: after("sha1$"), verify: keyed(saltThenDigest(sha1.New, djangoSum)), shared: true},
		{own: after("md5$"), verify: keyed(saltThenDigest(md5.New, djangoSum)), shared: true},
	}
}

// djangoPBKDF2 reads iterations$salt$digest.
func djangoPBKDF2(name string) func(string) (recipe, error) {
	newHash, size, _ := hashOf(name)
	return func(rest string) (recipe, error) {
		part := strings.Split(rest, "$")
		if len(part) != 3 {
			return recipe{}, errParts
		}
		salt, err := textSalt(part[1])
		if err != nil {
			return recipe{}, err
		}
		digest, err := fromBase64(standardBase64, part[2])
		if err != nil {
			return recipe{}, err
		}
		return pbkdf2Hash(newHash, part[0], salt, digest, size)
	}
}

// djangoScrypt reads N$salt$r$p$digest.
func djangoScrypt(rest string) (recipe, error) {
	part := strings.Split(rest, "$")
	if len(part) != 5 {
		return recipe{}, errParts
	}
	salt, err := textSalt(part[1])
	if err != nil {
		return recipe{}, err
	}
	digest, err := fromBase64(standardBase64, part[4])
	if err != nil {
		return recipe{}, err
	}
	n := numbers(part[0], part[2], part[3])
	return scryptHash(n[0], n[1], n[2], salt, digest, 64)
}

// saltThenDigest reads salt$digest, with the digest in hexadecimal digits. Django wrote such hashes
// before version 1.4, and Werkzeug before 3.0. Hashes of sha1 and md5 do not show which of the two
// wrote them: see decision 0043.
func saltThenDigest(newHash func() hash.Hash, sum func(newHash func() hash.Hash, salt, password string) []byte) func(string) (recipe, error) {
	return func(rest string) (recipe, error) {
		part := strings.Split(rest, "$")
		if len(part) != 2 {
			return recipe{}, errParts
		}
		salt, err := textSalt(part[0])
		if err != nil {
			return recipe{}, err
		}
		digest, err := fromHex(part[1])
		if err != nil {
			return recipe{}, err
		}
		return saltedDigest(newHash().Size(), digest, salt, func(password string) []byte { return sum(newHash, part[0], password) })
	}
}

// djangoSum returns one hash of salt and password.
func djangoSum(newHash func() hash.Hash, salt, password string) []byte {
	return hashed(newHash, salt+password)
}

// werkzeugSum returns the HMAC of the password under the salt.
func werkzeugSum(newHash func() hash.Hash, salt, password string) []byte {
	mac := hmac.New(newHash, []byte(salt))
	mac.Write([]byte(password))
	return mac.Sum(nil)
}

func werkzeug() []format {
	return []format{
		{own: after("pbkdf2:"), verify: keyed(PBKDF2Config{}.parse)},
		{own: after("scrypt:"), verify: keyed(werkzeugScrypt)},
		{own: after("sha1$"), verify: keyed(saltThenDigest(sha1.New, werkzeugSum))},
		{own: after("md5$"), verify: keyed(saltThenDigest(md5.New, werkzeugSum))},
		{own: after("sha256$"), verify: keyed(saltThenDigest(sha256.New, werkzeugSum))},
		{own: after("sha512$"), verify: keyed(saltThenDigest(sha512.New, werkzeugSum))},
	}
}

// werkzeugScrypt reads N:r:p$salt$digest.
func werkzeugScrypt(rest string) (recipe, error) {
	part := strings.Split(rest, "$")
	if len(part) != 3 || strings.Count(part[0], ":") != 2 {
		return recipe{}, errParts
	}
	salt, err := textSalt(part[1])
	if err != nil {
		return recipe{}, err
	}
	digest, err := fromHex(part[2])
	if err != nil {
		return recipe{}, err
	}
	n := numbers(strings.Split(part[0], ":")...)
	return scryptHash(n[0], n[1], n[2], salt, digest, 64)
}
