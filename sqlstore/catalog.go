package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"
)

// catalogColumn is a column as the database's catalog has it.
type catalogColumn struct{ name, typ string }

// columnsOf returns the columns of a table or a view, in their order. There are none if it does not exist.
func (s *Store) columnsOf(ctx context.Context, t UserTable) (columns []catalogColumn, err error) {
	schema, table, dotted := strings.Cut(t.Table, ".")
	if !dotted {
		schema, table = "", t.Table
	}
	var query string
	args := []any{schema, table}
	switch s.dialect {
	case PostgreSQL: // a domain has the type that it is made of
		query = "SELECT a.attname, COALESCE(base.typname, t.typname) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid " +
			"LEFT JOIN pg_type base ON base.oid = t.typbasetype WHERE a.attrelid = to_regclass(?) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
		args = []any{t.quoted(PostgreSQL)}
	case MySQL:
		query = "SELECT column_name, data_type FROM information_schema.columns " +
			"WHERE table_schema = COALESCE(NULLIF(?, ''), DATABASE()) AND table_name = ? ORDER BY ordinal_position"
	default:
		query = "SELECT name, type FROM pragma_table_xinfo(?)"
		args = []any{table}
		if dotted {
			query, args = "SELECT name, type FROM pragma_table_xinfo(?, ?)", []any{table, schema}
		}
	}
	err = newStatement(s.dialect, "", query).rows(ctx, s.db, func(rows *sql.Rows) error {
		var c catalogColumn
		err := rows.Scan(&c.name, &c.typ)
		columns = append(columns, c)
		return err
	}, args...)
	return columns, err
}

// kind is what a column holds.
type kind string

const (
	text       kind = "text"
	paddedText kind = "text padded with spaces"
	integer    kind = "an integer"
	uuid       kind = "a uuid"
	boolean    kind = "a boolean that is true for a disabled user"
	microTime  kind = "microseconds since 1970 in 64 bits (or leave the field empty)"
)

type kinds []kind

// any reports whether one of the kinds is among others.
func (k kinds) any(others kinds) bool {
	return slices.ContainsFunc(k, func(one kind) bool { return slices.Contains(others, one) })
}

func (k kinds) String() string {
	var words []string
	for _, one := range k {
		words = append(words, string(one))
	}
	return strings.Join(words, ", or ")
}

// kindsOf returns what a column of a type can hold, as far as this package has a use for it.
func (d Dialect) kindsOf(typ string) kinds {
	typ = strings.ToLower(typ)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(typ, w) })
	}
	is := func(words ...string) bool { return slices.Contains(words, typ) }
	switch {
	case is("uuid"):
		return kinds{uuid}
	case is("bool", "boolean"):
		return kinds{boolean}
	case d == PostgreSQL && is("text", "varchar", "citext", "name"):
		return kinds{text}
	case d == PostgreSQL && is("bpchar"):
		return kinds{paddedText}
	case d == PostgreSQL && is("int2", "int4"):
		return kinds{integer}
	case d == PostgreSQL && is("int8"):
		return kinds{integer, microTime}
	case d == MySQL && (has("char", "text", "blob") || is("varbinary")):
		return kinds{text}
	case d == MySQL && is("bigint"):
		return kinds{integer, boolean, microTime}
	case d == MySQL && has("int"):
		return kinds{integer, boolean}
	case d == SQLite && (typ == "" || has("blob")): // any, such as an expression of a view
		return kinds{text, integer, boolean, microTime}
	case d == SQLite && has("char", "text", "clob"):
		return kinds{text}
	case d == SQLite && has("int"):
		return kinds{integer, boolean, microTime}
	case d == SQLite && has("num", "bool"):
		return kinds{boolean}
	}
	return nil
}
