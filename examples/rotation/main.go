// Command rotation is a server whose signing key is replaced while it runs, without refusing a
// valid token. The keys are files in one folder: current.key signs; next.key and previous.key,
// where they exist, only verify. Replace the key like this:
//
//	go run ./examples/rotation -make data/next.key   # 1. create the next key
//	kill -HUP $PID                                   #    and publish it;
//	sleep 600                                        #    other services keep the old set for 5 minutes
//	mv data/current.key data/previous.key            # 2. let it sign
//	mv data/next.key data/current.key
//	kill -HUP $PID
//	sleep 1800                                       #    until the last token of the old key has expired
//	rm data/previous.key                             # 3. remove the old key
//	kill -HUP $PID
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/throttle"
)

func main() {
	addr := flag.String("addr", "localhost:8082", "address to listen on")
	data := flag.String("data", "data", "folder of the keys, created if it is missing")
	newKey := flag.String("make", "", "create a key file of this name and exit")
	flag.Parse()
	if *newKey != "" {
		must(jwt.OpenKeyFile(*newKey, jwt.EdDSA))
		return
	}
	if err := os.MkdirAll(*data, 0o700); err != nil {
		log.Fatal(err)
	}
	s := newServer(*data)
	s.reloadOn(syscall.SIGHUP)
	log.Printf("http://%s, process %d", *addr, os.Getpid())
	server := &http.Server{
		Addr: *addr, Handler: s, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	log.Fatal(server.ListenAndServe())
}

type server struct {
	*http.ServeMux
	folder string
	ring   *jwt.KeyRing
	tokens *jwt.Issuer
}

func newServer(folder string) server {
	current := must(jwt.OpenKeyFile(filepath.Join(folder, "current.key"), jwt.EdDSA)) // created at the first start
	ring := must(jwt.NewKeyRing(current))
	emit := auth.LogEvents(slog.Default())
	ring.OnReplace(func(ctx context.Context, keyID string) {
		emit(ctx, auth.Event{Kind: auth.EventKeyRotated, KeyID: keyID})
	})
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://example.com", Audience: "https://example.com/api", Keys: ring}))
	s := server{http.NewServeMux(), folder, ring, tokens}
	if err := s.reload(); err != nil { // adds next.key and previous.key
		log.Fatal(err)
	}
	store := memstore.New() // of this process alone: accounts, and counts of failed logins
	accounts := must(auth.New(store, tokens, auth.Config{Throttle: must(throttle.New(store, throttle.Config{}))}))
	guard := must(auth.NewMiddleware(accounts, auth.MiddlewareConfig{}))
	s.Handle("/register", authhttp.Register(accounts, authhttp.Config{}))
	s.Handle("/login", authhttp.Login(accounts, authhttp.Config{}))
	s.Handle("/.well-known/jwks.json", ring.JWKSHandler())
	s.Handle("GET /profile", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := auth.FromContext(r.Context())
		fmt.Fprintf(w, "you are %s\n", caller.Subject())
	})))
	return s
}

// reload puts the keys in the folder in force. If one cannot be read, the keys stay as they are.
func (s server) reload() error {
	current, err := jwt.LoadKeyFile(filepath.Join(s.folder, "current.key"))
	if err != nil {
		return err
	}
	var others []jwt.Key
	for _, name := range []string{"next.key", "previous.key"} {
		key, err := jwt.LoadKeyFile(filepath.Join(s.folder, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		others = append(others, key)
	}
	return s.ring.Replace(current, others...)
}

// reloadOn has the keys reloaded at each signal.
func (s server) reloadOn(sig os.Signal) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, sig)
	go func() {
		for range signals {
			if err := s.reload(); err != nil {
				log.Print("the keys stay as they are: ", err)
			}
		}
	}()
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
