//go:build unix

package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func (s *server) signal(signal os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

// TestSilence has a server that is connected and does not answer. Each call ends with its context,
// even if the client ignores contexts, and leaves no goroutine behind. The test runs alone, because
// it looks at all goroutines.
func TestSilence(t *testing.T) {
	own := start(t)
	for _, honoursContext := range []bool{true, false} {
		client := connect(t, &redis.Options{Addr: own.addr(), ContextTimeoutEnabled: honoursContext, PoolSize: 4, ReadTimeout: 2 * time.Second})
		s := newStore(t, client, "auth")
		for name, call := range calls(s) {
			_ = call(bounded(t)) // connects, and gives the server the script
			for _, want := range []error{context.DeadlineExceeded, context.Canceled} {
				own.signal(syscall.SIGSTOP)
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				if want == context.Canceled {
					ctx, cancel = context.WithCancel(t.Context())
					time.AfterFunc(50*time.Millisecond, cancel)
				}
				began := time.Now()
				err := call(ctx)
				took := time.Since(began)
				cancel()
				if wantFailure(t, name, err); !errors.Is(err, want) || took > time.Second {
					t.Errorf("%s returned %v after %v, want %v", name, err, took, want)
				}
				own.signal(syscall.SIGCONT)
			}
		}
		create(t, s, session(1, fmt.Sprint(honoursContext)))
		if err := s.DeleteSession(bounded(t), session(1, "").ID, time.Now().Add(time.Hour)); err != nil {
			t.Error(err)
		}
	}
	eventually(t, func() error {
		var stacks bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&stacks, 2); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(stacks.String(), "redisstore.(*Store)") {
			return fmt.Errorf("goroutines are left:\n%s", &stacks)
		}
		return nil
	})
}
