//go:build unix

package keyfile

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

var effectiveUID = os.Geteuid // changed by tests

// checkOwner returns a [cfgerr.Error] unless the file belongs to the user that the process runs as,
// or to root. The owner of a file can read and change it whatever its mode says, so a key in the
// file of another user is that user's key. Root could read every key anyway. See decision 0023.
func checkOwner(path string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid == 0 || int64(stat.Uid) == int64(effectiveUID()) {
		return nil
	}
	return fault(path, fmt.Sprintf("belongs to the user with ID %d, not to the one of this process (%d) or to root; run chown, or read the file yourself and parse its bytes", stat.Uid, effectiveUID()))
}
