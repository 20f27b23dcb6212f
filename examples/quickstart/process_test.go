package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
)

var tempDir string

func TestMain(m *testing.M) {
	var err error
	if tempDir, err = os.MkdirTemp("", "quickstart"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(tempDir)
	os.Exit(code)
}

// binary builds the program once.
var binary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(tempDir, "quickstart.exe") // the name that every system runs
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// process is the program as a user starts it.
type process struct {
	url    string
	lines  string // the curl lines that it prints
	pid    int
	signal func() // SIGTERM, once: a second one would not wait
	stop   func() error
}

func start(t testing.TB, data string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-addr", "127.0.0.1:0", "-data", data)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{pid: cmd.Process.Pid, signal: sync.OnceFunc(func() { _ = cmd.Process.Signal(syscall.SIGTERM) })}
	p.stop = sync.OnceValue(func() error {
		p.signal()
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("%w\n%s", err, &stderr)
		}
		return nil
	})
	t.Cleanup(func() { _ = p.stop() })
	sc := bufio.NewScanner(stdout)
	for !strings.Contains(p.lines, "/profile") && sc.Scan() {
		if strings.Contains(sc.Text(), "curl") {
			p.lines += sc.Text() + "\n"
		}
	}
	_, rest, _ := strings.Cut(p.lines, "http://")
	host, _, _ := strings.Cut(rest, "/")
	if host == "" {
		t.Fatalf("it prints no curl lines: %v", p.stop())
	}
	p.url = "http://" + host
	return p
}

// The lines work as they are printed, typed into one shell.
func TestPrintedLines(t *testing.T) {
	t.Parallel()
	testenv.Command(t, "curl")
	p := start(t, filepath.Join(t.TempDir(), "new", "data"))
	out, err := exec.Command(testenv.Command(t, "sh"), "-euc", p.lines).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	answers := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(answers) != 2 || answers[0] != answers[1] || !strings.Contains(answers[0], `"username":"ada"`) {
		t.Errorf("the lines\n%s\nsay\n%s", p.lines, out)
	}
}

// A restart loses neither users nor tokens, and neither file is for others.
func TestRestart(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	p := start(t, data)
	if status, body := register(p.url, "ada", "correct horse"); status != 201 {
		t.Fatalf("register answers %d %s", status, body)
	}
	token := login(t, p.url, "ada", "correct horse")
	before := profile(t, p.url, token)
	if err := p.stop(); err != nil {
		t.Fatalf("it ends with %v", err)
	}

	p = start(t, data)
	if after := profile(t, p.url, token); after != before || !strings.Contains(after, "ada") {
		t.Errorf("the old token's profile is %s, was %s", after, before)
	}
	if status, body := register(p.url, "ada", "another horse"); status != 409 {
		t.Errorf("the user is registered again: %d %s", status, body)
	}
	if again := profile(t, p.url, login(t, p.url, "Ada", "correct horse")); again != before {
		t.Errorf("a new login's profile is %s, was %s", again, before)
	}

	err := filepath.WalkDir(data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// What has expired is forgotten.
func TestPrune(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	store, err := sqlite.Open(t.Context(), filepath.Join(data, "users.db"), sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	old := time.Now().UTC().Truncate(time.Second).Add(-2 * time.Hour)
	one := auth.Session{ID: strings.Repeat("a", 22), UserID: "ada", CreatedAt: old, LastUsedAt: old, ExpiresAt: old, Version: 1}
	if err := store.CreateSession(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	start(t, data)
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); {
		if _, _, err := store.Session(t.Context(), one.ID); errors.Is(err, auth.ErrSessionNotFound) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("a session that expired long ago is still there")
}

// SIGTERM ends the program, but first the request that is under way.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir())
	if status, body := register(p.url, "ada", "correct horse"); status != 201 {
		t.Fatalf("register answers %d %s", status, body)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const form = "username=ada&password=correct+horse"
	fmt.Fprintf(conn, "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(form))
	answer := bufio.NewReader(conn)
	if line, err := answer.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("the server says %q, %v", line, err)
	}
	p.signal() // now that the handler waits for the body
	for refused := false; !refused; time.Sleep(10 * time.Millisecond) {
		other, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if refused = err != nil; !refused {
			other.Close()
		}
	}
	fmt.Fprint(conn, form)
	_, _ = answer.ReadString('\n') // the empty line after 100 Continue
	res, err := http.ReadResponse(answer, nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(res.Body); res.StatusCode != 200 || err != nil || !bytes.Contains(body, []byte("access_token")) {
		t.Errorf("the request under way is answered %s %s, %v", res.Status, body, err)
	}
	if err := p.stop(); err != nil {
		t.Errorf("it ends with %v", err)
	}
}

// What keeps it from starting is said in one line.
func TestCannotStart(t *testing.T) {
	t.Parallel()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(open, "key.json"), []byte(`{"kty":"oct","k":"AAAA"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"folder is a file": {"-data", file},
		"bad key":          {"-data", open},
		"bad address":      {"-data", dir, "-addr", "nowhere.invalid:80"},
	} {
		out, err := exec.Command(path, args...).CombinedOutput()
		if err == nil || !strings.HasPrefix(string(out), "quickstart: ") || bytes.Count(out, []byte("\n")) != 1 {
			t.Errorf("%s: %v, says %q", name, err, out)
		}
	}
}

func register(url, username, password string) (status int, body string) {
	in, _ := json.Marshal(map[string]string{"username": username, "password": password})
	return post(url+"/register", "application/json", string(in))
}

func post(target, contentType, body string) (status int, answer string) {
	res, err := http.Post(target, contentType, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(all)
}

func login(t testing.TB, base, username, password string) (token string) {
	t.Helper()
	status, body := post(base+"/login", "application/x-www-form-urlencoded", url.Values{"username": {username}, "password": {password}}.Encode())
	var tokens struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &tokens); err != nil || status != 200 || tokens.AccessToken == "" {
		t.Fatalf("login answers %d %s", status, body)
	}
	return tokens.AccessToken
}

func profile(t testing.TB, base, token string) (body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", base+"/profile", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("profile answers %s %s, %v", res.Status, all, err)
	}
	return string(all)
}
