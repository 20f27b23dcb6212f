package legacyhash

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"strings"
)

// ldap has the schemes of userPassword in OpenLDAP (RFC 2307 section 5.3, and its modules pw-sha2,
// pw-pbkdf2 and argon2), and those of Dovecot.
func ldap() []format {
	list := []format{
		bcrypt("{BLF-CRYPT}"),
		shaCrypt("{SHA256-CRYPT}$5$", sha256.New, sha256Order),
		shaCrypt("{SHA512-CRYPT}$6$", sha512.New, sha512Order),
		argon2("{ARGON2}"),
		argon2("{ARGON2I}"),
		argon2("{ARGON2ID}"),
		{own: after("{PBKDF2}$1$"), verify: keyed(dovecotPBKDF2)},
		{own: after("{PBKDF2}"), verify: keyed(ldapPBKDF2("sha1"))},
		{own: after("{PBKDF2-SHA1}"), verify: keyed(ldapPBKDF2("sha1"))},
		{own: after("{PBKDF2-SHA256}"), verify: keyed(ldapPBKDF2("sha256"))},
		{own: after("{PBKDF2-SHA512}"), verify: keyed(ldapPBKDF2("sha512"))},
	}
	for _, mark := range []string{"{CRYPT}", "{crypt}"} {
		list = append(list, bcrypt(mark), shaCrypt(mark+"$5$", sha256.New, sha256Order), shaCrypt(mark+"$6$", sha512.New, sha512Order))
	}
	for _, mark := range []string{"{SMD5}", "{smd5}"} {
		list = append(list, format{own: after(mark), verify: keyed(saltAtEnd(md5.New))})
	}
	for _, mark := range []string{"{SSHA}", "{ssha}"} {
		list = append(list, format{own: after(mark), verify: keyed(saltAtEnd(sha1.New))})
	}
	for _, mark := range []string{"{SSHA256}", "{ssha256}"} {
		list = append(list, format{own: after(mark), verify: keyed(saltAtEnd(sha256.New))})
	}
	for _, mark := range []string{"{SSHA384}", "{ssha384}"} {
		list = append(list, format{own: after(mark), verify: keyed(saltAtEnd(sha512.New384))})
	}
	for _, mark := range []string{"{SSHA512}", "{ssha512}"} {
		list = append(list, format{own: after(mark), verify: keyed(saltAtEnd(sha512.New))})
	}
	return list
}

// saltAtEnd reads digest and salt in base64: one hash of password and salt. LDAP directories write
// salts of 4 to 16 bytes.
func saltAtEnd(newHash func() hash.Hash) func(string) (recipe, error) {
	size := newHash().Size()
	return func(rest string) (recipe, error) {
		b, err := fromBase64(standardBase64, rest)
		if err != nil {
			return recipe{}, err
		}
		if len(b) < size+4 || len(b) > size+16 {
			return recipe{}, errLength
		}
		digest, salt := b[:size], b[size:]
		return saltedDigest(size, digest, salt, func(password string) []byte { return hashed(newHash, password+string(salt)) })
	}
}

// ldapPBKDF2 reads iterations$salt$digest.
func ldapPBKDF2(name string) func(string) (recipe, error) {
	newHash, size, _ := hashOf(name)
	return func(rest string) (recipe, error) {
		part := strings.Split(rest, "$")
		if len(part) != 3 {
			return recipe{}, errParts
		}
		salt, err := fromBase64(passlibBase64, part[1])
		if err != nil {
			return recipe{}, err
		}
		digest, err := fromBase64(passlibBase64, part[2])
		if err != nil {
			return recipe{}, err
		}
		return pbkdf2Hash(newHash, part[0], salt, digest, size)
	}
}

// dovecotPBKDF2 reads salt$iterations$digest. The salt is hashed as the text it is.
func dovecotPBKDF2(rest string) (recipe, error) {
	part := strings.Split(rest, "$")
	if len(part) != 3 {
		return recipe{}, errParts
	}
	salt, err := textSalt(part[0])
	if err != nil {
		return recipe{}, err
	}
	digest, err := fromHex(part[2])
	if err != nil {
		return recipe{}, err
	}
	return pbkdf2Hash(sha1.New, part[1], salt, digest, sha1.Size)
}
