package drivertest

import (
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/legacyhash"
	"github.com/seed-e36e2130/auth/passwords"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// Users log in with hashes from a column of type CHAR, which PostgreSQL pads with spaces. A current hash
// stays as it is. A weaker hash and one of another system are replaced.
func TestPaddedHashes(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		s, db, table := tt.hostTable(t, tt.exact(), tt.exact(), "", sqlstore.UserTable{})
		padding := ""
		switch tt.dialect {
		case sqlstore.PostgreSQL:
			exec(t, db, "ALTER TABLE "+table+" ALTER COLUMN pw TYPE char(120)")
		case sqlstore.MySQL:
			exec(t, db, "ALTER TABLE "+table+" MODIFY pw CHAR(120)")
		default: // SQLite pads nothing, but keeps what another database has padded
			padding = strings.Repeat(" ", 20)
		}
		hasher, err := passwords.NewBcrypt(10)
		if err != nil {
			t.Fatal(err)
		}
		const password = "Tr0ub4dor&3 zebra"
		current, err := hasher.Hash(t.Context(), password)
		if err != nil {
			t.Fatal(err)
		}
		tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: newKeys(t).access})
		if err != nil {
			t.Fatal(err)
		}
		accounts, err := auth.New(s, tokens, auth.Config{Hasher: passwords.Chain(hasher, legacyhash.All())})
		if err != nil {
			t.Fatal(err)
		}
		for name, hash := range map[string]string{
			"current": current,
			"weak":    "$2y$04$U2ivXnOJ5UWRHgsYBurSQejih6aPnr.J7vZZE0AAfAUkoeli7GsAe",
			"ssha":    "{SSHA}seQx0imrXIexqPAumtd59Kn2HAZaq3VO",
		} {
			q := table[:1]
			exec(t, db, "INSERT INTO "+table+" ("+q+"Key"+q+", "+q+"select"+q+", pw) VALUES ('"+name+"', '"+name+"', '"+hash+padding+"')")
			for range 2 {
				if _, err := accounts.Login(t.Context(), name, password); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			u, err := s.UserByID(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			stored := strings.TrimRight(u.PasswordHash, " ")
			if kept := stored == hash; kept != (name == "current") {
				t.Errorf("%s: %s became %s", name, hash, stored)
			}
		}
	})
}
