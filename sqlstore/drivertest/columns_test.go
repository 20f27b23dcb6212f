package drivertest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/sqlstore"
)

type profileKey struct{}

// profile is what a host asks of a new user.
type profile struct{ fullName, phone string }

var errNoName = errors.New("a full name is required")

// TestMoreColumns registers accounts in a table with columns that are NOT NULL and have no default, such
// as the created_at of GORM and Django: the values come from the context of Register and from the user.
func TestMoreColumns(t *testing.T) {
	each(t, slices.Concat(targets, variants), func(t *testing.T, tt target) {
		at := map[sqlstore.Dialect]string{sqlstore.PostgreSQL: "timestamptz", sqlstore.MySQL: "DATETIME(6)", sqlstore.SQLite: "DATETIME"}[tt.dialect]
		db := open(t, tt.driver, tt.source(t))
		p := prefix(t, db)
		exec(t, db, "CREATE TABLE "+p+"people (id "+tableIDs[1].column[tt.dialect]+" PRIMARY KEY, name VARCHAR(255) NOT NULL UNIQUE, pw VARCHAR(1024), "+
			"email VARCHAR(255) NOT NULL, full_name VARCHAR(255) NOT NULL, phone VARCHAR(20) UNIQUE, created_at "+at+" NOT NULL)")
		t.Cleanup(func() { exec(t, db, "DROP TABLE "+p+"people") })
		from := func(get func(profile) any) func(context.Context, auth.User) (any, error) {
			return func(ctx context.Context, _ auth.User) (any, error) {
				got, ok := ctx.Value(profileKey{}).(profile)
				if !ok {
					return nil, errNoName
				}
				return get(got), nil
			}
		}
		s, err := sqlstore.New(db, tt.dialect, sqlstore.Config{
			TablePrefix: p,
			Users:       sqlstore.UserTable{Table: p + "people", Username: "name", PasswordHash: "pw", GeneratedIDs: true},
			Columns: []sqlstore.Column{
				{Name: "email", Value: func(_ context.Context, u auth.User) (any, error) { return u.Username, nil }},
				{Name: "full_name", Value: from(func(p profile) any { return p.fullName })},
				{Name: "phone", Value: from(func(p profile) any {
					if p.phone == "" {
						return nil
					}
					return p.phone
				})},
				{Name: "created_at", Value: func(context.Context, auth.User) (any, error) { return time.Now(), nil }},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Migrate(bounded(t)), s.Check(bounded(t))); err != nil {
			t.Fatal(err)
		}
		tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: newKeys(t).access})
		if err != nil {
			t.Fatal(err)
		}
		a, err := auth.New(s, tokens, auth.Config{Hasher: authtest.FastHasher(t)})
		if err != nil {
			t.Fatal(err)
		}
		of := func(p profile) context.Context { return context.WithValue(bounded(t), profileKey{}, p) }
		if _, err := a.Register(of(profile{"Ada Lovelace", "1"}), "ada@example.com", namesPassword); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Create(of(profile{fullName: "Robert"}), "bob@example.com"); err != nil {
			t.Fatal(err)
		}
		var rows []string
		list, err := db.QueryContext(bounded(t), "SELECT email, full_name, phone IS NULL FROM "+p+"people WHERE created_at IS NOT NULL ORDER BY id")
		if err != nil {
			t.Fatal(err)
		}
		defer list.Close()
		for list.Next() {
			var email, name string
			var noPhone bool
			if err := list.Scan(&email, &name, &noPhone); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, email+", "+name+map[bool]string{true: ", no phone"}[noPhone])
		}
		if want := []string{"ada@example.com, Ada Lovelace", "bob@example.com, Robert, no phone"}; list.Err() != nil || !slices.Equal(rows, want) {
			t.Errorf("the table has %q, %v, want %q", rows, list.Err(), want)
		}
		if _, err := a.Register(bounded(t), "eve@example.com", namesPassword); !errors.Is(err, errNoName) || auth.HTTPStatus(err) != 500 {
			t.Errorf("Register where a column has no value: %v, want the host's error", err)
		}
		if _, err := a.Register(of(profile{"Ada the second", "1"}), "eve@example.com", namesPassword); !errors.Is(err, auth.ErrUserExists) {
			t.Errorf("Register of a phone that is taken: %v", err)
		}
		hasNoUser(t, s, user("3", "eve@example.com"))
	})
}

// TestMissingColumn registers in a table with a column that nothing fills: the error of the database
// names it, for the operator.
func TestMissingColumn(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		s, _, _ := tt.hostTable(t, tt.exact(), tt.exact(), ", full_name VARCHAR(255) NOT NULL", sqlstore.UserTable{})
		err := createUser(bounded(t), s, user("1", "ada"))
		storeFailure(t, "CreateUser", err)
		if err != nil && !strings.Contains(err.Error(), "full_name") {
			t.Errorf("CreateUser: %v, want an error that names the column", err)
		}
	})
}
