package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
)

// UserTable names a table of users that the program already has, or a view, and its columns. Write the
// names as the database has them, in upper and lower case: an ASCII letter or underscore, then ASCII
// letters, digits and underscores, at most 63 characters. [Store.Check] finds the names and types that
// do not fit.
//
// Where IDs are not text, set GeneratedIDs, or [auth.Config].NewUserID to a function that returns IDs
// of the column's type, written as the database writes them; otherwise nobody can register. An ID in
// another spelling, such as "02" for 2, is nobody's. Any other column that is NOT NULL needs a default
// or a place in [Config].Columns.
//
// A view does where some rows must not be found, such as those that are marked as deleted, or where
// Disabled is an expression, such as status = 'banned'. Unless the database can write through the view
// by itself, it needs INSTEAD OF triggers for INSERT, UPDATE and DELETE, which PostgreSQL and SQLite
// have and MariaDB and MySQL do not. What the view hides keeps its name in the unique index of the
// table, and CreateUser returns [auth.ErrInvalidUsername] for that name; a partial index frees it.
type UserTable struct {
	Table        string // such as "accounts" or "app.accounts"; empty: the table that Migrate creates
	ID           string // text of up to 255 bytes, an integer or a uuid; primary key; empty: "id"
	Username     string // text of up to 255 bytes with a unique index; empty: "username"
	PasswordHash string // text of up to 1,024 bytes, NULL where there is no hash; empty: "password_hash"
	Disabled     string // boolean; empty: no such column, no user is disabled and SetDisabled fails
	CreatedAt    string // microseconds since 1970 in 64 bits; empty: no such column, or it has a default

	// GeneratedIDs says that the database makes the IDs (bigserial, IDENTITY, AUTO_INCREMENT, INTEGER
	// PRIMARY KEY, a default): CreateUser leaves the column out and returns the ID of the new row. ID
	// may then be the column of usernames, where a name is the key of the table; such a name must not
	// change, and must not be given again while anything is kept of the user who had it.
	GeneratedIDs bool

	// Names says how the table stores usernames. Its zero value is [CanonicalNames].
	Names Names
}

// Column is a column of a host's table of users for which [auth.User] has no field, such as an address
// or a full name.
type Column struct {
	Name string // as the names of [UserTable]

	// Value returns the value of the column in a new row, as database/sql takes it. ctx has the
	// values of the context that Register was called with. An error ends the registration and is
	// passed on, wrapped.
	Value func(ctx context.Context, u auth.User) (any, error)
}

const (
	maxIdentifier  = 63
	identifierRule = "must be ASCII letters, digits and underscores, at most 63, and not begin with a digit"
)

// isIdentifier reports whether [Dialect.quote] may quote s.
func isIdentifier(s string) bool {
	for i, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return s != "" && len(s) <= maxIdentifier
}

// quote returns a name quoted for the dialect, so that it may be a reserved word.
func (d Dialect) quote(name string) string {
	if d == MySQL {
		return "`" + name + "`"
	}
	return `"` + name + `"`
}

// bytewise returns an expression of text that is compared byte for byte, whatever its collation.
func (d Dialect) bytewise(text string) string {
	switch d {
	case MySQL:
		return "CAST(" + text + " AS BINARY)"
	case PostgreSQL:
		return text + ` COLLATE "C"`
	default:
		return text + " COLLATE BINARY"
	}
}

// exactly returns a condition that holds for the row whose column is this text, byte for byte. The text
// is the parameter of both comparisons. The first one can use the index, but it is made by the type and
// the collation of the column, so that an integer takes "02" for 2. The second one decides.
func (d Dialect) exactly(column string) string {
	return column + " = ? AND " + d.bytewise(d.text(column)) + " = ?"
}

// text returns an expression of a column as text.
func (d Dialect) text(column string) string {
	if d == MySQL {
		return "CONVERT(" + column + " USING utf8mb4)" // CAST of a MariaDB uuid AS BINARY has 16 bytes
	}
	return "CAST(" + column + " AS TEXT)"
}

// withDefaults returns t with a name for each column that the table has.
func (t UserTable) withDefaults(prefix string) UserTable {
	if t.Table == "" {
		return UserTable{
			Table: prefix + "users", ID: "id", Username: "username", PasswordHash: "password_hash",
			Disabled: "disabled", CreatedAt: "created_at",
		}
	}
	for column, byDefault := range map[*string]string{&t.ID: "id", &t.Username: "username", &t.PasswordHash: "password_hash"} {
		if *column == "" {
			*column = byDefault
		}
	}
	return t
}

// check adds the faults of t, and of the columns that it has beside.
func (t UserTable) check(faults *cfgerr.Faults, columns []Column) {
	if t == (UserTable{}) && len(columns) == 0 {
		return
	}
	if t.Table == "" {
		faults.Add("Config.Users.Table", "", "is required where columns are named")
		return
	}
	schema, table, dotted := strings.Cut(t.Table, ".")
	if !isIdentifier(schema) || dotted && !isIdentifier(table) {
		faults.Add("Config.Users.Table", t.Table, identifierRule+"; or two such names with a dot between them")
	}
	if !t.Names.known() {
		faults.Add("Config.Users.Names", string(t.Names), namesRule)
	}
	taken := make(map[string]bool)
	add := func(field, name string) {
		folded := strings.ToLower(name)
		switch {
		case !isIdentifier(name):
			faults.Add(field, name, identifierRule)
		case taken[folded] && !(field == "Config.Users.Username" && name == t.ID && t.GeneratedIDs):
			faults.Add(field, name, "is also the column of another field")
		}
		taken[folded] = true
	}
	for _, c := range t.withDefaults("").columns() {
		add(c.field, c.name)
	}
	for i, c := range columns {
		field := fmt.Sprintf("Config.Columns[%d]", i)
		add(field+".Name", c.Name)
		faults.Require(field+".Value", c.Value != nil)
	}
}

// namedColumn is a column that a field of the configuration names.
type namedColumn struct {
	field, name string
	holds       kinds // what the column must hold
}

// columns returns the columns that t names.
func (t UserTable) columns() []namedColumn {
	all := []namedColumn{
		{"Config.Users.ID", t.ID, kinds{text, integer, uuid}}, {"Config.Users.Username", t.Username, kinds{text}},
		{"Config.Users.PasswordHash", t.PasswordHash, kinds{text, paddedText}}, {"Config.Users.Disabled", t.Disabled, kinds{boolean}},
		{"Config.Users.CreatedAt", t.CreatedAt, kinds{microTime}},
	}
	return slices.DeleteFunc(all, func(c namedColumn) bool { return c.name == "" })
}

// quoted returns the name of the table as statements have it.
func (t UserTable) quoted(d Dialect) string {
	if schema, name, dotted := strings.Cut(t.Table, "."); dotted {
		return d.quote(schema) + "." + d.quote(name)
	}
	return d.quote(t.Table)
}

// newUserStatements returns the statements on a table of users, all of whose columns have valid
// names. SQLite counts no rows that are changed through a view: there, statements on a host's table
// return a row for each.
func newUserStatements(d Dialect, t UserTable, more []Column, host bool) userStatements {
	table, id, username, hash := t.quoted(d), d.quote(t.ID), d.quote(t.Username), d.quote(t.PasswordHash)
	where := " WHERE " + d.exactly(id)
	var inserted []string
	for _, c := range t.columns() {
		if !t.GeneratedIDs || c.field != "Config.Users.ID" {
			inserted = append(inserted, d.quote(c.name))
		}
	}
	for _, c := range more {
		inserted = append(inserted, d.quote(c.Name))
	}
	optional := func(column string) string {
		if column == "" {
			return "NULL"
		}
		return d.quote(column)
	}
	columns := id + ", " + username + ", " + hash + ", " + optional(t.Disabled) + ", " + optional(t.CreatedAt)
	prepare := func(text string) *statement { return newStatement(d, "", text) }
	change := func(text string) *statement {
		if d == SQLite && host {
			s := prepare(text + " RETURNING 1")
			s.returning = true
			return s
		}
		return prepare(text)
	}
	insert := "INSERT INTO " + table + " (" + strings.Join(inserted, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(inserted)-1) + ")"
	if d == PostgreSQL {
		insert += d.ignoreConflict() // SQLite cannot do so in a view
	}
	byName := username
	if t.Names == TypedNames {
		byName = "LOWER(" + username + ")"
	}
	s := userStatements{
		table: t, host: host, more: more,
		insert:      prepare(insert),
		byID:        prepare("SELECT " + columns + " FROM " + table + where),
		byUsername:  prepare("SELECT " + columns + " FROM " + table + " WHERE " + byName + " = ?"),
		list:        prepare("SELECT " + columns + " FROM " + table + " WHERE " + username + " > ? ORDER BY " + username + " LIMIT ?"),
		newID:       prepare("SELECT " + id + " FROM " + table + " WHERE " + d.exactly(username)),
		replaceHash: change("UPDATE " + table + " SET " + hash + " = ?" + where + " AND " + d.bytewise("COALESCE("+hash+", '')") + " = ?"),
		lock:        prepare("SELECT " + id + " FROM " + table + where + d.forUpdate()),
		remove:      change("DELETE FROM " + table + where),
	}
	if t.Disabled != "" {
		s.disable = change("UPDATE " + table + " SET " + d.quote(t.Disabled) + " = ?" + where)
	}
	return s
}

// args returns the parameters of the INSERT of a user.
func (s userStatements) args(ctx context.Context, u auth.User) ([]any, error) {
	var args []any
	if !s.table.GeneratedIDs {
		args = append(args, u.ID)
	}
	args = append(args, u.Username, u.PasswordHash)
	if s.table.Disabled != "" {
		args = append(args, u.Disabled)
	}
	if s.table.CreatedAt != "" {
		args = append(args, u.CreatedAt.UnixMicro())
	}
	for _, c := range s.more {
		value, err := c.Value(ctx, u)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", c.Name, err)
		}
		args = append(args, value)
	}
	return args, nil
}
