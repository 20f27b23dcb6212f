package passwords

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/phc"
)

// Parameters for [NewArgon2id], in the notation of encoded hashes: memory in KiB, passes, lanes.
const (
	Argon2idOWASP         = "m=19456,t=2,p=1"   // OWASP Password Storage Cheat Sheet; used by the zero Argon2id
	Argon2idRFC9106First  = "m=2097152,t=1,p=4" // RFC 9106 section 4, first choice: 2 GiB for each concurrent hash
	Argon2idRFC9106Second = "m=65536,t=3,p=4"   // RFC 9106 section 4, second choice: less memory
)

// Bounds. The cost of a stored hash has an upper bound, because an attacker may have written to the
// table. The cost of a new hash has a lower bound, so that a mistake in a configuration is noticed.
const (
	argon2Factor    = 8        // memory and work of a stored hash, in those of a new one
	argon2MaxMemory = 1 << 21  // KiB: RFC 9106's first recommendation
	argon2MaxPasses = 20       //
	argon2MaxLanes  = 255      // threads; x/crypto takes no more
	argon2MaxWork   = 4 << 20  // KiB times passes: libsodium's "sensitive", about 4 s
	argon2MinMemory = 7168     // KiB: lowest that OWASP lists
	argon2MinWork   = 5 * 7168 // KiB times passes: lowest that OWASP lists
	argon2SaltLen   = 16       // bytes in a new salt; RFC 9106 section 3.1
	argon2DigestLen = 32       // bytes in a new digest
	argon2MinSalt   = 8        // bytes in a stored salt; RFC 9106 section 3.1
	argon2MinDigest = 16       // bytes in a stored digest; shorter ones can be guessed
	argon2MaxBytes  = 64       // bytes in a stored salt or digest
	argon2Version   = "19"     // 0x13; x/crypto has no other
	argon2Minimum   = "m=7168,t=5,p=1"
)

// Argon2id is a [Hasher] that makes Argon2id hashes (RFC 9106, version 0x13) as PHC strings, and reads
// those of other systems, Argon2i included. Its zero value has the parameters [Argon2idOWASP].
//
// A password of any length counts to its last byte. A hash takes its memory while it is made or
// checked: [Limit] bounds how many there are at once. A mismatch with a hash of less work takes as
// long as one with a hash of the current work, so that during an upgrade of a table the time does not
// tell who has a new hash.
//
// Stored hashes may have their parameters in the order t, m, p, as AdonisJS wrote them. Spaces after a
// stored hash are ignored, because a column of type CHAR pads with them. See decision 0115.
type Argon2id struct {
	params argon2Params // zero: Argon2idOWASP
	memory int          // KiB that a stored hash may take, if that is more than argon2Factor allows
	work   int64        // work that a stored hash may take, likewise
}

var argon2Default = argon2Params{memory: 19456, passes: 2, lanes: 1} // Argon2idOWASP

// argon2Params is the cost of an Argon2 hash.
type argon2Params struct {
	memory int // KiB
	passes int
	lanes  int
}

// NewArgon2id returns an Argon2id whose new hashes have the given parameters: [Argon2idOWASP] (the same
// as ""), [Argon2idRFC9106First], [Argon2idRFC9106Second], or others in the same notation, such as the
// result of [Argon2id.Calibrate]. The lower bound is m=7168,t=5,p=1, or as much work with more memory.
// The upper bound is m=2097152, t=20, p=255, and 4194304 for m times t.
//
// Stored hashes are read up to 8 times the memory and 8 times the work (m times t) of new ones, or of
// [Argon2idOWASP] if that is more, within the same upper bounds: an attacker may have written to the
// table. Where a table has hashes of more, such as those that were made before the parameters were
// lowered, name their parameters as stored.
//
// It returns a [*cfgerr.Error] for each of the parameters that is malformed or out of bounds.
func NewArgon2id(params string, stored ...string) (Argon2id, error) {
	var a Argon2id
	var faults cfgerr.Faults
	if params != "" {
		p, err := parseArgon2Params(params)
		if err == nil {
			err = p.check(argon2MaxMemory, argon2MaxWork)
		}
		if err == nil && (p.memory < argon2MinMemory || p.work() < argon2MinWork) {
			err = errors.New("weaker than " + argon2Minimum + ", OWASP's least")
		}
		if err != nil {
			faults.Add("passwords.NewArgon2id.params", params, err.Error())
		}
		a.params = p
	}
	for _, text := range stored {
		p, err := parseArgon2Params(text)
		if err == nil {
			err = p.check(argon2MaxMemory, argon2MaxWork)
		}
		if err != nil {
			faults.Add("passwords.NewArgon2id.stored", text, err.Error())
		}
		a.memory, a.work = max(a.memory, p.memory), max(a.work, p.work())
	}
	if err := faults.Err(); err != nil {
		return Argon2id{}, err
	}
	return a, nil
}

func (a Argon2id) current() argon2Params {
	if a.params == (argon2Params{}) {
		return argon2Default
	}
	return a.params
}

// bounds returns the greatest memory and work of a stored hash. See decision 0045.
func (a Argon2id) bounds() (memory int, work int64) {
	current := a.current()
	memory = min(argon2MaxMemory, argon2Factor*max(argon2Default.memory, current.memory))
	work = min(argon2MaxWork, argon2Factor*max(argon2Default.work(), current.work()))
	return max(memory, a.memory), max(work, a.work)
}

// Hash implements [Hasher].
func (a Argon2id) Hash(ctx context.Context, password string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("auth: argon2id: %w", err)
	}
	salt := make([]byte, argon2SaltLen)
	rand.Read(salt) // never fails
	p := a.current()
	digest := argon2.IDKey([]byte(password), salt, uint32(p.passes), uint32(p.memory), uint8(p.lanes), argon2DigestLen)
	return "$argon2id$v=" + argon2Version + "$" + p.String() +
		"$" + argon2Base64.EncodeToString(salt) + "$" + argon2Base64.EncodeToString(digest), nil
}

// Verify implements [Hasher].
func (a Argon2id) Verify(ctx context.Context, encoded, password string) error {
	h, err := parseArgon2(encoded)
	if err != nil {
		return err
	}
	current := a.current()
	if err := h.check(a.bounds()); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformedHash, err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("auth: argon2id: %w", err)
	}
	key := h.key(password, h.argon2Params, len(h.digest))
	if subtle.ConstantTimeCompare(key, h.digest) == 1 {
		return nil
	}
	for _, rest := range current.beyond(h.argon2Params) {
		h.key(password, rest, argon2MinDigest)
	}
	return ErrMismatch
}

// NeedsRehash implements [Hasher]. It returns true for less memory or less work (memory times passes),
// for a salt of less than 16 bytes, and for a text that is not an Argon2id hash.
func (a Argon2id) NeedsRehash(encoded string) bool {
	h, err := parseArgon2(encoded)
	current := a.current()
	return err != nil || !h.id || h.memory < current.memory || h.work() < current.work() || len(h.salt) < argon2SaltLen
}

// argon2Hash is a parsed hash. Its salt and digest have a valid length; its parameters are not checked
// yet.
type argon2Hash struct {
	argon2Params
	id           bool // true: Argon2id; false: Argon2i
	salt, digest []byte
}

// key returns the Argon2 tag of password under the hash's salt.
func (h *argon2Hash) key(password string, p argon2Params, size int) []byte {
	f := argon2.Key
	if h.id {
		f = argon2.IDKey
	}
	return f([]byte(password), h.salt, uint32(p.passes), uint32(p.memory), uint8(p.lanes), uint32(size))
}

var argon2Base64 = base64.RawStdEncoding.Strict()

func parseArgon2(encoded string) (h argon2Hash, err error) {
	h.id = strings.HasPrefix(encoded, "$argon2id$")
	if !h.id && !strings.HasPrefix(encoded, "$argon2i$") {
		return argon2Hash{}, ErrUnknownHash
	}
	encoded, err = phc.Unpad(encoded)
	var parsed phc.Hash
	if err == nil {
		parsed, err = phc.Parse(encoded)
	}
	switch {
	case err != nil:
	case parsed.Version == "" || parsed.Version == "16": // well-formed, but another algorithm
		return argon2Hash{}, fmt.Errorf("%w: argon2 before version 0x13", ErrUnknownHash)
	case parsed.Version != argon2Version:
		err = errors.New("unknown argon2 version")
	default:
		err = h.parse(parsed)
	}
	if err != nil {
		return argon2Hash{}, fmt.Errorf("%w: %w", ErrMalformedHash, err)
	}
	return h, nil
}

func (h *argon2Hash) parse(parsed phc.Hash) (err error) {
	if p := parsed.Params; len(p) == 3 && p[0].Name == "t" {
		p[0], p[1] = p[1], p[0]
	}
	if h.argon2Params, err = newArgon2Params(parsed); err != nil {
		return err
	}
	if h.salt, err = argon2Bytes(parsed.Salt, argon2MinSalt); err != nil {
		return err
	}
	h.digest, err = argon2Bytes(parsed.Digest, argon2MinDigest)
	// All sizes in use are even. So a digest with a byte more or less is found broken before any
	// hashing.
	if err == nil && len(h.digest)%2 != 0 {
		err = errors.New("argon2 digest of an odd size")
	}
	return err
}

// argon2Bytes decodes a salt or digest, which has one valid spelling.
func argon2Bytes(text string, least int) ([]byte, error) {
	decoded, err := argon2Base64.DecodeString(text)
	if err != nil || len(decoded) < least || len(decoded) > argon2MaxBytes {
		return nil, errors.New("argon2 salt or digest is not canonical, too short or too long")
	}
	return decoded, nil
}

// parseArgon2Params reads m=19456,t=2,p=1, with the parser of encoded hashes.
func parseArgon2Params(text string) (argon2Params, error) {
	parsed, err := phc.Parse("$argon2id$" + text + "$salt$digest")
	if err != nil || strings.Contains(text, "$") {
		return argon2Params{}, errArgon2Params
	}
	return newArgon2Params(parsed)
}

var errArgon2Params = errors.New("want parameters like " + Argon2idOWASP)

func newArgon2Params(parsed phc.Hash) (p argon2Params, err error) {
	values, ok := parsed.Values("m", "t", "p")
	if !ok {
		return argon2Params{}, errArgon2Params
	}
	for i, n := range []*int{&p.memory, &p.passes, &p.lanes} {
		if *n, ok = phc.Number(values[i], 1<<31-1); !ok {
			return argon2Params{}, errArgon2Params
		}
	}
	return p, nil
}

// check returns an error if p is beyond the bounds of Argon2 or of this package. Beyond those of
// Argon2, x/crypto/argon2 panics, or wraps the number of lanes around at 256.
func (p argon2Params) check(maxMemory int, maxWork int64) error {
	if p.lanes < 1 || p.lanes > argon2MaxLanes || p.passes < 1 || p.passes > argon2MaxPasses ||
		p.memory < 8*p.lanes || p.memory > maxMemory || p.work() > maxWork {
		return fmt.Errorf("argon2 parameters beyond p=1 to %d, t=1 to %d, m=8p to %d, m times t to %d",
			argon2MaxLanes, argon2MaxPasses, maxMemory, maxWork)
	}
	return nil
}

// work is proportional to the time of a hash.
func (p argon2Params) work() int64 { return int64(p.memory) * int64(p.passes) }

// beyond returns the hashes to make after one with the parameters stored, so that the work is as much
// as that of p: whole passes over the memory of p, and one pass over the rest.
func (p argon2Params) beyond(stored argon2Params) (rest []argon2Params) {
	missing := p.work() - stored.work()
	if passes := missing / int64(p.memory); passes > 0 {
		rest = append(rest, argon2Params{p.memory, int(passes), p.lanes})
	}
	if left := missing % int64(p.memory); left >= int64(8*p.lanes) {
		rest = append(rest, argon2Params{int(left), 1, p.lanes})
	}
	return rest
}

func (p argon2Params) String() string {
	return fmt.Sprintf("m=%d,t=%d,p=%d", p.memory, p.passes, p.lanes)
}
