package legacyhash_test

import (
	"encoding/base64"
	"os/exec"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/legacyhash"
)

// TestSpring asks what Spring Security calls, in Debian's packages: the JDK's PBKDF2
// and digests, Bouncy Castle's Argon2, scrypt and bcrypt. What Spring itself made is
// in testdata.
func TestSpring(t *testing.T) {
	t.Parallel()
	java, jar := testenv.Command(t, "java"), testenv.Jar(t, "bcprov")
	ask := func(t *testing.T, questions []question) (hashes []string) {
		var flat []string
		for _, q := range questions {
			flat = append(flat, "{"+q.Scheme+"}", base64.StdEncoding.EncodeToString([]byte(q.Password)))
		}
		testenv.Ask(t, exec.CommandContext(t.Context(), java, "-cp", jar, "testdata/Encode.java"), flat, &hashes)
		return checkAnswers(t, questions, hashes)
	}
	var cheap []question
	for _, id := range []string{"bcrypt", "argon2", "scrypt", "sha256", "SHA-256", "SHA-1", "MD5", "ldap"} {
		cheap = append(cheap, question{System: "spring", Scheme: id})
	}
	checkForeign(t, legacyhash.Spring(), ask, cheap...)

	var dear []question
	for _, id := range []string{"pbkdf2", "pbkdf2@SpringSecurity_v5_8"} {
		for _, password := range []string{"pässwörd-é-日本", "🔑 and 🐎"} {
			dear = append(dear, question{"spring", id, nil, password})
		}
	}
	for i, hash := range ask(t, dear) {
		if err := legacyhash.Spring().Verify(t.Context(), hash, dear[i].Password); err != nil {
			t.Errorf("%s, %q: %v", hash, dear[i].Password, err)
		}
	}
}
