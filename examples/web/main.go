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

	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
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
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	bound := listener.Addr().(*net.TCPAddr)
	if site == "" && bound.IP.IsLoopback() {
		site = fmt.Sprintf("http://localhost:%d", bound.Port)
	}
	app, handler, err := newSite(ctx, store, authkit.Config{
		KeyFolder: data, Notifier: recovery.DangerouslyLog(slog.Default()), Recovery: recovery.Config{BaseURL: site + "/mail"},
	}, bound.IP.IsLoopback())
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if bound.IP.IsLoopback() {
		fmt.Printf("Ready. Open http://localhost:%d\nCookies lack Secure: only for browsers on this machine.\n", bound.Port)
	} else {
		fmt.Printf("Ready on %s. Cookies are Secure: put a proxy that speaks https in front.\n", bound)
	}
	err = serve(ctx, listener, handler)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return errors.Join(err, app.Close(closing)) // sends the mails that wait
}

// newSite returns the pages and the endpoints behind them, and the App, which the caller closes. With
// insecure cookies, requests for another host than localhost are refused.
func newSite(ctx context.Context, store *sqlite.Store, cfg authkit.Config, insecure bool) (*authkit.App, http.Handler, error) {
	cfg.Issuer = "https://web.example"
	cfg.Cookies = &authhttp.CookieConfig{DangerouslyInsecureLocalhost: insecure}
	cfg.Mount.NoticeNewDevices = true
	cfg.Endpoints = []authhttp.Endpoint{
		authhttp.EndpointRegister, authhttp.EndpointLogin, authhttp.EndpointLoginLink, authhttp.EndpointLoginCode, authhttp.EndpointRefresh,
		authhttp.EndpointLogout, authhttp.EndpointMe, authhttp.EndpointSessions, authhttp.EndpointPassword,
		authhttp.EndpointStepUp, authhttp.EndpointDelete,
	}
	app, err := authkit.Open(ctx, authkit.All(store), cfg)
	if err != nil {
		return nil, nil, err
	}
	mux, endpoints := http.NewServeMux(), authhttp.Config{Cookies: app.Cookies, Logger: cfg.Logger}
	if err := app.Mount(mux); err != nil {
		return nil, nil, errors.Join(err, app.Close(ctx))
	}
	mux.Handle("/auth/verify", authhttp.VerifyAddress(app.Recovery, endpoints))
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
	return app, protect(mux), nil
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
