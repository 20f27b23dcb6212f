package legacyhash

import (
	"bytes"
	"crypto/md5"
	"crypto/sha512"
	"hash"
	"strings"

	"github.com/seed-e36e2130/auth/internal/phc"
)

// Bounds on the hashes of crypt(3), whose work grows with the length of the password as well. See
// decision 0045.
const (
	minCryptRounds = 1000 // crypt(3) never writes fewer
	maxCryptRounds = 1_000_000
	minPHPassLog2  = 7
	maxPHPassLog2  = 20

	// maxCryptWork bounds the rounds times the bytes of the password: 409 bytes with passlib's 656,000
	// rounds, 512 with its 2^19 rounds of phpass.
	maxCryptWork = 1 << 28
)

// crypt64 is the alphabet of crypt(3). A digit stands for six bits.
const crypt64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// appendCrypt64 appends the n lowest digits of a number, the lowest digit first.
func appendCrypt64(dst []byte, number uint, n int) []byte {
	for range n {
		dst = append(dst, crypt64[number&63])
		number >>= 6
	}
	return dst
}

// isCrypt64 reports whether text has only characters of crypt64.
func isCrypt64(text string) bool {
	return strings.Trim(text, crypt64) == "" // Trim stops at a character outside the alphabet
}

// cryptDigest returns the text of a digest, in which form it is compared. The last digit holds only
// this number of bits; its other bits must be zero, so that a digest has one spelling.
func cryptDigest(text string, length, bits int) ([]byte, error) {
	switch {
	case len(text) != length:
		return nil, errLength
	case !isCrypt64(text) || strings.IndexByte(crypt64, text[length-1]) >= 1<<bits:
		return nil, errEncoding
	}
	return []byte(text), nil
}

// portable is the format of phpass after a mark, $P$ or $H$. It is shared, because WordPress has changed
// some passwords before it hashed them.
func portable(mark string) format {
	return format{own: after(mark), verify: keyed(phpass), shared: true}
}

// phpass reads the text after $P$ or $H$: one digit for the binary logarithm of the rounds, 8
// characters of salt and 22 of digest. The hash is repeated MD5 (Openwall, "Portable PHP password
// hashing framework").
func phpass(rest string) (recipe, error) {
	digest, err := cryptDigest(rest[min(9, len(rest)):], 22, 2)
	return phpassHash(md5.New(), rest, digest, err)
}

// drupalDigits is the length of the encoded digest in Drupal, which keeps the first half of it.
const drupalDigits = 43

// drupalLongest is the greatest length of a password in bytes in Drupal.
const drupalLongest = 512

// drupal has the formats of Drupal 7 to 10: phpass with SHA-512, imported MD5, and after U the same of
// the password's MD5, as the upgrade from Drupal 6 wrote it. Later versions write bcrypt.
func drupal() []format {
	return []format{
		{own: after("$S$"), verify: keyed(drupalSHA512)},
		portable("$P$"),
		portable("$H$"),
		{own: after("U$S$"), verify: keyed(ofMD5(drupalSHA512))},
		{own: after("U$P$"), verify: keyed(ofMD5(phpass))},
		{own: after("U$H$"), verify: keyed(ofMD5(phpass))},
		bcrypt(""),
	}
}

// ofMD5 returns a parse function whose recipe hashes the digits of the password's MD5.
func ofMD5(parse func(rest string) (recipe, error)) func(rest string) (recipe, error) {
	return func(rest string) (recipe, error) {
		r, err := parse(rest)
		key := r.key
		r.key = func(password string) ([]byte, error) { return key(md5Digits(password)) }
		return r, err
	}
}

// drupalSHA512 reads the text after $S$: as phpass does, with SHA-512.
func drupalSHA512(rest string) (recipe, error) {
	digest, err := cryptDigest(rest[min(9, len(rest)):], drupalDigits, 6)
	r, err := phpassHash(sha512.New(), rest, digest, err)
	r.longest = min(r.longest, drupalLongest)
	return r, err
}

// phpassHash returns the recipe of phpass for the text after the mark, whose digest was read already.
func phpassHash(h hash.Hash, rest string, digest []byte, err error) (recipe, error) {
	if err != nil {
		return recipe{}, err
	}
	log2, salt := strings.IndexByte(crypt64, rest[0]), rest[1:9]
	switch {
	case log2 < minPHPassLog2 || log2 > maxPHPassLog2:
		return recipe{}, errCost
	case !isCrypt64(salt):
		return recipe{}, errSalt
	}
	return recipe{digest: digest, longest: maxCryptWork >> log2, key: func(password string) ([]byte, error) {
		text := []byte(password)
		h.Write([]byte(salt))
		h.Write(text)
		sum := h.Sum(nil)
		for range 1 << log2 {
			h.Reset()
			h.Write(sum)
			h.Write(text)
			sum = h.Sum(sum[:0])
		}
		key := make([]byte, 0, 2*len(sum))
		for ; len(sum) >= 3; sum = sum[3:] {
			key = appendCrypt64(key, uint(sum[0])|uint(sum[1])<<8|uint(sum[2])<<16, 4)
		}
		key = appendCrypt64(key, uint(sum[0]), 2) // both hash functions leave one byte
		return key[:len(digest)], nil
	}}, nil
}

// cryptOrder is the order in which sha-crypt encodes the bytes of a digest, in groups of three.
// Each group has the indices of the group before it, permuted and increased by one.
type cryptOrder struct {
	first  [3]int // indices of the first group
	next   [3]int // position in the group before, for each index of a group
	groups int    // number of groups of three
	last   []int  // indices of the last group, which has fewer than three
	bits   int    // number of bits in the last digit
}

var (
	sha256Order = cryptOrder{first: [3]int{0, 10, 20}, next: [3]int{2, 0, 1}, groups: 10, last: []int{31, 30}, bits: 4}
	sha512Order = cryptOrder{first: [3]int{0, 21, 42}, next: [3]int{1, 2, 0}, groups: 21, last: []int{63}, bits: 2}
)

// length returns the length of the encoded digest.
func (o cryptOrder) length() int { return 4*o.groups + len(o.last) + 1 }

// text returns the encoded digest.
func (o cryptOrder) text(sum []byte) []byte {
	text, group := make([]byte, 0, o.length()), o.first
	for range o.groups {
		text = appendCrypt64(text, uint(sum[group[0]])<<16|uint(sum[group[1]])<<8|uint(sum[group[2]]), 4)
		group = [3]int{group[o.next[0]] + 1, group[o.next[1]] + 1, group[o.next[2]] + 1}
	}
	rest := uint(0)
	for _, i := range o.last {
		rest = rest<<8 | uint(sum[i])
	}
	return appendCrypt64(text, rest, len(o.last)+1)
}

// shaCrypt is the format of sha-crypt (Drepper, "Unix crypt using SHA-256 and SHA-512"). After $5$
// or $6$ follow rounds=N$ (5,000 if absent), a salt of at most 16 characters, and the digest.
func shaCrypt(mark string, newHash func() hash.Hash, order cryptOrder) format {
	return format{own: after(mark), verify: keyed(func(rest string) (recipe, error) {
		rounds := 5000
		if named, ok := strings.CutPrefix(rest, "rounds="); ok {
			var number string
			number, rest, _ = strings.Cut(named, "$")
			if rounds, ok = phc.Number(number, maxCryptRounds); !ok || rounds < minCryptRounds {
				return recipe{}, errCost
			}
		}
		salt, text, ok := strings.Cut(rest, "$")
		if !ok {
			return recipe{}, errParts
		}
		if salt == "" || len(salt) > 16 || !isCrypt64(salt) {
			return recipe{}, errSalt
		}
		digest, err := cryptDigest(text, order.length(), order.bits)
		if err != nil {
			return recipe{}, err
		}
		return recipe{digest: digest, longest: maxCryptWork / rounds, key: func(password string) ([]byte, error) {
			return order.text(shaCryptSum(newHash(), []byte(password), []byte(salt), rounds)), nil
		}}, nil
	})}
}

// shaCryptSum computes the digest: steps 1 to 21 of Drepper's algorithm.
func shaCryptSum(h hash.Hash, password, salt []byte, rounds int) []byte {
	sum := func(parts ...[]byte) []byte {
		h.Reset()
		for _, part := range parts {
			h.Write(part)
		}
		return h.Sum(nil)
	}
	spread := func(block []byte, size int) []byte {
		return bytes.Repeat(block, size/len(block)+1)[:size]
	}
	b := sum(password, salt, password)
	parts := [][]byte{password, salt, spread(b, len(password))}
	for n := len(password); n > 0; n >>= 1 {
		if n&1 == 1 {
			parts = append(parts, b)
		} else {
			parts = append(parts, password)
		}
	}
	c := sum(parts...)
	p := spread(sum(bytes.Repeat(password, len(password))), len(password))
	s := spread(sum(bytes.Repeat(salt, 16+int(c[0]))), len(salt))
	for i := range rounds {
		h.Reset()
		if i%2 == 1 {
			h.Write(p)
		} else {
			h.Write(c)
		}
		if i%3 != 0 {
			h.Write(s)
		}
		if i%7 != 0 {
			h.Write(p)
		}
		if i%2 == 1 {
			h.Write(c)
		} else {
			h.Write(p)
		}
		c = h.Sum(c[:0])
	}
	return c
}
