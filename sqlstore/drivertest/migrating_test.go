package drivertest

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/legacyhash"
	"github.com/seed-e36e2130/auth/passwords"
)

// migratingHashers are the Hashers that the pages in docs/migrating name, as they write them.
func migratingHashers(t *testing.T) map[string]passwords.Hasher {
	t.Helper()
	columns, err := legacyhash.PBKDF2(legacyhash.PBKDF2Config{Size: 50, Salt: legacyhash.Hex})
	if err != nil {
		t.Fatal(err)
	}
	devise, err := legacyhash.Devise("")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]passwords.Hasher{
		"legacyhash.WordPress()":      legacyhash.WordPress(),
		"legacyhash.Drupal()":         legacyhash.Drupal(),
		"legacyhash.MediaWiki()":      legacyhash.MediaWiki(),
		"legacyhash.Magento()":        legacyhash.Magento(),
		"legacyhash.Nextcloud()":      legacyhash.Nextcloud(),
		"legacyhash.PHC()":            legacyhash.PHC(),
		"columns, passwords.Bcrypt{}": passwords.Chain(columns, passwords.Bcrypt{}),
		"legacyhash.All()":            legacyhash.All(),
		"legacyhash.Laravel()":        legacyhash.Laravel(),
		"devise":                      devise,
		"legacyhash.ASPNET()":         legacyhash.ASPNET(),
		"legacyhash.Spring()":         legacyhash.Spring(),
		"legacyhash.Lucia()":          legacyhash.Lucia(),
		"legacyhash.BetterAuth()":     legacyhash.BetterAuth(),
		"legacyhash.AdonisJS()":       legacyhash.AdonisJS(),
	}
}

var (
	sqlBlock   = regexp.MustCompile("(?ms)^```sql\n(.*?)^```$")
	hasherLine = regexp.MustCompile("(?m)^Config: `Hasher: passwords\\.Chain\\(passwords\\.Argon2id\\{\\}, (.*)\\)`$")
)

// Each query in docs/migrating returns the users of a table as the other system makes it, with hashes
// that the Hasher beside the query verifies. A file of testdata/migrating has the table, with hashes of
// the original software, the password of all of them, and the names that the query must return.
func TestMigrating(t *testing.T) {
	t.Parallel()
	hashers := migratingHashers(t)
	tested := 0
	for page, at := range map[string]target{"cms.md": targets[2], "servers.md": targets[1], "frameworks.md": targets[1]} {
		text, err := os.ReadFile(filepath.Join(testenv.Checkout(t), "docs", "migrating", page))
		if err != nil {
			t.Fatal(err)
		}
		for section := range strings.SplitSeq("\n"+strings.ReplaceAll(string(text), "\r\n", "\n"), "\n## ") {
			heading, _, _ := strings.Cut(section, "\n")
			name := strings.ToLower(strings.NewReplacer(" ", "-", ".", "").Replace(heading))
			for i, query := range sqlBlock.FindAllStringSubmatch(section, -1) {
				line := hasherLine.FindStringSubmatch(section)
				if line == nil || hashers[line[1]] == nil {
					t.Fatalf("%s, %s: no line of Config with a Hasher that this test knows: %q", page, heading, line)
				}
				file := name
				if i > 0 {
					file += "-2"
				}
				tested++
				t.Run(file, func(t *testing.T) {
					t.Parallel()
					checkQuery(t, at, file, query[1], passwords.Chain(passwords.Argon2id{}, hashers[line[1]]))
				})
			}
		}
	}
	if files, err := filepath.Glob("testdata/migrating/*.sql"); err != nil || tested != len(files) {
		t.Errorf("%d queries for %d files: %v", tested, len(files), err)
	}
}

// checkQuery runs one query on the table of a file.
func checkQuery(t *testing.T, at target, name, query string, hasher passwords.Hasher) {
	t.Helper()
	setup, err := os.ReadFile(filepath.Join("testdata", "migrating", name+".sql"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitN(strings.ReplaceAll(string(setup), "\r\n", "\n"), "\n", 3)
	password, _ := strings.CutPrefix(lines[0], "-- password: ")
	names, _ := strings.CutPrefix(lines[1], "-- users: ")
	db := open(t, at.driver, at.source(t))
	tx, err := db.BeginTx(t.Context(), nil) // nothing is kept: in MariaDB the tables are temporary
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	statements := strings.SplitAfter(lines[2], ";\n")
	if at.driver == "pgx" {
		statements = slices.Concat([]string{"CREATE SCHEMA migrating_" + strings.ReplaceAll(name, "-", "_"), "SET LOCAL search_path = migrating_" + strings.ReplaceAll(name, "-", "_")}, statements)
	}
	for _, statement := range statements {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := tx.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%v\n%s", err, statement)
		}
	}
	rows, err := tx.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		row := map[string]string{}
		for i, column := range columns {
			row[column] = values[i].String
		}
		if row["id"] == "" {
			t.Errorf("no id: %v", row)
		}
		found = append(found, row["username"])
		if err := hasher.Verify(t.Context(), row["password_hash"], password); err != nil {
			t.Errorf("%s: %q: %v", row["username"], row["password_hash"], err)
		}
		if err := hasher.Verify(t.Context(), row["password_hash"], password+"x"); err != passwords.ErrMismatch {
			t.Errorf("%s with another password: %v", row["username"], err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	want := strings.Split(names, ", ")
	slices.Sort(found)
	slices.Sort(want)
	if !slices.Equal(found, want) {
		t.Errorf("got the users %q, want %q", found, want)
	}
}
