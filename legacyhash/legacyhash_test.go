package legacyhash_test

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/crypto/scrypt"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/legacyhash"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
)

// makingHasher is a Hasher of this package that can also make hashes, as the suite of package
// authtest requires.
type makingHasher struct {
	auth.Hasher
	make func(password string, salt []byte) (string, error)
}

func (m makingHasher) Hash(_ context.Context, password string) (string, error) {
	if strings.IndexByte(password, 0) >= 0 {
		return "", &passwords.Error{Rule: passwords.Encoding}
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	return m.make(password, salt)
}

// NeedsRehash returns what the suite expects. TestVerifyOnly tests that of this package.
func (m makingHasher) NeedsRehash(encoded string) bool {
	return strings.HasPrefix(encoded, "$authtest")
}

func pbkdf2Sum(newHash func() hash.Hash, password string, salt []byte, iterations, size int) []byte {
	sum, err := pbkdf2.Key(newHash, password, salt, iterations, size)
	if err != nil {
		panic(err)
	}
	return sum
}

func hmacSum(newHash func() hash.Hash, text, key string) []byte {
	mac := hmac.New(newHash, []byte(key))
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func scryptSum(password string, salt []byte, n, size int) []byte {
	sum, err := scrypt.Key([]byte(password), salt, n, 8, 1, size)
	if err != nil {
		panic(err)
	}
	return sum
}

var (
	padded = base64.StdEncoding.EncodeToString
	raw    = base64.RawStdEncoding.EncodeToString
)

func ab64(b []byte) string { return strings.ReplaceAll(raw(b), "+", ".") }

// makers has a function for each format that allows a low cost. It makes a hash with the standard
// library and x/crypto alone.
var makers = map[string]func(password string, salt []byte) (string, error){
	"passlib pbkdf2_sha1": func(password string, salt []byte) (string, error) {
		return "$pbkdf2$7$" + ab64(salt) + "$" + ab64(pbkdf2Sum(sha1.New, password, salt, 7, 20)), nil
	},
	"passlib pbkdf2_sha256": func(password string, salt []byte) (string, error) {
		return "$pbkdf2-sha256$7$" + ab64(salt) + "$" + ab64(pbkdf2Sum(sha256.New, password, salt, 7, 32)), nil
	},
	"passlib pbkdf2_sha512": func(password string, salt []byte) (string, error) {
		return "$pbkdf2-sha512$7$" + ab64(salt) + "$" + ab64(pbkdf2Sum(sha512.New, password, salt, 7, 64)), nil
	},
	"passlib scrypt": func(password string, salt []byte) (string, error) {
		return "$scrypt$ln=2,r=8,p=1$" + raw(salt) + "$" + raw(scryptSum(password, salt, 4, 32)), nil
	},
	"PHC pbkdf2-sha256": func(password string, salt []byte) (string, error) {
		return "$pbkdf2-sha256$i=7,l=40$" + raw(salt) + "$" + raw(pbkdf2Sum(sha256.New, password, salt, 7, 40)), nil
	},
	"PHC pbkdf2-sha1": func(password string, salt []byte) (string, error) {
		return "$pbkdf2-sha1$i=7$" + raw(salt) + "$" + raw(pbkdf2Sum(sha1.New, password, salt, 7, 20)), nil
	},
	"Mattermost pbkdf2": func(password string, salt []byte) (string, error) {
		return "$pbkdf2$f=SHA512,w=7,l=32$" + raw(salt) + "$" + raw(pbkdf2Sum(sha512.New, password, salt, 7, 32)), nil
	},
	"AdonisJS scrypt": func(password string, salt []byte) (string, error) {
		return "$scrypt$n=4,r=8,p=1$" + raw(salt) + "$" + raw(scryptSum(password, salt, 4, 64)), nil
	},
	"MediaWiki pbkdf2": func(password string, salt []byte) (string, error) {
		return ":pbkdf2:sha256:7:128:" + padded(salt) + ":" + padded(pbkdf2Sum(sha256.New, password, salt, 7, 128)), nil
	},
	"MediaWiki pbkdf2-legacyB": func(password string, salt []byte) (string, error) {
		text := fmt.Sprintf("%x", md5.Sum([]byte("salt-"+fmt.Sprintf("%x", md5.Sum([]byte(password))))))
		return ":pbkdf2-legacyB:!sha512:7:64!salt!" + padded(salt) + "!" + padded(pbkdf2Sum(sha512.New, text, salt, 7, 64)), nil
	},
	"MediaWiki B": func(password string, salt []byte) (string, error) {
		text := hex.EncodeToString(salt)
		return fmt.Sprintf(":B:%s:%x", text, md5.Sum([]byte(text+"-"+fmt.Sprintf("%x", md5.Sum([]byte(password)))))), nil
	},
	"Magento 0:1": func(password string, salt []byte) (string, error) {
		text := hex.EncodeToString(salt)
		return fmt.Sprintf("%x:%s:0:1", sha256.Sum256([]byte(text+fmt.Sprintf("%x", md5.Sum([]byte(text+password))))), text), nil
	},
	"LDAP SSHA256": func(password string, salt []byte) (string, error) {
		sum := sha256.Sum256([]byte(password + string(salt)))
		return "{SSHA256}" + padded(append(sum[:], salt...)), nil
	},
	"LDAP PBKDF2": func(password string, salt []byte) (string, error) {
		return "{PBKDF2-SHA512}7$" + ab64(salt) + "$" + ab64(pbkdf2Sum(sha512.New, password, salt, 7, 64)), nil
	},
	"Dovecot PBKDF2": func(password string, salt []byte) (string, error) {
		text := hex.EncodeToString(salt)
		return fmt.Sprintf("{PBKDF2}$1$%s$7$%x", text, pbkdf2Sum(sha1.New, password, []byte(text), 7, 20)), nil
	},
	"Django pbkdf2_sha256": func(password string, salt []byte) (string, error) {
		text := hex.EncodeToString(salt)
		return "pbkdf2_sha256$7$" + text + "$" + padded(pbkdf2Sum(sha256.New, password, []byte(text), 7, 32)), nil
	},
	"Django pbkdf2_sha1": func(password string, salt []byte) (string, error) {
		text := hex.EncodeToString(salt)
		return "pbkdf2_sha1$7$" + text + "$" + padded(pbkdf2Sum(sha1.New, password, []byte(text), 7, 20)), nil
	},
	"Django scrypt": func(password string, salt []byte) (string, error) {
		text := hex.EncodeToString(salt)
		return "scrypt$4$" + text + "$8$1$" + padded(scryptSum(password, []byte(text), 4, 64)), nil
	},
	"Django md5": func(password string, salt []byte) (string, error) {
		text := hex.EncodeToString(salt)
		return fmt.Sprintf("md5$%s$%x", text, md5.Sum([]byte(text+password))), nil
	},
	"Werkzeug pbkdf2": func(password string, salt []byte) (string, error) {
		text := hex.EncodeToString(salt)
		return fmt.Sprintf("pbkdf2:sha512:7$%s$%x", text, pbkdf2Sum(sha512.New, password, []byte(text), 7, 64)), nil
	},
	"Werkzeug pbkdf2 of SHA-256": func(password string, salt []byte) (string, error) { // beside the longer digests of columns
		text := hex.EncodeToString(salt)
		return fmt.Sprintf("pbkdf2:sha256:7$%s$%x", text, pbkdf2Sum(sha256.New, password, []byte(text), 7, 32)), nil
	},
	"Werkzeug scrypt": func(password string, salt []byte) (string, error) {
		text := hex.EncodeToString(salt)
		return fmt.Sprintf("scrypt:4:8:1$%s$%x", text, scryptSum(password, []byte(text), 4, 64)), nil
	},
	"Werkzeug sha1": func(password string, salt []byte) (string, error) { // a hash that Django's format claims first
		return fmt.Sprintf("sha1$%x$%x", salt, hmacSum(sha1.New, password, hex.EncodeToString(salt))), nil
	},
	"Werkzeug sha256": func(password string, salt []byte) (string, error) {
		return fmt.Sprintf("sha256$%x$%x", salt, hmacSum(sha256.New, password, hex.EncodeToString(salt))), nil
	},
	"Spring SHA-256": func(password string, salt []byte) (string, error) {
		text := "{" + padded(salt) + "}"
		return fmt.Sprintf("{SHA-256}%s%x", text, sha256.Sum256([]byte(password+text))), nil
	},
	"Spring ldap": func(password string, salt []byte) (string, error) {
		sum := sha1.Sum([]byte(password + string(salt)))
		return "{ldap}{SSHA}" + padded(append(sum[:], salt...)), nil
	},
	"Spring scrypt": func(password string, salt []byte) (string, error) {
		return "{scrypt}$20801$" + padded(salt) + "$" + padded(scryptSum(password, salt, 4, 32)), nil
	},
	"Spring sha256": func(password string, salt []byte) (string, error) {
		sum := sha256.Sum256([]byte(string(salt[:8]) + password))
		for range 1023 {
			sum = sha256.Sum256(sum[:])
		}
		return fmt.Sprintf("{sha256}%x%x", salt[:8], sum), nil
	},
	"ASP.NET 2": func(password string, salt []byte) (string, error) {
		return padded(append(append([]byte{0}, salt...), pbkdf2Sum(sha1.New, password, salt, 1000, 32)...)), nil
	},
	"ASP.NET 3": func(password string, salt []byte) (string, error) {
		b := []byte{1}
		for _, n := range []uint32{2, 7, 16} {
			b = binary.BigEndian.AppendUint32(b, n)
		}
		return padded(append(append(b, salt...), pbkdf2Sum(sha512.New, password, salt, 7, 32)...)), nil
	},
}

// Each format keeps the contract of a Hasher.
func TestContract(t *testing.T) {
	t.Parallel()
	for name, maker := range makers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			authtest.TestHasher(t, func(*testing.T) auth.Hasher { return makingHasher{legacyhash.All(), maker} })
		})
	}
}

// The formats of crypt(3) keep the contract of a Hasher. PHP makes the hashes.
func TestContractOfCrypt(t *testing.T) {
	t.Parallel()
	php := testenv.Command(t, "php")
	for _, mark := range []string{"$5$rounds=1000$", "$6$rounds=1000$"} {
		t.Run(mark, func(t *testing.T) {
			t.Parallel()
			authtest.TestHasher(t, func(t *testing.T) auth.Hasher {
				return makingHasher{legacyhash.Passlib(), func(password string, salt []byte) (string, error) {
					out, err := exec.Command(php, "-r", "echo crypt($argv[1], $argv[2]);", "--", password, mark+hex.EncodeToString(salt[:8])+"$").Output()
					return string(out), err
				}}
			})
		})
	}
}

// A Hasher of this package makes no hash, and reports that every hash needs a rehash.
func TestVerifyOnly(t *testing.T) {
	t.Parallel()
	if encoded, err := legacyhash.All().Hash(t.Context(), "correct horse"); encoded != "" || err == nil || !strings.HasPrefix(err.Error(), "auth: ") {
		t.Errorf("Hash returned %q, %v, want an error", encoded, err)
	}
	if _, err := auth.New(memstore.New(), newTokens(), auth.Config{Hasher: legacyhash.All()}); err == nil {
		t.Error("auth.New accepts it as the current Hasher")
	}
	for _, row := range foreignRows(t) {
		if !legacyhash.All().NeedsRehash(row.Hash) {
			t.Errorf("%s: NeedsRehash is false", row.ID)
		}
		if err := (legacyhash.Hasher{}).Verify(t.Context(), row.Hash, row.Password); err != auth.ErrUnknownHash {
			t.Errorf("%s: the zero value returned %v, want ErrUnknownHash", row.ID, err)
		}
	}
}

// A hash that exceeds the bounds or is malformed is refused before any work and without allocating
// much memory. The test is not parallel, because it measures memory.
func TestBounds(t *testing.T) {
	digest := func(size int) []byte { return make([]byte, size) }
	aspnet3 := func(prf, iterations, saltSize uint32, rest int) string {
		b := []byte{1}
		for _, n := range []uint32{prf, iterations, saltSize} {
			b = binary.BigEndian.AppendUint32(b, n)
		}
		return padded(append(b, make([]byte, rest)...))
	}
	megabyte := strings.Repeat("A", 1<<20)
	ended, cancel := context.WithCancel(t.Context()) // a computation would return the error of this context
	cancel()
	for _, encoded := range []string{
		"$2b$16$corpusSaltCorpusSaltCuAa63N6ORy2M7Sf33JFpnzphOpfBZLZy",
		"$2b$31$corpusSaltCorpusSaltCuAa63N6ORy2M7Sf33JFpnzphOpfBZLZy",
		"bcrypt$$2b$31$corpusSaltCorpusSaltCuAa63N6ORy2M7Sf33JFpnzphOpfBZLZy",
		"bcrypt_sha256$$2b$31$corpusSaltCorpusSaltCuAa63N6ORy2M7Sf33JFpnzphOpfBZLZy",
		"{bcrypt}$2b$31$corpusSaltCorpusSaltCuAa63N6ORy2M7Sf33JFpnzphOpfBZLZy",
		"$bcrypt-sha256$v=2,t=2b,r=16$hep7wcE/WMHUlY1Orl.vWu$AHsa8PxyCa1KlqhwsUXpatCYn3pBcde",
		"$argon2id$v=19$m=1048577,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"argon2$argon2id$v=19$m=64,t=21,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"{argon2}$argon2id$v=19$m=65536,t=1,p=256$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"{argon2@SpringSecurity_v5_8}$argon2i$v=19$m=4194304,t=1000000,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$pbkdf2-sha256$10000001$AAAAAAAAAAAAAAAAAAAAAA$" + ab64(digest(32)),
		"$pbkdf2-sha512$4000001$AAAAAAAAAAAAAAAAAAAAAA$" + ab64(digest(64)),
		"pbkdf2:sha512:4000001$salt$" + hex.EncodeToString(digest(64)),
		"$pbkdf2$0$AAAAAAAAAAAAAAAAAAAAAA$" + ab64(digest(20)),
		"$pbkdf2-sha512$1000$AAAAAAAAAAAAAAAAAAAAAA$" + ab64(digest(63)),
		"$pbkdf2-sha256$1000$AAAAAAAAAAAAAAAAAAAAAA$" + ab64(digest(20)),
		"$pbkdf2-sha256$1000$" + ab64(digest(129)) + "$" + ab64(digest(32)),
		"$pbkdf2-sha256$1000$AAAAAAAAAAAAAAAAAAAAAB$" + ab64(digest(32)),
		"$scrypt$ln=18,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(32)),
		"$scrypt$ln=17,r=8,p=5$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(32)), // N*r*p above 2^22
		"scrypt$131072$salt$8$5$" + padded(digest(64)),
		"$scrypt$ln=0,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(32)),
		"$scrypt$ln=10,r=9,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(32)),
		"$scrypt$ln=10,r=8,p=11$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(32)),
		"$scrypt$ln=10,r=0,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(32)),
		"$scrypt$ln=10,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(16)),
		"$5$rounds=999$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8",
		"$5$rounds=1000001$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8",
		"$6$rounds=999999999$saltstring$" + strings.Repeat("a", 85) + "1",
		"$6$rounds=$saltstring$" + strings.Repeat("a", 85) + "1",
		"$6$saltstring$" + strings.Repeat("a", 85) + "2",        // the last digit has two bits, not three
		"$6$seventeencharacte$" + strings.Repeat("a", 85) + "1", // too long a salt
		"$6$$" + strings.Repeat("a", 85) + "1",                  // no salt
		"$6$salt$" + strings.Repeat("a", 84) + "!1",             // a character outside the alphabet
		"$6$salt$" + strings.Repeat("a", 86) + "1",              // one digit too many
		"$6$salt$",                           // no digest
		"$P$6ieIDLzLM1.casuzKLbobPfVWSJ1qbz", // the last digit has two bits, not six
		"$P$4ieIDLzLM1.casuzKLbobPfVWSJ1qb/", // 2^6
		"$P$JieIDLzLM1.casuzKLbobPfVWSJ1qb/", // 2^21
		"$H$zieIDLzLM1.casuzKLbobPfVWSJ1qb/", // 2^63
		"$P$6ieIDLzLM1.casuzKLbobPfVWSJ1qb",  // one digit too few
		"pbkdf2_sha256$10000001$salt$" + padded(digest(32)),
		"pbkdf2_sha256$1000$salt$" + padded(digest(16)),
		"pbkdf2_sha256$1000$sa\x00lt$" + padded(digest(32)),
		"pbkdf2_sha256$1000$salt$" + raw(digest(32)),             // no padding
		"pbkdf2_sha256$1000$salt$" + raw(digest(32))[:42] + "B=", // an unused bit that is not zero
		"pbkdf2_sha256$1000$salt$" + raw(digest(32))[:40] + "\nA=",
		"pbkdf2_sha1$-1$salt$" + padded(digest(20)),
		"scrypt$262144$salt$8$1$" + padded(digest(64)),
		"scrypt$1000$salt$8$1$" + padded(digest(64)), // not a power of two
		"scrypt$1024$salt$9$1$" + padded(digest(64)),
		"scrypt$1024$salt$8$11$" + padded(digest(64)),
		"sha1$salt$" + hex.EncodeToString(digest(19)),
		"sha1$$" + hex.EncodeToString(digest(20)), // no salt
		"md5$salt$" + hex.EncodeToString(digest(15)),
		"md5$salt$" + strings.ToUpper(hex.EncodeToString([]byte("abcdefghijklmno\xff"))),
		"sha256$salt$" + hex.EncodeToString(digest(31)),
		"sha256$" + strings.Repeat("s", 129) + "$" + hex.EncodeToString(digest(32)),
		"sha512$$" + hex.EncodeToString(digest(64)), // no salt
		"sha512$salt$" + hex.EncodeToString(digest(64)) + "$",
		"pbkdf2:sha256:10000001$salt$" + hex.EncodeToString(digest(32)),
		"pbkdf2:sha256$salt$" + hex.EncodeToString(digest(32)),
		"pbkdf2:md5:1000$salt$" + hex.EncodeToString(digest(16)),
		"pbkdf2:sha256:1000$$" + hex.EncodeToString(digest(32)),
		"scrypt:262144:8:1$salt$" + hex.EncodeToString(digest(64)),
		"scrypt:32768:9:1$salt$" + hex.EncodeToString(digest(64)),
		"scrypt:32768:8:11$salt$" + hex.EncodeToString(digest(64)),
		"scrypt:32768:8$salt$" + hex.EncodeToString(digest(64)),
		"{scrypt}$120801$" + padded(digest(16)) + "$" + padded(digest(32)), // ln=18
		"{scrypt}$e0901$" + padded(digest(16)) + "$" + padded(digest(32)),
		"{scrypt}$e080b$" + padded(digest(16)) + "$" + padded(digest(32)),
		"{scrypt}$0e0801$" + padded(digest(16)) + "$" + padded(digest(32)),
		"{scrypt}$ffe0801$" + padded(digest(16)) + "$" + padded(digest(32)),
		"{scrypt}$e0801$$" + padded(digest(32)),
		"{pbkdf2}" + hex.EncodeToString(digest(39)),
		"{pbkdf2@SpringSecurity_v5_8}" + hex.EncodeToString(digest(16)),
		"{sha256}" + hex.EncodeToString(digest(8)),
		"{SHA-256}{}" + hex.EncodeToString(digest(32)), // no salt
		"{SHA-256}{salt}" + hex.EncodeToString(digest(20)),
		"{SHA-256}{salt}" + strings.ToUpper(hex.EncodeToString([]byte(strings.Repeat("\xff", 32)))),
		"{SHA-1}{salt" + hex.EncodeToString(digest(20)),
		"{SHA-1}{" + strings.Repeat("s", 129) + "}" + hex.EncodeToString(digest(20)),
		"{MD5}{sa\nlt}" + hex.EncodeToString(digest(16)),
		"{ldap}{SSHA}" + padded(digest(23)), // three bytes of salt
		"{ldap}{SSHA}" + padded(digest(37)),
		"{ldap}{SSHA}" + raw(digest(28)),
		aspnet3(0, 10_000_001, 16, 48),
		aspnet3(0, 0, 16, 48),
		aspnet3(3, 1000, 16, 48), // no such function
		aspnet3(2, 1000, 15, 47), // a salt too short
		aspnet3(2, 1000, 16, 47), // a digest too short
		aspnet3(2, 1000, 1<<31, 48),
		"AQAAAA",
		strings.Repeat("A", 65) + "B==",
		strings.Repeat("g", 32) + ":" + hex.EncodeToString(digest(64)),
		hex.EncodeToString(digest(16)) + ":" + strings.Repeat("F", 128),
		"$fbscrypt$v=1,n=18,r=8,p=1,ss=Bw==,sk=" + padded(digest(64)) + "$AAAA$" + padded(digest(64)),
		"$fbscrypt$v=1,n=14,r=9,p=1,ss=Bw==,sk=" + padded(digest(64)) + "$AAAA$" + padded(digest(64)),
		"$fbscrypt$v=1,n=14,r=8,p=11,ss=Bw==,sk=" + padded(digest(64)) + "$AAAA$" + padded(digest(64)),
		"$fbscrypt$v=2,n=14,r=8,p=1,ss=Bw==,sk=" + padded(digest(64)) + "$AAAA$" + padded(digest(64)),
		"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=$AAAA$" + padded(digest(64)),
		"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=AAAA$AAAA$AAAA",
		"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=" + padded(digest(64)) + "$$" + padded(digest(64)),
		"$wp$2y$15$corpusSaltCorpusSaltCuAa63N6ORy2M7Sf33JFpnzphOpfBZLZy", // two forms of a password may be tried
		"$wp$2y$31$corpusSaltCorpusSaltCuAa63N6ORy2M7Sf33JFpnzphOpfBZLZy",
		"$wp$2y$", "$wp$2y$10$",
		"1|$2y$16$corpusSaltCorpusSaltCuAa63N6ORy2M7Sf33JFpnzphOpfBZLZy",
		"3|$argon2id$v=19$m=1048576,t=4,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"{BLF-CRYPT}$2y$16$corpusSaltCorpusSaltCuAa63N6ORy2M7Sf33JFpnzphOpfBZLZy",
		"{CRYPT}$6$rounds=1000001$saltstring$" + strings.Repeat("a", 85) + "1",
		"{ARGON2}$argon2i$v=19$m=4194304,t=3,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"{PBKDF2}10000001$AAAAAAAAAAAAAAAAAAAAAA$" + ab64(digest(20)),
		"{PBKDF2-SHA256}1000$AAAAAAAAAAAAAAAAAAAAAA$" + ab64(digest(20)),
		"{PBKDF2}$1$salt$10000001$" + hex.EncodeToString(digest(20)),
		"{PBKDF2}$1$salt$1000$" + hex.EncodeToString(digest(16)),
		"{SSHA}" + padded(digest(23)), // three bytes of salt
		"{SSHA}" + padded(digest(37)),
		"{SSHA512}" + padded(digest(64)), // no salt
		"{SMD5}" + raw(digest(20)),
		"$pbkdf2-sha256$i=10000001,l=32$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(32)),
		"$pbkdf2-sha256$i=5000001,l=64$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(64)), // two blocks
		"$pbkdf2-sha256$5000001$AAAAAAAAAAAAAAAAAAAAAA$" + ab64(digest(64)),
		"$pbkdf2-sha256$i=1000,l=32$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(64)), // not the length that it names
		"$pbkdf2-sha256$i=1000,l=64$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(32)),
		"$pbkdf2-sha256$i=1000$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(64)),
		"$pbkdf2-sha256$i=1000,l=15$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(15)),
		"$pbkdf2-sha256$l=32,i=1000$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(32)),
		"$pbkdf2-sha256$i=,l=32$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(32)),
		"$pbkdf2-sha256$v=1$i=1000,l=32$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(32)),
		"$pbkdf2-sha256$f=SHA256,w=1000,l=32$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(32)),
		"$pbkdf2$f=sha256,w=1000,l=32$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(32)),
		"$pbkdf2$f=MD5,w=1000,l=16$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(16)),
		"$pbkdf2$f=SHA512,w=4000001,l=64$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(64)),
		"pbkdf2:sha256:625001$salt$" + hex.EncodeToString(digest(512)), // 16 blocks
		"pbkdf2:sha512:1000$salt$" + hex.EncodeToString(digest(50)),
		"pbkdf2:sha256:1000$salt$" + hex.EncodeToString(digest(49)),
		"pbkdf2:sha256:1000$salt$" + hex.EncodeToString(digest(513)),
		"$scrypt$n=262144,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(64)),
		"$scrypt$n=16384,r=9,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(64)),
		"$scrypt$n=1000,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(64)),
		"$scrypt$n=16384,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(63)),
		"$scrypt$n=16384,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(129)),
		"$scrypt$v=1$n=16384,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(64)),
		"$bcrypt$v=98$r=16$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(23)),
		"$bcrypt$v=99$r=10$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(23)),
		"$bcrypt$v=98$r=010$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(23)),
		"$bcrypt$v=98$r=10$AAAAAAAAAAAAAAAAAAAAAA$" + raw(digest(22)),
		"$bcrypt$v=98$r=10$AAAAAAAAAAAAAAAAAAAAAB$" + raw(digest(23)),
		"s2:" + strings.Repeat("a", 15) + ":" + hex.EncodeToString(digest(64)),
		"s2:" + strings.Repeat("a", 16) + ":" + hex.EncodeToString(digest(63)),
		"s2:" + strings.Repeat("g", 32) + ":" + hex.EncodeToString(digest(64)),
		"s2:", "s2::",
		"$S$JieIDLzLM" + strings.Repeat("a", 43), // 2^21
		"$S$4ieIDLzLM" + strings.Repeat("a", 43), // 2^6
		"$S$DieIDLzL!" + strings.Repeat("a", 43),
		"$S$DieIDLzLM" + strings.Repeat("a", 42),
		"$S$DieIDLzLM" + strings.Repeat("a", 86), // all of the digest
		"U$S$JieIDLzLM" + strings.Repeat("a", 43),
		"U$P$JieIDLzLM1.casuzKLbobPfVWSJ1qb/",
		"$S$", "U$S$", "U$P$5",
		":pbkdf2:sha512:4000001:64:AAAA:" + padded(digest(64)),
		":pbkdf2:sha256:2500001:128:AAAA:" + padded(digest(128)), // four blocks
		":pbkdf2:sha256:10000:64:AAAA:" + padded(digest(128)),
		":pbkdf2:whirlpool:10000:64:AAAA:" + padded(digest(64)),
		":pbkdf2:sha512:30000:64::" + padded(digest(64)),
		":pbkdf2:sha512:30000:8:AAAA:" + padded(digest(8)),
		":pbkdf2-legacyA:!sha512:30000:64!salt!AAAA!" + padded(digest(64)), // a salt of the MD5
		":pbkdf2-legacyB:!sha512:30000:64!!AAAA!" + padded(digest(64)),     // none
		":pbkdf2-legacyB:!sha512:30000:64:salt:AAAA!" + padded(digest(64)),
		":pbkdf2-legacyB:!",
		":B::" + hex.EncodeToString(digest(16)),
		":B:salt:" + hex.EncodeToString(digest(15)),
		":bcrypt:16$corpusSaltCorpusSaltCu$Aa63N6ORy2M7Sf33JFpnzphOpfBZLZy",
		":bcrypt:09$corpusSaltCorpusSaltCu$Aa63N6ORy2M7Sf33JFpnzphOpfBZLZy",
		":bcrypt:9$corpusSaltCorpusSaltC$uAa63N6ORy2M7Sf33JFpnzphOpfBZLZy",
		":argon2:$argon2id$v=19$m=1048576,t=4,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		hex.EncodeToString(digest(32)) + ":salt:3_32_4_1073741824",
		hex.EncodeToString(digest(32)) + ":salt:3_32_1000_67108864",
		hex.EncodeToString(digest(32)) + ":salt:3_32_2_67108865",
		hex.EncodeToString(digest(32)) + ":salt:3_16_2_67108864",
		hex.EncodeToString(digest(16)) + ":salt:2",
		hex.EncodeToString(digest(32)) + ":salt:2:3_32_2_67108864", // Argon2id twice
		hex.EncodeToString(digest(32)) + ":salt:0:0:0:1",
		hex.EncodeToString(digest(32)) + ":salt::1",
		hex.EncodeToString(digest(32)) + ":salt:4",
		hex.EncodeToString(digest(32)) + "::1", // no salt
		hex.EncodeToString(digest(32)) + "::2",
		hex.EncodeToString(digest(32)) + ":salt:0", // the length of the other function
		hex.EncodeToString(digest(16)) + ":salt:1",
		hex.EncodeToString(digest(32)) + ":" + strings.Repeat("s", 129) + ":1",
		"$wp$2y$" + megabyte, "1|$2y$" + megabyte, "$S$" + megabyte, ":pbkdf2:" + megabyte, ":B:" + megabyte, "s2:" + megabyte, "{SSHA}" + megabyte,
		"{PBKDF2}" + strings.Repeat("$", 1<<20), "$bcrypt$" + megabyte, hex.EncodeToString(digest(16)) + strings.Repeat(":", 1<<20),
		"$2b$" + megabyte, "$argon2id$" + megabyte, "$pbkdf2$" + megabyte, "$scrypt$" + megabyte, "$6$rounds=" + megabyte,
		"$P$" + megabyte, "pbkdf2_sha256$" + megabyte, "scrypt$" + strings.Repeat("$", 1<<20), "scrypt:" + strings.Repeat(":", 1<<20),
		"{scrypt}" + megabyte, "{sha256}" + megabyte, "{SHA-1}{" + megabyte, "{ldap}{SSHA}" + megabyte, "sha256$" + megabyte, "AQAAAA" + megabyte, "$fbscrypt$" + megabyte,
	} {
		var err error
		memory := allocated(func() { err = legacyhash.All().Verify(ended, encoded, "correct horse") })
		if !errors.Is(err, auth.ErrMalformedHash) {
			t.Errorf("%.80q: %v, want ErrMalformedHash", encoded, err)
		}
		if memory > 16<<10 {
			t.Errorf("%.80q: %d bytes allocated, want at most 16 KiB", encoded, memory)
		}
	}
}

// allocated returns the number of bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A text without the prefix of a format, the mark of an account without a password, a password in
// plain text and a digest without a salt match no password.
func TestUnknown(t *testing.T) {
	t.Parallel()
	for _, encoded := range []string{
		"", "!", "!" + strings.Repeat("a", 40), "*", "*0", "x", "password", "{noop}password", "{MD5}password", "{SHA-1}5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8",
		"{SHA-256}" + strings.Repeat("0", 64), "{MD4}{c2FsdA==}" + strings.Repeat("0", 32), "{ldap}{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
		"{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "{SHA256}XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg=", "{MD5}X03MO1qnZdYdgyfeuILPmQ==", "{CRYPT}xyHashedByDES", "{CRYPT}$1$salt$qJH7.N4xYta3aEG/dfqo/0",
		"{sSHA}7Hi/7Q/rqAlbDNMBhGDTfWWZkDVYpRcgqPSWXg==", "{CLEARTEXT}password", ":A:5f4dcc3b5aa765d61d8327deb882cf99", ":B", "$wp$P$BKabEE3pcFfjZ0bpl1HpaiBng6Mug6/", "$wp", "$wp$2b$10$corpusSaltCorpusSaltCuAa63N6ORy2M7Sf33JFpnzphOpfBZLZy",
		"4|$2y$10$corpusSaltCorpusSaltCuAa63N6ORy2M7Sf33JFpnzphOpfBZLZy", "1|5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8", "1|", "$S", "U$", "U$2y$10$corpusSaltCorpusSaltCuAa63N6ORy2M7Sf33JFpnzphOpfBZLZy",
		"67a1e09bb1f83f5007dc119c14d663aa:salt", "67a1e09b:salt:0", "67A1E09BB1F83F5007DC119C14D663AA:salt:0", "$pbkdf2-sha384$i=1000,l=32$AAAAAAAAAAAAAAAAAAAAAA$AAAA", "pbkdf2", "s2", "{BCRYPT}$2a$05$JJ6JL3CXvVqPKnW05V0Bw.utrZJzUG758UYfLyWImZ2MZ7Xj5y/S2", "{}password", "{bcrypt", "{SHA-1}",
		"5f4dcc3b5aa765d61d8327deb882cf99", "sha224$salt$" + strings.Repeat("0", 56), "plain$$password", "unsalted_md5$", "$1$salt$qJH7.N4xYta3aEG/dfqo/0", "$y$j9T$salt$digest",
		"$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e", "$argon2d$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"{bcrypt}{bcrypt}$2a$05$JJ6JL3CXvVqPKnW05V0Bw.utrZJzUG758UYfLyWImZ2MZ7Xj5y/S2", "bcrypt$$bcrypt-sha256$2b,5$STD3kG1bDkgaS1bxUiB9nu$jB1EIz5dR79FjiL6C0I1WZM97P43O0W",
	} {
		for _, password := range []string{"password", encoded, "", "\x00"} {
			if err := legacyhash.All().Verify(t.Context(), encoded, password); !errors.Is(err, auth.ErrUnknownHash) {
				t.Errorf("%q with %q: %v, want ErrUnknownHash", encoded, password, err)
			}
		}
	}
}

// With one character of a hash changed, the password does not match. The cost is not changed,
// because a hash with a higher cost would take long to verify: so no digit is inserted, and the
// bytes of the cost in binary formats stay.
func TestAltered(t *testing.T) {
	t.Parallel()
	const digits, others = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/.-_=,:;$ \n\x00\xff"
	for name, maker := range makers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			salt := []byte("F: 0x46, of which ASP.NET 2 makes AE")[:16]
			encoded, err := maker("pass", salt)
			if err != nil {
				t.Fatal(err)
			}
			for i := range encoded {
				if name == "ASP.NET 3" && i >= 6 && i < 12 || strings.HasPrefix(encoded, "{scrypt}") && i < 16 {
					continue
				}
				replacements := others
				if name == "ASP.NET 2" {
					replacements += digits
				}
				for _, c := range []byte(replacements) {
					twin := encoded[:i] + string([]byte{c}) + encoded[i+1:]
					if twin != encoded && legacyhash.All().Verify(t.Context(), twin, "pass") == nil {
						t.Errorf("the altered hash %q matches the password of %s", twin, encoded)
					}
				}
			}
		})
	}
}

// A password with a NUL character is refused, because a format may not distinguish it from another
// one. So is a password that is too long for every system.
func TestPasswords(t *testing.T) {
	t.Parallel()
	for name, maker := range makers {
		encoded, err := maker("pass", make([]byte, 16))
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range []struct {
			password string
			rule     passwords.Rule
		}{{"pass\x00", passwords.Encoding}, {"pass" + strings.Repeat("x", 4093), passwords.TooLong}} {
			var refused *passwords.Error
			if err := legacyhash.All().Verify(t.Context(), encoded, row.password); !errors.As(err, &refused) || refused.Rule != row.rule {
				t.Errorf("%s with %d bytes: got %v, want the rule %s", name, len(row.password), err, row.rule)
			}
		}
	}
}

// TestCryptPasswordLength checks that the rounds of sha-crypt and phpass times the length of the
// password are bounded, and that other formats do not have this bound. A password within the bounds
// goes on to the hashing, which a context that has ended stops.
func TestCryptPasswordLength(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	sha512 := "$saltstring$" + strings.Repeat("a", 85) + "1"
	for _, row := range []struct {
		encoded string
		longest int // bytes
	}{
		{"$5$rounds=656000$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8", 409},
		{"$6$rounds=656000" + sha512, 409},
		{"$6$rounds=1000000" + sha512, 268},
		{"$6" + sha512, 4096},
		{"$P$IieIDLzLM1.casuzKLbobPfVWSJ1qb/", 256},
		{"$H$HieIDLzLM1.casuzKLbobPfVWSJ1qb/", 512},
		{"$P$6ieIDLzLM1.casuzKLbobPfVWSJ1qb/", 4096},
		{"$S$D" + strings.Repeat("a", 51), 512},
		{"$S$I" + strings.Repeat("a", 51), 256},
		{"U$S$I" + strings.Repeat("a", 51), 256},
		{"{CRYPT}$6$rounds=656000" + sha512, 409},
		{"{SHA512-CRYPT}$6$rounds=656000" + sha512, 409},
		{"$pbkdf2-sha256$i=5000000,l=64$AAAAAAAAAAAAAAAAAAAAAA$" + base64.RawStdEncoding.EncodeToString(make([]byte, 64)), 4096},
		{"$scrypt$n=16384,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + base64.RawStdEncoding.EncodeToString(make([]byte, 64)), 4096},
		{"pbkdf2_sha256$10000000$salt$" + base64.StdEncoding.EncodeToString(make([]byte, 32)), 4096},
	} {
		if err := legacyhash.All().Verify(ctx, row.encoded, strings.Repeat("p", row.longest)); !errors.Is(err, context.Canceled) {
			t.Errorf("%.20s: a password of %d bytes: %v, want that it is hashed", row.encoded, row.longest, err)
		}
		err := legacyhash.All().Verify(ctx, row.encoded, strings.Repeat("p", row.longest+1))
		if refused, ok := errors.AsType[*passwords.Error](err); !ok || refused.Rule != passwords.TooLong || refused.Limit != row.longest {
			t.Errorf("%.20s: a password of %d bytes: %v, want TooLong with the limit %d", row.encoded, row.longest+1, err, row.longest)
		}
	}
}
