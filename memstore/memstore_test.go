package memstore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/memstore"
)

func TestMemoryStore(t *testing.T) {
	t.Parallel()
	authtest.TestUserStore(t, func(*testing.T) auth.UserStore { return memstore.New() })
}

// A program that is tested on the MemoryStore must not come to rely on what no
// database keeps.
func TestMemoryStoreKeepsMicroseconds(t *testing.T) {
	t.Parallel()
	s := memstore.New()
	at := time.Date(2026, time.May, 1, 12, 0, 0, 123456789, time.FixedZone("CEST", 7200))
	if _, err := s.CreateUser(context.Background(), auth.User{ID: "1", Username: "alice", CreatedAt: at}); err != nil {
		t.Fatal(err)
	}
	u, err := s.UserByID(context.Background(), "1")
	if want := time.Date(2026, time.May, 1, 10, 0, 0, 123456000, time.UTC); err != nil || u.CreatedAt != want {
		t.Errorf("got %v, %v, want %v", u.CreatedAt, err, want)
	}
}

// Neither the store nor what holds it shows a hash, however it is printed.
func TestMemoryStoreShowsNoHash(t *testing.T) {
	t.Parallel()
	const hash = "$2b$12$of-a-password"
	s := memstore.New()
	if _, err := s.CreateUser(t.Context(), auth.User{ID: "1", Username: "alice", PasswordHash: hash}); err != nil {
		t.Fatal(err)
	}
	server := struct{ users *memstore.Store }{s}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		shown := fmt.Sprintf(verb, s) + fmt.Sprintf(verb, server)
		if strings.Contains(shown, hash) || strings.Contains(shown, fmt.Sprintf("%x", hash)) {
			t.Errorf("%s shows %s", verb, shown)
		}
	}
}
