//go:build !unix

package keyfile

import "io/fs"

// checkOwner does nothing where a file has no numeric owner.
func checkOwner(string, fs.FileInfo) error { return nil }

// groupMayRead returns false where a file has no numeric group.
func groupMayRead(fs.FileInfo) bool { return false }
