package sqlstore

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/seed-e36e2130/auth"
)

// Migration is one step of the schema. Steps run in the order of their versions;
// what has been released never changes.
type Migration struct {
	Version int
	Name    string // as in "users"
	SQL     string // statements, each ended by a semicolon at the end of a line
}

//go:embed migrations
var migrations embed.FS

// Migrations returns the whole schema, for programs that change theirs with a
// tool of their own: run each SQL once, in order. [Store.Migrate] runs the same
// text, and goes on where that tool stopped. The empty prefix is "auth_".
func Migrations(dialect Dialect, tablePrefix string) ([]Migration, error) {
	if tablePrefix == "" {
		tablePrefix = defaultPrefix
	}
	var faults []error
	if !dialect.known() {
		faults = append(faults, &auth.ConfigError{Field: "sqlstore.Migrations.dialect", Value: string(dialect), Reason: "is none of SQLite, PostgreSQL and MySQL"})
	}
	if !isPrefix(tablePrefix) {
		faults = append(faults, &auth.ConfigError{Field: "sqlstore.Migrations.tablePrefix", Value: tablePrefix, Reason: prefixRule})
	}
	if faults != nil {
		return nil, errors.Join(faults...)
	}
	dir := path.Join("migrations", string(dialect))
	files, err := fs.ReadDir(migrations, dir) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("auth: sql store: %w", err)
	}
	var steps []Migration
	for _, file := range files {
		text, err := fs.ReadFile(migrations, path.Join(dir, file.Name()))
		if err != nil {
			return nil, fmt.Errorf("auth: sql store: %w", err)
		}
		number, name, _ := strings.Cut(strings.TrimSuffix(file.Name(), ".sql"), "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != len(steps) {
			return nil, fmt.Errorf("auth: sql store: migration %s is out of sequence", file.Name())
		}
		steps = append(steps, Migration{Version: version, Name: name, SQL: dialect.query(tablePrefix, string(text))})
	}
	return steps, nil
}

// statements returns the statements of a step one by one, as some drivers want
// them.
func (m Migration) statements() []string {
	var list []string
	for statement := range strings.SplitSeq(m.SQL, ";\n") {
		if statement = strings.TrimSpace(statement); statement != "" {
			list = append(list, statement)
		}
	}
	return list
}
