package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
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
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
)

// site is the program's handler on a server of its own.
type site struct {
	url       string
	refreshes atomic.Int32 // how many gave new tokens
}

// serveTest serves over https with cookies as on the open net, or over http as to
// localhost.
func serveTest(t *testing.T, https bool) *site {
	t.Helper()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "users.db"), sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	ended, err := revocation.Follow(store, revocation.Config{Bound: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ended.Close() })
	key, err := auth.GenerateKey("HS256")
	if err != nil {
		t.Fatal(err)
	}
	handler, err := newHandler(store, ended, key, auth.JWTConfig{},
		auth.Config{Hasher: authtest.FastHasher(t), Logger: slog.New(slog.DiscardHandler)}, !https)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &answer{ResponseWriter: w}
		handler.ServeHTTP(seen, r)
		if r.URL.Path == "/auth/refresh" && seen.status == http.StatusOK {
			s.refreshes.Add(1)
		}
	}))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0) // a browser gives up connections
	if https {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// browser is a window of Chromium with cookies of its own.
type browser struct {
	t   *testing.T
	ctx context.Context
	url string
}

// open starts Chromium, with nothing in it and nothing but the site to talk to.
func (s *site) open(t *testing.T) *browser {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(testenv.Command(t, "chromium")), chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox,
		chromedp.NoFirstRun, chromedp.DisableGPU, chromedp.IgnoreCertErrors, chromedp.WSURLReadTimeout(2 * time.Minute),
	}
	for _, flag := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	return s.window(t, ctx)
}

// window opens one more, which knows nothing of the first.
func (s *site) window(t *testing.T, within context.Context, options ...chromedp.ContextOption) *browser {
	t.Helper()
	ctx, stop := chromedp.NewContext(within, options...)
	t.Cleanup(stop)
	b := &browser{t, ctx, s.url}
	if err := chromedp.Do(ctx); err != nil { // starts Chromium, which lives as long as this context
		t.Fatal(err)
	}
	var faults sync.Map
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			faults.Store(e.ExceptionDetails.Text, true)
		case *log.EventEntryAdded:
			if e.Entry.Source != log.EntrySourceNetwork { // which tells of each 401
				faults.Store(e.Entry.Text, true)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		faults.Range(func(fault, _ any) bool {
			t.Errorf("the browser complains: %v", fault)
			return true
		})
	})
	b.do("log", command(log.Enable, cdp.Empty{}))
	return b
}

// command is an action of the protocol itself.
func command[P any](c cdp.Command[P, cdp.Empty], p P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, c, p)
		return err
	})
}

// act does one thing in a browser, within two minutes.
func act[T any](b *browser, what string, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Minute)
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

// evaluate returns what JavaScript says, awaited.
func evaluate[T any](b *browser, expression string) T {
	b.t.Helper()
	return act(b, expression, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// until waits for an expression to be true. While a page makes way for the next it may
// fail.
func (b *browser) until(what, expression string) {
	b.t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		if is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+expression+")")); err == nil && is {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	b.t.Fatalf("%s does not come; the page says %q", what, evaluate[string](b, "location.href + ' ' + document.body.innerText"))
}

func (b *browser) visit(path string) {
	b.t.Helper()
	b.do("visit "+path, chromedp.Navigate(b.url+path))
}

// enter types into the form on the page and sends it with the Enter key, as people do.
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

// at waits for a page that is there as a whole, and for words on it.
func (b *browser) at(path, words string) {
	b.t.Helper()
	b.until(path+" with "+words, `location.pathname === "`+path+`" && document.readyState === "complete" && document.body.innerText.includes("`+words+`")`)
}

// focused returns the id of what has the focus.
func (b *browser) focused() string { return evaluate[string](b, "document.activeElement.id") }

func (b *browser) wantError(selector, words, focus string) {
	b.t.Helper()
	b.until("the error "+words, `document.querySelector("`+selector+`").textContent.includes("`+words+`")`)
	if got := b.focused(); got != focus || !evaluate[bool](b, `document.activeElement.matches("[aria-invalid]")`) {
		b.t.Errorf("with the error %q the focus is on %q, want %q", words, got, focus)
	}
}

func (b *browser) sessions() int {
	b.t.Helper()
	return evaluate[int](b, `document.querySelectorAll("#sessions li").length`)
}

// hasNoTokens holds that scripts find none.
func (b *browser) hasNoTokens() {
	b.t.Helper()
	if seen := evaluate[string](b, "document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)"); strings.Trim(seen, "{}") != "" {
		b.t.Errorf("scripts see %s", seen)
	}
}

// cookies returns what the browser sends to the refresh, in the order of names.
func (b *browser) cookies() string {
	b.t.Helper()
	all := act(b, "cookies", func(ctx context.Context, _ *chromedp.Target) ([]string, error) {
		kept, err := chromedp.Call(ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{b.url + "/auth/refresh"}})
		var lines []string
		for _, c := range kept.Cookies {
			line := c.Name
			if c.HTTPOnly {
				line += " HttpOnly"
			}
			if c.Secure {
				line += " Secure"
			}
			lines = append(lines, line+" "+string(c.SameSite)+" "+c.Path+" ")
		}
		return lines, err
	})
	slices.Sort(all)
	return strings.Join(all, ", ")
}
