package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Bounds of sessions.
const (
	defaultWindow          = 30 * time.Second
	maxWindow              = 10 * time.Minute
	defaultSessionIdle     = 14 * 24 * time.Hour
	defaultSessionLifetime = 90 * 24 * time.Hour
	minSessionLifetime     = time.Minute
	maxSessionLifetime     = 3650 * 24 * time.Hour
	defaultSessionsPerUser = 100
	maxSessionsPerUser     = 1000

	// revocationMargin is for the leeway of verifiers and for clocks that differ.
	revocationMargin = 5 * time.Minute

	// syncTime is how long who ends a session waits for Config.Revoked.
	syncTime = time.Second
)

// sessions is what an Authenticator knows of them.
type sessions struct {
	store          SessionStore
	keys           *KeyRing
	window         instant // negative: none
	idle, lifetime time.Duration
	perUser        int
	revoked        func(context.Context) error // nil: nobody asks
}

// newSessions returns the part of cfg that is about sessions.
func newSessions(cfg *Config, fault func(field, value, reason string)) *sessions {
	if cfg.Sessions == nil {
		for _, one := range []struct {
			field string
			set   bool
		}{
			{"RefreshKeys", cfg.RefreshKeys != nil}, {"Revoked", cfg.Revoked != nil}, {"RefreshWindow", cfg.RefreshWindow != 0},
			{"SessionIdle", cfg.SessionIdle != 0}, {"SessionLifetime", cfg.SessionLifetime != 0}, {"SessionsPerUser", cfg.SessionsPerUser != 0},
		} {
			if one.set {
				fault("Config."+one.field, "", "is of no use without Sessions")
			}
		}
		return nil
	}
	within := func(field string, value, otherwise, least, most time.Duration) time.Duration {
		if value == 0 {
			return otherwise
		}
		if value < least || value > most {
			fault(field, value.String(), fmt.Sprintf("must be 0 or %v to %v", least, most))
		}
		return value
	}
	if cfg.RefreshKeys == nil || cfg.RefreshKeys.snapshot() == nil {
		fault("Config.RefreshKeys", "", "is required with Sessions")
	} else if !isRefreshKey(cfg.RefreshKeys.snapshot().signing) {
		fault("Config.RefreshKeys", "", "must sign, and with an HS256 secret")
	}
	s := &sessions{
		store: cfg.Sessions, keys: cfg.RefreshKeys, window: -1, perUser: cfg.SessionsPerUser, revoked: cfg.Revoked,
		idle:     within("Config.SessionIdle", cfg.SessionIdle, defaultSessionIdle, minSessionLifetime, maxSessionLifetime),
		lifetime: within("Config.SessionLifetime", cfg.SessionLifetime, defaultSessionLifetime, minSessionLifetime, maxSessionLifetime),
	}
	if cfg.RefreshWindow >= 0 {
		window := within("Config.RefreshWindow", cfg.RefreshWindow, defaultWindow, time.Millisecond, maxWindow)
		s.window = instant(window.Microseconds())
	}
	switch {
	case s.perUser == 0:
		s.perUser = defaultSessionsPerUser
	case s.perUser < 1 || s.perUser > maxSessionsPerUser:
		fault("Config.SessionsPerUser", fmt.Sprint(s.perUser), fmt.Sprintf("must be 0 or 1 to %d", maxSessionsPerUser))
	}
	return s
}

// end returns when a session ends that was last used at used.
func (s *sessions) end(created, used time.Time) time.Time {
	idle, absolute := used.Add(s.idle), created.Add(s.lifetime)
	if absolute.Before(idle) {
		return absolute
	}
	return idle
}

// begin returns the tokens of an account that has just proven who it is by amr,
// with a session if there are sessions. What it proved must still hold when there
// is one: see still.
func (a *Authenticator) begin(ctx context.Context, u User, password string, amr []string) (Tokens, error) {
	now := toMicroseconds(time.Now())
	if a.sessions == nil {
		t, err := a.issue(ctx, u, now, amr, "", time.Time{})
		if err == nil {
			a.tell(ctx, EventLogin, u.ID, "")
		}
		return t, err
	}
	end := a.sessions.end(now, now)
	s := Session{
		ID: newSessionID(), UserID: u.ID, CreatedAt: now, LastUsedAt: now, ExpiresAt: end, Device: a.device,
	}
	t, err := a.issue(ctx, u, now, amr, s.ID, end)
	if err != nil {
		return Tokens{}, err
	}
	r := newRotation(amr)
	r.TokensUntil = t.until(end)
	s.State = r.encode()
	if err := a.sessions.addRefreshToken(ctx, &t, s.ID, &r, end.Sub(now)); err != nil {
		return Tokens{}, err
	}
	if err := a.sessions.store.CreateSession(ctx, s); err != nil {
		return Tokens{}, fmt.Errorf("auth: create session: %w", err)
	}
	// Who changes a password ends all sessions next, and who disables an account
	// should. Either came before this look, or finds the session.
	if _, err := a.still(ctx, u, password); err != nil {
		after, cancel := ending(ctx)
		defer cancel()
		_, _ = a.sessions.delete(after, &s, &r) // nobody has its tokens
		return Tokens{}, err
	}
	a.endSurplus(ctx, u.ID, s.ID)
	a.tell(ctx, EventLogin, u.ID, s.ID)
	return t, nil
}

// until returns when the access token expires, or end if it does not say.
func (t *Tokens) until(end time.Time) instant {
	if expiry := t.Principal.Expiry(); !expiry.IsZero() {
		end = expiry
	}
	return instant(end.UnixMicro())
}

func (s *sessions) addRefreshToken(ctx context.Context, t *Tokens, id string, r *rotation, life time.Duration) (err error) {
	t.RefreshToken, err = newRefreshToken(ctx, s.keys, id, r)
	t.RefreshExpiresIn = life.Truncate(time.Second)
	return err
}

// endSurplus ends the sessions of a user that are too many, but never keep. That
// it fails costs no login.
func (a *Authenticator) endSurplus(ctx context.Context, userID, keep string) {
	list, err := a.Sessions(ctx, userID)
	for ; err == nil && len(list) > a.sessions.perUser; list = list[:len(list)-1] {
		if oldest := list[len(list)-1].ID; oldest != keep {
			err = a.EndSession(ctx, userID, oldest)
		}
		if errors.Is(err, ErrSessionNotFound) {
			err = nil // by another login
		}
	}
	if err != nil {
		a.log.WarnContext(ctx, "auth: sessions beyond SessionsPerUser were not ended", "user", userID, "error", err)
	}
}

// Sessions returns the sessions of a user that have not expired, the last used
// first, without what the library keeps for itself. Like what follows it is for
// users about their own, so take userID from a verified [Principal], whose
// SessionID is the one that is asking; or for whoever may act for all users.
func (a *Authenticator) Sessions(ctx context.Context, userID string) ([]Session, error) {
	if err := a.sessionsMissing(); err != nil {
		return nil, err
	}
	all, err := a.sessions.store.Sessions(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("auth: list sessions: %w", err)
	}
	now := time.Now()
	var list []Session
	for _, s := range all {
		if a.sessions.lives(&s, now) {
			s.State, s.Version = nil, 0
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(x, y Session) int { return y.LastUsedAt.Compare(x.LastUsedAt) })
	return list, nil
}

// EndSession ends one session of a user. It returns [ErrSessionNotFound] if there
// is none with this ID, or it is another user's.
func (a *Authenticator) EndSession(ctx context.Context, userID, sessionID string) error {
	if err := a.sessionsMissing(); err != nil {
		return err
	}
	s, _, err := a.sessions.store.Session(ctx, sessionID)
	switch {
	case errors.Is(err, ErrSessionNotFound) || err == nil && s.UserID != userID:
		return ErrSessionNotFound
	case err != nil:
		return fmt.Errorf("auth: load session: %w", err)
	}
	return a.end(ctx, &s, EventSessionEnded)
}

// EndSessions ends all sessions of a user but the one whose ID is except; with an
// empty except it ends every one, and with them the user's access tokens that
// belong to no session. Call it where an account is
// disabled or deleted: a refresh is refused then anyway, but an access token is not.
func (a *Authenticator) EndSessions(ctx context.Context, userID, except string) error {
	if err := a.sessionsMissing(); err != nil {
		return err
	}
	now := time.Now()
	err := a.sessions.store.DeleteUserSessions(ctx, userID, except, now, now.Add(maxLifetime+revocationMargin))
	if err != nil {
		return fmt.Errorf("auth: end sessions: %w", err)
	}
	a.sync(ctx)
	a.tell(ctx, EventSessionsEnded, userID, except)
	return nil
}

// endAll is EndSessions where there may be no sessions to end.
func (a *Authenticator) endAll(ctx context.Context, userID string) error {
	if a.sessions == nil {
		return nil
	}
	return a.EndSessions(ctx, userID, "")
}

var errNoSessions = errors.New("auth: there are no sessions: Config.Sessions is nil")

func (a *Authenticator) sessionsMissing() error {
	switch {
	case a.unusable():
		return errUnusable
	case a.sessions == nil:
		return errNoSessions
	}
	return nil
}

// lives reports whether s has not expired by now, under the limits that are in
// force now: lower ones than when it was written end it sooner.
func (s *sessions) lives(one *Session, now time.Time) bool {
	return now.Before(one.ExpiresAt) && now.Before(s.end(one.CreatedAt, one.LastUsedAt))
}

// end ends a session and says so, unless another was faster.
func (a *Authenticator) end(ctx context.Context, s *Session, kind EventKind) error {
	r, err := decodeRotation(s.State)
	if err != nil {
		r.TokensUntil = instant(time.Now().Add(maxLifetime).UnixMicro()) // ending must work whatever else does not
	}
	ended, err := a.sessions.delete(ctx, s, &r)
	if err != nil {
		return err
	}
	if ended {
		a.sync(ctx)
		a.tell(ctx, kind, s.UserID, s.ID)
	}
	return nil
}

// delete removes a session for as long as its access tokens live. It returns
// false if it was gone.
func (s *sessions) delete(ctx context.Context, one *Session, r *rotation) (bool, error) {
	expiry := r.TokensUntil.time().Add(revocationMargin)
	switch err := s.store.DeleteSession(ctx, one.ID, expiry); {
	case errors.Is(err, ErrSessionNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("auth: end session: %w", err)
	}
	return true, nil
}

// sync has what was just recorded take effect here. Elsewhere, and here too if
// this fails, it takes a moment longer.
func (a *Authenticator) sync(ctx context.Context) {
	if a.sessions.revoked == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, syncTime)
	defer cancel()
	if err := a.sessions.revoked(ctx); err != nil {
		a.log.WarnContext(ctx, "auth: Config.Revoked failed", "error", err)
	}
}

func (a *Authenticator) tell(ctx context.Context, kind EventKind, userID, sessionID string) {
	a.events(ctx, Event{Kind: kind, UserID: userID, SessionID: sessionID, Device: a.device})
}
