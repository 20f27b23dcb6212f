package legacyhash_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/legacyhash"
)

// foreignRow is a row of passwords.json: a hash of another system.
type foreignRow struct{ ID, Source, Scheme, Password, Hash string }

func foreignRows(t testing.TB) (rows []foreignRow) {
	t.Helper()
	text, err := os.ReadFile("../testdata/vectors/passwords.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &rows); err != nil || len(rows) < 77 {
		t.Fatalf("passwords.json: %d rows, want at least 77: %v", len(rows), err)
	}
	return rows
}

// Every hash that another system wrote matches its password. Other passwords and altered hashes do
// not match.
func TestForeignHashes(t *testing.T) {
	t.Parallel()
	for _, row := range foreignRows(t) {
		t.Run(row.ID, func(t *testing.T) {
			t.Parallel()
			err := legacyhash.All().Verify(t.Context(), row.Hash, row.Password)
			if row.Scheme == "argon2d" { // not implemented by x/crypto
				if err != auth.ErrUnknownHash {
					t.Errorf("%s's %s: %v, want ErrUnknownHash", row.Source, row.Scheme, err)
				}
				return
			}
			if err != nil {
				t.Errorf("%s's %s: %v", row.Source, row.Scheme, err)
			}
			checkTwins(t, legacyhash.All(), row.Hash, row.Password)
		})
	}
}

// slow reports whether a mismatch with the hash takes a tenth of a second or more.
func slow(hash string) bool {
	for _, mark := range []string{"$2", "$bcrypt-sha256$", "$argon2", "@SpringSecurity_v5_8}", "{pbkdf2}", "{scrypt}", "$fbscrypt$"} {
		if strings.Contains(hash, mark) {
			return true
		}
	}
	if b, err := base64.StdEncoding.DecodeString(hash); err == nil && len(b) > 60 { // version 3 of ASP.NET
		return binary.BigEndian.Uint32(b[5:]) > 1000
	}
	return len(hash) == 161
}

// checkTwins fails if another password matches the hash, or if an altered hash matches the
// password.
func checkTwins(t *testing.T, h auth.Hasher, hash, password string) {
	t.Helper()
	others := []string{password + "a", "a" + password, password + " ", password + "\x00", strings.ToUpper(password), ""}
	step := 1
	if slow(hash) {
		others, step = others[:1], len(hash) // one attempt is enough
	}
	for _, other := range others {
		if err := h.Verify(t.Context(), hash, other); err == nil || errors.Is(err, auth.ErrMalformedHash) {
			t.Errorf("%s with %q instead of %q: got %v, want a mismatch", hash, other, password, err)
		}
	}
	// Only the last characters are changed, which are of the digest. The cost may stand before
	// them.
	for i := len(hash) - 1; i > len(hash)-24; i -= step {
		for _, replacement := range "Oz2$" {
			if twin := hash[:i] + string(replacement) + hash[i+1:]; twin != hash && h.Verify(t.Context(), twin, password) == nil {
				t.Errorf("the altered hash %s matches the password of %s", twin, hash)
			}
			if step > 1 {
				break
			}
		}
	}
	for _, twin := range []string{hash[:len(hash)-1], hash[:len(hash)-4], hash + "\n", hash + "=", hash + "A", hash + "AAAA", hash + "\x00", " " + hash, hash + "$" + hash} {
		err := h.Verify(t.Context(), twin, password)
		if err == auth.ErrMismatch && strings.HasPrefix(hash, "{ldap}") {
			continue // the salt has no fixed length
		}
		if !errors.Is(err, auth.ErrMalformedHash) && !errors.Is(err, auth.ErrUnknownHash) {
			t.Errorf("%q: got %v, want ErrMalformedHash or ErrUnknownHash", twin, err)
		}
	}
}

// hashCase is a line of hashes.jsonl.
type hashCase struct {
	ID, Format, Hash, Level, Why string

	Password    []byte
	Expect      string // match, mismatch or error
	MaxMS       int    `json:"max_ms"`
	NeedsRehash *bool  `json:"needs_rehash"`
}

// Verify returns the expected result for every case of hashes.jsonl, at every level.
func TestHashVectors(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../testdata/vectors/hashes.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); cases++ {
		var c hashCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			want := c.Expect
			if strings.HasPrefix(c.Hash, "$2$") { // this case is optional, and its field why allows a refusal
				want = "error"
			}
			if strings.Contains(c.Hash, "$m=262144,") { // more than 8 times the default: decision 0045
				want = "error"
			}
			switch { // see decision 0115
			case strings.Contains(c.Hash, "$m=65536,t=2,p=255$"):
				want, c.MaxMS = "mismatch", 0
			case strings.Contains(c.Hash, "$t=2,m=65536,p=1$"):
				want, c.MaxMS = "match", 0
			}
			if c.MaxMS > 0 { // refused before any work: a computation would return the error of an ended context
				ended, cancel := context.WithCancel(t.Context())
				cancel()
				if err := legacyhash.All().Verify(ended, c.Hash, string(c.Password)); errors.Is(err, context.Canceled) {
					t.Fatalf("the hash would be computed: %s", c.Why)
				}
			}
			err := legacyhash.All().Verify(t.Context(), c.Hash, string(c.Password))
			got := "error"
			switch {
			case err == nil:
				got = "match"
			case err == auth.ErrMismatch:
				got = "mismatch"
			}
			if got != want {
				t.Errorf("%s: got %s (%v), want %s: %s", c.Level, got, err, want, c.Why)
			}
			if c.NeedsRehash != nil && *c.NeedsRehash && !legacyhash.All().NeedsRehash(c.Hash) {
				t.Error("NeedsRehash is false")
			}
		})
	}
	if cases < 154 {
		t.Errorf("read %d cases, want at least 154", cases)
	}
}

// All verifies the hashes in the tests and specifications of other systems, and hashes of versions
// that Debian does not have.
func TestPublishedHashes(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ source, hash, password string }{
		{"Django 4.0's tests", "scrypt$16384$seasalt$8$1$Qj3+9PPyRjSJIebHnG81TMjsqtaIGxNQG/aEB/NYafTJ7tibgfYz71m0ldQESkXFRkdVCBhhY8mx7rQwite/Pw==", "lètmein"},
		{"Werkzeug 3.2's generate_password_hash", "scrypt:32768:8:1$I9OIdz0GBohvi8B2xnYRYQ$e570e260469a3b7acd1bcd4738bfc4d7ede5d75c2263dc255771a60c4d59c4c04be4a8358ff7a88ddfc519322a17f3e810054b05aec606a87decc8987536ba0e", "pässwörd-é-日本"},
		{"Werkzeug 3.2's generate_password_hash", "scrypt:1024:8:1$KF9yZG8_4acUscLV2kj2mQ$24a6a09ea988f2d788e25a4682501a247a51d74bd9ed20a68ffdb9d073a49c5d41a029711e0a219ccbf95eb84db9c67d326d1f3cc122cae9bb6e67278ba33d40", "correct horse battery staple"},
		{"Werkzeug 2.2's generate_password_hash", "sha1$YJzjQm2A$be56f8e881929a4afaf53885c428ea71c7e8b00b", "pässwörd-é-日本"},
		{"Werkzeug 2.2's generate_password_hash", "md5$tGfQUo1C$47145d8c94b2462ee4aa1d407f7c699c", "pässwörd-é-日本"},
		{"Werkzeug 2.2's generate_password_hash", "sha256$O8C6IcvX$c1ac94e9e9f22b66310297db64401146ff07dfd64b8b66cf4ef14b32636981ca", "pässwörd-é-日本"},
		{"Werkzeug 2.2's generate_password_hash", "sha512$HsMb23PH$bfd3240c975ed072c0c7c1b9bf9ebe2d0fe09a322263d0970e0b2b9ae6eb6092ee4c52c942cd10f181040a7c7461945a6c7801f49db37ae5f052b1b70694c55e", "pässwörd-é-日本"},
		{"ASP.NET Core's tests, v2", "AAABAgMEBQYHCAkKCwwNDg+ukCEMDf0yyQ29NYubggHIVY0sdEUfdyeM+E1LtH1uJg==", "my password"},
		{"ASP.NET Core's tests, v2", "ANXrDknc7fGPpigibZXXZFMX4aoqz44JveK6jQuwY3eH/UyPhvr5xTPeGYEckLxz9A==", "my password"},
		{"ASP.NET Core's tests, v3, SHA-512", "AQAAAAIAACcQAAAAEAABAgMEBQYHCAkKCwwNDg9B0Oxwty+PGIDSp95gcCfzeDvA4sGapUIUov8usXfD6A==", "my password"},
		{"ASP.NET Core's tests, v3, SHA-512", "AQAAAAIAAYagAAAAEAABAgMEBQYHCAkKCwwNDg/Q8A0WMKbtHQJQ2DHCdoEeeFBrgNlldq6vH4qX/CGqGQ==", "my password"},
		{"ASP.NET Core's tests, v3, SHA-256", "AQAAAAEAA9CQAAAAIESkQuj2Du8Y+kbc5lcN/W/3NiAZFEm11P27nrSN5/tId+bR1SwV8CO1Jd72r4C08OLvplNlCDc3oQZ8efcW+jQ=", "my password"},
		{"Supabase Auth's tests", "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g6AUCAlFwMw==$C0sHCg9ek77hsg==$zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvEJlM5tQaJP84+hfTw==", "mytestpassword"},
		{"Drepper's specification", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "Hello world!"},
		{"Drepper's specification", "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA", "Hello world!"},
		{"Drepper's specification", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1", "Hello world!"},
		{"Drepper's specification", "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.", "Hello world!"},
		{"Drepper's specification", "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1", "a very much longer text to encrypt.  This one even stretches over morethan one line."},
		{"phpass's own test", "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", "test12345"},
		{"the same, as phpBB marks it", "$H$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", "test12345"},
	} {
		if err := legacyhash.All().Verify(t.Context(), row.hash, row.password); err != nil {
			t.Errorf("%s: %s: %v", row.source, row.hash, err)
		}
		if err := legacyhash.All().Verify(t.Context(), row.hash, row.password+"z"); err != auth.ErrMismatch {
			t.Errorf("%s: %s with another password: got %v, want ErrMismatch", row.source, row.hash, err)
		}
	}
}
