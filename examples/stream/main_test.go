package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/internal/testenv"
)

var tempDir string

func TestMain(m *testing.M) {
	var err error
	if tempDir, err = os.MkdirTemp("", "stream"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(tempDir)
	os.Exit(code)
}

// postgres returns settings for tables of this test's own on PostgreSQL. The bound is longer than the
// default, for slow machines.
func postgres(t *testing.T) settings {
	t.Helper()
	dsn := testenv.Require(t, "PostgreSQL", "AUTH_TEST_POSTGRES")
	prefix := "t" + strings.ToLower(rand.Text()[:20]) + "_"
	t.Cleanup(func() { drop(t, dsn, prefix) })
	return settings{data: t.TempDir(), dsn: dsn, prefix: prefix, bound: 20 * time.Second, pace: time.Millisecond}
}

// drop removes the tables whose names begin with prefix.
func drop(t *testing.T, dsn, prefix string) {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var tables string
	err = db.QueryRow(`SELECT coalesce(string_agg(tablename, ', '), '') FROM pg_tables
		WHERE schemaname = current_schema() AND starts_with(tablename, $1)`, prefix).Scan(&tables)
	if err == nil && tables != "" {
		_, err = db.Exec(`DROP TABLE ` + tables + ` CASCADE`)
	}
	if err != nil {
		t.Error(err)
	}
}

func startTest(t *testing.T, cfg settings) *replica {
	t.Helper()
	r, err := start(t.Context(), cfg, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}

// send sends a request with an access token, unless that is empty.
func send(t *testing.T, method, target, token string, form url.Values) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// status sends a request and returns the status.
func status(t *testing.T, method, target, token string, form url.Values) int {
	t.Helper()
	res := send(t, method, target, token, form)
	res.Body.Close()
	return res.StatusCode
}

// login logs a user in, whom it registers first if that is new.
func login(t *testing.T, base, name string) (token string) {
	t.Helper()
	const password = "correct horse battery"
	body := fmt.Sprintf(`{"username":%q,"password":%q}`, name, password)
	res, err := http.Post(base+"/auth/register", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	res = send(t, "POST", base+"/auth/login", "", url.Values{"username": {name}, "password": {password}})
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != 200 {
		t.Fatal(res.Status, err)
	}
	return answer.AccessToken
}

func ticket(t *testing.T, base, token string) string {
	t.Helper()
	res := send(t, "POST", base+"/tickets", token, url.Values{"path": {"/answers"}})
	var answer struct{ Ticket string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != 200 {
		t.Fatal(res.Status, err)
	}
	return answer.Ticket
}

// events is an open stream.
type events struct {
	t     *testing.T
	lines *bufio.Scanner
}

// open opens a stream and reads its first word.
func open(t *testing.T, base, query, token string) *events {
	t.Helper()
	res := send(t, "GET", base+"/answers"+query, token, nil)
	if res.StatusCode != 200 {
		t.Fatal(res.Status)
	}
	e := &events{t, bufio.NewScanner(res.Body)}
	e.word()
	return e
}

// word reads one word.
func (e *events) word() {
	e.t.Helper()
	if !e.lines.Scan() || !strings.HasPrefix(e.lines.Text(), "data: ") || !e.lines.Scan() {
		e.t.Errorf("the stream reads %q, %v", e.lines.Text(), e.lines.Err())
	}
}

// end reads to the end and returns the data of the last event.
func (e *events) end() (last string) {
	var line string
	for e.lines.Scan() {
		if text := e.lines.Text(); text != "" {
			last, line = line, text
		}
	}
	if last != "event: end" {
		return "no event"
	}
	return strings.TrimPrefix(line, "data: ")
}

// TestLogout checks on SQLite and on PostgreSQL that a logout at one replica ends the streams of the
// session at the other, whatever opened them, and no others.
func TestLogout(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"SQLite", "PostgreSQL"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := settings{data: t.TempDir(), bound: 20 * time.Second, pace: time.Millisecond}
			if name == "PostgreSQL" {
				cfg = postgres(t)
			}
			one, two := startTest(t, cfg), startTest(t, cfg)
			phone, laptop, bob := login(t, one.url, "ada"), login(t, two.url, "ada"), login(t, one.url, "bob")
			byToken, byTicket := open(t, two.url, "?question=why", phone), open(t, two.url, "?ticket="+ticket(t, one.url, phone), "")
			here := open(t, one.url, "", phone)
			others := []*events{open(t, two.url, "", laptop), open(t, two.url, "", bob)}
			unused := ticket(t, one.url, phone)
			if got := status(t, "POST", two.url+"/renew", phone, nil); got != 204 {
				t.Errorf("a renewal: %d", got)
			}
			if got := status(t, "POST", one.url+"/auth/logout", phone, nil); got != 204 {
				t.Errorf("the logout: %d", got)
			}
			for what, e := range map[string]*events{"the same replica": here, "the other": byToken, "the other, by ticket": byTicket} {
				if got := e.end(); got != "you have logged out" {
					t.Errorf("the stream at %s ends with %q", what, got)
				}
			}
			if got := status(t, "GET", two.url+"/answers?ticket="+unused, "", nil); got != 401 {
				t.Errorf("a ticket of the session: %d", got)
			}
			if got := status(t, "POST", two.url+"/renew", phone, nil); got != 401 {
				t.Errorf("a renewal after the logout: %d", got)
			}
			for _, e := range others {
				e.word()
			}
		})
	}
}

// TestDatabaseDown stops the database under open streams: they end when the revocations are older than
// the bound, no stream begins, and when the database is back, all is as before, but for the logout that
// was missed.
func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	cfg := postgres(t)
	cfg.bound = 2 * time.Second
	link := newLink(t, cfg.dsn)
	behind := cfg
	behind.dsn = link.dsn
	one, two := startTest(t, cfg), startTest(t, behind)
	token, other := login(t, one.url, "ada"), login(t, one.url, "ada")
	streams := []*events{open(t, two.url, "", token), open(t, two.url, "", other)}
	link.cut()
	for _, e := range streams {
		if got := e.end(); got != "not available now, try again later" {
			t.Errorf("the stream ends with %q", got)
		}
	}
	if got := status(t, "GET", two.url+"/answers", token, nil); got != 503 {
		t.Errorf("without the database a stream is answered %d", got)
	}
	if got := status(t, "POST", one.url+"/auth/logout", token, nil); got != 204 {
		t.Errorf("the logout: %d", got)
	}
	link.mend()
	for { // until the revocations are fresh again
		got := status(t, "GET", two.url+"/answers", token, nil)
		if got == 401 {
			break
		}
		if got != 503 {
			t.Fatalf("a token that was revoked in the outage is answered %d", got)
		}
		time.Sleep(10 * time.Millisecond)
	}
	open(t, two.url, "", other)
}

// link is a connection to the database that can be cut.
type link struct {
	dsn    string
	mu     sync.Mutex
	isCut  bool
	active map[net.Conn]bool
}

func newLink(t *testing.T, dsn string) *link {
	t.Helper()
	target, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	through := *target
	through.Host = listener.Addr().String()
	l := &link{dsn: through.String(), active: map[net.Conn]bool{}}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go l.serve(conn, target.Host)
		}
	}()
	return l
}

func (l *link) serve(conn net.Conn, target string) {
	defer conn.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	l.mu.Lock()
	if l.isCut {
		l.mu.Unlock()
		return
	}
	l.active[conn] = true
	l.mu.Unlock()
	go func() { io.Copy(server, conn); server.Close() }()
	io.Copy(conn, server)
	l.mu.Lock()
	delete(l.active, conn)
	l.mu.Unlock()
}

func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = true
	for conn := range l.active {
		conn.Close()
	}
}

func (l *link) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = false
}

// binary builds the program the first time it is called.
var binary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(tempDir, "stream.exe") // a name that Windows runs, too
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// process is the program as a process.
type process struct {
	one, two string // URLs of the replicas
	lines    string // printed commands
	kill     func()
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{kill: sync.OnceFunc(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })}
	t.Cleanup(p.kill)
	for sc := bufio.NewScanner(out); sc.Scan() && !strings.HasPrefix(sc.Text(), "wait "); p.lines += sc.Text() + "\n" {
		if _, err := fmt.Sscanf(sc.Text(), "Ready. Replica 1 is %s replica 2 is %s", &p.one, &p.two); err == nil {
			p.one, p.two = strings.TrimSuffix(p.one, ","), strings.TrimSuffix(p.two, ".")
		}
	}
	if p.one == "" || p.two == "" {
		t.Fatalf("the program prints %q", p.lines)
	}
	return p
}

// TestPrintedLines runs the printed commands in one shell.
func TestPrintedLines(t *testing.T) {
	t.Parallel()
	testenv.Command(t, "curl")
	p := startProcess(t, "-addr1", "127.0.0.1:0", "-addr2", "127.0.0.1:0", "-data", t.TempDir())
	_, commands, _ := strings.Cut(p.lines, ":\n")
	commands = strings.Replace(commands, "sleep 3\n", "sleep 1\n", 1) + "wait $STREAM\n"
	out, err := exec.Command(testenv.Command(t, "sh"), "-euc", commands).CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "event: end\ndata: you have logged out\n\n") || strings.Count(string(out), "data: ") < 2 {
		t.Errorf("%v: the commands\n%s\nprint\n%s", err, commands, out)
	}
}

// TestKill kills a replica, with SIGKILL, under an open stream. What it has left in the database lets
// nobody in who was logged out: neither at the other replica nor after a restart.
func TestKill(t *testing.T) {
	t.Parallel()
	cfg := postgres(t)
	args := []string{"-addr2", "", "-addr1", "127.0.0.1:0", "-data", cfg.data, "-dsn", cfg.dsn, "-prefix", cfg.prefix, "-bound", "20s", "-pace", "1ms"}
	killed := startProcess(t, args...)
	other := startTest(t, cfg)
	ada, bob := login(t, killed.one, "ada"), login(t, killed.one, "bob")
	lost, kept := open(t, killed.one, "", ada), open(t, other.url, "", ada)
	adas, bobs := ticket(t, killed.one, ada), ticket(t, killed.one, bob)
	if got := status(t, "POST", killed.one+"/renew", ada, nil); got != 204 {
		t.Errorf("the renewal: %d", got)
	}
	killed.kill()
	if got := lost.end(); got != "no event" {
		t.Errorf("the stream of the killed replica ends with %q", got)
	}
	kept.word()
	open(t, other.url, "?ticket="+bobs, "") // the ticket outlives its replica
	if got := status(t, "POST", other.url+"/auth/logout", ada, nil); got != 204 {
		t.Errorf("the logout: %d", got)
	}
	if got := kept.end(); got != "you have logged out" {
		t.Errorf("the stream ends with %q", got)
	}
	again := startProcess(t, args...)
	for what, base := range map[string]string{"the other replica": other.url, "the restarted replica": again.one} {
		if got := status(t, "GET", base+"/answers", ada, nil); got != 401 {
			t.Errorf("the token at %s: %d", what, got)
		}
		if got := status(t, "GET", base+"/answers?ticket="+adas, "", nil); got != 401 {
			t.Errorf("the ticket at %s: %d", what, got)
		}
		if got := status(t, "POST", base+"/renew", ada, nil); got != 401 {
			t.Errorf("a renewal at %s: %d", what, got)
		}
	}
	open(t, again.one, "", bob)
}

// TestDeterministic checks that the same question has the same answer, and that the reasons are for
// users.
func TestDeterministic(t *testing.T) {
	t.Parallel()
	a, b, c := wordsOf("why"), wordsOf("why"), wordsOf("how")
	same, differ := true, false
	for range 50 {
		word := a()
		same = same && word == b()
		differ = differ || word != c()
	}
	if !same || !differ {
		t.Errorf("same %t, differ %t", same, differ)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := reason(ctx); got != "the server is closing" {
		t.Error(got)
	}
}
