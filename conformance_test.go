package auth_test

import (
	"fmt"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

func TestJWTIssuerContract(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"HS256", "EdDSA", "ES256"} {
		for _, remembered := range []int{0, 1 << 10} {
			t.Run(fmt.Sprintf("%s, %d tokens remembered", alg, remembered), func(t *testing.T) {
				t.Parallel()
				authtest.TestTokenIssuer(t, func(t *testing.T) auth.TokenIssuer {
					return testkit.NewIssuer(t, jwt.IssuerConfig{Keys: testkit.RingOf(t, testkit.Generated(t, alg)), VerifiedTokens: remembered})
				})
			})
		}
	}
}
