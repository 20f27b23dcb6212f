package memstore_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/memstore"
)

func TestMemoryRecords(t *testing.T) {
	t.Parallel()
	authtest.TestRecordStore(t, func(*testing.T) auth.RecordStore { return memstore.New() })
	authtest.TestAccountStore(t, func(*testing.T) authtest.Accounts { return memstore.New() })
}

// What no database has to take, the memory does not take, so that tests show it.
func TestMemoryRecordBounds(t *testing.T) {
	t.Parallel()
	s, ctx := memstore.New(), t.Context()
	for name, r := range map[string]auth.Record{
		"no key": {}, "long key": {Key: strings.Repeat("k", 201)}, "space": {Key: "a b"}, "control": {Key: "a\n"}, "not ASCII": {Key: "ä"},
		"long value": {Key: "k", Value: make([]byte, 4097)},
	} {
		if err := s.ReplaceRecord(ctx, 0, r); err == nil || errors.Is(err, auth.ErrConflict) {
			t.Errorf("%s is written: %v", name, err)
		}
		if name == "long value" {
			continue
		}
		if _, _, err := s.Record(ctx, r.Key); err == nil {
			t.Errorf("%s is read", name)
		}
		if err := s.DeleteRecord(ctx, r.Key, 1); err == nil || errors.Is(err, auth.ErrConflict) {
			t.Errorf("%s is deleted: %v", name, err)
		}
	}
}

// Whoever writes clears away what has expired: strangers who make records do not
// fill the memory. Not beside other tests: they would count.
func TestMemoryRecordsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New()
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
