package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Bounds of the root package: what a reader can take in.
const (
	maxRootFiles = 20
	maxRootLines = 2000 // neither blank nor comment alone
)

// rootFiles parses the files of the root package that are not tests.
func rootFiles(t *testing.T) (*token.FileSet, []*ast.File) {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return fset, files
}

func TestRootIsSmall(t *testing.T) {
	t.Parallel()
	fset, files := rootFiles(t)
	if len(files) > maxRootFiles {
		t.Errorf("the root has %d files, want at most %d: what could be a package of its own?", len(files), maxRootFiles)
	}
	lines := 0
	for _, file := range files {
		text, err := os.ReadFile(fset.Position(file.Package).Filename)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
				lines++
			}
		}
	}
	if lines > maxRootLines {
		t.Errorf("the root has %d lines of code, want at most %d: what could be a package of its own?", lines, maxRootLines)
	}
	t.Logf("%d files, %d lines of code", len(files), lines)
}

// TestRootHasNoRing holds that the files of the root can be read one after the other: no file uses a
// declaration of a file that uses, directly or through others, a declaration of its own.
func TestRootHasNoRing(t *testing.T) {
	t.Parallel()
	fset, files := rootFiles(t)
	if ring := ringOf(uses(fset, files)); ring != nil {
		t.Errorf("files of the root use each other in a ring: %s", strings.Join(ring, " -> "))
	}
}

func TestRingIsFound(t *testing.T) {
	t.Parallel()
	parse := func(texts ...string) (*token.FileSet, []*ast.File) {
		fset := token.NewFileSet()
		var files []*ast.File
		for i, text := range texts {
			file, err := parser.ParseFile(fset, string(rune('a'+i))+".go", "package p\n"+text, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
		return fset, files
	}
	for name, row := range map[string]struct {
		texts []string
		want  string
	}{
		"functions in a row":   {[]string{"func f() { g() }", "func g() { h() }", "func h() {}"}, ""},
		"functions in a ring":  {[]string{"func f() { g() }", "func g() { h() }", "func h() { f() }"}, "a.go -> b.go -> c.go -> a.go"},
		"a method and a type":  {[]string{"type t struct{}", "func (t) m() {}"}, ""},
		"a method and its use": {[]string{"type t struct{}\nfunc f(x t) { x.m() }", "func (t) m() {}"}, "a.go -> b.go -> a.go"},
		"a field's type":       {[]string{"type t struct{ x u }", "type u struct{ y *t }"}, "a.go -> b.go -> a.go"},
	} {
		if got := strings.Join(ringOf(uses(parse(row.texts...))), " -> "); got != row.want {
			t.Errorf("%s: %q, want %q", name, got, row.want)
		}
	}
}

// uses returns the other files whose declarations each file uses.
func uses(fset *token.FileSet, files []*ast.File) map[string]map[string]bool {
	// What is imported is left out: declarations of the package itself are found all the same.
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	checker := types.Config{Error: func(error) {}, FakeImportC: true}
	pkg, _ := checker.Check("root", fset, files, info)
	used := map[string]map[string]bool{}
	for id, object := range info.Uses {
		if object.Pkg() != pkg || !object.Pos().IsValid() {
			continue
		}
		from, to := fset.Position(id.Pos()).Filename, fset.Position(object.Pos()).Filename
		if from == to {
			continue
		}
		if used[from] == nil {
			used[from] = map[string]bool{}
		}
		used[from][to] = true
	}
	return used
}

// ringOf returns files that use each other in a ring, the first once more at the end, or nil.
func ringOf(used map[string]map[string]bool) []string {
	done := map[string]bool{}
	var visit func(file string, way []string) []string
	visit = func(file string, way []string) []string {
		if i := slices.Index(way, file); i >= 0 {
			return append(slices.Clone(way[i:]), file)
		}
		if done[file] {
			return nil
		}
		for _, next := range slices.Sorted(maps.Keys(used[file])) {
			if ring := visit(next, append(slices.Clone(way), file)); ring != nil {
				return ring
			}
		}
		done[file] = true
		return nil
	}
	for _, file := range slices.Sorted(maps.Keys(used)) {
		if ring := visit(file, nil); ring != nil {
			return ring
		}
	}
	return nil
}
