// Command web is a site with accounts. Its pages, which are those of package authui, let users register, log
// in and out, list and end their sessions, change the password and delete the account. Users whose name is
// an e-mail address confirm it, can log in by mail, and can set a new password when they have forgotten
// theirs. The pages have no script, and the browser keeps the tokens in cookies that no script can read. Users, sessions and keys are kept in a folder, so a restart loses nothing.
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
	"syscall"
	"time"

	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/authui"
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
		KeyFolder: data, Notifier: recovery.DangerouslyLog(slog.Default()), Recovery: recovery.Config{BaseURL: site},
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
		authhttp.EndpointStepUp, authhttp.EndpointDelete, authhttp.EndpointRecovery, authhttp.EndpointAddress,
	}
	app, err := authkit.Open(ctx, authkit.All(store), cfg)
	if err != nil {
		return nil, nil, err
	}
	mux := http.NewServeMux()
	pages, err := app.Pages(authui.Config{Name: "Example", Logo: "/icon.svg"})
	if err == nil {
		err = pages.Mount(mux)
	}
	if err == nil {
		err = app.Mount(mux)
	}
	if err != nil {
		return nil, nil, errors.Join(err, app.Close(ctx))
	}
	mux.Handle("GET /{$}", http.RedirectHandler("/account", http.StatusSeeOther))
	mux.HandleFunc("GET /icon.svg", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeFileFS(w, r, files, "icon.svg")
	})
	return app, protect(mux), nil
}

//go:embed icon.svg
var files embed.FS

// policy is for answers other than those of package authui, which have policies of their own.
const policy = "default-src 'none'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// protect adds the headers that limit what an answer can do in a browser.
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
