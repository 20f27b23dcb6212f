// Command web is a site with accounts. Its pages let users register, log in and out, see their
// profile, list and end their sessions, change the password and delete the account. The browser
// keeps the tokens in cookies that no script can read. Users, sessions and keys are kept in a
// folder, so a restart loses nothing.
//
// By default it listens on a loopback address, for browsers on this machine, and its cookies lack
// Secure, because not every browser keeps Secure cookies of http://localhost. On any other address
// the cookies are Secure, so a proxy that speaks https must stand in front. Then set
// authhttp.Config.ClientIP to the result of [authhttp.TrustProxies], or the throttle counts no
// visitor's network.
package main

import (
	"context"
	"embed"
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
	data := flag.String("data", filepath.Join("data", "web"), "folder of the database and the keys, created if it is missing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, *addr, *data); err != nil {
		fmt.Fprintln(os.Stderr, "web:", err)
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
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	bound := listener.Addr().(*net.TCPAddr)
	handler, err := newHandler(store, revoked, key, refreshKey, auth.Config{Logger: slog.Default()}, bound.IP.IsLoopback())
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if bound.IP.IsLoopback() {
		fmt.Printf("Ready. Open http://localhost:%d\nCookies lack Secure: only for browsers on this machine.\n", bound.Port)
	} else {
		fmt.Printf("Ready on %s. Cookies are Secure: put a proxy that speaks https in front.\n", bound)
	}
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
			slog.Error("web: prune", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-hourly.C:
		}
	}
}

// newHandler returns the pages and the endpoints behind them. With insecure cookies, requests for
// another host than localhost are refused.
func newHandler(store *sqlite.Store, revoked *revocation.List, key jwt.Key, refreshKey secrets.Key, cfg auth.Config, insecure bool) (http.Handler, error) {
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		return nil, err
	}
	refreshKeys, err := secrets.NewRing(refreshKey)
	if err != nil {
		return nil, err
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://web.example", Audience: "web", Keys: keys, Check: revoked.Check})
	if err != nil {
		return nil, err
	}
	attempts, err := throttle.New(store, throttle.Config{})
	if err != nil {
		return nil, err
	}
	cfg.Accounts, cfg.Sessions, cfg.RefreshKeys, cfg.Revoked, cfg.Throttle = store, store, refreshKeys, revoked.Sync, attempts
	accounts, err := auth.New(store, tokens, cfg)
	if err != nil {
		return nil, err
	}
	cookies, err := authhttp.NewCookies(authhttp.CookieConfig{RefreshPath: "/auth/refresh", DangerouslyInsecureLocalhost: insecure})
	if err != nil {
		return nil, err
	}
	guard, err := auth.NewMiddleware(accounts, auth.MiddlewareConfig{Extractors: []auth.Extractor{cookies.Extractor()}, Logger: cfg.Logger})
	if err != nil {
		return nil, err
	}
	mux, endpoints := http.NewServeMux(), authhttp.Config{Cookies: cookies, Logger: cfg.Logger}
	mux.Handle("/auth/account/delete", authhttp.DeleteAccount(deleter{accounts}, guard, endpoints))
	err = authhttp.Mount(mux, "/auth", accounts, guard, authhttp.MountConfig{Config: endpoints, Users: store},
		authhttp.EndpointRegister, authhttp.EndpointLogin, authhttp.EndpointRefresh, authhttp.EndpointLogout,
		authhttp.EndpointMe, authhttp.EndpointSessions, authhttp.EndpointPassword, authhttp.EndpointStepUp)
	if err != nil {
		return nil, err
	}
	for path, file := range map[string]string{
		"/{$}": "account.html", "/login": "login.html", "/register": "register.html", "/style.css": "style.css", "/icon.svg": "icon.svg",
		"/auth.js": "auth.js", "/enter.js": "enter.js", "/account.js": "account.js",
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeFileFS(w, r, pages, "pages/"+file)
		})
	}
	return protect(mux), nil
}

// deleter deletes accounts that have no address. Package recovery deletes those that have one.
type deleter struct{ *auth.Authenticator }

// DeleteAccount deletes the account if the password is right.
func (d deleter) DeleteAccount(ctx context.Context, userID, password string) error {
	if err := d.ConfirmPassword(ctx, userID, password); err != nil {
		return err
	}
	return d.Delete(ctx, userID)
}

//go:embed pages
var pages embed.FS

// policy lets pages load files of this server and nothing else. It forbids scripts within a page,
// turning text into HTML or code, and showing a page in a frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// protect adds the headers that limit what a page can do in a browser.
func protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
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
