package legacyhash

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/phc"
)

// Bounds on PBKDF2. A digest that is longer than the output of the hash function takes the iterations
// once for each block of that output.
const (
	maxPBKDF2       = 10_000_000 // iterations times blocks
	maxPBKDF2SHA512 = 4_000_000  // iterations times blocks, each of which takes more than twice as long as with SHA-256
	maxPBKDF2Size   = 512        // bytes of a digest
	keycloakSize    = 64         // bytes that Keycloak derived before version 24, whatever the hash function
)

// pbkdf2Hash returns the recipe of PBKDF2 (RFC 8018 section 5.2). The iterations are a text of the
// hash. The digest must have one of the sizes: a shorter one would be the beginning of the right one,
// so it would match, and a short digest can be guessed. See decisions 0042 and 0114.
func pbkdf2Hash(newHash func() hash.Hash, iterations string, salt, digest []byte, sizes ...int) (recipe, error) {
	most, block := maxPBKDF2, newHash().Size()
	if block > sha256.Size {
		most = maxPBKDF2SHA512
	}
	n, ok := phc.Number(iterations, most)
	blocks := (len(digest) + block - 1) / block
	switch {
	case !ok || n < 1 || n > most/max(blocks, 1):
		return recipe{}, errCost
	case len(salt) == 0 || len(salt) > maxSalt:
		return recipe{}, errSalt
	case !slices.Contains(sizes, len(digest)):
		return recipe{}, errLength
	}
	return recipe{digest: digest, key: func(password string) ([]byte, error) {
		return pbkdf2.Key(newHash, password, salt, n, len(digest))
	}}, nil
}

// phcStrings are the formats of PHC strings that no Hasher of package passwords makes.
func phcStrings() []format {
	return []format{
		phcPBKDF2("$pbkdf2$", "sha1"),
		phcPBKDF2("$pbkdf2-sha1$", "sha1"),
		phcPBKDF2("$pbkdf2-sha256$", "sha256"),
		phcPBKDF2("$pbkdf2-sha512$", "sha512"),
		{own: whole("$scrypt$"), verify: keyed(phcScrypt)},
	}
}

// phcPBKDF2 reads what follows a mark such as $pbkdf2-sha256$: the parameters, $salt$ and the digest.
// The parameters are the iterations alone (passlib); i=iterations, with or without l=length (Kratos,
// RustCrypto, Discourse, npm's @phc/pbkdf2); or, after $pbkdf2$, f=function,w=iterations,l=length
// (Mattermost).
func phcPBKDF2(mark, name string) format {
	ofMark, size, _ := hashOf(name)
	return format{own: whole(mark), verify: keyed(func(encoded string) (recipe, error) {
		parsed, err := phc.Parse(encoded)
		if err != nil {
			return recipe{}, err
		}
		newHash, encoding, sizes := ofMark, rawBase64, []int{size}
		var iterations, length string
		if v, ok := parsed.Values(""); ok {
			iterations, encoding, sizes = v[0], passlibBase64, []int{size, keycloakSize}
		} else if v, ok := parsed.Values("i"); ok {
			iterations = v[0]
		} else if v, ok := parsed.Values("i", "l"); ok {
			iterations, length = v[0], v[1]
		} else if v, ok := parsed.Values("f", "w", "l"); ok && name == "sha1" {
			iterations, length = v[1], v[2]
			if newHash, _, ok = hashOf(strings.ToLower(v[0])); !ok || strings.ToUpper(v[0]) != v[0] {
				return recipe{}, errParts
			}
		}
		if iterations == "" || parsed.Version != "" {
			return recipe{}, errParts
		}
		if length != "" {
			named, ok := phc.Number(length, maxPBKDF2Size)
			if !ok {
				return recipe{}, errLength
			}
			sizes = []int{named}
		}
		salt, err := fromBase64(encoding, parsed.Salt)
		if err != nil {
			return recipe{}, err
		}
		digest, err := fromBase64(encoding, parsed.Digest)
		if err != nil {
			return recipe{}, err
		}
		return pbkdf2Hash(newHash, iterations, salt, digest, sizes...)
	})}
}

// phcScrypt reads $scrypt$ln=16,r=8,p=1$salt$digest, where ln is the binary logarithm of N and the
// digest has 32 bytes, and AdonisJS's $scrypt$n=16384,r=8,p=1$salt$digest, whose digest has 64 to 128.
func phcScrypt(encoded string) (recipe, error) {
	parsed, err := phc.Parse(encoded)
	if err != nil {
		return recipe{}, err
	}
	digest, err := fromBase64(rawBase64, parsed.Digest)
	if err != nil {
		return recipe{}, err
	}
	var cost []int
	size := 32
	if v, ok := parsed.Values("ln", "r", "p"); ok {
		ln, ok := phc.Number(v[0], maxScryptLog2N)
		if !ok {
			return recipe{}, errCost
		}
		cost = append([]int{1 << ln}, numbers(v[1:]...)...)
	} else if v, ok := parsed.Values("n", "r", "p"); ok {
		cost, size = numbers(v...), min(max(len(digest), 64), 128)
	}
	if cost == nil || parsed.Version != "" {
		return recipe{}, errParts
	}
	salt, err := fromBase64(rawBase64, parsed.Salt)
	if err != nil {
		return recipe{}, err
	}
	return scryptHash(cost[0], cost[1], cost[2], salt, digest, size)
}

// Encoding says how a column holds the bytes of a salt or of a digest.
type Encoding string

// The encodings of [PBKDF2Config].
const (
	Text   Encoding = "text"   // a salt whose characters themselves are hashed: printable ASCII without $
	Hex    Encoding = "hex"    // hexadecimal digits in lower case
	Base64 Encoding = "base64" // the standard alphabet, with padding
)

// PBKDF2Config describes the PBKDF2 hashes of a system that keeps their parts in columns of their own.
type PBKDF2Config struct {
	Size   int      // length of the digests in bytes, 16 to 512; 0 means that of the hash function
	Salt   Encoding // how the salt is written; "" means Text
	Digest Encoding // how the digest is written, Hex or Base64; "" means Hex
}

// PBKDF2 returns a Hasher for the PBKDF2 hashes of a table that keeps salt and digest in columns of
// their own. Let the query that reads the table join the columns as
//
//	"pbkdf2:" + function + ":" + iterations + "$" + salt + "$" + digest
//
// where the function is sha1, sha256 or sha512. The bounds on the cost are those of the package, for
// each block of the digest. [All] reads the same form if the salt is text and the digest is in
// hexadecimal digits, of the hash function's size or, for sha256, of 50 bytes (Grafana, Gitea) or 512
// (Payload, passport-local-mongoose). See decision 0114.
//
// It returns a [*cfgerr.Error] for each fault, joined.
func PBKDF2(cfg PBKDF2Config) (Hasher, error) {
	faults := cfgerr.Faults{Prefix: "legacyhash."}
	cfgerr.Within(&faults, "PBKDF2Config.Size", cfg.Size, 0, minDigest, maxPBKDF2Size)
	if !slices.Contains([]Encoding{"", Text, Hex, Base64}, cfg.Salt) {
		faults.Add("PBKDF2Config.Salt", string(cfg.Salt), fmt.Sprintf("must be %s, %s or %s", Text, Hex, Base64))
	}
	if !slices.Contains([]Encoding{"", Hex, Base64}, cfg.Digest) {
		faults.Add("PBKDF2Config.Digest", string(cfg.Digest), fmt.Sprintf("must be %s or %s", Hex, Base64))
	}
	if err := faults.Err(); err != nil {
		return Hasher{}, err
	}
	return Hasher{formats: []format{{own: after("pbkdf2:"), verify: keyed(cfg.parse)}}}, nil
}

// parse reads sha256:iterations$salt$digest.
func (c PBKDF2Config) parse(rest string) (recipe, error) {
	part := strings.Split(rest, "$")
	if len(part) != 3 {
		return recipe{}, errParts
	}
	name, iterations, _ := strings.Cut(part[0], ":")
	newHash, size, ok := hashOf(name)
	if !ok {
		return recipe{}, errParts
	}
	salt, err := c.Salt.decode(part[1], Text)
	if err != nil {
		return recipe{}, err
	}
	digest, err := c.Digest.decode(part[2], Hex)
	if err != nil {
		return recipe{}, err
	}
	if c.Size != 0 {
		size = c.Size
	}
	return pbkdf2Hash(newHash, iterations, salt, digest, size)
}

// decode returns the bytes of a text.
func (e Encoding) decode(text string, byDefault Encoding) ([]byte, error) {
	if e == "" {
		e = byDefault
	}
	switch e {
	case Text:
		return textSalt(text)
	case Hex:
		return fromHex(text)
	}
	return fromBase64(standardBase64, text)
}

// longColumns are the formats of [PBKDF2] that [All] knows by the length of the digest.
func longColumns() (list []format) {
	for _, size := range []int{50, 512} {
		list = append(list, format{verify: keyed(PBKDF2Config{Size: size}.parse), own: func(encoded string) (string, bool) {
			rest, ok := strings.CutPrefix(encoded, "pbkdf2:")
			return rest, ok && strings.HasPrefix(rest, "sha256:") && len(rest)-1-strings.LastIndexByte(rest, '$') == 2*size
		}})
	}
	return list
}
