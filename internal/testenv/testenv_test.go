package testenv_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testenv"
)

// outcome is a testing.TB that records how the test ended.
type outcome struct {
	testing.TB
	ended string // "pass", "skip" or "fail"
	line  string // text of the skip or failure
}

func (o *outcome) Helper() {}

func (o *outcome) Skipf(format string, args ...any) { o.end("skip", format, args) }

func (o *outcome) Fatalf(format string, args ...any) { o.end("fail", format, args) }

func (o *outcome) end(how, format string, args []any) {
	o.ended, o.line = how, fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// run calls f in a goroutine, as a test, and returns its outcome.
func run(t *testing.T, f func(testing.TB)) *outcome {
	o := &outcome{TB: t, ended: "pass"}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(o)
	}()
	<-done
	return o
}

func TestAbsent(t *testing.T) {
	empty := t.TempDir()
	t.Setenv("PATH", empty)
	t.Setenv("AUTH_TEST_SERVER", "")
	t.Setenv(testenv.PythonPath, filepath.Join(empty, "python"))
	t.Setenv(testenv.NodeDir, empty)
	t.Setenv(testenv.WycheproofDir, filepath.Join(empty, "none"))

	rows := map[string]struct {
		call func(testing.TB)
		says string // variable, program or package that the line must name
	}{
		"Require":    {func(t testing.TB) { testenv.Require(t, "a server", "AUTH_TEST_SERVER") }, "AUTH_TEST_SERVER"},
		"Command":    {func(t testing.TB) { testenv.Command(t, "no-such-program") }, "no-such-program"},
		"Python":     {func(t testing.TB) { testenv.Python(t, "jose") }, testenv.PythonPath},
		"Jar":        {func(t testing.TB) { testenv.Jar(t, "no-such-library") }, "libno-such-library-java"},
		"NodeModule": {func(t testing.TB) { testenv.NodeModule(t, "jose") }, "node"},
		"Wycheproof": {func(t testing.TB) { testenv.Wycheproof(t) }, testenv.WycheproofDir},
	}
	for name, row := range rows {
		for require, want := range map[string]string{"": "skip", "all": "fail"} {
			t.Run(name+"/"+want, func(t *testing.T) {
				t.Setenv(testenv.RequireAll, require)
				got := run(t, row.call)
				if got.ended != want {
					t.Errorf("with %s=%q, the outcome is %s, want %s", testenv.RequireAll, require, got.ended, want)
				}
				if !strings.Contains(got.line, row.says) || strings.Contains(got.line, "\n") {
					t.Errorf("%q is not one line that names %s", got.line, row.says)
				}
			})
		}
	}
}

func TestNodeModuleNotInstalled(t *testing.T) {
	bin, dir := t.TempDir(), t.TempDir()
	write(t, filepath.Join(bin, "node"), 0o755)
	t.Setenv("PATH", bin)
	t.Setenv(testenv.RequireAll, "")
	t.Setenv(testenv.NodeDir, dir)
	if got := run(t, func(t testing.TB) { testenv.NodeModule(t, "jose") }); got.ended != "skip" {
		t.Errorf("without the package, the outcome is %s, want skip", got.ended)
	}
	write(t, filepath.Join(dir, "node_modules", "jose", "package.json"), 0o644)
	if got := testenv.NodeModule(t, "jose"); got != dir {
		t.Errorf("got %q, want %q", got, dir)
	}
}

func TestPresent(t *testing.T) {
	t.Setenv(testenv.RequireAll, "all")
	dir := t.TempDir()
	program := filepath.Join(dir, "python")
	write(t, program, 0o755)
	t.Setenv("PATH", dir)
	t.Setenv("AUTH_TEST_SERVER", "somewhere")
	t.Setenv(testenv.PythonPath, program)
	t.Setenv(testenv.WycheproofDir, dir)
	for _, row := range []struct{ name, got, want string }{
		{"Require", testenv.Require(t, "a server", "AUTH_TEST_SERVER"), "somewhere"},
		{"Command", testenv.Command(t, "python"), program},
		{"Python", testenv.Python(t, "jose"), program},
		{"Wycheproof", testenv.Wycheproof(t), dir},
	} {
		if row.got != row.want {
			t.Errorf("%s returns %q, want %q", row.name, row.got, row.want)
		}
	}
}

// write creates a shell script that does nothing and succeeds.
func write(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), mode); err != nil {
		t.Fatal(err)
	}
}
