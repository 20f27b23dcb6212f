package pwned_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/pwned"
)

// The SHA-1 of the password is prefix and suffix.
const (
	password = "correct horse"
	prefix   = "2F9E5"
	suffix   = "3523B62ABC141A2B4D6019D23CBA835DBD0"
)

// api starts a server of the range API and returns its base URL and the number of its requests. It
// fails the test if a request does not keep the protocol of the API.
func api(t *testing.T, answer http.HandlerFunc) (url string, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	path := regexp.MustCompile(`^/base/range/[0-9A-F]{5}$`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		h := r.Header
		if r.Method != "GET" || !path.MatchString(r.RequestURI) || h.Get("Add-Padding") != "true" || h.Get("User-Agent") == "" {
			t.Errorf("the API would refuse the request %s %s %v", r.Method, r.RequestURI, h)
		}
		if body, err := io.ReadAll(r.Body); err != nil || len(body) > 0 || h.Get("Cookie")+h.Get("Authorization")+h.Get("Referer") != "" {
			t.Errorf("the request says more than it should: %v %q", h, body)
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/base", requests
}

func newChecker(t testing.TB, cfg pwned.Config) *pwned.Checker {
	t.Helper()
	cfg.Timeout = cmp.Or(cfg.Timeout, 30*time.Second) // the longest that Config allows
	c, err := pwned.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// write returns a handler that answers with a text.
func write(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
}

// others returns n lines of other hashes, each with this count.
func others(n, count int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%035X:%d\r\n", i, count)
	}
	return b.String()
}

func TestCheckPassword(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		answer   string
		least    int
		breached bool
	}{
		"alone":             {suffix + ":1", 0, true},
		"among others":      {others(400, 7) + suffix + ":52579\r\n" + others(400, 0), 0, true},
		"first":             {suffix + ":3\r\n" + others(900, 2), 0, true},
		"last":              {others(900, 2) + suffix + ":3", 0, true},
		"in lower case":     {strings.ToLower(suffix) + ":3\n", 0, true},
		"twice":             {suffix + ":3\r\n" + suffix + ":0\r\n", 0, true},
		"absent":            {others(900, 2), 0, false},
		"padding":           {others(900, 2) + suffix + ":0\r\n", 0, false},
		"often enough":      {suffix + ":10\r\n", 10, true},
		"not often enough":  {suffix + ":9\r\n", 10, false},
		"another, nearly":   {suffix[:34] + "F:9\r\n", 0, false},
		"more than 32 bits": {suffix + ":5000000000\r\n", 1_000_000, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, requests := api(t, func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, "/"+prefix) {
					t.Errorf("requested %s, want the range %s", r.URL.Path, prefix)
				}
				write(row.answer)(w, r)
			})
			err := newChecker(t, pwned.Config{URL: url, Least: row.least}).CheckPassword(t.Context(), password)
			refused, ok := errors.AsType[*passwords.Error](err)
			if ok != row.breached || (err == nil) == row.breached || ok && *refused != (passwords.Error{Rule: passwords.Breached}) {
				t.Errorf("CheckPassword returned %v, want breached: %t", err, row.breached)
			}
			if n := requests.Load(); n != 1 {
				t.Errorf("made %d requests, want 1", n)
			}
		})
	}
}

// TestUselessAnswers: if the answer does not say whether the password was seen, CheckPassword returns
// an error. With DangerouslyPassWhenDown it accepts the password and logs that.
func TestUselessAnswers(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("a redirect was followed to %s", r.RequestURI)
		io.WriteString(w, others(10, 1))
	}))
	t.Cleanup(elsewhere.Close)
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(code); write(others(10, 1))(w, r) }
	}
	endless := func(w io.Writer) {
		for range 1 << 14 { // 420 bytes each: 13 times the longest answer that is read
			if _, err := io.WriteString(w, others(10, 1)); err != nil {
				return
			}
		}
	}
	for name, answer := range map[string]http.HandlerFunc{
		"status 204": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"status 206": status(206),
		"status 400": status(400),
		"status 404": status(404),
		"status 429": status(429),
		"status 500": status(500),
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusFound)
		},
		"redirect 307": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"nothing":         write(""),
		"an empty line":   write("\r\n"),
		"a page":          write("<!DOCTYPE html><title>Wi-Fi login</title>"),
		"JSON":            write(`{"message":"ok"}`),
		"short hash":      write(others(3, 1) + suffix[1:] + ":1\r\n"),
		"long hash":       write(others(3, 1) + "0" + suffix + ":1\r\n"),
		"whole hash":      write(others(3, 1) + prefix + suffix + ":1\r\n"),
		"not hexadecimal": write(others(3, 1) + strings.Repeat("G", 35) + ":1\r\n"),
		"no count":        write(others(3, 1) + suffix + "\r\n"),
		"empty count":     write(others(3, 1) + suffix + ":\r\n"),
		"negative":        write(others(3, 1) + suffix + ":-1\r\n"),
		"signed":          write(others(3, 1) + suffix + ":+1\r\n"),
		"with commas":     write(others(3, 1) + suffix + ":1,000\r\n"),
		"too large":       write(others(3, 1) + suffix + ":99999999999999999999\r\n"),
		"NUL":             write(others(3, 1) + "\x00"),
		"cut in a line":   write(others(3, 1) + suffix[:20]),
		"cut in transfer": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "9999")
			write(others(3, 1))(w, r)
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) { endless(w) },
		"endless, cut between lines": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, strings.Repeat("0", 35)+":1000000000000\r\n") // 51 bytes, so that 512 KiB and one byte end with a line of 39
			endless(w)
		},
		"a gzip bomb": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			zip := gzip.NewWriter(w)
			endless(zip)
			_ = zip.Close()
		},
		"a large header": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
			write(others(3, 1))(w, r)
		},
		"hangs up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"silence": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(time.Minute):
			}
		},
		"drip": func(w http.ResponseWriter, r *http.Request) {
			for end := time.Now().Add(time.Minute); time.Now().Before(end); {
				if io.WriteString(w, others(1, 1)); r.Context().Err() != nil {
					return
				}
				w.(http.Flusher).Flush()
				time.Sleep(50 * time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := api(t, answer)
			check := func(pass bool) {
				t.Helper()
				var log bytes.Buffer
				c := newChecker(t, pwned.Config{
					URL: url, Timeout: time.Second, DangerouslyPassWhenDown: pass, Logger: slog.New(slog.NewTextHandler(&log, nil)),
				})
				start := time.Now()
				err := c.CheckPassword(t.Context(), password)
				if took := time.Since(start); took > 30*time.Second { // the slowest answers take a minute
					t.Errorf("CheckPassword took %v with a timeout of 1 s", took)
				}
				if _, refused := errors.AsType[*passwords.Error](err); refused || (err == nil) != pass {
					t.Errorf("DangerouslyPassWhenDown %t: CheckPassword returned %v", pass, err)
				}
				if err != nil && !strings.HasPrefix(err.Error(), "auth/pwned: http://127.0.0.1:") {
					t.Errorf("the error %q does not begin with the base URL", err)
				}
				if lines := strings.Count(log.String(), "\n"); lines != 0 != pass || lines > 1 {
					t.Errorf("DangerouslyPassWhenDown %t: logged %q", pass, &log)
				}
				for _, secret := range []string{password, "correct", prefix, suffix, suffix[:8]} {
					if text := fmt.Sprintf("%v %+v %s", err, err, &log); strings.Contains(strings.ToUpper(text), strings.ToUpper(secret)) {
						t.Errorf("the error or the log shows %q: %s", secret, text)
					}
				}
			}
			check(false)
			check(true)
		})
	}
}

// TestNoServer: the error of a connection that cannot be made does not hold the range that was
// requested.
func TestNoServer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	err := newChecker(t, pwned.Config{URL: server.URL}).CheckPassword(t.Context(), password)
	if err == nil || strings.Contains(err.Error(), prefix) {
		t.Errorf("CheckPassword returned %v, want an error without %s", err, prefix)
	}
}

// TestEndedContext: if the context ends, the password is not accepted, also not with
// DangerouslyPassWhenDown.
func TestEndedContext(t *testing.T) {
	t.Parallel()
	url, _ := api(t, write(others(3, 1)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, pass := range []bool{false, true} {
		err := newChecker(t, pwned.Config{URL: url, DangerouslyPassWhenDown: pass}).CheckPassword(ctx, password)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("DangerouslyPassWhenDown %t: CheckPassword returned %v, want context.Canceled", pass, err)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		cfg    pwned.Config
		faults string
	}{
		"zero":                 {pwned.Config{}, ""},
		"a mirror":             {pwned.Config{URL: "https://pwned.example.com:8443/v1/"}, ""},
		"loopback":             {pwned.Config{URL: "http://127.0.0.1:1"}, ""},
		"loopback, IPv6":       {pwned.Config{URL: "http://[::1]:1"}, ""},
		"localhost":            {pwned.Config{URL: "http://localhost"}, ""},
		"upper bounds":         {pwned.Config{Least: 1_000_000, Timeout: 30 * time.Second}, ""},
		"http":                 {pwned.Config{URL: "http://pwned.example.com"}, "URL"},
		"loopback as a prefix": {pwned.Config{URL: "http://127.0.0.1.example.com"}, "URL"},
		"no host":              {pwned.Config{URL: "https://"}, "URL"},
		"no scheme":            {pwned.Config{URL: "api.pwnedpasswords.com"}, "URL"},
		"a file":               {pwned.Config{URL: "file:///etc/passwd"}, "URL"},
		"a user":               {pwned.Config{URL: "https://u:secret@pwned.example.com"}, "URL"},
		"a query":              {pwned.Config{URL: "https://pwned.example.com?"}, "URL"},
		"a fragment":           {pwned.Config{URL: "https://pwned.example.com#"}, "URL"},
		"too long":             {pwned.Config{URL: "https://pwned.example.com/" + strings.Repeat("x", 2048)}, "URL"},
		"three faults":         {pwned.Config{URL: "x", Least: -1, Timeout: -1}, "URL Least Timeout"},
		"above the bounds":     {pwned.Config{Least: 1_000_001, Timeout: 31 * time.Second}, "Least Timeout"},
		"below the bounds":     {pwned.Config{Timeout: 99 * time.Millisecond}, "Timeout"},
		"control character":    {pwned.Config{URL: "https://pwned.example.com/\x7f"}, "URL"},
	} {
		c, err := pwned.New(row.cfg)
		var fields []string
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				if fault, ok := errors.AsType[*auth.ConfigError](e); ok {
					fields = append(fields, strings.TrimPrefix(fault.Field, "pwned.Config."))
				}
			}
		}
		if got := strings.Join(fields, " "); got != row.faults || (err == nil) != (row.faults == "") || (c == nil) != (err != nil) {
			t.Errorf("%s: New returned faults of %q, want %q: %v", name, got, row.faults, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows the password of the URL: %v", name, err)
		}
	}
}

// TestRegister: an Authenticator refuses a breached password at registration.
func TestRegister(t *testing.T) {
	t.Parallel()
	key, err := jwt.GenerateKey(jwt.HS256)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := jwt.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://example.com", Audience: "https://example.com", Keys: ring})
	if err != nil {
		t.Fatal(err)
	}
	url, _ := api(t, write(suffix+":1\r\n"))
	accounts, err := auth.New(memstore.New(), tokens, auth.Config{
		Hasher: authtest.FastHasher(t), Passwords: passwords.Policy{Checker: newChecker(t, pwned.Config{URL: url})},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = accounts.Register(t.Context(), "ada", password)
	if refused, ok := errors.AsType[*passwords.Error](err); !ok || refused.Rule != passwords.Breached || auth.HTTPStatus(err) != 422 {
		t.Errorf("Register with a breached password returned %v, want a 422 of passwords.Breached", err)
	}
	if _, err := accounts.Register(t.Context(), "ada", password+" battery"); err != nil {
		t.Errorf("Register with another password returned %v", err)
	}
}

// FuzzCount: a count comes from a line with the suffix, and another line with a number raises the count
// to that number.
func FuzzCount(f *testing.F) {
	f.Add(others(3, 1)+suffix+":7\r\n", 7)
	f.Add(suffix+":0", 0)
	f.Add("\r\n", 0)
	f.Fuzz(func(t *testing.T, body string, n int) {
		seen, err := pwned.Count(body, suffix)
		if seen > 0 && !strings.Contains(strings.ToUpper(body), fmt.Sprint(suffix, ":")) {
			t.Errorf("Count returned %d, but the suffix is not in %q", seen, body)
		}
		if err != nil || n < 0 {
			return
		}
		if body[len(body)-1] != '\n' {
			body += "\n"
		}
		if more, err := pwned.Count(body+fmt.Sprintf("%s:%d", suffix, n), suffix); err != nil || more != max(seen, uint64(n)) {
			t.Errorf("with another line of %d: Count returned %d, %v, want %d", n, more, err, max(seen, uint64(n)))
		}
	})
}
