// Package testenv finds the real counterparts that some tests run against: database servers,
// libraries of other languages, and published test vectors. If a counterpart is absent, the test is
// skipped with one line that says what to set. If AUTH_TEST_REQUIRE is "all", the test fails
// instead, so that a full run cannot pass by skipping. See decision 0009.
//
// The package also compares the durations of operations that a client must not be able to
// distinguish.
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

// The environment variables that name counterparts.
const (
	// RequireAll, set to "all", turns every skip of this package into a failure.
	RequireAll = "AUTH_TEST_REQUIRE"

	// PythonPath is the Python interpreter that has the packages. If it is unset, /usr/bin/python3
	// is used, which imports the python3-… packages of Debian.
	PythonPath = "AUTH_TEST_PYTHON"

	// NodeDir is a directory whose node_modules has the npm packages.
	NodeDir = "AUTH_TEST_NODE"

	// WycheproofDir is the directory of the C2SP/wycheproof data. If it is unset, the directory
	// shared/vectors/wycheproof beside the checkout is used. "none" skips the tests on purpose.
	WycheproofDir = "AUTH_TEST_WYCHEPROOF"
)

// Require returns the value of the environment variable that names a counterpart, as in
// Require(t, "PostgreSQL", "AUTH_TEST_POSTGRES").
func Require(t testing.TB, counterpart, variable string) string {
	t.Helper()
	value := os.Getenv(variable)
	if value == "" {
		absent(t, "needs %s: set %s", counterpart, variable)
	}
	return value
}

// Command returns the path of a program found in PATH.
func Command(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		absent(t, "needs the program %s: install it in a directory of PATH", name)
	}
	return path
}

// Ask runs a program that reads the question from its standard input and writes the answer to its
// standard output, both as JSON.
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
		t.Fatalf("%s wrote %q: %v\n%s", cmd.Path, output, err, &stderr)
	}
}

// Python returns the path of an interpreter that can import all modules.
func Python(t testing.TB, modules ...string) string {
	t.Helper()
	python := os.Getenv(PythonPath)
	if python == "" {
		python = "/usr/bin/python3"
	}
	if err := exec.Command(python, "-c", "import "+strings.Join(append([]string{"sys"}, modules...), ", ")).Run(); err != nil {
		absent(t, "needs the Python modules %s: install them for %s, or set %s to an interpreter that has them",
			strings.Join(modules, ", "), python, PythonPath)
	}
	return python
}

// Jar returns the path where Debian installs a Java library.
func Jar(t testing.TB, name string) (path string) {
	t.Helper()
	path = "/usr/share/java/" + name + ".jar"
	if _, err := os.Stat(path); err != nil {
		absent(t, "needs %s: install the Debian package lib%s-java", path, name)
	}
	return path
}

// NodeModule returns a directory from which node resolves the npm package name. Use it as the
// working directory of `node --input-type=module -e SCRIPT`.
func NodeModule(t testing.TB, name string) (dir string) {
	t.Helper()
	Command(t, "node")
	dir = Require(t, "the npm package "+name, NodeDir)
	if _, err := os.Stat(filepath.Join(dir, "node_modules", filepath.FromSlash(name), "package.json")); err != nil {
		absent(t, "needs the npm package %s: run npm install %s in the directory that %s names", name, name, NodeDir)
	}
	return dir
}

// Wycheproof returns the directory of the C2SP/wycheproof data.
func Wycheproof(t testing.TB) (dir string) {
	t.Helper()
	dir = os.Getenv(WycheproofDir)
	switch dir {
	case "none":
		t.Skipf("skipped on purpose: set %s to the directory of the Wycheproof vectors", WycheproofDir)
	case "":
		dir = filepath.Join(checkout(), "..", "shared", "vectors", "wycheproof")
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		absent(t, "needs the Wycheproof vectors: set %s to their directory", WycheproofDir)
	}
	return dir
}

// Checkout returns the root of the git checkout that the test runs in. A module that the go command
// has downloaded is not a checkout: it lacks the other modules of the repository.
func Checkout(t testing.TB) (dir string) {
	t.Helper()
	if dir = checkout(); dir == "" {
		absent(t, "needs the whole repository: run it in a git clone")
	}
	return dir
}

// checkout returns the nearest directory above the test that has .git, or "" if there is none.
func checkout() string {
	for dir, _ := os.Getwd(); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// absent ends the test: it is skipped, or fails if all counterparts are required.
func absent(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv(RequireAll) == "all" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
