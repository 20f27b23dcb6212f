package legacyhash_test

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/legacyhash"
)

// The sample from the documentation of github.com/firebase/scrypt.
const (
	firebaseKey      = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
	firebaseHash     = "$fbscrypt$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
	firebasePassword = "user1password"
)

func TestFirebase(t *testing.T) {
	t.Parallel()
	h, err := legacyhash.Firebase(firebaseKey, legacyhash.FirebaseConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Verify(t.Context(), firebaseHash, firebasePassword); err != nil {
		t.Errorf("the right password: %v", err)
	}
	checkTwins(t, h, firebaseHash, firebasePassword)
	if err := legacyhash.All().Verify(t.Context(), firebaseHash, firebasePassword); !errors.Is(err, auth.ErrMalformedHash) {
		t.Errorf("without the signer key: got %v, want ErrMalformedHash", err)
	}
	withSettings := "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=" + firebaseKey + strings.TrimPrefix(firebaseHash, "$fbscrypt")
	if err := h.Verify(t.Context(), withSettings, firebasePassword); err != nil {
		t.Errorf("a hash that contains its settings: %v", err)
	}
	other := "A" + firebaseKey[1:]
	for name, row := range map[string]struct {
		key string
		cfg legacyhash.FirebaseConfig
	}{
		"key":       {other, legacyhash.FirebaseConfig{}},
		"separator": {firebaseKey, legacyhash.FirebaseConfig{SaltSeparator: "CA=="}},
		"rounds":    {firebaseKey, legacyhash.FirebaseConfig{Rounds: 7}},
		"memory":    {firebaseKey, legacyhash.FirebaseConfig{MemCost: 13}},
	} {
		h, err := legacyhash.Firebase(row.key, row.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Verify(t.Context(), firebaseHash, firebasePassword); err != auth.ErrMismatch {
			t.Errorf("with another %s: got %v, want ErrMismatch", name, err)
		}
	}
}

// Firebase reads the hashes of npm's firebase-scrypt, an independent implementation of Firebase's
// scheme.
func TestFirebaseScrypt(t *testing.T) {
	t.Parallel()
	const script = `
	import { FirebaseScrypt } from "firebase-scrypt";
	import { randomBytes } from "node:crypto";
	import { readFileSync } from "node:fs";
	const answers = [], settings = { memCost: 10, rounds: 8, saltSeparator: "Bw==", signerKey: process.argv[1] };
	for (const q of JSON.parse(readFileSync(0, "utf8"))) {
		const salt = randomBytes(10).toString("base64");
		answers.push("$fbscrypt$" + salt + "$" + await new FirebaseScrypt(settings).hash(q.password, salt));
	}
	console.log(JSON.stringify(answers));`
	node, dir := testenv.Command(t, "node"), testenv.NodeModule(t, "firebase-scrypt")
	ask := func(t *testing.T, q []question) (hashes []string) {
		cmd := exec.CommandContext(t.Context(), node, "--input-type=module", "-e", script, "--", firebaseKey)
		cmd.Dir = dir
		testenv.Ask(t, cmd, q, &hashes)
		return checkAnswers(t, q, hashes)
	}
	h, err := legacyhash.Firebase(firebaseKey, legacyhash.FirebaseConfig{MemCost: 10})
	if err != nil {
		t.Fatal(err)
	}
	checkForeign(t, h, ask, question{System: "firebase", Scheme: "scrypt"})
}

// The constructors report every fault. Neither an error nor a printed Hasher contains a secret.
func TestSettings(t *testing.T) {
	t.Parallel()
	_, err := legacyhash.Firebase(firebaseKey[:84]+"AAA=", legacyhash.FirebaseConfig{SaltSeparator: "Bw", Rounds: 9, MemCost: 18})
	for _, field := range []string{"Firebase.signerKey", "FirebaseConfig.SaltSeparator", "FirebaseConfig.Rounds", "FirebaseConfig.MemCost"} {
		if err == nil || !strings.Contains(err.Error(), "auth: legacyhash."+field) {
			t.Errorf("the error does not name %s: %v", field, err)
		}
	}
	var fault *auth.ConfigError
	if !errors.As(err, &fault) || strings.Contains(err.Error(), firebaseKey[:20]) {
		t.Errorf("got %v, want a ConfigError without the signer key", err)
	}
	if _, err := legacyhash.Devise("a\x00secret"); !errors.As(err, &fault) || strings.Contains(err.Error(), "secret") {
		t.Errorf("a pepper with NUL: got %v, want a ConfigError without the pepper", err)
	}
	devise, err := legacyhash.Devise("secretpepper")
	if err != nil {
		t.Fatal(err)
	}
	firebase, err := legacyhash.Firebase(firebaseKey, legacyhash.FirebaseConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, h := range []legacyhash.Hasher{devise, firebase} {
			if text := fmt.Sprintf(verb, h); strings.Contains(text, "secretpepper") || strings.Contains(text, firebaseKey[:20]) {
				t.Errorf("%s shows a secret: %s", verb, text)
			}
		}
	}
}
