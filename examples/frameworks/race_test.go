//go:build race

package frameworks_test

// The programs are built with the race detector, too, but for the one loop that
// hashes passwords: it has no goroutines, and is ten times slower with it.
func init() {
	buildFlags = append(buildFlags, "-race", "-gcflags=golang.org/x/crypto/blowfish=-race=false")
}
