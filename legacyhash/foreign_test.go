package legacyhash_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/legacyhash"
)

// question asks another system for the hash of a password.
type question struct {
	System   string         `json:"system"`
	Scheme   string         `json:"scheme"`
	Options  map[string]any `json:"options"`
	Password string         `json:"password"`
}

// pythonScript answers each question with a hash of passlib, Django or Werkzeug.
const pythonScript = `
import json, sys
try: # passlib 1.7.4 reads a version that bcrypt no longer has from 4.1 on
    import bcrypt
    if not hasattr(bcrypt, "__about__"):
        bcrypt.__about__ = type("about", (), {"__version__": bcrypt.__version__})
except ImportError: # without it, passlib calls crypt(3) of the system
    pass

def passlib(scheme, options, password):
    import passlib.hash
    return getattr(passlib.hash, scheme).using(**options).hash(password)

def django(scheme, options, password):
    from django.conf import settings
    if not settings.configured:
        names = ["PBKDF2", "PBKDF2SHA1", "Argon2", "BCryptSHA256", "BCrypt", "SHA1", "MD5"]
        settings.configure(PASSWORD_HASHERS=["django.contrib.auth.hashers.%sPasswordHasher" % n for n in names])
    from django.contrib.auth import hashers
    if scheme == "unusable":
        return hashers.make_password(None)
    for name, value in options.items():
        setattr(hashers.get_hasher(scheme), name, value)
    return hashers.make_password(password, hasher=scheme)

def werkzeug(scheme, options, password):
    from werkzeug.security import generate_password_hash
    return generate_password_hash(password, scheme, **options)

json.dump([globals()[q["system"]](q["scheme"], q["options"] or {}, q["password"]) for q in json.load(sys.stdin)], sys.stdout)
`

// askPython returns the hashes of pythonScript. The test needs these modules.
func askPython(t *testing.T, questions []question, modules ...string) (hashes []string) {
	t.Helper()
	testenv.Ask(t, exec.CommandContext(t.Context(), testenv.Python(t, modules...), "-c", pythonScript), questions, &hashes)
	return checkAnswers(t, questions, hashes)
}

// checkAnswers returns hashes, or ends the test unless there is one for each question.
func checkAnswers(t *testing.T, questions []question, hashes []string) []string {
	t.Helper()
	if len(hashes) != len(questions) || len(hashes) == 0 {
		t.Fatalf("got %d answers to %d questions", len(hashes), len(questions))
	}
	return hashes
}

var samplePasswords = []string{
	"correct horse battery staple",
	"pässwörd-é-日本",
	"e\u0301 is not \u00e9",
	" spaces around ",
	`quotes " ' \ $ and controls` + "\t\x01\x7f",
	strings.Repeat("0123456789abcdef", 4),
	strings.Repeat("a", 72),
	strings.Repeat("é", 37),
	strings.Repeat("0123456789abcdef", 16),
}

// checkForeign asks for a hash of each password under each scheme, and checks that h verifies it.
// Other passwords and altered hashes must not match.
func checkForeign(t *testing.T, h auth.Hasher, ask func(*testing.T, []question) []string, schemes ...question) {
	t.Helper()
	var questions []question
	for _, scheme := range schemes {
		for _, password := range samplePasswords {
			if q := scheme; !strings.HasSuffix(q.Scheme, "bcrypt") || len(password) <= 72 {
				q.Password = password
				questions = append(questions, q)
			}
		}
	}
	seen := map[string]bool{}
	for i, hash := range ask(t, questions) {
		q := questions[i]
		if err := h.Verify(t.Context(), hash, q.Password); err != nil {
			t.Errorf("%s %s, %d bytes: %s: %v", q.System, q.Scheme, len(q.Password), hash, err)
		}
		if strings.HasSuffix(q.Scheme, "bcrypt") && len(q.Password) == 72 {
			continue // one more byte is refused: see TestTruncating
		}
		if key := q.System + q.Scheme; !seen[key] { // one hash of each scheme is enough, because the checks take long
			seen[key] = true
			checkTwins(t, h, hash, q.Password)
		} else if !slow(hash) {
			if err := h.Verify(t.Context(), hash, q.Password+"x"); err != auth.ErrMismatch {
				t.Errorf("%s %s, %d bytes: %s with one more byte: got %v, want ErrMismatch", q.System, q.Scheme, len(q.Password), hash, err)
			}
		}
	}
}

func TestPasslib(t *testing.T) {
	t.Parallel()
	ask := func(t *testing.T, q []question) []string { return askPython(t, q, "passlib.hash", "argon2") }
	low := map[string]any{"rounds": 4}
	checkForeign(t, legacyhash.Passlib(), ask,
		question{"passlib", "bcrypt", low, ""},
		question{"passlib", "bcrypt_sha256", map[string]any{"rounds": 4, "version": 1}, ""},
		question{"passlib", "bcrypt_sha256", map[string]any{"rounds": 4, "version": 2}, ""},
		question{"passlib", "pbkdf2_sha1", low, ""},
		question{"passlib", "pbkdf2_sha256", low, ""},
		question{"passlib", "pbkdf2_sha512", low, ""},
		question{"passlib", "scrypt", low, ""},
		question{"passlib", "sha256_crypt", map[string]any{"rounds": 1000}, ""},
		question{"passlib", "sha512_crypt", map[string]any{"rounds": 1000}, ""},
		question{"passlib", "sha512_crypt", map[string]any{"rounds": 5000, "salt_size": 8}, ""}, // the default, which the hash does not name
		question{"passlib", "phpass", map[string]any{"rounds": 7}, ""},
		question{"passlib", "phpass", map[string]any{"rounds": 7, "ident": "H"}, ""},
		question{"passlib", "argon2", map[string]any{"type": "ID", "memory_cost": 64, "rounds": 1}, ""},
		question{"passlib", "argon2", map[string]any{"type": "I", "memory_cost": 64, "rounds": 1}, ""},
	)
}

func TestDjango(t *testing.T) {
	t.Parallel()
	ask := func(t *testing.T, q []question) []string { return askPython(t, q, "django", "bcrypt", "argon2") }
	checkForeign(t, legacyhash.Django(), ask,
		question{"django", "pbkdf2_sha256", map[string]any{"iterations": 1000}, ""},
		question{"django", "pbkdf2_sha1", map[string]any{"iterations": 1000}, ""},
		question{"django", "bcrypt", map[string]any{"rounds": 4}, ""},
		question{"django", "bcrypt_sha256", map[string]any{"rounds": 4}, ""},
		question{"django", "argon2", map[string]any{"time_cost": 2, "memory_cost": 512, "parallelism": 8}, ""},
		question{"django", "sha1", nil, ""},
		question{"django", "md5", nil, ""},
	)
	for _, hash := range ask(t, []question{{System: "django", Scheme: "unusable"}}) {
		for _, password := range []string{"", hash, hash[1:]} {
			if err := legacyhash.All().Verify(t.Context(), hash, password); err != auth.ErrUnknownHash {
				t.Errorf("an account without a password: %s with %q: got %v, want ErrUnknownHash", hash, password, err)
			}
		}
	}
}

func TestWerkzeug(t *testing.T) {
	t.Parallel()
	ask := func(t *testing.T, q []question) []string { return askPython(t, q, "werkzeug.security") }
	checkForeign(t, legacyhash.Werkzeug(), ask,
		question{"werkzeug", "pbkdf2:sha1:1000", nil, ""},
		question{"werkzeug", "pbkdf2:sha256:1000", map[string]any{"salt_length": 8}, ""},
		question{"werkzeug", "pbkdf2:sha512:1000", nil, ""},
		question{"werkzeug", "sha1", nil, ""},
		question{"werkzeug", "md5", nil, ""},
		question{"werkzeug", "sha256", map[string]any{"salt_length": 8}, ""},
		question{"werkzeug", "sha512", nil, ""},
	)
}

// Laravel reads the hashes of PHP, which Laravel uses.
func TestLaravel(t *testing.T) {
	t.Parallel()
	const script = `
	$answers = [];
	foreach (json_decode(stream_get_contents(STDIN), true) as $q) {
		$answers[] = password_hash($q["password"], constant("PASSWORD_" . strtoupper($q["scheme"])), $q["options"]);
	}
	echo json_encode($answers);`
	ask := func(t *testing.T, q []question) (hashes []string) {
		testenv.Ask(t, exec.CommandContext(t.Context(), testenv.Command(t, "php"), "-r", script), q, &hashes)
		return checkAnswers(t, q, hashes)
	}
	cheap := map[string]any{"memory_cost": 64, "time_cost": 1}
	checkForeign(t, legacyhash.Laravel(), ask,
		question{"php", "bcrypt", map[string]any{"cost": 4}, ""},
		question{"php", "argon2i", map[string]any{"memory_cost": 1024, "time_cost": 2, "threads": 2}, ""}, // the settings of Laravel 5.6
		question{"php", "argon2id", cheap, ""},
	)
}

// BetterAuth reads the hashes of npm's better-auth.
func TestBetterAuth(t *testing.T) {
	t.Parallel()
	const script = `
	import { hashPassword } from "better-auth/crypto";
	import { readFileSync } from "node:fs";
	const answers = [];
	for (const q of JSON.parse(readFileSync(0, "utf8"))) answers.push(await hashPassword(q.password));
	console.log(JSON.stringify(answers));`
	cmd := exec.CommandContext(t.Context(), testenv.Command(t, "node"), "--input-type=module", "-e", script)
	cmd.Dir = testenv.NodeModule(t, "better-auth")
	questions := []question{
		{Password: "correct horse battery staple"}, {Password: "pässwörd-é-日本"}, {Password: "e\u0301 and \u2460 \ufb01 \u212b"},
	}
	var hashes []string
	testenv.Ask(t, cmd, questions, &hashes)
	for i, hash := range checkAnswers(t, questions, hashes) {
		if err := legacyhash.BetterAuth().Verify(t.Context(), hash, questions[i].Password); err != nil {
			t.Errorf("%s, %q: %v", hash, questions[i].Password, err)
		}
		checkTwins(t, legacyhash.BetterAuth(), hash, questions[i].Password)
	}
	if err := legacyhash.BetterAuth().Verify(t.Context(), hashes[2], "\u00e9 and 1 fi \u00c5"); err != nil {
		t.Errorf("a password that is equal in NFKC: %v", err)
	}
}

// Devise reads the hashes of Ruby's Devise without a pepper, with one that bcrypt reads whole, and
// with one that it cuts.
func TestDevise(t *testing.T) {
	t.Parallel()
	const script = `
	require 'json'
	require 'active_support'
	require 'active_support/core_ext/object/blank'
	require 'devise/encryptor'
	settings = Struct.new(:pepper, :stretches)
	questions = JSON.parse(STDIN.read)
	puts questions.map { |q| Devise::Encryptor.digest(settings.new(q['scheme'], 4), q['password']) }.to_json`
	ruby := testenv.Command(t, "ruby")
	for _, pepper := range []string{"", "a pepper", strings.Repeat("0123456789abcdef", 8)} {
		var questions []question
		for _, password := range samplePasswords {
			questions = append(questions, question{Scheme: pepper, Password: password})
		}
		var hashes []string
		testenv.Ask(t, exec.CommandContext(t.Context(), ruby, "-e", script), questions, &hashes)
		h, err := legacyhash.Devise(pepper)
		if err != nil {
			t.Fatal(err)
		}
		for i, hash := range checkAnswers(t, questions, hashes) {
			password := questions[i].Password
			err := h.Verify(t.Context(), hash, password)
			if len(password) > 72 {
				if err == nil {
					t.Errorf("pepper %q: a password of %d bytes matches", pepper, len(password))
				}
				err = h.DangerouslyTruncating().Verify(t.Context(), hash, password)
			}
			if err != nil {
				t.Errorf("pepper %q, %d bytes: %s: %v", pepper, len(password), hash, err)
			}
			if i > 0 {
				continue // one hash is enough, because the checks take long
			}
			if err := h.Verify(t.Context(), hash, password+"x"); err != auth.ErrMismatch {
				t.Errorf("pepper %q, %d bytes: %s with one more byte: got %v, want ErrMismatch", pepper, len(password), hash, err)
			}
			if without := legacyhash.All().Verify(t.Context(), hash, password); (without == nil) != (pepper == "") {
				t.Errorf("pepper %q, %d bytes: %s without the pepper: %v", pepper, len(password), hash, without)
			}
		}
	}
}

// passlib and Django have cut passwords at 72 bytes for bcrypt. Such a hash verifies only with
// DangerouslyTruncating.
func TestTruncating(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 9)
	questions := []question{
		{"passlib", "bcrypt", map[string]any{"rounds": 4}, long},
		{"django", "bcrypt", map[string]any{"rounds": 4}, long},
		{"passlib", "bcrypt_sha256", map[string]any{"rounds": 4}, long},
		{"django", "bcrypt_sha256", map[string]any{"rounds": 4}, long},
	}
	hashes := askPython(t, questions, "passlib.hash", "django", "bcrypt")
	hashes = append(hashes, "{bcrypt}"+hashes[0])
	for i, hash := range hashes {
		whole := i == 2 || i == 3 // bcrypt_sha256 reads the whole password
		for _, row := range []struct {
			h        legacyhash.Hasher
			password string
			want     bool
		}{
			{legacyhash.All(), long, whole},
			{legacyhash.All(), long[:72], !whole},
			{legacyhash.All().DangerouslyTruncating(), long, true},
			{legacyhash.All().DangerouslyTruncating(), long[:73], !whole},
			{legacyhash.All().DangerouslyTruncating(), long[:72], !whole},
			{legacyhash.All().DangerouslyTruncating(), long[:71], false},
		} {
			if err := row.h.Verify(t.Context(), hash, row.password); (err == nil) != row.want {
				t.Errorf("%s with %d bytes: %v, want a match: %v", hash, len(row.password), err, row.want)
			}
		}
	}
}
