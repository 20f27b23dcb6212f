// Package frameworks_test runs each program of this module as a process and compares its answers
// with those of the middleware alone.
package frameworks_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var programs = []string{"chi", "connect", "echo", "fiber", "gin", "grpc", "websocket"}

var (
	tempDir    string
	buildFlags []string // flags that this test was built with
)

func TestMain(m *testing.M) {
	var err error
	if tempDir, err = os.MkdirTemp("", "frameworks"); err != nil {
		panic(err)
	}
	code := m.Run()
	for _, p := range shared.programs {
		if err := p.stop(); err != nil {
			fmt.Println("FAIL:", err)
			code = 1
		}
	}
	os.RemoveAll(tempDir)
	os.Exit(code)
}

// build builds all programs the first time it is called.
var build = sync.OnceValue(func() error {
	args := append([]string{"build", "-o", tempDir}, buildFlags...)
	for _, name := range programs {
		args = append(args, "./"+name)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
})

// program is a running program with a user who is logged in.
type program struct {
	url        string // base URL of /register and /login
	grpc       string // host and port of the gRPC server, for the program grpc
	adaID, ada string // user's ID and access token
	stop       func() error
}

var shared struct {
	sync.Mutex
	programs map[string]*program
}

// running returns a program that all tests share, because registering a user is slow.
func running(t *testing.T, name string) *program {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.programs[name] == nil {
		if shared.programs == nil {
			shared.programs = make(map[string]*program)
		}
		shared.programs[name] = run(t, name)
	}
	return shared.programs[name]
}

// start runs a program for this test alone.
func start(t *testing.T, name string, args ...string) *program {
	t.Helper()
	p := run(t, name, args...)
	t.Cleanup(func() {
		if err := p.stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// run starts a program on free ports and registers ada.
func run(t *testing.T, name string, args ...string) *program {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	if name == "grpc" {
		args = append(args, "-grpc", "127.0.0.1:0")
	}
	cmd := exec.Command(filepath.Join(tempDir, name), append(args, "-addr", "127.0.0.1:0")...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := new(program)
	lines := bufio.NewScanner(stderr)
	for (p.url == "" || p.grpc == "" && name == "grpc") && lines.Scan() {
		if _, host, ok := strings.Cut(lines.Text(), "http://"); ok {
			p.url = "http://" + host
		}
		if _, host, ok := strings.Cut(lines.Text(), "grpc://"); ok {
			p.grpc = host
		}
	}
	output := make(chan string, 1)
	go func() {
		var rest bytes.Buffer
		for lines.Scan() {
			fmt.Fprintln(&rest, lines.Text())
		}
		output <- rest.String()
	}()
	p.stop = func() error {
		_ = cmd.Process.Kill()
		rest := <-output
		_ = cmd.Wait() // returns an error, because the program was killed
		if strings.Contains(rest, "DATA RACE") || strings.Contains(rest, "panic") {
			return fmt.Errorf("%s printed\n%s", name, rest)
		}
		return nil
	}
	if p.url == "" {
		t.Fatalf("%s does not print its address: %v", name, p.stop())
	}
	p.adaID, p.ada = p.user(t, "ada")
	return p
}

// user registers a user and logs them in.
func (p *program) user(t *testing.T, name string) (id, token string) {
	t.Helper()
	const password = "correct horse battery"
	var user struct{ ID string }
	p.post(t, "/register", "application/json", fmt.Sprintf(`{"username":%q,"password":%q}`, name, password), 201, &user)
	var tokens struct {
		AccessToken string `json:"access_token"`
	}
	form := url.Values{"username": {name}, "password": {password}}
	p.post(t, "/login", "application/x-www-form-urlencoded", form.Encode(), 200, &tokens)
	return user.ID, tokens.AccessToken
}

func (p *program) post(t *testing.T, path, contentType, body string, status int, answer any) {
	t.Helper()
	res, err := client.Post(p.url+path, contentType, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status || json.Unmarshal(text, answer) != nil {
		t.Fatalf("%s answers %s %s, %v", path, res.Status, text, err)
	}
}

// patience is how long a test waits for something that must happen. It ends before the time that go
// test allows, so that the failure names what did not happen.
const patience = 3 * time.Minute

var client = &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// get sends a GET request with these Authorization fields.
func get(t *testing.T, target string, authorization ...string) (*http.Response, string) {
	t.Helper()
	res, body, err := ask(target, authorization...)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

// ask is get for goroutines, which must not end the test.
func ask(target string, authorization ...string) (*http.Response, string, error) {
	r, err := http.NewRequest("GET", target, nil)
	if err != nil {
		return nil, "", err
	}
	if len(authorization) > 0 {
		r.Header["Authorization"] = authorization
	}
	res, err := client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}

// expiry returns when ada's access token expires.
func (p *program) expiry(t *testing.T) time.Time {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(p.ada, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Expiry int64 `json:"exp"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return time.Unix(claims.Expiry, 0)
}

// expiring calls test with a program whose access tokens live for 4 seconds. On a slow machine a
// token may expire before a stream has begun; then test returns false and is called again, with
// twice the lifetime.
func expiring(t *testing.T, name string, test func(p *program, lifetime time.Duration) (begun bool)) {
	t.Helper()
	for lifetime := 4 * time.Second; lifetime < patience; lifetime *= 2 {
		if test(start(t, name, "-lifetime", lifetime.String()), lifetime) {
			return
		}
	}
	t.Error("the token expired each time before the stream had begun")
}

// interval is the time between two messages of each program's streams.
const interval = 100 * time.Millisecond

// checkEnd reads a stream of p, opened with ada's token, to its end, and returns the error that
// ended it. The stream must not end before the token expires. It must not go on afterwards either:
// the number of messages shows that on a machine of any speed. checkEnd reports false if the token
// had expired before the third message.
func checkEnd(t *testing.T, p *program, lifetime time.Duration, read func() error) (begun bool, end error) {
	t.Helper()
	expiry, messages := p.expiry(t), 0
	for limit := int(lifetime/interval) + 20; ; messages++ {
		if end = read(); end != nil {
			break
		}
		if messages == 2 { // the third
			begun = time.Now().Before(expiry)
		}
		if messages > limit {
			t.Errorf("%d messages, one each %v, although the token lived for %v", messages, interval, lifetime)
			return true, nil
		}
	}
	if early := time.Until(expiry); early > time.Second {
		t.Errorf("the stream ends %v before its token, after %d messages: %v", early, messages, end)
		return true, end
	}
	return begun, end
}
