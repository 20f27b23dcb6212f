package sqlstore

import (
	"strings"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
)

// UserTable names a table of users that the program already has, and its columns. Write the names
// as the database has them, in upper and lower case: an ASCII letter or underscore, then ASCII
// letters, digits and underscores, at most 63 characters.
//
// The columns must have the types below, or must be compared byte for byte. Where a collation takes
// two usernames for the same, only the one that is stored is found. Where IDs are not text,
// [auth.Config].NewUserID must return IDs of the column's type, written as the database writes them;
// otherwise nobody can register. An ID in another spelling, such as "02" for 2, is nobody's. Any other
// column that is NOT NULL needs a default.
type UserTable struct {
	Table        string // such as "accounts" or "app.accounts"; empty: the table that Migrate creates
	ID           string // text of up to 255 bytes, an integer or a uuid; primary key; empty: "id"
	Username     string // text of up to 255 bytes with a unique index; empty: "username"
	PasswordHash string // text of up to 1,024 bytes, NULL where there is no hash; empty: "password_hash"
	Disabled     string // boolean; empty: no such column, no user is disabled and SetDisabled fails
	CreatedAt    string // microseconds since 1970 in 64 bits; empty: no such column, or it has a default
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

// exactly returns a condition that holds for the row whose ID is this text, byte for byte. The ID is
// the parameter of both comparisons. The first one can use the index, but it is made by the type and the collation of
// the column, so that an integer takes "02" for 2. The second one decides.
func (d Dialect) exactly(id string) string {
	text := "CAST(" + id + " AS TEXT)"
	if d == MySQL {
		text = "CONVERT(" + id + " USING utf8mb4)" // CAST of a MariaDB uuid AS BINARY has 16 bytes
	}
	return id + " = ? AND " + d.bytewise(text) + " = ?"
}

// withDefaults returns t with a name for each column that the table has.
func (t UserTable) withDefaults(prefix string) UserTable {
	if t.Table == "" {
		return UserTable{prefix + "users", "id", "username", "password_hash", "disabled", "created_at"}
	}
	for column, byDefault := range map[*string]string{&t.ID: "id", &t.Username: "username", &t.PasswordHash: "password_hash"} {
		if *column == "" {
			*column = byDefault
		}
	}
	return t
}

// check adds the faults of t.
func (t UserTable) check(faults *cfgerr.Faults) {
	if t == (UserTable{}) {
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
	t = t.withDefaults("")
	taken := make(map[string]bool)
	for _, column := range []struct{ field, name string }{
		{"ID", t.ID}, {"Username", t.Username}, {"PasswordHash", t.PasswordHash}, {"Disabled", t.Disabled}, {"CreatedAt", t.CreatedAt},
	} {
		field, folded := "Config.Users."+column.field, strings.ToLower(column.name)
		switch {
		case column.name == "":
			continue
		case !isIdentifier(column.name):
			faults.Add(field, column.name, identifierRule)
		case taken[folded]:
			faults.Add(field, column.name, "is also the column of another field")
		}
		taken[folded] = true
	}
}

// newUserStatements returns the statements on a table of users, all of whose columns have valid
// names.
func newUserStatements(d Dialect, t UserTable) userStatements {
	table := d.quote(t.Table)
	if schema, name, dotted := strings.Cut(t.Table, "."); dotted {
		table = d.quote(schema) + "." + d.quote(name)
	}
	id, username, hash := d.quote(t.ID), d.quote(t.Username), d.quote(t.PasswordHash)
	where := " WHERE " + d.exactly(id)
	inserted, values := id+", "+username+", "+hash, "?, ?, ?"
	// selected returns an optional column as a SELECT lists it, and adds it to the INSERT.
	selected := func(column string) string {
		if column == "" {
			return "NULL"
		}
		inserted, values = inserted+", "+d.quote(column), values+", ?"
		return d.quote(column)
	}
	columns := id + ", " + username + ", " + hash + ", " + selected(t.Disabled) + ", " + selected(t.CreatedAt)
	statement := func(text string) *statement { return newStatement(d, "", text) }
	s := userStatements{
		args:        t.args,
		insert:      statement("INSERT INTO " + table + " (" + inserted + ") VALUES (" + values + ")" + d.ignoreConflict()),
		byID:        statement("SELECT " + columns + " FROM " + table + where),
		byUsername:  statement("SELECT " + columns + " FROM " + table + " WHERE " + username + " = ?"),
		replaceHash: statement("UPDATE " + table + " SET " + hash + " = ?" + where + " AND " + d.bytewise("COALESCE("+hash+", '')") + " = ?"),
		lock:        statement("SELECT " + id + " FROM " + table + where + d.forUpdate()),
		remove:      statement("DELETE FROM " + table + where),
	}
	if t.Disabled != "" {
		s.disable = statement("UPDATE " + table + " SET " + d.quote(t.Disabled) + " = ?" + where)
	}
	return s
}

// args returns the parameters of the INSERT of a user.
func (t UserTable) args(u auth.User) []any {
	args := []any{u.ID, u.Username, u.PasswordHash}
	if t.Disabled != "" {
		args = append(args, u.Disabled)
	}
	if t.CreatedAt != "" {
		args = append(args, u.CreatedAt.UnixMicro())
	}
	return args
}
