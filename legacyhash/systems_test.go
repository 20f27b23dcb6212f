package legacyhash_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/legacyhash"
	"github.com/seed-e36e2130/auth/passwords"
)

// systemRow is a row of systems.json.
type systemRow struct {
	System, Source, Scheme, Password, Hash string

	Cheap bool // whether a check takes no noticeable time
}

func systemRows(t testing.TB) []systemRow {
	t.Helper()
	return originals[systemRow](t, "systems.json", 240)
}

// columns returns the Hasher for PBKDF2 hashes that are joined from columns.
func columns(t testing.TB, cfg legacyhash.PBKDF2Config) legacyhash.Hasher {
	t.Helper()
	h, err := legacyhash.PBKDF2(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// hasherOf returns the Hasher for the hashes of one system.
func hasherOf(t testing.TB, row systemRow) passwords.Hasher {
	t.Helper()
	switch row.System {
	case "WordPress":
		return legacyhash.WordPress()
	case "Drupal":
		return legacyhash.Drupal()
	case "MediaWiki":
		return legacyhash.MediaWiki()
	case "Magento":
		return legacyhash.Magento()
	case "Nextcloud":
		return legacyhash.Nextcloud()
	case "Keycloak", "PHC":
		return legacyhash.PHC()
	case "Lucia":
		return legacyhash.Lucia()
	case "AdonisJS":
		return legacyhash.AdonisJS()
	case "LDAP", "Dovecot":
		return legacyhash.LDAP()
	case "Argon2":
		return passwords.Argon2id{}
	case "columns":
		return columns(t, legacyhash.PBKDF2Config{Size: (len(row.Hash) - 1 - strings.LastIndexByte(row.Hash, '$')) / 2})
	case "columns, hex":
		return columns(t, legacyhash.PBKDF2Config{Size: 50, Salt: legacyhash.Hex})
	}
	t.Fatalf("no Hasher for %s", row.System)
	return nil
}

// readByAll reports whether All reads the row: it takes the salts of columns for text.
func readByAll(row systemRow) bool { return row.System != "columns, hex" }

// Each hash of another system matches its password, with the Hasher of that system and with All, and no
// other password. It is to be replaced.
func TestSystems(t *testing.T) {
	t.Parallel()
	all, seen := legacyhash.All(), map[string]bool{}
	for _, row := range systemRows(t) {
		named := hasherOf(t, row)
		if err := named.Verify(t.Context(), row.Hash, row.Password); err != nil {
			t.Errorf("%s, %s, %d bytes: %s: %v", row.System, row.Source, len(row.Password), row.Hash, err)
		}
		if !all.NeedsRehash(row.Hash) {
			t.Errorf("%s: NeedsRehash is false", row.Hash)
		}
		current := passwords.Chain(passwords.Bcrypt{}, all)
		if !current.NeedsRehash(row.Hash) {
			t.Errorf("%s: NeedsRehash is false behind the default hasher", row.Hash)
		}
		first := !seen[row.System+row.Scheme]
		if seen[row.System+row.Scheme] = true; !readByAll(row) || !row.Cheap && !first {
			continue // one hash of each scheme is enough, because the checks take long
		}
		if err := current.Verify(t.Context(), row.Hash, row.Password); err != nil {
			t.Errorf("%s, %s, verified by All: %s: %v", row.System, row.Source, row.Hash, err)
		}
		if err := all.Verify(t.Context(), row.Hash+"   ", row.Password); row.Cheap && err != nil {
			t.Errorf("%s in a column that pads with spaces: %v", row.Hash, err)
		}
		if err := all.Verify(t.Context(), row.Hash+"\r\n", row.Password); (row.Scheme != "Scrypt" || err != passwords.ErrUnknownHash) && // known by its length alone
			(!errors.Is(err, passwords.ErrMalformedHash) || !strings.Contains(err.Error(), "trim it")) {
			t.Errorf("%s with a line break: %v, want ErrMalformedHash and what to do", row.Hash, err)
		}
		for _, h := range []passwords.Hasher{named, all} {
			for _, other := range []string{row.Password + "x", row.Password + " ", " " + row.Password, ""} {
				if len(row.Password) == 512 {
					other = strings.Replace(row.Password, "x", "y", 1) // Drupal takes no longer one
				}
				if err := h.Verify(t.Context(), row.Hash, other); err != passwords.ErrMismatch {
					t.Errorf("%s: %s with %q: %v, want ErrMismatch", row.System, row.Hash, other, err)
				}
				if !row.Cheap {
					break
				}
			}
		}
	}
}

// The hash of one system has no other form: each part of it, and each text that differs in one byte, is
// refused or does not match.
func TestSystemsDamaged(t *testing.T) {
	t.Parallel()
	schemes := map[string]systemRow{} // the cheapest row of each
	for _, row := range systemRows(t) {
		key := row.System + row.Scheme
		if old, ok := schemes[key]; readByAll(row) && (!ok || row.Cheap && !old.Cheap || memory(row) < memory(old)) {
			schemes[key] = row
		}
	}
	if len(schemes) < 50 {
		t.Errorf("%d schemes, want at least 50", len(schemes))
	}
	for name, row := range schemes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := passwords.Hasher(legacyhash.All())
			if row.System == "columns" {
				h = hasherOf(t, row) // All also reads shorter digests of this form: see decision 0114
			}
			check := func(twin string) {
				err := h.Verify(t.Context(), twin, row.Password)
				_, refused := errors.AsType[*passwords.Error](err)
				if err != passwords.ErrMismatch && !refused && !errors.Is(err, passwords.ErrUnknownHash) && !errors.Is(err, passwords.ErrMalformedHash) {
					t.Errorf("%q instead of %s: %v", twin, row.Hash, err)
				}
			}
			step := 1
			if memory(row) > 1024 {
				step = 29
			}
			for i := 0; i < len(row.Hash); i += step {
				check(row.Hash[:i])
			}
			for _, more := range []string{"\n", "\r\n", "\t", "\x00", "=", "$", ":", "!", "A", "AAAA", " A", "$" + row.Hash, row.Hash} {
				check(row.Hash + more)
			}
			if !row.Cheap {
				step = max(step, 7)
			}
			// No digit is inserted, because a hash of a higher cost would take long to check.
			for i := 0; i < len(row.Hash); i += step {
				others := []byte{'A', 'b', '/', '$', ':', ' ', '\n', 0, 0xff, row.Hash[i] ^ 0x20}
				if !atBorder(row.Hash, i) { // within a part each byte is as good as its neighbours, which get the other characters
					if raceDetector && i%7 != 0 {
						continue // hashing takes several times as long
					}
					others = []byte{others[i%10], others[(i+5)%10]}
				}
				for _, c := range others {
					twin := row.Hash[:i] + string([]byte{c}) + row.Hash[i+1:]
					if twin != row.Hash && !sameHash(row, twin, i) {
						check(twin)
					}
					if !row.Cheap && i > 0 {
						break
					}
				}
			}
		})
	}
}

// atBorder reports whether the byte at i begins or ends a part of a hash.
func atBorder(hash string, i int) bool {
	return i == 0 || i == len(hash)-1 || strings.ContainsAny(hash[i-1:i+2], "$:|,={}")
}

// memory returns the memory that an Argon2 hash names, in KiB, or 0.
func memory(row systemRow) (n int) {
	if _, rest, ok := strings.Cut(row.Hash, "m="); ok {
		fmt.Sscanf(rest, "%d", &n)
	}
	return n
}

// sameHash reports whether the original software, too, takes a hash that differs at i for the same one.
func sameHash(row systemRow, twin string, i int) bool {
	if strings.Replace(twin, "$2b$", "$2y$", 1) == row.Hash {
		return true // two names of one algorithm
	}
	// Magento uses only 16 bytes of a salt for Argon2id.
	salt := strings.IndexByte(row.Hash, ':') + 1
	return row.System == "Magento" && row.Scheme[len(row.Scheme)-1] >= '2' && strings.Count(twin, ":") == strings.Count(row.Hash, ":") &&
		i >= salt+16 && i < salt+strings.IndexByte(row.Hash[salt:], ':')
}

// A password with a NUL character and one that no system accepts are refused, with each scheme but
// those of Argon2.
func TestSystemsPasswords(t *testing.T) {
	t.Parallel()
	for _, row := range systemRows(t) {
		h := hasherOf(t, row)
		for password, rule := range map[string]passwords.Rule{
			row.Password + "\x00":                      passwords.Encoding,
			row.Password + strings.Repeat("x", 4097):   passwords.TooLong,
			"\x00" + row.Password + "with quotes '\"'": passwords.Encoding,
		} {
			if row.System == "Argon2" || strings.Contains(row.Hash, "argon2i") && rule == passwords.Encoding {
				continue // Argon2 distinguishes such passwords
			}
			if len(row.Password) > 450 && rule == passwords.Encoding {
				continue // longer than Drupal accepts
			}
			err := h.Verify(t.Context(), row.Hash, password)
			if refused, ok := errors.AsType[*passwords.Error](err); !ok || refused.Rule != rule {
				t.Errorf("%s with %d bytes: %v, want the rule %s", row.Hash, len(password), err, rule)
			}
		}
	}
}

// Plain bcrypt of any system reads 72 bytes of a password. A longer one matches only behind
// DangerouslyTruncating. What WordPress hashes is shorter, so the whole password counts.
func TestSystemsTruncating(t *testing.T) {
	t.Parallel()
	plain := 0
	for _, row := range systemRows(t) {
		if len(row.Password) > 72 && row.Scheme == "$wp$" {
			if err := legacyhash.WordPress().DangerouslyTruncating().Verify(t.Context(), row.Hash, row.Password[:72]); err != passwords.ErrMismatch {
				t.Errorf("%s with 72 of %d bytes: %v, want ErrMismatch", row.Hash, len(row.Password), err)
			}
		}
		if len(row.Password) != 72 {
			continue
		}
		plain++
		long := row.Password + "9"
		err := legacyhash.All().Verify(t.Context(), row.Hash, long)
		if refused, ok := errors.AsType[*passwords.Error](err); !ok || refused.Rule != passwords.TooLong || refused.Limit != 72 {
			t.Errorf("%s with 73 bytes: %v, want TooLong", row.Hash, err)
		}
		if err := legacyhash.All().DangerouslyTruncating().Verify(t.Context(), row.Hash, long); err != nil {
			t.Errorf("%s with 73 bytes, cut: %v", row.Hash, err)
		}
	}
	if plain < 5 {
		t.Errorf("%d hashes of 72 bytes, want at least 5", plain)
	}
}
