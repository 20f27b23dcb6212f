package legacyhash_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/legacyhash"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
)

// Users whose hashes passlib (as FastAPI programs call it) and Django have made can log in, and the
// first login replaces their hash.
func TestMigration(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 9) // longer than the 72 bytes that bcrypt reads
	questions := []question{
		{"passlib", "bcrypt", map[string]any{"rounds": 10}, "correct horse battery staple"},
		{"passlib", "bcrypt_sha256", map[string]any{"rounds": 4}, "pässwörd-é-日本"},
		{"passlib", "pbkdf2_sha256", nil, "correct horse battery staple"},
		{"passlib", "argon2", nil, "correct horse battery staple"},
		{"passlib", "sha512_crypt", map[string]any{"rounds": 5000}, "correct horse battery staple"},
		{"passlib", "bcrypt", map[string]any{"rounds": 4}, long},
		{"django", "pbkdf2_sha256", nil, "correct horse battery staple"},
		{"django", "pbkdf2_sha1", nil, "pässwörd-é-日本"},
		{"django", "bcrypt_sha256", map[string]any{"rounds": 4}, long},
		{"django", "bcrypt", map[string]any{"rounds": 4}, long},
		{"django", "unusable", nil, ""},
	}
	hashes := askPython(t, questions, "passlib.hash", "django", "bcrypt", "argon2")

	users, tokens := memstore.New(), newTokens()
	strict, err := newAccounts(users, tokens)
	if err != nil {
		t.Fatal(err)
	}
	truncating, err := auth.New(users, tokens, auth.Config{Hasher: passwords.Chain(passwords.Argon2id{}, legacyhash.All().DangerouslyTruncating())})
	if err != nil {
		t.Fatal(err)
	}
	login := func(accounts *auth.Authenticator, username, password string) error {
		_, err := accounts.Login(t.Context(), username, password)
		return err
	}
	for i, hash := range hashes {
		name, q := fmt.Sprintf("user%d", i), questions[i]
		if _, err := users.CreateUser(t.Context(), auth.User{ID: name, Username: name, PasswordHash: hash}); err != nil {
			t.Fatal(err)
		}
		stored := func() string {
			u, err := users.UserByID(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			return u.PasswordHash
		}
		if err := login(strict, name, q.Password+"x"); !errors.Is(err, auth.ErrInvalidCredentials) || stored() != hash {
			t.Errorf("%s %s, another password: got %v, stored %s", q.System, q.Scheme, err, stored())
		}
		accounts := strict
		if q.Password == long && q.Scheme == "bcrypt" {
			if err := login(strict, name, long); !errors.Is(err, auth.ErrInvalidCredentials) || stored() != hash {
				t.Errorf("%s %s, a password that was truncated: %v, stored %s", q.System, q.Scheme, err, stored())
			}
			accounts = truncating
		}
		if q.Scheme == "unusable" {
			if err := login(accounts, name, ""); !errors.Is(err, auth.ErrInvalidCredentials) || stored() != hash {
				t.Errorf("an account without a password: %v, stored %s", err, stored())
			}
			continue
		}
		if err := login(accounts, name, q.Password); err != nil || !strings.HasPrefix(stored(), "$argon2id$") {
			t.Errorf("%s %s: %v, stored %s", q.System, q.Scheme, err, stored())
		}
		upgraded := stored()
		if err := login(accounts, name, q.Password); err != nil || stored() != upgraded {
			t.Errorf("%s %s, second login: %v, stored %s", q.System, q.Scheme, err, stored())
		}
		// From the first login on, the whole password counts: no longer one matches.
		if err := login(accounts, name, q.Password+"x"); !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("%s %s, second login with another password: %v", q.System, q.Scheme, err)
		}
	}
}
