package authtest_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
)

func TestPrincipal(t *testing.T) {
	t.Parallel()
	expiry := time.Date(2031, time.March, 14, 15, 9, 26, 0, time.UTC)
	p := authtest.Principal(t, auth.Claims{Subject: "alice", Scopes: []string{"read"}, Expiry: expiry})
	if p.Subject() != "alice" || !p.HasScope("read") || p.Expiry() != expiry {
		t.Errorf("got %v with the scopes %q and the expiry %v", p, p.Scopes(), p.Expiry())
	}
}

// fatal is a testing.TB that records a call of Fatal.
type fatal struct {
	testing.TB
	args []any
}

func (f *fatal) Helper() {}

func (f *fatal) Fatal(args ...any) {
	f.args = args
	runtime.Goexit()
}

func TestPrincipalOfNobody(t *testing.T) {
	t.Parallel()
	f := &fatal{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		authtest.Principal(f, auth.Claims{})
	}()
	<-done
	if len(f.args) != 1 {
		t.Errorf("a principal without a subject: Fatal got %v, want one error", f.args)
	}
}
