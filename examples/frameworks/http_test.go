package frameworks_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
)

// reference serves the middleware on net/http alone and returns the URL.
func reference(t *testing.T) string {
	t.Helper()
	key, err := jwt.GenerateKey(jwt.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://example.com", Audience: "https://example.com/api", Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := auth.NewMiddleware(tokens, auth.MiddlewareConfig{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/profile", guard.Require(http.NotFoundHandler()))
	mux.Handle("/admin", guard.RequireScope("admin")(http.NotFoundHandler()))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// TestAnswers checks that each framework refuses requests with the same status, header and body as
// the middleware alone, and accepts the same callers.
func TestAnswers(t *testing.T) {
	t.Parallel()
	alone := reference(t)
	for _, name := range []string{"chi", "echo", "fiber", "gin"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := running(t, name)
			id, valid := p.adaID, "Bearer "+p.ada
			for what, row := range map[string]struct {
				path      string
				fields    []string
				status    int
				challenge string
			}{
				"none":             {"/profile", nil, 401, `Bearer realm="api"`},
				"another scheme":   {"/profile", []string{"Basic YTpi"}, 401, `Bearer realm="api"`},
				"no token":         {"/profile", []string{"Bearer"}, 400, `Bearer realm="api", error="invalid_request"`},
				"two":              {"/profile", []string{valid, valid}, 400, `Bearer realm="api", error="invalid_request"`},
				"two, one empty":   {"/profile", []string{"", valid}, 400, `Bearer realm="api", error="invalid_request"`},
				"two, one invalid": {"/profile", []string{"Bearer x", valid}, 400, `Bearer realm="api", error="invalid_request"`},
				"not a token":      {"/profile", []string{"Bearer x"}, 401, `Bearer realm="api", error="invalid_token"`},
				"changed":          {"/profile", []string{valid[:len(valid)-5] + "AAAAA"}, 401, `Bearer realm="api", error="invalid_token"`},
				"too long":         {"/profile", []string{valid + strings.Repeat("A", 3000)}, 401, `Bearer realm="api", error="invalid_token"`},
				"admin, none":      {"/admin", nil, 401, `Bearer realm="api", scope="admin"`},
			} {
				res, body := get(t, p.url+row.path, row.fields...)
				if res.StatusCode != row.status || res.Header.Get("WWW-Authenticate") != row.challenge {
					t.Errorf("%s: %s, %q, want %d, %q", what, res.Status, res.Header.Values("WWW-Authenticate"), row.status, row.challenge)
				}
				same, sameBody := get(t, alone+row.path, row.fields...)
				if res.StatusCode != same.StatusCode || body != sameBody {
					t.Errorf("%s: %s %s, want as the middleware alone: %s %s", what, res.Status, body, same.Status, sameBody)
				}
				for _, header := range []string{"WWW-Authenticate", "Cache-Control", "Content-Type", "Retry-After"} {
					if got, want := res.Header.Values(header), same.Header.Values(header); fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("%s: %s is %q, want as the middleware alone: %q", what, header, got, want)
					}
				}
			}

			res, body := get(t, p.url+"/admin", valid)
			if challenge := res.Header.Get("WWW-Authenticate"); res.StatusCode != 403 || challenge != `Bearer realm="api", error="insufficient_scope", scope="admin"` {
				t.Errorf("without the scope: %s, %s, %s", res.Status, challenge, body)
			}
			for range 3 { // frameworks reuse requests and contexts
				res, body = get(t, p.url+"/profile", valid)
				if res.StatusCode != 200 || body != "you are "+id+"\n" || res.Header.Get("WWW-Authenticate") != "" {
					t.Errorf("with a token: %s %s, want the caller %s", res.Status, body, id)
				}
				if res, body := get(t, p.url+"/profile"); res.StatusCode != 401 || strings.Contains(body, id) {
					t.Errorf("without a token: %s %s, want 401", res.Status, body)
				}
			}
		})
	}
}

// TestEndpoints checks the statuses of /register and /login behind each framework.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	for _, name := range programs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := running(t, name)
			for what, row := range map[string]struct {
				path, contentType, body string
				status                  int
			}{
				"taken":          {"/register", "application/json", `{"username":"ADA","password":"correct horse battery"}`, 409},
				"short":          {"/register", "application/json", `{"username":"eve","password":"x"}`, 422},
				"wrong password": {"/login", "application/json", `{"username":"ada","password":"wrong horse battery"}`, 401},
				"duplicate":      {"/login", "application/json", `{"username":"ada","username":"eve","password":"correct horse battery"}`, 400},
				"text":           {"/login", "text/plain", `{}`, 415},
				"large":          {"/login", "application/json", strings.Repeat(" ", 65<<10), 413},
			} {
				res, err := http.Post(p.url+row.path, row.contentType, strings.NewReader(row.body))
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if res.StatusCode != row.status {
					t.Errorf("%s: %s, want %d", what, res.Status, row.status)
				}
			}
		})
	}
}

// TestConcurrent checks that concurrent requests each get their own caller.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"chi", "echo", "fiber", "gin"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := running(t, name)
			bob, bobsToken := p.user(t, "bob")
			var clients sync.WaitGroup
			for n := range 24 {
				row := []struct{ field, want string }{
					{"Bearer " + p.ada, "you are " + p.adaID + "\n"}, {"Bearer " + bobsToken, "you are " + bob + "\n"}, {"Bearer x", ""},
				}[n%3]
				clients.Go(func() {
					for range 10 {
						res, body, err := ask(p.url+"/profile", row.field)
						if err != nil || res.StatusCode != 200 && row.want != "" || res.StatusCode == 200 && body != row.want {
							t.Errorf("the answer is %q, %v, want %q", body, err, row.want)
						}
					}
				})
			}
			clients.Wait()
		})
	}
}

// TestEvents checks that each event is sent at once, not kept until the stream ends.
func TestEvents(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"chi", "echo", "gin"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			read := events(t, running(t, name))
			for range 2 {
				if err := read(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestEventsEnd checks that a stream of events ends when its token expires.
func TestEventsEnd(t *testing.T) {
	t.Parallel()
	expiring(t, "chi", func(p *program, lifetime time.Duration) bool {
		begun, end := checkEnd(t, p, lifetime, events(t, p))
		if end != io.EOF {
			t.Errorf("the stream ends with %v, want EOF", end)
		}
		return begun
	})
}

// events opens a stream of events and returns a function that reads the next one.
func events(t *testing.T, p *program) (read func() error) {
	t.Helper()
	r, err := http.NewRequest("GET", p.url+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.ada)
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if contentType := res.Header.Get("Content-Type"); res.StatusCode != 200 || !strings.HasPrefix(contentType, "text/event-stream") {
		t.Fatalf("%s, %s", res.Status, contentType)
	}
	t.Cleanup(func() { res.Body.Close() })
	lines := bufio.NewReader(res.Body)
	return func() error {
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		empty, err := lines.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "data:") || empty != "\n" {
			return fmt.Errorf("an event reads %q and %q, %v", line, empty, err)
		}
		return nil
	}
}

// TestShort checks that a program adds at most 60 lines to its framework: those between its marks,
// without comments and empty lines. gRPC has no middleware, and its interceptor ends streams itself.
func TestShort(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"chi", "connect", "echo", "fiber", "gin", "grpc"} {
		text, err := os.ReadFile(filepath.Join(name, "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		lines, within := 0, false
		for line := range strings.Lines(string(text)) {
			switch line = strings.TrimSpace(line); {
			case line == "// auth: begin" || line == "// auth: end":
				within = line == "// auth: begin"
			case within && line != "" && !strings.HasPrefix(line, "//"):
				lines++
			}
		}
		most := 60
		if name == "grpc" {
			most = 75
		}
		if lines < 10 || lines > most {
			t.Errorf("%s adds %d lines, want 10 to %d", name, lines, most)
		}
	}
}
