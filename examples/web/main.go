// Command web is a site with accounts: pages to register, log in, see one's profile
// and sessions and end them, change the password, delete the account and log out. The
// browser keeps the tokens in cookies that no script reads. Users, sessions and key are
// kept in a folder, so that a restart loses nothing.
//
// On a loopback address, the default, it speaks to browsers on this machine, and its
// cookies lack Secure, for not every browser keeps those of http://localhost. On any
// other address they have it, so a server that speaks https must stand in front; give
// [authhttp.TrustProxies] to authhttp.Config.ClientIP then, or the throttle
// takes all visitors for one network.
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
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
	"github.com/seed-e36e2130/auth/throttle"
	"github.com/seed-e36e2130/auth/jwt"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "address to listen on")
	data := flag.String("data", filepath.Join("data", "web"), "folder of the users and the key, made where it is missing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal does not wait
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
	ended, err := revocation.Follow(store, revocation.Config{}) // so that a session that was ended is over at once
	if err != nil {
		return err
	}
	defer ended.Close()
	key, err := jwt.OpenKeyFile(filepath.Join(data, "key.json"), "HS256")
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	at := listener.Addr().(*net.TCPAddr)
	handler, err := newHandler(store, ended, key, jwt.IssuerConfig{}, auth.Config{Logger: slog.Default()}, at.IP.IsLoopback())
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if at.IP.IsLoopback() {
		fmt.Printf("Ready. Open http://localhost:%d\nCookies lack Secure: for browsers on this machine alone.\n", at.Port)
	} else {
		fmt.Printf("Ready on %s. Cookies are Secure: put a server that speaks https in front.\n", at)
	}
	go prune(ctx, store)
	return serve(ctx, listener, handler)
}

// prune forgets each hour what has expired: nothing else does, and who knocks at the
// door without end would fill the disk.
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

// newHandler puts the parts together. insecure cookies are for localhost alone, and
// requests for another host are refused then.
func newHandler(store *sqlite.Store, ended *revocation.List, key jwt.Key, issuer jwt.IssuerConfig, cfg auth.Config, insecure bool) (http.Handler, error) {
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		return nil, err
	}
	issuer.Issuer, issuer.Audience, issuer.Keys, issuer.Check = "https://web.example", "web", keys, ended.Check
	tokens, err := jwt.NewIssuer(issuer)
	if err != nil {
		return nil, err
	}
	slow, err := throttle.New(store, throttle.Config{})
	if err != nil {
		return nil, err
	}
	cfg.Sessions, cfg.Accounts, cfg.RefreshKeys, cfg.Revoked, cfg.Throttle = store, store, keys, ended.Sync, slow
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
	mux, browsers := http.NewServeMux(), authhttp.Config{Cookies: cookies, Logger: cfg.Logger}
	mux.Handle("/auth/account/delete", authhttp.DeleteAccount(deleter{accounts}, guard, browsers))
	err = authhttp.Mount(mux, "/auth", accounts, guard, authhttp.MountConfig{Config: browsers, Users: store},
		authhttp.EndpointRegister, authhttp.EndpointLogin, authhttp.EndpointRefresh, authhttp.EndpointLogout,
		authhttp.EndpointMe, authhttp.EndpointSessions, authhttp.EndpointPassword)
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

// deleter deletes accounts where nobody has an address: package recovery is for those
// who have.
type deleter struct{ *auth.Authenticator }

func (d deleter) From(from auth.Device) deleter { return deleter{d.Authenticator.From(from)} }

func (d deleter) DeleteAccount(ctx context.Context, userID, password string) error {
	if err := d.ConfirmPassword(ctx, userID, password); err != nil {
		return err
	}
	return d.Delete(ctx, userID)
}

//go:embed pages
var pages embed.FS

// policy lets pages load what this server has and nothing else: no script within a
// page, no text made into HTML or code, no frame around them.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// protect tells browsers what pages may do.
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

// serve answers requests until ctx ends, and lets those under way finish: the
// timeouts say how long that takes at most.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second, MaxHeaderBytes: 32 << 10}
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() { stopped <- server.Shutdown(context.Background()) })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
