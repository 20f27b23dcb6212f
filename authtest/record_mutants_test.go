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

// rows is a RecordStore that scans a list, as a table without an index does. Its fields are
// mistakes that stores have made.
type rows struct {
	mu   sync.Mutex
	list []auth.Record

	stored         func(*auth.Record)                       // changes the record that is written
	sameKey        func(string) string                      // unless nil: keys are compared after it
	accepts        func(old int64, stored auth.Record) bool // unless nil: instead of comparing versions
	gap            bool                                     // other calls run between check and change
	ignoresExpiry  bool                                     // no record expires
	pastIsNever    bool                                     // an expiry in the past counts as none
	noClock        bool                                     // Record returns no time
	aliases        bool                                     // keeps and returns the caller's slices
	keepsExpiry    bool                                     // a replacement keeps the expiry
	keepsKey       bool                                     // a key is not free after a deletion
	ignoresVersion bool                                     // DELETE without the version
	deletesLike    bool                                     // DELETE with LIKE
	overwrites     bool                                     // an INSERT that overwrites
	absentErr      error                                    // from Record where there is none
	ignoresContext bool                                     // writes with a context that has ended
	lockedKeys     map[string]bool

	sameOwner     func(string) string // unless nil: owners are compared after it
	everyOwner    bool                // Records returns the records of all owners
	emptyOwner    bool                // the empty owner owns the records without one
	keepsOwner    bool                // a replacement keeps the owner
	inheritsOwner bool                // a record in the place of an expired one keeps its owner
	listsExpired  bool                // Records returns expired records
	listsKeys     bool                // Records returns no values
	listsTwice    bool                // Records returns each record twice
	listsAliases  bool                // Records returns the slices that the store keeps
	deletesFirst  bool                // DELETE with LIMIT 1
	deletesEvery  bool                // DELETE without the owner
	noneConflicts bool                // DeleteRecords returns ErrConflict where there is none
	listsLate     bool                // Records ignores that the context has ended
	deletesLate   bool                // DeleteRecords ignores that the context has ended
}

func (s *rows) find(key string, now time.Time) int {
	return slices.IndexFunc(s.list, func(r auth.Record) bool {
		if s.sameKey != nil && s.sameKey(r.Key) != s.sameKey(key) || s.sameKey == nil && r.Key != key {
			return false
		}
		return s.ignoresExpiry || living(r, now)
	})
}

func living(r auth.Record, now time.Time) bool {
	return r.ExpiresAt.IsZero() || now.Before(r.ExpiresAt)
}

func (s *rows) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	if err := ctx.Err(); err != nil {
		return auth.Record{}, time.Time{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	i := s.find(key, now)
	if s.noClock {
		now = time.Time{}
	}
	if i < 0 {
		return auth.Record{}, now, s.absentErr
	}
	r := s.list[i]
	r.Key = key
	if !s.aliases {
		r.Value = slices.Clone(r.Value)
	}
	return r, now, nil
}

func (s *rows) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	if err := ctx.Err(); err != nil && !s.ignoresContext {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	current, i := s.current(r.Key)
	if s.overwrites && old == 0 {
		current.Version = 0
	}
	ok := current.Version == old
	if s.accepts != nil {
		ok = s.accepts(old, current)
	}
	if !ok || s.lockedKeys[r.Key] {
		return auth.ErrConflict
	}
	s.pause()
	if s.gap {
		i = s.find(r.Key, time.Now())
	}
	s.write(i, r)
	return ctx.Err()
}

// write puts r in the place of row i, or of an expired one if i is negative.
func (s *rows) write(i int, r auth.Record) {
	if s.stored != nil {
		s.stored(&r)
	}
	if s.pastIsNever && !living(r, time.Now()) {
		r.ExpiresAt = time.Time{}
	}
	if !s.aliases {
		r.Value = slices.Clone(r.Value)
	}
	if i >= 0 {
		if s.keepsExpiry {
			r.ExpiresAt = s.list[i].ExpiresAt
		}
		if s.keepsOwner {
			r.Owner = s.list[i].Owner
		}
		s.list[i] = r
		return
	}
	s.list = slices.DeleteFunc(s.list, func(expired auth.Record) bool {
		if expired.Key == r.Key && s.inheritsOwner {
			r.Owner = expired.Owner
		}
		return expired.Key == r.Key
	})
	s.list = append(s.list, r)
}

// pause lets other calls run if the store has a gap.
func (s *rows) pause() {
	if s.gap {
		s.mu.Unlock()
		time.Sleep(time.Millisecond)
		s.mu.Lock()
	}
}

func (s *rows) current(key string) (auth.Record, int) {
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
	current, i := s.current(key)
	if i < 0 || current.Version != version && !s.ignoresVersion {
		return auth.ErrConflict
	}
	s.pause()
	s.list = slices.DeleteFunc(s.list, func(r auth.Record) bool {
		return r.Key == key || s.deletesLike && strings.HasPrefix(r.Key, "note:")
	})
	if s.keepsKey {
		if s.lockedKeys == nil {
			s.lockedKeys = make(map[string]bool)
		}
		s.lockedKeys[key] = true
	}
	return nil
}

// owns reports whether a record belongs to an owner.
func (s *rows) owns(owner string, r auth.Record) bool {
	switch {
	case r.Owner == "" || owner == "":
		return s.emptyOwner && r.Owner == owner
	case s.sameOwner != nil:
		return s.sameOwner(r.Owner) == s.sameOwner(owner)
	}
	return r.Owner == owner
}

func (s *rows) Records(ctx context.Context, owner string) ([]auth.Record, error) {
	if err := ctx.Err(); err != nil && !s.listsLate {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	var list []auth.Record
	for _, r := range s.list {
		if !s.owns(owner, r) && !s.everyOwner || !living(r, now) && !s.listsExpired {
			continue
		}
		if !s.listsAliases {
			r.Value = slices.Clone(r.Value)
		}
		if s.listsKeys {
			r.Value = nil
		}
		list = append(list, r)
		if s.listsTwice {
			list = append(list, r)
		}
	}
	return list, nil
}

func (s *rows) DeleteRecords(ctx context.Context, owner string) error {
	if err := ctx.Err(); err != nil && !s.deletesLate {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	deleted := 0
	s.list = slices.DeleteFunc(s.list, func(r auth.Record) bool {
		if !s.owns(owner, r) && !s.deletesEvery || s.deletesFirst && deleted > 0 {
			return false
		}
		deleted++
		return true
	})
	if deleted == 0 && s.noneConflicts {
		return auth.ErrConflict
	}
	return ctx.Err()
}

// indexed is a RecordStore that keeps the keys of each owner in a second table.
type indexed struct {
	rows
	index map[string]map[string]bool // keys by owner, guarded by rows.mu

	neverRemoves bool // a key stays in the index of an earlier owner
	twoSteps     bool // other calls run between a write and that of the index
}

// secondStep calls f, which changes the index.
func (s *indexed) secondStep(f func()) {
	if s.twoSteps {
		time.Sleep(time.Millisecond)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *indexed) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	s.mu.Lock()
	earlier, _ := s.current(r.Key)
	s.mu.Unlock()
	if err := s.rows.ReplaceRecord(ctx, old, r); err != nil {
		return err
	}
	s.secondStep(func() {
		if !s.neverRemoves {
			delete(s.index[earlier.Owner], r.Key)
		}
		if s.index == nil {
			s.index = make(map[string]map[string]bool)
		}
		if s.index[r.Owner] == nil {
			s.index[r.Owner] = make(map[string]bool)
		}
		s.index[r.Owner][r.Key] = true
	})
	return nil
}

func (s *indexed) Records(ctx context.Context, owner string) (list []auth.Record, err error) {
	if err := ctx.Err(); err != nil || owner == "" {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.index[owner] {
		if r, i := s.current(key); i >= 0 {
			list = append(list, r)
		}
	}
	return list, nil
}

func (s *indexed) DeleteRecords(ctx context.Context, owner string) error {
	if err := ctx.Err(); err != nil || owner == "" {
		return err
	}
	s.mu.Lock()
	s.list = slices.DeleteFunc(s.list, func(r auth.Record) bool { return s.index[owner][r.Key] })
	s.mu.Unlock()
	s.secondStep(func() { delete(s.index, owner) })
	return nil
}

// The comparisons of text that databases make where a column has no binary collation.
var (
	foldCase  = strings.ToLower
	trimSpace = func(s string) string { return strings.TrimRight(s, " ") } // PAD SPACE
	first     = func(n int) func(string) string {
		return func(s string) string { return s[:min(len(s), n)] }
	}
	asNumber = func(s string) string {
		if trimmed := strings.TrimLeft(s, "0"); trimmed != s {
			return "0" + trimmed
		}
		return s
	}
	composed = strings.NewReplacer("e\u0301", "\u00e9").Replace
)

// recordMutants are stores that break a rule, by the name of a rule that must notice.
var recordMutants = map[string]map[string]func() auth.RecordStore{
	"Write": {
		"text": func() auth.RecordStore {
			return &rows{stored: func(r *auth.Record) { r.Value = bytes.ToValidUTF8(r.Value, nil) }}
		},
		"whole seconds": func() auth.RecordStore {
			return &rows{stored: func(r *auth.Record) { r.ExpiresAt = r.ExpiresAt.Truncate(time.Second) }}
		},
		"forgets the owner": func() auth.RecordStore { return &rows{stored: func(r *auth.Record) { r.Owner = "" }} },
	},
	"Absent": {
		"absence is an error": func() auth.RecordStore { return &rows{absentErr: auth.ErrUserNotFound} },
		"upserts": func() auth.RecordStore {
			return &rows{accepts: func(old int64, r auth.Record) bool { return r.Version == old || r.Version == 0 }}
		},
	},
	"Taken":   {"ON CONFLICT DO UPDATE": func() auth.RecordStore { return &rows{overwrites: true} }},
	"Replace": {"keeps the expiry": func() auth.RecordStore { return &rows{keepsExpiry: true} }},
	"ReplaceConflict": {
		"takes an older version": func() auth.RecordStore {
			return &rows{accepts: func(old int64, r auth.Record) bool { return (r.Version == 0) == (old == 0) }}
		},
		"DELETE without the version": func() auth.RecordStore { return &rows{ignoresVersion: true} },
	},
	"Delete": {
		"DELETE with LIKE":    func() auth.RecordStore { return &rows{deletesLike: true} },
		"keeps the key taken": func() auth.RecordStore { return &rows{keepsKey: true} },
	},
	"Keys": {
		"case-insensitive": func() auth.RecordStore { return &rows{sameKey: foldCase} },
		"VARCHAR(100)":     func() auth.RecordStore { return &rows{sameKey: first(100)} },
	},
	"Values": {
		"VARBINARY(255)": func() auth.RecordStore {
			return &rows{stored: func(r *auth.Record) { r.Value = r.Value[:min(len(r.Value), 255)] }}
		},
		"float64": func() auth.RecordStore {
			return &rows{stored: func(r *auth.Record) { r.Version = int64(float64(r.Version)) }}
		},
	},
	"Expiry":  {"nothing expires": func() auth.RecordStore { return &rows{ignoresExpiry: true} }},
	"Expired": {"a TTL below 0 is none": func() auth.RecordStore { return &rows{pastIsNever: true} }},
	"Clock":   {"has none": func() auth.RecordStore { return &rows{noClock: true} }},
	"Copies": {
		"keeps slices":  func() auth.RecordStore { return &rows{aliases: true} },
		"lists its own": func() auth.RecordStore { return &rows{listsAliases: true} },
	},
	"Owner/List": {
		"SELECT without the owner": func() auth.RecordStore { return &rows{everyOwner: true} },
		"keys alone":               func() auth.RecordStore { return &rows{listsKeys: true} },
		"JOIN that repeats rows":   func() auth.RecordStore { return &rows{listsTwice: true} },
	},
	"Owner/Names": {
		"case-insensitive":   func() auth.RecordStore { return &rows{sameOwner: foldCase} },
		"PAD SPACE":          func() auth.RecordStore { return &rows{sameOwner: trimSpace} },
		"trims":              func() auth.RecordStore { return &rows{sameOwner: strings.TrimSpace} },
		"VARCHAR(191)":       func() auth.RecordStore { return &rows{sameOwner: first(191)} },
		"254 bytes":          func() auth.RecordStore { return &rows{sameOwner: first(254)} },
		"compares numbers":   func() auth.RecordStore { return &rows{sameOwner: asNumber} },
		"normalizes Unicode": func() auth.RecordStore { return &rows{sameOwner: composed} },
	},
	"Owner/Replace": {
		"keeps the owner":      func() auth.RecordStore { return &rows{keepsOwner: true} },
		"keeps the index":      func() auth.RecordStore { return &indexed{neverRemoves: true} },
		"replaces by conflict": func() auth.RecordStore { return &rows{accepts: func(int64, auth.Record) bool { return true }} },
	},
	"Owner/Delete": {
		"LIMIT 1":                  func() auth.RecordStore { return &rows{deletesFirst: true} },
		"DELETE without the owner": func() auth.RecordStore { return &rows{deletesEvery: true} },
		"none is ErrConflict":      func() auth.RecordStore { return &rows{noneConflicts: true} },
	},
	"Owner/Expiry": {
		"lists what has expired":   func() auth.RecordStore { return &rows{listsExpired: true} },
		"UPDATE without the owner": func() auth.RecordStore { return &rows{inheritsOwner: true} },
		"keeps the index":          func() auth.RecordStore { return &indexed{neverRemoves: true} },
	},
	"Owner/None":       {"the empty owner owns them": func() auth.RecordStore { return &rows{emptyOwner: true} }},
	"Race/Write":       {"looks, then inserts": func() auth.RecordStore { return &rows{gap: true} }},
	"Race/Replace":     {"looks, then updates": func() auth.RecordStore { return &rows{gap: true} }},
	"Race/Delete":      {"looks, then deletes": func() auth.RecordStore { return &rows{gap: true} }},
	"Race/DeleteOwner": {"looks, then inserts": func() auth.RecordStore { return &rows{gap: true} }},
	"Race/MoveOwner":   {"writes the index second": func() auth.RecordStore { return &indexed{twoSteps: true} }},
	"Context": {
		"ReplaceRecord ignores it": func() auth.RecordStore { return &rows{ignoresContext: true} },
		"Records ignores it":       func() auth.RecordStore { return &rows{listsLate: true} },
		"DeleteRecords ignores it": func() auth.RecordStore { return &rows{deletesLate: true} },
	},
}

// Each rule of the suite fails for a store that breaks it, and no rule fails for a store that keeps
// them all.
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
					t.Errorf("the store breaks %q, but the suite reports %q", rule, slices.Sorted(maps.Keys(broken)))
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
		return f.disable(f.Store, ctx, id, disabled)
	}
	return f.Store.SetDisabled(ctx, id, disabled)
}

func (f faulty) DeleteUser(ctx context.Context, id string) error {
	if f.remove != nil {
		return f.remove(f.Store, ctx, id)
	}
	return f.Store.DeleteUser(ctx, id)
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
		"AccountSpelling": {remove: func(s *memstore.Store, ctx context.Context, id string) error {
			return s.DeleteUser(ctx, strings.TrimSpace(id)) // as a column of integers does
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
			mutant.Store = memstore.New()
			return mutant
		})
		if _, caught := broken[rule]; !caught || len(broken) != 1 {
			t.Errorf("it breaks %q, and the suite says %v", rule, broken)
		}
	}
}
