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
			ofTheWorld(t, name, call(bounded(t)))
		}
		ofTheWorld(t, "Migrate", closed.Migrate(bounded(t)))
		hasUser(t, s, alice)
	})
}

// TestUnreachable finds nobody where the database should be, and keeps the
// password of the database to itself.
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
			ofTheWorld(t, name, err)
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%s returned %q, which holds the password", name, err)
			}
		}
	})
}

// TestReadOnly looks up users and changes none where nothing can be written.
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
			t.Errorf("Migrate, with nothing to do: %v", err)
		}
		ofTheWorld(t, "CreateUser", createUser(bounded(t), readOnly, user("2", "bob")))
		ofTheWorld(t, "CreateUser of a user who exists", createUser(bounded(t), readOnly, alice))
		ofTheWorld(t, "ReplacePasswordHash", readOnly.ReplacePasswordHash(bounded(t), alice.ID, alice.PasswordHash, "$hash$new"))
		hasUser(t, s, alice)
		hasNot(t, s, user("2", "bob"))
	})
}

// blocking holds what a write of alice and of the name bob waits for.
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

// TestLocked waits for another transaction no longer than the context, and then
// nothing has changed.
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
			ofTheWorld(t, name, err)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s returned %v, want %v", name, err, context.DeadlineExceeded)
			}
		}
		hasUser(t, s, alice) // who reads does not wait
		release()
		// A server may notice late that nobody waits for the answer, and until
		// then it goes on: see the comment on Store.
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

// TestBusyTimeout waits for a writer of SQLite as long as the database was set up
// to, where the context has no end.
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
		ofTheWorld(t, "CreateUser", createUser(context.Background(), s, user("3", "bob")))
		if took := time.Since(start); took < 300*time.Millisecond || took > time.Minute {
			t.Errorf("CreateUser took %v", took)
		}
		release()
		hasUser(t, s, alice)
		hasNot(t, s, user("3", "bob"))
		create(t, s, user("3", "bob"))
	})
}

// TestLineOfWriters gives up a place in the line of SQLite's writers when the
// context ends.
func TestLineOfWriters(t *testing.T) {
	t.Parallel()
	tt := targets[0]
	s, db, p := tt.store(t)
	create(t, s, user("1", "alice"))
	release := tt.blocking(t, db, p)
	first := make(chan error)
	go func() { first <- createUser(bounded(t), s, user("3", "bob")) }()
	time.Sleep(50 * time.Millisecond) // so that the first has its turn
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := createUser(ctx, s, user("4", "carol"))
	if took := time.Since(start); took > time.Minute {
		t.Errorf("CreateUser took %v", took)
	}
	ofTheWorld(t, "CreateUser", err)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("CreateUser returned %v, want %v", err, context.DeadlineExceeded)
	}
	release()
	if err := <-first; err != nil {
		t.Error(err)
	}
	hasNot(t, s, user("4", "carol"))
}

// TestUndone has many ask for a name that another transaction holds and then
// gives up: InnoDB finds a deadlock among them and undoes some.
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
			time.Sleep(100 * time.Millisecond) // so that they wait
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
				t.Errorf("%d of %d got the name", won, callers)
			}
			exec(t, db, "DELETE FROM "+p+"users WHERE username = 'bob'")
		}
	})
}

// TestPoolExhausted waits for a connection no longer than the context.
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
			ofTheWorld(t, name, err)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s returned %v, want %v", name, err, context.DeadlineExceeded)
			}
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		if n := db.Stats().InUse; n != 0 {
			t.Errorf("%d connections are in use, and nobody uses any", n)
		}
		hasUser(t, s, alice)
		hasNot(t, s, user("new", "new"))
	})
}

// TestConnectionsCut cuts every connection, again and again, while users register.
// Who was told that they are registered is; nobody is half.
func TestConnectionsCut(t *testing.T) {
	each(t, targets[1:], func(t *testing.T, tt target) {
		s, db, p := tt.store(t)
		var mine *sql.DB // so that the cuts hit nobody else
		switch tt.dialect {
		case sqlstore.PostgreSQL:
			mine = open(t, tt.driver, postgres("application_name", p)(t))
		case sqlstore.MySQL:
			mine = open(t, tt.driver, tt.source(t))
		}
		victim, err := sqlstore.New(mine, tt.dialect, sqlstore.Config{TablePrefix: p})
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
			wg.Go(func() { // until enough has gone wrong
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
				ofTheWorld(t, "CreateUser", r.err)
				failed = append(failed, r.u)
			}
		}
		close(stop)
		cutter.Wait()
		t.Logf("%d connections were cut, %d calls failed and %d did not", cuts.Load(), len(failed), len(acknowledged))
		for _, u := range acknowledged {
			hasUser(t, s, u)
		}
		for _, u := range failed { // it may have been done before the answer was lost
			if got, err := s.UserByID(bounded(t), u.ID); err == nil && got != u {
				t.Errorf("half a user: %+v, want %+v", got, u)
			}
		}
		// A connection that was cut while it was idle says so to whoever uses it next.
		eventually(t, func() error { return createUser(bounded(t), victim, user("last", "last")) })
	})
}

// cut ends the connections of a pool of [TestConnectionsCut] that are in use.
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
