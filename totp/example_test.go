package totp_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log"
	"time"

	otp "github.com/pquerna/otp/totp"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/throttle"
	"github.com/seed-e36e2130/auth/totp"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
)

// A user switches a second factor on, and logs in with a recovery code, since the
// app is gone.
func ExampleNew() {
	ctx := context.Background()
	store := memstore.New()
	key := make([]byte, 32) // of a file or a key management, the same for all replicas
	rand.Read(key)
	second, err := totp.New(store, key, totp.Config{Issuer: "Example"})
	if err != nil {
		log.Fatal(err)
	}
	slow, err := throttle.New(store, throttle.Config{})
	if err != nil {
		log.Fatal(err)
	}
	accounts, err := auth.New(store, newIssuer(), auth.Config{SecondFactor: second, Records: store, Throttle: slow})
	if err != nil {
		log.Fatal(err)
	}
	ada, err := accounts.Register(ctx, "ada", "correct horse battery")
	if err != nil {
		log.Fatal(err)
	}

	enrollment, err := second.Enroll(ctx, ada.ID, ada.Username) // show enrollment.URL as a QR code
	if err != nil {
		log.Fatal(err)
	}
	code, err := otp.GenerateCode(enrollment.Secret, time.Now()) // as the user's app does
	if err != nil {
		log.Fatal(err)
	}
	recovery, err := second.Confirm(ctx, ada.ID, code) // show them, once
	if err != nil {
		log.Fatal(err)
	}

	_, err = accounts.Login(ctx, "ada", "correct horse battery")
	required, ok := errors.AsType[*auth.MFARequiredError](err)
	fmt.Println(ok, err)
	tokens, err := accounts.LoginMFA(ctx, required.Token, recovery[0])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tokens.Principal.AMR())
	enabled, left, err := second.Status(ctx, ada.ID)
	fmt.Println(enabled, left, err)
	// Output:
	// true auth: a second factor is needed
	// [pwd otp mfa]
	// true 9 <nil>
}

// newIssuer returns an issuer with a key that nobody keeps.
func newIssuer() auth.TokenIssuer {
	key, err := jwt.GenerateKey(jwt.EdDSA)
	if err != nil {
		log.Fatal(err)
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://example.com", Audience: "https://example.com/api", Keys: keys})
	if err != nil {
		log.Fatal(err)
	}
	return tokens
}
