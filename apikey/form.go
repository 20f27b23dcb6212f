package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"regexp"
	"strings"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
)

// A key is prefix_id_secret and a checksum. Prefix and ID are known to everybody who may read a log.
const (
	digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

	ownerLength = 16 // digits that stand for the owner: see decision 0133
	slotLength  = 2
	nonceLength = 8
	idLength    = ownerLength + slotLength + nonceLength

	secretLength   = 43 // digits of 5.95 bits each: 256 bits
	checksumLength = 6  // 32 bits

	maxPrefix = 32
	maxLength = maxPrefix + 1 + idLength + 1 + secretLength + checksumLength
)

// The refusals of credentials whose form is wrong. They say nothing of the credential.
var (
	errForm     = fmt.Errorf("%w: not an API key with the prefix of this service", auth.ErrInvalidToken)
	errChecksum = fmt.Errorf("%w: the checksum of the API key is wrong: a part of it was changed or is missing", auth.ErrInvalidToken)
)

// form is the form of all keys of a [Keys].
type form struct {
	head   string // prefix and underscore
	length int    // bytes of a key
}

var prefixPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*[a-z0-9]$`)

// newForm returns the form of keys with a prefix.
func newForm(faults *cfgerr.Faults, prefix string) form {
	switch {
	case len(prefix) > maxPrefix || !prefixPattern.MatchString(prefix):
		faults.Add("New.prefix", prefix, "must be 2 to 32 small letters, digits and underscores, from a letter to a letter or digit, such as myapp_live")
	case strings.HasPrefix(prefix, "ey") || strings.HasPrefix(prefix, "ew"):
		faults.Add("New.prefix", prefix, "must not begin like a JSON Web Token, with ey or ew")
	}
	head := prefix + "_"
	return form{head, len(head) + idLength + 1 + secretLength + checksumLength}
}

// parse returns the ID of a key, or why the credential is none.
func (f *form) parse(credential string) (id string, err error) {
	if len(credential) != f.length || !strings.HasPrefix(credential, f.head) {
		return "", errForm
	}
	rest := credential[len(f.head):]
	if rest[idLength] != '_' || !isDigits(rest[:idLength]) || !isDigits(rest[idLength+1:]) {
		return "", errForm
	}
	end := len(credential) - checksumLength
	if sum := checksum(credential[:end]); credential[end:] != string(sum[:]) {
		return "", errChecksum
	}
	return rest[:idLength], nil
}

// newSecret returns a new key with an ID.
func (f *form) newSecret(id string) Secret {
	text := f.head + id + "_" + randomDigits(secretLength)
	sum := checksum(text)
	return Secret(text + string(sum[:]))
}

// checksum returns the CRC-32 of text. It finds each error in fewer than five characters that stand
// together, and others but for one in four thousand million.
func checksum(text string) (sum [checksumLength]byte) {
	n := ^uint32(0) // crc32.ChecksumIEEE would copy the text to the heap
	for i := range len(text) {
		n = crc32.IEEETable[byte(n)^text[i]] ^ n>>8
	}
	n = ^n
	for i := len(sum) - 1; i >= 0; i-- {
		sum[i] = digits[n%62]
		n /= 62
	}
	return sum
}

func isDigits(s string) bool {
	for _, c := range []byte(s) {
		if !('0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z') {
			return false
		}
	}
	return true
}

func isID(s string) bool { return len(s) == idLength && isDigits(s) }

// randomDigits returns n random digits, each as likely as any other.
func randomDigits(n int) string {
	text := make([]byte, 0, n)
	for {
		var random [64]byte
		rand.Read(random[:]) // never fails
		for _, b := range random {
			if b &= 63; b < 62 {
				text = append(text, digits[b])
			}
			if len(text) == n {
				return string(text)
			}
		}
	}
}

// ownerDigits returns the digits that stand for a user in the IDs of keys with this prefix.
func (f *form) ownerDigits(userID string) string {
	sum := sha256.Sum256([]byte("auth apikey owner\x00" + f.head + "\x00" + userID))
	text := make([]byte, ownerLength)
	for i := range text {
		text[i] = digits[sum[i]%62]
	}
	return string(text)
}

// slotDigits returns the digits of a slot.
func slotDigits(slot int) string { return string([]byte{digits[slot/62], digits[slot%62]}) }

// digest returns the SHA-256 of a credential, without a copy on the heap.
func digest(credential string) [sha256.Size]byte {
	var buf [maxLength]byte
	return sha256.Sum256(append(buf[:0], credential...))
}
