package house_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testenv"
)

// goCommand runs the go command in the root module alone.
func goCommand(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(testenv.Command(t, "go"), args...)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

// TestPackageFitsOneScreen holds the root package to what a reader can take in.
func TestPackageFitsOneScreen(t *testing.T) {
	t.Parallel()
	const most = 50
	if lines := strings.Count(goCommand(t, "doc", "-short", "."), "\n"); lines > most {
		t.Errorf("go doc -short . prints %d lines, want at most %d: what could be a package of its own?", lines, most)
	}
}

// TestModuleGraph holds what importing the root brings in: three modules and what
// those need.
func TestModuleGraph(t *testing.T) {
	t.Parallel()
	testenv.Checkout(t)
	asked := []string{jwx + "/v2", "golang.org/x/crypto", "golang.org/x/text"}

	needs := map[string][]string{} // module path: what any version of it requires
	for line := range strings.Lines(goCommand(t, "mod", "graph")) {
		from, to, _ := strings.Cut(strings.TrimSpace(line), " ")
		from, _, _ = strings.Cut(from, "@")
		to, _, _ = strings.Cut(to, "@")
		needs[from] = append(needs[from], to)
	}
	reached := map[string]bool{module: true}
	for next := slices.Clone(asked); len(next) > 0; next = next[1:] {
		if !reached[next[0]] {
			reached[next[0]] = true
			next = append(next, needs[next[0]]...)
		}
	}
	for listed := range strings.Lines(goCommand(t, "list", "-m", "-f", "{{.Path}}", "all")) {
		if listed = strings.TrimSpace(listed); !reached[listed] {
			t.Errorf("%s is in the module graph, and none of %q needs it", listed, asked)
		}
	}
	var direct struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	decode(t, goCommand(t, "mod", "edit", "-json"), &direct)
	for _, require := range direct.Require {
		if !require.Indirect && !slices.Contains(asked, require.Path) {
			t.Errorf("go.mod requires %s", require.Path)
		}
	}
}

// TestWorkspace holds that go.work names every module, so that `go test work` leaves none out; that no
// module replaces another, which a user's go command ignores; and that the modules require each other
// at one version.
func TestWorkspace(t *testing.T) {
	t.Parallel()
	var work struct{ Use []struct{ DiskPath string } }
	decode(t, goCommand(t, "work", "edit", "-json", "go.work"), &work)
	var used []string
	for _, use := range work.Use {
		used = append(used, path.Clean(use.DiskPath))
	}
	var found []string
	versions := map[string]string{} // version of ours: a go.mod that requires it
	walk(t, func(file string) {
		if path.Base(file) != "go.mod" {
			return
		}
		dir := path.Dir(file)
		found = append(found, dir)
		var mod struct {
			Module  struct{ Path string }
			Replace []struct{ Old struct{ Path string } }
			Require []struct{ Path, Version string }
		}
		decode(t, goCommand(t, "mod", "edit", "-json", file), &mod)
		for _, r := range mod.Replace {
			t.Errorf("%s replaces %s: a user's go command ignores that", file, r.Old.Path)
		}
		if want := path.Join(module, dir); mod.Module.Path != want {
			t.Errorf("%s is module %s, want %s", file, mod.Module.Path, want)
		}
		var root bool
		for _, r := range mod.Require {
			root = root || r.Path == module
			if within(r.Path, module) {
				versions[r.Version] = file
			}
		}
		if !root && dir != "." && dir != "internal/release" {
			t.Errorf("%s does not require %s", file, module)
		}
	})
	if len(versions) != 1 {
		t.Errorf("modules require each other at the versions %v, want one", versions)
	}
	slices.Sort(used)
	slices.Sort(found)
	if !slices.Equal(used, found) {
		t.Errorf("go.work uses %q, the modules are %q", used, found)
	}
}

// TestNoPathOfAMachine holds that nothing in the repository works on one machine
// alone.
func TestNoPathOfAMachine(t *testing.T) {
	t.Parallel()
	walk(t, func(file string) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(text, 0) >= 0 {
			return // not text
		}
		for _, dir := range []string{"home", "root", "Users", "work", "workspace", "build", "builds"} {
			for rest, found := string(text), true; found; {
				var before string
				before, rest, found = strings.Cut(rest, "/"+dir+"/")
				if found && !inPath.MatchString(before[max(0, len(before)-1):]) {
					t.Errorf("%s holds a path below /%s", file, dir)
				}
			}
		}
	})
}

// inPath is the last byte before a slash that goes on a relative path.
var inPath = regexp.MustCompile(`[\w.-]`)

// TestExamplesHoldNoSecret: examples are copied, and what is in them with them.
func TestExamplesHoldNoSecret(t *testing.T) {
	t.Parallel()
	literal := regexp.MustCompile("PRIVATE KEY-----|\"(?:k|d)\": *\"|New(?:SecretKey|ResourceServers)\\((?:\\[\\]byte\\()?[\"`]|(?i)password\\w*: +\"")
	walk(t, func(file string) {
		if strings.HasSuffix(file, "_test.go") || path.Ext(file) != ".md" && !strings.HasPrefix(file, "examples/") {
			return
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := literal.Find(text); found != nil {
			t.Errorf("%s holds %q: a secret that others will use", file, found)
		}
	})
}

// TestConstantTime holds that what a caller sent is compared with a secret in a time
// that tells nothing of it (CWE-208), for which no test of answers can be made: how
// often each file does so.
func TestConstantTime(t *testing.T) {
	t.Parallel()
	testenv.Checkout(t)
	call := regexp.MustCompile(`\b(hmac\.Equal|subtle\.ConstantTimeCompare|bcrypt\.CompareHashAndPassword)\(`)
	want := map[string]int{
		"internal/jose/hmac.go": 1, "passwords/argon2id.go": 1, "passwords/bcrypt.go": 2, "legacyhash/legacyhash.go": 1, "login.go": 1,
		"authhttp/introspect.go": 1, "recovery/token.go": 2, "recovery/login.go": 1, "totp/totp.go": 2, "stream/ticket.go": 1,
	}
	for file, least := range want {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(call.FindAll(text, -1)); n < least {
			t.Errorf("%s compares %d times in constant time, want %d", file, n, least)
		}
	}
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}
