// Command quickstart is a complete server: it registers users, logs them in, keeps their sessions
// and protects a route. It keeps users, sessions and keys in a folder, so a restart loses nothing.
// It prints the curl commands to type next.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
	"github.com/seed-e36e2130/auth/throttle"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "address to listen on")
	data := flag.String("data", "data", "folder of the database and the keys, created if it is missing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, *addr, *data); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addr, data string) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	store, err := sqlite.Open(ctx, filepath.Join(data, "users.db"), sqlstore.Config{})
	if err != nil {
		return err
	}
	defer store.Close()
	revoked, err := revocation.Follow(store, revocation.Config{}) // ends access tokens with their session
	if err != nil {
		return err
	}
	defer revoked.Close()
	if err := revoked.Sync(ctx); err != nil { // protected routes answer 503 until the first read
		return err
	}
	key, err := jwt.OpenKeyFile(filepath.Join(data, "auth.key"), jwt.HS256)
	if err != nil {
		return err
	}
	refreshKey, err := secrets.OpenFile(filepath.Join(data, "refresh.key"))
	if err != nil {
		return err
	}
	handler, err := newHandler(store, revoked, key, refreshKey, auth.Config{Logger: slog.Default()})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	printNext(listener.Addr().(*net.TCPAddr))
	go prune(ctx, store)
	return serve(ctx, listener, handler)
}

// prune deletes expired entries each hour. Nothing else does: without it, a client that never stops
// sending requests would fill the disk.
func prune(ctx context.Context, store *sqlite.Store) {
	hourly := time.NewTicker(time.Hour)
	defer hourly.Stop()
	for ctx.Err() == nil {
		if err := store.Prune(ctx); err != nil && ctx.Err() == nil {
			slog.Error("quickstart: prune", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-hourly.C:
		}
	}
}

// newHandler returns the routes: the endpoints of package authhttp, and a profile behind the
// middleware.
func newHandler(store *sqlite.Store, revoked *revocation.List, key jwt.Key, refreshKey secrets.Key, cfg auth.Config) (http.Handler, error) {
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		return nil, err
	}
	refreshKeys, err := secrets.NewRing(refreshKey)
	if err != nil {
		return nil, err
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: "https://quickstart.example", Audience: "quickstart", Keys: keys, Check: revoked.Check,
	})
	if err != nil {
		return nil, err
	}
	limits, err := throttle.New(store, throttle.Config{})
	if err != nil {
		return nil, err
	}
	cfg.Sessions, cfg.RefreshKeys, cfg.Revoked, cfg.Throttle = store, refreshKeys, revoked.Sync, limits
	accounts, err := auth.New(store, tokens, cfg)
	if err != nil {
		return nil, err
	}
	guard, err := auth.NewMiddleware(accounts, auth.MiddlewareConfig{Logger: cfg.Logger})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	err = authhttp.Mount(mux, "", accounts, guard, authhttp.MountConfig{Config: authhttp.Config{Logger: cfg.Logger}},
		authhttp.EndpointRegister, authhttp.EndpointLogin, authhttp.EndpointRefresh, authhttp.EndpointLogout, authhttp.EndpointSessions)
	if err != nil {
		return nil, err
	}
	mux.Handle("GET /profile", guard.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := auth.FromContext(r.Context())
		user, err := store.UserByID(r.Context(), caller.Subject())
		if err != nil {
			cfg.Logger.Error("quickstart: profile", "error", err)
			http.Error(w, "the profile cannot be read", auth.HTTPStatus(err))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"id": user.ID, "username": user.Username})
	})))
	return mux, nil
}

// serve answers requests until ctx ends. Then it waits for the requests in progress, whose time the
// timeouts limit.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
	}
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() { stopped <- server.Shutdown(context.Background()) })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// printNext prints the commands that try the server.
func printNext(addr *net.TCPAddr) {
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "localhost"
	}
	fmt.Printf(`Ready. Type this in another terminal:

curl -s %[1]s/register -H 'Content-Type: application/json' -d '{"username":"ada","password":"correct horse battery"}'
TOKEN=$(curl -s %[1]s/login -d username=ada -d 'password=correct horse battery' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
curl -s %[1]s/profile -H "Authorization: Bearer $TOKEN"
`, "http://"+net.JoinHostPort(host, fmt.Sprint(addr.Port)))
}
