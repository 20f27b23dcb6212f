package passwords_test

import (
	"os/exec"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/passwords"
)

// TestPasslibAndArgon2id: passlib takes our hashes and we take passlib's, Argon2i
// included, each only with its password.
func TestPasslibAndArgon2id(t *testing.T) {
	t.Parallel()
	testenv.Python(t, "passlib.hash", "argon2") // passlib calls argon2-cffi
	var asked []passlibQuestion
	for i, password := range foreignPasswords {
		ours, err := passwords.LowCostArgon2id([]string{"m=64,t=1,p=1", "m=256,t=3,p=2"}[i%2]).Hash(t.Context(), password)
		if err != nil {
			t.Fatal(err)
		}
		asked = append(asked,
			passlibQuestion{Scheme: "argon2", Password: password, Hash: ours},
			passlibQuestion{Scheme: "argon2", Password: "!" + password, Hash: ours})
		for _, variant := range []string{"ID", "I"} {
			asked = append(asked, passlibQuestion{Scheme: "argon2", Password: password, Options: map[string]any{
				"type": variant, "memory_cost": 128, "parallelism": 1 + i%3, "digest_size": 16 + 4*i,
			}})
		}
	}
	for i, a := range passlib(t, asked) {
		password := asked[i].Password
		if asked[i].Hash != "" {
			if want := i%4 == 0; a.Match != want {
				t.Errorf("passlib's answer on %d bytes and %s: %v", len(password), asked[i].Hash, a.Match)
			}
			continue
		}
		if err := fastArgon2id.Verify(t.Context(), a.Hash, password); err != nil {
			t.Errorf("%d bytes, %s: %v", len(password), a.Hash, err)
		}
		if err := fastArgon2id.Verify(t.Context(), a.Hash, password+"x"); err == nil {
			t.Errorf("%d bytes, %s: matches one byte more", len(password), a.Hash)
		}
		if !(passwords.Argon2id{}).NeedsRehash(a.Hash) {
			t.Errorf("%s: NeedsRehash is false at 128 KiB", a.Hash)
		}
	}
}

// phpScript answers a list of questions as passlibScript does.
const phpScript = `
$answers = [];
foreach (json_decode(stream_get_contents(STDIN), true) as $q) {
    $answers[] = isset($q["hash"])
        ? ["match" => password_verify($q["password"], $q["hash"])]
        : ["hash" => password_hash($q["password"], constant($q["scheme"]), $q["options"])];
}
echo json_encode($answers);
`

// TestPHP: password_verify takes our hashes, and we take password_hash's, each
// only with its password.
func TestPHP(t *testing.T) {
	t.Parallel()
	type question = passlibQuestion
	var asked []question
	for _, password := range foreignPasswords {
		hasher := passwords.Hasher(fastArgon2id)
		if len(password) < 72 {
			ours, err := fast.Hash(t.Context(), password)
			if err != nil {
				t.Fatal(err)
			}
			asked = append(asked, question{Password: password, Hash: ours}, question{Password: "!" + password, Hash: ours},
				question{Scheme: "PASSWORD_BCRYPT", Options: map[string]any{"cost": 4}, Password: password})
		}
		ours, err := hasher.Hash(t.Context(), password)
		if err != nil {
			t.Fatal(err)
		}
		asked = append(asked, question{Password: password, Hash: ours}, question{Password: "!" + password, Hash: ours},
			question{Scheme: "PASSWORD_ARGON2ID", Options: map[string]any{"memory_cost": 64, "time_cost": 1}, Password: password},
			question{Scheme: "PASSWORD_ARGON2I", Options: map[string]any{"memory_cost": 64, "time_cost": 1}, Password: password})
	}
	var answers []passlibAnswer
	testenv.Ask(t, exec.CommandContext(t.Context(), testenv.Command(t, "php"), "-r", phpScript), asked, &answers)
	if len(answers) != len(asked) {
		t.Fatalf("%d answers to %d questions", len(answers), len(asked))
	}
	both := passwords.Chain(fastArgon2id, fast)
	for i, a := range answers {
		password := asked[i].Password
		if asked[i].Hash != "" {
			if want := password[0] != '!'; a.Match != want {
				t.Errorf("PHP's answer on %d bytes and %s: %v", len(password), asked[i].Hash, a.Match)
			}
			continue
		}
		if err := both.Verify(t.Context(), a.Hash, password); err != nil {
			t.Errorf("%d bytes, %s: %v", len(password), a.Hash, err)
		}
		if err := both.Verify(t.Context(), a.Hash, password+"x"); err == nil {
			t.Errorf("%d bytes, %s: matches one byte more", len(password), a.Hash)
		}
	}
}
