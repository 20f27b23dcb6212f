package drivertest

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/sqlstore"
)

// TestConstraintsOfSessions checks that the other tables also reject what no store writes. See
// TestConstraints for the table of users.
func TestConstraintsOfSessions(t *testing.T) {
	id := strings.Repeat("i", 22)
	valid := map[string]map[string]any{
		"sessions": {
			"id": id, "user_id": "1", "created_at": 1, "last_used_at": 1, "expires_at": 1,
			"user_agent": "", "ip": "", "version": 0, "state": []byte{},
		},
		"revocations": {"batch": 1, "session_id": id, "user_id": "", "issued_at": 0, "expires_at": 1},
		"records":     {"id": "k", "value": []byte{}, "version": 1, "expires_at": 1, "owner": "1"},
		"addresses":   {"user_id": "1", "address": "a@example.com", "verified": true},

		"roles":         {"user_id": "1", "org": "", "role": "admin", "granted_by": "", "granted_at": 1, "ends_at": 1},
		"role_versions": {"user_id": "1", "version": id},
	}
	type change struct {
		table, column string
		value         any
	}
	const emptyOwner = "an empty owner"
	long := func(n int) string { return strings.Repeat("x", n) }
	bad := map[string]change{
		"a short session ID":     {"sessions", "id", id[1:]},
		"a long session ID":      {"sessions", "id", id + "i"},
		"a session of nobody":    {"sessions", "user_id", ""},
		"a long user ID":         {"sessions", "user_id", long(256)},
		"a long user agent":      {"sessions", "user_agent", long(257)},
		"a long IP":              {"sessions", "ip", long(46)},
		"a long state":           {"sessions", "state", bytes.Repeat([]byte{1}, 513)},
		"a short ended session":  {"revocations", "session_id", id[1:]},
		"a row about nothing":    {"revocations", "session_id", ""},
		"a row about two things": {"revocations", "user_id", "1"},
		"no key":                 {"records", "id", ""},
		"a long key":             {"records", "id", long(201)},
		"a long value":           {"records", "value", bytes.Repeat([]byte{1}, 4097)},
		"version 0":              {"records", "version", 0},
		"a long owner":           {"records", "owner", long(256)},
		emptyOwner:               {"records", "owner", ""},
		"an address of nobody":   {"addresses", "user_id", ""},
		"an empty address":       {"addresses", "address", ""},
		"a long address":         {"addresses", "address", long(256)},
		"a role of nobody":       {"roles", "user_id", ""},
		"an empty role":          {"roles", "role", ""},
		"a long role":            {"roles", "role", long(65)},
		"a long organisation":    {"roles", "org", long(256)},
		"a long granter":         {"roles", "granted_by", long(256)},
		"a version of nobody":    {"role_versions", "user_id", ""},
		"a short version":        {"role_versions", "version", id[1:]},
	}
	for table, row := range valid {
		for column := range row {
			if optional := table == "records" && (column == "expires_at" || column == "owner") || column == "ends_at"; !optional {
				bad[table+" without "+column] = change{table, column, nil}
			}
		}
	}
	each(t, targets, func(t *testing.T, tt target) {
		_, db, p := tt.store(t)
		insert := func(table string, row map[string]any) error {
			var columns, marks []string
			var values []any
			for _, column := range slices.Sorted(maps.Keys(row)) {
				columns, values = append(columns, column), append(values, row[column])
				mark := "?"
				if tt.dialect == sqlstore.PostgreSQL {
					mark = "$" + strconv.Itoa(len(values))
				}
				marks = append(marks, mark)
			}
			_, err := db.ExecContext(bounded(t), "INSERT INTO "+p+table+" ("+strings.Join(columns, ", ")+") VALUES ("+strings.Join(marks, ", ")+")", values...)
			return err
		}
		for name, change := range bad {
			if name == emptyOwner && tt.dialect == sqlstore.MySQL {
				continue // the migration says why it has no CHECK there
			}
			row := maps.Clone(valid[change.table])
			row[change.column] = change.value
			if err := insert(change.table, row); err == nil {
				t.Errorf("the table accepts %s", name)
			}
		}
		for table, row := range valid {
			if err := insert(table, row); err != nil {
				t.Errorf("a valid row of %s is rejected: %v", table, err)
			}
		}
		for table, column := range map[string]string{"sessions": "id", "revocations": "batch", "records": "id", "addresses": "user_id", "roles": "role", "role_versions": "user_id"} {
			if err := insert(table, valid[table]); err == nil {
				t.Errorf("the table %s accepts a second row with the same %s", table, column)
			}
		}
		another := maps.Clone(valid["addresses"])
		another["user_id"] = "2"
		if err := insert("addresses", another); err == nil {
			t.Error("two users have the same address")
		}
	})
}
