package jwt_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

// FuzzForge: whatever text comes, it is accepted only if it is one of the tokens
// that were issued, to the byte; and it speaks for whom that was issued to. Each
// text is put twice, before and after the tables may have learned from it.
func FuzzForge(f *testing.F) {
	keys := []jwt.Key{testkit.Generated(f, jwt.HS256), testkit.Generated(f, jwt.EdDSA), testkit.Generated(f, jwt.ES512), testkit.Generated(f, jwt.PS256)}
	var issued []string
	var v *jwt.Issuer
	for n, key := range keys {
		ring := testkit.RingOf(f, key, keys...)
		v = testkit.NewIssuer(f, jwt.IssuerConfig{Keys: ring, VerifiedTokens: 64, Lifetime: 24 * time.Hour})
		for _, subject := range []string{"a", "b"} {
			token := testkit.Issue(f, v, jwt.Claims{Subject: subject, Scopes: []string{"read"}[:n%2], Custom: map[string]any{"name": "Zoë"}})
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
				case err != nil && (p != nil || !errors.Is(err, jwt.ErrInvalidToken)):
					t.Fatalf("%q: %v, %v", token, p, err)
				}
			}
		}
	})
}
