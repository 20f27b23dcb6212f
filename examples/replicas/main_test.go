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

// The show goes as it is told, within the bound.
func TestReplicas(t *testing.T) {
	t.Parallel()
	dsn := testenv.Require(t, "PostgreSQL", "AUTH_TEST_POSTGRES")
	prefix := "t" + strings.ToLower(rand.Text()[:20]) + "_"
	t.Cleanup(func() { drop(t, dsn, prefix) })
	var out strings.Builder
	if err := run(&out, dsn, prefix, 30*time.Second); err != nil {
		t.Errorf("%v, after\n%s", err, &out)
	}
	want := regexp.MustCompile(`^replica 1 is http://127\.0\.0\.1:\d+, replica 2 is http://127\.0\.0\.1:\d+
logged in at replica 1, the phone is answered 200 there, 200 by replica 2
logged in at replica 2, the laptop is answered 200 there, 200 by replica 1
the phone logs out at replica 1: 204, and then 401
replica 2 answers 401 to the phone after [\w.]+, and 200 to the laptop
$`)
	if !want.MatchString(out.String()) {
		t.Errorf("it says\n%s", &out)
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
		t.Error("no tables were made")
	}
}
