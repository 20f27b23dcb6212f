package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/memstore"
)

// watched calls a value of the host and watches the contexts that the calls are given. Each call takes
// a second.
type watched struct {
	mu      sync.Mutex
	calls   []string // names, in their order
	running int
	most    int
	faults  []string
	hang    bool // calls take until their context ends
}

type watchedKey struct{}

// call is one call with a context. It returns an error if the context ended during the call.
func (w *watched) call(ctx context.Context, name string) error {
	fault := func(format string, args ...any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.faults = append(w.faults, name+": "+fmt.Sprintf(format, args...))
	}
	w.mu.Lock()
	w.calls = append(w.calls, name)
	w.running++
	w.most = max(w.most, w.running)
	hang := w.hang
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.running--
		w.mu.Unlock()
	}()
	if ctx.Value(watchedKey{}) != "value" {
		fault("the context has lost its values")
	}
	deadline, ok := ctx.Deadline()
	if limit := time.Until(deadline); !ok || limit > 10*time.Second {
		fault("the call has no limit, or one of %v, want at most 10 s", limit)
	}
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		fault("the call was cancelled: %v", context.Cause(ctx))
		return ctx.Err()
	case <-time.After(time.Second):
		return nil
	}
}

// The watched stores. A method that is not written out fails, because its embedded interface is nil.
type (
	watchedUsers struct {
		auth.UserStore
		*watched
		store *memstore.Store
	}
	watchedRecords struct {
		auth.RecordStore
		*watched
		store *memstore.Store
	}
	watchedSessions struct {
		auth.SessionStore
		*watched
		store *memstore.Store
	}
	watchedAccounts struct{ *watched }
	watchedThrottle struct{ *watched }
	watchedFactor   struct{ *watched }
)

func (w watchedUsers) CreateUser(ctx context.Context, u auth.User) (string, error) {
	if err := w.call(ctx, "CreateUser"); err != nil {
		return "", err
	}
	return w.store.CreateUser(ctx, u)
}

func (w watchedUsers) UserByID(ctx context.Context, id string) (auth.User, error) {
	if err := w.call(ctx, "UserByID"); err != nil {
		return auth.User{}, err
	}
	return w.store.UserByID(ctx, id)
}

func (w watchedUsers) UserByUsername(ctx context.Context, name string) (auth.User, error) {
	if err := w.call(ctx, "UserByUsername"); err != nil {
		return auth.User{}, err
	}
	return w.store.UserByUsername(ctx, name)
}

func (w watchedUsers) ReplacePasswordHash(ctx context.Context, id, old, replacement string) error {
	return errors.Join(w.call(ctx, "ReplacePasswordHash"), w.store.ReplacePasswordHash(ctx, id, old, replacement))
}

func (w watchedRecords) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	if err := w.call(ctx, "Record"); err != nil {
		return auth.Record{}, time.Time{}, err
	}
	return w.store.Record(ctx, key)
}

func (w watchedRecords) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	return errors.Join(w.call(ctx, "ReplaceRecord"), w.store.ReplaceRecord(ctx, old, r))
}

func (w watchedRecords) DeleteRecord(ctx context.Context, key string, version int64) error {
	return errors.Join(w.call(ctx, "DeleteRecord"), w.store.DeleteRecord(ctx, key, version))
}

func (w watchedSessions) CreateSession(ctx context.Context, s auth.Session) error {
	return errors.Join(w.call(ctx, "CreateSession"), w.store.CreateSession(ctx, s))
}

func (w watchedSessions) Session(ctx context.Context, id string) (auth.Session, time.Time, error) {
	if err := w.call(ctx, "Session"); err != nil {
		return auth.Session{}, time.Time{}, err
	}
	return w.store.Session(ctx, id)
}

func (w watchedSessions) Sessions(ctx context.Context, userID string) ([]auth.Session, error) {
	if err := w.call(ctx, "Sessions"); err != nil {
		return nil, err
	}
	return w.store.Sessions(ctx, userID)
}

func (w watchedSessions) ReplaceSession(ctx context.Context, old, replacement auth.Session) error {
	return errors.Join(w.call(ctx, "ReplaceSession"), w.store.ReplaceSession(ctx, old, replacement))
}

func (w watchedSessions) DeleteSession(ctx context.Context, id string, expiry time.Time) error {
	return errors.Join(w.call(ctx, "DeleteSession"), w.store.DeleteSession(ctx, id, expiry))
}

func (w watchedSessions) DeleteUserSessions(ctx context.Context, userID, except string, issuedAt, expiry time.Time) error {
	return errors.Join(w.call(ctx, "DeleteUserSessions"), w.store.DeleteUserSessions(ctx, userID, except, issuedAt, expiry))
}

func (w watchedAccounts) SetDisabled(ctx context.Context, _ string, _ bool) error {
	return w.call(ctx, "SetDisabled")
}

func (w watchedAccounts) DeleteUser(ctx context.Context, _ string) error {
	return w.call(ctx, "DeleteUser")
}

func (w watchedThrottle) Begin(ctx context.Context, _ auth.Attempt) error {
	return w.call(ctx, "Begin")
}

func (w watchedThrottle) Succeed(ctx context.Context, _ auth.Attempt) (auth.DeviceToken, error) {
	return "", w.call(ctx, "Succeed")
}

func (w watchedThrottle) Undo(ctx context.Context, _ auth.Attempt) error {
	return w.call(ctx, "Undo")
}

func (w watchedThrottle) Forget(ctx context.Context, _ string, _ ...string) error {
	return w.call(ctx, "Forget")
}

func (w watchedFactor) Required(ctx context.Context, userID string) (bool, error) {
	return userID == "2", w.call(ctx, "Required")
}

func (w watchedFactor) Prove(ctx context.Context, _, _ string) ([]string, error) {
	return []string{"otp"}, w.call(ctx, "Prove")
}

// newWatched returns an Authenticator that is watched, with the accounts ada (ID 1) and bob (ID 2, with
// a second factor), and a context with the value that watched looks for.
func newWatched(t *testing.T) (*auth.Authenticator, *watched, context.Context) {
	w, store := new(watched), memstore.New()
	a := newAuthenticator(t, watchedUsers{watched: w, store: store}, auth.Config{
		Hasher: new(workHasher), Sessions: watchedSessions{watched: w, store: store}, RefreshKeys: testkit.Secrets(t),
		Records: watchedRecords{watched: w, store: store}, SecondFactor: watchedFactor{w}, Throttle: watchedThrottle{w},
		Accounts:  watchedAccounts{w},
		NewUserID: func(ctx context.Context) (string, error) { return "3", w.call(ctx, "NewUserID") },
		Claims:    func(ctx context.Context, _ auth.User, _ *auth.Claims) error { return w.call(ctx, "Claims") },
	})
	for id, name := range map[string]string{"1": "ada", "2": "bob"} {
		if _, err := store.CreateUser(t.Context(), auth.User{ID: id, Username: name, PasswordHash: "$work$0$" + password}); err != nil {
			t.Fatal(err)
		}
	}
	return a, w, context.WithValue(t.Context(), watchedKey{}, "value")
}

// watchedCalls are the methods of the Authenticator that call stores. Each prepares what it needs, and
// returns the call.
var watchedCalls = map[string]func(*testing.T, context.Context, *auth.Authenticator) func(context.Context) error{
	"Register": unprepared(func(ctx context.Context, a *auth.Authenticator) error {
		_, err := a.Register(ctx, "carol", password)
		return err
	}),
	"Login": unprepared(func(ctx context.Context, a *auth.Authenticator) error {
		_, err := a.Login(ctx, "ada", password)
		return err
	}),
	"LoginUser": unprepared(func(ctx context.Context, a *auth.Authenticator) error {
		_, err := a.LoginUser(ctx, "1", "otp")
		return err
	}),
	"ChangePassword": unprepared(func(ctx context.Context, a *auth.Authenticator) error {
		_, err := a.ChangePassword(ctx, "1", password, "battery staple")
		return err
	}),
	"Sessions": unprepared(func(ctx context.Context, a *auth.Authenticator) error {
		_, err := a.Sessions(ctx, "1")
		return err
	}),
	"EndSessions": unprepared(func(ctx context.Context, a *auth.Authenticator) error { return a.EndSessions(ctx, "1", "") }),
	"Disable":     unprepared(func(ctx context.Context, a *auth.Authenticator) error { return a.Disable(ctx, "1") }),
	"Delete":      unprepared(func(ctx context.Context, a *auth.Authenticator) error { return a.Delete(ctx, "1") }),
	"Refresh": func(t *testing.T, ctx context.Context, a *auth.Authenticator) func(context.Context) error {
		tokens := loginAda(t, ctx, a)
		return func(ctx context.Context) error { _, err := a.Refresh(ctx, string(tokens.RefreshToken)); return err }
	},
	"Logout": func(t *testing.T, ctx context.Context, a *auth.Authenticator) func(context.Context) error {
		tokens := loginAda(t, ctx, a)
		return func(ctx context.Context) error { return a.Logout(ctx, string(tokens.RefreshToken)) }
	},
	"StepUp": func(t *testing.T, ctx context.Context, a *auth.Authenticator) func(context.Context) error {
		tokens := loginAda(t, ctx, a)
		return func(ctx context.Context) error { _, err := a.StepUp(ctx, tokens.Principal, password, ""); return err }
	},
	"LoginMFA": func(t *testing.T, ctx context.Context, a *auth.Authenticator) func(context.Context) error {
		_, err := a.Login(ctx, "bob", password)
		due, ok := errors.AsType[*auth.MFARequiredError](err)
		if !ok {
			t.Fatalf("Login: %v, want an MFARequiredError", err)
		}
		return func(ctx context.Context) error { _, err := a.LoginMFA(ctx, due.Token, "123456"); return err }
	},
}

func unprepared(do func(context.Context, *auth.Authenticator) error) func(*testing.T, context.Context, *auth.Authenticator) func(context.Context) error {
	return func(_ *testing.T, _ context.Context, a *auth.Authenticator) func(context.Context) error {
		return func(ctx context.Context) error { return do(ctx, a) }
	}
}

func loginAda(t *testing.T, ctx context.Context, a *auth.Authenticator) auth.Tokens {
	t.Helper()
	tokens, err := a.Login(ctx, "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// A client that hangs up cancels no call of a store that has begun, whichever it is: the call has the
// values of the request and a limit of its own. After it the method ends, and begins nothing else but
// what takes back what was begun or records how it ended.
func TestHungUpClientsCancelNoStoreCall(t *testing.T) {
	t.Parallel()
	cleanup := map[string]bool{"Undo": true, "DeleteSession": true, "DeleteUserSessions": true, "Succeed": true}
	for name, prepare := range watchedCalls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for hangUp := 0; ; hangUp++ { // during which call
				more := false
				synctest.Test(t, func(t *testing.T) {
					a, w, ctx := newWatched(t)
					do := prepare(t, ctx, a)
					w.calls = nil
					request, cancel := context.WithCancel(ctx)
					defer cancel()
					ended := make(chan error, 1)
					go func() { ended <- do(request) }()
					time.Sleep(time.Duration(hangUp)*time.Second + 500*time.Millisecond)
					synctest.Wait()
					w.mu.Lock()
					begun := len(w.calls)
					w.mu.Unlock()
					select {
					case err := <-ended:
						if err != nil {
							t.Errorf("without a hang-up: %v", err)
						}
						return
					default:
					}
					more = true
					cancel()
					<-ended
					for _, later := range w.calls[begun:] {
						marksDevice := name == "LoginUser" && later == "Begin" // after the login
						if !cleanup[later] && !marksDevice {
							t.Errorf("hung up during call %d, %s: %s begins afterwards", begun, w.calls[begun-1], later)
						}
					}
					for _, fault := range w.faults {
						t.Errorf("hung up during call %d, %s: %s", begun, w.calls[begun-1], fault)
					}
				})
				if !more {
					if hangUp == 0 {
						t.Error("no store was called")
					}
					break
				}
			}
		})
	}
}

// A context that has ended begins nothing.
func TestEndedContextCallsNoStore(t *testing.T) {
	t.Parallel()
	for name, prepare := range watchedCalls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a, w, ctx := newWatched(t)
				do := prepare(t, ctx, a)
				w.calls = nil
				ended, cancel := context.WithCancel(ctx)
				cancel()
				err := do(ended)
				calls := strings.ReplaceAll(strings.Join(w.calls, " "), "DeleteUserSessions", "")
				if !errors.Is(err, context.Canceled) || calls != "" {
					t.Errorf("%v, and the calls %v, want context.Canceled and none", err, w.calls)
				}
			})
		})
	}
}

// A store that hangs holds a call for 10 s at most; a nearer deadline of the caller counts if it leaves
// the store 2 s. What hung-up clients asked for takes no more than 256 calls at once, and the others
// end with their clients.
func TestStoreCallsAreBounded(t *testing.T) {
	t.Parallel()
	for deadline, want := range map[time.Duration]time.Duration{
		0: 10 * time.Second, time.Minute: 10 * time.Second, 5 * time.Second: 5 * time.Second, time.Millisecond: 2 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			a, w, ctx := newWatched(t)
			w.hang = true
			if deadline > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, deadline)
				defer cancel()
			}
			start := time.Now()
			_, err := a.Sessions(ctx, "1")
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != want || auth.HTTPStatus(err) != 503 {
				t.Errorf("with a deadline of %v: %v after %v, want an ended deadline after %v", deadline, err, took, want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		a, w, ctx := newWatched(t)
		w.hang = true
		request, hangUp := context.WithCancel(ctx)
		var clients sync.WaitGroup
		for range 1000 {
			clients.Go(func() { _, _ = a.Sessions(request, "1") })
		}
		synctest.Wait()
		hangUp()
		synctest.Wait()
		if len(w.calls) != 256 || w.running != 256 {
			t.Errorf("1,000 clients that hung up made %d calls, of which %d run, want 256 at once", len(w.calls), w.running)
		}
		_, err := a.Sessions(ctx, "1") // waits as long as the calls before it
		if auth.HTTPStatus(err) != 503 {
			t.Errorf("a call behind them: %v, want 503", err)
		}
		clients.Wait()
		if w.most != 256 || w.running != 0 {
			t.Errorf("%d calls ran at once, and %d still run, want 256 and none", w.most, w.running)
		}
	})
}
