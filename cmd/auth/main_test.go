package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/passwords"
)

const password = "correct horse battery"

// shell runs commands on one database.
type shell struct {
	t      *testing.T
	common []string // arguments before each command
	env    map[string]string
	input  string // standard input of the next command
}

// result is what a command did.
type result struct {
	code        int
	out, errors string
}

// lines returns the JSON objects that were printed.
func (r result) lines(t *testing.T) (list []map[string]any) {
	t.Helper()
	for d := json.NewDecoder(strings.NewReader(r.out)); d.More(); {
		var o map[string]any
		if err := d.Decode(&o); err != nil {
			t.Fatalf("%v in %s", err, r.out)
		}
		list = append(list, o)
	}
	return list
}

// run runs a command line.
func (s *shell) run(args ...string) (r result) {
	s.t.Helper()
	var out, errors bytes.Buffer
	c := &command{
		stdin: strings.NewReader(s.input), stdout: &out, stderr: &errors, getenv: func(name string) string { return s.env[name] },
		hasher: passwords.Chain(authtest.FastHasher(s.t), readable),
	}
	s.input = ""
	r.code = c.run(s.t.Context(), append(s.common[:len(s.common):len(s.common)], args...))
	r.out, r.errors = out.String(), errors.String()
	return r
}

// ok is run for a command that must succeed.
func (s *shell) ok(args ...string) result {
	s.t.Helper()
	r := s.run(args...)
	if r.code != 0 || r.errors != "" {
		s.t.Fatalf("auth %s ends with %d: %s", strings.Join(args, " "), r.code, r.errors)
	}
	return r
}

// fails is run for a command that must fail with a code, and say why.
func (s *shell) fails(code int, why string, args ...string) {
	s.t.Helper()
	if r := s.run(args...); r.code != code || !strings.Contains(r.errors, why) {
		s.t.Errorf("auth %s ends with %d: %s\nwant %d and %q", strings.Join(args, " "), r.code, r.errors, code, why)
	}
}

// databases calls f with a shell on an empty database of each kind.
func databases(t *testing.T, f func(t *testing.T, s *shell)) {
	prefix := "t" + strings.ToLower(rand.Text()[:20]) + "_"
	drop := func(t *testing.T, driver, source string) {
		t.Cleanup(func() {
			db, err := sql.Open(driver, source)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for _, table := range []string{"users", "sessions", "revocations", "revocations_last", "records", "addresses", "roles", "role_versions", "migrations"} {
				if _, err := db.ExecContext(context.Background(), "DROP TABLE IF EXISTS "+prefix+table); err != nil {
					t.Error(err)
				}
			}
		})
	}
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		f(t, &shell{t: t, common: []string{"-dsn", filepath.Join(t.TempDir(), "users.db")}})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		dsn := testenv.Require(t, "PostgreSQL", "AUTH_TEST_POSTGRES")
		drop(t, "pgx", dsn)
		f(t, &shell{t: t, env: map[string]string{"AUTH_DSN": dsn}, common: []string{"-prefix", prefix}})
	})
	t.Run("MariaDB", func(t *testing.T) {
		t.Parallel()
		dsn := testenv.Require(t, "MariaDB", "AUTH_TEST_MARIADB")
		drop(t, "mysql", dsn)
		f(t, &shell{t: t, common: []string{"-dsn", "mysql:" + dsn, "-prefix", prefix}})
	})
}

// TestUsers walks every command about users.
func TestUsers(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, s *shell) {
		s.ok("migrate")
		s.ok("migrate")
		s.ok("check")
		s.ok("prune")
		s.input = password + "\n"
		ada := s.ok("user", "create", "Ada", "-email", "Ada@Example.com", "-json").lines(t)[0]
		if ada["username"] != "ada" || ada["password"] != nil {
			t.Errorf("create prints %v, want the canonical name and no password", ada)
		}
		eve := s.ok("user", "create", "eve", "-generate", "-json").lines(t)[0]
		if secret, _ := eve["password"].(string); len(secret) < 26 {
			t.Errorf("create -generate prints %v", eve)
		}
		s.fails(exitFailed, "user exists", "user", "create", "ada", "-generate")
		s.fails(exitFailed, "address", "user", "create", "max", "-generate", "-email", "ada@example.com")
		s.fails(exitFailed, `no user "max"`, "user", "show", "max")
		s.input = "short\n"
		s.fails(exitFailed, "too short", "user", "create", "max")
		s.fails(exitUsage, "standard input", "user", "create", "max")

		list := s.ok("user", "list", "-json").lines(t)
		if len(list) != 2 || list[0]["username"] != "ada" || list[1]["username"] != "eve" {
			t.Errorf("list prints %v", list)
		}
		if list := s.ok("user", "list", "-json", "-after", "ada").lines(t); len(list) != 1 {
			t.Errorf("list -after prints %v", list)
		}
		if list := s.ok("user", "list", "-json", "-limit", "1").lines(t); len(list) != 1 {
			t.Errorf("list -limit prints %v", list)
		}

		login := s.login(t, "ada", password)
		if sessions := s.ok("user", "sessions", "ada", "-json").lines(t); len(sessions) != 1 || sessions[0]["user_agent"] != "test" {
			t.Errorf("sessions prints %v", sessions)
		}
		shown := s.ok("user", "show", "-id", ada["id"].(string), "-json").lines(t)[0]
		if shown["email"] != "ada@example.com" || shown["email_verified"] != true || shown["sessions"] != 1. {
			t.Errorf("show prints %v", shown)
		}
		export := s.ok("user", "export", "ADA")
		for _, secret := range []string{"$2", login.RefreshToken, login.AccessToken} {
			if strings.Contains(export.out, secret) {
				t.Errorf("export shows a secret: %s", export.out)
			}
		}
		if o := export.lines(t)[0]; o["email"] != "ada@example.com" || len(o["sessions"].([]any)) != 1 {
			t.Errorf("export prints %v", o)
		}

		s.fails(exitUsage, "-yes", "user", "disable", "ada", "eve")
		s.fails(exitFailed, "no user", "user", "disable", "ada", "nobody", "-yes")
		if s.disabled(t, "ada") {
			t.Error("a command with one wrong name has changed another user")
		}
		s.ok("user", "disable", "ada", "eve", "-yes")
		if !s.disabled(t, "ada") || !s.disabled(t, "eve") {
			t.Error("the users are not disabled")
		}
		if sessions := s.ok("user", "sessions", "ada", "-json").lines(t); len(sessions) != 0 {
			t.Errorf("after disable there are the sessions %v", sessions)
		}
		s.ok("user", "enable", "ada")
		s.input = "another horse battery\n"
		s.ok("user", "password", "ada")
		s.login(t, "ada", "another horse battery")
		s.ok("user", "end-sessions", "ada")
		if sessions := s.ok("user", "sessions", "ada", "-json").lines(t); len(sessions) != 0 {
			t.Errorf("after end-sessions there are the sessions %v", sessions)
		}
		for range 6 {
			s.tryLogin(t, "ada", "wrong horse battery")
		}
		if err := s.tryLogin(t, "ada", "another horse battery"); err == nil {
			t.Fatal("the account is not throttled")
		}
		s.ok("user", "unlock", "ada")
		if err := s.tryLogin(t, "ada", "another horse battery"); err != nil {
			t.Errorf("after unlock: %v", err)
		}
		s.ok("user", "delete", "ada")
		s.fails(exitFailed, "no user", "user", "show", "ada")
	})
}

// disabled reports whether list shows a user as disabled.
func (s *shell) disabled(t *testing.T, name string) bool {
	t.Helper()
	return s.ok("user", "show", name, "-json").lines(t)[0]["disabled"] == true
}

// tryLogin logs in as a server on the same database would.
func (s *shell) tryLogin(t *testing.T, name, password string) error {
	t.Helper()
	_, err := s.attempt(t, name, password)
	return err
}

func (s *shell) login(t *testing.T, name, password string) auth.Tokens {
	t.Helper()
	tokens, err := s.attempt(t, name, password)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func (s *shell) attempt(t *testing.T, name, password string) (tokens auth.Tokens, err error) {
	t.Helper()
	var out bytes.Buffer
	c := &command{stdin: strings.NewReader(""), stdout: &out, stderr: &out, getenv: func(name string) string { return s.env[name] }, hasher: passwords.Chain(authtest.FastHasher(t), readable)}
	attempted := false
	commands := append(commands[:len(commands):len(commands)], entry{name: "attempt", run: func(ctx context.Context, c *command, _ []string) error {
		return c.withAccounts(ctx, func(a *accounts) error {
			rules, fault := a.authenticator()
			if fault != nil {
				return fault
			}
			attempted = true
			tokens, err = rules.Login(auth.WithDevice(ctx, auth.Device{UserAgent: "test", IP: netip.MustParseAddr("203.0.113.9")}), name, password)
			return nil
		})
	}})
	if code := c.runOf(t.Context(), commands, append(s.common[:len(s.common):len(s.common)], "attempt")); code != 0 || !attempted {
		t.Fatalf("the login was not tried: %s", &out)
	}
	return tokens, err
}

// TestImport imports users with the hashes of other systems, who can then log in.
func TestImport(t *testing.T) {
	t.Parallel()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	databases(t, func(t *testing.T, s *shell) {
		s.ok("migrate")
		file := filepath.Join(t.TempDir(), "users.csv")
		write := func(text string) {
			t.Helper()
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		header := "username,password_hash,id,email,email_verified,disabled,created_at\n"
		good := header + "Ada@Example.com," + string(hash) + ",7,ada@example.com,true,,2020-01-02T03:04:05Z\nbob,,,,,1,\n"
		for _, c := range []struct{ text, why string }{
			{"", "header"},
			{"username\nada\n", "no column password_hash"},
			{"username,password_hash,shoe\n", `"shoe"`},
			{"username,password_hash\nada\n", "fields"},
			{header + "ada,,,,maybe,,\n", "line 2, email_verified"},
			{header + "ada,,,,,,yesterday\n", "line 2, created_at"},
			{good + ",,,,,,\n", "user 3"},
			{good + "BOB,,,,,,\n", "username of user 2"},
			{good + "max,,7,,,,\n", "ID of user 1"},
			{good + "max,,,ADA@example.com,,,\n", "address of user 1"},
			{good + "max,,,nonsense,,,\n", "address"},
			{good + "max,s3cr3t,,,,,\n", "cannot be read"},
		} {
			write(c.text)
			s.fails(exitFailed, c.why, "user", "import", file)
			if list := s.ok("user", "list", "-json").lines(t); len(list) != 0 {
				t.Fatalf("%q has added %v", c.text, list)
			}
			if r := s.run("user", "import", file); strings.Contains(r.errors, "s3cr3t") {
				t.Errorf("the error shows a hash: %s", r.errors)
			}
		}
		write("\uFEFF" + good)
		s.ok("user", "import", file, "-dry-run")
		if list := s.ok("user", "list", "-json").lines(t); len(list) != 0 {
			t.Fatalf("a dry run has added %v", list)
		}
		for _, want := range []string{"imported 2 of 2", "imported 0 of 2"} {
			if r := s.ok("user", "import", file); !strings.Contains(r.out, want) {
				t.Errorf("import prints %q, want %q", r.out, want)
			}
		}
		ada := s.ok("user", "show", "ada@example.com", "-json").lines(t)[0]
		if ada["id"] != "7" || ada["email_verified"] != true || ada["created_at"] != "2020-01-02T03:04:05Z" {
			t.Errorf("the imported user is %v", ada)
		}
		s.login(t, "ada@example.com", password)
		if !s.disabled(t, "bob") {
			t.Error("bob is not disabled")
		}
		s.input = `{"username":"max","password_hash":""}` + "\n\n" + `{"username":"eve","password_hash":"","id":"8"}` + "\n"
		s.ok("user", "import", "-", "-format", "jsonl")
		s.input = `{"username":"x","shoe":"9"}`
		s.fails(exitFailed, "line 1", "user", "import", "-", "-format", "jsonl")
		s.input = `{"username":"x"} {}`
		s.fails(exitFailed, "more than one", "user", "import", "-", "-format", "jsonl")
		s.fails(exitUsage, "-format", "user", "import", "-")
		write(header + "eve," + string(hash) + ",8,,,,\n")
		s.fails(exitFailed, "another user with this name", "user", "import", file)
	})
}

// TestKeys makes a key file and rotates its keys. A token of the old key is valid until it is dropped.
func TestKeys(t *testing.T) {
	t.Parallel()
	s, file := &shell{t: t}, filepath.Join(t.TempDir(), "auth.key")
	issuer := func() *jwt.Issuer {
		t.Helper()
		keys, err := jwt.LoadKeySetFile(file)
		if err != nil {
			var key jwt.Key
			if key, err = jwt.LoadKeyFile(file); err != nil {
				t.Fatal(err)
			}
			keys = []jwt.Key{key}
		}
		ring, err := jwt.NewKeyRing(keys[0], keys[1:]...)
		if err != nil {
			t.Fatal(err)
		}
		i, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "i", Audience: "a", Keys: ring})
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	s.ok("keys", "new", file)
	s.fails(exitFailed, "not overwritten", "keys", "new", file)
	old, err := issuer().Issue(t.Context(), jwt.Claims{Subject: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	verifies := func(want bool) {
		t.Helper()
		if _, err := issuer().Verify(t.Context(), old); (err == nil) != want {
			t.Errorf("the old token: %v", err)
		}
	}
	signing := func() string { return s.ok("keys", "show", file, "-json").lines(t)[0]["id"].(string) }
	first := signing()
	s.fails(exitFailed, "no key", "keys", "rotate", file, "sign")
	s.fails(exitFailed, "none to drop", "keys", "rotate", file, "drop")
	s.ok("keys", "rotate", file, "add", "-alg", "ES256")
	if signing() != first {
		t.Error("the new key signs before it is known")
	}
	verifies(true)
	s.fails(exitFailed, "sign", "keys", "rotate", file, "add")
	s.fails(exitFailed, "sign", "keys", "rotate", file, "drop")
	s.ok("keys", "rotate", file, "sign")
	if signing() == first {
		t.Error("the new key does not sign")
	}
	verifies(true)
	s.fails(exitFailed, "add", "keys", "rotate", file, "sign")
	r := s.ok("keys", "rotate", file, "drop")
	verifies(false)
	s.fails(exitUsage, "none of add", "keys", "rotate", file, "jump")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []struct{ D string } }
	if err := json.Unmarshal(text, &set); err != nil || set.Keys[0].D == "" || strings.Contains(r.out, set.Keys[0].D) {
		t.Errorf("the output shows the key, or the file holds none: %v", err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has the mode %v, %v", info.Mode(), err)
	}
	pem := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(pem, []byte("-----BEGIN PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.fails(exitFailed, "by hand", "keys", "rotate", pem, "add")
	s.ok("keys", "new", "-refresh", filepath.Join(t.TempDir(), "refresh.key"))
}

// TestCommandLine checks what the program says to newcomers and to mistakes.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	s := &shell{t: t, env: map[string]string{"AUTH_DSN": "postgres://user:s3cr3t@127.0.0.1:1/none"}}
	for _, args := range [][]string{nil, {"help"}, {"-h"}, {"--help"}} {
		if r := s.ok(args...); !strings.Contains(r.out, "user create NAME") || strings.Contains(r.out, "s3cr3t") {
			t.Errorf("auth %q prints %s", args, r.out)
		}
	}
	for _, e := range commands {
		words := strings.Fields(e.name)
		for _, args := range [][]string{append([]string{"help"}, words...), append(words[:len(words):len(words)], "-h")} {
			if r := s.ok(args...); !strings.Contains(r.out, e.help) || strings.Contains(r.out, "s3cr3t") {
				t.Errorf("auth %q prints %s", args, r.out)
			}
		}
	}
	s.fails(exitUsage, `no command "user jump"`, "user", "jump", "ada")
	s.fails(exitUsage, "-shoe", "user", "list", "-shoe")
	s.fails(exitUsage, "too many", "check", "now")
	s.fails(exitUsage, "want one user", "user", "export")
	s.fails(exitUsage, "at least one", "user", "disable")
	s.fails(exitUsage, "at least one", "user", "show")
	r := s.run("user", "list") // nothing listens there
	if r.code != exitFailed || strings.Contains(r.errors, "s3cr3t") {
		t.Errorf("without a server: %d %s", r.code, r.errors)
	}
	s.env = nil
	s.fails(exitUsage, "AUTH_DSN", "user", "list")
	missing := filepath.Join(t.TempDir(), "missing.db")
	s.fails(exitFailed, "auth migrate", "-dsn", missing, "user", "list")
	if _, err := os.Stat(missing); err == nil {
		t.Error("a name with a typing error has become a database")
	}
}

// TestPrintable checks that a name cannot move the cursor of the operator's terminal.
func TestPrintable(t *testing.T) {
	t.Parallel()
	if got := printable("a\x1b[2Jb\u202ec\u0085d\nüé"); strings.ContainsAny(got, "\x1b\n\u202e\u0085") || !strings.HasSuffix(got, "üé") {
		t.Errorf("got %q", got)
	}
}

// TestProgress checks that progress is shown on a terminal alone.
func TestProgress(t *testing.T) {
	t.Parallel()
	for _, terminal := range []bool{false, true} {
		var errors bytes.Buffer
		c := &command{stderr: &errors, terminal: terminal}
		c.progress(100, "of 200 users")
		c.progressEnds()
		if shown := errors.Len() > 0; shown != terminal {
			t.Errorf("terminal %v: %q", terminal, errors.String())
		}
	}
}
