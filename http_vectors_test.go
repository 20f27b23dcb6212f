package auth_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testkit"
)

type httpVector struct {
	ID, Group, Settings, Level, Method, Why string

	Raw           []byte   `json:"raw_b64"`
	Status        int      `json:"expect_status"`
	AlsoStatus    []int    `json:"also_status"`
	Error         string   `json:"expect_error"`
	AlsoError     []string `json:"also_error"`
	Challenge     bool     `json:"expect_bearer_challenge"`
	WantSub       string   `json:"want_sub"`
	NotInResponse []string `json:"not_in_response"`
}

// TestHTTPVectors writes each case to the socket of a server, byte for byte.
//
// The tokens are valid at a time that only a synctest bubble can stand at, and a
// bubble has no sockets. So the server runs outside, and each verification alone
// in a bubble of its own.
func TestHTTPVectors(t *testing.T) {
	t.Parallel()
	verifier := testkit.VectorVerifier(t, testkit.VectorSettings(t)["HS"], 0)
	atTime := verifierFunc(func(ctx context.Context, token string) (p *auth.Principal, err error) {
		testkit.AtVectorTime(t, func(*testing.T) { p, err = verifier.Verify(ctx, token) })
		return p, err
	})
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	t.Cleanup(func() { // after the servers have closed
		for line := range strings.Lines(log.String()) {
			if !strings.Contains(line, " level=DEBUG ") || strings.Contains(line, "eyJ") {
				t.Errorf("a caller's fault is logged as %s", line)
			}
		}
	})
	header := middleware(t, atTime, auth.MiddlewareConfig{Logger: logger})
	either := middleware(t, atTime, auth.MiddlewareConfig{Logger: logger, Extractors: []auth.Extractor{auth.BearerToken(), auth.Cookie("access_token")}})
	addresses := make(map[string]string)
	for settings, h := range map[string]http.Handler{
		"M-HDR": header.Require(whoami), "M-OPTIONAL": header.Optional(whoami),
		"M-COOKIE": either.Require(whoami), "M-SCOPE": header.RequireScope("read:items")(whoami),
	} {
		srv := httptest.NewServer(h)
		t.Cleanup(srv.Close)
		addresses[settings] = srv.Listener.Addr().String()
	}
	ran := 0
	for _, c := range testkit.ReadLines[httpVector](t, "testdata/vectors/http.jsonl") {
		if c.Settings == "M-QUERY" { // a token in a URL is in every log: there is no such Extractor
			continue
		}
		ran++
		c.check(t, exchange(t, addresses[c.Settings], c.Raw))
	}
	if ran < 100 {
		t.Errorf("%d cases ran", ran)
	}
}

var errorCode = regexp.MustCompile(`(?:^|[ ,])error="([^"]*)"`)

func (c *httpVector) check(t *testing.T, answer []byte) {
	t.Helper()
	wrong := func(what string, args ...any) {
		t.Helper()
		t.Errorf("%s (%s): "+what+"\n%s\n%s", append(append([]any{c.ID, c.Level}, args...), c.Why, answer)...)
	}
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), &http.Request{Method: c.Method})
	if err != nil {
		wrong("no answer: %v", err)
		return
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		wrong("the answer breaks off: %v", err)
	}
	if res.StatusCode != c.Status && !slices.Contains(c.AlsoStatus, res.StatusCode) {
		wrong("status %d, want %d %v", res.StatusCode, c.Status, c.AlsoStatus)
	}
	challenge := res.Header.Get("WWW-Authenticate")
	code := ""
	if match := errorCode.FindStringSubmatch(challenge); match != nil {
		code = match[1]
	}
	if res.StatusCode >= 400 && code != c.Error && !slices.Contains(c.AlsoError, code) || res.StatusCode < 400 && challenge != "" {
		wrong("challenge %q, want error %q %q", challenge, c.Error, c.AlsoError)
	}
	if (c.Challenge || res.StatusCode == http.StatusUnauthorized) && !strings.HasPrefix(challenge, `Bearer realm="`) {
		wrong("challenge %q, want Bearer", challenge)
	}
	if c.WantSub != "" && res.StatusCode == http.StatusOK && c.Method != http.MethodHead && string(body) != c.WantSub {
		wrong("the caller is %q, want %q", body, c.WantSub)
	}
	for _, s := range c.NotInResponse {
		if bytes.Contains(answer, []byte(s)) {
			wrong("the answer holds %q", s)
		}
	}
}

// exchange returns all that a server answers to raw.
func exchange(t *testing.T, address string, raw []byte) []byte {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Minute))
	go conn.Write(raw) // the server may answer, and close, before it has read it all
	answer, err := io.ReadAll(conn)
	if err != nil && len(answer) == 0 {
		t.Fatal(err)
	}
	return answer
}

// What Check returns is one of the few sentinels of a caller's fault, and its
// text holds nothing of the request.
func TestHTTPVectorErrors(t *testing.T) {
	t.Parallel()
	verifier := testkit.VectorVerifier(t, testkit.VectorSettings(t)["HS"], 0)
	m := middleware(t, verifier, auth.MiddlewareConfig{Extractors: []auth.Extractor{auth.BearerToken(), auth.Cookie("access_token")}})
	cases := testkit.ReadLines[httpVector](t, "testdata/vectors/http.jsonl")
	refused := 0
	testkit.AtVectorTime(t, func(t *testing.T) {
		for _, c := range cases {
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(c.Raw)))
			if err != nil {
				continue // the server's to refuse
			}
			p, err := m.Check(r)
			if (p == nil) == (err == nil) {
				t.Errorf("%s: Check returns %v and %v", c.ID, p, err)
			}
			if err == nil {
				continue
			}
			refused++
			if !slices.ContainsFunc([]error{auth.ErrNoCredentials, auth.ErrInvalidRequest, auth.ErrInvalidToken, auth.ErrCrossOrigin},
				func(sentinel error) bool { return errors.Is(err, sentinel) }) {
				t.Errorf("%s: Check returns %v", c.ID, err)
			}
			text := err.Error()
			for i := 0; i+8 <= len(text); i++ {
				if part := text[i : i+8]; strings.Contains(r.Header.Get("Authorization")+r.Header.Get("Cookie"), part) {
					t.Errorf("%s: the error %q holds %q of the request", c.ID, text, part)
				}
			}
		}
	})
	if refused < 50 {
		t.Errorf("%d cases were refused", refused)
	}
}
