package auth_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
)

// The handler gets the very ResponseWriter of the server, whatever it can do.
func TestMiddlewareLeavesTheResponseWriter(t *testing.T) {
	t.Parallel()
	m := middleware(t, knows(t, map[string]auth.Claims{"ada": {Subject: "1", Scopes: []string{"s"}, Roles: []string{"r"}}}), auth.MiddlewareConfig{})
	for name, wrap := range map[string]func(http.Handler) http.Handler{
		"Require": m.Require, "Optional": m.Optional, "RequireScope": m.RequireScope("s"), "RequireRole": m.RequireRole("r"),
	} {
		want, called := httptest.NewRecorder(), false
		wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			called = true
			if w != http.ResponseWriter(want) {
				t.Errorf("%s hands on a %T", name, w)
			}
		})).ServeHTTP(want, request("GET", ada))
		if !called {
			t.Errorf("%s refuses: %d", name, want.Code)
		}
	}
	want := httptest.NewRecorder()
	m.Optional(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if w != http.ResponseWriter(want) {
			t.Errorf("Optional hands on a %T to who is nobody", w)
		}
		w.WriteHeader(http.StatusNoContent)
	})).ServeHTTP(want, request("GET"))
	if want.Code != http.StatusNoContent {
		t.Errorf("Optional refuses who is nobody: %d", want.Code)
	}
}

// Events reach the client one by one, over HTTP/1.1 and HTTP/2.
func TestMiddlewareStreams(t *testing.T) {
	t.Parallel()
	m := middleware(t, knows(t, map[string]auth.Claims{"ada": {Subject: "1"}}), auth.MiddlewareConfig{})
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			read := make(chan struct{})
			srv := httptest.NewUnstartedServer(m.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				for n := range 2 {
					fmt.Fprintf(w, "data: %d\n\n", n)
					w.(http.Flusher).Flush()
					<-read // the next event waits until the client has this one
				}
			})))
			srv.EnableHTTP2 = proto == "HTTP/2.0"
			srv.StartTLS()
			defer srv.Close()

			r, _ := http.NewRequestWithContext(t.Context(), "GET", srv.URL, nil)
			r.Header.Set("Authorization", "Bearer ada")
			res, err := srv.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.Proto != proto {
				t.Fatalf("the protocol is %s", res.Proto)
			}
			lines := bufio.NewScanner(res.Body)
			for n := range 2 {
				if !lines.Scan() || lines.Text() != fmt.Sprint("data: ", n) || !lines.Scan() {
					t.Fatalf("event %d reads %q: %v", n, lines.Text(), lines.Err())
				}
				read <- struct{}{}
			}
		})
	}
}

// A protected handler takes over the connection, as WebSocket libraries do.
func TestMiddlewareHijack(t *testing.T) {
	t.Parallel()
	m := middleware(t, knows(t, map[string]auth.Claims{"ada": {Subject: "1"}}), auth.MiddlewareConfig{})
	srv := httptest.NewServer(m.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(buf, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		buf.Flush()
		line, _ := buf.ReadString('\n')
		fmt.Fprint(buf, strings.ToUpper(line))
		buf.Flush()
	})))
	defer srv.Close()
	for token, want := range map[string]string{"ada": "101 Switching Protocols", "eve": "401 Unauthorized"} {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\nAuthorization: Bearer %s\r\n\r\nhello\n", token)
		answer := bufio.NewReader(conn)
		res, err := http.ReadResponse(answer, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.Status != want {
			t.Errorf("%s is answered %s, want %s", token, res.Status, want)
		}
		if res.StatusCode == 101 {
			if line, _ := answer.ReadString('\n'); line != "HELLO\n" {
				t.Errorf("the taken-over connection says %q", line)
			}
		}
	}
}

// A refused HTTP/2 request is answered like any other.
func TestMiddlewareRefusesOverHTTP2(t *testing.T) {
	t.Parallel()
	m := middleware(t, fails(auth.ErrInvalidToken), auth.MiddlewareConfig{})
	srv := httptest.NewUnstartedServer(m.Require(whoami))
	srv.EnableHTTP2 = true
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	srv.StartTLS()
	defer srv.Close()
	for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
		r, _ := http.NewRequestWithContext(t.Context(), method, srv.URL, nil)
		r.Header.Set("Authorization", "Bearer eve")
		res, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.ProtoMajor != 2 || res.StatusCode != 401 || res.Header.Get("WWW-Authenticate") != `Bearer realm="api", error="invalid_token"` {
			t.Errorf("%s: %s %s %v", method, res.Proto, res.Status, res.Header)
		}
	}
}

func TestContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	parent, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "kept"))
	ada, bob := caller(t, auth.Claims{Subject: "1"}), caller(t, auth.Claims{Subject: "2"})

	if p, ok := auth.FromContext(parent); p != nil || ok {
		t.Errorf("a context without a caller gives %v, %v", p, ok)
	}
	ctx := auth.NewContext(parent, ada)
	if p, ok := auth.FromContext(ctx); p != ada || !ok {
		t.Errorf("FromContext returns %v, %v", p, ok)
	}
	child, stop := context.WithCancel(context.WithValue(ctx, key{}, "own"))
	defer stop()
	if p, ok := auth.FromContext(child); p != ada || !ok {
		t.Errorf("a context made from it gives %v, %v", p, ok)
	}
	if p, _ := auth.FromContext(auth.NewContext(child, bob)); p != bob {
		t.Errorf("the newest caller is %v", p)
	}
	if p, ok := auth.FromContext(auth.NewContext(child, nil)); p != nil || ok {
		t.Errorf("no caller gives %v, %v", p, ok)
	}
	if ctx.Value(key{}) != "kept" || child.Value(key{}) != "own" {
		t.Error("values of others are lost")
	}
	cancel()
	if <-child.Done(); child.Err() == nil || ctx.Err() == nil {
		t.Error("cancellation does not pass")
	}
}
