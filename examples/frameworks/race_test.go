//go:build race

package frameworks_test

// The programs are built with the race detector, too. The loop that hashes passwords is left out:
// it has no goroutines, and would be ten times slower.
func init() {
	buildFlags = append(buildFlags, "-race", "-gcflags=golang.org/x/crypto/blowfish=-race=false")
}
