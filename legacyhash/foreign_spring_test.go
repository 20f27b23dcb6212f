package legacyhash_test

import (
	"encoding/base64"
	"os/exec"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/legacyhash"
)

// Spring reads hashes that the libraries of Spring Security make: PBKDF2 and digests of the JDK,
// and Argon2, scrypt and bcrypt of Bouncy Castle. Hashes that Spring itself made are in testdata.
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

	var expensive []question
	for _, id := range []string{"pbkdf2", "pbkdf2@SpringSecurity_v5_8"} {
		for _, password := range []string{"pässwörd-é-日本", "🔑 and 🐎"} {
			expensive = append(expensive, question{"spring", id, nil, password})
		}
	}
	for i, hash := range ask(t, expensive) {
		if err := legacyhash.Spring().Verify(t.Context(), hash, expensive[i].Password); err != nil {
			t.Errorf("%s, %q: %v", hash, expensive[i].Password, err)
		}
	}
}
