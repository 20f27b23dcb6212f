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

// patience is how long a test waits for something that must happen.
const patience = 3 * time.Minute

func TestMain(m *testing.M) {
	var err error
	if tempDir, err = os.MkdirTemp("", "quickstart"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(tempDir)
	os.Exit(code)
}

// binary builds the program the first time it is called.
var binary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(tempDir, "quickstart.exe") // a name that Windows runs, too
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// process is the running program.
type process struct {
	url    string
	lines  string // printed curl commands
	pid    int
	signal func()       // sends SIGTERM once: a second one would end the program at once
	stop   func() error // signals and waits for the end
}

// start starts the program on a free port and reads what it prints.
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
		t.Fatalf("the program prints no curl commands: %v", p.stop())
	}
	p.url = "http://" + host
	return p
}

// TestPrintedLines runs the printed commands in one shell.
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
		t.Errorf("the commands\n%s\nprint\n%s", p.lines, out)
	}
}

// TestRestart checks that a restart loses neither users nor tokens, and that other users of the
// machine can read none of the files.
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
		t.Fatalf("the program ends with %v", err)
	}

	p = start(t, data)
	if after := profile(t, p.url, token); after != before || !strings.Contains(after, "ada") {
		t.Errorf("after the restart the old token's profile is %s, want %s", after, before)
	}
	if status, body := register(p.url, "ada", "another horse"); status != 409 {
		t.Errorf("the username is registered again: %d %s", status, body)
	}
	if again := profile(t, p.url, login(t, p.url, "Ada", "correct horse")); again != before {
		t.Errorf("after the restart a new login's profile is %s, want %s", again, before)
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

// TestPrune checks that an expired session is deleted.
func TestPrune(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	store, err := sqlite.Open(t.Context(), filepath.Join(data, "users.db"), sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	old := time.Now().UTC().Truncate(time.Second).Add(-48 * time.Hour)
	expired := auth.Session{ID: strings.Repeat("a", 22), UserID: "ada", CreatedAt: old, LastUsedAt: old, ExpiresAt: old, Version: 1}
	if err := store.CreateSession(t.Context(), expired); err != nil {
		t.Fatal(err)
	}
	start(t, data)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, _, err := store.Session(t.Context(), expired.ID); errors.Is(err, auth.ErrSessionNotFound) {
			return
		}
	}
	t.Error("a session that expired two days ago is still there")
}

// TestGracefulStop checks that SIGTERM ends the program after the request in progress. On a slow
// machine that request may hit the server's own timeout: then the test starts over.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	for {
		took, err := stopDuringRequest(t)
		if err == nil {
			return
		}
		if took < 5*time.Second {
			t.Fatal(err)
		}
	}
}

// stopDuringRequest stops a program that waits for the body of a request, sends the body, and
// returns how long the request took and what is wrong with the answer.
func stopDuringRequest(t *testing.T) (took time.Duration, problem error) {
	t.Helper()
	p := start(t, t.TempDir())
	if status, body := register(p.url, "ada", "correct horse"); status != 201 {
		t.Fatalf("register answers %d %s", status, body)
	}
	address := strings.TrimPrefix(p.url, "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	failed := func(format string, args ...any) (time.Duration, error) {
		return time.Since(began), fmt.Errorf(format, args...)
	}
	const form = "username=ada&password=correct+horse"
	fmt.Fprintf(conn, "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(form))
	answer := bufio.NewReader(conn)
	if line, err := answer.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		return failed("the server answers %q, %v, want 100 Continue", line, err)
	}
	p.signal() // the handler is waiting for the body
	for refused := false; !refused; time.Sleep(10 * time.Millisecond) {
		other, err := net.Dial("tcp", address)
		if refused = err != nil; !refused {
			other.Close()
		}
	}
	fmt.Fprint(conn, form)
	_, _ = answer.ReadString('\n') // the empty line after 100 Continue
	res, err := http.ReadResponse(answer, nil)
	if err != nil {
		return failed("the request in progress: %w", err)
	}
	if body, err := io.ReadAll(res.Body); res.StatusCode != 200 || err != nil || !bytes.Contains(body, []byte("access_token")) {
		return failed("the request in progress is answered %s %s, %v", res.Status, body, err)
	}
	if err := p.stop(); err != nil {
		return failed("the program ends with %w", err)
	}
	return 0, nil
}

// TestCannotStart checks that the program says in one line why it does not start.
func TestCannotStart(t *testing.T) {
	t.Parallel()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	withKey := filepath.Join(dir, "with-key")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(withKey, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(withKey, "auth.key"), []byte(`{"kty":"oct","k":"AAAA"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"folder is a file": {"-data", file},
		"bad key":          {"-data", withKey},
		"bad address":      {"-data", dir, "-addr", "nowhere.invalid:80"},
	} {
		out, err := exec.Command(path, args...).CombinedOutput()
		if err == nil || !strings.HasPrefix(string(out), "quickstart: ") || bytes.Count(out, []byte("\n")) != 1 {
			t.Errorf("%s: %v, prints %q", name, err, out)
		}
	}
}

func register(url, username, password string) (status int, answer string) {
	body, _ := json.Marshal(map[string]string{"username": username, "password": password})
	return post(url+"/auth/register", "application/json", string(body))
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
	status, body := post(base+"/auth/login", "application/x-www-form-urlencoded", url.Values{"username": {username}, "password": {password}}.Encode())
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
