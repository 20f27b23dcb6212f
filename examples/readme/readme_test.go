// Package readme_test holds README.md to the truth: its programs are the files
// beside this one, its session runs as printed, its tables say what the code does.
package readme_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testenv"
)

// block is a fenced block of README.md.
type block struct {
	language, text string
	source         string // the file named in the comment above it
}

var fence = regexp.MustCompile("(?ms)(?:^<!-- (\\S+) -->\n)?^```(\\w+)\n(.*?)^```$")

func blocks(t *testing.T, language string) []block {
	t.Helper()
	var found []block
	for _, m := range fence.FindAllStringSubmatch(readme(t), -1) {
		if m[2] == language {
			found = append(found, block{source: m[1], language: m[2], text: m[3]})
		}
	}
	if len(found) == 0 {
		t.Fatalf("README.md has no block of %s", language)
	}
	return found
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testenv.Checkout(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPrograms holds that what README.md shows is what is compiled: a program is a
// whole file, anything else stands in a file as it is shown.
func TestPrograms(t *testing.T) {
	t.Parallel()
	for _, b := range blocks(t, "go") {
		if b.source == "" {
			t.Errorf("a block of Go has no comment above it that names its file:\n%s", b.text)
			continue
		}
		file, err := os.ReadFile(filepath.Join(testenv.Checkout(t), filepath.FromSlash(b.source)))
		if err != nil {
			t.Error(err)
			continue
		}
		program := strings.HasPrefix(b.text, "package ")
		if program && string(file) != b.text || !strings.Contains(string(file), b.text) {
			t.Errorf("README.md shows what %s does not hold", b.source)
		}
	}
	if out, err := exec.Command(testenv.Command(t, "go"), "build", "-o", t.TempDir()+"/", "./...").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if first := blocks(t, "go")[0]; strings.Count(first.text, "\n") >= 40 {
		t.Error("the first program has 40 lines or more")
	}
}

// TestSession types what README.md types to its first program, and compares what
// comes back; "…" stands for what differs from run to run.
func TestSession(t *testing.T) {
	t.Parallel()
	testenv.Command(t, "curl")
	shell := testenv.Command(t, "sh")
	first := blocks(t, "go")[0]
	address := start(t, first)

	var script strings.Builder
	var want []string
	for line := range strings.Lines(blocks(t, "console")[0].text) {
		if typed, ok := strings.CutPrefix(line, "$ "); ok {
			script.WriteString(strings.ReplaceAll(typed, "localhost:8080", address))
			continue
		}
		want = append(want, strings.TrimSpace(line))
	}
	out, err := exec.Command(shell, "-c", script.String()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(out), "\r", "")), "\n")
	if len(got) != len(want) {
		t.Fatalf("the session prints\n%s\nwant\n%s", out, strings.Join(want, "\n"))
	}
	for i := range want {
		pattern := strings.ReplaceAll(regexp.QuoteMeta(want[i]), "…", `\S+`)
		if !regexp.MustCompile("^" + pattern + "$").MatchString(got[i]) {
			t.Errorf("the session prints %q, want %q", got[i], want[i])
		}
	}
}

// start builds a program of README.md, runs it in a folder of its own on a free
// port, and returns its address.
func start(t *testing.T, b block) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = listener.Addr().String()
	listener.Close()

	dir := t.TempDir()
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(source, []byte(strings.Replace(b.text, "localhost:8080", address, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(testenv.Command(t, "go"), "build", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(program)
	cmd.Dir, cmd.Stderr = dir, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); {
		if response, err := http.Get("http://" + address + "/profile"); err == nil {
			response.Body.Close()
			return address
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("the program does not serve: %s", &stderr)
	return ""
}

func TestLength(t *testing.T) {
	t.Parallel()
	const most = 249
	if n := strings.Count(readme(t), "\n"); n > most {
		t.Errorf("README.md has %d lines, at most %d are read", n, most)
	}
}

// TestErrorTable holds that the table of errors says what HTTPStatus says, and that
// README.md leaves no error out.
func TestErrorTable(t *testing.T) {
	t.Parallel()
	known := map[string]error{
		"ErrNoCredentials": auth.ErrNoCredentials, "ErrInvalidRequest": auth.ErrInvalidRequest,
		"ErrInvalidToken": auth.ErrInvalidToken, "ErrExpiredToken": auth.ErrExpiredToken,
		"ErrRevokedToken": auth.ErrRevokedToken, "ErrUnknownKey": auth.ErrUnknownKey,
		"ErrInsufficientScope": auth.ErrInsufficientScope, "ErrCrossOrigin": auth.ErrCrossOrigin,
		"ErrInvalidCredentials": auth.ErrInvalidCredentials, "ErrInvalidUsername": auth.ErrInvalidUsername,
		"ErrUserExists": auth.ErrUserExists, "ErrUserNotFound": auth.ErrUserNotFound,
		"ErrConflict": auth.ErrConflict, "ErrBusy": auth.ErrBusy, "ErrTooManyAttempts": auth.ErrTooManyAttempts, "ErrKeysUnavailable": auth.ErrKeysUnavailable,
		"ErrInvalidGrant": auth.ErrInvalidGrant, "ErrSessionNotFound": auth.ErrSessionNotFound,
		"ErrRevocationUnknown":          auth.ErrRevocationUnknown,
		"ErrInsufficientAuthentication": auth.ErrInsufficientAuthentication, "*MFARequiredError": &auth.MFARequiredError{},
		"*PasswordError": &auth.PasswordError{Rule: auth.PasswordTooShort}, "any other": errors.New("any other"),
	}
	rows := regexp.MustCompile(`(?m)^\| ([^|]+) \| (\d+) \|`).FindAllStringSubmatch(readme(t), -1)
	told := map[string]bool{}
	for _, row := range rows {
		for name := range strings.SplitSeq(row[1], ", ") {
			name = strings.Trim(name, "`")
			told[name] = true
			if err, ok := known[name]; !ok || fmt.Sprint(auth.HTTPStatus(err)) != row[2] {
				t.Errorf("README.md says %s for %s, HTTPStatus says %d", row[2], name, auth.HTTPStatus(err))
			}
		}
	}
	for name := range known {
		if !told[name] {
			t.Errorf("the table of errors has no row for %s", name)
		}
	}
	source, err := os.ReadFile(filepath.Join(testenv.Checkout(t), "errors.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, exported := range regexp.MustCompile(`(?m)^\t(Err\w+) +=`).FindAllStringSubmatch(string(source), -1) {
		if !strings.Contains(readme(t), "`"+exported[1]+"`") {
			t.Errorf("README.md says nothing of %s", exported[1])
		}
	}
}

// TestEndpointTable holds that the table of endpoints has those of the package comment
// of authhttp, which is held against what is mounted.
func TestEndpointTable(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(filepath.Join(testenv.Checkout(t), "authhttp", "authhttp.go"))
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, line := range regexp.MustCompile(`(?m)^//\t\S+ +([A-Z]+) +(/\S+)`).FindAllStringSubmatch(string(source), -1) {
		want = append(want, line[1]+" "+line[2])
	}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[A-Z]+ /[^|]+) \\|").FindAllStringSubmatch(readme(t), -1) {
		method := ""
		for _, word := range strings.Fields(strings.ReplaceAll(row[1], "`", "")) {
			if word[0] != '/' {
				method = word
				continue
			}
			got = append(got, method+" "+word)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("README.md has the endpoints\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
