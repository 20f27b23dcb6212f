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
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
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
	app, err := authkit.Open(ctx, authkit.All(store), authkit.Config{Issuer: "https://quickstart.example", KeyFolder: data})
	if err != nil {
		return err
	}
	defer app.Close(context.Background())
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Printf(next, "http://"+listener.Addr().String())
	return serve(ctx, listener, routes(app, store))
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

// routes returns the endpoints of the library, and a profile behind its middleware.
func routes(app *authkit.App, users auth.UserStore) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", app.Handler())
	mux.Handle("GET /profile", app.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := auth.FromContext(r.Context())
		user, err := users.UserByID(r.Context(), caller.Subject())
		if err != nil {
			slog.Error("quickstart: profile", "error", err)
			http.Error(w, "the profile cannot be read", auth.HTTPStatus(err))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"id": user.ID, "username": user.Username})
	})))
	return mux
}

// next says what to type next. An address such as [::] also stands for this machine.
const next = `Ready. Type this in another terminal:

curl -s %[1]s/auth/register -H 'Content-Type: application/json' -d '{"username":"ada","password":"correct horse battery"}'
TOKEN=$(curl -s %[1]s/auth/login -d username=ada -d 'password=correct horse battery' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
curl -s %[1]s/profile -H "Authorization: Bearer $TOKEN"
`
