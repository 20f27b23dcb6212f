package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
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
	t.Cleanup(func() { s.Close() })
	return s
}

func TestUserStore(t *testing.T) {
	t.Parallel()
	authtest.TestUserStore(t, func(t *testing.T) auth.UserStore {
		return open(t, filepath.Join(t.TempDir(), "auth.db"))
	})
}
