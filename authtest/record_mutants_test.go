package authtest_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/memstore"
)

// rows is a RecordStore that looks through a list, as a table does, with the
// mistakes that people make.
type rows struct {
	mu   sync.Mutex
	list []auth.Record

	stored     func(*auth.Record)                      // changes what is written
	key        func(string) string                     // of a row
	accepts    func(old int64, there auth.Record) bool // unless nil: instead of comparing versions
	gap        bool                                    // between the look and the change
	forever    bool                                    // nothing expires
	untimed    bool                                    // an expiry that is past counts as none
	zone       bool                                    // times without the store's clock
	aliases    bool                                    // keeps and returns what is the caller's
	keepsOld   bool                                    // a replacement keeps the expiry
	keepsTaken bool                                    // a key is not free after a deletion
	deleteAll  bool                                    // DELETE without the version
	deletesTwo bool                                    // DELETE with LIKE
	takes      bool                                    // an INSERT that overwrites
	misses     error                                   // of Record where there is none
	late       bool                                    // writes with a context that has ended
	buried     map[string]bool
}

func (s *rows) find(key string, now time.Time) int {
	return slices.IndexFunc(s.list, func(r auth.Record) bool {
		if s.key != nil && s.key(r.Key) != s.key(key) || s.key == nil && r.Key != key {
			return false
		}
		return s.forever || r.ExpiresAt.IsZero() || now.Before(r.ExpiresAt)
	})
}

func (s *rows) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	if err := ctx.Err(); err != nil {
		return auth.Record{}, time.Time{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	i := s.find(key, now)
	if s.zone {
		now = time.Time{}
	}
	if i < 0 {
		return auth.Record{}, now, s.misses
	}
	r := s.list[i]
	r.Key = key
	if !s.aliases {
		r.Value = slices.Clone(r.Value)
	}
	return r, now, nil
}

func (s *rows) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	if err := ctx.Err(); err != nil && !s.late {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	there, i := s.look(r.Key)
	if s.takes && old == 0 {
		there.Version = 0
	}
	ok := there.Version == old
	if s.accepts != nil {
		ok = s.accepts(old, there)
	}
	if !ok || s.buried[r.Key] {
		return auth.ErrConflict
	}
	if s.gap {
		s.mu.Unlock()
		time.Sleep(time.Millisecond)
		s.mu.Lock()
		i = s.find(r.Key, time.Now())
	}
	if s.stored != nil {
		s.stored(&r)
	}
	if s.untimed && !r.ExpiresAt.IsZero() && r.ExpiresAt.Before(time.Now()) {
		r.ExpiresAt = time.Time{}
	}
	if !s.aliases {
		r.Value = slices.Clone(r.Value)
	}
	if i < 0 {
		s.list = slices.DeleteFunc(s.list, func(other auth.Record) bool { return other.Key == r.Key })
		s.list = append(s.list, r)
		return nil
	}
	if s.keepsOld {
		r.ExpiresAt = s.list[i].ExpiresAt
	}
	s.list[i] = r
	return ctx.Err()
}

func (s *rows) look(key string) (auth.Record, int) {
	i := s.find(key, time.Now())
	if i < 0 {
		return auth.Record{}, i
	}
	return s.list[i], i
}

func (s *rows) DeleteRecord(ctx context.Context, key string, version int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	there, i := s.look(key)
	if i < 0 || there.Version != version && !s.deleteAll {
		return auth.ErrConflict
	}
	if s.gap {
		s.mu.Unlock()
		time.Sleep(time.Millisecond)
		s.mu.Lock()
	}
	s.list = slices.DeleteFunc(s.list, func(r auth.Record) bool {
		return r.Key == key || s.deletesTwo && strings.HasPrefix(r.Key, "note:")
	})
	if s.keepsTaken {
		if s.buried == nil {
			s.buried = make(map[string]bool)
		}
		s.buried[key] = true
	}
	return nil
}

// recordMutants are stores that break a rule, by the name of one that notices.
var recordMutants = map[string]map[string]func() *rows{
	"Write": {"text": func() *rows { return &rows{stored: func(r *auth.Record) { r.Value = bytes.ToValidUTF8(r.Value, nil) }} },
		"whole seconds": func() *rows {
			return &rows{stored: func(r *auth.Record) { r.ExpiresAt = r.ExpiresAt.Truncate(time.Second) }}
		}},
	"Absent": {"none is an error": func() *rows { return &rows{misses: auth.ErrUserNotFound} }, "upserts": func() *rows {
		return &rows{accepts: func(old int64, r auth.Record) bool { return r.Version == old || r.Version == 0 }}
	}},
	"Taken":   {"ON CONFLICT DO UPDATE": func() *rows { return &rows{takes: true} }},
	"Replace": {"keeps the expiry": func() *rows { return &rows{keepsOld: true} }},
	"ReplaceConflict": {"an older version is fine": func() *rows {
		return &rows{accepts: func(old int64, r auth.Record) bool { return (r.Version == 0) == (old == 0) }}
	}, "DELETE without the version": func() *rows { return &rows{deleteAll: true} }},
	"Delete": {"DELETE with LIKE": func() *rows { return &rows{deletesTwo: true} }, "keeps the key taken": func() *rows { return &rows{keepsTaken: true} }},
	"Keys":   {"case-insensitive": func() *rows { return &rows{key: strings.ToLower} }, "VARCHAR(100)": func() *rows { return &rows{key: func(k string) string { return k[:min(len(k), 100)] }} }},
	"Values": {"VARBINARY(255)": func() *rows {
		return &rows{stored: func(r *auth.Record) { r.Value = r.Value[:min(len(r.Value), 255)] }}
	}, "float64": func() *rows { return &rows{stored: func(r *auth.Record) { r.Version = int64(float64(r.Version)) }} }},
	"Expiry":       {"nothing expires": func() *rows { return &rows{forever: true} }},
	"Expired":      {"a TTL below 0 is none": func() *rows { return &rows{untimed: true} }},
	"Clock":        {"has none": func() *rows { return &rows{zone: true} }},
	"Copies":       {"keeps slices": func() *rows { return &rows{aliases: true} }},
	"Race/Write":   {"looks, then inserts": func() *rows { return &rows{gap: true} }},
	"Race/Replace": {"looks, then updates": func() *rows { return &rows{gap: true} }},
	"Race/Delete":  {"looks, then deletes": func() *rows { return &rows{gap: true} }},
	"Context":      {"does it all the same": func() *rows { return &rows{late: true} }},
}

// Each rule of the suite is noticed when a store breaks it, and a store that keeps
// them all breaks none.
func TestRecordMutants(t *testing.T) {
	t.Parallel()
	for name, err := range authtest.BrokenRecordStoreRules(t, func(*testing.T) auth.RecordStore { return new(rows) }) {
		t.Errorf("%s refuses a store that keeps it: %v", name, err)
	}
	for _, rule := range authtest.RecordStoreRules() {
		if len(recordMutants[rule]) == 0 {
			t.Errorf("no store breaks the rule %s", rule)
		}
	}
	for rule, stores := range recordMutants {
		for name, store := range stores {
			t.Run(rule+"/"+name, func(t *testing.T) {
				t.Parallel()
				broken := authtest.BrokenRecordStoreRules(t, func(*testing.T) auth.RecordStore { return store() })
				if _, caught := broken[rule]; !caught {
					t.Errorf("it breaks %q, and the suite says %q", rule, slices.Sorted(maps.Keys(broken)))
				}
			})
		}
	}
}

// faulty is an account store with one mistake.
type faulty struct {
	*memstore.Store
	disable func(*memstore.Store, context.Context, string, bool) error
	remove  func(*memstore.Store, context.Context, string) error
}

func (f faulty) SetDisabled(ctx context.Context, id string, disabled bool) error {
	if f.disable != nil {
		return f.disable(f.MemoryStore, ctx, id, disabled)
	}
	return f.MemoryStore.SetDisabled(ctx, id, disabled)
}

func (f faulty) DeleteUser(ctx context.Context, id string) error {
	if f.remove != nil {
		return f.remove(f.MemoryStore, ctx, id)
	}
	return f.MemoryStore.DeleteUser(ctx, id)
}

func TestAccountMutants(t *testing.T) {
	t.Parallel()
	mutants := map[string]faulty{
		"Disable": {disable: func(s *memstore.Store, ctx context.Context, id string, _ bool) error {
			return s.SetDisabled(ctx, id, true)
		}},
		"DeleteUser": {remove: func(s *memstore.Store, ctx context.Context, id string) error { return s.SetDisabled(ctx, id, true) }},
		"UnknownAccount": {disable: func(s *memstore.Store, ctx context.Context, id string, disabled bool) error {
			_ = s.SetDisabled(ctx, id, disabled) // without counting the rows
			return ctx.Err()
		}},
		"AccountContext": {disable: func(s *memstore.Store, ctx context.Context, id string, disabled bool) error {
			return s.SetDisabled(context.WithoutCancel(ctx), id, disabled)
		}},
	}
	for _, rule := range authtest.AccountStoreRules() {
		mutant, there := mutants[rule]
		if !there {
			t.Errorf("no store breaks the rule %s", rule)
			continue
		}
		broken := authtest.BrokenAccountStoreRules(t, func(*testing.T) authtest.Accounts {
			mutant.MemoryStore = memstore.New()
			return mutant
		})
		if _, caught := broken[rule]; !caught || len(broken) != 1 {
			t.Errorf("it breaks %q, and the suite says %v", rule, broken)
		}
	}
}
