package totp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	otp "github.com/pquerna/otp/totp"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/throttle"
	"github.com/seed-e36e2130/auth/totp"
)

// A user switches a second factor on, and later logs in with a recovery code because the app is gone.
func ExampleNew() {
	ctx := context.Background()
	store := memstore.New()
	keys, err := secrets.NewRing(secrets.Generate()) // a server uses secrets.OpenFile, or bytes from its key management
	if err != nil {
		log.Fatal(err)
	}
	factor, err := totp.New(store, keys, totp.Config{Issuer: "Example"})
	if err != nil {
		log.Fatal(err)
	}
	limits, err := throttle.New(store, throttle.Config{})
	if err != nil {
		log.Fatal(err)
	}
	accounts, err := auth.New(store, newIssuer(), auth.Config{SecondFactor: factor, Records: store, Throttle: limits})
	if err != nil {
		log.Fatal(err)
	}
	ada, err := accounts.Register(ctx, "ada", "correct horse battery")
	if err != nil {
		log.Fatal(err)
	}

	enrollment, err := factor.Enroll(ctx, ada.ID, ada.Username) // show enrollment.URL as a QR code
	if err != nil {
		log.Fatal(err)
	}
	code, err := otp.GenerateCode(enrollment.Secret, time.Now()) // the user's app does this
	if err != nil {
		log.Fatal(err)
	}
	recovery, err := factor.Confirm(ctx, ada.ID, code) // show the recovery codes once
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
	enabled, left, err := factor.Status(ctx, ada.ID)
	fmt.Println(enabled, left, err)
	// Output:
	// true auth: a second factor is needed
	// [pwd otp mfa]
	// true 9 <nil>
}

// newIssuer returns an issuer with a new key, which is kept nowhere.
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
