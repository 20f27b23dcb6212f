package totp_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/throttle"
	"github.com/seed-e36e2130/auth/totp"
)

// column is a boolean column of a table of users: Marks of a host's own.
type column struct {
	mu    sync.Mutex
	users map[string]bool
	fails error
}

func (c *column) Marked(_ context.Context, userID string) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.users[userID], c.fails
}

func (c *column) Mark(_ context.Context, userID string, marked bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fails == nil {
		c.users[userID] = marked
	}
	return c.fails
}

// losing is a RecordStore that can lose everything, as a Redis can.
type losing struct{ *memstore.Store }

func (l *losing) lose() { l.Store = memstore.New() }

func withMarks(t testing.TB, records auth.RecordStore, marks totp.Marks) *totp.Factor {
	t.Helper()
	f, err := totp.New(records, newRing(t), totp.Config{Issuer: "Example", Marks: marks})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestLostRecord loses the record of a second factor. A user who is marked is not logged in by the password
// alone: every call says that the record is lost, until Disable.
func TestLostRecord(t *testing.T) {
	for name, marks := range map[string]func() totp.Marks{
		"in a column":   func() totp.Marks { return &column{users: make(map[string]bool)} },
		"in a database": func() totp.Marks { return totp.MarksIn(memstore.New()) },
		"nowhere":       func() totp.Marks { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				users, records, ctx := memstore.New(), &losing{memstore.New()}, t.Context()
				f := withMarks(t, records, marks())
				limits, err := throttle.New(memstore.New(), throttle.Config{})
				if err != nil {
					t.Fatal(err)
				}
				a, err := auth.New(users, newIssuer(), auth.Config{Hasher: authtest.FastHasher(t), SecondFactor: f, Records: memstore.New(), Throttle: limits})
				if err != nil {
					t.Fatal(err)
				}
				const password = "correct horse battery"
				var ids []string
				for _, username := range []string{"ada", "bob"} {
					u, err := a.Register(ctx, username, password)
					if err != nil {
						t.Fatal(err)
					}
					ids = append(ids, u.ID)
				}
				e, err := f.Enroll(ctx, ids[0], "ada")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := a.Login(ctx, "ada", password); err != nil {
					t.Errorf("Login before Confirm: %v", err)
				}
				if _, err := f.Confirm(ctx, ids[0], codeAt(t, e.Secret, time.Now())); err != nil {
					t.Fatal(err)
				}
				records.lose()

				_, err = a.Login(ctx, "ada", password)
				required, due := errors.AsType[*auth.MFARequiredError](err)
				if name == "nowhere" {
					if err != nil {
						t.Errorf("Login of a user without marks: %v, and this test shows nothing", err)
					}
					return
				}
				if !due {
					t.Fatalf("Login after the record was lost: %v, want an MFARequiredError", err)
				}
				time.Sleep(time.Minute)
				for call, err := range map[string]error{
					"LoginMFA":      second(a.LoginMFA(ctx, required.Token, codeAt(t, e.Secret, time.Now()))),
					"Prove":         second(f.Prove(ctx, ids[0], "000000")),
					"RecoveryCodes": second(f.RecoveryCodes(ctx, ids[0])),
				} {
					if err == nil || auth.HTTPStatus(err) != 500 {
						t.Errorf("%s after the record was lost: %v, want an infrastructure failure", call, err)
					}
				}
				if _, err := f.Enroll(ctx, ids[0], "ada"); err != totp.ErrEnrolled {
					t.Errorf("Enroll after the record was lost: %v, want ErrEnrolled", err)
				}
				if enabled, left, err := f.Status(ctx, ids[0]); !enabled || left != 0 || err != nil {
					t.Errorf("Status after the record was lost: %t, %d, %v", enabled, left, err)
				}
				if _, err := a.Login(ctx, "bob", password); err != nil {
					t.Errorf("Login of a user without a second factor: %v", err)
				}
				if err := f.Disable(ctx, ids[0]); err != nil {
					t.Fatal(err)
				}
				if _, err := a.Login(ctx, "ada", password); err != nil {
					t.Errorf("Login after Disable: %v", err)
				}
				if _, err := f.Enroll(ctx, ids[0], "ada"); err != nil {
					t.Errorf("Enroll after Disable: %v", err)
				}
			})
		})
	}
}

func second[T any](_ T, err error) error { return err }

// TestMarkedLater confirms a second factor while the marks cannot be written. The factor is on, an event
// says what failed, and the next code marks the user. So it is for records that are older than the marks.
func TestMarkedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		marks, down := &column{users: make(map[string]bool), fails: errors.New("down")}, ""
		records := &losing{memstore.New()}
		f, err := totp.New(records, newRing(t), totp.Config{Issuer: "Example", Marks: marks, Events: func(_ context.Context, e auth.Event) {
			down += fmt.Sprint(e.Kind, " ", e.Err, " ")
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Enroll(t.Context(), "u", "ada"); !errors.Is(err, marks.fails) {
			t.Errorf("Enroll without marks: %v, want their error", err)
		}
		failure := marks.fails
		marks.fails = nil
		e, err := f.Enroll(t.Context(), "u", "ada")
		if err != nil {
			t.Fatal(err)
		}
		marks.fails = failure
		if codes, err := f.Confirm(t.Context(), "u", codeAt(t, e.Secret, time.Now())); err != nil || len(codes) == 0 || down != "mfa_enabled totp: down " {
			t.Fatalf("Confirm: %d recovery codes, %v, the event %q", len(codes), err, down)
		}
		if required, err := f.Required(t.Context(), "u"); !required || err != nil {
			t.Errorf("Required: %t, %v", required, err)
		}
		if err := f.Disable(t.Context(), "u"); !errors.Is(err, failure) {
			t.Errorf("Disable without marks: %v, want their error", err)
		}
		time.Sleep(time.Minute)
		if _, err := f.Prove(t.Context(), "u", codeAt(t, e.Secret, time.Now())); !errors.Is(err, failure) {
			t.Errorf("Prove of a user who cannot be marked: %v", err)
		}
		marks.fails = nil
		time.Sleep(time.Minute)
		if _, err := f.Prove(t.Context(), "u", codeAt(t, e.Secret, time.Now())); err != nil {
			t.Fatal(err)
		}
		records.lose()
		if required, err := f.Required(t.Context(), "u"); !required || err != nil {
			t.Errorf("Required once the record is lost: %t, %v", required, err)
		}
	})
}

// steps counts writes, and calls something before one of them. If that returns an error, this and all later
// writes fail with it, as after a crash.
type steps struct {
	left    int
	do      func() error
	crashed error
}

func (s *steps) step() error {
	if s.left--; s.left == 0 {
		s.crashed = s.do()
	}
	return s.crashed
}

type steppedRecords struct {
	auth.RecordStore
	*steps
}

func (s steppedRecords) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	if err := s.step(); err != nil {
		return err
	}
	return s.RecordStore.ReplaceRecord(ctx, old, r)
}

func (s steppedRecords) DeleteRecord(ctx context.Context, key string, version int64) error {
	if err := s.step(); err != nil {
		return err
	}
	return s.RecordStore.DeleteRecord(ctx, key, version)
}

type steppedMarks struct {
	totp.Marks
	*steps
}

func (s steppedMarks) Mark(ctx context.Context, userID string, marked bool) error {
	if err := s.step(); err != nil {
		return err
	}
	return s.Marks.Mark(ctx, userID, marked)
}

// TestDisableMeanwhile has a second factor removed before each write of a call that marks the user, the
// other way round, and has a crash interrupt the removal. Afterwards no user is marked who has no record:
// that user could not log in.
func TestDisableMeanwhile(t *testing.T) {
	calls := map[string]func(ctx context.Context, f *totp.Factor, code string) error{
		"Confirm": func(ctx context.Context, f *totp.Factor, code string) error { return second(f.Confirm(ctx, "u", code)) },
		"Prove":   func(ctx context.Context, f *totp.Factor, code string) error { return second(f.Prove(ctx, "u", code)) },
		"Disable": func(ctx context.Context, f *totp.Factor, _ string) error { return f.Disable(ctx, "u") },
	}
	for _, pair := range [][2]string{{"Confirm", "Disable"}, {"Prove", "Disable"}, {"Disable", "Confirm"}, {"Disable", "Prove"}, {"Disable", "crash"}} {
		t.Run(pair[0]+" and "+pair[1], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for step := 1; ; step++ {
					key, records, marks := secrets.Generate(), memstore.New(), totp.MarksIn(memstore.New())
					factor := func(records auth.RecordStore, marks totp.Marks) *totp.Factor {
						f, err := totp.New(records, newRing(t, key), totp.Config{Issuer: "Example", Marks: marks})
						if err != nil {
							t.Fatal(err)
						}
						return f
					}
					e, err := factor(records, nil).Enroll(t.Context(), "u", "ada")
					if err != nil {
						t.Fatal(err)
					}
					code := func() string {
						time.Sleep(time.Minute)
						return codeAt(t, e.Secret, time.Now())
					}
					confirms := factor(records, nil) // and does not mark
					if pair[1] == "crash" {
						confirms = factor(records, marks)
					}
					if pair[0] == "Prove" || pair[1] == "Prove" || pair[1] == "crash" {
						if _, err := confirms.Confirm(t.Context(), "u", code()); err != nil {
							t.Fatal(err)
						}
					}
					f, met := factor(records, marks), false
					at := &steps{left: step, do: func() error {
						met = true
						if pair[1] == "crash" {
							return errors.New("crashed")
						}
						_ = calls[pair[1]](t.Context(), f, code()) // fails if it comes too late
						return nil
					}}
					_ = calls[pair[0]](t.Context(), factor(steppedRecords{records, at}, steppedMarks{marks, at}), code())
					if !met {
						if step < 3 {
							t.Errorf("%s makes %d writes, so this test shows nothing", pair[0], step-1)
						}
						return
					}
					required, err := f.Required(t.Context(), "u")
					if err != nil {
						t.Fatal(err)
					}
					if _, err := f.Prove(t.Context(), "u", code()); required != (err == nil) {
						t.Errorf("%s before write %d of %s: the second factor is on: %t, Prove: %v", pair[1], step, pair[0], required, err)
					}
				}
			})
		})
	}
}

// TestConfirmHangUp has the client of Confirm hang up as soon as the factor is on. The user is marked all
// the same.
func TestConfirmHangUp(t *testing.T) {
	records, ctx := &losing{memstore.New()}, t.Context()
	gone, hangUp := context.WithCancel(ctx)
	at := &steps{left: 1, do: func() error {
		hangUp()
		return nil
	}}
	key, marks := secrets.Generate(), totp.MarksIn(memstore.New())
	var factors []*totp.Factor
	for _, store := range []auth.RecordStore{records, steppedRecords{deaf{records}, at}} {
		f, err := totp.New(store, newRing(t, key), totp.Config{Issuer: "Example", Marks: marks})
		if err != nil {
			t.Fatal(err)
		}
		factors = append(factors, f)
	}
	e, err := factors[0].Enroll(ctx, "u", "ada")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := factors[1].Confirm(gone, "u", codeAt(t, e.Secret, time.Now())); err != nil || gone.Err() == nil {
		t.Fatalf("Confirm: %v", err)
	}
	records.lose()
	if required, err := factors[0].Required(ctx, "u"); !required || err != nil {
		t.Errorf("Required once the record is lost: %t, %v", required, err)
	}
}

// deaf is a RecordStore that finishes what it does for a client that has hung up.
type deaf struct{ auth.RecordStore }

func (d deaf) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	return d.RecordStore.ReplaceRecord(context.WithoutCancel(ctx), old, r)
}
