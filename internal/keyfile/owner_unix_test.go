//go:build unix

package keyfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/jose"
)

// TestOwner is not parallel: it changes which user the process seems to run as. It needs a file that
// does not belong to root, which root makes by chown.
func TestOwner(t *testing.T) {
	dir := t.TempDir()
	secret, set := filepath.Join(dir, "auth.key"), filepath.Join(dir, "keys.json")
	if _, err := Open(secret, jose.HS256); err != nil {
		t.Fatal(err)
	}
	public := `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"Y2JfEvoMNYVIVg3u9s-Vs6_d4iha5fQVEVx-I9xiD8o"}]}`
	if err := os.WriteFile(set, []byte(public), 0o600); err != nil {
		t.Fatal(err)
	}
	uid := os.Geteuid()
	if uid == 0 {
		effectiveUID = func() int { return 12345 }
		if _, err := Load(secret); err != nil {
			t.Errorf("a file of root: %v", err)
		}
		uid = 12345
		for _, path := range []string{secret, set} {
			if err := os.Chown(path, uid, uid); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Cleanup(func() { effectiveUID = os.Geteuid })
	for name, row := range map[string]struct {
		process int
		want    bool
	}{
		"owner":   {uid, true},
		"another": {uid + 1, false},
		"root":    {0, false},
	} {
		effectiveUID = func() int { return row.process }
		_, opened := Open(secret, jose.HS256)
		_, loaded := Load(secret)
		_, loadedSet := LoadSet(set)
		for _, err := range []error{opened, loaded, loadedSet} {
			refused, isFault := errors.AsType[*cfgerr.Error](err)
			if row.want && err != nil || !row.want && (!isFault || !strings.Contains(refused.Error(), "chown")) {
				t.Errorf("the process of %s: got %v, accepted: want %t", name, err, row.want)
			}
		}
	}
}
