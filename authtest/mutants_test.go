package authtest_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/memstore"
)

// mutants has stores that each break one rule, by the name of the rule. They make the common
// mistakes with tables, collations and contexts.
var mutants = map[string]map[string]func() auth.UserStore{
	"Create": {
		"drops the domain of an address": wrong(patched{createUser: changing(func(u *auth.User) {
			u.Username = strings.TrimSuffix(u.Username, "@example.com")
		})}),
	},
	"CreatedID": {
		"returns none": wrong(patched{createUser: func(s auth.UserStore, ctx context.Context, u auth.User) (string, error) {
			_, err := s.CreateUser(ctx, u)
			return "", err
		}}),
		"returns the number of rows": wrong(patched{createUser: func(s auth.UserStore, ctx context.Context, u auth.User) (string, error) {
			_, err := s.CreateUser(ctx, u)
			return "1", err
		}}),
		"LAST_INSERT_ID() on another connection": func() auth.UserStore { return &scan{lastID: true} },
	},
	"UnknownUser": {
		"calls an unknown user a conflict": func() auth.UserStore { return &scan{unknownIs: auth.ErrConflict} },
		"calls an unknown user a failure":  func() auth.UserStore { return &scan{unknownIs: errDown} },
	},
	"ForeignID": {
		"passes on the database's refusal of an ID": wrong(patched{userByID: func(s auth.UserStore, ctx context.Context, id string) (auth.User, error) {
			u, err := s.UserByID(ctx, id)
			if errors.Is(err, auth.ErrUserNotFound) && len(id) != 36 {
				return u, errDown
			}
			return u, err
		}}),
		"passes it on in updates": wrong(patched{replacePasswordHash: func(s auth.UserStore, ctx context.Context, id, old, replacement string) error {
			err := s.ReplacePasswordHash(ctx, id, old, replacement)
			if errors.Is(err, auth.ErrUserNotFound) && len(id) != 36 {
				return errDown
			}
			return err
		}}),
	},
	"Namespaces": {
		"WHERE id = ? OR username = ?": func() auth.UserStore { return &scan{either: true} },
	},
	"UniqueUsername": {
		"unique among enabled users": func() auth.UserStore { return &scan{freeNames: true} },
	},
	"UniqueID": {
		"unique among enabled users": func() auth.UserStore { return &scan{freeIDs: true} },
	},
	"RefusedCreate": {
		"ON CONFLICT DO UPDATE": func() auth.UserStore { return &scan{overwrites: true} },
	},
	"EmptyHash": {
		"writes a mark for no hash": wrong(patched{createUser: changing(func(u *auth.User) {
			if u.PasswordHash == "" {
				u.PasswordHash = "!"
			}
		})}),
	},
	"Disabled": {
		"has no column for it": wrong(patched{createUser: changing(func(u *auth.User) { u.Disabled = false })}),
		"hides disabled users from updates": wrong(patched{replacePasswordHash: func(s auth.UserStore, ctx context.Context, id, old, replacement string) error {
			if u, err := s.UserByID(ctx, id); err == nil && u.Disabled {
				return auth.ErrUserNotFound
			}
			return s.ReplacePasswordHash(ctx, id, old, replacement)
		}}),
	},
	"CreatedAt": {
		"keeps milliseconds": wrong(patched{found: func(u auth.User) auth.User {
			u.CreatedAt = u.CreatedAt.Truncate(time.Millisecond)
			return u
		}}),
		"returns times in the zone of the server": wrong(patched{found: func(u auth.User) auth.User {
			u.CreatedAt = u.CreatedAt.In(time.FixedZone("CET", 3600))
			return u
		}}),
		"keeps 32 bits": wrong(patched{found: func(u auth.User) auth.User {
			seconds, micros := u.CreatedAt.Unix(), int64(u.CreatedAt.Nanosecond()/1e3)
			u.CreatedAt = time.UnixMicro(int64(int32(seconds))*1e6 + micros).UTC()
			return u
		}}),
	},
	"Bytes/Case":          folding(strings.ToLower),
	"Bytes/Spaces":        folding(func(s string) string { return strings.TrimRight(s, " ") }),
	"Bytes/Normalization": folding(strings.NewReplacer("e\u0301", "\u00e9").Replace),
	"Bytes/Accents":       folding(strings.NewReplacer("\u00e9", "e", "\u00ea", "e", "\u00e6", "ae", "\u00df", "ss").Replace),
	"Bytes/FourBytes": folding(func(s string) string {
		return strings.Map(func(r rune) rune {
			if r > 0xffff {
				return utf8.RuneError
			}
			return r
		}, s)
	}),
	"Bytes/Invisible": folding(strings.NewReplacer("\u200b", "", "\u00ad", "", "\u200e", "", "\ufeff", "", "\x01", "", "\x7f", "").Replace),
	"Bytes/Numbers": folding(func(s string) string {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return strconv.FormatFloat(f, 'g', -1, 64)
		}
		return s
	}),
	"Bytes/Patterns": {
		"LIKE": func() auth.UserStore { return &scan{like: like} },
	},
	"Bytes/Quotes": folding(strings.NewReplacer("''", "'", `\\`, `\`).Replace),
	"Bytes/Lengths": {
		"VARCHAR(200), strict": wrong(patched{createUser: func(s auth.UserStore, ctx context.Context, u auth.User) (string, error) {
			if len(u.Username) > 200 {
				return "", errDown
			}
			return s.CreateUser(ctx, u)
		}}),
	},
	"Bytes/ID": {
		"case-insensitive": func() auth.UserStore { return &scan{id: strings.ToLower} },
	},
	"Bytes/NUL": {
		"ends strings at it": func() auth.UserStore {
			return &scan{username: func(s string) string { s, _, _ = strings.Cut(s, "\x00"); return s }}
		},
		"returns ErrUserExists for it": wrong(patched{createUser: func(s auth.UserStore, ctx context.Context, u auth.User) (string, error) {
			if strings.Contains(u.Username, "\x00") {
				return "", auth.ErrUserExists
			}
			return s.CreateUser(ctx, u)
		}}),
	},
	"Bytes/InvalidUTF8": {
		"repairs it": func() auth.UserStore {
			return &scan{username: func(s string) string { return strings.ToValidUTF8(s, "\ufffd") }}
		},
	},
	"Bytes/Oversized": {
		"VARCHAR(255), not strict": wrong(patched{createUser: changing(func(u *auth.User) { u.Username = u.Username[:min(len(u.Username), 255)] })}),
	},
	"Replace": {
		"UPDATE without the ID": func() auth.UserStore { return &scan{everyone: true} },
	},
	"ReplaceConflict": {
		"accepts a hash that is already stored": func() auth.UserStore { return &scan{reached: true} },
	},
	"ReplaceItself": {
		"counts changed rows": func() auth.UserStore { return &scan{changedRows: true} },
	},
	"ReplaceEmpty": {
		"an empty old hash matches any": func() auth.UserStore { return &scan{emptyMatches: true} },
	},
	"RaceUsername": {
		"reads, then inserts": func() auth.UserStore { return &scan{raceNames: true} },
	},
	"RaceID": {
		"reads, then inserts": func() auth.UserStore { return &scan{raceIDs: true} },
	},
	"RaceReplace": {
		"reads, then updates": func() auth.UserStore { return &scan{raceReplace: true} },
	},
	"Context/Create": {
		"ignores it": wrong(patched{createUser: func(s auth.UserStore, ctx context.Context, u auth.User) (string, error) {
			return s.CreateUser(context.WithoutCancel(ctx), u)
		}}),
		"creates the user nevertheless": wrong(patched{createUser: func(s auth.UserStore, ctx context.Context, u auth.User) (string, error) {
			id, err := s.CreateUser(context.WithoutCancel(ctx), u)
			return id, errors.Join(err, ctx.Err())
		}}),
		"hides the cause": wrong(patched{createUser: func(s auth.UserStore, ctx context.Context, u auth.User) (string, error) {
			if ctx.Err() != nil {
				return "", errDown
			}
			return s.CreateUser(ctx, u)
		}}),
	},
	"Context/Lookup": {
		"ignores it by ID": wrong(patched{userByID: func(s auth.UserStore, ctx context.Context, id string) (auth.User, error) {
			return s.UserByID(context.WithoutCancel(ctx), id)
		}}),
		"returns ErrUserNotFound by username": wrong(patched{userByUsername: func(s auth.UserStore, ctx context.Context, username string) (auth.User, error) {
			if ctx.Err() != nil {
				return auth.User{}, auth.ErrUserNotFound
			}
			return s.UserByUsername(ctx, username)
		}}),
	},
	"Context/Replace": {
		"replaces the hash nevertheless": wrong(patched{replacePasswordHash: func(s auth.UserStore, ctx context.Context, id, old, replacement string) error {
			err := s.ReplacePasswordHash(context.WithoutCancel(ctx), id, old, replacement)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}}),
		"returns ErrConflict": wrong(patched{replacePasswordHash: func(s auth.UserStore, ctx context.Context, id, old, replacement string) error {
			if ctx.Err() != nil {
				return auth.ErrConflict
			}
			return s.ReplacePasswordHash(ctx, id, old, replacement)
		}}),
	},
}

var errDown = errors.New("the database is down")

// wrong returns a store that keeps the contract except for a patch.
func wrong(p patched) func() auth.UserStore {
	return func() auth.UserStore {
		p := p
		p.UserStore = memstore.New()
		return p
	}
}

// changing returns a CreateUser that changes the user before it stores it.
func changing(change func(*auth.User)) func(auth.UserStore, context.Context, auth.User) (string, error) {
	return func(s auth.UserStore, ctx context.Context, u auth.User) (string, error) {
		change(&u)
		return s.CreateUser(ctx, u)
	}
}

// folding returns stores whose columns compare strings under a collation.
func folding(collation func(string) string) map[string]func() auth.UserStore {
	fold := func(s string) string {
		if !utf8.ValidString(s) {
			return s // invalid UTF-8 belongs to another rule
		}
		return collation(s)
	}
	return map[string]func() auth.UserStore{
		"in usernames": func() auth.UserStore { return &scan{username: fold} },
		"in hashes":    func() auth.UserStore { return &scan{hash: fold} },
	}
}

// like implements LIKE of SQL.
func like(pattern, s string) bool {
	switch {
	case pattern == "":
		return s == ""
	case pattern[0] == '%':
		return like(pattern[1:], s) || s != "" && like(pattern, s[1:])
	default:
		return s != "" && (pattern[0] == '_' || pattern[0] == s[0]) && like(pattern[1:], s[1:])
	}
}

func TestUserStoreMutants(t *testing.T) {
	t.Parallel()
	makers := make(map[string]map[string]func(*testing.T) auth.UserStore)
	for rule, mutants := range mutants {
		makers[rule] = make(map[string]func(*testing.T) auth.UserStore)
		for name, mutant := range mutants {
			makers[rule][name] = func(*testing.T) auth.UserStore { return mutant() }
		}
	}
	each(t, authtest.UserStoreRules(), makers, authtest.BrokenUserStoreRules)
	for name, err := range authtest.BrokenUserStoreRules(t, func(*testing.T) auth.UserStore { return new(scan) }) {
		t.Errorf("a store that keeps the contract breaks the rule %s: %v", name, err)
	}
}

// each tests a suite. Each mutant must break its own rule and no other, and each rule must have a
// mutant.
func each[T any](t *testing.T, rules []string, makers map[string]map[string]func(*testing.T) T,
	suite func(*testing.T, func(*testing.T) T) map[string]error) {
	for _, rule := range rules {
		if len(makers[rule]) == 0 {
			t.Errorf("the rule %s has no mutant", rule)
		}
	}
	for rule, mutants := range makers {
		for name, factory := range mutants {
			t.Run(rule+"/"+name, func(t *testing.T) {
				t.Parallel()
				broken := suite(t, factory)
				if _, caught := broken[rule]; !caught || len(broken) != 1 {
					t.Errorf("the mutant breaks the rule %q, but the suite reports %q: %v", rule, slices.Sorted(maps.Keys(broken)), broken)
				}
			})
		}
	}
}

// tableIDs is a store whose table makes the IDs.
type tableIDs struct {
	auth.UserStore
	next *atomic.Int64
}

func (s tableIDs) CreateUser(ctx context.Context, u auth.User) (string, error) {
	u.ID = strconv.FormatInt(s.next.Add(1), 10)
	return s.UserStore.CreateUser(ctx, u)
}

// A store whose table makes the IDs keeps the whole contract, if the suite is told.
func TestUserStoreWithIDsOfItsOwn(t *testing.T) {
	t.Parallel()
	factory := func(*testing.T) auth.UserStore { return tableIDs{memstore.New(), new(atomic.Int64)} }
	for rule, err := range authtest.BrokenUserStoreRulesBy(t, factory, authtest.TableIDs) {
		t.Errorf("with TableIDs the suite reports %s: %v", rule, err)
	}
	broken := authtest.BrokenUserStoreRules(t, factory)
	want := []string{"Bytes/ID", "RaceID", "RefusedCreate", "UniqueID"}
	if got := slices.Sorted(maps.Keys(broken)); !slices.Equal(got, want) {
		t.Errorf("without it the suite reports %q, want %q: %v", got, want, broken)
	}
}

// A table whose IDs are integers or UUIDs keeps the contract with such IDs, and refuses others.
func TestUserStoreWithIDsOfAType(t *testing.T) {
	t.Parallel()
	typed := func(holds func(id string) bool) func(*testing.T) auth.UserStore {
		return wrongFor(patched{createUser: func(s auth.UserStore, ctx context.Context, u auth.User) (string, error) {
			if !holds(u.ID) {
				return "", errDown
			}
			return s.CreateUser(ctx, u)
		}})
	}
	integers := typed(func(id string) bool { _, err := strconv.ParseInt(id, 10, 64); return err == nil })
	uuids := typed(func(id string) bool { return len(id) == 36 })
	for _, tt := range []struct {
		name    string
		factory func(*testing.T) auth.UserStore
		ids     func(int) string
	}{{"integers", integers, authtest.IntegerIDs}, {"UUIDs", uuids, authtest.UUIDs}} {
		for rule, err := range authtest.BrokenUserStoreRulesBy(t, tt.factory, tt.ids) {
			t.Errorf("%s: the suite reports %s: %v", tt.name, rule, err)
		}
	}
	if broken := authtest.BrokenUserStoreRules(t, integers); broken["Create"] == nil {
		t.Error("a table of integers takes UUIDs")
	}
	loose := wrongFor(patched{userByID: func(s auth.UserStore, ctx context.Context, id string) (auth.User, error) {
		return s.UserByID(ctx, strings.TrimLeft(id, "0"))
	}})
	if broken := authtest.BrokenUserStoreRulesBy(t, loose, authtest.IntegerIDs); len(broken) != 1 || broken["ForeignID"] == nil {
		t.Errorf("an integer column that takes 02 for 2: the suite reports %q, want ForeignID", slices.Sorted(maps.Keys(broken)))
	}
	// The rules about IDs are checked with integers, too.
	missing := wrongFor(patched{createUser: func(s auth.UserStore, ctx context.Context, u auth.User) (string, error) {
		if _, err := s.UserByID(ctx, u.ID); err == nil {
			u.ID += "0" // as a table that ignores the ID
		}
		return s.CreateUser(ctx, u)
	}})
	if broken := authtest.BrokenUserStoreRulesBy(t, missing, authtest.IntegerIDs); broken["UniqueID"] == nil || broken["RefusedCreate"] == nil {
		t.Errorf("the suite reports %q, want UniqueID and RefusedCreate among them", slices.Sorted(maps.Keys(broken)))
	}
}

// wrongFor is wrong as a factory of a suite.
func wrongFor(p patched) func(*testing.T) auth.UserStore {
	return func(*testing.T) auth.UserStore { return wrong(p)() }
}
