package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/recovery/recoverytest"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
)

// open returns a store on a file, closed when the test ends.
func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t testing.TB, s *sqlite.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// user returns a user whose fields all follow from the ID and the username.
func user(id, username string) auth.User {
	return auth.User{ID: id, Username: username, PasswordHash: "$hash$of-" + id, CreatedAt: time.Date(2026, time.May, 1, 12, 0, 0, 1000*len(id), time.UTC)}
}

// createUser adds a user, whose ID the store must return, and returns the error alone.
func createUser(ctx context.Context, s auth.UserStore, u auth.User) error {
	id, err := s.CreateUser(ctx, u)
	if err == nil && id != u.ID {
		return fmt.Errorf("CreateUser returned the ID %q, want %q", id, u.ID)
	}
	return err
}

func create(t testing.TB, s auth.UserStore, users ...auth.User) {
	t.Helper()
	for _, u := range users {
		if err := createUser(t.Context(), s, u); err != nil {
			t.Fatalf("CreateUser: %v", err)
		}
	}
}

func hasUser(t testing.TB, s auth.UserStore, u auth.User) {
	t.Helper()
	if got, err := s.UserByUsername(t.Context(), u.Username); err != nil || got != u {
		t.Errorf("UserByUsername: %+v, %v, want %+v", got, err, u)
	}
}

func TestUserStore(t *testing.T) {
	t.Parallel()
	authtest.TestUserStore(t, func(t *testing.T) auth.UserStore {
		return open(t, filepath.Join(t.TempDir(), "auth.db"))
	})
}

func TestSessionStore(t *testing.T) {
	t.Parallel()
	authtest.TestSessionStore(t, func(t *testing.T) auth.SessionStore {
		return open(t, filepath.Join(t.TempDir(), "auth.db"))
	})
}

func TestAccountStore(t *testing.T) {
	t.Parallel()
	authtest.TestAccountStore(t, func(t *testing.T) authtest.Accounts {
		return open(t, filepath.Join(t.TempDir(), "auth.db"))
	})
}

func TestRecordStore(t *testing.T) {
	t.Parallel()
	authtest.TestRecordStore(t, func(t *testing.T) auth.RecordStore {
		return open(t, filepath.Join(t.TempDir(), "auth.db"))
	})
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	recoverytest.TestAddresses(t, func(t *testing.T) (recovery.Addresses, string, string) {
		s := open(t, filepath.Join(t.TempDir(), "auth.db"))
		create(t, s, user("1", "ada"), user("2", "eve"))
		return s, "1", "2"
	})
}

func TestRestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.db")
	alice := user("1", "alice")
	for i := range 3 {
		s, err := sqlite.Open(t.Context(), path, sqlstore.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			create(t, s, alice)
		} else {
			next := "$hash$" + strings.Repeat("x", i)
			if err := s.ReplacePasswordHash(t.Context(), alice.ID, alice.PasswordHash, next); err != nil {
				t.Error(err)
			}
			alice.PasswordHash = next
		}
		hasUser(t, s, alice)
		readFeed(t, s)
		closeStore(t, s)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("after Close the folder holds %v, %v, want only the database", entries, err)
	}
}

// TestPaths opens files whose names have a meaning in a URI or in SQL.
func TestPaths(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"auth.db", "a b.db", "a?mode=ro", "a?_pragma=query_only(1)", "a#b", "a%20b", "a&b;c", "o'brien.db", `"quoted"`, "\u00fc\U0001f600.db",
		"file:a.db", ":memory:", "file::memory:", "-", "a+b", "a:b",
	} {
		if runtime.GOOS == "windows" && strings.ContainsAny(name, `?:"<>|*`) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), name)
			create(t, open(t, path), user("1", "alice"))
			if info, err := os.Stat(path); err != nil || info.Size() == 0 {
				t.Errorf("the file was not used: %v", err)
			}
		})
	}
}

// TestRelativePath checks that new connections open the same file after the working directory changed.
func TestRelativePath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	s := open(t, "auth.db")
	t.Chdir(t.TempDir())
	s.DB().SetMaxIdleConns(0) // so that new connections open the file again
	create(t, s, user("1", "alice"))
	if info, err := os.Stat(filepath.Join(dir, "auth.db")); err != nil || info.Size() == 0 {
		t.Errorf("the file was not used: %v", err)
	}
	hasUser(t, open(t, filepath.Join(dir, "auth.db")), user("1", "alice"))
}

func TestOpenFaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	garbage := []byte(strings.Repeat("this is not a database ", 1000))
	file := filepath.Join(dir, "garbage")
	if err := os.WriteFile(file, garbage, 0o600); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		ctx    context.Context
		path   string
		cfg    sqlstore.Config
		config bool // a fault of the configuration, found before a file is opened
	}{
		"no path":         {t.Context(), "", sqlstore.Config{}, true},
		"memory":          {t.Context(), ":memory:", sqlstore.Config{}, true},
		"prefix":          {t.Context(), filepath.Join(dir, "prefix.db"), sqlstore.Config{TablePrefix: "a-b"}, true},
		"a feed's pool":   {t.Context(), filepath.Join(dir, "feed.db"), sqlstore.Config{FeedDB: new(sql.DB)}, true},
		"no folder":       {t.Context(), filepath.Join(dir, "none", "auth.db"), sqlstore.Config{}, false},
		"a folder":        {t.Context(), dir, sqlstore.Config{}, false},
		"not a database":  {t.Context(), file, sqlstore.Config{}, false},
		"NUL":             {t.Context(), filepath.Join(dir, "a\x00b"), sqlstore.Config{}, false},
		"context is over": {ended, filepath.Join(dir, "ended.db"), sqlstore.Config{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := sqlite.Open(tt.ctx, tt.path, tt.cfg)
			if err == nil || s != nil {
				t.Fatalf("Open returned %v, %v", s, err)
			}
			var fault *auth.ConfigError
			if errors.As(err, &fault) != tt.config {
				t.Errorf("%v: a ConfigError: %t, want %t", err, !tt.config, tt.config)
			}
			if !strings.HasPrefix(err.Error(), "auth: ") {
				t.Errorf("%q does not begin with the name of the package", err)
			}
			if tt.ctx.Err() != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("Open returned %v, want %v", err, context.Canceled)
			}
		})
	}
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, garbage) {
		t.Errorf("Open changed a file that is not a database: %v", err)
	}
}

// TestSettings reads the settings of every connection that the pool may open.
func TestSettings(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "auth.db"))
	most := s.DB().Stats().MaxOpenConnections
	if most == 0 {
		t.Fatal("the number of connections has no bound")
	}
	for range most {
		conn, err := s.DB().Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for pragma, want := range map[string]string{
			"busy_timeout": "10000", "journal_mode": "wal", "synchronous": "2", "foreign_keys": "1",
			"secure_delete": "1", "trusted_schema": "0", "query_only": "0",
		} {
			var got string
			if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("PRAGMA %s is %q, %v, want %q", pragma, got, err, want)
			}
		}
	}
}

// TestReplacedHashIsGone searches the file for replaced hashes.
func TestReplacedHashIsGone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.db")
	s, err := sqlite.Open(t.Context(), path, sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		u := user(fmt.Sprint(i), fmt.Sprint(i))
		u.PasswordHash = "$hash$that-leaked" + strings.Repeat("x", 20*i)
		create(t, s, u)
		if err := s.ReplacePasswordHash(t.Context(), u.ID, u.PasswordHash, "$hash$"); err != nil {
			t.Fatal(err)
		}
	}
	closeStore(t, s)
	if file, err := os.ReadFile(path); err != nil || bytes.Contains(file, []byte("that-leaked")) {
		t.Errorf("the file still holds replaced hashes: %v", err)
	}
}

// readFeed opens the connection that revocations are read on.
func readFeed(t *testing.T, s *sqlite.Store) {
	t.Helper()
	if _, err := s.RevokedSince(t.Context(), "", func(auth.Revocation) {}); err != nil {
		t.Fatal(err)
	}
}

// TestNoGoroutineStays counts the goroutines after stores were closed or could not be opened.
func TestNoGoroutineStays(t *testing.T) {
	dir := t.TempDir()
	before := runtime.NumGoroutine()
	for i := range 10 {
		if _, err := sqlite.Open(t.Context(), filepath.Join(dir, "none", "auth.db"), sqlstore.Config{}); err == nil {
			t.Error("Open returned nil")
		}
		if _, err := sqlite.Open(t.Context(), filepath.Join(dir, fmt.Sprint(i)), sqlstore.Config{TablePrefix: "-"}); err == nil {
			t.Error("Open returned nil")
		}
		s, err := sqlite.Open(t.Context(), filepath.Join(dir, "auth.db"), sqlstore.Config{})
		if err != nil {
			t.Fatal(err)
		}
		create(t, s, user(fmt.Sprint(i), fmt.Sprint(i)))
		readFeed(t, s)
		closeStore(t, s)
	}
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) { // they may end a moment later
		if runtime.NumGoroutine() <= before {
			return
		}
	}
	t.Errorf("%d goroutines are left, before there were %d", runtime.NumGoroutine(), before)
}

// TestOwnTables checks that the program can keep its own tables in the same database.
func TestOwnTables(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "auth.db"))
	alice := user("1", "alice")
	create(t, s, alice)
	if _, err := s.DB().ExecContext(t.Context(), "CREATE TABLE notes (owner TEXT NOT NULL REFERENCES auth_users (id), text TEXT)"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DB().ExecContext(t.Context(), "INSERT INTO notes VALUES (?, 'hello')", alice.ID); err != nil {
		t.Error(err)
	}
	if _, err := s.DB().ExecContext(t.Context(), "INSERT INTO notes VALUES ('nobody', 'hello')"); err == nil {
		t.Error("a note of an unknown user was accepted")
	}
}
