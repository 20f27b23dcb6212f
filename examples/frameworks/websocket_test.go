package frameworks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// open opens the socket at path, and says how the request was answered.
func open(t *testing.T, p *program, path string, header http.Header, protocols ...string) (*websocket.Conn, *http.Response) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
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

// echoes holds that a socket works.
func echoes(t *testing.T, conn *websocket.Conn) {
	t.Helper()
	if err := echo(t.Context(), conn); err != nil {
		t.Error(err)
	}
}

func echo(ctx context.Context, conn *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if conn == nil {
		return errors.New("no socket")
	}
	_ = conn.Write(ctx, websocket.MessageText, []byte("hello")) // if that fails Read says why
	if _, message, err := conn.Read(ctx); err != nil || string(message) != "hello" {
		return fmt.Errorf("the socket says %q, %w", message, err)
	}
	return nil
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func (p *program) ticket(t *testing.T, token string) string {
	t.Helper()
	ticket, err := p.askTicket(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

func (p *program) askTicket(ctx context.Context, token string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, "POST", p.url+"/ticket", nil)
	if err != nil {
		return "", err
	}
	r.Header = bearer(token)
	res, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var answer struct{ Ticket string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != 200 || res.Header.Get("Cache-Control") != "no-store" {
		return "", fmt.Errorf("%s, %v, %v", res.Status, err, res.Header)
	}
	return answer.Ticket, nil
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	p := running(t, "websocket")
	token := p.ada

	conn, res := open(t, p, "/echo", bearer(token))
	echoes(t, conn)
	if chosen := res.Header.Values("Sec-WebSocket-Protocol"); len(chosen) > 0 {
		t.Errorf("nobody offered a protocol, chosen is %q", chosen)
	}
	conn, res = open(t, p, "/echo", nil, "bearer", token)
	echoes(t, conn)
	if chosen := res.Header.Values("Sec-WebSocket-Protocol"); len(chosen) != 1 || chosen[0] != "bearer" {
		t.Errorf("the chosen protocol is %q", chosen)
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
		"bad header":          {"", bearer("x"), nil, 401, invalid},
		"bad protocol":        {"", nil, []string{"bearer", "x"}, 401, invalid},
		"protocol alone":      {"", nil, []string{"bearer"}, 400, request},
		"two in the protocol": {"", nil, []string{"bearer", token, token}, 400, request},
		"used ticket":         {"?ticket=" + used, nil, nil, 401, invalid},
		"no such ticket":      {"?ticket=ticket.AAAAAAAAAAAAAAAAAAAAAAAAAA", nil, nil, 401, invalid},
		"token in the URL":    {"?ticket=" + token, nil, nil, 400, request},
		"empty ticket":        {"?ticket=", nil, nil, 400, request},
		"two tickets":         {"?ticket=ticket.A&ticket=ticket.A", nil, nil, 400, request},
		"broken query":        {"?ticket=%zz", nil, nil, 400, request},
		"header and protocol": {"", bearer(token), []string{"bearer", token}, 400, request},
		"header and ticket":   {"?ticket=ticket.A", bearer(token), nil, 400, request},
		"another origin":      {"", http.Header{"Authorization": {"Bearer " + token}, "Origin": {"https://evil.example"}}, nil, 403, ""},
		"the null origin":     {"", http.Header{"Authorization": {"Bearer " + token}, "Origin": {"null"}}, nil, 403, ""},
	} {
		conn, res := open(t, p, "/echo"+row.query, row.header, row.protocols...)
		if challenge := res.Header.Get("WWW-Authenticate"); conn != nil || res.StatusCode != row.status || challenge != row.challenge {
			t.Errorf("%s: %s, %q, want %d, %q", what, res.Status, challenge, row.status, row.challenge)
		}
	}

	// A ticket gets no other ticket, and nobody gets one without a token.
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
			t.Errorf("%s: a ticket is given: %s", what, res.Status)
		}
	}
}

// Of many who use one ticket at one time, one gets in.
func TestWebSocketTicketOnce(t *testing.T) {
	t.Parallel()
	p := running(t, "websocket")
	token := p.ada
	for range 5 {
		ticket := p.ticket(t, token)
		var all sync.WaitGroup
		var in atomic.Int32
		for range 16 {
			all.Go(func() {
				conn, _, err := websocket.Dial(t.Context(), p.url+"/echo?ticket="+ticket, nil)
				if err == nil {
					in.Add(1)
					_ = conn.CloseNow()
				} else if !strings.Contains(err.Error(), "401") {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if in.Load() != 1 {
			t.Errorf("%d got in by one ticket", in.Load())
		}
	}
}

// A socket closes with its token, and says why, however it was opened.
func TestWebSocketCloses(t *testing.T) {
	t.Parallel()
	brief(t, "websocket", func(p *program, most int) (began bool, err error) {
		byHeader, _ := open(t, p, "/echo", bearer(p.ada))
		ticket, err := p.askTicket(t.Context(), p.ada)
		if err != nil {
			return false, err
		}
		byTicket, _ := open(t, p, "/echo?ticket="+ticket, nil)
		if err := errors.Join(echo(t.Context(), byHeader), echo(t.Context(), byTicket)); err != nil {
			return false, err
		}
		for _, conn := range []*websocket.Conn{byHeader, byTicket} {
			n := 0
			for ; err == nil; n++ {
				time.Sleep(100 * time.Millisecond)
				err = echo(t.Context(), conn)
			}
			if websocket.CloseStatus(err) != websocket.StatusPolicyViolation || n > most {
				return true, fmt.Errorf("after %d echoes, of at most %d, the socket ends with %w", n, most, err)
			}
			err = nil
		}
		return true, nil
	})
}
