package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth/cfgerr"
)

// Check finds at start what would otherwise fail at the first login. It changes nothing. It returns all
// that it finds, joined:
//
//   - a [*cfgerr.Error] for each name of [Config].Users and [Config].Columns that is no table or column,
//     and for each column whose type does not fit;
//   - an error that names the column, if the database does not let this program read or change it;
//   - an error if [Store.Migrate] has not run since this version of the package;
//   - an error if the database is read-only;
//   - a [*NamesError] if there are usernames that no login finds. A program may start with it.
//
// The names are read once for each Store, by the first call that gets so far, which takes about a second for
// a million of them, and several if some have capital letters. Later calls take milliseconds, so that a readiness probe may make them. A database
// that cannot be reached is reported alone.
func (s *Store) Check(ctx context.Context) error {
	const doing = "check"
	if err := s.db.PingContext(ctx); err != nil {
		return failed(ctx, doing, err)
	}
	var faults []error
	for _, check := range []func(context.Context) error{s.checkVersion, s.checkUsers} {
		err := check(ctx)
		if ctx.Err() != nil {
			return failed(ctx, doing, err)
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// ownTables are the tables of Migrate, beside the one that records migrations.
var ownTables = []string{"users", "sessions", "revocations", "records", "addresses", "roles", "role_versions"}

// checkVersion returns an error unless the tables of Migrate are those of this version or a newer one, and
// can be written. While an upgrade rolls out, this version runs beside the next.
func (s *Store) checkVersion(ctx context.Context) error {
	steps, err := Migrations(s.dialect, s.prefix)
	if err != nil {
		return err
	}
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("auth: sql store: check: tables %s…: %w", s.prefix, fmt.Errorf(format, args...))
	}
	columns, err := s.columnsOf(ctx, UserTable{Table: s.prefix + "migrations"})
	if err != nil {
		return wrong("%w", err)
	}
	if len(columns) == 0 {
		return wrong("they do not exist: run Migrate")
	}
	version, err := s.version(ctx, s.db)
	latest := steps[len(steps)-1].Version
	switch {
	case err != nil:
		return wrong("%w", err)
	case version < latest:
		return wrong("they have version %d, and this program needs %d: run Migrate", version, latest)
	}
	for _, table := range ownTables {
		if err := s.try(ctx, "DELETE FROM "+s.prefix+table+" WHERE 1 = 0"); err != nil {
			return wrong("%s cannot be written; is the database read-only? %w", s.prefix+table, err)
		}
	}
	return nil
}

// try runs a statement that changes no row.
func (s *Store) try(ctx context.Context, statement string) error {
	return s.exclusively(ctx, func() error {
		_, err := s.db.ExecContext(ctx, statement)
		return err
	})
}

// checkUsers returns the faults of the table of users.
func (s *Store) checkUsers(ctx context.Context) error {
	t := s.users.table
	faults := cfgerr.Faults{Prefix: "sqlstore."}
	columns, err := s.columnsOf(ctx, t)
	switch {
	case err != nil:
		return failed(ctx, "check", fmt.Errorf("table %s: %w", t.Table, err))
	case len(columns) == 0 && s.users.host:
		faults.Add("Config.Users.Table", t.Table, "is no table or view of this database")
		return faults.Err()
	case len(columns) == 0:
		return nil // checkVersion says so
	}
	if s.users.host {
		s.checkColumns(&faults, columns)
		if err := faults.Err(); err != nil {
			return err
		}
		if err := s.tryColumns(ctx); err != nil {
			return err
		}
	}
	if s.namesRead.Load() {
		return nil
	}
	err = s.checkNames(ctx)
	_, found := errors.AsType[*NamesError](err)
	if err != nil && !found {
		return failed(ctx, "check", err)
	}
	s.namesRead.Store(true)
	return err
}

// checkColumns adds a fault for each column that is not there or has another type.
func (s *Store) checkColumns(faults *cfgerr.Faults, columns []catalogColumn) {
	t := s.users.table
	all := t.columns()
	for i, c := range s.users.more {
		all = append(all, namedColumn{field: fmt.Sprintf("Config.Columns[%d].Name", i), name: c.Name})
	}
	for _, c := range all {
		i := slices.IndexFunc(columns, func(have catalogColumn) bool {
			return have.name == c.name || s.dialect != PostgreSQL && strings.EqualFold(have.name, c.name)
		})
		if i < 0 {
			var names []string
			for _, have := range columns {
				names = append(names, have.name)
			}
			faults.Add(c.field, c.name, fmt.Sprintf("is no column of table %s, which has %s", t.Table, strings.Join(names, ", ")))
			continue
		}
		if typ := columns[i].typ; c.holds != nil && !c.holds.any(s.dialect.kindsOf(typ)) {
			faults.Add(c.field, c.name, fmt.Sprintf("has the type %s in table %s, and must hold %s", typ, t.Table, c.holds))
		}
	}
}

// tryColumns returns an error for each column that the database does not let this program read or
// change, as far as it must.
func (s *Store) tryColumns(ctx context.Context) error {
	t, table := s.users.table, s.users.table.quoted(s.dialect)
	var faults []error
	cannot := func(column, what string, err error) {
		if err != nil {
			faults = append(faults, fmt.Errorf("auth: sql store: check: column %q of table %q cannot be %s: %w", column, t.Table, what, err))
		}
	}
	for _, c := range t.columns() {
		name := s.dialect.quote(c.name)
		cannot(c.name, "read", s.try(ctx, "SELECT "+name+" FROM "+table+" WHERE 1 = 0"))
		if c.name == t.PasswordHash || c.name == t.Disabled {
			cannot(c.name, "changed", s.try(ctx, "UPDATE "+table+" SET "+name+" = "+name+" WHERE 1 = 0"))
		}
	}
	return errors.Join(faults...)
}
