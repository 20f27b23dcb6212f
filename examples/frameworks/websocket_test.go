package frameworks_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// open opens a WebSocket at path and returns the response of the handshake. conn is nil if it was
// refused.
func open(t *testing.T, p *program, path string, header http.Header, protocols ...string) (*websocket.Conn, *http.Response) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, res, err := websocket.Dial(ctx, p.url+path, &websocket.DialOptions{HTTPHeader: header, Subprotocols: protocols})
	if res == nil {
		t.Fatal(err)
	}
	if conn != nil {
		t.Cleanup(func() { _ = conn.CloseNow() })
	}
	return conn, res
}

// echoes checks that a message is echoed.
func echoes(t *testing.T, conn *websocket.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if conn == nil {
		t.Error("the WebSocket was refused")
		return
	}
	if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Error(err)
	}
	if _, message, err := conn.Read(ctx); err != nil || string(message) != "hello" {
		t.Errorf("the echo is %q, %v, want hello", message, err)
	}
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// ticket exchanges an access token for a ticket.
func (p *program) ticket(t *testing.T, token string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", p.url+"/ticket", strings.NewReader("path=/echo"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = bearer(token)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ Ticket string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != 200 || res.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%s, %v, %v", res.Status, err, res.Header)
	}
	return answer.Ticket
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	p := running(t, "websocket")
	token := p.ada

	conn, res := open(t, p, "/echo", bearer(token))
	echoes(t, conn)
	if chosen := res.Header.Values("Sec-WebSocket-Protocol"); len(chosen) > 0 {
		t.Errorf("without an offer the server chooses the protocol %q", chosen)
	}
	conn, res = open(t, p, "/echo", nil, "bearer", token)
	echoes(t, conn)
	if chosen := res.Header.Values("Sec-WebSocket-Protocol"); len(chosen) != 1 || chosen[0] != "bearer" {
		t.Errorf("the server chooses the protocol %q, want bearer", chosen)
	}
	conn, _ = open(t, p, "/echo?ticket="+p.ticket(t, token), nil)
	echoes(t, conn)
	conn, _ = open(t, p, "/echo", http.Header{"Authorization": {"Bearer " + token}, "Origin": {p.url}})
	echoes(t, conn)

	used := p.ticket(t, token)
	conn, _ = open(t, p, "/echo?ticket="+used, nil)
	echoes(t, conn)
	const none, request, invalid = `Bearer realm="api"`, `Bearer realm="api", error="invalid_request"`, `Bearer realm="api", error="invalid_token"`
	for what, row := range map[string]struct {
		query     string
		header    http.Header
		protocols []string
		status    int
		challenge string
	}{
		"none":                {"", nil, nil, 401, none},
		"another protocol":    {"", nil, []string{"chat"}, 401, none},
		"invalid header":      {"", bearer("x"), nil, 401, invalid},
		"invalid protocol":    {"", nil, []string{"bearer", "x"}, 401, invalid},
		"protocol alone":      {"", nil, []string{"bearer"}, 400, request},
		"two in the protocol": {"", nil, []string{"bearer", token, token}, 400, request},
		"used ticket":         {"?ticket=" + used, nil, nil, 401, invalid},
		"no such ticket":      {"?ticket=ticket_" + strings.Repeat("A", 64), nil, nil, 401, invalid},
		"token in the URL":    {"?ticket=" + token, nil, nil, 400, request},
		"empty ticket":        {"?ticket=", nil, nil, 400, request},
		"two tickets":         {"?ticket=ticket_A&ticket=ticket_A", nil, nil, 400, request},
		"broken query":        {"?ticket=%zz", nil, nil, 400, request},
		"header and protocol": {"", bearer(token), []string{"bearer", token}, 400, request},
		"header and ticket":   {"?ticket=ticket_A", bearer(token), nil, 400, request},
		"another origin":      {"", http.Header{"Authorization": {"Bearer " + token}, "Origin": {"https://evil.example"}}, nil, 403, ""},
		"the null origin":     {"", http.Header{"Authorization": {"Bearer " + token}, "Origin": {"null"}}, nil, 403, ""},
	} {
		conn, res := open(t, p, "/echo"+row.query, row.header, row.protocols...)
		if challenge := res.Header.Get("WWW-Authenticate"); conn != nil || res.StatusCode != row.status || challenge != row.challenge {
			t.Errorf("%s: %s, %q, want %d, %q", what, res.Status, challenge, row.status, row.challenge)
		}
	}

	// Only an access token is exchanged for a ticket.
	for what, header := range map[string]http.Header{"ticket": bearer(p.ticket(t, token)), "none": nil} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", p.url+"/ticket", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 401 {
			t.Errorf("%s: POST /ticket answers %s, want 401", what, res.Status)
		}
	}
}

// TestWebSocketTicketOnce checks that of concurrent requests with one ticket exactly one succeeds.
func TestWebSocketTicketOnce(t *testing.T) {
	t.Parallel()
	p := running(t, "websocket")
	token := p.ada
	for range 5 {
		ticket := p.ticket(t, token)
		var clients sync.WaitGroup
		var opened atomic.Int32
		for range 16 {
			clients.Go(func() {
				conn, _, err := websocket.Dial(t.Context(), p.url+"/echo?ticket="+ticket, nil)
				if err == nil {
					opened.Add(1)
					_ = conn.CloseNow()
				} else if !strings.Contains(err.Error(), "401") {
					t.Error(err)
				}
			})
		}
		clients.Wait()
		if n := opened.Load(); n != 1 {
			t.Errorf("one ticket opens %d WebSockets, want 1", n)
		}
	}
}

// TestWebSocketCloses checks that a WebSocket is closed for its policy when its token expires, also
// if it was opened by a ticket.
func TestWebSocketCloses(t *testing.T) {
	t.Parallel()
	expiring(t, "websocket", func(p *program, _ time.Duration) bool {
		byHeader, _ := open(t, p, "/echo", bearer(p.ada))
		byTicket, _ := open(t, p, "/echo?ticket="+p.ticket(t, p.ada), nil)
		if begun := echoesBefore(t, p.expiry(t), byHeader, byTicket); !begun {
			return false
		}
		var closed sync.WaitGroup
		for _, conn := range []*websocket.Conn{byHeader, byTicket} {
			closed.Go(func() { checkClose(t, p.expiry(t), conn) })
		}
		closed.Wait()
		return true
	})
}

// TestWebSocketLogout checks that a logout closes the WebSockets of the session, whatever opened them, and
// no others; and that a renewal by the token of another session changes nothing.
func TestWebSocketLogout(t *testing.T) {
	t.Parallel()
	p := running(t, "websocket")
	_, token := p.user(t, "carol")
	byHeader, _ := open(t, p, "/echo", bearer(token))
	byTicket, _ := open(t, p, "/echo?ticket="+p.ticket(t, token), nil)
	others, _ := open(t, p, "/echo", bearer(p.ada))
	for _, conn := range []*websocket.Conn{byHeader, byTicket, others} {
		echoes(t, conn)
	}
	for path, as := range map[string]string{"/renew": p.ada, "/auth/logout": token} {
		if status := p.send(t, "POST", path, as); status != 204 {
			t.Errorf("%s: %d", path, status)
		}
	}
	for _, conn := range []*websocket.Conn{byHeader, byTicket} {
		if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
			t.Errorf("after the logout the WebSocket ends with %v", err)
		}
	}
	echoes(t, others)
	if status := p.send(t, "POST", "/renew", token); status != 401 {
		t.Errorf("a renewal after the logout: %d", status)
	}
}

// send sends a request without body and returns the status.
func (p *program) send(t *testing.T, method, path, token string) (status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, p.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = bearer(token)
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

// echoesBefore reports whether all WebSockets echo a message before the token expires.
func echoesBefore(t *testing.T, expiry time.Time, conns ...*websocket.Conn) bool {
	t.Helper()
	for _, conn := range conns {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		err := conn.Write(ctx, websocket.MessageText, []byte("hello"))
		if err == nil {
			_, _, err = conn.Read(ctx)
		}
		if time.Now().After(expiry) {
			return false
		}
		if err != nil {
			t.Errorf("before its token expires the WebSocket fails: %v", err)
		}
	}
	return true
}

// checkClose waits for the end of a WebSocket, which must not be before the token expires. To see
// that it does not stay open either, it sends messages from then on, of which few are echoed on a
// machine of any speed.
func checkClose(t *testing.T, expiry time.Time, conn *websocket.Conn) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() {
		time.Sleep(time.Until(expiry) + interval)
		for conn.Write(ctx, websocket.MessageText, []byte("late")) == nil {
			time.Sleep(interval)
		}
	}()
	for late := 0; late <= 20; late++ {
		_, _, err := conn.Read(ctx)
		if err == nil {
			continue
		}
		if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
			t.Errorf("the WebSocket ends with %v, want the status policy violation", err)
		}
		if early := time.Until(expiry); early > time.Second {
			t.Errorf("the WebSocket ends %v before its token", early)
		}
		return
	}
	t.Error("the WebSocket stays open after its token has expired")
}
