package memstore_test

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/memstore"
)

func TestMemorySessions(t *testing.T) {
	t.Parallel()
	authtest.TestSessionStore(t, func(*testing.T) auth.SessionStore { return memstore.New() })
}

// Whoever logs in clears away what has expired: the store is no larger than what
// lives in it.
func TestMemorySessionsAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		create := func(user string, from, to int, life time.Duration) {
			t.Helper()
			for i := from; i < to; i++ {
				one := auth.Session{ID: fmt.Sprint(i), UserID: user, ExpiresAt: time.Now().Add(life)}
				if err := s.CreateSession(t.Context(), one); err != nil {
					t.Fatal(err)
				}
			}
		}
		count := func(user string, want int) {
			t.Helper()
			if list, err := s.Sessions(t.Context(), user); err != nil || len(list) != want {
				t.Errorf("%d sessions of %s, want %d, %v", len(list), user, want, err)
			}
		}
		create("ada", 0, 1000, time.Hour)
		create("bob", 1000, 1100, 4*time.Hour)
		time.Sleep(26*time.Hour - time.Millisecond)
		create("eve", 1100, 1400, 4*time.Hour)
		count("ada", 1000) // not 25 hours past yet
		time.Sleep(time.Millisecond)
		create("eve", 1400, 1700, 4*time.Hour)
		count("ada", 0)
		count("bob", 100)
		count("eve", 600)
		time.Sleep(36 * time.Hour)
		create("ada", 2000, 2150, time.Hour)
		count("bob", 0)
		count("eve", 0)
		count("ada", 150)
	})
}

func TestMemoryFeedIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
		heap := func() int64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		before := heap()
		for i := range 100_000 {
			time.Sleep(time.Minute)
			now := time.Now()
			if err := s.DeleteUserSessions(t.Context(), fmt.Sprint("user ", i), "", now, now.Add(15*time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		if grown := heap() - before; grown > 2<<20 {
			t.Errorf("100,000 revocations, 1,455 of them in force or expired for less than a day, take %d bytes", grown)
		}
		n := 0
		if _, err := s.RevokedSince(t.Context(), "", func(auth.Revocation) { n++ }); err != nil || n != 15+24*60 {
			t.Errorf("%d revocations are in force or expired for less than a day, want 1,455, %v", n, err)
		}
		runtime.KeepAlive(s)
	})
}
