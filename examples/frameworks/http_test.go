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

	"github.com/seed-e36e2130/auth"
)

// reference is the middleware on net/http alone.
func reference(t *testing.T) string {
	t.Helper()
	key, err := auth.GenerateKey(auth.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := auth.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := auth.NewJWTIssuer(auth.JWTConfig{Issuer: "https://example.com", Audience: "https://example.com/api", Keys: keys})
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

// Each framework refuses as the middleware alone does, to the letter, and lets the
// same callers pass.
func TestAnswers(t *testing.T) {
	t.Parallel()
	alone := reference(t)
	for _, name := range []string{"chi", "echo", "fiber", "gin"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := running(t, name)
			id, good := p.adaID, "Bearer "+p.ada
			for what, row := range map[string]struct {
				path      string
				fields    []string
				status    int
				challenge string
			}{
				"none":           {"/profile", nil, 401, `Bearer realm="api"`},
				"another scheme": {"/profile", []string{"Basic YTpi"}, 401, `Bearer realm="api"`},
				"no token":       {"/profile", []string{"Bearer"}, 400, `Bearer realm="api", error="invalid_request"`},
				"two":            {"/profile", []string{good, good}, 400, `Bearer realm="api", error="invalid_request"`},
				"two, one empty": {"/profile", []string{"", good}, 400, `Bearer realm="api", error="invalid_request"`},
				"two, one bad":   {"/profile", []string{"Bearer x", good}, 400, `Bearer realm="api", error="invalid_request"`},
				"not a token":    {"/profile", []string{"Bearer x"}, 401, `Bearer realm="api", error="invalid_token"`},
				"changed":        {"/profile", []string{good[:len(good)-5] + "AAAAA"}, 401, `Bearer realm="api", error="invalid_token"`},
				"too long":       {"/profile", []string{good + strings.Repeat("A", 3000)}, 401, `Bearer realm="api", error="invalid_token"`},
				"admin, none":    {"/admin", nil, 401, `Bearer realm="api"`},
			} {
				res, body := get(t, p.url+row.path, row.fields...)
				if res.StatusCode != row.status || res.Header.Get("WWW-Authenticate") != row.challenge {
					t.Errorf("%s: %s, %q, want %d, %q", what, res.Status, res.Header.Values("WWW-Authenticate"), row.status, row.challenge)
				}
				same, sameBody := get(t, alone+row.path, row.fields...)
				if res.StatusCode != same.StatusCode || body != sameBody {
					t.Errorf("%s: %s %s, the middleware alone: %s %s", what, res.Status, body, same.Status, sameBody)
				}
				for _, header := range []string{"WWW-Authenticate", "Cache-Control", "Content-Type", "Retry-After"} {
					if got, want := res.Header.Values(header), same.Header.Values(header); fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("%s: %s is %q, the middleware alone: %q", what, header, got, want)
					}
				}
			}

			res, body := get(t, p.url+"/admin", good)
			if challenge := res.Header.Get("WWW-Authenticate"); res.StatusCode != 403 || challenge != `Bearer realm="api", error="insufficient_scope", scope="admin"` {
				t.Errorf("without the scope: %s, %s, %s", res.Status, challenge, body)
			}
			for range 3 { // pooled requests and contexts included
				res, body = get(t, p.url+"/profile", good)
				if res.StatusCode != 200 || body != "you are "+id+"\n" || res.Header.Get("WWW-Authenticate") != "" {
					t.Errorf("%s is answered %s %s", id, res.Status, body)
				}
				if res, body := get(t, p.url+"/profile"); res.StatusCode != 401 || strings.Contains(body, id) {
					t.Errorf("nobody is answered %s %s", res.Status, body)
				}
			}
		})
	}
}

// The endpoints answer through a framework what they answer without one.
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

// Requests at one time get their own caller, each.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"chi", "echo", "fiber", "gin"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := running(t, name)
			bob, bobsToken := p.user(t, "bob")
			var all sync.WaitGroup
			for n := range 24 {
				row := []struct{ field, want string }{
					{"Bearer " + p.ada, "you are " + p.adaID + "\n"}, {"Bearer " + bobsToken, "you are " + bob + "\n"}, {"Bearer x", ""},
				}[n%3]
				all.Go(func() {
					for range 10 {
						res, body, err := ask(p.url+"/profile", row.field)
						if err != nil || res.StatusCode != 200 && row.want != "" || res.StatusCode == 200 && body != row.want {
							t.Errorf("%q is answered %q, %v", row.want, body, err)
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// Events come one by one.
func TestEvents(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"chi", "echo", "gin"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, rest, err := events(running(t, name))
			if err != nil {
				t.Fatal(err)
			}
			rest.Close()
		})
	}
}

// They end with the token.
func TestEventsEnd(t *testing.T) {
	t.Parallel()
	brief(t, "chi", func(p *program, most int) (began bool, err error) {
		lines, rest, err := events(p)
		if err != nil {
			return false, err
		}
		defer rest.Close()
		n := 2
		for ; err == nil; n++ {
			_, err = lines.ReadString('\n')
		}
		if n /= 2; err != io.EOF || n > most {
			return true, fmt.Errorf("after %d events, of at most %d, the stream breaks: %w", n, most, err)
		}
		return true, nil
	})
}

// events reads two events of a stream that goes on.
func events(p *program) (lines *bufio.Reader, rest io.Closer, err error) {
	r, err := http.NewRequest("GET", p.url+"/events", nil)
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+p.ada)
	res, err := client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	if contentType := res.Header.Get("Content-Type"); res.StatusCode != 200 || !strings.HasPrefix(contentType, "text/event-stream") {
		res.Body.Close()
		return nil, nil, fmt.Errorf("%s, %s", res.Status, contentType)
	}
	lines = bufio.NewReader(res.Body)
	for range 4 { // each with an empty line
		if line, err := lines.ReadString('\n'); err != nil || line != "\n" && !strings.HasPrefix(line, "data:") {
			res.Body.Close()
			return nil, nil, fmt.Errorf("an event reads %q, %v", line, err)
		}
	}
	return lines, res.Body, nil
}

// What a program needs beyond its framework is 60 lines at most: those between its
// marks, but for comments and empty ones.
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
		if lines < 10 || lines > 60 {
			t.Errorf("%s takes %d lines", name, lines)
		}
	}
}
