package drivertest

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
)

// TestFeedIsNotStarved has the only connection of a pool wait for a lock on the table of users, and more
// look-ups wait for that connection. Revocations that another replica makes meanwhile are read all the
// same, on the connection of FeedDB.
func TestFeedIsNotStarved(t *testing.T) {
	each(t, targets[1:], func(t *testing.T, tt target) {
		other, locker, p := tt.store(t)
		pool, feed := open(t, tt.driver, tt.source(t)), open(t, tt.driver, tt.source(t))
		pool.SetMaxOpenConns(1)
		feed.SetMaxOpenConns(1)
		s, err := sqlstore.New(pool, tt.dialect, sqlstore.Config{TablePrefix: p, FeedDB: feed})
		if err != nil {
			t.Fatal(err)
		}
		create(t, other, user("1", "alice"))

		lock, unlock := "LOCK TABLES "+p+"users WRITE", "UNLOCK TABLES"
		if tt.dialect == sqlstore.PostgreSQL {
			lock, unlock = "BEGIN; LOCK TABLE "+p+"users IN ACCESS EXCLUSIVE MODE", "COMMIT"
		}
		conn, err := locker.Conn(bounded(t))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		run := func(statements string) {
			t.Helper()
			for statement := range strings.SplitSeq(statements, "; ") {
				if _, err := conn.ExecContext(bounded(t), statement); err != nil {
					t.Fatal(err)
				}
			}
		}
		starved(t, s, other, pool, func() { run(lock) }, func() { run(unlock) })
	})
	t.Run("SQLite", func(t *testing.T) { // readers wait for no lock there: the connection is taken
		t.Parallel()
		path := filepath.Join(t.TempDir(), "auth.db")
		var stores [2]*sqlite.Store
		for i := range stores {
			var err error
			if stores[i], err = sqlite.Open(bounded(t), path, sqlstore.Config{}); err != nil {
				t.Fatal(err)
			}
			defer stores[i].Close()
		}
		s, other := stores[0], stores[1]
		create(t, other, user("1", "alice"))
		s.DB().SetMaxOpenConns(1)
		var conn *sql.Conn
		starved(t, s.Store, other.Store, s.DB(), func() {
			var err error
			if conn, err = s.DB().Conn(bounded(t)); err != nil {
				t.Fatal(err)
			}
		}, func() { conn.Close() })
	})
}

// starved has look-ups use up the pool of a store while something is locked, and another store end a
// session meanwhile.
func starved(t *testing.T, s, other *sqlstore.Store, pool *sql.DB, lock, unlock func()) {
	t.Helper()
	ctx := bounded(t)
	sess := auth.Session{ID: strings.Repeat("a", 22), UserID: "1", CreatedAt: time.Now(), LastUsedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour), Version: 1}
	if err := other.CreateSession(ctx, sess); err != nil {
		t.Fatal(err)
	}
	list, err := revocation.Follow(s, revocation.Config{Bound: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	if err := list.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	p, err := jwt.NewPrincipal(auth.Claims{Issuer: "i", Subject: "1", SessionID: sess.ID, Expiry: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := list.Check(ctx, p); err != nil {
		t.Fatal(err)
	}

	lock()
	before := pool.Stats().WaitCount
	var lookups sync.WaitGroup
	const n = 8
	for range n {
		lookups.Go(func() {
			if _, err := s.UserByUsername(context.WithoutCancel(ctx), "alice"); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, func() error {
		if stats := pool.Stats(); stats.InUse != 1 || stats.WaitCount-before < n-1 {
			return fmt.Errorf("%d connections in use, %d look-ups have waited for one", stats.InUse, stats.WaitCount-before)
		}
		return nil
	})
	if err := other.DeleteSession(ctx, sess.ID, time.Now().Add(time.Hour)); err != nil {
		t.Error(err)
	}
	if err := list.Sync(ctx); err != nil {
		t.Errorf("the revocations are not read: %v", err)
	} else if err := list.Check(ctx, p); err != auth.ErrRevokedToken {
		t.Errorf("Check of a token whose session has ended: %v", err)
	}
	unlock()
	lookups.Wait()
}
