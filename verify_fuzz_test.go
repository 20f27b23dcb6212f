package auth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
)

// FuzzForge: whatever text comes, it is accepted only if it is one of the tokens
// that were issued, to the byte; and it speaks for whom that was issued to. Each
// text is put twice, before and after the tables may have learned from it.
func FuzzForge(f *testing.F) {
	keys := []auth.Key{generated(f, auth.HS256), generated(f, auth.EdDSA), generated(f, auth.ES512), generated(f, auth.PS256)}
	var issued []string
	var v *auth.JWTIssuer
	for n, key := range keys {
		ring := ringOf(f, key, keys...)
		v = newIssuer(f, auth.JWTConfig{Keys: ring, VerifiedTokens: 64, Lifetime: 24 * time.Hour})
		for _, subject := range []string{"a", "b"} {
			token := issue(f, v, auth.Claims{Subject: subject, Scopes: []string{"read"}[:n%2], Custom: map[string]any{"name": "Zoë"}})
			issued = append(issued, token)
			f.Add(token, uint16(n), uint16(0), "")
			f.Add(token[:len(token)/2], uint16(n), uint16(40*n), "A")
		}
	}
	f.Fuzz(func(t *testing.T, text string, which, at uint16, piece string) {
		// What the fuzzer cannot guess is given: a genuine token with a piece replaced,
		// and the segments of two of them put together.
		one, other := issued[int(which)%len(issued)], issued[int(which>>8)%len(issued)]
		cut := int(at) % (len(one) + 1)
		a, b := strings.Split(one, "."), strings.Split(other, ".")
		for _, token := range []string{
			text,
			one[:cut] + piece + one[min(len(one), cut+len(piece)):],
			one[:cut] + piece + one[cut:],
			a[0] + "." + b[1] + "." + a[2], b[0] + "." + a[1] + "." + a[2], a[0] + "." + a[1] + "." + b[2],
		} {
			genuine := false
			for _, known := range issued {
				genuine = genuine || known == token
			}
			for range 2 {
				p, err := v.Verify(context.Background(), token)
				switch {
				case err == nil && !genuine:
					t.Fatalf("accepted %q, which was never issued, for %v", token, p)
				case err != nil && genuine:
					t.Fatalf("refused %q, which was issued: %v", token, err)
				case err != nil && (p != nil || !errors.Is(err, auth.ErrInvalidToken)):
					t.Fatalf("%q: %v, %v", token, p, err)
				}
			}
		}
	})
}
