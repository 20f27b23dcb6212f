package jwt_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

func TestOpenKeyFile(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{jwt.HS256, jwt.HS512, jwt.EdDSA, jwt.ES256, jwt.ES384, jwt.ES512, jwt.PS256} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "key.json")
			made, err := jwt.OpenKeyFile(path, alg)
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			again, err := jwt.OpenKeyFile(path, alg)
			if err != nil || again.ID() != made.ID() || again.Algorithm() != alg || !again.CanSign() {
				t.Errorf("opened again: %v, %v; made %v", again, err, made)
			}
			if _, err := jwt.NewKeyRing(again); err != nil {
				t.Error(err)
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 1 {
				t.Errorf("left behind: %v", entries)
			}
			if _, err := jwt.OpenKeyFile(path, jwt.RS256); !testkit.IsConfigError(err) {
				t.Errorf("opened for RS256: %v", err)
			}
		})
	}
}

func TestOpenKeyFileAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key.json")
	ids := make([]string, 32)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			<-start
			k, err := jwt.OpenKeyFile(path, jwt.EdDSA)
			if err != nil {
				t.Error(err)
			}
			ids[i] = k.ID()
		})
	}
	close(start)
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] || id == "" {
			t.Fatalf("starters got different keys: %v", ids)
		}
	}
}

func TestLoadKeyFileRefuses(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("file modes mean nothing here: run on a Unix system")
	}
	private := testkit.Read(t, "testdata/vectors/keys/es-1.private.pem")
	public := testkit.Read(t, "testdata/vectors/keys/es-1.public.pem")
	secret := `{"kty":"oct","key_ops":["verify"],"k":"gw84-lfLyQyQ9KEbISynCO3UZ3zZEg15l8ohR-v8_3U"}`
	rows := map[string]struct {
		text string
		mode fs.FileMode
		want string // "": accepted
	}{
		"private, owner":        {private, 0o600, ""},
		"private, owner reads":  {private, 0o400, ""},
		"private, group reads":  {private, 0o640, ""}, // the process owns the file: see internal/keyfile
		"private, all read":     {private, 0o644, "mode 0644"},
		"private, others read":  {private, 0o604, "mode 0604"},
		"private, group writes": {private, 0o620, "mode 0620"},
		"public, all read":      {public, 0o644, ""},
		"public, group writes":  {public, 0o664, "mode 0664"},
		"public, others write":  {public, 0o646, "mode 0646"},
		"secret that verifies":  {secret, 0o644, "mode 0644"},
		"no key":                {"hello", 0o600, "neither PEM nor a JWK"},
		"empty":                 {"", 0o600, "neither PEM nor a JWK"},
		"huge":                  {strings.Repeat(" ", 1<<20) + private, 0o600, "larger"},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "key")
			write(t, path, row.text, row.mode)
			k, err := jwt.LoadKeyFile(path)
			if row.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !testkit.IsConfigError(err) || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want a ConfigError that holds %q and the path", err, row.want)
			}
			if k != (jwt.Key{}) {
				t.Error("a key came with the error")
			}
		})
	}
}

func TestLoadKeyFileOfTheWorld(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := jwt.LoadKeyFile(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if _, err := jwt.LoadKeyFile(dir); !testkit.IsConfigError(err) {
		t.Errorf("folder: %v", err)
	}
	if _, err := jwt.OpenKeyFile(filepath.Join(dir, "absent", "key"), jwt.EdDSA); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent folder: %v", err)
	}
	if _, err := jwt.OpenKeyFile(filepath.Join(dir, "key"), "none"); !testkit.IsConfigError(err) {
		t.Errorf("algorithm none: %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestOpenKeyFileThatCannotSign(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key.pem")
	write(t, path, testkit.Read(t, "testdata/vectors/keys/ed-1.public.pem"), 0o600)
	if _, err := jwt.OpenKeyFile(path, jwt.EdDSA); !testkit.IsConfigError(err) || !strings.Contains(err.Error(), "cannot sign") {
		t.Errorf("%v", err)
	}
}

func TestLoadKeySetFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys.json")
	write(t, path, testkit.Read(t, "testdata/vectors/keys/jwks_public.json"), 0o644)
	keys, err := jwt.LoadKeySetFile(path)
	if err != nil || len(keys) < 2 {
		t.Fatalf("%v, %v", keys, err)
	}
	for _, k := range keys {
		if k.CanSign() {
			t.Errorf("%v signs", k)
		}
	}
	write(t, path, `{"keys":[{"kty":"oct","k":"gw84-lfLyQyQ9KEbISynCO3UZ3zZEg15l8ohR-v8_3U"}]}`, 0o644)
	if _, err := jwt.LoadKeySetFile(path); runtime.GOOS != "windows" && !testkit.IsConfigError(err) {
		t.Errorf("secrets that others can read: %v", err)
	}
}

func TestLoadKeyEnv(t *testing.T) {
	private := testkit.Read(t, "testdata/vectors/keys/es-1.private.pem")
	want := mustKey(jwt.ParseKey([]byte(private)))(t)
	for name, value := range map[string]string{"as it is": private, `line breaks as \n`: strings.ReplaceAll(private, "\n", `\n`)} {
		t.Setenv("AUTH_TEST_KEY", value)
		if k, err := jwt.LoadKeyEnv("AUTH_TEST_KEY"); err != nil || k.ID() != want.ID() || !k.CanSign() {
			t.Errorf("%s: got %v, %v", name, k, err)
		}
	}
	for name, value := range map[string]string{"empty": "", "no key": "hunter2-hunter2-hunter2-hunter2"} {
		t.Setenv("AUTH_TEST_KEY", value)
		k, err := jwt.LoadKeyEnv("AUTH_TEST_KEY")
		if !testkit.IsConfigError(err) || !strings.Contains(err.Error(), "AUTH_TEST_KEY") || strings.Contains(err.Error(), "hunter2") || k != (jwt.Key{}) {
			t.Errorf("%s: got %v, %v, want a ConfigError that names the variable and not its value", name, k, err)
		}
	}
	if _, err := jwt.LoadKeyEnv("AUTH_TEST_KEY_NOT_SET"); !testkit.IsConfigError(err) || !strings.Contains(err.Error(), "is not set") {
		t.Errorf("not set: %v", err)
	}
}

func write(t testing.TB, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
