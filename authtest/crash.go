package authtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/secrets"
)

const crashHolds = "Whatever write a server crashes at while it changes a password or disables, enables or deletes an account: " +
	"nothing has changed for the user, or no session from before is good any more."

// errCrashed is what every call returns once the server has crashed.
var errCrashed = errors.New("authtest: the server has crashed")

// A crash is the end of a server at one of the writes of its stores.
type crash struct {
	left    int    // writes until then
	made    int    // writes that were made
	applied bool   // whether the last write is made, but its reply never read
	before  func() // called before each write
	over    bool
}

func (c *crash) write(do func() error) error {
	if c.over {
		return errCrashed
	}
	c.before()
	if c.left--; c.left < 0 {
		c.over = true
	}
	var err error
	if !c.over || c.applied {
		c.made++
		err = do()
	}
	if c.over {
		return errCrashed // nobody learns the result
	}
	return err
}

func (c *crash) read() error {
	if c.over {
		return errCrashed
	}
	return nil
}

// crashingAccounts and crashingSessions are the stores of one server.
type crashingAccounts struct {
	Accounts
	crash *crash
}

func (s crashingAccounts) UserByID(ctx context.Context, id string) (auth.User, error) {
	if err := s.crash.read(); err != nil {
		return auth.User{}, err
	}
	return s.Accounts.UserByID(ctx, id)
}

func (s crashingAccounts) UserByUsername(ctx context.Context, username string) (auth.User, error) {
	if err := s.crash.read(); err != nil {
		return auth.User{}, err
	}
	return s.Accounts.UserByUsername(ctx, username)
}

func (s crashingAccounts) ReplacePasswordHash(ctx context.Context, id, old, replacement string) error {
	return s.crash.write(func() error { return s.Accounts.ReplacePasswordHash(ctx, id, old, replacement) })
}

func (s crashingAccounts) SetDisabled(ctx context.Context, id string, disabled bool) error {
	return s.crash.write(func() error { return s.Accounts.SetDisabled(ctx, id, disabled) })
}

func (s crashingAccounts) DeleteUser(ctx context.Context, id string) error {
	return s.crash.write(func() error { return s.Accounts.DeleteUser(ctx, id) })
}

type crashingSessions struct {
	auth.SessionStore
	crash *crash
}

func (s crashingSessions) Session(ctx context.Context, id string) (auth.Session, time.Time, error) {
	if err := s.crash.read(); err != nil {
		return auth.Session{}, time.Time{}, err
	}
	return s.SessionStore.Session(ctx, id)
}

func (s crashingSessions) Sessions(ctx context.Context, userID string) ([]auth.Session, error) {
	if err := s.crash.read(); err != nil {
		return nil, err
	}
	return s.SessionStore.Sessions(ctx, userID)
}

func (s crashingSessions) CreateSession(ctx context.Context, created auth.Session) error {
	return s.crash.write(func() error { return s.SessionStore.CreateSession(ctx, created) })
}

func (s crashingSessions) ReplaceSession(ctx context.Context, old, replacement auth.Session) error {
	return s.crash.write(func() error { return s.SessionStore.ReplaceSession(ctx, old, replacement) })
}

func (s crashingSessions) DeleteSession(ctx context.Context, id string, expiry time.Time) error {
	return s.crash.write(func() error { return s.SessionStore.DeleteSession(ctx, id, expiry) })
}

func (s crashingSessions) DeleteUserSessions(ctx context.Context, userID, except string, issuedAt, expiry time.Time) error {
	return s.crash.write(func() error { return s.SessionStore.DeleteUserSessions(ctx, userID, except, issuedAt, expiry) })
}

// weakHasher is a Hasher whose hashes are to be replaced by those of the fastHasher.
type weakHasher struct{ fastHasher }

const weakPrefix = "$authtest-weak"

func (h weakHasher) Hash(ctx context.Context, password string) (string, error) {
	encoded, err := h.fastHasher.Hash(ctx, password)
	return weakPrefix + encoded, err
}

func (h weakHasher) Verify(ctx context.Context, encoded, password string) error {
	return h.fastHasher.Verify(ctx, strings.TrimPrefix(encoded, weakPrefix), password)
}

func (weakHasher) NeedsRehash(string) bool { return false }

// upgradingHasher makes hashes of the fastHasher and reads those of both.
type upgradingHasher struct{ weakHasher }

func (h upgradingHasher) Hash(ctx context.Context, password string) (string, error) {
	return h.fastHasher.Hash(ctx, password)
}

func (upgradingHasher) NeedsRehash(encoded string) bool {
	return strings.HasPrefix(encoded, weakPrefix)
}

const replacement = "battery staple"

// crashCase is something that a server does to an account.
type crashCase struct {
	do func(context.Context, *auth.Authenticator, auth.User) error

	// again lets the account log in once more, whose first write was to disable it. nil: that is not so.
	again func(context.Context, *auth.Authenticator, auth.User) error

	// keeps says that sessions go on when the hash is replaced. One that begins between the last two writes
	// before the crash may end.
	keeps bool
}

var crashCases = map[string]crashCase{
	"ChangePassword": {do: func(ctx context.Context, a *auth.Authenticator, u auth.User) error {
		_, err := a.ChangePassword(ctx, u.ID, refreshPassword, replacement)
		return err
	}},
	"ChangePassword with DangerouslyKeepSessions": {keeps: true, do: func(ctx context.Context, a *auth.Authenticator, u auth.User) error {
		_, err := a.ChangePassword(ctx, u.ID, refreshPassword, replacement)
		return err
	}},
	"SetPassword": {do: func(ctx context.Context, a *auth.Authenticator, u auth.User) error {
		return a.SetPassword(ctx, u.ID, replacement)
	}},
	"ResetPassword": {do: func(ctx context.Context, a *auth.Authenticator, u auth.User) error {
		fingerprint, err := a.Fingerprint(ctx, u.ID)
		if err != nil {
			return err
		}
		return a.ResetPassword(ctx, u.ID, fingerprint, replacement)
	}},
	"Disable": {
		do:    func(ctx context.Context, a *auth.Authenticator, u auth.User) error { return a.Disable(ctx, u.ID) },
		again: enableDisabled,
	},
	"Disable and Enable": {
		do: func(ctx context.Context, a *auth.Authenticator, u auth.User) error {
			return errors.Join(a.Disable(ctx, u.ID), a.Enable(ctx, u.ID))
		},
		again: enableDisabled,
	},
	"Delete": {do: func(ctx context.Context, a *auth.Authenticator, u auth.User) error { return a.Delete(ctx, u.ID) }},
	"Login that upgrades the hash": {keeps: true, do: func(ctx context.Context, a *auth.Authenticator, u auth.User) error {
		_, err := a.Login(ctx, u.Username, refreshPassword)
		return err
	}},
}

// enableDisabled enables an account that is disabled.
func enableDisabled(ctx context.Context, a *auth.Authenticator, u auth.User) error {
	_, err := a.Login(ctx, u.Username, refreshPassword)
	if errors.Is(err, auth.ErrInvalidCredentials) {
		return a.Enable(ctx, u.ID)
	}
	return err
}

// checkCrashes has a server crash at each write of each case, before the write is made and after it.
func checkCrashes(accounts Accounts, sessions auth.SessionStore, id func(n int) string) error {
	ctx, cancel := background()
	defer cancel()
	newServer, err := servers(accounts, sessions, id)
	if err != nil {
		return err
	}
	n := 0
	for name, c := range crashCases {
		for left, over := 0, true; over; left++ {
			for _, applied := range []bool{false, true} {
				n++
				at := &crash{left: left, applied: applied}
				if err := c.run(ctx, newServer, at, fmt.Sprint("user", n)); err != nil {
					return fmt.Errorf("%s, with a crash at write %d (applied: %t): %w", name, left+1, applied, err)
				}
				over = at.over
			}
		}
	}
	return nil
}

// servers returns a function that starts a server on the stores, with the same keys each time. The users get
// the IDs of id.
func servers(accounts Accounts, sessions auth.SessionStore, id func(n int) string) (func(auth.Config, *crash) (*auth.Authenticator, error), error) {
	key, err := jwt.GenerateKey(jwt.HS256)
	if err != nil {
		return nil, err
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		return nil, err
	}
	refreshKeys, err := secrets.NewRing(secrets.Generate())
	if err != nil {
		return nil, err
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://issuer.test", Audience: "api.test", Keys: keys})
	if err != nil {
		return nil, err
	}
	var users atomic.Int64
	newID := func(context.Context) (string, error) { return id(int(users.Add(1))), nil }
	return func(cfg auth.Config, at *crash) (*auth.Authenticator, error) {
		accounts, sessions := accounts, sessions
		if at != nil {
			accounts, sessions = crashingAccounts{accounts, at}, crashingSessions{sessions, at}
		}
		cfg.Sessions, cfg.Accounts, cfg.RefreshKeys, cfg.NewUserID = sessions, accounts, refreshKeys, newID
		return auth.New(accounts, tokens, cfg)
	}, nil
}

// run has a server crash once, and looks at what the next one finds.
func (c crashCase) run(ctx context.Context, newServer func(auth.Config, *crash) (*auth.Authenticator, error), at *crash, username string) error {
	first, err := newServer(auth.Config{Hasher: weakHasher{}}, nil)
	if err != nil {
		return err
	}
	u, err := first.Register(ctx, username, refreshPassword)
	if err != nil {
		return err
	}
	var before []string // refresh tokens from before the change, those of the owner and of a thief
	login := func() {
		if t, err := first.Login(ctx, username, refreshPassword); err == nil {
			before = append(before, t.RefreshToken)
		}
	}
	login()
	login()
	at.before = login // a thief who knows the password logs in before each write
	cfg := auth.Config{Hasher: upgradingHasher{}, DangerouslyKeepSessions: c.keeps}
	dying, err := newServer(cfg, at)
	if err != nil {
		return err
	}
	if err := c.do(ctx, dying, u); (err != nil) != at.over {
		return fmt.Errorf("the server, which has crashed: %t, returned %s", at.over, describe(err))
	}
	next, err := newServer(cfg, nil)
	if err != nil {
		return err
	}
	_, changed := next.Login(ctx, username, replacement)
	if changed != nil && !errors.Is(changed, auth.ErrInvalidCredentials) {
		return changed
	}
	_, unchanged := next.Login(ctx, username, refreshPassword)
	if unchanged != nil && !errors.Is(unchanged, auth.ErrInvalidCredentials) {
		return unchanged
	}
	if changed == nil && unchanged == nil {
		return errors.New("both passwords are accepted")
	}
	if c.again != nil {
		if err := c.again(ctx, next, u); err != nil {
			return err
		}
	}
	want := error(nil)
	if !c.keeps && unchanged != nil || c.again != nil && at.made > 0 {
		want = auth.ErrInvalidGrant
	}
	if c.keeps && at.over {
		before = before[:2]
	}
	for i, token := range before {
		if _, err := next.Refresh(ctx, token); !errors.Is(err, want) {
			return fmt.Errorf("the password %t, Refresh of session %d from before returned %s, want %s", changed == nil, i+1, describe(err), describe(want))
		}
	}
	return nil
}
