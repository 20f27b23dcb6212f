package house_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
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

// below are the packages that the root is composed of, and that everything on the root may import, beside
// assignment.
var below = []string{"~/cfgerr", "~/jwt", "~/passwords", "~/record", "~/secrets", "~/session"}

// onRoot returns what a package on the root may import: the root, what stands below it, and more.
func onRoot(more ...string) []string {
	return slices.Concat([]string{"~", "~/assignment"}, below, more)
}

// room is one row of the table of packages: what the package may import beside the standard library
// that is not guarded. docs/architecture.md shows the same table.
type room struct {
	name string   // folder, with slashes; "auth" is the root; a row also holds for the folders below it that have none
	may  []string // import paths; "a/..." is a and all below it; "~" stands for the path of this module
	std  []string // guarded packages of the standard library
	free bool     // programs: whatever is public
}

var rooms = []room{
	// Below the root.
	{name: "cfgerr"},
	{name: "internal/clock"},
	{name: "internal/strictjson"},
	{name: "internal/phc"},
	{name: "internal/commonpasswords"},
	{name: "internal/cookies", std: []string{"net/http"}},
	{name: "internal/freshness", std: []string{"net/http"}},
	{name: "internal/origin", std: []string{"net", "net/http", "net/netip", "net/url"}},
	{name: "internal/extract", may: []string{"~/internal/cookies", "~/internal/problem"}, std: []string{"net/http"}},
	{name: "internal/problem", std: []string{"net/http"}},
	{name: "internal/usernames", may: []string{"golang.org/x/text/..."}},
	{name: "internal/jose", may: []string{"~/internal/strictjson", jwx + "/v2/...", "golang.org/x/crypto/..."}},
	{name: "internal/keyfile", may: []string{"~/cfgerr", "~/internal/jose"}, std: []string{"os", "syscall"}},
	{name: "secrets", may: []string{"~/cfgerr", "~/internal/jose", "~/internal/keyfile"}},
	{name: "internal/jwkset", may: []string{"~/internal/jose", "~/internal/strictjson", "~/jwt"}},
	{name: "jwt", may: []string{"~/cfgerr", "~/internal/clock", "~/internal/jose", "~/internal/keyfile", "~/internal/origin", "~/internal/strictjson"}, std: []string{"net/http", "reflect"}},
	{name: "internal/scopes", may: []string{"~/jwt"}},
	{name: "passwords", may: []string{"~/cfgerr", "~/secrets", "~/internal/phc", "~/internal/commonpasswords", "golang.org/x/crypto/...", "golang.org/x/text/..."}},
	{name: "record"},
	{name: "internal/detach", may: []string{"~/passwords", "~/session"}},
	{name: "assignment", may: []string{"~/session"}},
	{name: "session", may: []string{"~/cfgerr", "~/secrets", "~/internal/clock"}, std: []string{"net/netip"}},

	// The root.
	{name: "auth", may: slices.Concat(below, []string{"~/internal/clock", "~/internal/cookies", "~/internal/detach", "~/internal/extract", "~/internal/origin", "~/internal/problem", "~/internal/scopes", "~/internal/usernames"}), std: []string{"net", "net/http", "net/url"}},

	// On the root, in its module.
	{name: "apikey", may: onRoot("~/internal/clock", "~/internal/detach"), std: []string{"net/http", "net/textproto"}},
	{name: "memstore", may: onRoot("~/internal/clock")},
	{name: "authhttp", may: onRoot("~/apikey", "~/recovery", "~/internal/cookies", "~/internal/detach", "~/internal/origin", "~/internal/problem", "~/internal/strictjson"), std: []string{"net/http", "net/netip", "net/url"}},
	{name: "authui", may: onRoot("~/authhttp", "~/oauth", "golang.org/x/text/..."), std: []string{"net/http", "net/url"}},
	{name: "jwks", may: onRoot("~/internal/freshness", "~/internal/jose", "~/internal/jwkset", "~/internal/origin", "~/internal/strictjson"), std: []string{"net", "net/http", "net/url"}},
	{name: "oauth/internal/assertion", may: onRoot("~/internal/jose", "~/internal/jwkset")},
	{name: "oauth/internal/fetch", may: []string{"~/cfgerr", "~/internal/freshness", "~/passwords"}, std: []string{"net", "net/http", "net/netip", "net/url"}},
	{name: "oauth/internal/metadata", may: []string{"~/internal/jwkset", "~/internal/strictjson", "~/jwt", "~/oauth/internal/redirect"}},
	{name: "oauth/internal/redirect", std: []string{"net/netip", "net/url"}},
	{name: "legacyhash", may: onRoot("~/internal/phc", "golang.org/x/crypto/...", "golang.org/x/text/...")},
	{name: "pwned", may: onRoot("~/internal/origin"), std: []string{"net", "net/http", "net/url"}},
	{name: "recovery", may: onRoot("~/internal/clock", "~/internal/detach", "~/internal/origin"), std: []string{"math/rand/v2", "net/netip", "net/url"}},
	{name: "recovery/recoverytest", may: onRoot("~/recovery"), std: []string{"testing"}},
	{name: "revocation", may: onRoot()},
	{name: "stream", may: onRoot("~/internal/detach"), std: []string{"net/http", "net/url"}},
	{name: "throttle", may: onRoot("~/internal/clock"), std: []string{"net/netip"}},
	{name: "authkit", may: onRoot("~/apikey", "~/authhttp", "~/authui", "~/memstore", "~/oauth", "~/recovery", "~/revocation", "~/roles", "~/stream", "~/throttle", "~/internal/origin"), std: []string{"net/http", "net/netip", "net/url", "os"}},
	{name: "authtest", may: onRoot("~/memstore", "~/recovery"), std: []string{"math/rand/v2", "net", "net/http", "net/http/httptest", "net/netip", "net/url", "testing", "testing/synctest"}},
	{name: "oauth", may: onRoot("~/oauth/internal/...", "~/internal/detach", "~/internal/jwkset", "~/internal/origin", "~/internal/problem"), std: []string{"net/http", "net/netip", "net/url"}},
	{name: "roles", may: onRoot("~/revocation", "~/internal/clock", "~/internal/detach"), std: []string{"net/http"}},
	{name: "roles/rolestest", may: onRoot(), std: []string{"testing"}},
	{name: "oauth/internal/places", may: []string{"~/secrets"}, std: []string{"net/netip"}},
	{name: "oauth/internal/places/judge", may: []string{"~/oauth/internal/places", "~/secrets"}, std: []string{"net/netip", "os"}},
	{name: "internal/testenv", std: []string{"os", "os/exec", "testing"}},
	{name: "internal/testkit", may: onRoot("~/memstore", "golang.org/x/crypto/..."), std: []string{"os", "testing", "testing/synctest"}},
	{name: "internal/house"},

	// Modules of their own. Drivers and frameworks stop here.
	{name: "totp", may: onRoot("github.com/pquerna/otp/...")},
	{name: "sqlstore", may: onRoot(), std: []string{"database/sql", "database/sql/driver", "net/netip"}},
	{name: "sqlstore/sqlite", may: onRoot("~/sqlstore", "modernc.org/sqlite/..."), std: []string{"database/sql", "net/url", "os"}},
	{name: "sqlstore/pglisten", may: onRoot("~/sqlstore", "github.com/jackc/pgx/v5/...")},
	{name: "redisstore", may: onRoot("github.com/redis/go-redis/v9/..."), std: []string{"net/netip"}},
	{name: "smtpnotify", may: onRoot("~/recovery", "github.com/wneessen/go-mail"), std: []string{"net/mail", "net/netip"}},
	{name: "mcpauth", may: onRoot("github.com/modelcontextprotocol/go-sdk/..."), std: []string{"net/http"}},
	{name: "sqlstore/drivertest", free: true},
	{name: "cmd/auth", free: true},
	{name: "examples", free: true},
	{name: "bench", free: true},
	{name: "internal/release", free: true},
}

// inner are the packages that a module beside the root never imports.
const inner = module + "/internal/"

// source is one Go file of the repository.
type source struct {
	path    string // with slashes, from the root of the repository
	module  string // folder of its go.mod; "." for the root module
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

// TestRooms holds that each row still speaks of a package.
func TestRooms(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, src := range sources(t) {
		if row := roomOf(src.path); row != nil {
			used[row.name] = true
		}
	}
	for _, row := range rooms {
		if !used[row.name] {
			t.Errorf("the row of %s matches no file: remove it", row.name)
		}
	}
}

// TestRoomRules tries the table on imports that it must allow and refuse.
func TestRoomRules(t *testing.T) {
	t.Parallel()
	rows := []struct {
		file, imported string
		want           bool
	}{
		{"auth.go", "context", true},
		{"auth.go", "net/http", true},
		{"auth.go", "database/sql", false},
		{"auth.go", "os", false},
		{"auth.go", module + "/internal/jose", false},
		{"auth.go", module + "/internal/keyfile", false},
		{"auth.go", module + "/memstore", false},
		{"auth.go", "golang.org/x/crypto/bcrypt", false},
		{"jwt/issuer.go", module + "/internal/jose", true},
		{"jwt/issuer.go", module, false},
		{"jwt/issuer.go", module + "/secrets", false},
		{"jwt/issuer.go", jwx + "/v2/jwt", false},
		{"jwt/issuer.go", "math/rand/v2", false},
		{"jwt/issuer.go", "unsafe", false},
		{"passwords/bcrypt.go", "golang.org/x/crypto/bcrypt", true},
		{"passwords/bcrypt.go", "golang.org/x/cryptography", false},
		{"passwords/pepper.go", module + "/jwt", false},
		{"session/keeper.go", module + "/jwt", false},
		{"session/keeper.go", "net/http", false},
		{"cfgerr/cfgerr.go", module + "/internal/clock", false},
		{"internal/jose/jwx.go", jwx + "/v2/jws", true},
		{"internal/jose/jwx.go", jwx + "/v3/jws", false},
		{"internal/jose/jwx.go", module, false},
		{"internal/strictjson/scan.go", module + "/internal/jose", false},
		{"authtest/store.go", module, true},
		{"authtest/store.go", module + "/sqlstore", false},
		{"throttle/bucket.go", module + "/revocation", false},
		{"memstore/memstore.go", module + "/recovery", false},
		{"authhttp/mount.go", module + "/recovery", true},
		{"authhttp/mount.go", module + "/throttle", false},
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

// TestRoomsInDocs holds that the table that people read is the table that is tested.
func TestRoomsInDocs(t *testing.T) {
	t.Parallel()
	testenv.Checkout(t)
	text, err := os.ReadFile(filepath.Join("docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9/]+)` \\| [^|]+ \\| ([^|]+) \\|$").FindAllStringSubmatch(string(text), -1) {
		shown[row[1]] = importsOf(row[2])
	}
	for _, row := range rooms {
		var want []string
		for _, pattern := range row.may {
			want = append(want, strings.TrimSuffix(strings.Replace(pattern, "~", module, 1), "/..."))
		}
		if row.free {
			want = shown[row.name]
		}
		slices.Sort(want)
		got, there := shown[row.name]
		if !there || !slices.Equal(got, want) {
			t.Errorf("docs/architecture.md shows %s with the imports %q, want %q", row.name, got, want)
		}
		delete(shown, row.name)
	}
	for name := range shown {
		t.Errorf("docs/architecture.md shows %s, which has no row in the test", name)
	}
}

// importsOf reads the last column of the table in docs/architecture.md.
func importsOf(cell string) (paths []string) {
	const everything = "`auth` and below"
	if rest, found := strings.CutPrefix(cell, everything); found {
		cell = rest
		for _, pattern := range onRoot() {
			paths = append(paths, strings.Replace(pattern, "~", module, 1))
		}
	}
	for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
		switch first, _, _ := strings.Cut(name[1], "/"); {
		case name[1] == "auth":
			paths = append(paths, module)
		case strings.Contains(first, "."):
			paths = append(paths, name[1])
		default:
			paths = append(paths, module+"/"+name[1])
		}
	}
	slices.Sort(paths)
	return paths
}

// roomOf returns the row of a file: that of its folder, or of the nearest folder above it.
func roomOf(file string) *room {
	for dir := path.Dir(file); ; dir = path.Dir(dir) {
		name := dir
		if dir == "." {
			name = "auth"
			if strings.Contains(file, "/") {
				return nil
			}
		}
		if i := slices.IndexFunc(rooms, func(r room) bool { return r.name == name }); i >= 0 {
			return &rooms[i]
		}
		if dir == "." {
			return nil
		}
	}
}

func (r *room) allows(imported string) bool {
	matches := func(pattern string) bool {
		if rest, ok := strings.CutPrefix(pattern, "~"); ok {
			pattern = module + rest
		}
		prefix, all := strings.CutSuffix(pattern, "/...")
		return imported == prefix || all && within(imported, prefix)
	}
	if r.free || slices.ContainsFunc(r.may, matches) || slices.Contains(r.std, imported) {
		return true
	}
	return standard(imported) && !slices.ContainsFunc(guarded, matches)
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
