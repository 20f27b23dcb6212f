package drivertest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/sqlstore"
)

func TestClosed(t *testing.T) {
	each(t, slices.Concat(targets, variants[:2]), func(t *testing.T, tt target) {
		s, _, p := tt.store(t)
		alice := user("1", "alice")
		create(t, s, alice)
		other := open(t, tt.driver, tt.source(t))
		closed, err := sqlstore.New(other, tt.dialect, sqlstore.Config{TablePrefix: p})
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		for name, call := range calls(closed, alice) {
			storeFailure(t, name, call(bounded(t)))
		}
		storeFailure(t, "Migrate", closed.Migrate(bounded(t)))
		hasUser(t, s, alice)
	})
}

// TestUnreachable calls a store whose database does not exist. No error contains the password of the
// database.
func TestUnreachable(t *testing.T) {
	const secret = "correct-horse-battery"
	each(t, []target{
		{"SQLite", sqlstore.SQLite, "sqlite", func(t testing.TB) string { return "file:" + t.TempDir() + "/none/auth.db" }},
		{"PostgreSQL", sqlstore.PostgreSQL, "pgx", func(testing.TB) string { return "postgres://auth:" + secret + "@127.0.0.1:1/auth?sslmode=disable" }},
		{"PostgreSQL by pq", sqlstore.PostgreSQL, "postgres", func(testing.TB) string { return "postgres://auth:" + secret + "@127.0.0.1:1/auth?sslmode=disable" }},
		{"MariaDB", sqlstore.MySQL, "mysql", func(testing.TB) string { return "auth:" + secret + "@tcp(127.0.0.1:1)/auth" }},
	}, func(t *testing.T, tt target) {
		s, err := sqlstore.New(open(t, tt.driver, tt.source(t)), tt.dialect, sqlstore.Config{})
		if err != nil {
			t.Fatal(err)
		}
		all := calls(s, user("1", "alice"))
		all["Migrate"] = s.Migrate
		for name, call := range all {
			err := call(bounded(t))
			storeFailure(t, name, err)
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%s returned %q, which contains the password", name, err)
			}
		}
	})
}

// TestReadOnly uses a connection that cannot write: look-ups succeed, changes fail.
func TestReadOnly(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		source := tt.source(t)
		db := open(t, tt.driver, source)
		p := prefix(t, db)
		on := func(source string) *sqlstore.Store {
			s, err := sqlstore.New(open(t, tt.driver, source), tt.dialect, sqlstore.Config{TablePrefix: p})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := on(source)
		if err := s.Migrate(bounded(t)); err != nil {
			t.Fatal(err)
		}
		alice := user("1", "alice")
		create(t, s, alice)

		var readOnly *sqlstore.Store
		switch tt.dialect {
		case sqlstore.SQLite:
			readOnly = on(source + "&mode=ro")
		case sqlstore.PostgreSQL:
			readOnly = on(postgres("default_transaction_read_only", "on")(t))
		case sqlstore.MySQL:
			readOnly = on(mariadb(func(c *mysql.Config) { c.Params = map[string]string{"tx_read_only": "1"} })(t))
		}
		hasUser(t, readOnly, alice)
		if err := readOnly.Migrate(bounded(t)); err != nil {
			t.Errorf("Migrate with nothing to do: %v", err)
		}
		storeFailure(t, "CreateUser", createUser(bounded(t), readOnly, user("2", "bob")))
		storeFailure(t, "CreateUser of an existing user", createUser(bounded(t), readOnly, alice))
		storeFailure(t, "ReplacePasswordHash", readOnly.ReplacePasswordHash(bounded(t), alice.ID, alice.PasswordHash, "$hash$new"))
		hasUser(t, s, alice)
		hasNoUser(t, s, user("2", "bob"))
	})
}

// blocking opens a transaction that blocks writes to alice and the creation of bob, until release.
func (tt target) blocking(t testing.TB, db *sql.DB, p string) (release func()) {
	t.Helper()
	begin := "BEGIN"
	if tt.dialect == sqlstore.SQLite {
		begin = "BEGIN IMMEDIATE"
	}
	no := map[bool]string{true: "FALSE", false: "0"}[tt.dialect == sqlstore.PostgreSQL]
	more := session(t, db, begin,
		"UPDATE "+p+"users SET password_hash = 'other' WHERE id = '1'",
		"INSERT INTO "+p+"users (id, username, password_hash, disabled, created_at) VALUES ('2', 'bob', '', "+no+", 0)")
	return func() { more("ROLLBACK") }
}

// TestLocked writes while another transaction holds the lock: the call waits until its context ends,
// and changes nothing.
func TestLocked(t *testing.T) {
	each(t, slices.Concat(targets, variants[:2]), func(t *testing.T, tt target) {
		s, db, p := tt.store(t)
		alice, bob := user("1", "alice"), user("3", "bob")
		create(t, s, alice)
		release := tt.blocking(t, db, p)
		for name, call := range map[string]func(context.Context) error{
			"CreateUser": func(ctx context.Context) error { return createUser(ctx, s, bob) },
			"ReplacePasswordHash": func(ctx context.Context) error {
				return s.ReplacePasswordHash(ctx, alice.ID, alice.PasswordHash, "new")
			},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			start := time.Now()
			err := call(ctx)
			cancel()
			if took := time.Since(start); took > time.Minute {
				t.Errorf("%s took %v", name, took)
			}
			storeFailure(t, name, err)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s returned %v, want %v", name, err, context.DeadlineExceeded)
			}
		}
		hasUser(t, s, alice) // a reader does not wait
		release()
		// A server may continue for a while after its client has gone: see the comment on Store.
		eventually(t, func() error {
			err := createUser(bounded(t), s, bob)
			if err == nil || errors.Is(err, auth.ErrUserExists) {
				return nil
			}
			return err
		})
		if _, err := s.UserByUsername(bounded(t), "alice"); err != nil {
			t.Error(err)
		}
	})
}

// eventually calls f until it returns nil, for two minutes at most.
func eventually(t testing.TB, f func() error) {
	t.Helper()
	end := time.Now().Add(2 * time.Minute)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Millisecond)
	}
}

// TestBusyTimeout writes to SQLite while another connection does, with a context that never ends: the
// call waits for the busy_timeout of the database.
func TestBusyTimeout(t *testing.T) {
	short := func(t testing.TB) string {
		return strings.ReplaceAll(sqliteFile(t), "busy_timeout(120000)", "busy_timeout(300)")
	}
	each(t, []target{{"modernc", sqlstore.SQLite, "sqlite", short}, {"ncruces", sqlstore.SQLite, "sqlite3", short}}, func(t *testing.T, tt target) {
		s, db, p := tt.store(t)
		alice := user("1", "alice")
		create(t, s, alice)
		release := tt.blocking(t, db, p)
		start := time.Now()
		storeFailure(t, "CreateUser", createUser(context.Background(), s, user("3", "bob")))
		if took := time.Since(start); took < 300*time.Millisecond || took > time.Minute {
			t.Errorf("CreateUser took %v", took)
		}
		release()
		hasUser(t, s, alice)
		hasNoUser(t, s, user("3", "bob"))
		create(t, s, user("3", "bob"))
	})
}

// TestWriterQueue ends the context of a call that waits for another write of the same Store.
func TestWriterQueue(t *testing.T) {
	t.Parallel()
	tt := targets[0]
	s, db, p := tt.store(t)
	create(t, s, user("1", "alice"))
	release := tt.blocking(t, db, p)
	first := make(chan error)
	go func() { first <- createUser(bounded(t), s, user("3", "bob")) }()
	time.Sleep(50 * time.Millisecond) // so that the first call is the writer
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := createUser(ctx, s, user("4", "carol"))
	if took := time.Since(start); took > time.Minute {
		t.Errorf("CreateUser took %v", took)
	}
	storeFailure(t, "CreateUser", err)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("CreateUser returned %v, want %v", err, context.DeadlineExceeded)
	}
	release()
	if err := <-first; err != nil {
		t.Error(err)
	}
	hasNoUser(t, s, user("4", "carol"))
}

// TestUndone creates a user in many calls at once, while another transaction holds the name and then
// rolls back: InnoDB finds a deadlock among them and undoes some.
func TestUndone(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		s, db, p := tt.store(t)
		create(t, s, user("1", "alice"))
		const callers = 8
		for round := range 3 {
			release := tt.blocking(t, db, p)
			var wg sync.WaitGroup
			errs := make([]error, callers)
			for i := range callers {
				wg.Go(func() { errs[i] = createUser(bounded(t), s, user(fmt.Sprintf("%d-%d", round, i), "bob")) })
			}
			time.Sleep(100 * time.Millisecond) // so that the calls wait for the lock
			release()
			wg.Wait()
			won := 0
			for _, err := range errs {
				if err == nil {
					won++
				} else if !errors.Is(err, auth.ErrUserExists) {
					t.Errorf("CreateUser: %v", err)
				}
			}
			if won != 1 {
				t.Errorf("%d of %d calls got the name, want 1", won, callers)
			}
			exec(t, db, "DELETE FROM "+p+"users WHERE username = 'bob'")
		}
	})
}

// TestPoolExhausted calls a store when all connections are in use: each call waits until its context
// ends.
func TestPoolExhausted(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		s, db, _ := tt.store(t)
		alice := user("1", "alice")
		create(t, s, alice)
		db.SetMaxOpenConns(1)
		conn, err := db.Conn(bounded(t))
		if err != nil {
			t.Fatal(err)
		}
		for name, call := range calls(s, alice) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			err := call(ctx)
			cancel()
			storeFailure(t, name, err)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s returned %v, want %v", name, err, context.DeadlineExceeded)
			}
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		if n := db.Stats().InUse; n != 0 {
			t.Errorf("%d connections are in use after all calls have returned", n)
		}
		hasUser(t, s, alice)
		hasNoUser(t, s, user("new", "new"))
	})
}

// TestConnectionsCut closes every connection, again and again, while users register. Every
// acknowledged user is registered, and no user is stored in part.
func TestConnectionsCut(t *testing.T) {
	each(t, targets[1:], func(t *testing.T, tt target) {
		s, db, p := tt.store(t)
		var victims *sql.DB // a pool whose connections can be told from those of other tests
		switch tt.dialect {
		case sqlstore.PostgreSQL:
			victims = open(t, tt.driver, postgres("application_name", p)(t))
		case sqlstore.MySQL:
			victims = open(t, tt.driver, tt.source(t))
		}
		victim, err := sqlstore.New(victims, tt.dialect, sqlstore.Config{TablePrefix: p})
		if err != nil {
			t.Fatal(err)
		}
		const writers, each, enough = 8, 60, 4
		type result struct {
			u   auth.User
			err error
		}
		results := make(chan result)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		var cuts, failures atomic.Int64
		for w := range writers {
			wg.Go(func() { // until enough connections were cut and calls have failed
				for i := 0; i < each || cuts.Load() < enough || failures.Load() < enough; i++ {
					u := user(fmt.Sprintf("%d-%d", w, i), fmt.Sprintf("user-%d-%d", w, i))
					err := createUser(bounded(t), victim, u)
					if err != nil {
						failures.Add(1)
					}
					results <- result{u, err}
				}
			})
		}
		var cutter sync.WaitGroup
		cutter.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
					cuts.Add(int64(tt.cut(t, db, p)))
				}
			}
		})
		go func() { wg.Wait(); close(results) }()
		var acknowledged, failed []auth.User
		for r := range results {
			if r.err == nil {
				acknowledged = append(acknowledged, r.u)
			} else {
				storeFailure(t, "CreateUser", r.err)
				failed = append(failed, r.u)
			}
		}
		close(stop)
		cutter.Wait()
		t.Logf("%d connections were cut, %d calls failed and %d did not", cuts.Load(), len(failed), len(acknowledged))
		for _, u := range acknowledged {
			hasUser(t, s, u)
		}
		for _, u := range failed { // it may have been created before the reply was lost
			if got, err := s.UserByID(bounded(t), u.ID); err == nil && got != u {
				t.Errorf("a user was stored in part: %+v, want %+v", got, u)
			}
		}
		// A connection that was cut while it was idle fails when it is next used.
		eventually(t, func() error { return createUser(bounded(t), victim, user("last", "last")) })
	})
}

// cut closes those connections of the victims of [TestConnectionsCut] that are in use, and returns how
// many.
func (tt target) cut(t testing.TB, db *sql.DB, p string) (cut int) {
	if tt.dialect == sqlstore.PostgreSQL {
		err := db.QueryRowContext(bounded(t), "SELECT COUNT(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()", p).Scan(&cut)
		if err != nil {
			t.Error(err)
		}
		return cut
	}
	rows, err := db.QueryContext(bounded(t), "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE ? AND ID <> CONNECTION_ID()", "INSERT INTO _"+p+"users%")
	if err != nil {
		t.Error(err)
		return 0
	}
	var ids []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			t.Error(err)
		}
		ids = append(ids, id)
	}
	rows.Close()
	for _, id := range ids {
		if _, err := db.ExecContext(bounded(t), fmt.Sprintf("KILL CONNECTION %d", id)); err == nil {
			cut++
		}
	}
	return cut
}
