package legacyhash_test

import (
	"crypto/sha256"
	"encoding/hex"
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

// PBKDF2 reads digests of the length that the host names, with salts and digests in the encoding that
// it names, and nothing else.
func TestPBKDF2(t *testing.T) {
	t.Parallel()
	const password = "correct horse battery staple"
	salt := []byte("sixteen bytes of")
	sum := func(salt string, size int) []byte { return pbkdf2Sum(sha256.New, password, []byte(salt), 7, size) }
	for name, row := range map[string]struct {
		cfg    legacyhash.PBKDF2Config
		joined string
	}{
		"the defaults":     {legacyhash.PBKDF2Config{}, fmt.Sprintf("%x$%x", salt, sum(hex.EncodeToString(salt), 32))},
		"text, 50 bytes":   {legacyhash.PBKDF2Config{Size: 50, Salt: legacyhash.Text}, fmt.Sprintf("%x$%x", salt, sum(hex.EncodeToString(salt), 50))},
		"hex, 16 bytes":    {legacyhash.PBKDF2Config{Size: 16, Salt: legacyhash.Hex}, fmt.Sprintf("%x$%x", salt, sum(string(salt), 16))},
		"hex, 512 bytes":   {legacyhash.PBKDF2Config{Size: 512, Salt: legacyhash.Hex, Digest: legacyhash.Hex}, fmt.Sprintf("%x$%x", salt, sum(string(salt), 512))},
		"base64, 50 bytes": {legacyhash.PBKDF2Config{Size: 50, Salt: legacyhash.Base64, Digest: legacyhash.Base64}, padded(salt) + "$" + padded(sum(string(salt), 50))},
		"base64, 48 bytes": {legacyhash.PBKDF2Config{Size: 48, Salt: legacyhash.Base64, Digest: legacyhash.Base64}, padded(salt) + "$" + padded(sum(string(salt), 48))},
	} {
		h, encoded := columns(t, row.cfg), "pbkdf2:sha256:7$"+row.joined
		if err := h.Verify(t.Context(), encoded, password); err != nil {
			t.Errorf("%s: %s: %v", name, encoded, err)
		}
		if err := h.Verify(t.Context(), encoded, password+"x"); err != auth.ErrMismatch {
			t.Errorf("%s: %s with another password: %v", name, encoded, err)
		}
		for i := range encoded {
			if err := h.Verify(t.Context(), encoded[:i], password); !errors.Is(err, auth.ErrMalformedHash) && !errors.Is(err, auth.ErrUnknownHash) {
				t.Errorf("%s: %s: %v, want ErrMalformedHash", name, encoded[:i], err)
			}
		}
		for _, twin := range []string{encoded + "=", encoded + "00", strings.Replace(encoded, "sha256", "md5", 1), strings.Replace(encoded, ":7$", "$", 1), strings.Replace(encoded, "$", "$$", 1)} {
			if err := h.Verify(t.Context(), twin, password); !errors.Is(err, auth.ErrMalformedHash) {
				t.Errorf("%s: %s: %v, want ErrMalformedHash", name, twin, err)
			}
		}
	}
	if err := columns(t, legacyhash.PBKDF2Config{}).Verify(t.Context(), "$pbkdf2-sha256$7$salt$digest", password); err != auth.ErrUnknownHash {
		t.Errorf("a hash of another form: %v, want ErrUnknownHash", err)
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
	_, columnsErr := legacyhash.PBKDF2(legacyhash.PBKDF2Config{Size: 15, Salt: "utf-8", Digest: legacyhash.Text})
	for _, field := range []string{"Size", "Salt", "Digest"} {
		if columnsErr == nil || !strings.Contains(columnsErr.Error(), "auth: legacyhash.PBKDF2Config."+field) {
			t.Errorf("the error does not name PBKDF2Config.%s: %v", field, columnsErr)
		}
	}
	if _, err := legacyhash.PBKDF2(legacyhash.PBKDF2Config{Size: 513}); err == nil {
		t.Error("digests of 513 bytes are accepted")
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
