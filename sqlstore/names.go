package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-e36e2130/auth"
)

// Names says how a table of users stores usernames. The Authenticator looks a user up by the canonical
// form of the name: see [auth.Config].NormalizeUsername. A row that the database finds counts only if
// its name has that canonical form, whatever the collation of the column takes for the same;
// [CollatedNames] alone lets the collation decide.
type Names string

const (
	// CanonicalNames are stored in canonical form, as Register writes them. Where the collation of the
	// column ignores case (citext, *_ci of MariaDB and MySQL, NOCASE of SQLite), names in any case are
	// found as well. In other columns a name with a capital letter is found by no login: [Store.Check]
	// counts those.
	CanonicalNames Names = ""

	// TypedNames are stored as people typed them, in a column that distinguishes case. They are
	// compared by lower(), which needs an index on that expression, such as
	//
	//	CREATE UNIQUE INDEX ON users (lower(email))
	//
	// Without the index each login reads the whole table. lower() of SQLite changes ASCII alone. Of
	// names that differ only by case nobody logs in: that is an error, which Check finds.
	TypedNames Names = "typed"

	// CollatedNames are compared by the collation of the column alone: where that takes jose for José,
	// either logs in. Attempts are counted at the name that is stored. The unique index must have the
	// same collation.
	CollatedNames Names = "collated"
)

const namesRule = "must be CanonicalNames, TypedNames or CollatedNames"

func (n Names) known() bool { return n == CanonicalNames || n == TypedNames || n == CollatedNames }

// canonical returns the canonical form of a username.
func (s *Store) canonical(username string) (string, error) {
	if s.ownRule != nil {
		return s.ownRule(strings.TrimSpace(username)) // as the Authenticator calls it
	}
	return auth.CanonicalUsername(username)
}

// errTwins is for names that differ only by case where only the canonical form may decide.
var errTwins = errors.New("several rows have this username in other spellings: see Store.Check")

// isNameOf reports whether a row that a look-up by a canonical username has found is the user's.
func (s *Store) isNameOf(stored, username string) bool {
	switch {
	case stored == username || s.users.table.Names == CollatedNames:
		return true
	case !s.users.host:
		return false
	}
	name, err := s.canonical(stored)
	return err == nil && name == username
}

// theUser returns the user of a look-up by name from the rows that it has found.
func (s *Store) theUser(found []auth.User, username string) (auth.User, error) {
	switch len(found) {
	case 0:
		return auth.User{}, auth.ErrUserNotFound
	case 1:
		return found[0], nil
	}
	if s.users.table.Names == CanonicalNames {
		for _, u := range found {
			if u.Username == username {
				return u, nil
			}
		}
	}
	return auth.User{}, errTwins
}

// NamesError says that a table has usernames that no login finds, or that several rows share.
// [Store.Check] returns it joined with other errors; find it with [errors.As].
type NamesError struct {
	Table, Column string

	// NotCanonical counts names that no login finds, however they are typed, but would find in their
	// canonical form. Users who have such a name can register a second account.
	NotCanonical int

	// Invalid counts names that have no canonical form, such as those with a space inside.
	Invalid int

	// Twins counts names that several rows have in different spellings, as far as lower() tells.
	Twins int

	List   string // the statement that lists the twins
	Update string // the statement that writes names in canonical form, as far as lower() tells
}

// Unwrap returns [auth.ErrInvalidUsername]: package authkit writes a warning and starts, because the other
// users can log in.
func (e *NamesError) Unwrap() error { return auth.ErrInvalidUsername }

// Error says what is wrong and what to run.
func (e *NamesError) Error() string {
	var faults []string
	if e.Twins > 0 {
		faults = append(faults, fmt.Sprintf("%d usernames that several rows have in different spellings: keep one of each; run %s", e.Twins, e.List))
	}
	if e.NotCanonical > 0 {
		faults = append(faults, fmt.Sprintf("%d usernames that are not in canonical form, so that no login finds them: run %s; "+
			"or set sqlstore.UserTable.Names to TypedNames", e.NotCanonical, e.Update))
	}
	if e.Invalid > 0 {
		faults = append(faults, fmt.Sprintf("%d usernames that auth.Config.NormalizeUsername refuses, so that no login finds them: rename them", e.Invalid))
	}
	return fmt.Sprintf("auth: column %q of table %q has %s", e.Column, e.Table, strings.Join(faults, "; and "))
}

// checkNames returns a [*NamesError] if there are names that no login finds, or that several rows have.
func (s *Store) checkNames(ctx context.Context) error {
	d, t := s.dialect, s.users.table
	name, table := d.quote(t.Username), t.quoted(d)
	small := "LOWER(TRIM(" + d.text(name) + "))"
	e := &NamesError{
		Table: t.Table, Column: t.Username,
		List:   "SELECT " + small + ", COUNT(*) FROM " + table + " GROUP BY 1 HAVING COUNT(*) > 1",
		Update: "UPDATE " + table + " SET " + name + " = " + small + " WHERE " + name + " <> " + small,
	}
	capitals, sample, odd, err := s.readNames(ctx, e)
	if err != nil || capitals == 0 && len(odd) == 0 && e.Invalid == 0 {
		return err
	}
	if capitals > 0 { // one look-up tells what the column does with all of these
		if found, err := s.findsItself(ctx, sample); err != nil {
			return err
		} else if !found {
			e.NotCanonical = capitals
		}
	}
	for _, n := range odd {
		if found, err := s.findsItself(ctx, n); err != nil {
			return err
		} else if !found {
			e.NotCanonical++
		}
	}
	twins := newStatement(d, "", "SELECT COUNT(*) FROM (SELECT 1 AS n FROM "+table+" WHERE "+name+" IS NOT NULL GROUP BY "+
		d.bytewise(small)+" HAVING COUNT(*) > 1) AS twins")
	if err := twins.row(ctx, s.db, nil, &e.Twins); err != nil {
		return err
	}
	if e.NotCanonical == 0 && e.Invalid == 0 && e.Twins == 0 {
		return nil
	}
	return e
}

// spelling is a name as it is stored, and its canonical form.
type spelling struct{ stored, canonical string }

// readNames reads the names that are more than small ASCII letters, digits and punctuation, and every name
// where the host has a rule of its own. It counts the names that lower() turns into another, canonical
// form, with one of them as a sample, returns those whose canonical form is another than that of lower(),
// and counts in e those that have none.
func (s *Store) readNames(ctx context.Context, e *NamesError) (capitals int, sample spelling, odd []spelling, err error) {
	d, t := s.dialect, s.users.table
	name := d.quote(t.Username)
	which := name + " IS NOT NULL"
	if s.ownRule == nil {
		which = d.unusual(name)
	}
	read := newStatement(d, "", "SELECT "+name+", LOWER("+d.text(name)+") FROM "+t.quoted(d)+" WHERE "+which)
	err = read.rows(ctx, s.db, func(rows *sql.Rows) error {
		var stored, lowered string
		if err := rows.Scan(&stored, &lowered); err != nil {
			return err
		}
		switch canonical, err := s.canonical(stored); {
		case err != nil:
			e.Invalid++
		case stored == canonical:
		case lowered == canonical:
			capitals++
			sample = spelling{stored, canonical}
		default:
			odd = append(odd, spelling{stored, canonical})
		}
		return nil
	})
	return capitals, sample, odd, err
}

// findsItself reports whether a look-up by the canonical form of a name finds the row that has the name, or
// several rows.
func (s *Store) findsItself(ctx context.Context, n spelling) (bool, error) {
	u, err := s.UserByUsername(ctx, n.canonical)
	switch {
	case errors.Is(err, auth.ErrUserNotFound):
		return false, nil
	case errors.Is(err, errTwins):
		return true, nil // they are counted as twins
	}
	return u.Username == n.stored, err
}

// unusual returns a condition that holds for a text of more than small ASCII letters, digits and
// punctuation: it may not be in canonical form.
func (d Dialect) unusual(column string) string {
	switch d {
	case MySQL:
		return d.text(column) + " COLLATE utf8mb4_bin REGEXP '[^!-~]|[A-Z]'"
	case PostgreSQL:
		return d.bytewise(d.text(column)) + " ~ '[^!-~]|[A-Z]'"
	}
	return d.text(column) + " GLOB '*[^!-~]*' OR " + d.text(column) + " GLOB '*[A-Z]*'"
}
