// Package frameworks_test starts each program of this module as a user does, and
// holds it to what the middleware alone answers.
package frameworks_test

import (
	"bufio"
	"bytes"
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

	// What the programs are built of is compiled with this test, whose time is short.
	_ "github.com/gin-gonic/gin"
	_ "github.com/go-chi/chi/v5"
	_ "github.com/gofiber/fiber/v3"
	_ "github.com/labstack/echo/v5"
)

var programs = []string{"chi", "connect", "echo", "fiber", "gin", "grpc", "websocket"}

var (
	tempDir    string
	buildFlags []string // as this test was built
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

// build builds all programs, once.
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

// program is one that runs, with a user who is logged in.
type program struct {
	url        string // where it registers users and logs them in
	grpc       string // host and port, of grpc
	adaID, ada string // the user and their token
	stop       func() error
}

var shared struct {
	sync.Mutex
	programs map[string]*program
}

// running returns a program that all tests share: passwords are slow to hash.
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

// start runs a program of the test's own.
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

// brief calls f with a program whose tokens live for some seconds. It tells f for how
// long, and then how much a stream may say that says something every tenth of a
// second, and ends with its token. Where f cannot begin before the token of ada has
// ended, for the machine is busy, it gets another program, whose tokens live longer.
func brief(t *testing.T, name string, f func(p *program, most int) (began bool, err error)) {
	t.Helper()
	for life := 4 * time.Second; ; life *= 2 {
		asked := time.Now()
		p := start(t, name, "-lifetime", life.String())
		began, err := f(p, int(life/(100*time.Millisecond))+20)
		if !began && time.Since(asked) > life-time.Second && life < 5*time.Minute {
			continue
		}
		if err != nil {
			t.Error(err)
		}
		return
	}
}

// run starts a program on free ports.
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
	said := make(chan string, 1)
	go func() {
		var rest bytes.Buffer
		for lines.Scan() {
			fmt.Fprintln(&rest, lines.Text())
		}
		said <- rest.String()
	}()
	p.stop = func() error {
		_ = cmd.Process.Kill()
		rest := <-said
		_ = cmd.Wait() // it was killed
		if strings.Contains(rest, "DATA RACE") || strings.Contains(rest, "panic") {
			return fmt.Errorf("%s says\n%s", name, rest)
		}
		return nil
	}
	if p.url == "" {
		t.Fatalf("%s does not say where it listens: %v", name, p.stop())
	}
	p.adaID, p.ada = p.user(t, "ada")
	return p
}

// user registers one and logs them in.
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

// client gives up before a test does, so that what hangs fails with a reason.
var client = &http.Client{Timeout: 5 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// get asks with these Authorization fields.
func get(t *testing.T, target string, authorization ...string) (*http.Response, string) {
	t.Helper()
	res, body, err := ask(target, authorization...)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

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
