package passwords_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/passwords"
)

// passlibScript answers a list of questions: without a hash it makes one of the
// password, with a hash it says whether passlib takes the password for it.
const passlibScript = `
import json, sys
try: # passlib 1.7.4 asks bcrypt 4.1 and later for a version that is no longer there
    import bcrypt
    if not hasattr(bcrypt, "__about__"):
        bcrypt.__about__ = type("about", (), {"__version__": bcrypt.__version__})
except ImportError: # then passlib calls the system's crypt(3)
    pass
import passlib.hash
answers = []
for q in json.load(sys.stdin):
    handler = getattr(passlib.hash, q["scheme"])
    if q.get("hash"):
        answers.append({"match": handler.verify(q["password"], q["hash"])})
    else:
        answers.append({"hash": handler.using(rounds=4, **q["options"]).hash(q["password"])})
json.dump(answers, sys.stdout)
`

type passlibQuestion struct {
	Scheme   string         `json:"scheme"`
	Options  map[string]any `json:"options"`
	Password string         `json:"password"`
	Hash     string         `json:"hash,omitempty"`
}

type passlibAnswer struct {
	Match bool   `json:"match"`
	Hash  string `json:"hash"`
}

func passlib(t *testing.T, questions []passlibQuestion) (answers []passlibAnswer) {
	t.Helper()
	testenv.Ask(t, exec.CommandContext(t.Context(), testenv.Python(t, "passlib.hash"), "-c", passlibScript), questions, &answers)
	if len(answers) != len(questions) {
		t.Fatalf("%d answers to %d questions", len(answers), len(questions))
	}
	return answers
}

var foreignPasswords = []string{
	"correct horse battery staple",
	"pässwörd-é-日本",
	"e\u0301 is not \u00e9",
	" spaces around ",
	`quotes " ' \ $ and controls` + "\t\x01\x7f",
	strings.Repeat("a", 72),
	strings.Repeat("é", 36),
	strings.Repeat("a", 73),
	strings.Repeat("é", 37),
	strings.Repeat("🐎", 64),
	strings.Repeat("0123456789abcdef", 64),
	strings.Repeat("日", 1365),
}

// TestPasslibReadsOurs: passlib takes our hashes, and only with their password.
func TestPasslibReadsOurs(t *testing.T) {
	t.Parallel()
	var questions []passlibQuestion
	for _, password := range foreignPasswords {
		encoded, err := fast.Hash(t.Context(), password)
		if err != nil {
			t.Fatal(err)
		}
		scheme := "bcrypt"
		if len(password) > 72 {
			scheme = "bcrypt_sha256"
		}
		questions = append(questions,
			passlibQuestion{Scheme: scheme, Password: password, Hash: encoded},
			passlibQuestion{Scheme: scheme, Password: "!" + password, Hash: encoded})
	}
	for i, a := range passlib(t, questions) {
		if want := i%2 == 0; a.Match != want {
			t.Errorf("passlib's answer on %d bytes and %s: %v", len(questions[i].Password), questions[i].Hash, a.Match)
		}
	}
}

// TestWeReadPasslibs: we take passlib's, and only with their password.
func TestWeReadPasslibs(t *testing.T) {
	t.Parallel()
	var questions []passlibQuestion
	for _, password := range foreignPasswords {
		for _, version := range []int{1, 2} {
			questions = append(questions, passlibQuestion{
				Scheme: "bcrypt_sha256", Options: map[string]any{"version": version}, Password: password,
			})
		}
		if len(password) > 72 {
			continue
		}
		for _, ident := range []string{"2a", "2b", "2y"} {
			questions = append(questions, passlibQuestion{
				Scheme: "bcrypt", Options: map[string]any{"ident": ident}, Password: password,
			})
		}
	}
	for i, a := range passlib(t, questions) {
		password := questions[i].Password
		if err := fast.Verify(t.Context(), a.Hash, password); err != nil {
			t.Errorf("%d bytes, %s: %v", len(password), a.Hash, err)
		}
		if err := fast.Verify(t.Context(), a.Hash, password+"x"); err == nil {
			t.Errorf("%d bytes, %s: matches one byte more", len(password), a.Hash)
		}
		if !(passwords.Bcrypt{}).NeedsRehash(a.Hash) {
			t.Errorf("%s: NeedsRehash is false at cost 4", a.Hash)
		}
	}
}
