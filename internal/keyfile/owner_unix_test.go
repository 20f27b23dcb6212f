//go:build unix

package keyfile

import (
	"errors"
	"fmt"
	"io/fs"
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

// processIs makes the process seem to run as a user and in groups until the test ends.
func processIs(t *testing.T, uid int, groups ...int) {
	t.Helper()
	uids, gids := effectiveUID, groupIDs
	t.Cleanup(func() { effectiveUID, groupIDs = uids, gids })
	effectiveUID = func() int { return uid }
	groupIDs = func() []int { return groups }
}

// TestGroup is not parallel, as TestOwner. The group may read a key that signs if the process owns the
// file or is in its group, and may never write it; others may do neither. A process that is not the
// owner needs a file of root's, which root makes.
func TestGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.key")
	if _, err := Open(path, jose.HS256); err != nil {
		t.Fatal(err)
	}
	uid, gid := os.Geteuid(), 4242
	type process struct {
		uid     int
		groups  []int
		mayRead bool
	}
	processes := map[string]process{
		"owner":               {uid, nil, true},
		"owner, in the group": {uid, []int{1, gid}, true},
	}
	if uid == 0 {
		if err := os.Chown(path, 0, gid); err != nil {
			t.Fatal(err)
		}
		processes["in the group"] = process{12345, []int{1, gid}, true}
		processes["a stranger"] = process{12345, []int{1, 2}, false}
	}
	for name, process := range processes {
		processIs(t, process.uid, process.groups...)
		for mode, want := range map[fs.FileMode]bool{
			0o600: true, 0o400: true, 0o640: process.mayRead, 0o440: process.mayRead,
			0o620: false, 0o660: false, 0o644: false, 0o604: false, 0o444: false, 0o606: false,
		} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			_, err := Load(path)
			if _, isFault := errors.AsType[*cfgerr.Error](err); want && err != nil || !want && (!isFault || !strings.Contains(err.Error(), "jwt.ParseKey")) {
				t.Errorf("%s, mode %04o: got %v, accepted: want %t", name, mode, err, want)
			}
		}
	}
}

// TestSecretOfKubernetes loads a file as Kubernetes mounts it for a process that is not root: the file
// is of root and of the group of fsGroup, and neither can be changed.
func TestSecretOfKubernetes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes a file of another group: run as root")
	}
	text, err := os.ReadFile("testdata/cases/72-key-file-0640.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	var modes, owner string
	var links, gid int
	if _, err := fmt.Sscan(lines[len(lines)-1], &modes, &links, &owner, &gid); err != nil || owner != "root" || len(modes) != 10 {
		t.Fatalf("%q: %v", lines, err)
	}
	var mode fs.FileMode
	for _, c := range modes[1:] {
		mode <<= 1
		if c != '-' {
			mode |= 1
		}
	}
	path := filepath.Join(t.TempDir(), "key.json")
	if _, err := Open(path, jose.HS256); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chown(path, 0, gid), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
	processIs(t, 1001, 1001, gid)
	if _, err := Load(path); err != nil {
		t.Error(err)
	}
	processIs(t, 1001, 1001)
	if _, err := Load(path); err == nil {
		t.Error("a process that is not in the group got the key")
	}
}
