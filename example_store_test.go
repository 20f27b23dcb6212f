package auth_test

import (
	"context"
	"fmt"
	"log"
	"sync"

	"github.com/seed-e36e2130/auth"
)

// people is what a host has already: here a slice, elsewhere a table.
type people struct {
	mu   sync.Mutex
	rows []person
}

type person struct {
	id, mail, crypt string
	left            bool
}

func (p *people) CreateUser(_ context.Context, u auth.User) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, row := range p.rows { // a database has a unique index instead
		if row.id == u.ID || row.mail == u.Username {
			return "", auth.ErrUserExists
		}
	}
	p.rows = append(p.rows, person{id: u.ID, mail: u.Username, crypt: u.PasswordHash})
	return u.ID, nil
}

func (p *people) UserByID(_ context.Context, id string) (auth.User, error) {
	return p.find(func(row person) bool { return row.id == id })
}

func (p *people) UserByUsername(_ context.Context, username string) (auth.User, error) {
	return p.find(func(row person) bool { return row.mail == username })
}

func (p *people) find(is func(person) bool) (auth.User, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, row := range p.rows {
		if is(row) {
			return auth.User{ID: row.id, Username: row.mail, PasswordHash: row.crypt, Disabled: row.left}, nil
		}
	}
	return auth.User{}, auth.ErrUserNotFound
}

func (p *people) ReplacePasswordHash(_ context.Context, id, old, replacement string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, row := range p.rows {
		switch {
		case row.id != id:
			continue
		case row.crypt != old: // in SQL: … WHERE id = ? AND password_hash = ?
			return auth.ErrConflict
		}
		p.rows[i].crypt = replacement
		return nil
	}
	return auth.ErrUserNotFound
}

// A host's own table under the library: the hashes in it were made by another
// program, and log in as they are.
func ExampleUserStore() {
	table := &people{rows: []person{
		{id: "17", mail: "grace@example.com", crypt: "$2y$05$7LX5jkzQfp3mPIBE2L8zD.YaEVRmR0GmFmux8Dls27Zjmu.0RCu9."},
		{id: "18", mail: "ada@example.com", crypt: "$2y$05$7LX5jkzQfp3mPIBE2L8zD.YaEVRmR0GmFmux8Dls27Zjmu.0RCu9.", left: true},
	}}
	accounts := newAccounts(table, newTokens())
	ctx := context.Background()
	answer, err := accounts.Login(ctx, "Grace@example.com", "correct horse battery")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("token for", answer.Principal.Subject())
	fmt.Println("hash upgraded:", table.rows[0].crypt[:7])

	_, err = accounts.Login(ctx, "ada@example.com", "correct horse battery")
	fmt.Println(err)
	// Output:
	// token for 17
	// hash upgraded: $2a$10$
	// auth: invalid credentials
}
