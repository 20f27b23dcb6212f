package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
)

// serveTest serves the program's routes on a database and keys of the test's own.
func serveTest(t *testing.T) (url string) {
	t.Helper()
	url, _ = serveUsers(t, filepath.Join(t.TempDir(), "users.db"))
	return url
}

// serveUsers is serveTest on the database in a file.
func serveUsers(t *testing.T, file string) (url string, users *sqlite.Store) {
	t.Helper()
	users, err := sqlite.Open(t.Context(), file, sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { users.Close() })
	app, err := authkit.Open(t.Context(), authkit.All(users), authkit.Config{
		Issuer: "https://quickstart.example", KeyFolder: filepath.Dir(file), Accounts: auth.Config{Hasher: authtest.FastHasher(t)},
		Logger: slog.New(slog.DiscardHandler), Revocation: revocation.Config{Bound: time.Minute}, // leaves time to slow machines
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { app.Close(context.WithoutCancel(t.Context())) })
	handler := routes(app, users)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if err := recover(); err != nil {
				t.Errorf("%s %s panics: %v", r.Method, r.URL, err)
				panic(err)
			}
		}()
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, users
}

const asJSON, asForm = "application/json", "application/x-www-form-urlencoded"

// TestBadInput checks that requests with a fault are answered with a 4xx and create no account.
func TestBadInput(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "users.db")
	url, users := serveUsers(t, file)
	if status, body := register(url, "taken", "correct horse"); status != 201 {
		t.Fatalf("register answers %d %s", status, body)
	}
	object := func(username, password string) string {
		return `{"username":"` + username + `","password":"` + password + `"}`
	}
	for name, row := range map[string]struct {
		contentType, body string
		register, login   int
	}{
		"empty":              {asJSON, "", 400, 400},
		"no object":          {asJSON, "[]", 400, 400},
		"incomplete":         {asJSON, `{"username":"bob"`, 400, 400},
		"trailing":           {asJSON, object("bob", "correct horse") + "{}", 400, 400},
		"duplicate":          {asJSON, `{"username":"bob","username":"eve","password":"correct horse"}`, 400, 400},
		"unknown":            {asJSON, `{"username":"bob","password":"correct horse","disabled":false}`, 400, 400},
		"missing":            {asJSON, `{"username":"bob"}`, 400, 400},
		"null":               {asJSON, `{"username":"bob","password":null}`, 400, 400},
		"number":             {asJSON, `{"username":"bob","password":12345678}`, 400, 400},
		"invalid UTF-8":      {asJSON, object("bob", "correct horse\xff"), 400, 400},
		"invalid UTF-8 name": {asJSON, object("bob\xff", "correct horse"), 400, 400},
		"lone surrogate":     {asJSON, object("bob", `correct horse\ud800`), 400, 400},
		"text":               {"text/plain", object("bob", "correct horse"), 415, 415},
		"no type":            {"", object("bob", "correct horse"), 415, 415},
		"64 KiB":             {asJSON, object("bob", strings.Repeat("x", 64<<10)), 413, 413},
		"1 MB password":      {asJSON, object("bob", strings.Repeat("x", 1<<20)), 413, 413},
		"1 MB form":          {asForm, "username=bob&password=" + strings.Repeat("x", 1<<20), 413, 413},
		"form, bad escape":   {asForm, "username=bob&password=%zz", 400, 400},

		"no username":        {asJSON, object("", "correct horse"), 422, 401},
		"username space":     {asJSON, object("bob smith", "correct horse"), 422, 401},
		"username NUL":       {asJSON, object(`bob\u0000`, "correct horse"), 422, 401},
		"username newline":   {asJSON, object(`bo\nb`, "correct horse"), 422, 401},
		"username invisible": {asJSON, object("bob\u200b", "correct horse"), 422, 401},
		"username long":      {asJSON, object(strings.Repeat("b", 256), "correct horse"), 422, 401},
		"password short":     {asJSON, object("bob", "seven77"), 422, 401},
		"password NUL":       {asJSON, object("bob", `correct\u0000horse`), 422, 401},
		"password long":      {asJSON, object("bob", strings.Repeat("x", 1025)), 422, 401},
		"sql":                {asJSON, object(`bob' OR '1'='1`, "correct horse"), 422, 401},
		"taken":              {asJSON, object("Taken", "another horse"), 409, 401},
		"taken, wide":        {asJSON, object("ｔａｋｅｎ", "another horse"), 409, 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for path, want := range map[string]int{"/auth/register": row.register, "/auth/login": row.login} {
				status, body := post(url+path, row.contentType, row.body)
				if status != want || !strings.HasPrefix(body, "{") {
					t.Errorf("%s: %d %s, want %d", path, status, body, want)
				}
			}
		})
	}
	t.Cleanup(func() { // runs after all subtests
		if n := count(t, users); n != 1 {
			t.Errorf("there are %d accounts, want the first alone", n)
		}
	})
	for _, path := range []string{"/auth/login", "/auth/register"} {
		if status, body := post(url+path+"?username=bob&password=correct+horse", "", ""); status != 400 || !strings.Contains(body, "in the body") {
			t.Errorf("%s with credentials in the URL: %d %s, want 400", path, status, body)
		}
	}
}

// count returns the number of accounts.
func count(t *testing.T, users *sqlite.Store) (n int) {
	t.Helper()
	if err := users.DB().QueryRow("SELECT count(*) FROM auth_users").Scan(&n); err != nil {
		t.Error(err)
	}
	return n
}

// TestSameName checks that of 64 concurrent registrations of one username exactly one succeeds, and that the
// throttle, which allows one address 100 at once, refuses none of them.
func TestSameName(t *testing.T) {
	t.Parallel()
	url := serveTest(t)
	statuses := concurrently(64, func(i int) int {
		status, _ := register(url, "ada", fmt.Sprint("correct horse ", i))
		return status
	})
	winners := 0
	for i, status := range statuses {
		switch status {
		case 201:
			winners++
			login(t, url, "ada", fmt.Sprint("correct horse ", i))
		case 409:
		default:
			t.Errorf("client %d gets status %d, want 201 or 409", i, status)
		}
	}
	if winners != 1 {
		t.Errorf("%d clients get status 201, want 1", winners)
	}
}

// concurrently calls f from n goroutines that start together, and returns the results.
func concurrently(n int, f func(i int) int) []int {
	var start, done sync.WaitGroup
	start.Add(1)
	results := make([]int, n)
	for i := range n {
		done.Go(func() {
			start.Wait()
			results[i] = f(i)
		})
	}
	start.Done()
	done.Wait()
	return results
}

// TestDatabaseFails checks that a database which refuses writes, or is closed, loses no account:
// requests are answered with 5xx, and every registration that was acknowledged is still there
// afterwards.
func TestDatabaseFails(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*sqlite.Store) error{
		"read-only": func(s *sqlite.Store) error {
			_, err := s.DB().Exec("PRAGMA query_only = ON")
			return err
		},
		"closed": func(s *sqlite.Store) error { return s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "users.db")
			url, users := serveUsers(t, file)
			users.DB().SetMaxOpenConns(1) // the PRAGMA holds for one connection
			if status, body := register(url, "ada", "correct horse"); status != 201 {
				t.Fatalf("register answers %d %s", status, body)
			}
			login(t, url, "ada", "correct horse")

			statuses := concurrently(64, func(i int) int {
				if i == 20 {
					if err := fail(users); err != nil {
						t.Error(err)
					}
				}
				status, _ := register(url, fmt.Sprint("user", i), "correct horse")
				return status
			})
			if status, body := register(url, "late", "correct horse"); status != 500 || strings.Contains(body, "sql") {
				t.Errorf("register: %d %s, want 500", status, body)
			}
			// No session can be created.
			if status, body := post(url+"/auth/login", asForm, "username=ada&password=correct+horse"); status != 500 {
				t.Errorf("login: %d %s, want 500", status, body)
			}

			url, users = serveUsers(t, file)
			stored := 1
			for i, status := range statuses {
				switch status {
				case 201:
					login(t, url, fmt.Sprint("user", i), "correct horse")
					stored++
				case 500:
				default:
					t.Errorf("client %d gets status %d, want 201 or 500", i, status)
				}
			}
			// A registration that was answered with 500 may have been stored all the same.
			if n := count(t, users); n < stored || n > 65 {
				t.Errorf("%d accounts are stored, %d were acknowledged", n, stored)
			}
			for i, status := range statuses {
				if again, _ := register(url, fmt.Sprint("user", i), "correct horse"); status == 500 && again == 409 {
					login(t, url, fmt.Sprint("user", i), "correct horse")
				} else if status == 500 && again != 201 {
					t.Errorf("client %d gets status %d when it registers again", i, again)
				}
			}
			login(t, url, "ada", "correct horse")
			if status, body := register(url, "late", "correct horse"); status != 201 {
				t.Errorf("register answers %d %s", status, body)
			}
		})
	}
}
