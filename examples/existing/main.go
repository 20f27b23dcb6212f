// Command existing is a shop whose users table is older than its use of this library: e-mail
// addresses in lower case and bcrypt hashes. What the library added stands between marks.
package main

import (
	"database/sql"
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite"

	// auth: begin
	"context"
	"errors"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/throttle"
	// auth: end
)

const schema = `
CREATE TABLE IF NOT EXISTS users (
	id            TEXT PRIMARY KEY,
	email         TEXT NOT NULL UNIQUE,
	password_hash TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS orders (
	user_id TEXT NOT NULL REFERENCES users (id),
	item    TEXT NOT NULL
)`

func main() {
	addr := flag.String("addr", "localhost:8081", "address to listen on")
	data := flag.String("data", "data", "folder of the database and the key, created if it is missing")
	flag.Parse()
	if err := os.MkdirAll(*data, 0o700); err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Addr: *addr, Handler: newShop(*data), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	log.Printf("http://%s", *addr)
	log.Fatal(server.ListenAndServe())
}

type shop struct {
	*http.ServeMux
	db *sql.DB
}

func newShop(data string) shop {
	s := shop{http.NewServeMux(), openDB(data)}
	s.HandleFunc("GET /items", s.items)
	// auth: begin
	keys := must(jwt.NewKeyRing(must(jwt.OpenKeyFile(filepath.Join(data, "shop.key"), jwt.HS256))))
	tokens := must(jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://shop.example", Audience: "shop", Keys: keys}))
	limits := must(throttle.New(memstore.New(), throttle.Config{})) // counts failed logins, in this process alone
	accounts := must(auth.New(users{s.db}, tokens, auth.Config{Throttle: limits}))
	guard := must(auth.NewMiddleware(accounts, auth.MiddlewareConfig{}))
	s.Handle("/register", authhttp.Register(accounts, authhttp.Config{}))
	s.Handle("/login", authhttp.Login(accounts, authhttp.Config{}))
	s.Handle("GET /orders", guard.Require(http.HandlerFunc(s.orders)))
	// auth: end
	return s
}

func openDB(data string) *sql.DB {
	db := must(sql.Open("sqlite", filepath.Join(data, "shop.db")))
	db.SetMaxOpenConns(1) // SQLite has one writer: queries wait in the pool, not in SQLite
	must(db.Exec(schema))
	return db
}

func (s shop) items(w http.ResponseWriter, r *http.Request) {
	s.list(w, r, `SELECT DISTINCT item FROM orders ORDER BY item`)
}

func (s shop) orders(w http.ResponseWriter, r *http.Request) {
	// auth: begin
	caller, _ := auth.FromContext(r.Context())
	// auth: end
	s.list(w, r, `SELECT item FROM orders WHERE user_id = ? ORDER BY item`, caller.Subject())
}

// auth: begin

// users is an auth.UserStore over the table that was there.
type users struct{ db *sql.DB }

const columns = "id, email, password_hash"

func (s users) CreateUser(ctx context.Context, u auth.User) (id string, err error) {
	u, err = s.row(ctx, auth.ErrUserExists, `INSERT INTO users (`+columns+`) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING `+columns, u.ID, u.Username, u.PasswordHash)
	return u.ID, err
}

func (s users) UserByID(ctx context.Context, id string) (auth.User, error) {
	return s.row(ctx, auth.ErrUserNotFound, `SELECT `+columns+` FROM users WHERE id = ?`, id)
}

func (s users) UserByUsername(ctx context.Context, email string) (auth.User, error) {
	return s.row(ctx, auth.ErrUserNotFound, `SELECT `+columns+` FROM users WHERE email = ?`, email)
}

func (s users) ReplacePasswordHash(ctx context.Context, id, old, replacement string) error {
	if _, err := s.UserByID(ctx, id); err != nil {
		return err
	}
	_, err := s.row(ctx, auth.ErrConflict, `UPDATE users SET password_hash = ? WHERE id = ? AND password_hash = ? RETURNING `+columns, replacement, id, old)
	return err
}

func (s users) row(ctx context.Context, missing error, query string, args ...any) (u auth.User, err error) {
	if err = s.db.QueryRowContext(ctx, query, args...).Scan(&u.ID, &u.Username, &u.PasswordHash); errors.Is(err, sql.ErrNoRows) {
		err = missing
	}
	return u, err
}

// auth: end

func (s shop) list(w http.ResponseWriter, r *http.Request, query string, args ...any) {
	rows, err := s.db.QueryContext(r.Context(), query, args...)
	if err != nil {
		http.Error(w, "try again later", http.StatusInternalServerError)
		log.Print(err)
		return
	}
	defer rows.Close()
	items := []string{}
	for rows.Next() {
		var item string
		if err := rows.Scan(&item); err != nil {
			log.Print(err)
		}
		items = append(items, item)
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(items); err != nil {
		log.Print(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
