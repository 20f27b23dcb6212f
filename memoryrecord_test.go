package auth_test

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
)

func TestMemoryRecords(t *testing.T) {
	t.Parallel()
	authtest.TestRecordStore(t, func(*testing.T) auth.RecordStore { return auth.NewMemoryStore() })
	authtest.TestAccountStore(t, func(*testing.T) authtest.Accounts { return auth.NewMemoryStore() })
}

// Whoever writes clears away what has expired: strangers who make records do not
// fill the memory. Not beside other tests: they would count.
func TestMemoryRecordsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := auth.NewMemoryStore()
		write := func(from, to int) {
			t.Helper()
			for i := from; i < to; i++ {
				r := auth.Record{Key: fmt.Sprint(i), Value: make([]byte, 4096), ExpiresAt: time.Now().Add(time.Minute)}
				if err := s.ReplaceRecord(t.Context(), r.Renew(), r); err != nil {
					t.Fatal(err)
				}
			}
		}
		size := func() uint64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := size()
		for round := range 20 {
			write(round*1000, round*1000+1000)
			time.Sleep(time.Minute)
		}
		if grown := int64(size()) - int64(before); grown > 4096*4000 {
			t.Errorf("20,000 records, of which none lives, hold %d bytes", grown)
		}
		runtime.KeepAlive(s)
	})
}
