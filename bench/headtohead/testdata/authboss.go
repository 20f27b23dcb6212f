package main

import (
	"errors"
	"os"

	"github.com/volatiletech/authboss/v3"
)

// seed returns a user with an old password hash.
func seed() map[string]User {
	const name = "old@example.com"
	return map[string]User{name: {Email: name, Password: os.Getenv("HEADTOHEAD_OLD")}}
}

// down returns an error while there is a file with the name down.
func down() error {
	if _, err := os.Stat("down"); err == nil {
		return errors.New("the store is down")
	}
	return nil
}

// saved writes the hash of that user to a file.
func saved(u *User) {
	if u.Email == "old@example.com" {
		if err := os.WriteFile("hash", []byte(u.Password), 0o600); err != nil {
			panic(err)
		}
	}
}

// counted is a Hasher that adds a byte to a file for each hash that it computes.
type counted struct{ authboss.Hasher }

func (c counted) GenerateHash(password string) (string, error) {
	count()
	return c.Hasher.GenerateHash(password)
}

func (c counted) CompareHashAndPassword(hash, password string) error {
	count()
	return c.Hasher.CompareHashAndPassword(hash, password)
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
