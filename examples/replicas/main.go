// Command replicas runs two replicas of a service on one PostgreSQL, and shows that
// a logout at one of them ends the access token at the other, although neither asks
// the database while it serves a request:
//
//	go run ./examples/replicas -dsn 'postgres://user:password@127.0.0.1:5432/database?sslmode=disable'
package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/jwt"
)

func main() {
	dsn := flag.String("dsn", "", "URL of a PostgreSQL database")
	prefix := flag.String("prefix", "replicas_", "how the names of the tables begin, which are made where they are missing")
	bound := flag.Duration("bound", 5*time.Second, "how long a logout may take to be in effect everywhere")
	flag.Parse()
	if err := run(os.Stdout, *dsn, *prefix, *bound); err != nil {
		log.Fatal("replicas: ", err)
	}
}

func run(out io.Writer, dsn, prefix string, bound time.Duration) error {
	key := must(jwt.GenerateKey("HS256")) // real replicas load the same key file
	one, two := newReplica(dsn, prefix, key, bound), newReplica(dsn, prefix, key, bound)
	defer one.close()
	defer two.close()
	fmt.Fprintf(out, "replica 1 is %s, replica 2 is %s\n", one.url, two.url)

	ctx, name, password := context.Background(), "ada-"+rand.Text(), rand.Text()
	user, err := one.accounts.Register(ctx, name, password)
	if err != nil {
		return err
	}
	defer one.accounts.Delete(ctx, user.ID)
	phone, laptop := one.login(name, password), two.login(name, password)
	fmt.Fprintf(out, "logged in at replica 1, the phone is answered %d there, %d by replica 2\n", one.profile(phone), two.profile(phone))
	fmt.Fprintf(out, "logged in at replica 2, the laptop is answered %d there, %d by replica 1\n", two.profile(laptop), one.profile(laptop))

	began := time.Now()
	status := one.send("POST", "/logout", phone)
	fmt.Fprintf(out, "the phone logs out at replica 1: %d, and then %d\n", status, one.profile(phone))
	for two.profile(phone) != http.StatusUnauthorized {
		if time.Since(began) > bound {
			return errors.New("the logout does not reach replica 2")
		}
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Fprintf(out, "replica 2 answers 401 to the phone after %v, and %d to the laptop\n", time.Since(began).Round(time.Millisecond), two.profile(laptop))
	return nil
}

// replica is what runs on a machine of its own: it has connections to the database,
// and a list of what is revoked.
type replica struct {
	url      string
	accounts *auth.Authenticator
	close    func()
}

func newReplica(dsn, prefix string, key jwt.Key, bound time.Duration) replica {
	db := must(sql.Open("pgx", dsn))
	store := must(sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Config{TablePrefix: prefix}))
	if err := store.Migrate(context.Background()); err != nil {
		log.Fatal(err)
	}
	revoked := must(revocation.Follow(store, revocation.Config{Bound: bound}))
	if err := revoked.Sync(context.Background()); err != nil { // until it has read once, every request is answered 503
		log.Fatal(err)
	}
	keys := must(jwt.NewKeyRing(key))
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://example.com", Audience: "https://example.com/api", Keys: keys, Check: revoked.Check}))
	accounts := must(auth.New(store, tokens, auth.Config{Sessions: store, RefreshKeys: keys, Revoked: revoked.Sync, Accounts: store}))
	guard := must(auth.NewMiddleware(accounts, auth.MiddlewareConfig{}))
	mux := http.NewServeMux()
	mux.Handle("/login", authhttp.Login(accounts, authhttp.Config{}))
	mux.Handle("/logout", authhttp.Logout(accounts, guard, authhttp.Config{}))
	mux.Handle("GET /profile", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := auth.FromContext(r.Context())
		fmt.Fprintf(w, "you are %s\n", caller.Subject())
	})))
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listener)
	return replica{"http://" + listener.Addr().String(), accounts, func() {
		server.Close()
		revoked.Close()
		db.Close()
	}}
}

// login returns an access token.
func (r replica) login(name, password string) string {
	res := must(http.PostForm(r.url+"/login", url.Values{"username": {name}, "password": {password}}))
	defer res.Body.Close()
	var tokens struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&tokens); err != nil || res.StatusCode != http.StatusOK {
		log.Fatal("login: ", res.Status, err)
	}
	return tokens.AccessToken
}

func (r replica) profile(token string) (status int) { return r.send("GET", "/profile", token) }

func (r replica) send(method, path, token string) (status int) {
	req := must(http.NewRequest(method, r.url+path, nil))
	req.Header.Set("Authorization", "Bearer "+token)
	res := must(http.DefaultClient.Do(req))
	defer res.Body.Close()
	return res.StatusCode
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
