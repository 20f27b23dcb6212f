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
	"github.com/seed-e36e2130/auth/pwned"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
)

// The SHA-1 of "correct horse", which the answers below hold.
const (
	password = "correct horse"
	prefix   = "2F9E5"
	suffix   = "3523B62ABC141A2B4D6019D23CBA835DBD0"
)

// api is the range API, held to its protocol: it fails the test where a request
// breaks it.
func api(t *testing.T, answer http.HandlerFunc) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	path := regexp.MustCompile(`^/base/range/[0-9A-F]{5}$`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		h := r.Header
		if r.Method != "GET" || !path.MatchString(r.RequestURI) || h.Get("Add-Padding") != "true" || h.Get("User-Agent") == "" {
			t.Errorf("a request that it would refuse: %s %s %v", r.Method, r.RequestURI, h)
		}
		if body, err := io.ReadAll(r.Body); err != nil || len(body) > 0 || h.Get("Cookie")+h.Get("Authorization")+h.Get("Referer") != "" {
			t.Errorf("a request that says more than it should: %v %q", h, body)
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/base", asked
}

func newChecker(t testing.TB, cfg pwned.Config) *pwned.Checker {
	t.Helper()
	cfg.Timeout = cmp.Or(cfg.Timeout, 30*time.Second) // the longest there is
	c, err := pwned.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// write answers with a text.
func write(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }
}

// others are n lines of other hashes.
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
		"alone":              {suffix + ":1", 0, true},
		"among others":       {others(400, 7) + suffix + ":52579\r\n" + others(400, 0), 0, true},
		"first":              {suffix + ":3\r\n" + others(900, 2), 0, true},
		"last":               {others(900, 2) + suffix + ":3", 0, true},
		"in lower case":      {strings.ToLower(suffix) + ":3\n", 0, true},
		"twice":              {suffix + ":3\r\n" + suffix + ":0\r\n", 0, true},
		"absent":             {others(900, 2), 0, false},
		"padding":            {others(900, 2) + suffix + ":0\r\n", 0, false},
		"often enough":       {suffix + ":10\r\n", 10, true},
		"not often enough":   {suffix + ":9\r\n", 10, false},
		"another, nearly":    {suffix[:34] + "F:9\r\n", 0, false},
		"more often than 32": {suffix + ":5000000000\r\n", 1_000_000, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, asked := api(t, func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, "/"+prefix) {
					t.Errorf("asked for %s", r.URL.Path)
				}
				write(row.answer)(w, r)
			})
			err := newChecker(t, pwned.Config{URL: url, Least: row.least}).CheckPassword(t.Context(), password)
			refused, ok := errors.AsType[*passwords.Error](err)
			if ok != row.breached || (err == nil) == row.breached || ok && *refused != (passwords.Error{Rule: passwords.Breached}) {
				t.Errorf("%v", err)
			}
			if n := asked.Load(); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// TestAnswersThatSayNothing: a password passes none of them, unless the host wants
// it so, and then it is told.
func TestAnswersThatSayNothing(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("elsewhere is asked for %s", r.RequestURI)
		io.WriteString(w, others(10, 1))
	}))
	t.Cleanup(elsewhere.Close)
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(code); write(others(10, 1))(w, r) }
	}
	endless := func(w io.Writer) {
		for range 1 << 14 { // of 420 bytes: 13 times what may come
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
			io.WriteString(w, strings.Repeat("0", 35)+":1000000000000\r\n") // 512 KiB and one byte are 51 and 13,442 times 39
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
					t.Errorf("it takes %v", took)
				}
				if _, refused := errors.AsType[*passwords.Error](err); refused || (err == nil) != pass {
					t.Errorf("%v", err)
				}
				if err != nil && !strings.HasPrefix(err.Error(), "auth/pwned: http://127.0.0.1:") {
					t.Errorf("%v", err)
				}
				if lines := strings.Count(log.String(), "\n"); lines != 0 != pass || lines > 1 {
					t.Errorf("the log says %q", &log)
				}
				for _, secret := range []string{password, "correct", prefix, suffix, suffix[:8]} {
					if text := fmt.Sprintf("%v %+v %s", err, err, &log); strings.Contains(strings.ToUpper(text), strings.ToUpper(secret)) {
						t.Errorf("%q is in %s", secret, text)
					}
				}
			}
			check(false)
			check(true)
		})
	}
}

// TestNobodyThere: a connection that cannot be made is an error without the range
// that was asked for.
func TestNobodyThere(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	err := newChecker(t, pwned.Config{URL: server.URL}).CheckPassword(t.Context(), password)
	if err == nil || strings.Contains(err.Error(), prefix) {
		t.Errorf("%v", err)
	}
}

// TestEndedContext: who hangs up has not been checked, whatever the host chose.
func TestEndedContext(t *testing.T) {
	t.Parallel()
	url, _ := api(t, write(others(3, 1)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, pass := range []bool{false, true} {
		err := newChecker(t, pwned.Config{URL: url, DangerouslyPassWhenDown: pass}).CheckPassword(ctx, password)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		cfg    pwned.Config
		faults string
	}{
		"zero":         {pwned.Config{}, ""},
		"a mirror":     {pwned.Config{URL: "https://pwned.example.com:8443/v1/"}, ""},
		"here":         {pwned.Config{URL: "http://127.0.0.1:1"}, ""},
		"here, IPv6":   {pwned.Config{URL: "http://[::1]:1"}, ""},
		"localhost":    {pwned.Config{URL: "http://localhost"}, ""},
		"most":         {pwned.Config{Least: 1_000_000, Timeout: 30 * time.Second}, ""},
		"plain":        {pwned.Config{URL: "http://pwned.example.com"}, "URL"},
		"like here":    {pwned.Config{URL: "http://127.0.0.1.example.com"}, "URL"},
		"no host":      {pwned.Config{URL: "https://"}, "URL"},
		"no scheme":    {pwned.Config{URL: "api.pwnedpasswords.com"}, "URL"},
		"a file":       {pwned.Config{URL: "file:///etc/passwd"}, "URL"},
		"a user":       {pwned.Config{URL: "https://u:secret@pwned.example.com"}, "URL"},
		"a query":      {pwned.Config{URL: "https://pwned.example.com?"}, "URL"},
		"a fragment":   {pwned.Config{URL: "https://pwned.example.com#"}, "URL"},
		"long":         {pwned.Config{URL: "https://pwned.example.com/" + strings.Repeat("x", 2048)}, "URL"},
		"all at once":  {pwned.Config{URL: "x", Least: -1, Timeout: -1}, "URL Least Timeout"},
		"beyond":       {pwned.Config{Least: 1_000_001, Timeout: 31 * time.Second}, "Least Timeout"},
		"beneath":      {pwned.Config{Timeout: 99 * time.Millisecond}, "Timeout"},
		"unix control": {pwned.Config{URL: "https://pwned.example.com/\x7f"}, "URL"},
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
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, unusable := range []*pwned.Checker{nil, new(pwned.Checker)} {
		if err := unusable.CheckPassword(t.Context(), password); err == nil {
			t.Error("a Checker that New did not make lets a password pass")
		}
	}
}

// TestRegister: as a host uses it.
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
		Hasher: authtest.FastHasher(t), PasswordChecker: newChecker(t, pwned.Config{URL: url}),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = accounts.Register(t.Context(), "ada", password)
	if refused, ok := errors.AsType[*passwords.Error](err); !ok || refused.Rule != passwords.Breached || auth.HTTPStatus(err) != 422 {
		t.Errorf("a breached password: %v", err)
	}
	if _, err := accounts.Register(t.Context(), "ada", password+" battery"); err != nil {
		t.Errorf("another: %v", err)
	}
}

func FuzzCount(f *testing.F) {
	f.Add(others(3, 1)+suffix+":7\r\n", 7)
	f.Add(suffix+":0", 0)
	f.Add("\r\n", 0)
	f.Fuzz(func(t *testing.T, body string, n int) {
		seen, err := pwned.Count(body, suffix)
		if seen > 0 && !strings.Contains(strings.ToUpper(body), fmt.Sprint(suffix, ":")) {
			t.Errorf("seen %d times in %q", seen, body)
		}
		if err != nil || n < 0 {
			return
		}
		if body[len(body)-1] != '\n' {
			body += "\n"
		}
		if more, err := pwned.Count(body+fmt.Sprintf("%s:%d", suffix, n), suffix); err != nil || more != max(seen, uint64(n)) {
			t.Errorf("with %d more: %d, %v", n, more, err)
		}
	})
}
