package main

import (
	"context"
	"errors"
	"os"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
)

// hooked is a store that fails while there is a file with the name down, that has a user with an old
// password hash, and that writes the hash which replaces it to a file.
type hooked struct{ *memstore.Store }

func hook(s *memstore.Store) hooked {
	old := auth.User{ID: "old", Username: "old@example.com", PasswordHash: os.Getenv("HEADTOHEAD_OLD")}
	if _, err := s.CreateUser(context.Background(), old); err != nil {
		panic(err)
	}
	return hooked{s}
}

func down() error {
	if _, err := os.Stat("down"); err == nil {
		return errors.New("the store is down")
	}
	return nil
}

func (h hooked) UserByUsername(ctx context.Context, username string) (auth.User, error) {
	if err := down(); err != nil {
		return auth.User{}, err
	}
	return h.Store.UserByUsername(ctx, username)
}

func (h hooked) ReplacePasswordHash(ctx context.Context, id, old, replacement string) error {
	if id == "old" {
		if err := os.WriteFile("hash", []byte(replacement), 0o600); err != nil {
			return err
		}
	}
	return h.Store.ReplacePasswordHash(ctx, id, old, replacement)
}

// counted is a Hasher that adds a byte to a file for each hash that it computes.
type counted struct{ passwords.Hasher }

func (c counted) Hash(ctx context.Context, password string) (string, error) {
	count()
	return c.Hasher.Hash(ctx, password)
}

func (c counted) Verify(ctx context.Context, encoded, password string) error {
	count()
	return c.Hasher.Verify(ctx, encoded, password)
}

func count() {
	file, err := os.OpenFile("hashed", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	if _, err := file.Write([]byte{'.'}); err != nil {
		panic(err)
	}
	if err := file.Close(); err != nil {
		panic(err)
	}
}
