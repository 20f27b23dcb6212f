//go:build unix

package keyfile

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

// The user and the groups that the process runs as; changed by tests.
var (
	effectiveUID = os.Geteuid
	groupIDs     = func() []int {
		groups, err := os.Getgroups()
		if err != nil {
			groups = nil // fewer groups accept fewer files
		}
		return append(groups, os.Getegid())
	}
)

// checkOwner returns a [cfgerr.Error] unless the file belongs to the user that the process runs as,
// or to root. The owner of a file can read and change it whatever its mode says, so a key in the
// file of another user is that user's key. Root could read every key anyway. See decision 0023.
func checkOwner(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid == 0 || int64(stat.Uid) == int64(effectiveUID()) {
		return nil
	}
	return fault(path, fmt.Sprintf("belongs to the user with ID %d, not to the one of this process (%d) or to root; run chown, or read the file and pass its bytes to jwt.ParseKey", stat.Uid, effectiveUID()))
}

// groupMayRead reports whether a key that signs may be readable by the group of its file: if the
// process is in the group, or owns the file. Kubernetes lets the group read each file of a secret
// where fsGroup is set, and the process can change neither that mode nor the owner, which is root.
func groupMayRead(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (int64(stat.Uid) == int64(effectiveUID()) ||
		slices.ContainsFunc(groupIDs(), func(id int) bool { return int64(id) == int64(stat.Gid) }))
}
