package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testenv"
)

// exported returns the exported names of each public package of the repository, by the
// package's name; members of structs and interfaces, and methods, as Type.Member.
func exported(t *testing.T) map[string]map[string]bool {
	t.Helper()
	root := testenv.Checkout(t)
	all := map[string]map[string]bool{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || name == "internal" || name == "examples" || name == "bench" || name == "testdata" || name == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		names := all[file.Name.Name]
		if names == nil {
			names = map[string]bool{}
			all[file.Name.Name] = names
		}
		for _, decl := range file.Decls {
			addNames(names, decl)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func addNames(names map[string]bool, decl ast.Decl) {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Recv == nil {
			names[decl.Name.Name] = true
			return
		}
		of := decl.Recv.List[0].Type
		if pointer, ok := of.(*ast.StarExpr); ok {
			of = pointer.X
		}
		if of, ok := of.(*ast.Ident); ok {
			names[of.Name+"."+decl.Name.Name] = true
		}
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					names[name.Name] = true
				}
			case *ast.TypeSpec:
				names[spec.Name.Name] = true
				addMembers(names, spec)
			}
		}
	}
}

func addMembers(names map[string]bool, spec *ast.TypeSpec) {
	var members *ast.FieldList
	switch of := spec.Type.(type) {
	case *ast.StructType:
		members = of.Fields
	case *ast.InterfaceType:
		members = of.Methods
	default:
		return
	}
	for _, member := range members.List {
		for _, name := range member.Names {
			names[spec.Name.Name+"."+name.Name] = true
		}
	}
}

// TestNames checks that whatever a document calls package.Name or package.Type.Member
// is exported by the package of that name, if the repository has one.
func TestNames(t *testing.T) {
	t.Parallel()
	packages := exported(t)
	mention := regexp.MustCompile(`\b([a-z]+)\.([A-Z]\w*)(\.[A-Z]\w*)?`)
	for document, text := range documents(t) {
		if strings.HasPrefix(document, "docs/decisions/") {
			continue // they speak of the past, too
		}
		for _, m := range mention.FindAllStringSubmatch(text, -1) {
			if names, ours := packages[m[1]]; ours && (!names[m[2]] || m[3] != "" && !names[m[2]+m[3]]) {
				t.Errorf("%s speaks of %s, which does not exist", document, m[0])
			}
		}
	}
}
