package sqlstore

import (
	"strings"

	"github.com/seed-e36e2130/auth"
)

// UserTable names a table of users that the program already has, and its columns.
// All names are as the database has them, upper and lower case: letters, digits
// and underscores of ASCII after a first that is no digit, at most 63. The columns
// must be of these types, or be compared byte for byte as they are; where a
// collation takes two usernames for one, only the one that is stored is found. Where
// IDs are no text, [auth.Config].NewUserID has to make such, or nobody can register.
// A column besides that must not be NULL needs a default.
type UserTable struct {
	Table        string // as in "accounts" or "app.accounts"; empty: the one that Migrate makes
	ID           string // text of up to 255 bytes, an integer or a uuid; primary key; empty: "id"
	Username     string // text of up to 255 bytes with a unique index; empty: "username"
	PasswordHash string // text of up to 1024 bytes, NULL if there is none; empty: "password_hash"
	Disabled     string // boolean; empty: there is none, nobody is disabled and SetDisabled fails
	CreatedAt    string // microseconds since 1970 in 64 bits; empty: there is none, or it has a default
}

const (
	maxIdentifier  = 63
	identifierRule = "must be ASCII letters, digits and underscores after a first that is no digit, at most 63"
)

// isIdentifier reports whether s is a name that [Dialect.quote] may quote.
func isIdentifier(s string) bool {
	for i, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return s != "" && len(s) <= maxIdentifier
}

// quote returns a name as the dialect writes it, whatever words it reserves.
func (d Dialect) quote(name string) string {
	if d == MySQL {
		return "`" + name + "`"
	}
	return `"` + name + `"`
}

// bytewise returns text that is compared byte for byte, whatever its collation.
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

// complete returns t with the names that it leaves to be understood.
func (t UserTable) complete(prefix string, fault func(field, value, reason string)) UserTable {
	if t.Table == "" {
		if t != (UserTable{}) {
			fault("sqlstore.Config.Users.Table", "", "is required where columns are named")
		}
		return UserTable{prefix + "users", "id", "username", "password_hash", "disabled", "created_at"}
	}
	schema, table, dotted := strings.Cut(t.Table, ".")
	if !isIdentifier(schema) || dotted && !isIdentifier(table) {
		fault("sqlstore.Config.Users.Table", t.Table, identifierRule+", or two such with a dot between")
	}
	taken := make(map[string]bool)
	for _, column := range []struct {
		field, otherwise string
		name             *string
	}{
		{"ID", "id", &t.ID}, {"Username", "username", &t.Username}, {"PasswordHash", "password_hash", &t.PasswordHash},
		{"Disabled", "", &t.Disabled}, {"CreatedAt", "", &t.CreatedAt},
	} {
		if *column.name == "" {
			*column.name = column.otherwise
		}
		name := *column.name
		switch field := "sqlstore.Config.Users." + column.field; {
		case name == "":
		case !isIdentifier(name):
			fault(field, name, identifierRule)
		case taken[strings.ToLower(name)]:
			fault(field, name, "is the column of another field, too")
		}
		taken[strings.ToLower(name)] = true
	}
	return t
}

// newUserStatements returns what a store says about users in a table whose names
// are complete and valid.
func newUserStatements(d Dialect, t UserTable) userStatements {
	table := d.quote(t.Table)
	if schema, name, dotted := strings.Cut(t.Table, "."); dotted {
		table = d.quote(schema) + "." + d.quote(name)
	}
	id, username, hash := d.quote(t.ID), d.quote(t.Username), d.quote(t.PasswordHash)
	inserted, values := id+", "+username+", "+hash, "?, ?, ?"
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
		args: func(u auth.User) []any {
			args := []any{u.ID, u.Username, u.PasswordHash}
			if t.Disabled != "" {
				args = append(args, u.Disabled)
			}
			if t.CreatedAt != "" {
				args = append(args, u.CreatedAt.UnixMicro())
			}
			return args
		},
		insert:      statement("INSERT INTO " + table + " (" + inserted + ") VALUES (" + values + ")" + d.ignoreConflict()),
		byID:        statement("SELECT " + columns + " FROM " + table + " WHERE " + id + " = ?"),
		byUsername:  statement("SELECT " + columns + " FROM " + table + " WHERE " + username + " = ?"),
		replaceHash: statement("UPDATE " + table + " SET " + hash + " = ? WHERE " + id + " = ? AND " + d.bytewise("COALESCE("+hash+", '')") + " = ?"),
		lock:        statement("SELECT " + id + " FROM " + table + " WHERE " + id + " = ?" + d.forUpdate()),
		remove:      statement("DELETE FROM " + table + " WHERE " + id + " = ?"),
	}
	if t.Disabled != "" {
		s.disable = statement("UPDATE " + table + " SET " + d.quote(t.Disabled) + " = ? WHERE " + id + " = ?")
	}
	return s
}
