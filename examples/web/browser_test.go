package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
)

// patience is how long a test waits for something that must happen.
const patience = time.Minute

// site is a test server with the program's handler.
type site struct {
	url       string
	refreshes atomic.Int32 // number of refreshes that succeeded
	key       jwt.Key
	mails     postbox
	transport http.RoundTripper
	elsewhere func(name string) // logs a user in on another device, where there is one
	sibling   http.HandlerFunc  // answers as evil.site.test, if it is set before the first request
}

// postbox keeps the mails of a site, and drops those that nobody reads.
type postbox chan recovery.Message

func (p postbox) Notify(_ context.Context, m recovery.Message) error {
	select {
	case p <- m:
	default:
	}
	return nil
}

// next returns the next mail of a kind, and the path and query of its link.
func (p postbox) next(t *testing.T, kind recovery.Kind) (m recovery.Message, path string) {
	t.Helper()
	for {
		select {
		case m := <-p:
			if m.Kind == kind {
				return m, strings.TrimPrefix(m.Link, "https://site.example")
			}
		case <-time.After(patience):
			t.Fatalf("no mail of the kind %s came", kind)
		}
	}
}

// serveTest serves over https with Secure cookies, or over http with insecure ones.
func serveTest(t *testing.T, https bool) *site {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "users.db"), sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	key, err := jwt.GenerateKey(jwt.HS256)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{key: key, mails: make(postbox, 64)}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := secrets.NewRing(secrets.Generate())
	if err != nil {
		t.Fatal(err)
	}
	app, handler, err := newSite(t.Context(), store, authkit.Config{
		Keys: keys, Secrets: ring, Notifier: s.mails, Recovery: recovery.Config{BaseURL: "https://site.example"},
		Accounts: auth.Config{Hasher: authtest.FastHasher(t)}, Logger: slog.New(slog.DiscardHandler),
		Revocation: revocation.Config{Bound: time.Minute}, // leaves time to slow machines
	}, !https)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := app.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Host, "evil.site.test:") && s.sibling != nil {
			s.sibling(w, r)
			return
		}
		recorded := &statusRecorder{ResponseWriter: w}
		handler.ServeHTTP(recorded, r)
		if r.URL.Path == "/auth/refresh/page" && recorded.status == http.StatusSeeOther && !strings.HasPrefix(w.Header().Get("Location"), "/login") {
			s.refreshes.Add(1)
		}
	}))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0) // a browser aborts handshakes
	if https {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	s.url, s.transport = srv.URL, srv.Client().Transport
	return s
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// browser is a window of Chromium.
type browser struct {
	t   *testing.T
	ctx context.Context
	url string
}

// open starts Chromium with an empty profile and without background traffic.
func (s *site) open(t *testing.T) *browser {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(testenv.Command(t, "chromium")), chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox,
		chromedp.NoFirstRun, chromedp.DisableGPU, chromedp.IgnoreCertErrors,
		chromedp.Flag("host-resolver-rules", "MAP *.site.test 127.0.0.1"),
	}
	for _, flag := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	return s.window(t, ctx)
}

// window opens another window. With chromedp.WithNewBrowserContext it has cookies of its own.
func (s *site) window(t *testing.T, within context.Context, options ...chromedp.ContextOption) *browser {
	t.Helper()
	ctx, stop := chromedp.NewContext(within, options...)
	t.Cleanup(stop)
	b := &browser{t, ctx, s.url}
	if err := chromedp.Do(ctx); err != nil { // starts Chromium, which runs as long as this context
		t.Fatal(err)
	}
	var faults sync.Map
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			faults.Store(e.ExceptionDetails.Text, true)
		case *log.EventEntryAdded:
			// A page that the link of a mail leads to does not know whose password it asks for.
			page, _, _ := strings.Cut(e.Entry.URL, "?")
			byLink := strings.HasPrefix(e.Entry.Text, "[DOM] Password forms") && linkPages.MatchString(page)
			early := strings.HasPrefix(e.Entry.Text, "Autofocus processing was blocked") // the test has typed before
			if e.Entry.Source != log.EntrySourceNetwork && !byLink && !early {           // the network's entries are statuses such as 401
				faults.Store(e.Entry.URL+" "+e.Entry.Text, true)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		faults.Range(func(fault, _ any) bool {
			t.Errorf("the browser reports: %v", fault)
			return true
		})
	})
	b.do("log", command(log.Enable, cdp.Empty{}))
	return b
}

// linkPages are the pages that links of mails lead to.
var linkPages = regexp.MustCompile(`/(reset|verify|change)$`)

// command is an action that sends a command of the DevTools protocol.
func command[P any](c cdp.Command[P, cdp.Empty], p P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, c, p)
		return err
	})
}

// act runs an action in the browser and returns its result.
func act[T any](b *browser, what string, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
	return value
}

func (b *browser) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	act(b, what, chromedp.Steps(actions...))
}

// evaluate returns the value of a JavaScript expression, awaited.
func evaluate[T any](b *browser, expression string) T {
	b.t.Helper()
	return act(b, expression, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// until waits until an expression is true. It may fail while another page is being loaded.
func (b *browser) until(what, expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(25 * time.Millisecond) {
		if holds, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+expression+")")); err == nil && holds {
			return
		}
	}
	b.t.Fatalf("%s: not within %v; the page shows %q", what, patience, evaluate[string](b, "location.href + ' ' + document.body.innerText"))
}

func (b *browser) visit(path string) {
	b.t.Helper()
	b.do("visit "+path, chromedp.Navigate(b.url+path))
}

// enter types into fields, given as selectors and values, and submits the form with the Enter key.
func (b *browser) enter(fields ...string) {
	b.t.Helper()
	for i := 0; i < len(fields); i += 2 {
		b.do("type into "+fields[i], chromedp.Evaluate[chromedp.Void](`document.querySelector("`+fields[i]+`").value = ""`), chromedp.SendKeys(chromedp.CSS(fields[i]), fields[i+1]))
	}
	b.do("send", chromedp.SendKeys(chromedp.CSS(fields[len(fields)-2]), "\r"))
}

func (b *browser) click(selector string) {
	b.t.Helper()
	b.do("click "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// at waits until the page at path is loaded and shows words.
func (b *browser) at(path, words string) {
	b.t.Helper()
	b.until(path+" with "+words, `location.pathname === "`+path+`" && document.readyState === "complete" && document.body.innerText.includes("`+words+`")`)
}

// wantFocus waits until the element with this id has the focus: a browser gives it to an autofocus field some
// time after the page is loaded.
func (b *browser) wantFocus(id string) {
	b.t.Helper()
	b.until("the focus on "+id, `document.activeElement?.id === "`+id+`"`)
}

// wantError waits until an error is shown, and checks that the field focus is marked invalid and
// focused.
func (b *browser) wantError(selector, words, focus string) {
	b.t.Helper()
	b.until("the error "+words, `document.querySelector("`+selector+`")?.textContent.includes("`+words+`")`)
	b.wantFocus(focus)
	if !evaluate[bool](b, `document.activeElement.matches("[aria-invalid]")`) {
		b.t.Errorf("with the error %q the field %q is not marked", words, focus)
	}
}

// sessions returns the number of sessions that the page lists.
func (b *browser) sessions() int {
	b.t.Helper()
	return evaluate[int](b, `document.querySelectorAll("section[aria-labelledby=sessions] li").length`)
}

// hasNoTokens checks that scripts can read no token.
func (b *browser) hasNoTokens() {
	b.t.Helper()
	if readable := evaluate[string](b, "document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)"); strings.Trim(readable, "{}") != "" {
		b.t.Errorf("scripts can read %s", readable)
	}
}

// cookies returns the cookies that the browser sends to /auth/refresh, in the order of their names.
func (b *browser) cookies() []*network.Cookie {
	b.t.Helper()
	return act(b, "cookies", func(ctx context.Context, _ *chromedp.Target) ([]*network.Cookie, error) {
		result, err := chromedp.Call(ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{b.url + "/auth/refresh"}})
		slices.SortFunc(result.Cookies, func(a, b *network.Cookie) int { return strings.Compare(a.Name, b.Name) })
		return result.Cookies, err
	})
}

// attributes describes cookies in one line.
func attributes(cookies []*network.Cookie) string {
	var lines []string
	for _, c := range cookies {
		line := c.Name
		if c.HTTPOnly {
			line += " HttpOnly"
		}
		if c.Secure {
			line += " Secure"
		}
		lines = append(lines, line+" "+string(c.SameSite)+" "+c.Path+" ")
	}
	return strings.Join(lines, ", ")
}
