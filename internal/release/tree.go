package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
)

// tree holds the content of each file by its path, which has slashes and starts at the root of the
// repository.
type tree map[string][]byte

// readTree reads the files that git tracks. Changes that are not committed count; a file that git
// does not know, or a link, does not.
func readTree(dir string) (tree, error) {
	list, err := git(dir, "ls-files", "-z")
	if err != nil {
		return nil, err
	}
	files := tree{}
	for name := range strings.SplitSeq(list, "\x00") {
		if name == "" {
			continue
		}
		file := filepath.Join(dir, filepath.FromSlash(name))
		info, err := os.Lstat(file)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		if err != nil {
			return nil, err
		}
		if files[name], err = os.ReadFile(file); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// git runs git in a folder and returns what it prints.
func git(dir string, args ...string) (string, error) {
	var stderr bytes.Buffer
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stderr = dir, &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w\n%s", args[0], err, &stderr)
	}
	return string(out), nil
}

// write writes all files below dir.
func (files tree) write(dir string) error {
	for name, content := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// names returns the paths of all files, sorted.
func (files tree) names() []string { return slices.Sorted(maps.Keys(files)) }

// below returns the files below a folder by their paths from there, without those of modules in
// folders of it.
func (files tree) below(dir string) tree {
	found := tree{}
	for name, content := range files {
		if rest, ok := cutFolder(name, dir); ok && files.folderOfModule(path.Dir(name)) == dir {
			found[rest] = content
		}
	}
	return found
}

// cutFolder returns the path of a file from dir, and whether the file is below dir.
func cutFolder(name, dir string) (string, bool) {
	if dir == "." {
		return name, true
	}
	return strings.CutPrefix(name, dir+"/")
}

// folderOfModule returns the folder of the go.mod that holds for a folder.
func (files tree) folderOfModule(dir string) string {
	for dir != "." {
		if _, ok := files[path.Join(dir, "go.mod")]; ok {
			break
		}
		dir = path.Dir(dir)
	}
	return dir
}

// module is one module of the repository.
type module struct {
	dir  string // "." for the root module
	file *modfile.File
}

func (m module) path() string { return m.file.Module.Mod.Path }

// published reports whether a module is tagged: all are, but for the repository's own tools.
func (m module) published() bool { return !slices.Contains(strings.Split(m.dir, "/"), "internal") }

// requires returns the versions at which m requires modules of ours, by their paths.
func (m module) requires(ours map[string]module) map[string]string {
	found := map[string]string{}
	for _, r := range m.file.Require {
		if _, ok := ours[r.Mod.Path]; ok {
			found[r.Mod.Path] = r.Mod.Version
		}
	}
	return found
}

// modules returns every module, each after all that it requires, and the root's as early as can be.
func (files tree) modules() ([]module, error) {
	var found []module
	ours := map[string]module{}
	for _, name := range files.names() {
		if path.Base(name) != "go.mod" {
			continue
		}
		file, err := modfile.Parse(name, files[name], nil)
		if err != nil {
			return nil, err
		}
		if file.Module == nil {
			return nil, fmt.Errorf("%s names no module", name)
		}
		m := module{dir: path.Dir(name), file: file}
		found, ours[m.path()] = append(found, m), m
	}
	root := slices.IndexFunc(found, func(m module) bool { return m.dir == "." })
	if root < 0 {
		return nil, errors.New("there is no go.mod in the root of the repository")
	}
	found = slices.Insert(found, 0, found[root])

	var ordered []module
	const started, done = 1, 2
	state := map[string]int{}
	var visit func(m module) error
	visit = func(m module) error {
		switch state[m.path()] {
		case started:
			return fmt.Errorf("%s requires itself by way of others: no order to release them in", m.path())
		case done:
			return nil
		}
		state[m.path()] = started
		for _, required := range slices.Sorted(maps.Keys(m.requires(ours))) {
			if err := visit(ours[required]); err != nil {
				return err
			}
		}
		state[m.path()] = done
		ordered = append(ordered, m)
		return nil
	}
	for _, m := range found {
		if err := visit(m); err != nil {
			return nil, err
		}
	}
	return ordered, nil
}

// required returns the one version at which modules require each other.
func (files tree) required() (string, error) {
	modules, err := files.modules()
	if err != nil {
		return "", err
	}
	ours := byPath(modules)
	versions := map[string]string{} // version: a go.mod that requires it
	for _, m := range modules {
		for _, version := range m.requires(ours) {
			versions[version] = path.Join(m.dir, "go.mod")
		}
	}
	switch found := slices.Sorted(maps.Keys(versions)); len(found) {
	case 0:
		return "", errors.New("no module requires another: which version is to come?")
	case 1:
		return found[0], nil
	default:
		return "", fmt.Errorf("modules require each other at different versions: %s in %s, %s in %s",
			found[0], versions[found[0]], found[1], versions[found[1]])
	}
}

func byPath(modules []module) map[string]module {
	ours := map[string]module{}
	for _, m := range modules {
		ours[m.path()] = m
	}
	return ours
}

// tags returns the tag of each published module, the root's first.
func (files tree) tags(version string) ([]string, error) {
	modules, err := files.modules()
	if err != nil {
		return nil, err
	}
	var tags []string
	for _, m := range modules {
		if m.published() {
			tags = append(tags, path.Join(m.dir, version))
		}
	}
	return tags, nil
}

// faults returns everything that keeps the modules from working outside the repository.
func (files tree) faults(modules []module) error {
	ours := byPath(modules)
	var root string
	for _, m := range modules {
		if m.dir == "." {
			root = m.path()
		}
	}
	var all []error
	for _, m := range modules {
		name := path.Join(m.dir, "go.mod")
		report := func(format string, args ...any) {
			all = append(all, fmt.Errorf(name+": "+format, args...))
		}
		if want := path.Join(root, m.dir); m.path() != want {
			report("the module is called %s; its folder asks for %s", m.path(), want)
		}
		for _, r := range m.file.Replace {
			report("it replaces %s; go commands elsewhere ignore that, so require a version and leave replacements to go.work", r.Old.Path)
		}
		requires := m.requires(ours)
		for required := range requires {
			if m.published() && !ours[required].published() {
				report("it requires %s, which is not published", required)
			}
		}
		imported, err := files.imports(m)
		if err != nil {
			all = append(all, err)
			continue
		}
		for _, pkg := range imported {
			if owner := moduleOf(pkg, ours); owner != "" && owner != m.path() && requires[owner] == "" {
				report("it does not require %s, although the module imports %s", owner, pkg)
			}
		}
	}
	return errors.Join(all...)
}

// moduleOf returns which module of ours holds a package, or "" if none does.
func moduleOf(pkg string, ours map[string]module) string {
	for ; pkg != "." && pkg != "/"; pkg = path.Dir(pkg) {
		if _, ok := ours[pkg]; ok {
			return pkg
		}
	}
	return ""
}

// imports returns all that the packages and tests of a module import, sorted.
func (files tree) imports(m module) ([]string, error) {
	found := map[string]bool{}
	for name, content := range files.below(m.dir) {
		if path.Ext(name) != ".go" || slices.ContainsFunc(strings.Split(name, "/"), ignored) {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path.Join(m.dir, name), content, parser.ImportsOnly)
		if err != nil {
			return nil, err
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return nil, err
			}
			found[imported] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// ignored reports whether the go command leaves out a file or folder of this name.
func ignored(name string) bool {
	return name == "testdata" || strings.HasPrefix(name, "_") || strings.HasPrefix(name, ".")
}
