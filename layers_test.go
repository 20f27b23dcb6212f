package auth_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testenv"
)

const module = "github.com/seed-e36e2130/auth"

// jwx is in two parts so that a text search for its importers finds importers.
const jwx = "github.com/lestrrat" + "-go/jwx"

// guarded are the packages of the standard library that a room imports only
// where its row says so.
var guarded = []string{
	"database/sql/...", "log", "math/rand/...", "net/...", "os/...", "plugin", "reflect", "syscall", "testing/...", "unsafe",
}

// room is one row of the table of rooms: which files, and what those may know
// besides the unguarded packages of the standard library.
type room struct {
	files []string // slash paths, as [path.Match] takes them; "a/..." is every file below a
	may   []string // import paths; "a/..." is a and all below it; "~" is this module's path
	free  bool     // programs: whatever is public
}

// rooms is the table, which CONTRIBUTING.md shows; the first row that matches a
// file is its room. Arrows never turn back: a row names only what stands further
// in.
var rooms = []room{
	// The root package, file by file.
	{files: []string{"hasher*.go", "bcrypt.go", "argon2id.go", "pepper.go", "calibrate.go", "limit.go"}, may: []string{"~/internal/phc", "golang.org/x/crypto/..."}},
	{files: []string{"password.go"}, may: []string{"~/internal/commonpasswords"}},
	{files: []string{"username*.go"}, may: []string{"golang.org/x/text/..."}},
	{files: []string{"token.go", "claims*.go", "principal.go", "jwt*.go"}, may: []string{"~/internal/jose", "~/internal/strictjson"}},
	{files: []string{"decode.go"}, may: []string{"~/internal/strictjson", "reflect"}},
	{files: []string{"key*.go"}, may: []string{"~/internal/jose", "os"}},
	{files: []string{"refreshtoken.go"}, may: []string{"~/internal/jose"}},
	{files: []string{"session.go"}, may: []string{"net/netip"}},
	{files: []string{"jwkset.go"}, may: []string{"~/internal/jose", "net/http"}},
	{files: []string{"middleware.go", "extract.go", "challenge.go"}, may: []string{"~/internal/origin", "~/internal/problem", "net", "net/http", "net/url"}},
	{files: []string{"*.go"}},

	// The rooms within.
	{files: []string{"internal/jose/..."}, may: []string{"~/internal/strictjson", jwx + "/v2/...", "golang.org/x/crypto/cryptobyte/..."}},
	{files: []string{"internal/problem/..."}, may: []string{"net/http"}},
	{files: []string{"internal/origin/..."}, may: []string{"net/http", "net/url"}},
	{files: []string{"internal/strictjson/...", "internal/phc/...", "internal/commonpasswords/..."}},
	{files: []string{"internal/testenv/..."}, may: []string{"os", "os/exec", "testing"}},

	// The public packages around the root.
	{files: []string{"authhttp/..."}, may: []string{"~", "~/recovery", "~/internal/origin", "~/internal/problem", "~/internal/strictjson", "net/http", "net/netip", "net/url"}},
	{files: []string{"jwks/..."}, may: []string{"~", "~/internal/jose", "~/internal/strictjson", "net", "net/http", "net/url"}},
	{files: []string{"pwned/..."}, may: []string{"~", "net", "net/http", "net/url"}},
	{files: []string{"revocation/..."}, may: []string{"~"}},
	{files: []string{"throttle/..."}, may: []string{"~", "net/netip"}},
	{files: []string{"legacyhash/..."}, may: []string{"~", "~/internal/phc", "golang.org/x/crypto/...", "golang.org/x/text/..."}},
	{files: []string{"recovery/recoverytest/..."}, may: []string{"~", "~/recovery", "testing/..."}},
	{files: []string{"recovery/..."}, may: []string{"~", "net/netip", "net/url"}},
	{files: []string{"authtest/..."}, may: []string{"~", "math/rand/v2", "net/netip", "testing/..."}},

	// The modules beside it. Drivers and frameworks stop here.
	{files: []string{"totp/..."}, may: []string{"~", "github.com/pquerna/otp/..."}},
	{files: []string{"sqlstore/sqlite/..."}, may: []string{"~", "~/sqlstore", "database/sql/...", "modernc.org/sqlite/...", "net/url", "os"}},
	{files: []string{"sqlstore/pglisten/..."}, may: []string{"~", "github.com/jackc/pgx/v5/..."}},
	{files: []string{"sqlstore/..."}, may: []string{"~", "database/sql/...", "net/netip"}},
	{files: []string{"redisstore/..."}, may: []string{"~", "github.com/redis/go-redis/v9/...", "net/netip"}},
	{files: []string{"smtpnotify/..."}, may: []string{"~", "~/recovery", "github.com/wneessen/go-mail", "net/mail", "net/netip"}},
	{files: []string{"examples/...", "bench/...", "internal/release/..."}, free: true},
}

// inner are the packages that a module beside the root never imports.
const inner = module + "/internal/"

// source is one Go file of the repository.
type source struct {
	path    string // with slashes, from the root of the repository
	module  string // the folder of its go.mod: "." for the root module
	imports []string
}

func TestLayers(t *testing.T) {
	t.Parallel()
	for _, src := range sources(t) {
		if strings.HasSuffix(src.path, "_test.go") {
			continue
		}
		row := roomOf(src.path)
		if row == nil {
			t.Errorf("%s stands in no room: add a row", src.path)
			continue
		}
		for _, imported := range src.imports {
			if !row.allows(imported) {
				t.Errorf("%s imports %s: its room may not know it", src.path, imported)
			}
			if src.module != "." && strings.HasPrefix(imported, inner) {
				t.Errorf("%s imports %s: a module of its own uses what is public", src.path, imported)
			}
		}
	}
}

// TestLayersOfTests keeps other modules out of the graph of whoever imports the
// root: what its tests need, its users download. Tests use the standard library,
// and what the code in their own folder uses, as a counterpart to hold it against.
func TestLayersOfTests(t *testing.T) {
	t.Parallel()
	all, used := sources(t), map[string]bool{}
	for _, src := range all {
		if !strings.HasSuffix(src.path, "_test.go") {
			for _, imported := range src.imports {
				used[path.Dir(src.path)+" "+imported] = true
			}
		}
	}
	for _, src := range all {
		if src.module != "." || !strings.HasSuffix(src.path, "_test.go") {
			continue
		}
		for _, imported := range src.imports {
			if !standard(imported) && !within(imported, module) && !used[path.Dir(src.path)+" "+imported] {
				t.Errorf("%s imports %s, which the code it tests does not", src.path, imported)
			}
		}
	}
}

// TestSeam holds that moving to another JOSE library changes one file.
func TestSeam(t *testing.T) {
	t.Parallel()
	var importers []string
	for _, src := range sources(t) {
		if strings.HasPrefix(src.path, "bench/") {
			continue // it measures that library beside ours
		}
		if slices.ContainsFunc(src.imports, func(p string) bool { return within(p, jwx) }) {
			importers = append(importers, src.path)
		}
	}
	if len(importers) != 1 || path.Dir(importers[0]) != "internal/jose" {
		t.Errorf("%s is imported by %q, want exactly one file of internal/jose", jwx, importers)
	}
}

// TestRooms holds that each row still speaks of a file.
func TestRooms(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, src := range sources(t) {
		if row := roomOf(src.path); row != nil {
			for _, pattern := range row.files {
				used[pattern] = used[pattern] || matches(pattern, src.path)
			}
		}
	}
	for _, row := range rooms {
		for _, pattern := range row.files {
			if !used[pattern] {
				t.Errorf("the row of %s matches no file: remove it", pattern)
			}
		}
	}
}

func TestRoomRules(t *testing.T) {
	t.Parallel()
	rows := []struct {
		file, imported string
		want           bool
	}{
		{"auth.go", "context", true},
		{"auth.go", "net/http", false},
		{"auth.go", "net/url", false},
		{"auth.go", "database/sql", false},
		{"auth.go", module + "/internal/jose", false},
		{"auth.go", "golang.org/x/crypto/bcrypt", false},
		{"brand_new.go", "net/http", false},
		{"middleware.go", "net/http", true},
		{"middleware.go", "net/http/httputil", false},
		{"middleware.go", module + "/internal/jose", false},
		{"hasher.go", "golang.org/x/crypto/bcrypt", true},
		{"hasher.go", "golang.org/x/cryptography", false},
		{"jwt.go", module + "/internal/jose", true},
		{"jwt.go", jwx + "/v2/jwt", false},
		{"jwt.go", "math/rand/v2", false},
		{"jwt.go", "unsafe", false},
		{"internal/jose/jwx.go", jwx + "/v2/jws", true},
		{"internal/jose/jwx.go", jwx + "/v3/jws", false},
		{"internal/jose/jwx.go", module, false},
		{"internal/strictjson/scan.go", module + "/internal/jose", false},
		{"authtest/store.go", module, true},
		{"authtest/store.go", module + "/sqlstore", false},
		{"sqlstore/sqlstore.go", "database/sql/driver", true},
		{"sqlstore/sqlstore.go", "modernc.org/sqlite", false},
		{"sqlstore/sqlstore.go", "net/http", false},
		{"sqlstore/sqlite/sqlite.go", "modernc.org/sqlite", true},
		{"sqlstore/sqlite/sqlite.go", "github.com/jackc/pgx/v5", false},
		{"examples/quickstart/main.go", "modernc.org/sqlite", true},
	}
	for _, row := range rows {
		if got := roomOf(row.file).allows(row.imported); got != row.want {
			t.Errorf("%s may import %s: %t, want %t", row.file, row.imported, got, row.want)
		}
	}
}

func roomOf(file string) *room {
	for i := range rooms {
		if slices.ContainsFunc(rooms[i].files, func(pattern string) bool { return matches(pattern, file) }) {
			return &rooms[i]
		}
	}
	return nil
}

func matches(pattern, file string) bool {
	if root, ok := strings.CutSuffix(pattern, "/..."); ok {
		return within(file, root)
	}
	ok, _ := path.Match(pattern, file)
	return ok
}

func (r *room) allows(imported string) bool {
	of := func(pattern string) bool {
		if rest, ok := strings.CutPrefix(pattern, "~"); ok {
			pattern = module + rest
		}
		root, all := strings.CutSuffix(pattern, "/...")
		return imported == root || all && within(imported, root)
	}
	return r.free || slices.ContainsFunc(r.may, of) || standard(imported) && !slices.ContainsFunc(guarded, of)
}

// within reports whether a path with slashes is root or below it.
func within(p, root string) bool { return p == root || strings.HasPrefix(p, root+"/") }

// standard reports whether an import path is the standard library's, whose first
// element alone has no dot.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// sources returns every Go file of every module.
func sources(t *testing.T) []source {
	t.Helper()
	var found []source
	walk(t, func(file string) {
		if !strings.HasSuffix(file, ".go") {
			return
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(file), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		src := source{path: file, module: moduleOf(path.Dir(file))}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			src.imports = append(src.imports, imported)
		}
		found = append(found, src)
	})
	return found
}

// moduleOf returns the folder of the go.mod that a folder belongs to.
func moduleOf(dir string) string {
	for dir != "." {
		if _, err := os.Stat(filepath.Join(filepath.FromSlash(dir), "go.mod")); err == nil {
			break
		}
		dir = path.Dir(dir)
	}
	return dir
}

// walk calls f with every file of the repository but the hidden, by its path with
// slashes.
func walk(t *testing.T, f func(file string)) {
	t.Helper()
	testenv.Checkout(t) // nothing else has every module
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if base := entry.Name(); name != "." && (base[0] == '.' && base != ".ci" || base == "node_modules" || base == "data") {
				return fs.SkipDir
			}
			return nil
		}
		if entry.Name() == ".git" {
			return nil // a worktree's pointer
		}
		f(filepath.ToSlash(name))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
