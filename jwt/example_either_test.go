package jwt_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log"
	"time"

	"github.com/seed-e36e2130/auth/jwt"
)

// A server that makes tokens of RFC 9068 now, and accepts those that it made before, until the last of
// them has expired. The old ones have neither iss nor aud, and a number in user_id for sub.
func ExampleEither() {
	oldSecret := []byte("\x8b\x1f\x5c\xe0\x94\x2d\x77\xa3\x0e\xc6\x51\xb8\x3f\xf2\x69\x1d\x40\xae\xd7\x92\x15\x68\xbc\x03\xfe\x87\x29\xd4\x5a\x36\xc1\x7f")
	oldKey, err := jwt.NewSecretKey(oldSecret) // from where the old program has it
	if err != nil {
		log.Fatal(err)
	}
	oldKeys, err := jwt.NewVerifyingKeyRing(oldKey)
	if err != nil {
		log.Fatal(err)
	}
	revoked := func(context.Context, *jwt.Principal) error { return nil } // Check of a revocation.List
	before, err := jwt.NewVerifier(jwt.VerifierConfig{
		Keys: oldKeys, Types: []string{"JWT"}, Check: revoked,
		DangerouslyNoIssuer: true, DangerouslyNoAudience: true, // a token that has an iss or aud is refused
		SubjectClaim: "user_id", NumericSubject: true,
		RequiredClaims: map[string]string{"token_type": "access"}, // no refresh token of the old library
	})
	if err != nil {
		log.Fatal(err)
	}

	key, err := jwt.GenerateKey(jwt.EdDSA) // OpenKeyFile keeps a key through a restart
	if err != nil {
		log.Fatal(err)
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: "https://example.com", Audience: "https://example.com/api", Keys: keys, Check: revoked,
	})
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := jwt.Either(tokens, before) // for auth.NewMiddleware; auth.New gets tokens
	if err != nil {
		log.Fatal(err)
	}

	oldToken := func(kind string) string { // as the old program made them
		encode := base64.RawURLEncoding.EncodeToString
		text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." +
			encode(fmt.Appendf(nil, `{"token_type":%q,"user_id":17,"exp":%d}`, kind, time.Now().Add(time.Hour).Unix()))
		m := hmac.New(sha256.New, oldSecret)
		m.Write([]byte(text))
		return text + "." + encode(m.Sum(nil))
	}
	newToken, err := tokens.Issue(context.Background(), jwt.Claims{Subject: "17"})
	if err != nil {
		log.Fatal(err)
	}
	for _, token := range []string{newToken, oldToken("access"), oldToken("refresh")} {
		caller, err := verifier.Verify(context.Background(), token)
		fmt.Println(caller, err)
	}
	// Output:
	// jwt.Principal(17) <nil>
	// jwt.Principal(17) <nil>
	// jwt.Principal(none) auth: invalid token: required claim token_type
}
