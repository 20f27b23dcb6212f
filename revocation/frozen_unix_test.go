//go:build unix

package revocation_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/revocation"
)

// frozenBound is the Bound of the process that TestFrozenProcess stops.
const frozenBound = 100 * time.Millisecond

// silentFeed answers once and then waits until ctx ends.
type silentFeed struct{ answered atomic.Bool }

// RevokedSince implements [revocation.Feed].
func (f *silentFeed) RevokedSince(ctx context.Context, _ string, _ func(auth.Revocation)) (string, error) {
	if f.answered.Swap(true) {
		<-ctx.Done()
		return "", ctx.Err()
	}
	return "1", nil
}

// TestFrozenProcess stops a process for longer than Bound. When it goes on, the first Check must see
// that its revocations are too old, also if none of the process's timers has run yet.
func TestFrozenProcess(t *testing.T) {
	if os.Getenv("REVOCATION_FROZEN") != "" {
		checkForever(t)
		return
	}
	t.Parallel()
	for range 10 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFrozenProcess$", "-test.v")
		cmd.Env = append(os.Environ(), "REVOCATION_FROZEN=1", "GOMAXPROCS=1") // one thread: a timer waits for the loop
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, fresh := bufio.NewScanner(out), false
		for !fresh && lines.Scan() {
			fresh = lines.Text() == "fresh"
		}
		if !fresh { // the machine was too slow: the first read was stale when it ended
			_ = cmd.Wait()
			continue
		}
		if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * frozenBound)
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		var output strings.Builder
		for lines.Scan() {
			output.WriteString(lines.Text() + "\n")
		}
		if err := cmd.Wait(); err != nil || !strings.Contains(output.String(), "stale") {
			t.Fatalf("the process: %v\n%s", err, &output)
		}
	}
}

// checkForever calls Check until it fails, and holds each success against the clock.
func checkForever(t *testing.T) {
	began := time.Now() // before the read that makes the list fresh
	list, err := revocation.Follow(new(silentFeed), revocation.Config{Bound: frozenBound})
	if err != nil {
		t.Fatal(err)
	}
	p := inSession(t, sid(1))
	if err := list.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	read := time.Now() // after that read began
	if list.Check(t.Context(), p) != nil {
		return
	}
	fmt.Println("fresh")
	for {
		now := time.Now()
		if err := list.Check(t.Context(), p); err != nil {
			fmt.Println("stale")
			return
		}
		if now.Sub(read) > frozenBound {
			t.Fatalf("accepted %v after the last read, %v after the start", now.Sub(read), now.Sub(began))
		}
	}
}
