package drivertest

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// A nameTable is a host's table with names as people typed them.
type nameTable struct {
	*sqlstore.Store
	*auth.Authenticator
	db     *sql.DB
	table  string // quoted
	prefix string
	again  func() *sqlstore.Store // returns another store on the table, which has not read the names
}

// typed returns a type of text that distinguishes case.
func (tt target) typed() string {
	return map[sqlstore.Dialect]string{
		sqlstore.MySQL: "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", sqlstore.PostgreSQL: "text", sqlstore.SQLite: "TEXT",
	}[tt.dialect]
}

// folding returns a type of text that ignores case.
func (tt target) folding(t testing.TB) string {
	if tt.dialect == sqlstore.PostgreSQL {
		// Two sessions that create it at the same time disturb each other.
		exec(t, open(t, tt.driver, tt.source(t)), "DO $$ BEGIN PERFORM pg_advisory_xact_lock(8265); CREATE EXTENSION IF NOT EXISTS citext; END $$")
	}
	return map[sqlstore.Dialect]string{
		sqlstore.MySQL:      "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", // Laravel's
		sqlstore.PostgreSQL: "citext", sqlstore.SQLite: "TEXT COLLATE NOCASE",
	}[tt.dialect]
}

const namesPassword = "correct horse battery"

// names returns a table whose column of usernames has a type, with these names in it.
func (tt target) names(t *testing.T, text string, how sqlstore.Names, rule func(string) (string, error), typed ...string) nameTable {
	t.Helper()
	db := open(t, tt.driver, tt.source(t))
	n := nameTable{db: db, prefix: prefix(t, db)}
	n.table = n.prefix + "people"
	exec(t, db, "CREATE TABLE "+n.table+" (id "+tableIDs[1].column[tt.dialect]+" PRIMARY KEY, email "+text+" NOT NULL UNIQUE, password VARCHAR(255))")
	t.Cleanup(func() { exec(t, db, "DROP TABLE "+n.table) })
	n.again = func() *sqlstore.Store {
		store, err := sqlstore.New(db, tt.dialect, sqlstore.Config{
			TablePrefix: n.prefix, NormalizeUsername: rule,
			Users: sqlstore.UserTable{Table: n.table, Username: "email", PasswordHash: "password", GeneratedIDs: true, Names: how},
		})
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	store := n.again()
	if err := store.Migrate(bounded(t)); err != nil {
		t.Fatal(err)
	}
	hasher, keys := authtest.FastHasher(t), newKeys(t)
	for _, name := range typed {
		n.insert(t, tt, name, hasher)
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: keys.access})
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := auth.New(store, tokens, auth.Config{Hasher: hasher, Sessions: store, RefreshKeys: keys.refresh, NormalizeUsername: rule})
	if err != nil {
		t.Fatal(err)
	}
	n.Store, n.Authenticator = store, accounts
	return n
}

// insert adds a row as the host's program did.
func (n nameTable) insert(t *testing.T, tt target, name string, hasher auth.Hasher) {
	t.Helper()
	hash, err := hasher.Hash(t.Context(), namesPassword)
	if err != nil {
		t.Fatal(err)
	}
	values := "(?, ?)"
	if tt.dialect == sqlstore.PostgreSQL {
		values = "($1, $2)"
	}
	if _, err := n.db.ExecContext(bounded(t), "INSERT INTO "+n.table+" (email, password) VALUES "+values, name, hash); err != nil {
		t.Fatal(err)
	}
}

// wrongNames fails the test unless Check finds these numbers.
func (n nameTable) wrongNames(t *testing.T, notCanonical, invalid, twins int) *sqlstore.NamesError {
	t.Helper()
	store := n.again()
	err := store.Check(bounded(t))
	if again := store.Check(bounded(t)); again != nil {
		t.Errorf("Check reads the names twice: %v", again)
	}
	found, ok := errors.AsType[*sqlstore.NamesError](err)
	switch {
	case !ok && notCanonical+invalid+twins > 0:
		t.Errorf("Check: %v, want a NamesError", err)
	case !ok && err != nil:
		t.Errorf("Check: %v", err)
	case !ok:
		return nil
	case found.NotCanonical != notCanonical || found.Invalid != invalid || found.Twins != twins:
		t.Errorf("Check: %d not canonical, %d invalid, %d twins, want %d, %d, %d: %v",
			found.NotCanonical, found.Invalid, found.Twins, notCanonical, invalid, twins, err)
	case !strings.Contains(err.Error(), `"email"`) || found.Column != "email" || found.Table != n.table:
		t.Errorf("Check: %v, want an error that names the column", err)
	}
	return found
}

// logsIn fails the test unless each spelling of a name logs in to one account, whose password then
// works in every method, and no spelling can be registered.
func (n nameTable) logsIn(t *testing.T, spellings ...string) {
	t.Helper()
	subjects := make(map[string]bool)
	for _, typed := range spellings {
		tokens, err := n.Login(bounded(t), typed, namesPassword)
		if err != nil {
			t.Errorf("Login(%q): %v", typed, err)
			continue
		}
		subjects[tokens.Principal.Subject()] = true
		if err := n.ConfirmPassword(bounded(t), tokens.Principal.Subject(), namesPassword); err != nil {
			t.Errorf("ConfirmPassword of %q: %v", typed, err)
		}
		if _, err := n.Register(bounded(t), typed, "another password"); !errors.Is(err, auth.ErrUserExists) {
			t.Errorf("Register(%q): %v, want %v", typed, err, auth.ErrUserExists)
		}
		// The store itself refuses the name, whatever the Authenticator looked up before.
		canonical, err := auth.CanonicalUsername(typed)
		if _, insertErr := n.CreateUser(bounded(t), auth.User{Username: canonical}); err != nil || !errors.Is(insertErr, auth.ErrUserExists) {
			t.Errorf("CreateUser of %q: %v, want %v", typed, errors.Join(err, insertErr), auth.ErrUserExists)
		}
	}
	if len(subjects) > 1 {
		t.Errorf("%q are %d accounts", spellings, len(subjects))
	}
}

var adas = []string{"Ada.Lovelace@Example.com", "ada.lovelace@example.com", " ADA.LOVELACE@EXAMPLE.COM "}

// TestNamesAsTyped logs in to accounts whose names have capital letters, in columns that ignore case and
// in those that do not. Where no login finds a name, Check says so, and what to run.
func TestNamesAsTyped(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		for name, n := range map[string]nameTable{
			"typed names":                     tt.names(t, tt.typed(), sqlstore.TypedNames, nil, adas[0], "bob@example.com"),
			"a column that ignores case":      tt.names(t, tt.folding(t), sqlstore.CanonicalNames, nil, adas[0], "bob@example.com"),
			"a column that decides":           tt.names(t, tt.folding(t), sqlstore.CollatedNames, nil, adas[0], "bob@example.com"),
			"typed names that ignore case":    tt.names(t, tt.folding(t), sqlstore.TypedNames, nil, adas[0], "bob@example.com"),
			"names that are canonical anyway": tt.names(t, tt.typed(), sqlstore.CanonicalNames, nil, adas[1], "bob@example.com"),
		} {
			t.Run(name, func(t *testing.T) {
				n.wrongNames(t, 0, 0, 0)
				n.logsIn(t, adas...)
				if _, err := n.Register(bounded(t), "Carol@Example.com", namesPassword); err != nil {
					t.Errorf("Register: %v", err)
				}
				n.logsIn(t, "CAROL@example.com")
				if _, err := n.Login(bounded(t), "nobody@example.com", namesPassword); !errors.Is(err, auth.ErrInvalidCredentials) {
					t.Errorf("Login of nobody: %v", err)
				}
			})
		}
		t.Run("names that nobody finds", func(t *testing.T) {
			n := tt.names(t, tt.typed(), sqlstore.CanonicalNames, nil, adas[0], "bob@example.com", "Carol@example.com")
			for _, typed := range adas {
				if _, err := n.Login(bounded(t), typed, namesPassword); !errors.Is(err, auth.ErrInvalidCredentials) {
					t.Errorf("Login(%q): %v", typed, err)
				}
			}
			found := n.wrongNames(t, 2, 0, 0)
			exec(t, n.db, found.Update)
			n.wrongNames(t, 0, 0, 0)
			n.logsIn(t, adas...)
		})
	})
}

// TestNamesThatAreTwins has two rows whose names differ by case: they are counted, and neither a stranger
// nor an owner gets into the other's account.
func TestNamesThatAreTwins(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		n := tt.names(t, tt.typed(), sqlstore.TypedNames, nil, adas[0], adas[1], "Bob@Example.com")
		found := n.wrongNames(t, 0, 0, 1)
		for _, typed := range adas {
			if _, err := n.Login(bounded(t), typed, namesPassword); err == nil || auth.HTTPStatus(err) != 500 {
				t.Errorf("Login(%q): %v, want a failure", typed, err)
			}
			canonical := strings.ToLower(strings.TrimSpace(typed))
			if _, err := n.CreateUser(bounded(t), auth.User{Username: canonical}); !errors.Is(err, auth.ErrUserExists) {
				t.Errorf("CreateUser of %q: %v", canonical, err)
			}
		}
		n.logsIn(t, "bob@example.com")
		var form string
		var count int
		if err := n.db.QueryRowContext(bounded(t), found.List).Scan(&form, &count); err != nil || form != adas[1] || count != 2 {
			t.Errorf("the list has %q %d times, %v", form, count, err)
		}

		// Where names are canonical, the one that is logs in, and the other is counted.
		n = tt.names(t, tt.typed(), sqlstore.CanonicalNames, nil, adas[0], adas[1])
		n.wrongNames(t, 1, 0, 1)
		u, err := n.UserByUsername(bounded(t), adas[1])
		if err != nil || u.Username != adas[1] {
			t.Errorf("UserByUsername: %v, %v", u, err)
		}
	})
}

// accents returns a type of text that ignores accents, and what creates and drops it.
func (tt target) accents(t *testing.T) string {
	t.Helper()
	switch tt.dialect {
	case sqlstore.MySQL:
		return "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
	case sqlstore.PostgreSQL:
		db := open(t, tt.driver, tt.source(t))
		collation := prefix(t, db) + "accents"
		exec(t, db, fmt.Sprintf("CREATE COLLATION %s (provider = icu, locale = 'und-u-ks-level1', deterministic = false)", collation))
		t.Cleanup(func() { exec(t, db, "DROP COLLATION "+collation) })
		return "text COLLATE " + collation
	}
	return ""
}

// TestNamesByCollation has a column whose collation takes jose for José. Who is found by jose is for the
// host to say. A name that is in the way of another is not reported as an account.
func TestNamesByCollation(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		text := tt.accents(t)
		if text == "" {
			return // SQLite has no such collation
		}
		n := tt.names(t, text, sqlstore.CollatedNames, nil, "José@Example.com")
		n.wrongNames(t, 0, 0, 0)
		n.logsIn(t, "JOSÉ@example.com", "jose@example.com", "jôse@example.com")

		n = tt.names(t, text, sqlstore.CanonicalNames, nil, "José@Example.com")
		n.wrongNames(t, 0, 0, 0)
		n.logsIn(t, "JOSÉ@example.com", "josé@example.com")
		if _, err := n.Login(bounded(t), "jose@example.com", namesPassword); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("Login without the accent: %v", err)
		}
		if _, err := n.Register(bounded(t), "jose@example.com", namesPassword); !errors.Is(err, auth.ErrInvalidUsername) || errors.Is(err, auth.ErrUserExists) {
			t.Errorf("Register without the accent: %v, want %v", err, auth.ErrInvalidUsername)
		}
	})
}

// TestNamesThatAreOdd counts names that have no canonical form, or one that lower() does not tell.
func TestNamesThatAreOdd(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		odd := []string{
			"bob smith", "zero\u200bwidth", // refused
			"Zoe\u0308@example.com", "\uff21da@example.com", " eve@example.com", // another form
			"müller@example.com", "日本", "o'brien+x@example.com", // canonical
		}
		n := tt.names(t, tt.typed(), sqlstore.CanonicalNames, nil, odd...)
		n.wrongNames(t, 3, 2, 0)
		n = tt.names(t, tt.typed(), sqlstore.TypedNames, nil, odd...)
		n.wrongNames(t, 3, 2, 0)

		// By a rule of the host's own, every name is read.
		asIs := func(name string) (string, error) { return name, nil }
		n = tt.names(t, tt.typed(), sqlstore.CanonicalNames, asIs, "Ada Lovelace", "ada lovelace", "Zoe\u0308")
		n.wrongNames(t, 0, 0, 0)
		for _, name := range []string{"Ada Lovelace", "ada lovelace", "Zoe\u0308"} {
			if _, err := n.Login(bounded(t), name, namesPassword); err != nil {
				t.Errorf("Login(%q): %v", name, err)
			}
		}
		onlyShort := func(name string) (string, error) {
			if len(name) > 3 {
				return "", errors.New("too long")
			}
			return name, nil
		}
		n = tt.names(t, tt.typed(), sqlstore.CanonicalNames, onlyShort, "ada", "grace")
		n.wrongNames(t, 0, 1, 0)
	})
}

// TestNamesOfTheStoreItself has a row in the library's own table that another program has written.
func TestNamesOfTheStoreItself(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		s, db, p := tt.store(t)
		create(t, s, user("1", "ada"))
		if err := s.Check(bounded(t)); err != nil {
			t.Errorf("Check: %v", err)
		}
		create(t, s, user("2", "Bob"), user("3", "Ada"))
		again := func() error {
			s, err := sqlstore.New(db, tt.dialect, sqlstore.Config{TablePrefix: p})
			return errors.Join(err, s.Check(bounded(t)))
		}
		found, ok := errors.AsType[*sqlstore.NamesError](again())
		if !ok || found.NotCanonical != 2 || found.Twins != 1 || found.Table != p+"users" {
			t.Fatalf("Check: %+v, want 2 names that are not canonical, 1 twin", found)
		}
		exec(t, db, "DELETE FROM "+p+"users WHERE id = '3'", found.Update)
		if err := again(); err != nil {
			t.Errorf("Check after the update: %v", err)
		}
		if _, err := s.UserByUsername(bounded(t), "bob"); err != nil {
			t.Errorf("UserByUsername after the update: %v", err)
		}
	})
}
