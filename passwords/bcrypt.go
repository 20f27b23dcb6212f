package passwords

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
	//lint:ignore SA1019 bcrypt is made of Blowfish, and x/crypto/bcrypt takes no salt.
	"golang.org/x/crypto/blowfish"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/phc"
)

const (
	defaultBcryptCost  = 12
	minBcryptCost      = 10 // bounds new hashes; OWASP Password Storage Cheat Sheet
	maxBcryptCost      = 15 // bounds new and stored hashes: two seconds and more
	bcryptMaxPassword  = 72 // bytes; bcrypt reads no further
	bcryptSHA256Prefix = "$bcrypt-sha256$"
)

// Bcrypt is a [Hasher] that makes bcrypt hashes and reads those of other systems ($2a$, $2b$ and
// $2y$). For passwords of more than 72 bytes, of which bcrypt would ignore the rest, it makes
// passlib's $bcrypt-sha256$: bcrypt of the password's HMAC-SHA256 under the salt. Its zero value has
// cost 12.
//
// Spaces after a stored hash are ignored, because a column of type CHAR pads with them.
//
// No password is ever cut. Verify returns an [*Error] if the password has more than 72 bytes and the
// hash is plain bcrypt. Hash and Verify return one if the password contains a NUL, which bcrypt cannot
// distinguish from the end. A mismatch with a hash of lower cost takes as long as one with a hash of
// the current cost, so that during an upgrade of a table the time does not tell who has a new hash.
type Bcrypt struct {
	cost int // 0: defaultBcryptCost
}

// NewBcrypt returns a Bcrypt whose new hashes have the given cost, from 10 to 15 (0: 12). Each step
// doubles the time. Stored hashes are read from cost 4 to 15. It returns a [*cfgerr.Error] for any
// other cost.
func NewBcrypt(cost int) (Bcrypt, error) {
	if cost != 0 && (cost < minBcryptCost || cost > maxBcryptCost) {
		return Bcrypt{}, &cfgerr.Error{
			Field: "passwords.NewBcrypt.cost", Value: strconv.Itoa(cost),
			Reason: fmt.Sprintf("want %d to %d, or 0 for %d", minBcryptCost, maxBcryptCost, defaultBcryptCost),
		}
	}
	return Bcrypt{cost}, nil
}

func (b Bcrypt) currentCost() int {
	if b.cost == 0 {
		return defaultBcryptCost
	}
	return b.cost
}

// Hash implements [Hasher].
func (b Bcrypt) Hash(ctx context.Context, password string) (string, error) {
	if err := checkBcryptInput(ctx, password); err != nil {
		return "", err
	}
	if len(password) > bcryptMaxPassword {
		return b.hashLong(password)
	}
	encoded, err := bcrypt.GenerateFromPassword([]byte(password), b.currentCost())
	if err != nil {
		return "", fmt.Errorf("auth: bcrypt: %w", err)
	}
	return string(encoded), nil
}

// hashLong makes a hash of bcrypt_sha256, version 2, of passlib 1.7.3 and later. See decisions 0007
// and 0015.
func (b Bcrypt) hashLong(password string) (string, error) {
	salt := make([]byte, 16)
	rand.Read(salt) // never fails
	h := bcryptHash{version: 2, salt: bcryptBase64.EncodeToString(salt), cost: b.currentCost()}
	sum, err := bcryptSum(h.appendKey(nil, password), salt, h.cost)
	if err != nil {
		return "", fmt.Errorf("auth: bcrypt: %w", err)
	}
	return phc.Hash{
		ID:     "bcrypt-sha256",
		Params: []phc.Param{{Name: "v", Value: "2"}, {Name: "t", Value: "2b"}, {Name: "r", Value: strconv.Itoa(h.cost)}},
		Salt:   h.salt,
		Digest: bcryptBase64.EncodeToString(sum),
	}.String(), nil
}

// Verify implements [Hasher].
func (b Bcrypt) Verify(ctx context.Context, encoded, password string) error {
	h, err := parseBcrypt(encoded)
	if err != nil {
		return err
	}
	if h.cost < bcrypt.MinCost || h.cost > maxBcryptCost {
		return fmt.Errorf("%w: bcrypt cost %d is beyond %d to %d", ErrMalformedHash, h.cost, bcrypt.MinCost, maxBcryptCost)
	}
	if err := checkBcryptInput(ctx, password); err != nil {
		return err
	}
	key := h.appendKey(make([]byte, 0, bcryptMaxPassword), password)
	err = bcrypt.CompareHashAndPassword(h.plain(h.cost), key)
	tooLong := h.version == 0 && len(password) > bcryptMaxPassword
	if err == nil && !tooLong {
		return nil
	}
	if err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return fmt.Errorf("auth: bcrypt: %w", err)
	}
	// One run at cost c, and one each at c, c+1, … n-1, are together the work of one run at cost n.
	// See decision 0014.
	for cost := h.cost; cost < b.currentCost(); cost++ {
		_ = bcrypt.CompareHashAndPassword(h.plain(cost), key)
	}
	if tooLong {
		return &Error{Rule: TooLong, Limit: bcryptMaxPassword}
	}
	return ErrMismatch
}

// NeedsRehash implements [Hasher]. It returns true for a lower cost, for the first version of
// $bcrypt-sha256$, and for a text that is not a bcrypt hash.
func (b Bcrypt) NeedsRehash(encoded string) bool {
	h, err := parseBcrypt(encoded)
	return err != nil || h.cost < b.currentCost() || h.version == 1
}

func checkBcryptInput(ctx context.Context, password string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("auth: bcrypt: %w", err)
	}
	if strings.IndexByte(password, 0) >= 0 {
		return &Error{Rule: Encoding}
	}
	return nil
}

// bcryptHash is a parsed hash. Its salt and digest are canonical; its cost is not checked yet.
type bcryptHash struct {
	version      int // 1 or 2 for $bcrypt-sha256$, 0 for plain bcrypt
	cost         int
	salt, digest string
}

func parseBcrypt(encoded string) (h bcryptHash, err error) {
	encoded, err = phc.Unpad(encoded)
	plain := len(encoded) >= 4 && encoded[:2] == "$2" && strings.IndexByte("aby", encoded[2]) >= 0 && encoded[3] == '$'
	switch {
	case !plain && !strings.HasPrefix(encoded, bcryptSHA256Prefix):
		return bcryptHash{}, ErrUnknownHash
	case err != nil:
	case plain:
		err = h.parsePlain(encoded)
	default:
		err = h.parseSHA256(encoded)
	}
	// Strict decoding requires the spare bits of the last character to be zero. It skips line breaks,
	// but then too few bytes result.
	if err == nil && !(decodesTo(h.salt, 16) && decodesTo(h.digest, 23)) {
		err = errors.New("bcrypt salt or digest is not canonical")
	}
	if err != nil {
		return bcryptHash{}, fmt.Errorf("%w: %w", ErrMalformedHash, err)
	}
	return h, nil
}

// parsePlain reads $2b$12$, then 22 characters of salt and 31 of digest.
func (h *bcryptHash) parsePlain(encoded string) error {
	if len(encoded) != 60 || encoded[6] != '$' {
		return errors.New("bcrypt hash is not 60 characters in four parts")
	}
	tens, units := encoded[4]-'0', encoded[5]-'0'
	if tens > 9 || units > 9 {
		return errors.New("bcrypt cost is not two digits")
	}
	h.cost, h.salt, h.digest = int(tens)*10+int(units), encoded[7:29], encoded[29:]
	return nil
}

// parseSHA256 reads $bcrypt-sha256$v=2,t=2b,r=12$salt$digest, and version 1,
// $bcrypt-sha256$2b,12$salt$digest, which passlib before 1.7.3 wrote.
func (h *bcryptHash) parseSHA256(encoded string) error {
	parsed, err := phc.Parse(encoded)
	if err != nil {
		return err
	}
	var variant, rounds string
	if v, ok := parsed.Values("v", "t", "r"); ok && v[0] == "2" {
		h.version, variant, rounds = 2, v[1], v[2]
	} else if v, ok := parsed.Values("", ""); ok {
		h.version, variant, rounds = 1, v[0], v[1]
	}
	cost, ok := phc.Number(rounds, bcrypt.MaxCost)
	if !ok || parsed.Version != "" || variant != "2b" && (h.version != 1 || variant != "2a") {
		return errors.New("unknown bcrypt-sha256 parameters")
	}
	h.cost, h.salt, h.digest = cost, parsed.Salt, parsed.Digest
	return nil
}

// plain returns the hash in the encoding of plain bcrypt, with another cost.
func (h *bcryptHash) plain(cost int) []byte {
	text := append(make([]byte, 0, 60), "$2b$"...)
	text = append(text, '0'+byte(cost/10), '0'+byte(cost%10), '$')
	return append(append(text, h.salt...), h.digest...)
}

// appendKey appends the input of bcrypt: at most 72 bytes, without a NUL.
func (h *bcryptHash) appendKey(dst []byte, password string) []byte {
	switch h.version {
	case 1:
		sum := sha256.Sum256([]byte(password))
		return base64.StdEncoding.AppendEncode(dst, sum[:])
	case 2:
		input := append([]byte(h.salt), password...)
		mac := hmac.New(sha256.New, input[:len(h.salt)])
		mac.Write(input[len(h.salt):])
		return base64.StdEncoding.AppendEncode(dst, mac.Sum(input[:0]))
	}
	return append(dst, password[:min(len(password), bcryptMaxPassword)]...)
}

const bcryptAlphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

var bcryptBase64 = base64.NewEncoding(bcryptAlphabet).WithPadding(base64.NoPadding).Strict()

func decodesTo(text string, size int) bool {
	var decoded [32]byte
	if bcryptBase64.EncodedLen(size) != len(text) {
		return false
	}
	n, err := bcryptBase64.Decode(decoded[:], []byte(text))
	return err == nil && n == size
}

// bcryptSum is bcrypt with a given salt. $bcrypt-sha256$ needs it, because its key depends on the salt
// and x/crypto/bcrypt draws the salt itself. Everything else here calls x/crypto/bcrypt. Provos and
// Mazières, "A Future-Adaptable Password Scheme", section 4.
func bcryptSum(key, salt []byte, cost int) ([]byte, error) {
	key = append(key[:len(key):len(key)], 0)
	c, err := blowfish.NewSaltedCipher(key, salt)
	if err != nil {
		return nil, err
	}
	for range 1 << cost {
		blowfish.ExpandKey(key, c)
		blowfish.ExpandKey(salt, c)
	}
	sum := []byte("OrpheanBeholderScryDoubt")
	for block := range 3 {
		part := sum[block*blowfish.BlockSize:][:blowfish.BlockSize]
		for range 64 {
			c.Encrypt(part, part)
		}
	}
	return sum[:23], nil // every implementation drops the last byte
}
