package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// Tests that need a database are in the module drivertest.

var dialects = []sqlstore.Dialect{sqlstore.SQLite, sqlstore.PostgreSQL, sqlstore.MySQL}

func TestNewFaults(t *testing.T) {
	t.Parallel()
	db := new(sql.DB) // New does not use it
	for name, tt := range map[string]struct {
		db      *sql.DB
		dialect sqlstore.Dialect
		prefix  string
		fields  string // the faults, in order
	}{
		"defaults":            {db, sqlstore.SQLite, "", ""},
		"longest prefix":      {db, sqlstore.PostgreSQL, strings.Repeat("a", 30), ""},
		"prefix with digits":  {db, sqlstore.MySQL, "a1_2_", ""},
		"no database":         {nil, sqlstore.SQLite, "", "sqlstore.New.db"},
		"no dialect":          {db, "", "", "sqlstore.New.dialect"},
		"other dialect":       {db, "oracle", "", "sqlstore.New.dialect"},
		"prefix too long":     {db, sqlstore.SQLite, strings.Repeat("a", 31), "sqlstore.Config.TablePrefix"},
		"upper case":          {db, sqlstore.SQLite, "Auth_", "sqlstore.Config.TablePrefix"},
		"begins with a digit": {db, sqlstore.SQLite, "1_", "sqlstore.Config.TablePrefix"},
		"begins with _":       {db, sqlstore.SQLite, "_", "sqlstore.Config.TablePrefix"},
		"schema":              {db, sqlstore.PostgreSQL, "public.auth_", "sqlstore.Config.TablePrefix"},
		"quote":               {db, sqlstore.SQLite, `a"`, "sqlstore.Config.TablePrefix"},
		"statement":           {db, sqlstore.SQLite, "users; DROP TABLE users; --", "sqlstore.Config.TablePrefix"},
		"not ASCII":           {db, sqlstore.SQLite, "\u00e4_", "sqlstore.Config.TablePrefix"},
		"NUL":                 {db, sqlstore.SQLite, "a\x00", "sqlstore.Config.TablePrefix"},
		"all":                 {nil, "oracle", "?", "sqlstore.New.db sqlstore.New.dialect sqlstore.Config.TablePrefix"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := sqlstore.New(tt.db, tt.dialect, sqlstore.Config{TablePrefix: tt.prefix})
			if got := strings.Join(fields(err), " "); got != tt.fields {
				t.Errorf("faults in %q, want %q: %v", got, tt.fields, err)
			}
			if (s == nil) != (err != nil) {
				t.Errorf("New returned %v and %v", s, err)
			}
		})
	}
}

// fields returns the fields of the faults in err.
func fields(err error) (list []string) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			list = append(list, fields(err)...)
		}
		return list
	}
	var fault *auth.ConfigError
	if errors.As(err, &fault) {
		list = append(list, fault.Field)
	}
	return list
}

// The feed's pool is another one than that of New: the same pool would look as if the feed had its own.
func TestFeedDBFault(t *testing.T) {
	t.Parallel()
	db := new(sql.DB)
	if _, err := sqlstore.New(db, sqlstore.MySQL, sqlstore.Config{FeedDB: db}); strings.Join(fields(err), " ") != "sqlstore.Config.FeedDB" {
		t.Errorf("New with its own pool as FeedDB: %v", err)
	}
	if _, err := sqlstore.New(db, sqlstore.MySQL, sqlstore.Config{FeedDB: new(sql.DB)}); err != nil {
		t.Errorf("New with another pool as FeedDB: %v", err)
	}
}

func TestUserTableFaults(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		table  sqlstore.UserTable
		fields string // the faults, in order
	}{
		"none":            {sqlstore.UserTable{}, ""},
		"table alone":     {sqlstore.UserTable{Table: "accounts"}, ""},
		"schema":          {sqlstore.UserTable{Table: "app.Accounts", ID: "userId", Username: "_email", PasswordHash: "PW1", Disabled: "locked", CreatedAt: "at"}, ""},
		"no table":        {sqlstore.UserTable{ID: "key"}, "sqlstore.Config.Users.Table"},
		"two dots":        {sqlstore.UserTable{Table: "a.b.c"}, "sqlstore.Config.Users.Table"},
		"no schema":       {sqlstore.UserTable{Table: ".b"}, "sqlstore.Config.Users.Table"},
		"quote":           {sqlstore.UserTable{Table: "a", ID: `i"d`, Username: "a`b"}, "sqlstore.Config.Users.ID sqlstore.Config.Users.Username"},
		"statement":       {sqlstore.UserTable{Table: "a; DROP TABLE b", PasswordHash: "p = '' OR 1=1 --"}, "sqlstore.Config.Users.Table sqlstore.Config.Users.PasswordHash"},
		"placeholder":     {sqlstore.UserTable{Table: "a?", Disabled: "{now}", CreatedAt: "c d"}, "sqlstore.Config.Users.Table sqlstore.Config.Users.Disabled sqlstore.Config.Users.CreatedAt"},
		"digit":           {sqlstore.UserTable{Table: "1a"}, "sqlstore.Config.Users.Table"},
		"not ASCII":       {sqlstore.UserTable{Table: "\u00e4"}, "sqlstore.Config.Users.Table"},
		"too long":        {sqlstore.UserTable{Table: strings.Repeat("a", 64)}, "sqlstore.Config.Users.Table"},
		"a column twice":  {sqlstore.UserTable{Table: "a", ID: "email", Username: "Email"}, "sqlstore.Config.Users.Username"},
		"a default twice": {sqlstore.UserTable{Table: "a", CreatedAt: "id"}, "sqlstore.Config.Users.CreatedAt"},
		"a name as key":   {sqlstore.UserTable{Table: "a", ID: "email", Username: "email", GeneratedIDs: true}, ""},
		"names":           {sqlstore.UserTable{Table: "a", Names: sqlstore.TypedNames}, ""},
		"other names":     {sqlstore.UserTable{Table: "a", Names: "upper"}, "sqlstore.Config.Users.Names"},
		"IDs of no table": {sqlstore.UserTable{GeneratedIDs: true}, "sqlstore.Config.Users.Table"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := sqlstore.New(new(sql.DB), sqlstore.PostgreSQL, sqlstore.Config{Users: tt.table})
			if got := strings.Join(fields(err), " "); got != tt.fields {
				t.Errorf("faults in %q, want %q: %v", got, tt.fields, err)
			}
			if (s == nil) != (err != nil) {
				t.Errorf("New returned %v and %v", s, err)
			}
		})
	}
}

func TestColumnFaults(t *testing.T) {
	t.Parallel()
	value := func(context.Context, auth.User) (any, error) { return "", nil }
	for name, tt := range map[string]struct {
		table   string
		columns []sqlstore.Column
		fields  string // the faults, in order
	}{
		"two":           {"a", []sqlstore.Column{{"email", value}, {"full_name", value}}, ""},
		"no table":      {"", []sqlstore.Column{{"email", value}}, "sqlstore.Config.Users.Table"},
		"no value":      {"a", []sqlstore.Column{{"email", value}, {Name: "full_name"}}, "sqlstore.Config.Columns[1].Value"},
		"no name":       {"a", []sqlstore.Column{{"", value}}, "sqlstore.Config.Columns[0].Name"},
		"statement":     {"a", []sqlstore.Column{{"a) VALUES (1); --", value}}, "sqlstore.Config.Columns[0].Name"},
		"a field's own": {"a", []sqlstore.Column{{"Username", value}}, "sqlstore.Config.Columns[0].Name"},
		"twice":         {"a", []sqlstore.Column{{"b", value}, {"B", value}}, "sqlstore.Config.Columns[1].Name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := sqlstore.New(new(sql.DB), sqlstore.SQLite, sqlstore.Config{Users: sqlstore.UserTable{Table: tt.table}, Columns: tt.columns})
			if got := strings.Join(fields(err), " "); got != tt.fields {
				t.Errorf("faults in %q, want %q: %v", got, tt.fields, err)
			}
			if (s == nil) != (err != nil) {
				t.Errorf("New returned %v and %v", s, err)
			}
		})
	}
}

func TestMigrations(t *testing.T) {
	t.Parallel()
	for _, dialect := range dialects {
		t.Run(string(dialect), func(t *testing.T) {
			t.Parallel()
			steps, err := sqlstore.Migrations(dialect, "my_")
			if err != nil || len(steps) < 2 {
				t.Fatalf("%d steps, %v", len(steps), err)
			}
			byDefault, err := sqlstore.Migrations(dialect, "")
			if err != nil {
				t.Fatal(err)
			}
			for i, step := range steps {
				if step.Version != i || step.Name == "" {
					t.Errorf("step %d is %04d_%s", i, step.Version, step.Name)
				}
				if strings.ContainsAny(step.SQL, "{}?$") {
					t.Errorf("%s is not plain SQL:\n%s", step.Name, step.SQL)
				}
				if regexp.MustCompile(`;[^\n]`).MatchString(step.SQL) || !strings.HasSuffix(step.SQL, ";\n") {
					t.Errorf("%s: each statement must end with a semicolon at the end of a line, with no semicolon elsewhere:\n%s", step.Name, step.SQL)
				}
				record := fmt.Sprintf("INSERT INTO my_migrations (version) VALUES (%d);\n", i)
				if i > 0 && !strings.HasSuffix(step.SQL, record) {
					t.Errorf("%s does not end with %q", step.Name, record)
				}
				if want := strings.ReplaceAll(step.SQL, "my_", "auth_"); byDefault[i].SQL != want {
					t.Errorf("with the default prefix %s is\n%s\nwant\n%s", step.Name, byDefault[i].SQL, want)
				}
			}
		})
	}
}

// TestDialectsAgree checks that all dialects have the same steps.
func TestDialectsAgree(t *testing.T) {
	t.Parallel()
	var want []string
	for _, dialect := range dialects {
		steps, err := sqlstore.Migrations(dialect, "")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, step := range steps {
			got = append(got, step.Name)
		}
		if want == nil {
			want = got
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s has the steps %q, %s has %q", dialect, got, dialects[0], want)
		}
	}
}

func TestMigrationsFaults(t *testing.T) {
	t.Parallel()
	steps, err := sqlstore.Migrations("oracle", "a; --")
	if got := strings.Join(fields(err), " "); got != "sqlstore.Migrations.dialect sqlstore.Migrations.tablePrefix" || steps != nil {
		t.Errorf("faults in %q, want dialect and tablePrefix: %v", got, err)
	}
}
