package main

import (
	"crypto/rand"
	"database/sql"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/internal/testenv"
)

// TestReplicas checks what the program prints.
func TestReplicas(t *testing.T) {
	t.Parallel()
	dsn := testenv.Require(t, "PostgreSQL", "AUTH_TEST_POSTGRES")
	prefix := "t" + strings.ToLower(rand.Text()[:20]) + "_"
	t.Cleanup(func() { drop(t, dsn, prefix) })
	var out strings.Builder
	if err := run(&out, dsn, prefix, t.TempDir(), 20*time.Second); err != nil { // longer than the default, for slow machines
		t.Errorf("%v, after the output\n%s", err, &out)
	}
	want := regexp.MustCompile(`^replica 1 is http://127\.0\.0\.1:\d+, replica 2 is http://127\.0\.0\.1:\d+
the phone logs in at replica 1 and gets 200 from replica 1, 200 from replica 2
the laptop logs in at replica 2 and gets 200 from replica 1, 200 from replica 2
the phone logs out at replica 1 \(204\) and gets 401 from replica 1
[\w.]+ after the logout the phone gets 401 from replica 2, the laptop 200
$`)
	if !want.MatchString(out.String()) {
		t.Errorf("the program prints\n%s", &out)
	}
}

// drop removes the tables whose names begin with prefix.
func drop(t *testing.T, dsn, prefix string) {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(`SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND starts_with(tablename, $1)`, prefix)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	for _, name := range tables {
		if _, err := db.Exec(`DROP TABLE ` + name + ` CASCADE`); err != nil {
			t.Error(err)
		}
	}
	if len(tables) == 0 {
		t.Error("the program created no tables")
	}
}
