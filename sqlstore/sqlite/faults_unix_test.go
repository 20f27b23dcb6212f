//go:build unix

package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
)

func init() {
	children["readonly"] = readOnly
	children["full"] = full
}

// run runs a task to its end and returns the words that it printed.
func run(t *testing.T, task, path string) []string {
	t.Helper()
	cmd := child(t, task, path)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	return strings.Fields(string(out))
}

// TestFileMode checks that other users of the machine cannot read the files.
func TestFileMode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "auth.db"))
	create(t, s, user("1", "alice"))
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("the folder holds %v, %v, want the database, -wal and -shm", entries, err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s has the mode %v, %v, want 0600", entry.Name(), info.Mode(), err)
		}
	}
}

// TestOpenModes checks that a file which every user can read or write is refused, and only such a
// file.
func TestOpenModes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.db")
	s, err := sqlite.Open(t.Context(), path, sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for mode, refused := range map[os.FileMode]bool{0o600: false, 0o660: false, 0o640: false, 0o666: true, 0o644: true, 0o602: true, 0o601: true} {
		for _, file := range []string{path, path + "-wal"} {
			if file != path {
				if err := os.WriteFile(file, nil, 0o600); err != nil { // SQLite takes an empty one as none
					t.Fatal(err)
				}
			}
			if err := os.Chmod(file, mode); err != nil {
				t.Fatal(err)
			}
			s, err := sqlite.Open(t.Context(), path, sqlstore.Config{})
			fault, isFault := errors.AsType[*auth.ConfigError](err)
			if isFault != refused || !refused && err != nil || refused && (fault.Value != file || !strings.Contains(fault.Reason, "chmod")) {
				t.Errorf("%s with the mode %04o: got %v, refused: want %t", filepath.Base(file), mode, err, refused)
			}
			if err == nil {
				s.Close()
			}
			if err := os.Chmod(path, 0o600); err != nil {
				t.Fatal(err)
			}
			os.Remove(path + "-wal")
		}
	}
}

// TestReadOnlyInUse makes a file read-only while it is in use.
func TestReadOnlyInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "auth.db")
	if os.Geteuid() == 0 {
		// File modes do not bind root. The task first gives up its rights, and must still reach its
		// folder.
		for _, d := range []string{dir, filepath.Dir(dir)} {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "readonly", path)
	s := open(t, path)
	intact(t, s)
	hasUser(t, s, user("1", "alice"))
	hasUser(t, s, user("2", "bob"))
}

// nobody is the ID of a user of the machine without rights.
const nobody = 65534

func readOnly(path string) error {
	if os.Geteuid() == 0 {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
			return err
		}
	}
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path, sqlstore.Config{})
	if err != nil {
		return err
	}
	alice, bob := user("1", "alice"), user("2", "bob")
	if err := createUser(ctx, s, alice); err != nil {
		return err
	}
	conn, err := s.DB().Conn(ctx) // so that the -wal file stays in use
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "SELECT * FROM auth_users"); err != nil {
		return err
	}
	s.DB().SetMaxIdleConns(0) // open connections could still write, so each call opens a new one
	chmod := func(file, dir os.FileMode) error {
		return errors.Join(os.Chmod(path, file), os.Chmod(path+"-wal", file), os.Chmod(path+"-shm", file), os.Chmod(filepath.Dir(path), dir))
	}
	if err := chmod(0o400, 0o500); err != nil {
		return err
	}
	if err := errors.Join(
		storeFailure("CreateUser", createUser(ctx, s, bob)),
		storeFailure("CreateUser of an existing user", createUser(ctx, s, alice)),
		storeFailure("ReplacePasswordHash", s.ReplacePasswordHash(ctx, alice.ID, alice.PasswordHash, "$hash$new")),
	); err != nil {
		return err
	}
	if u, err := s.UserByID(ctx, alice.ID); err != nil || u != alice {
		return fmt.Errorf("UserByID: %+v, %v, want %+v", u, err, alice)
	}
	if _, err := s.UserByID(ctx, bob.ID); !errors.Is(err, auth.ErrUserNotFound) {
		return fmt.Errorf("UserByID: %v, want %v", err, auth.ErrUserNotFound)
	}
	if err := chmod(0o600, 0o700); err != nil {
		return err
	}
	return createUser(ctx, s, bob)
}

// TestDiskFull registers users until the disk is full.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "auth.db")
	names := run(t, "full", path)
	if len(names) == 0 {
		t.Error("no user registered before the disk was full")
	}
	s := open(t, path)
	intact(t, s)
	for _, name := range names {
		hasUser(t, s, user(name, name))
	}
	var rows int
	if err := s.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM auth_users").Scan(&rows); err != nil || rows != len(names) {
		t.Errorf("the file holds %d users, %v, want %d", rows, err, len(names))
	}
	create(t, s, user("last", "last"))
}

// full prints the names of the users that it registered.
func full(path string) error {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, path, sqlstore.Config{})
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ) // writing fails instead
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 256 << 10, Max: 256 << 10}); err != nil {
		return err
	}
	first := user("0", "0")
	for i := range 10000 {
		name := fmt.Sprint(i)
		err := createUser(ctx, s, user(name, name))
		if err == nil {
			fmt.Println(name)
			continue
		}
		if u, err := s.UserByID(ctx, "0"); err != nil || u != first {
			return fmt.Errorf("UserByID: %+v, %v, want %+v", u, err, first)
		}
		return storeFailure("CreateUser", err)
	}
	return errors.New("the disk was never full")
}
