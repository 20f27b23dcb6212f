// Package readme_test compares README.md and the documents below docs with the code:
// their programs are files that compile, the session of README.md runs as printed, and
// the table of errors has the statuses of auth.HTTPStatus.
package readme_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/passwords"
)

// block is a fenced block of a document.
type block struct {
	language, text string
	source         string // the file named in the comment above it
}

var fence = regexp.MustCompile("(?ms)(?:^<!-- (\\S+) -->\n)?^```(\\w+)\n(.*?)^```$")

// blocks returns the blocks in a language that a document has, which is at least one in
// README.md.
func blocks(t *testing.T, document, language string) []block {
	t.Helper()
	var found []block
	for _, m := range fence.FindAllStringSubmatch(read(t, document), -1) {
		if m[2] == language {
			found = append(found, block{source: m[1], language: m[2], text: m[3]})
		}
	}
	if len(found) == 0 && document == "README.md" && language != "sql" {
		t.Fatalf("README.md has no block of %s", language)
	}
	return found
}

// read returns a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testenv.Checkout(t), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// documents returns README.md and the documents below docs.
func documents(t *testing.T) []string {
	t.Helper()
	found := []string{"README.md"}
	root := os.DirFS(testenv.Checkout(t))
	err := fs.WalkDir(root, "docs", func(name string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".md") {
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestPrograms checks that the documents show code which is compiled: a program is a whole file,
// and any other block is contained in a file.
func TestPrograms(t *testing.T) {
	t.Parallel()
	for _, document := range documents(t) {
		for _, b := range blocks(t, document, "go") {
			if b.source == "" {
				t.Errorf("%s: a block of Go has no comment above it that names its file:\n%s", document, b.text)
				continue
			}
			file := read(t, b.source)
			program := strings.HasPrefix(b.text, "package ")
			if program && file != b.text || !strings.Contains(file, b.text) {
				t.Errorf("%s shows what %s does not hold:\n%s", document, b.source, b.text)
			}
		}
		for _, b := range blocks(t, document, "sql") {
			if b.source != "" && read(t, b.source) != b.text { // a test runs the file
				t.Errorf("%s shows other SQL than %s:\n%s", document, b.source, b.text)
			}
		}
	}
	if out, err := exec.Command(testenv.Command(t, "go"), "build", "-o", t.TempDir()+"/", "./...").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if first := blocks(t, "README.md", "go")[0]; strings.Count(first.text, "\n") > 40 {
		t.Error("the first program has more than 40 lines")
	}
}

// newAuth matches a call of auth.New, and not one of oauth.New.
var newAuth = regexp.MustCompile(`\bauth\.New\(`)

// TestThrottles checks that every program of the examples, and the program of package auth's comment,
// limits how often passwords can be guessed.
func TestThrottles(t *testing.T) {
	t.Parallel()
	programs := []string{"doc.go"}
	root := os.DirFS(testenv.Checkout(t))
	err := fs.WalkDir(root, "examples", func(name string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			programs = append(programs, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, name := range programs {
		text := read(t, name)
		if strings.Contains(text, "authkit.Open(") {
			checked++ // it always makes one
		}
		if !newAuth.MatchString(text) {
			continue
		}
		checked++
		if !strings.Contains(text, "throttle.New(") {
			t.Errorf("%s passes no throttle to auth.New", name)
		}
	}
	if checked < 13 {
		t.Errorf("%d programs call auth.New or authkit.Open, want at least 13", checked)
	}
}

// TestSession runs the commands of README.md against its first program and compares the output. "…"
// stands for text that differs from run to run.
func TestSession(t *testing.T) {
	t.Parallel()
	testenv.Command(t, "curl")
	shell := testenv.Command(t, "sh")
	first := blocks(t, "README.md", "go")[0]
	address := start(t, first)

	var script strings.Builder
	var want []string
	for line := range strings.Lines(blocks(t, "README.md", "console")[0].text) {
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
	if err := os.WriteFile(source, []byte(strings.ReplaceAll(b.text, "localhost:8080", address)), 0o600); err != nil {
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
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if response, err := http.Get("http://" + address + "/profile"); err == nil {
			response.Body.Close()
			return address
		}
	}
	t.Fatalf("the program does not answer: %s", &stderr)
	return ""
}

func TestLength(t *testing.T) {
	t.Parallel()
	const most = 150
	if n := strings.Count(read(t, "README.md"), "\n"); n > most {
		t.Errorf("README.md has %d lines, at most %d are read", n, most)
	}
}

// TestErrorTable checks that docs/errors.md has the status of HTTPStatus for each error,
// and leaves no exported error out.
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
		"*passwords.Error": &passwords.Error{Rule: passwords.TooShort}, "any other": errors.New("any other"),
	}
	page := read(t, "docs/errors.md")
	rows := regexp.MustCompile(`(?m)^\| ([^|]+) \| (\d+) \|`).FindAllStringSubmatch(page, -1)
	documented := map[string]bool{}
	for _, row := range rows {
		for name := range strings.SplitSeq(row[1], ", ") {
			name = strings.Trim(name, "`")
			documented[name] = true
			if err, ok := known[name]; !ok || fmt.Sprint(auth.HTTPStatus(err)) != row[2] {
				t.Errorf("docs/errors.md says %s for %s, HTTPStatus says %d", row[2], name, auth.HTTPStatus(err))
			}
		}
	}
	for name := range known {
		if !documented[name] {
			t.Errorf("the table of errors has no row for %s", name)
		}
	}
	for _, exported := range regexp.MustCompile(`(?m)^\t(Err\w+) +=`).FindAllStringSubmatch(read(t, "errors.go"), -1) {
		if !regexp.MustCompile("`(passwords\\.)?" + exported[1] + "`").MatchString(page) {
			t.Errorf("docs/errors.md says nothing of %s", exported[1])
		}
	}
}
