package legacyhash

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"hash"
	"strings"
)

func spring() []format {
	return []format{
		bcrypt(""), // written by a BCryptPasswordEncoder without a DelegatingPasswordEncoder
		argon2(""),
		bcrypt("{bcrypt}"),
		argon2("{argon2}"),
		argon2("{argon2@SpringSecurity_v5_8}"),
		{own: after("{scrypt}"), verify: keyed(springScrypt)},
		{own: after("{scrypt@SpringSecurity_v5_8}"), verify: keyed(springScrypt)},
		{own: after("{pbkdf2}"), verify: keyed(springPBKDF2("sha1", "185000", 8))},
		{own: after("{pbkdf2@SpringSecurity_v5_8}"), verify: keyed(springPBKDF2("sha256", "310000", 16))},
		{own: after("{sha256}"), verify: keyed(springSHA256)},
		// The prefix includes the brace of the salt, because a hash without it has no salt.
		{own: after("{MD5}{"), verify: keyed(springDigest(md5.New))},
		{own: after("{SHA-1}{"), verify: keyed(springDigest(sha1.New))},
		{own: after("{SHA-256}{"), verify: keyed(springDigest(sha256.New))},
		{own: after("{ldap}{SSHA}"), verify: keyed(saltAtEnd(sha1.New))},
		{own: after("{ldap}{ssha}"), verify: keyed(saltAtEnd(sha1.New))},
	}
}

// springSaltDigest reads hexadecimal digits: a salt of size bytes and a digest of 32 bytes.
func springSaltDigest(text string, size int) (salt, digest []byte, err error) {
	decoded, err := fromHex(text)
	if err == nil && len(decoded) != size+32 {
		err = errLength
	}
	if err != nil {
		return nil, nil, err
	}
	return decoded[:size], decoded[size:], nil
}

// springPBKDF2 reads the hashes of Pbkdf2PasswordEncoder, which have fixed settings.
func springPBKDF2(name, iterations string, saltSize int) func(string) (recipe, error) {
	newHash, _, _ := hashOf(name)
	return func(rest string) (recipe, error) {
		salt, digest, err := springSaltDigest(rest, saltSize)
		if err != nil {
			return recipe{}, err
		}
		return pbkdf2Hash(newHash, iterations, salt, digest, 32)
	}
}

// springScrypt reads $params$salt$digest, where params has hexadecimal digits for log2 N, r and p,
// such as e0801.
func springScrypt(rest string) (recipe, error) {
	part := strings.Split(rest, "$")
	if len(part) != 4 || part[0] != "" {
		return recipe{}, errParts
	}
	ln, r, p, ok := springParams(part[1])
	if !ok {
		return recipe{}, errCost
	}
	salt, err := fromBase64(standardBase64, part[2])
	if err != nil {
		return recipe{}, err
	}
	digest, err := fromBase64(standardBase64, part[3])
	if err != nil {
		return recipe{}, err
	}
	return scryptHash(1<<ln, r, p, salt, digest, 32)
}

// springParams reads a number of 5 or 6 hexadecimal digits without a leading zero. The last two
// digits are p, the two before them r, and the first ones log2 N.
func springParams(text string) (ln, r, p int, ok bool) {
	if len(text) < 5 || len(text) > 6 || text[0] == '0' {
		return 0, 0, 0, false
	}
	b, err := fromHex("0"[:len(text)%2] + text)
	if err != nil || b[0] > maxScryptLog2N {
		return 0, 0, 0, false
	}
	return int(b[0]), int(b[1]), int(b[2]), true
}

// springSHA256 reads the hashes of StandardPasswordEncoder: SHA-256 over salt and password, 1,024
// times.
func springSHA256(rest string) (recipe, error) {
	salt, digest, err := springSaltDigest(rest, 8)
	if err != nil {
		return recipe{}, err
	}
	return recipe{digest: digest, key: func(password string) ([]byte, error) {
		sum := sha256.Sum256(append(salt[:len(salt):len(salt)], password...))
		for range 1023 {
			sum = sha256.Sum256(sum[:])
		}
		return sum[:], nil
	}}, nil
}

// springDigest reads salt}digest, the hashes of MessageDigestPasswordEncoder: one hash of the
// password and the text of the salt in braces.
func springDigest(newHash func() hash.Hash) func(string) (recipe, error) {
	return func(rest string) (recipe, error) {
		text, digits, ok := strings.Cut(rest, "}")
		if !ok {
			return recipe{}, errParts
		}
		salt, err := textSalt(text)
		if err != nil {
			return recipe{}, err
		}
		digest, err := fromHex(digits)
		if err != nil {
			return recipe{}, err
		}
		return saltedDigest(newHash().Size(), digest, salt, func(password string) []byte { return hashed(newHash, password+"{"+text+"}") })
	}
}
