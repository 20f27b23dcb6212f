// Package testenv finds the real counterparts that some tests run against:
// database servers, other languages' libraries, published test vectors. Where
// one is absent the test skips with one line that says what to set; where
// AUTH_TEST_REQUIRE is "all" it fails instead, so that a full run cannot pass
// by skipping. And it holds the times of what nobody may tell apart against each other.
package testenv

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The variables that point at counterparts.
const (
	// RequireAll, set to "all", turns every skip of this package into a failure.
	RequireAll = "AUTH_TEST_REQUIRE"

	// PythonPath is the interpreter that has the packages; unset: /usr/bin/python3,
	// where Debian's python3-… packages are importable.
	PythonPath = "AUTH_TEST_PYTHON"

	// NodeDir is a folder whose node_modules has the npm packages.
	NodeDir = "AUTH_TEST_NODE"

	// WycheproofDir is the folder of C2SP/wycheproof data; unset: the one in
	// shared/vectors/wycheproof beside the checkout; "none": left out on purpose.
	WycheproofDir = "AUTH_TEST_WYCHEPROOF"
)

// Require returns the value of the environment variable that points at a
// counterpart, as in Require(t, "PostgreSQL", "AUTH_TEST_POSTGRES").
func Require(t testing.TB, what, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		absent(t, "needs %s: set %s", what, variable)
	}
	return value
}

// Command returns the path of a program found in PATH.
func Command(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		absent(t, "needs the program %s: install it and have it in PATH", name)
	}
	return path
}

// Ask runs a counterpart that reads one JSON value from its standard input and
// writes another to its standard output.
func Ask(t testing.TB, cmd *exec.Cmd, question, answer any) {
	t.Helper()
	input, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd.Path, err, &stderr)
	}
	if err := json.Unmarshal(output, answer); err != nil {
		t.Fatalf("%s answered %q: %v\n%s", cmd.Path, output, err, &stderr)
	}
}

// Python returns an interpreter that can import all of modules.
func Python(t testing.TB, modules ...string) string {
	t.Helper()
	python := os.Getenv(PythonPath)
	if python == "" {
		python = "/usr/bin/python3"
	}
	if err := exec.Command(python, "-c", "import "+strings.Join(append([]string{"sys"}, modules...), ", ")).Run(); err != nil {
		absent(t, "needs Python with %s: install it for %s, or set %s to an interpreter that has it",
			strings.Join(modules, ", "), python, PythonPath)
	}
	return python
}

// Jar returns the path of a Java library as Debian installs it.
func Jar(t testing.TB, name string) (path string) {
	t.Helper()
	path = "/usr/share/java/" + name + ".jar"
	if _, err := os.Stat(path); err != nil {
		absent(t, "needs %s: install Debian's lib%s-java", path, name)
	}
	return path
}

// NodeModule returns a folder from which node resolves the npm package name:
// use it as the working folder of `node --input-type=module -e SCRIPT`.
func NodeModule(t testing.TB, name string) (dir string) {
	t.Helper()
	Command(t, "node")
	dir = Require(t, "the npm package "+name, NodeDir)
	if _, err := os.Stat(filepath.Join(dir, "node_modules", filepath.FromSlash(name), "package.json")); err != nil {
		absent(t, "needs the npm package %s: run npm install %s in the folder that %s names", name, name, NodeDir)
	}
	return dir
}

// Wycheproof returns the folder of C2SP/wycheproof data.
func Wycheproof(t testing.TB) (dir string) {
	t.Helper()
	dir = os.Getenv(WycheproofDir)
	switch dir {
	case "none":
		t.Skipf("left out: set %s to the folder of the Wycheproof vectors", WycheproofDir)
	case "":
		dir = filepath.Join(checkout(), "..", "shared", "vectors", "wycheproof")
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		absent(t, "needs the Wycheproof vectors: set %s to their folder", WycheproofDir)
	}
	return dir
}

// Checkout returns the root of the git checkout that the test runs in. The copy of a
// module that the go command downloads is none: it lacks the modules beside it.
func Checkout(t testing.TB) (dir string) {
	t.Helper()
	if dir = checkout(); dir == "" {
		absent(t, "needs the whole repository: run it in a git clone")
	}
	return dir
}

// checkout looks from the test's own folder upwards; it returns "" for none.
func checkout() string {
	for at, _ := os.Getwd(); ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, ".git")); err == nil {
			return at
		}
		if at == filepath.Dir(at) {
			return ""
		}
	}
}

// absent ends the test: skipped, or failed where everything is required.
func absent(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv(RequireAll) == "all" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
