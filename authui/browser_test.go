package authui_test

import (
	"context"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/authui"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/secrets"
)

const (
	origin   = "https://site.test"
	password = "correct horse battery"
	other    = "another horse battery"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// postbox keeps the mails of a site.
type postbox chan recovery.Message

func (p postbox) Notify(_ context.Context, m recovery.Message) error { p <- m; return nil }

// next returns the next mail of a kind, and the path and query of its link.
func (p postbox) next(t *testing.T, kind recovery.Kind) (m recovery.Message, path string) {
	t.Helper()
	for {
		select {
		case m := <-p:
			if m.Kind == kind {
				return m, strings.TrimPrefix(m.Link, origin)
			}
		case <-time.After(time.Minute):
			t.Fatalf("no mail of the kind %s came", kind)
		}
	}
}

// codes is a second factor whose only code is "123456" for users who have it.
type codes struct {
	mu            sync.Mutex
	begun, active map[string]bool
}

func (c *codes) locked(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun == nil {
		c.begun, c.active = map[string]bool{}, map[string]bool{}
	}
	f()
}

func (c *codes) Required(_ context.Context, id string) (active bool, _ error) {
	c.locked(func() { active = c.active[id] })
	return active, nil
}

func (c *codes) Prove(ctx context.Context, id, code string) ([]string, error) {
	if active, _ := c.Required(ctx, id); !active || code != "123456" {
		return nil, auth.ErrInvalidCredentials
	}
	return []string{"otp"}, nil
}

func (c *codes) Begin(_ context.Context, id, account string) (secret, link string, err error) {
	c.locked(func() {
		if c.active[id] {
			err = auth.ErrConflict
		}
		c.begun[id] = true
	})
	return "JBSWY3DPEHPK3PXP", "otpauth://totp/" + account + "?secret=JBSWY3DPEHPK3PXP", err
}

func (c *codes) Confirm(_ context.Context, id, code string) (list []string, err error) {
	c.locked(func() {
		switch {
		case !c.begun[id]:
			err = auth.ErrConflict
		case code != "123456":
			err = auth.ErrInvalidCredentials
		default:
			c.active[id], list = true, []string{"aaaa-bbbb", "cccc-dddd"}
		}
	})
	return list, err
}

func (c *codes) RecoveryCodes(context.Context, string) ([]string, error) {
	return []string{"eeee-ffff"}, nil
}

func (c *codes) Disable(_ context.Context, id string) error {
	c.locked(func() { delete(c.active, id); delete(c.begun, id) })
	return nil
}

// site is a program with pages, and the mails that it sends.
type site struct {
	t      *testing.T
	app    *authkit.App
	pages  *authui.Pages
	mux    *http.ServeMux
	mails  postbox
	factor *codes
}

// newSite returns a site. change may change what it is made of.
func newSite(t *testing.T, cfg authui.Config, change ...func(*authkit.Config)) *site {
	t.Helper()
	return newSiteOn(t, memstore.New(), cfg, change...)
}

// newSiteOn is newSite with a store.
func newSiteOn(t *testing.T, store authkit.Store, cfg authui.Config, change ...func(*authkit.Config)) *site {
	t.Helper()
	s := &site{t: t, mux: http.NewServeMux(), mails: make(postbox, 256), factor: &codes{}}
	kit := authkit.Config{
		Issuer: origin, Keys: must(jwt.NewKeyRing(must(jwt.GenerateKey(jwt.HS256)))), Secrets: must(secrets.NewRing(secrets.Generate())),
		Notifier: s.mails, SecondFactor: s.factor, Cookies: &authhttp.CookieConfig{}, Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})),
		Accounts: auth.Config{Hasher: authtest.FastHasher(t)},
	}
	for _, f := range change {
		f(&kit)
	}
	s.app = must(authkit.Open(t.Context(), authkit.All(store), kit))
	t.Cleanup(func() {
		if err := s.app.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	var err error
	if s.pages, err = s.app.Pages(cfg); err == nil {
		err = s.pages.Mount(s.mux)
	}
	if err == nil {
		err = s.app.Mount(s.mux)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// register adds an account.
func (s *site) register(username string) auth.User {
	s.t.Helper()
	return must(s.app.Accounts.Register(s.t.Context(), username, password))
}

// browser keeps cookies as browsers do, and asks a site for pages.
type browser struct {
	*site
	cookies map[string]*http.Cookie // by path and name
	header  http.Header             // of each request
}

func (s *site) browser() *browser {
	return &browser{s, map[string]*http.Cookie{}, http.Header{
		"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"},
		"Accept":     {"text/html,*/*"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"},
	}}
}

// shown is a page in a browser.
type shown struct {
	t      *testing.T
	path   string // with its query
	status int
	header http.Header
	body   string
	cookie []*http.Cookie // those that the last answer set
}

// send sends a request as a page of an origin causes it, and follows redirects within the site.
func (b *browser) send(method, target, site string, form url.Values) *shown {
	b.t.Helper()
	for range 10 {
		var body io.Reader
		if form != nil {
			body = strings.NewReader(form.Encode())
		}
		r := httptest.NewRequestWithContext(b.t.Context(), method, origin+target, body)
		for name, values := range b.header {
			r.Header[name] = values
		}
		r.Header.Set("Sec-Fetch-Site", site)
		if method == http.MethodPost {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", origin)
			if site == "cross-site" {
				r.Header.Set("Origin", "https://evil.test")
			}
		}
		for _, c := range b.cookies {
			crossSite := site == "cross-site" && (c.SameSite == http.SameSiteStrictMode || method != http.MethodGet)
			if below := strings.TrimSuffix(c.Path, "/"); !crossSite && (r.URL.Path == below || strings.HasPrefix(r.URL.Path, below+"/")) {
				r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
			}
		}
		w := httptest.NewRecorder()
		b.mux.ServeHTTP(w, r)
		res := w.Result()
		for _, c := range res.Cookies() {
			if !c.HttpOnly || !c.Secure || c.SameSite == 0 {
				b.t.Errorf("%s sets a cookie that is not HttpOnly, Secure and SameSite: %v", target, c)
			}
			if c.MaxAge < 0 {
				delete(b.cookies, c.Path+" "+c.Name)
			} else if c.Domain == "" {
				b.cookies[c.Path+" "+c.Name] = c
			}
		}
		location := res.Header.Get("Location")
		if res.StatusCode < 300 || res.StatusCode > 399 || !strings.HasPrefix(location, "/") {
			return &shown{b.t, target, res.StatusCode, res.Header, w.Body.String(), res.Cookies()}
		}
		method, target, form = http.MethodGet, location, nil
	}
	b.t.Fatal("too many redirects")
	return nil
}

// open opens a page as if the user typed its address.
func (b *browser) open(target string) *shown { b.t.Helper(); return b.send("GET", target, "none", nil) }

var (
	formTag   = regexp.MustCompile(`(?s)<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>`)
	inputTag  = regexp.MustCompile(`<input[^>]*>`)
	attribute = regexp.MustCompile(`([a-z-]+)="([^"]*)"`)
	anyTag    = regexp.MustCompile(`<[^>]*>`)
)

// form returns the address and the hidden fields of the form of a page that is posted to action.
func (p *shown) form(action string) (string, url.Values) {
	p.t.Helper()
	for _, m := range formTag.FindAllStringSubmatch(p.body, -1) {
		address := html.UnescapeString(m[1])
		if path, _, _ := strings.Cut(address, "?"); path != action {
			continue
		}
		fields := url.Values{}
		for _, input := range inputTag.FindAllString(m[2], -1) {
			attributes := map[string]string{}
			for _, a := range attribute.FindAllStringSubmatch(input, -1) {
				attributes[a[1]] = html.UnescapeString(a[2])
			}
			if attributes["type"] == "hidden" {
				fields.Set(attributes["name"], attributes["value"])
			}
		}
		return address, fields
	}
	p.t.Fatalf("%s (%d) has no form for %s:\n%s", p.path, p.status, action, p.body)
	return "", nil
}

// submit fills in a form of a page, and sends it: name, value, name, value, ….
func (b *browser) submit(p *shown, action string, fields ...string) *shown {
	b.t.Helper()
	address, values := p.form(action)
	for i := 0; i < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	return b.send("POST", address, "same-origin", values)
}

// text returns the text of a page without tags.
func (p *shown) text() string {
	return strings.Join(strings.Fields(html.UnescapeString(anyTag.ReplaceAllString(p.body, " "))), " ")
}

// want checks the status of a page, its path without the query, and words that it shows.
func (p *shown) want(status int, path string, words ...string) *shown {
	p.t.Helper()
	if at, _, _ := strings.Cut(p.path, "?"); p.status != status || at != path {
		p.t.Fatalf("got %d %s, want %d %s:\n%s", p.status, p.path, status, path, p.text())
	}
	for _, word := range words {
		if !strings.Contains(p.text(), word) {
			p.t.Fatalf("%s does not show %q:\n%s", p.path, word, p.text())
		}
	}
	return p
}

// login logs in.
func (b *browser) login(username string) *shown {
	b.t.Helper()
	return b.submit(b.open("/login"), "/login", "username", username, "password", password)
}
