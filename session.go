package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-e36e2130/auth/internal/clock"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/session"
)

// maxConflicts bounds how often one call meets a session that others have just changed. Two attempts
// suffice in practice: after one conflict the refresh token is no longer the newest. 8 is a safety
// limit.
const maxConflicts = 8

// revokedTime bounds how long a call that ends a session waits for Config.Revoked.
const revokedTime = time.Second

// begin returns the tokens of an account that has just logged in by amr, with a session if there
// are sessions. It returns errChanged if what was proven of u does not hold once there is one.
func (a *Authenticator) begin(ctx context.Context, u User, amr []string) (Tokens, error) {
	if a.sessions == nil {
		t, err := a.issue(ctx, grant{user: u, authTime: clock.Microseconds(time.Now()), amr: amr})
		if err == nil {
			a.emit(ctx, EventLogin, u.ID, "")
		}
		return t, err
	}
	sessions := a.sessions.With(session.TermsFromContext(ctx))
	s := sessions.Draft(u.ID, DeviceFromContext(ctx))
	t, err := a.issue(ctx, grant{user: u, sessionID: s.ID, authTime: s.CreatedAt, amr: amr, end: s.ExpiresAt})
	if err != nil {
		return Tokens{}, err
	}
	refresh, err := sessions.CreateBound(ctx, &s, fingerprintOf(u), amr, t.expiry(s.ExpiresAt))
	if err != nil {
		return Tokens{}, err
	}
	// A concurrent password change, enrolment of a second factor, or Disable either happened before
	// this check or will end the new session.
	if err := a.recheckLogin(ctx, u, amr); err != nil {
		after, cancel := detached(ctx)
		defer cancel()
		_, _ = a.sessions.Delete(after, &s) // nobody has its tokens
		return Tokens{}, err
	}
	t.RefreshToken, t.RefreshExpiresIn = refresh.Text, refresh.ExpiresIn
	a.endSurplus(ctx, u.ID, s.ID)
	a.emit(ctx, EventLogin, u.ID, s.ID)
	return t, nil
}

// recheckLogin returns errChanged if what a login by amr has proven of u is no longer enough.
func (a *Authenticator) recheckLogin(ctx context.Context, u User, amr []string) error {
	if _, err := a.recheck(ctx, u); err != nil {
		return err
	}
	due, err := a.factorDue(ctx, u.ID, amr)
	if err == nil && due {
		err = errChanged
	}
	return err
}

// endSurplus ends the sessions of a user that are beyond the limit, the least recently used first,
// but never keep. If it fails, the login goes on.
func (a *Authenticator) endSurplus(ctx context.Context, userID, keep string) {
	list, err := a.sessions.List(ctx, userID)
	for ; err == nil && len(list) > a.sessions.PerUser(); list = list[:len(list)-1] {
		if oldest := list[len(list)-1].ID; oldest != keep {
			err = a.EndSession(ctx, userID, oldest)
		}
		if errors.Is(err, ErrSessionNotFound) {
			err = nil // another login ended it
		}
	}
	if err != nil {
		a.log.WarnContext(ctx, "auth: sessions beyond SessionsPerUser were not ended", "user", userID, "error", err)
	}
}

var errNoSessions = errors.New("auth: there are no sessions: Config.Sessions is nil")

// Refresh returns new tokens for a refresh token. It reads the account again, calls Config.Claims
// again, and replaces the refresh token.
//
// The newest refresh token of a session is replaced by a new one. For Config.RefreshWindow a used
// one gets the same answer again, on whatever replica: two tabs share a token, and requests are
// repeated. Later, the token that was used last still works if its successor was never used, because
// the reply was lost; it gets another successor. Any other formerly valid token means that two
// parties hold the session: it ends, and [EventReuse] says so. A stolen token is noticed when both
// the thief and the owner have used theirs. Clients that keep copies of a token in separate storage
// and use each look like thieves.
//
// It returns [ErrInvalidGrant] if the token belongs to no session, is not genuine, is used up or
// expired, or if the account is gone or disabled. A token that is not genuine changes nothing:
// knowing a session's ID is not enough to end it.
func (a *Authenticator) Refresh(ctx context.Context, refreshToken string) (Tokens, error) {
	if a.sessions == nil {
		return Tokens{}, errNoSessions
	}
	for range maxConflicts {
		use, err := a.sessions.Open(ctx, refreshToken)
		if err != nil {
			return Tokens{}, err
		}
		t, err := a.refresh(ctx, use)
		if err != ErrConflict {
			return t, err
		}
	}
	return Tokens{}, &RetryError{Err: ErrBusy, After: time.Second}
}

// refresh answers one use of a genuine refresh token. It returns [ErrConflict] if the session has
// changed meanwhile.
func (a *Authenticator) refresh(ctx context.Context, use *session.Use) (Tokens, error) {
	s := &use.Session
	switch use.Verdict {
	case session.Expired:
		return Tokens{}, ErrInvalidGrant
	case session.Theft:
		return Tokens{}, a.refuseGrant(ctx, func(ctx context.Context) error { return a.endOne(ctx, s, EventReuse) })
	}
	u, err := a.userByID(ctx, s.UserID)
	if err != nil {
		return Tokens{}, err
	}
	if u.ID == "" || u.Disabled {
		return Tokens{}, a.refuseGrant(ctx, func(ctx context.Context) error { return a.endAll(ctx, s.UserID) })
	}
	if !use.BelongsTo(fingerprintOf(u)) { // the password was changed, and its sessions were not ended
		return Tokens{}, a.refuseGrant(ctx, func(ctx context.Context) error { return a.endOne(ctx, s, EventSessionEnded) })
	}
	end := use.End()
	t, err := a.issue(WithSession(ctx, use.Terms()), grant{user: u, sessionID: s.ID, authTime: s.CreatedAt, amr: use.AMR(), end: end})
	switch {
	case errors.Is(err, ErrInvalidCredentials):
		return Tokens{}, ErrInvalidGrant
	case err != nil:
		return Tokens{}, err
	}
	refresh, err := use.Renew(ctx, DeviceFromContext(ctx), t.expiry(end))
	if err != nil {
		return Tokens{}, err
	}
	t.RefreshToken, t.RefreshExpiresIn = refresh.Text, refresh.ExpiresIn
	a.emit(ctx, EventRefresh, s.UserID, s.ID)
	return t, nil
}

// refuseGrant returns [ErrInvalidGrant] once end has ended what must end. A client that hangs up
// does not stop that.
func (a *Authenticator) refuseGrant(ctx context.Context, end func(context.Context) error) error {
	ctx, cancel := detached(ctx)
	defer cancel()
	if err := end(ctx); err != nil {
		return err
	}
	return ErrInvalidGrant
}

// Logout ends the session of a refresh token, whichever of its tokens it is. A token that belongs
// to no session, or is not genuine, is no error: there is nothing to end (RFC 7009 section 2.2).
// The session's access tokens end with it where a revocation.List is asked, and otherwise when they
// expire.
func (a *Authenticator) Logout(ctx context.Context, refreshToken string) error {
	if a.sessions == nil {
		return errNoSessions
	}
	use, err := a.sessions.Open(ctx, refreshToken)
	switch {
	case errors.Is(err, ErrInvalidGrant):
		return nil
	case err != nil:
		return err
	}
	return a.endOne(ctx, &use.Session, EventLogout)
}

// issueInSession issues another access token of a session, for a caller who has just proven amr. It
// expires with the session at the latest.
func (a *Authenticator) issueInSession(ctx context.Context, u User, sessionID string, amr []string) (Tokens, error) {
	for range maxConflicts {
		use, err := a.liveSession(ctx, u, sessionID)
		if err != nil {
			return Tokens{}, err
		}
		end := use.End()
		t, err := a.issue(WithSession(ctx, use.Terms()), grant{user: u, sessionID: sessionID, authTime: clock.Microseconds(time.Now()), amr: amr, end: end})
		if err != nil {
			return Tokens{}, err
		}
		if err := use.Extend(ctx, t.expiry(end)); err != ErrConflict {
			if err != nil {
				return Tokens{}, err
			}
			return t, nil
		}
	}
	return Tokens{}, &RetryError{Err: ErrBusy, After: time.Second}
}

// liveSession returns a session of a user that has not ended.
func (a *Authenticator) liveSession(ctx context.Context, u User, sessionID string) (*session.Use, error) {
	switch {
	case a.sessions == nil:
		return nil, errNoSessions
	case u.ID == "" || u.Disabled:
		return nil, ErrInvalidCredentials
	}
	use, err := a.sessions.Find(ctx, u.ID, sessionID)
	if errors.Is(err, ErrSessionNotFound) || err == nil && !use.BelongsTo(fingerprintOf(u)) {
		return nil, ErrInvalidGrant
	}
	return use, err
}

// Delegate returns an access token by which an agent acts for p, the verified caller: see
// [jwt.Principal.Delegated] for what it says, and for the limits of d, whose error is [jwt.ErrDelegation].
// Custom claims come from [Config].Claims, and nothing else does. There is no refresh token; the token ends
// with the session of p. Delegate returns [ErrInvalidGrant] if that session has ended and
// [ErrInvalidCredentials] if the account is disabled or deleted.
func (a *Authenticator) Delegate(ctx context.Context, p *Principal, d jwt.Delegation) (Tokens, error) {
	c, err := p.Delegated(d)
	if err != nil {
		return Tokens{}, err
	}
	u, err := a.userByID(ctx, c.Subject)
	if err != nil {
		return Tokens{}, err
	}
	use, err := a.liveSession(ctx, u, c.SessionID)
	if err != nil {
		return Tokens{}, err
	}
	t, err := a.issue(ctx, grant{user: u, sessionID: c.SessionID, end: use.End(), agent: &c})
	if err != nil {
		return Tokens{}, err
	}
	if t.Principal.Issuer() != p.Issuer() || !slices.Equal(t.Principal.Audience(), p.Audience()) {
		return Tokens{}, fmt.Errorf("%w: the caller's token is another issuer's, or for another API", jwt.ErrDelegation)
	}
	a.events(ctx, Event{Kind: EventDelegated, UserID: u.ID, SessionID: c.SessionID, Actor: d.Actor, ClientID: d.ClientID, Device: DeviceFromContext(ctx)})
	return t, nil
}

// withOwnTerms returns a context for a login in place of the session that the call comes from, whose
// terms it keeps.
func (a *Authenticator) withOwnTerms(ctx context.Context, userID string) (context.Context, error) {
	p, ok := FromContext(ctx)
	if !ok || a.sessions == nil {
		return ctx, nil
	}
	terms, err := a.sessions.TermsOf(ctx, userID, p.SessionID())
	return WithSession(ctx, terms), err
}

// Sessions returns the sessions of a user that have not expired, the last used first, without State
// and Version. Like the methods below it is for users about their own sessions, so take userID from
// a verified [jwt.Principal], whose SessionID is the session of the caller; or for callers who may act
// for all users.
func (a *Authenticator) Sessions(ctx context.Context, userID string) ([]Session, error) {
	if a.sessions == nil {
		return nil, errNoSessions
	}
	return a.sessions.List(ctx, userID)
}

// EndSession ends one session of a user. It returns [ErrSessionNotFound] if there is none with this
// ID, or if it is another user's.
func (a *Authenticator) EndSession(ctx context.Context, userID, sessionID string) error {
	if a.sessions == nil {
		return errNoSessions
	}
	ended, err := a.sessions.DeleteOf(ctx, userID, sessionID)
	if err == nil && ended {
		a.ended(ctx, EventSessionEnded, userID, sessionID)
	}
	return err
}

// EndSessions ends all sessions of a user except the one whose ID is except. With an empty except it
// ends every session, and the user's access tokens that belong to no session. Call it where your own
// code disables or deletes an account: a refresh is refused then anyway, but an access token is not.
func (a *Authenticator) EndSessions(ctx context.Context, userID, except string) error {
	if a.sessions == nil {
		return errNoSessions
	}
	if err := a.sessions.DeleteAll(ctx, userID, except); err != nil {
		return err
	}
	a.ended(ctx, EventSessionsEnded, userID, except)
	return nil
}

// EndOtherSessions ends all sessions of a user except the one whose ID is keep, because another
// password, address or second factor now proves who the user is: a thief may have a session from
// before. Package authhttp and package recovery call it after such changes. It does nothing where
// there are no sessions, or with [Config].DangerouslyKeepSessions.
func (a *Authenticator) EndOtherSessions(ctx context.Context, userID, keep string) error {
	if a.sessions == nil || a.keepSessions {
		return nil
	}
	return a.EndSessions(ctx, userID, keep)
}

// endAll is EndSessions for every session, also where there are no sessions to end.
func (a *Authenticator) endAll(ctx context.Context, userID string) error {
	if a.sessions == nil {
		return nil
	}
	return a.EndSessions(ctx, userID, "")
}

// endOne ends a session, and emits an event unless another call was faster.
func (a *Authenticator) endOne(ctx context.Context, s *Session, kind EventKind) error {
	ended, err := a.sessions.Delete(ctx, s)
	if err == nil && ended {
		a.ended(ctx, kind, s.UserID, s.ID)
	}
	return err
}

// ended makes an end of sessions take effect in this process, and emits an event. On other replicas
// it takes effect a moment later; here, too, if Config.Revoked fails.
func (a *Authenticator) ended(ctx context.Context, kind EventKind, userID, sessionID string) {
	if a.revoked != nil {
		syncing, cancel := context.WithTimeout(ctx, revokedTime)
		defer cancel()
		if err := a.revoked(syncing); err != nil {
			a.log.WarnContext(ctx, "auth: Config.Revoked failed", "error", err)
		}
	}
	a.emit(ctx, kind, userID, sessionID)
}
