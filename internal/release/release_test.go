package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// lib is the module of the repository that the tests make.
const lib = "github.com/example/lib"

// repository makes a git repository of a root module and three nested ones, commits it, and returns
// its folder. Each edit changes the files before they are committed.
func repository(t *testing.T, edits ...func(tree)) (dir string) {
	t.Helper()
	files := tree{}
	for name, text := range map[string]string{
		".gitignore":   "*.out\n",
		"LICENSE":      "do what you like\n",
		"CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-01-02\n\n### Added\n- All of it.\n\n## [0.0.1]\n\n- Some of it.\n",
		"go.mod":       "module " + lib + "\n\ngo 1.26.0\n",
		"go.work": "go 1.26.0\n\nuse (\n\t.\n\t./internal/tool\n\t./store\n\t./store/disk\n)\n\n" +
			"replace (\n\t" + lib + " v0.1.0 => ./\n\t" + lib + "/store v0.1.0 => ./store\n)\n",
		"lib.go":                "package lib\n\nconst Name = \"lib\"\n",
		"internal/tool/go.mod":  "module " + lib + "/internal/tool\n\ngo 1.26.0\n\nrequire " + lib + " v0.1.0\n",
		"internal/tool/main.go": "package main\n\nimport \"" + lib + "\"\n\nfunc main() { print(lib.Name) }\n",
		"store/go.mod":          "module " + lib + "/store\n\ngo 1.26.0\n\nrequire " + lib + " v0.1.0\n",
		"store/store.go":        "package store\n\nimport \"" + lib + "\"\n\nconst Name = \"store of \" + lib.Name\n",
		"store/disk/go.mod": "module " + lib + "/store/disk\n\ngo 1.26.0\n\nrequire " + lib + "/store v0.1.0\n\n" +
			"require " + lib + " v0.1.0 // indirect\n",
		"store/disk/disk.go": "package disk\n\nimport \"" + lib + "/store\"\n\nconst Name = \"disk, a \" + store.Name\n",
		"store/disk/LICENSE": "ask first\n",
	} {
		files[name] = []byte(text)
	}
	for _, edit := range edits {
		edit(files)
	}
	dir = t.TempDir()
	if err := files.write(dir); err != nil {
		t.Fatal(err)
	}
	command(t, dir, nil, "git", "init", "-q")
	commit(t, dir)
	return dir
}

// replaced is an edit that replaces text in a file.
func replaced(name, old, text string) func(tree) {
	return func(files tree) { files[name] = bytes.ReplaceAll(files[name], []byte(old), []byte(text)) }
}

// written is an edit that writes a file.
func written(name, text string) func(tree) {
	return func(files tree) { files[name] = []byte(text) }
}

func commit(t *testing.T, dir string) {
	t.Helper()
	command(t, dir, nil, "git", "add", "--all")
	command(t, dir, nil, "git", "commit", "-q", "-m", "Everything")
}

// command runs a program in a folder and returns what it prints on its standard output.
func command(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stderr = dir, &stderr
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@example.com",
		"GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@example.com")
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

// outside is the environment of a go command that has a module cache of its own, reads modules from
// one place only, and asks no checksum database.
func outside(t *testing.T, proxy string) []string {
	return []string{"GOWORK=off", "GOPROXY=" + proxy, "GONOPROXY=", "GONOSUMDB=" + lib, "GOPRIVATE=", "GOTOOLCHAIN=local",
		"GOMODCACHE=" + t.TempDir(), "GOFLAGS=-modcacherw"}
}

// fileURL returns the URL of a folder.
func fileURL(dir string) string {
	dir = filepath.ToSlash(dir)
	if !strings.HasPrefix(dir, "/") {
		dir = "/" + dir // a drive letter
	}
	return "file://" + dir
}

// release runs the program on a repository.
func release(t *testing.T, dir string, args ...string) (out string, err error) {
	t.Helper()
	var b strings.Builder
	err = run(append([]string{"-C", dir}, args...), &b)
	return b.String(), err
}

func must(t *testing.T, dir string, args ...string) (out string) {
	t.Helper()
	out, err := release(t, dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestGet holds that the go command takes each module from the proxy, from an empty module, with
// nothing but the proxy to ask.
func TestGet(t *testing.T) {
	t.Parallel()
	scratch := t.TempDir()
	must(t, repository(t), "scratch", scratch)
	for _, m := range []string{lib, lib + "/store", lib + "/store/disk"} {
		dir, env := t.TempDir(), outside(t, fileURL(filepath.Join(scratch, "proxy")))
		program := tree{
			"go.mod":  []byte("module example.com/host\n\ngo 1.26.0\n"),
			"main.go": []byte("package main\n\nimport (\n\t\"fmt\"\n\n\tgot \"" + m + "\"\n)\n\nfunc main() { fmt.Println(got.Name) }\n"),
		}
		if err := program.write(dir); err != nil {
			t.Fatal(err)
		}
		command(t, dir, env, "go", "get", m+"@v0.1.0")
		want := map[string]string{lib: "lib\n", lib + "/store": "store of lib\n", lib + "/store/disk": "disk, a store of lib\n"}[m]
		if got := command(t, dir, env, "go", "run", "."); got != want {
			t.Errorf("a program on %s prints %q, want %q", m, got, want)
		}
		if versions := command(t, dir, env, "go", "list", "-m", "-versions", m); versions != m+" v0.1.0\n" {
			t.Errorf("the proxy lists %q", versions)
		}
	}
}

// TestZip holds what is in the downloads: what git tracks, as it is in the working tree, without the
// modules in folders and without links, and with a license.
func TestZip(t *testing.T) {
	t.Parallel()
	dir, scratch := repository(t, written("deleted.go", "package lib\n")), t.TempDir()
	if err := os.Remove(filepath.Join(dir, "deleted.go")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("LICENSE", filepath.Join(dir, "link")); err == nil { // not everywhere allowed
		command(t, dir, nil, "git", "add", "link")
	}
	changes := tree{
		"lib.go":    []byte("package lib\n\nconst Name = \"changed\"\n"),
		"other.go":  []byte("package lib\n\nconst Untracked = true\n"),
		"trace.out": []byte("ignored\n"),
	}
	if err := changes.write(dir); err != nil {
		t.Fatal(err)
	}
	must(t, dir, "scratch", scratch)
	for m, want := range map[string]tree{
		lib: {".gitignore": nil, "CHANGELOG.md": nil, "LICENSE": []byte("do what you like\n"), "go.mod": nil, "go.work": nil,
			"lib.go": changes["lib.go"]},
		lib + "/store":      {"LICENSE": []byte("do what you like\n"), "go.mod": nil, "go.sum": nil, "store.go": nil},
		lib + "/store/disk": {"LICENSE": []byte("ask first\n"), "go.mod": nil, "go.sum": nil, "disk.go": nil},
	} {
		archive, err := zip.OpenReader(filepath.Join(scratch, "proxy", filepath.FromSlash(m), "@v", "v0.1.0.zip"))
		if err != nil {
			t.Fatal(err)
		}
		defer archive.Close()
		got := tree{}
		for _, f := range archive.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			name, ok := strings.CutPrefix(f.Name, m+"@v0.1.0/")
			if !ok {
				t.Errorf("%s: the zip holds %s", m, f.Name)
			}
			got[name] = content
		}
		if !slices.Equal(got.names(), want.names()) {
			t.Errorf("%s: the zip holds %q, want %q", m, got.names(), want.names())
		}
		for name, content := range want {
			if content != nil && !bytes.Equal(got[name], content) {
				t.Errorf("%s: the zip has %q in %s, want %q", m, got[name], name, content)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(scratch, "proxy", filepath.FromSlash(lib), "internal")); err == nil {
		t.Error("the proxy serves a tool of the repository")
	}
}

// TestSums holds the go.sum lines to what the go command itself computes: from the tags of the
// repository that git serves, and by go mod tidy, which would change nothing.
func TestSums(t *testing.T) {
	t.Parallel()
	dir, scratch := repository(t), t.TempDir()
	commands := must(t, dir, "set", "v0.1.0")
	commit(t, dir)
	for line := range strings.Lines(commands) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[1] == "tag" {
			command(t, dir, nil, "git", "tag", fields[2])
		}
	}
	env := append(outside(t, "direct"), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url."+fileURL(dir)+".insteadOf", "GIT_CONFIG_VALUE_0=https://"+lib)
	sums := map[string]bool{}
	for _, m := range []string{lib, lib + "/store", lib + "/store/disk"} {
		var got struct{ Sum, GoModSum string }
		if err := json.Unmarshal([]byte(command(t, t.TempDir(), env, "go", "mod", "download", "-json", m+"@v0.1.0")), &got); err != nil {
			t.Fatal(err)
		}
		sums[m+" v0.1.0 "+got.Sum+"\n"] = true
		sums[m+" v0.1.0/go.mod "+got.GoModSum+"\n"] = true
	}
	for file, lines := range map[string]int{"store/go.sum": 2, "store/disk/go.sum": 4, "internal/tool/go.sum": 2} {
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(text, []byte("\n")); n != lines {
			t.Errorf("%s has %d lines, want %d:\n%s", file, n, lines, text)
		}
		for line := range strings.Lines(string(text)) {
			if !sums[line] {
				t.Errorf("%s has the line %q, which the go command does not agree with: %q", file, line, slices.Collect(maps.Keys(sums)))
			}
		}
	}

	must(t, dir, "scratch", scratch)
	env = outside(t, fileURL(filepath.Join(scratch, "proxy")))
	for _, m := range strings.Fields(must(t, dir, "modules")) {
		command(t, filepath.Join(scratch, "tree", m), env, "go", "mod", "tidy", "-diff")
		command(t, filepath.Join(scratch, "tree", m), env, "go", "build", "./...")
	}
}

// TestRefused holds that nothing is made of modules that would fail their users.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		edit func(tree)
		want string
	}{
		"replace": {
			func(files tree) {
				files["store/go.mod"] = append(files["store/go.mod"], "\nreplace "+lib+" => ../\n"...)
			},
			"store/go.mod: it replaces " + lib},
		"replace of another module": {
			func(files tree) {
				files["go.mod"] = append(files["go.mod"], "\nreplace example.com/a => example.com/b v1.0.0\n"...)
			},
			"go.mod: it replaces example.com/a"},
		"missing requirement": {
			replaced("store/disk/disk.go", `"`+lib+`/store"`, `"`+lib+`/store"; import _ "`+lib+`/internal/tool"`),
			"store/disk/go.mod: it does not require " + lib + "/internal/tool"},
		"missing requirement of a test": {
			written("lib_test.go", "package lib\n\nimport _ \""+lib+"/store\"\n"),
			"go.mod: it does not require " + lib + "/store, although the module imports " + lib + "/store"},
		"no requirement": {
			replaced("store/go.mod", "require "+lib+" v0.1.0", ""),
			"store/go.mod: it does not require " + lib},
		"requirement of what is not published": {
			replaced("store/go.mod", "require "+lib, "require "+lib+"/internal/tool v0.1.0\n\nrequire "+lib),
			"store/go.mod: it requires " + lib + "/internal/tool, which is not published"},
		"two versions": {
			replaced("store/go.mod", "v0.1.0", "v0.0.9"),
			"different versions: v0.0.9 in store/go.mod, v0.1.0 in "},
		"another path": {
			replaced("store/go.mod", "module "+lib+"/store", "module "+lib+"/shop"),
			"store/go.mod: the module is called " + lib + "/shop; its folder asks for " + lib + "/store"},
		"a ring": {
			func(files tree) {
				files["go.mod"] = append(files["go.mod"], "\nrequire "+lib+"/store v0.1.0\n"...)
			},
			"requires itself"},
		"no module in the root": {
			func(files tree) { delete(files, "go.mod") },
			"no go.mod in the root"},
		"no Go": {
			written("store/store.go", "package"),
			"store/store.go:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, scratch := repository(t, tt.edit), t.TempDir()
			_, err := release(t, dir, "scratch", scratch)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("scratch: %v, want an error with %q", err, tt.want)
			}
			if made, err := os.ReadDir(scratch); err != nil || len(made) > 0 {
				t.Errorf("scratch wrote %v, %v", made, err)
			}
			if _, err := release(t, dir, "check", "v0.1.0"); err == nil && name != "two versions" {
				t.Error("check finds nothing")
			}
		})
	}
}

// TestSet holds what setting the next version changes and says, and that the workspace works with it
// before anything is published.
func TestSet(t *testing.T) {
	t.Parallel()
	dir := repository(t)
	out := must(t, dir, "set", "v0.2.0")
	want := `# The go.sum lines hold for exactly these files: change nothing before the tags.
git add go.work internal/tool/go.mod internal/tool/go.sum store/disk/go.mod store/disk/go.sum store/go.mod store/go.sum
git commit -m 'Release v0.2.0'
git tag v0.2.0
git tag store/v0.2.0
git tag store/disk/v0.2.0
git push --atomic origin HEAD v0.2.0 store/v0.2.0 store/disk/v0.2.0
`
	if out != want {
		t.Errorf("set prints\n%s\nwant\n%s", out, want)
	}
	for file, want := range map[string]string{
		"go.work": "go 1.26.0\n\nuse (\n\t.\n\t./internal/tool\n\t./store\n\t./store/disk\n)\n\n" +
			"replace (\n\t" + lib + " v0.2.0 => ./\n\t" + lib + "/store v0.2.0 => ./store\n)\n",
		"store/disk/go.mod": "module " + lib + "/store/disk\n\ngo 1.26.0\n\nrequire " + lib + "/store v0.2.0\n\n" +
			"require " + lib + " v0.2.0 // indirect\n",
	} {
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(file)))
		if err != nil || string(text) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", file, err, text, want)
		}
	}
	env := outside(t, "off")
	command(t, dir, append(env, "GOWORK="+filepath.Join(dir, "go.work")), "go", "vet", "work")

	commit(t, dir)
	if again := must(t, dir, "set", "v0.2.0"); strings.Contains(again, "commit") || command(t, dir, nil, "git", "status", "--porcelain") != "" {
		t.Errorf("set the same version again, it prints\n%s", again)
	}
	must(t, dir, "set", "v0.3.0")
	text, err := os.ReadFile(filepath.Join(dir, "store", "disk", "go.sum"))
	if err != nil || bytes.Contains(text, []byte("v0.2.0")) || bytes.Count(text, []byte("v0.3.0")) != 4 {
		t.Errorf("go.sum, one version later: %v\n%s", err, text)
	}
}

// TestSumsOfOthers holds that go.sum keeps the lines of other modules, in the order of the go command.
func TestSumsOfOthers(t *testing.T) {
	t.Parallel()
	dir := repository(t, written("store/go.sum",
		"github.com/a/a v1.10.0/go.mod h1:a\n"+lib+" v0.0.1 h1:old\n"+lib+" v0.0.1/go.mod h1:old\n"+
			lib+"x v1.9.0 h1:x\n"+lib+"x v1.9.0/go.mod h1:x\n"+lib+"x v1.10.0/go.mod h1:x\n"))
	must(t, dir, "set", "v0.1.0")
	text, err := os.ReadFile(filepath.Join(dir, "store", "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		got = append(got, fields[0]+" "+fields[1])
	}
	want := []string{"github.com/a/a v1.10.0/go.mod", lib + " v0.1.0", lib + " v0.1.0/go.mod",
		lib + "x v1.9.0", lib + "x v1.9.0/go.mod", lib + "x v1.10.0/go.mod"}
	if !slices.Equal(got, want) {
		t.Errorf("go.sum has lines of %q, want %q", got, want)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		version string
		edit    func(tree)
		after   func(t *testing.T, dir string)
		want    string // "" for a repository that can be released
	}{
		"all well":       {version: "v0.1.0"},
		"another commit": {version: "v0.1.0", after: func(t *testing.T, dir string) { command(t, dir, nil, "git", "tag", "v0.0.9") }},
		"no version":     {version: "0.1.0", want: `version "0.1.0": want the form v0.1.0`},
		"short":          {version: "v0.1", want: `version "v0.1": want the form`},
		"build metadata": {version: "v0.1.0+a", want: `version "v0.1.0+a": want the form`},
		"major":          {version: "v2.0.0", want: "module paths end in the major version"},
		"untracked file": {version: "v0.1.0", want: "not clean:\n?? new.go", after: func(t *testing.T, dir string) {
			if err := (tree{"new.go": nil}).write(dir); err != nil {
				t.Fatal(err)
			}
		}},
		"changed file": {version: "v0.1.0", want: "not clean:\n M lib.go", after: func(t *testing.T, dir string) {
			if err := (tree{"lib.go": []byte("package lib\n")}).write(dir); err != nil {
				t.Fatal(err)
			}
		}},
		"no section":   {version: "v0.2.0", want: "CHANGELOG.md has no section of v0.2.0"},
		"no date":      {version: "v0.0.1", want: "the section of v0.0.1 has no date"},
		"no entries":   {version: "v0.1.0", want: "the section of v0.1.0 is empty", edit: replaced("CHANGELOG.md", "- All of it.\n", "")},
		"no changelog": {version: "v0.1.0", want: "has no section", edit: func(files tree) { delete(files, "CHANGELOG.md") }},
		"tag": {version: "v0.1.0", want: "tags exist: store/v0.1.0", after: func(t *testing.T, dir string) {
			command(t, dir, nil, "git", "tag", "store/v0.1.0")
		}},
		"modules": {version: "v0.1.0", want: "it replaces", edit: func(files tree) {
			files["store/go.mod"] = append(files["store/go.mod"], "\nreplace "+lib+" => ../\n"...)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var edits []func(tree)
			if tt.edit != nil {
				edits = append(edits, tt.edit)
			}
			dir := repository(t, edits...)
			if tt.after != nil {
				tt.after(t, dir)
			}
			_, err := release(t, dir, "check", tt.version)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("check %s: %v, want %q", tt.version, err, tt.want)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	dir := repository(t)
	for _, args := range [][]string{{}, {"modules", "x"}, {"scratch"}, {"check"}, {"set"}, {"other", "x"}} {
		if _, err := release(t, dir, args...); err == nil || !strings.HasPrefix(err.Error(), "usage: ") {
			t.Errorf("%q: %v, want the usage", args, err)
		}
	}
	if _, err := release(t, t.TempDir(), "modules"); err == nil {
		t.Error("a folder that is no repository is accepted")
	}
}

// TestThisRepository holds that this repository can be released at the version that its modules
// require of each other.
func TestThisRepository(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	must(t, root, "scratch", t.TempDir())
	if modules := strings.Fields(must(t, root, "modules")); modules[0] != "." || !slices.Contains(modules, "internal/release") {
		t.Errorf("modules prints %q", modules)
	}
}
