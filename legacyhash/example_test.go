package legacyhash_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/legacyhash"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
)

// newTokens returns an issuer with a new key.
func newTokens() *jwt.Issuer {
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

// newAccounts returns an Authenticator for a table with the hashes of other systems. The first
// login of each user replaces their hash with an Argon2id hash.
func newAccounts(users auth.UserStore, tokens auth.TokenIssuer) (*auth.Authenticator, error) {
	return auth.New(users, tokens, auth.Config{
		Hasher: passwords.Chain(passwords.Argon2id{}, legacyhash.All()),
	})
}

// kind returns the beginning of a user's hash in the table.
func kind(users auth.UserStore, username string) string {
	u, err := users.UserByUsername(context.Background(), username)
	if err != nil {
		log.Fatal(err)
	}
	return u.PasswordHash[:10]
}

// The unchanged hashes of a FastAPI program that uses passlib, and of Django's auth_user table.
func ExampleAll() {
	ctx := context.Background()
	users := memstore.New() // stands for the table
	for _, u := range []auth.User{
		{ID: "1", Username: "ada", PasswordHash: "$pbkdf2-sha256$1000$tpZSKqUUIoSwlvI.5/xfqw$fc81oamYlJlaSJykr8dMgjccQmdodMIOIQ4Ld08H6jc"},
		{ID: "2", Username: "grace", PasswordHash: "pbkdf2_sha256$1000$suVwr32TorychDkvN7GJMF$ZC1KXQlQiPzGFaJmaGK04rpTEnJ6bY5iSMIPM9L9RZ8="},
	} {
		if _, err := users.CreateUser(ctx, u); err != nil {
			log.Fatal(err)
		}
	}
	accounts, err := newAccounts(users, newTokens())
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"ada", "grace"} {
		_, err := accounts.Login(ctx, name, "another password")
		fmt.Println(kind(users, name), err)
		_, err = accounts.Login(ctx, name, "correct horse battery staple")
		fmt.Println(kind(users, name), err)
	}
	// Output:
	// $pbkdf2-sh auth: invalid credentials
	// $argon2id$ <nil>
	// pbkdf2_sha auth: invalid credentials
	// $argon2id$ <nil>
}

// The hash of a password that was cut at 72 bytes for bcrypt verifies only if the host allows it.
func ExampleHasher_DangerouslyTruncating() {
	const stored = "$2b$05$corpusSaltCorpusSaltCuTQedWhMtMFFHQSrTFIj81WLBIsy9bd2"
	password := strings.Repeat("abcdefghijklmnopqrstuvwxyz", 4)
	err := legacyhash.All().Verify(context.Background(), stored, password)
	var refused *passwords.Error
	fmt.Println(errors.As(err, &refused), err)
	fmt.Println(legacyhash.All().DangerouslyTruncating().Verify(context.Background(), stored, password))
	// Output:
	// true auth: password too long: at most 72 bytes
	// <nil>
}
