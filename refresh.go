package auth

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// refreshTries bounds how often one call meets a session that others have just
// changed. The second time its token is no longer the newest, so two are enough
// unless something is very wrong.
const refreshTries = 8

// endingTime is how long the end of a session may take that its client did not
// ask for and would cancel.
const endingTime = 10 * time.Second

// ending returns a context for what must be done though the client is gone, but not
// though the store is.
func ending(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), endingTime)
}

// Refresh returns new tokens for a refresh token: it reads the account again,
// calls Config.Claims again, and changes the refresh token.
//
// The newest refresh token of a session gets a new one. A used one gets the same
// answer for Config.RefreshWindow, on whatever replica: two tabs share a token,
// requests are repeated. Later the last used one gets another in place of its
// answer, which was never used and never will be: it was lost on the way. Every
// other token that was genuine once is in two hands: the session ends, and
// [EventReuse] says so. One that was copied is noticed when both hands have used
// theirs; clients that keep copies in storage of their own, and use them apart,
// look like thieves.
//
// It returns [ErrInvalidGrant] if the token is no session's, is not genuine, is
// used up or expired, or if the account is gone or disabled. What is not genuine
// changes nothing: it takes a token to end a session, not its ID.
func (a *Authenticator) Refresh(ctx context.Context, refreshToken string) (Tokens, error) {
	if err := a.sessionsMissing(); err != nil {
		return Tokens{}, err
	}
	for range refreshTries {
		use, err := a.sessions.open(ctx, refreshToken)
		if err != nil {
			return Tokens{}, err
		}
		tokens, err := a.refresh(ctx, use)
		if err != errOvertaken {
			return tokens, err
		}
	}
	return Tokens{}, &RetryError{Err: ErrBusy, After: time.Second}
}

// Logout ends the session of a refresh token, whichever of its tokens it is. A
// token that is no session's, or not genuine, is none to log out: that is success
// (RFC 7009 section 2.2). Access tokens of the session end with it where a
// revocation.List is asked, else when they expire.
func (a *Authenticator) Logout(ctx context.Context, refreshToken string) error {
	if err := a.sessionsMissing(); err != nil {
		return err
	}
	use, err := a.sessions.open(ctx, refreshToken)
	switch {
	case errors.Is(err, ErrInvalidGrant):
		return nil
	case err != nil:
		return err
	}
	return a.end(ctx, &use.session, EventLogout)
}

// presented is a genuine refresh token beside the session that it is of.
type presented struct {
	token    refreshToken
	session  Session
	rotation rotation
	now      time.Time // by the store's clock
}

// open returns what a refresh token is of. It returns [ErrInvalidGrant] if it is
// not genuine.
func (s *sessions) open(ctx context.Context, text string) (u presented, err error) {
	t, ok := parseRefreshToken(text)
	if !ok || !t.knownKey(s.keys) {
		return presented{}, ErrInvalidGrant
	}
	u.token = t
	switch u.session, u.now, err = s.store.Session(ctx, t.sessionID()); {
	case errors.Is(err, ErrSessionNotFound):
		return presented{}, ErrInvalidGrant
	case err != nil:
		return presented{}, fmt.Errorf("auth: load session: %w", err)
	}
	if u.rotation, err = decodeRotation(u.session.State); err != nil {
		return presented{}, err
	}
	if !t.genuine(s.keys, u.rotation.Seed) {
		return presented{}, ErrInvalidGrant
	}
	return u, nil
}

// errOvertaken says that the session has changed since it was loaded.
var errOvertaken = errors.New("auth: overtaken")

// refresh answers one use of a genuine token.
func (a *Authenticator) refresh(ctx context.Context, use presented) (Tokens, error) {
	s := &use.session
	if !a.sessions.lives(s, use.now) {
		return Tokens{}, ErrInvalidGrant
	}
	verdict, next := use.rotation.present(
		use.token.Generation, use.token.Attempt, instant(use.now.UnixMicro()), a.sessions.window)
	if verdict == theft {
		return Tokens{}, a.refuse(ctx, func(ctx context.Context) error { return a.end(ctx, s, EventReuse) })
	}
	u, err := found(a.users.UserByID(ctx, s.UserID))
	if err != nil {
		return Tokens{}, err
	}
	if u.ID == "" || u.Disabled {
		return Tokens{}, a.refuse(ctx, func(ctx context.Context) error { return a.endAll(ctx, s.UserID) })
	}

	replacement := *s
	if verdict != repeat {
		replacement.LastUsedAt, replacement.ExpiresAt = use.now, a.sessions.end(s.CreatedAt, use.now)
		replacement.Version++
		if a.device != (Device{}) {
			replacement.Device = a.device
		}
	}
	left := replacement.ExpiresAt.Sub(use.now)
	end := time.Now().Add(max(left, time.Second)) // by this clock, which access tokens go by
	t, err := a.issue(ctx, u, s.CreatedAt, next.amr(), s.ID, end)
	switch {
	case errors.Is(err, ErrInvalidCredentials):
		return Tokens{}, ErrInvalidGrant
	case err != nil:
		return Tokens{}, err
	}
	if err := a.sessions.addRefreshToken(ctx, &t, s.ID, &next, left); err != nil {
		return Tokens{}, err
	}
	// Last, so that whatever failed before has used up no token.
	if verdict != repeat {
		// A repeat makes an access token and writes nothing, so allow for it here.
		next.TokensUntil = max(next.TokensUntil, t.until(end)+max(a.sessions.window, 0))
		replacement.State = next.encode()
		switch err := a.sessions.store.ReplaceSession(ctx, *s, replacement); {
		case errors.Is(err, ErrConflict):
			return Tokens{}, errOvertaken
		case err != nil:
			return Tokens{}, fmt.Errorf("auth: replace session: %w", err)
		}
	}
	a.tell(ctx, EventRefresh, s.UserID, s.ID)
	return t, nil
}

// refuse returns [ErrInvalidGrant] once end has ended what must end, which a
// client that hangs up does not stop.
func (a *Authenticator) refuse(ctx context.Context, end func(context.Context) error) error {
	ctx, cancel := ending(ctx)
	defer cancel()
	if err := end(ctx); err != nil {
		return err
	}
	return ErrInvalidGrant
}
