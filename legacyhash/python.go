package legacyhash

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"strings"

	"github.com/seed-e36e2130/auth/internal/phc"
)

func passlib() []format {
	return []format{
		bcrypt(""),
		{own: bcryptSHA256, verify: cheapBcrypt.Verify},
		argon2(""),
		passlibPBKDF2("$pbkdf2$", "sha1"),
		passlibPBKDF2("$pbkdf2-sha256$", "sha256"),
		passlibPBKDF2("$pbkdf2-sha512$", "sha512"),
		{own: whole("$scrypt$"), verify: keyed(passlibScrypt)},
		shaCrypt("$5$", sha256.New, sha256Order),
		shaCrypt("$6$", sha512.New, sha512Order),
		{own: after("$P$"), verify: keyed(phpass)},
		{own: after("$H$"), verify: keyed(phpass)},
	}
}

// whole returns the own function of a format whose hashes begin with mark. verify gets the whole
// hash.
func whole(mark string) func(string) (string, bool) {
	return func(encoded string) (string, bool) { return encoded, strings.HasPrefix(encoded, mark) }
}

func bcryptSHA256(encoded string) (string, bool) { return whole("$bcrypt-sha256$")(encoded) }

// passlibPBKDF2 reads $pbkdf2-sha256$iterations$salt$digest.
func passlibPBKDF2(mark, name string) format {
	newHash, size, _ := hashOf(name)
	return format{own: whole(mark), verify: keyed(func(encoded string) (recipe, error) {
		parsed, err := phc.Parse(encoded)
		if err != nil {
			return recipe{}, err
		}
		iterations, ok := parsed.Values("")
		if !ok || parsed.Version != "" {
			return recipe{}, errParts
		}
		salt, err := fromBase64(passlibBase64, parsed.Salt)
		if err != nil {
			return recipe{}, err
		}
		digest, err := fromBase64(passlibBase64, parsed.Digest)
		if err != nil {
			return recipe{}, err
		}
		return pbkdf2Hash(newHash, iterations[0], salt, digest, size)
	})}
}

// passlibScrypt reads $scrypt$ln=16,r=8,p=1$salt$digest.
func passlibScrypt(encoded string) (recipe, error) {
	parsed, err := phc.Parse(encoded)
	if err != nil {
		return recipe{}, err
	}
	values, ok := parsed.Values("ln", "r", "p")
	if !ok || parsed.Version != "" {
		return recipe{}, errParts
	}
	ln, ok := phc.Number(values[0], maxScryptLog2N)
	if !ok {
		return recipe{}, errCost
	}
	salt, err := fromBase64(rawBase64, parsed.Salt)
	if err != nil {
		return recipe{}, err
	}
	digest, err := fromBase64(rawBase64, parsed.Digest)
	if err != nil {
		return recipe{}, err
	}
	n := numbers(values[1:]...)
	return scryptHash(1<<ln, n[0], n[1], salt, digest, 32)
}

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
		{own: after("pbkdf2:"), verify: keyed(werkzeugPBKDF2)},
		{own: after("scrypt:"), verify: keyed(werkzeugScrypt)},
		{own: after("sha1$"), verify: keyed(saltThenDigest(sha1.New, werkzeugSum))},
		{own: after("md5$"), verify: keyed(saltThenDigest(md5.New, werkzeugSum))},
		{own: after("sha256$"), verify: keyed(saltThenDigest(sha256.New, werkzeugSum))},
		{own: after("sha512$"), verify: keyed(saltThenDigest(sha512.New, werkzeugSum))},
	}
}

// werkzeugParts reads method$salt$digest, where the method has n parts with colons between them.
func werkzeugParts(rest string, n int) (method []string, salt, digest []byte, err error) {
	part := strings.Split(rest, "$")
	if len(part) != 3 {
		return nil, nil, nil, errParts
	}
	if method = strings.Split(part[0], ":"); len(method) != n {
		return nil, nil, nil, errParts
	}
	if salt, err = textSalt(part[1]); err != nil {
		return nil, nil, nil, err
	}
	digest, err = fromHex(part[2])
	return method, salt, digest, err
}

// werkzeugPBKDF2 reads sha256:iterations$salt$digest.
func werkzeugPBKDF2(rest string) (recipe, error) {
	method, salt, digest, err := werkzeugParts(rest, 2)
	if err != nil {
		return recipe{}, err
	}
	newHash, size, ok := hashOf(method[0])
	if !ok {
		return recipe{}, errParts
	}
	return pbkdf2Hash(newHash, method[1], salt, digest, size)
}

// werkzeugScrypt reads N:r:p$salt$digest.
func werkzeugScrypt(rest string) (recipe, error) {
	method, salt, digest, err := werkzeugParts(rest, 3)
	if err != nil {
		return recipe{}, err
	}
	n := numbers(method...)
	return scryptHash(n[0], n[1], n[2], salt, digest, 64)
}
