// Command web is a site with accounts. Its pages let users register, log in and out, see their
// profile, list and end their sessions, change the password and delete the account. Users whose name
// is an e-mail address confirm it and can log in by mail. The browser keeps the tokens in cookies that
// no script can read. Users, sessions and keys are kept in a folder, so a restart loses nothing.
//
// Mails are written to the log instead of being sent: give newHandler a Notifier of package smtpnotify
// in the place of [recovery.DangerouslyLog].
//
// By default it listens on a loopback address, for browsers on this machine, and its cookies lack
// Secure, because not every browser keeps Secure cookies of http://localhost. On any other address
// the cookies are Secure, so a proxy that speaks https must stand in front, and -url says what the
// site is called there. Then set authhttp.Config.ClientIP to the result of [authhttp.TrustProxies], or the throttle counts no
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
	"strings"
	"syscall"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
	"github.com/seed-e36e2130/auth/throttle"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "address to listen on")
	data := flag.String("data", filepath.Join("data", "web"), "folder of the database and the keys, created if it is missing")
	site := flag.String("url", "", "URL of the site as browsers see it, for links in mails; not needed on a loopback address")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, *addr, *data, *site); err != nil {
		fmt.Fprintln(os.Stderr, "web:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addr, data, site string) error {
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
	if site == "" && bound.IP.IsLoopback() {
		site = fmt.Sprintf("http://localhost:%d", bound.Port)
	}
	mails := recovery.DangerouslyLog(slog.Default())
	handler, flows, err := newHandler(store, revoked, key, refreshKey, auth.Config{Logger: slog.Default()}, mails, site, bound.IP.IsLoopback())
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if bound.IP.IsLoopback() {
		fmt.Printf("Ready. Open http://localhost:%d\nCookies lack Secure: only for browsers on this machine.\n", bound.Port)
	} else {
		fmt.Printf("Ready on %s. Cookies are Secure: put a proxy that speaks https in front.\n", bound)
	}
	go prune(ctx, store)
	err = serve(ctx, listener, handler)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, flows.Close(closing)) // sends the mails that wait
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

// newHandler returns the pages and the endpoints behind them, and the flows that send mails, which the
// caller closes. With insecure cookies, requests for another host than localhost are refused.
func newHandler(
	store *sqlite.Store, revoked *revocation.List, key jwt.Key, refreshKey secrets.Key, cfg auth.Config,
	mails recovery.Notifier, site string, insecure bool,
) (http.Handler, *recovery.Recovery, error) {
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		return nil, nil, err
	}
	refreshKeys, err := secrets.NewRing(refreshKey)
	if err != nil {
		return nil, nil, err
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://web.example", Audience: "web", Keys: keys, Check: revoked.Check})
	if err != nil {
		return nil, nil, err
	}
	attempts, err := throttle.New(store, throttle.Config{})
	if err != nil {
		return nil, nil, err
	}
	cfg.Accounts, cfg.Sessions, cfg.RefreshKeys, cfg.Revoked, cfg.Throttle = store, store, refreshKeys, revoked.Sync, attempts
	cfg.Records = store // deleted with the account
	accounts, err := auth.New(store, tokens, cfg)
	if err != nil {
		return nil, nil, err
	}
	cookies, err := authhttp.NewCookies(authhttp.CookieConfig{RefreshPath: "/auth/refresh", DangerouslyInsecureLocalhost: insecure})
	if err != nil {
		return nil, nil, err
	}
	guard, err := auth.NewMiddleware(accounts, auth.MiddlewareConfig{Extractors: []auth.Extractor{cookies.Extractor()}, Logger: cfg.Logger})
	if err != nil {
		return nil, nil, err
	}
	flows, err := recovery.New(accounts, store, store, mails, recovery.Config{BaseURL: site + "/mail", Logger: cfg.Logger})
	if err != nil {
		return nil, nil, err
	}
	mux, endpoints := http.NewServeMux(), authhttp.Config{Cookies: cookies, Logger: cfg.Logger}
	mux.Handle("/auth/register", authhttp.Register(members{accounts, flows}, endpoints))
	mux.Handle("/auth/verify", authhttp.VerifyAddress(flows, endpoints))
	mounted := authhttp.MountConfig{Config: endpoints, Users: store, Recovery: flows, NoticeNewDevices: true}
	err = authhttp.Mount(mux, "/auth", accounts, guard, mounted,
		authhttp.EndpointLogin, authhttp.EndpointLoginLink, authhttp.EndpointLoginCode, authhttp.EndpointRefresh,
		authhttp.EndpointLogout, authhttp.EndpointMe, authhttp.EndpointSessions, authhttp.EndpointPassword,
		authhttp.EndpointStepUp, authhttp.EndpointDelete)
	if err != nil {
		return nil, nil, err
	}
	for path, file := range map[string]string{
		"/{$}": "account.html", "/login": "login.html", "/register": "register.html", "/style.css": "style.css", "/icon.svg": "icon.svg",
		"/mail": "mail.html", "/mail/login": "link.html", "/mail/verify": "verify.html",
		"/auth.js": "auth.js", "/enter.js": "enter.js", "/account.js": "account.js", "/mail.js": "mail.js",
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeFileFS(w, r, pages, "pages/"+file)
		})
	}
	return protect(mux), flows, nil
}

// members registers accounts. A username that is an address becomes the address of the account, and a
// link is sent there that confirms it.
type members struct {
	*auth.Authenticator
	flows *recovery.Recovery
}

// Register registers an account.
func (m members) Register(ctx context.Context, username, password string) (auth.User, error) {
	u, err := m.Authenticator.Register(ctx, username, password)
	if _, none := recovery.Canonical(u.Username); err != nil || none != nil {
		return u, err
	}
	err = m.flows.AddAddress(ctx, u.ID, u.Username)
	if _, busy := errors.AsType[*auth.RetryError](err); busy || errors.Is(err, auth.ErrUserExists) {
		err = nil // the account exists all the same
	}
	return u, err
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
		if strings.HasPrefix(r.URL.Path, "/mail/") {
			h.Set("Referrer-Policy", "no-referrer") // the URL holds the token of a link
		}
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
