package legacyhash

import (
	"crypto/sha256"
	"strings"
)

func spring() []format {
	return []format{
		bcrypt("{bcrypt}"),
		argon2("{argon2}"),
		argon2("{argon2@SpringSecurity_v5_8}"),
		{own: after("{scrypt}"), verify: keyed(springScrypt)},
		{own: after("{scrypt@SpringSecurity_v5_8}"), verify: keyed(springScrypt)},
		{own: after("{pbkdf2}"), verify: keyed(springPBKDF2("sha1", "185000", 8))},
		{own: after("{pbkdf2@SpringSecurity_v5_8}"), verify: keyed(springPBKDF2("sha256", "310000", 16))},
		{own: after("{sha256}"), verify: keyed(springSHA256)},
	}
}

// springSaltDigest reads hexadecimal digits: a salt of so many bytes and a digest
// of 32.
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

// springScrypt reads $params$salt$digest, where params are hexadecimal digits for
// log2 N, r and p: e0801.
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

// springParams reads a number of 5 or 6 hexadecimal digits without a leading zero:
// two each for r and p, the first ones for log2 N, at most 17.
func springParams(text string) (ln, r, p int, ok bool) {
	if len(text) < 5 || len(text) > 6 || text[0] == '0' {
		return 0, 0, 0, false
	}
	b, err := fromHex("0"[:len(text)%2] + text)
	if err != nil || b[0] > 17 {
		return 0, 0, 0, false
	}
	return int(b[0]), int(b[1]), int(b[2]), true
}

// springSHA256 is StandardPasswordEncoder: SHA-256, 1,024 times, over salt and
// password.
func springSHA256(rest string) (recipe, error) {
	salt, digest, err := springSaltDigest(rest, 8)
	if err != nil {
		return recipe{}, err
	}
	return recipe{digest, func(password string) ([]byte, error) {
		sum := sha256.Sum256(append(salt[:len(salt):len(salt)], password...))
		for range 1023 {
			sum = sha256.Sum256(sum[:])
		}
		return sum[:], nil
	}}, nil
}
