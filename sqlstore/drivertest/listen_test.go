package drivertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/sqlstore/pglisten"
)

// principal returns the principal of an access token of a session.
func principal(t testing.TB, sessionID string) *auth.Principal {
	t.Helper()
	key, err := jwt.GenerateKey(jwt.HS256)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	text, err := tokens.Issue(t.Context(), auth.Claims{Subject: "alice", SessionID: sessionID})
	if err != nil {
		t.Fatal(err)
	}
	p, err := tokens.Verify(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestListen ends sessions in another store, whose program may be behind a pooler: Listen makes the list
// read the feed each time, also after its connection was cut.
func TestListen(t *testing.T) {
	each(t, []target{targets[1], pooled}, testListen)
}

func testListen(t *testing.T, tt target) {
	s, db, p := targets[1].store(t)
	elsewhere := tt.reopen(t, p)
	list, err := revocation.Follow(s, revocation.Config{Bound: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	if err := list.Sync(bounded(t)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var synced atomic.Int64 // calls of Sync by Listen
	go func() {
		ended <- pglisten.Listen(ctx, postgres("application_name", p)(t), s.Channel(), func(ctx context.Context) error {
			err := list.Sync(ctx)
			synced.Add(1)
			return err
		})
	}()
	listener := func() (pid int, err error) {
		err = db.QueryRowContext(bounded(t), "SELECT COALESCE(MAX(pid), 0) FROM pg_stat_activity WHERE application_name = $1 AND query LIKE 'LISTEN %'", p).Scan(&pid)
		if err == nil && pid == 0 {
			err = errors.New("no connection listens")
		}
		return pid, err
	}
	eventually(t, func() error { _, err := listener(); return err })
	logout := func(name string) {
		t.Helper()
		session := login(name, "alice")
		caller := principal(t, session.ID)
		createLogins(t, elsewhere, session)
		if err := list.Check(t.Context(), caller); err != nil {
			t.Fatalf("Check before the logout: %v", err)
		}
		before := synced.Load()
		if err := elsewhere.DeleteSession(bounded(t), session.ID, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		eventually(t, func() error {
			if err := list.Check(t.Context(), caller); !errors.Is(err, auth.ErrRevokedToken) || synced.Load() == before {
				return fmt.Errorf("%v after the logout: %v, and Listen called Sync %d times", time.Since(start), err, synced.Load()-before)
			}
			return nil
		})
		t.Logf("%s: in effect after %v", name, time.Since(start).Round(time.Millisecond))
	}
	for i := range 3 {
		logout(fmt.Sprint("heard-", i))
	}
	for i := range 2 {
		pid, err := listener()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(bounded(t), "SELECT pg_terminate_backend($1)", pid); err != nil {
			t.Fatal(err)
		}
		logout(fmt.Sprint("missed-", i)) // usually no connection listens yet
		eventually(t, func() error { _, err := listener(); return err })
		logout(fmt.Sprint("again-", i))
	}
	stop()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Listen returned %v", err)
		}
	case <-time.After(2 * time.Minute):
		t.Error("Listen did not return after its context ended")
	}
	eventually(t, func() error {
		if pid, err := listener(); err == nil {
			return fmt.Errorf("connection %d is still open", pid)
		}
		return nil
	})
}

func TestListenFaults(t *testing.T) {
	t.Parallel()
	sqlite, _, _ := targets[0].store(t)
	err := pglisten.Listen(t.Context(), "postgres://auth:correct-horse@127.0.0.1:x/auth", sqlite.Channel(), nil)
	if err == nil || strings.Contains(err.Error(), "correct-horse") {
		t.Fatalf("Listen returned %v", err)
	}
	for _, field := range []string{"connection", "channel", "sync"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%q does not name %s", err, field)
		}
	}
}
