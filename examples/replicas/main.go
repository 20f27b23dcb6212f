// Command replicas runs two replicas of a service on one PostgreSQL. It shows that a logout at one
// of them ends the access token at the other, although neither queries the database to verify a
// token:
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
	"path/filepath"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/sqlstore"
)

func main() {
	dsn := flag.String("dsn", "", "URL of a PostgreSQL database")
	prefix := flag.String("prefix", "replicas_", "prefix of the names of the tables, which are created if they are missing")
	keys := flag.String("keys", filepath.Join("data", "replicas"), "folder of the keys, which replicas on several machines share")
	bound := flag.Duration("bound", 5*time.Second, "time after which a logout must be in effect on every replica")
	flag.Parse()
	if err := run(os.Stdout, *dsn, *prefix, *keys, *bound); err != nil {
		log.Fatal("replicas: ", err)
	}
}

func run(out io.Writer, dsn, prefix, keys string, bound time.Duration) error {
	replica1, replica2 := newReplica(dsn, prefix, keys, bound), newReplica(dsn, prefix, keys, bound)
	defer replica1.close()
	defer replica2.close()
	fmt.Fprintf(out, "replica 1 is %s, replica 2 is %s\n", replica1.url, replica2.url)

	ctx, name, password := context.Background(), "ada-"+rand.Text(), rand.Text()
	user, err := replica1.accounts.Register(ctx, name, password)
	if err != nil {
		return err
	}
	defer replica1.accounts.Delete(ctx, user.ID)
	phone, laptop := replica1.login(name, password), replica2.login(name, password)
	fmt.Fprintf(out, "the phone logs in at replica 1 and gets %d from replica 1, %d from replica 2\n",
		replica1.profile(phone), replica2.profile(phone))
	fmt.Fprintf(out, "the laptop logs in at replica 2 and gets %d from replica 1, %d from replica 2\n",
		replica1.profile(laptop), replica2.profile(laptop))

	began := time.Now()
	status := replica1.send("POST", "/auth/logout", phone)
	fmt.Fprintf(out, "the phone logs out at replica 1 (%d) and gets %d from replica 1\n", status, replica1.profile(phone))
	for replica2.profile(phone) != http.StatusUnauthorized {
		if time.Since(began) > bound {
			return errors.New("the logout does not reach replica 2")
		}
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Fprintf(out, "%v after the logout the phone gets 401 from replica 2, the laptop %d\n",
		time.Since(began).Round(time.Millisecond), replica2.profile(laptop))
	return nil
}

// replica stands for a process on a machine of its own, with its own connections to the database
// and its own list of revoked tokens.
type replica struct {
	url      string
	accounts *auth.Authenticator
	close    func()
}

func newReplica(dsn, prefix, keys string, bound time.Duration) replica {
	db, feed := must(sql.Open("pgx", dsn)), must(sql.Open("pgx", dsn))
	db.SetMaxOpenConns(16)
	feed.SetMaxOpenConns(1) // reads revocations, also while all connections of db are in use
	store := must(sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Config{TablePrefix: prefix, FeedDB: feed}))
	if err := store.Migrate(context.Background()); err != nil {
		log.Fatal(err)
	}
	app := must(authkit.Open(context.Background(), authkit.All(store), authkit.Config{
		Issuer: "https://example.com", KeyFolder: keys, Revocation: revocation.Config{Bound: bound},
	}))
	mux := http.NewServeMux()
	mux.Handle("/", app.Handler())
	mux.Handle("GET /profile", app.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := auth.FromContext(r.Context())
		fmt.Fprintf(w, "you are %s\n", caller.Subject())
	})))
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	go server.Serve(listener)
	return replica{"http://" + listener.Addr().String(), app.Accounts, func() {
		server.Close()
		app.Close(context.Background())
		feed.Close()
		db.Close()
	}}
}

// login returns an access token.
func (r replica) login(name, password string) string {
	res := must(http.PostForm(r.url+"/auth/login", url.Values{"username": {name}, "password": {password}}))
	defer res.Body.Close()
	var tokens struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&tokens); err != nil || res.StatusCode != http.StatusOK {
		log.Fatal("login: ", res.Status, err)
	}
	return tokens.AccessToken
}

// profile returns the status of a protected route.
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
