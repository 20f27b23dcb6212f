package sqlstore

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/seed-e36e2130/auth/cfgerr"
)

// Migration is one step of the schema. Steps run in the order of their versions. A step that has
// been released never changes.
type Migration struct {
	Version int
	Name    string // such as "users"
	SQL     string // statements, each of which ends with a semicolon at the end of a line
}

//go:embed migrations
var migrations embed.FS

// Migrations returns the whole schema, for programs that change their schema with a tool of their
// own: run each SQL once, in order. [Store.Migrate] runs the same statements, and continues where the
// tool stopped. An empty tablePrefix means "auth_".
//
// It returns a [*cfgerr.Error] for each fault, joined.
func Migrations(dialect Dialect, tablePrefix string) ([]Migration, error) {
	if tablePrefix == "" {
		tablePrefix = defaultPrefix
	}
	faults := cfgerr.Faults{Prefix: "sqlstore.Migrations."}
	if !dialect.known() {
		faults.Add("dialect", string(dialect), dialectRule)
	}
	if !isPrefix(tablePrefix) {
		faults.Add("tablePrefix", tablePrefix, prefixRule)
	}
	if err := faults.Err(); err != nil {
		return nil, err
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

// statements returns the statements of a step one by one, because some drivers refuse several in one
// call.
func (m Migration) statements() []string {
	var list []string
	for statement := range strings.SplitSeq(m.SQL, ";\n") {
		if statement = strings.TrimSpace(statement); statement != "" {
			list = append(list, statement)
		}
	}
	return list
}
