package authhttp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/throttle"
)

// members registers accounts whose username is an address, and sends a link to that address at
// once. Without AddAddress the account has no address, so a forgotten password could not be reset.
type members struct {
	*auth.Authenticator
	flows *recovery.Recovery
}

func (m members) Register(ctx context.Context, address, password string) (auth.User, error) {
	u, err := m.Authenticator.Register(ctx, address, password)
	if err != nil {
		return u, err
	}
	err = m.flows.AddAddress(ctx, u.ID, u.Username)
	if _, full := errors.AsType[*auth.RetryError](err); full {
		err = nil // the account exists; /verify/request sends another link
	}
	return u, err
}

// Usernames that are addresses: a Registrar of the host's own calls the Authenticator, and one
// function returns the canonical form of usernames and addresses.
func ExampleRegister_addresses() {
	keys := must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.EdDSA))))
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://example.com", Audience: "https://example.com/api", Keys: keys}))
	store, mails := memstore.New(), make(postman, 2)
	accounts := must(auth.New(store, tokens, auth.Config{Throttle: must(throttle.New(store, throttle.Config{})), NormalizeUsername: recovery.Canonical, Hasher: must(passwords.NewBcrypt(10))}))
	guard := must(auth.NewMiddleware(accounts, auth.MiddlewareConfig{}))
	flows := must(recovery.New(accounts, recovery.NewMemoryAddresses(), store, mails, recovery.Config{BaseURL: "https://example.com/account"}))
	mux := http.NewServeMux()
	mux.Handle("/auth/register", authhttp.Register(members{accounts, flows}, authhttp.Config{}))
	err := authhttp.Mount(mux, "/auth", accounts, guard, authhttp.MountConfig{Recovery: flows}, authhttp.EndpointLogin, authhttp.EndpointRecovery)
	if err != nil {
		log.Fatal(err)
	}

	post := func(path, body string) int {
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w.Code
	}
	fmt.Println(post("/auth/register", `{"username":"Ada@Example.com","password":"correct horse battery"}`))
	mail := <-mails
	fmt.Println(mail.Kind, "to", mail.To)
	fmt.Println(post("/auth/verify", `{"token":"`+must(url.Parse(mail.Link)).Query().Get("token")+`"}`))

	fmt.Println(post("/auth/password/forgot", `{"address":"ada@example.com"}`))
	mail = <-mails
	fmt.Println(mail.Kind, "to", mail.To)
	if err := flows.Close(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 201
	// verify to ada@example.com
	// 204
	// 202
	// reset to ada@example.com
}
