package authtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
)

// FastHasher returns a Hasher for tests that create many users. It is unsafe: one hash takes about
// a microsecond, so an attacker who has it can try millions of passwords per second. It takes a
// [testing.TB] so that only tests can use it.
func FastHasher(t testing.TB) auth.Hasher {
	t.Helper()
	return fastHasher{}
}

type fastHasher struct{}

// fastPrefix begins each hash. Then follow the salt and the SHA-256 of salt and password, each as
// 64 hexadecimal digits.
const fastPrefix = "$authtest-unsafe$"

func (fastHasher) Hash(ctx context.Context, password string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("authtest: hash: %w", err)
	}
	var salt [sha256.Size]byte
	rand.Read(salt[:])
	sum := sha256.Sum256(append(salt[:], password...))
	return fastPrefix + hex.EncodeToString(salt[:]) + "$" + hex.EncodeToString(sum[:]), nil
}

func (fastHasher) Verify(ctx context.Context, encoded, password string) error {
	rest, own := strings.CutPrefix(encoded, fastPrefix)
	if !own {
		return auth.ErrUnknownHash
	}
	saltText, sumText, _ := strings.Cut(rest, "$")
	salt, ok := digits(saltText)
	want, ok2 := digits(sumText)
	if !ok || !ok2 {
		return auth.ErrMalformedHash
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("authtest: verify: %w", err)
	}
	sum := sha256.Sum256(append(salt, password...))
	if subtle.ConstantTimeCompare(sum[:], want) != 1 {
		return auth.ErrMismatch
	}
	return nil
}

func (fastHasher) NeedsRehash(encoded string) bool { return !strings.HasPrefix(encoded, fastPrefix) }

// digits decodes 32 bytes in hexadecimal, which must be in lower case.
func digits(text string) ([]byte, bool) {
	b, err := hex.DecodeString(text)
	return b, err == nil && len(b) == sha256.Size && text == strings.ToLower(text)
}

// Principal returns a principal with the given claims, or ends the test if [jwt.NewPrincipal]
// refuses them. In the test of a handler, put it into the context with [auth.NewContext].
func Principal(t testing.TB, c auth.Claims) *auth.Principal {
	t.Helper()
	p, err := jwt.NewPrincipal(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
