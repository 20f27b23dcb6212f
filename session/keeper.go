package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/clock"
	"github.com/seed-e36e2130/auth/secrets"
)

// Config says how long sessions live and what makes their refresh tokens. The Authenticator of
// package auth fills it from its own Config, whose fields say more about each.
type Config struct {
	Store   Store         // required
	Keys    *secrets.Ring // required; makes and verifies refresh tokens
	Window  time.Duration // how long a used token repeats its answer; 0: 30 s; at most 10 minutes; negative: not at all
	Idle    time.Duration // life of a session that is not used; 0: 14 days; from 1 minute to 3,650 days
	Life    time.Duration // life of any session; 0: 90 days; from 1 minute to 3,650 days
	PerUser int           // sessions that a user may have at once; 0: 100; from 1 to 1,000

	// TokenLife is the longest life of an access token: a revocation is kept that long.
	TokenLife time.Duration
}

// revocationMargin is how much longer a revocation is kept than the tokens that it ends: 5 minutes for
// the leeway of verifiers, and 5 for clocks that differ.
const revocationMargin = 10 * time.Minute

// clockSkew is how far the clock of a replica that issues tokens may be ahead of the clock of one
// that revokes them: as far as verifiers allow by default. See decision 0102.
const clockSkew = 30 * time.Second

// minLife and maxLife bound each life of a session.
const minLife, maxLife = time.Minute, 3650 * 24 * time.Hour

// Keeper applies the rules of sessions: when they end, which refresh tokens are genuine, and what
// the use of one means. It is immutable and safe for concurrent use.
type Keeper struct {
	store      Store
	keys       *secrets.Ring
	window     clock.Instant // negative: none
	idle, life time.Duration
	perUser    int
	tokenLife  time.Duration
	terms      Terms // terms of sessions that begin; idle and life are bounded by them
}

// New returns a Keeper, or every fault of cfg as a [*cfgerr.Error]. Their fields are those of
// auth.Config, which is where a host sets them.
func New(cfg Config) (*Keeper, error) {
	faults := cfgerr.Faults{Prefix: "Config."}
	faults.Require("Sessions", cfg.Store != nil)
	if cfg.Keys == nil || len(cfg.Keys.Keys()) == 0 {
		faults.Add("RefreshKeys", "", "is required with Sessions")
	}
	k := &Keeper{
		store: cfg.Store, keys: cfg.Keys, window: -1, tokenLife: cfg.TokenLife,
		idle:    cfgerr.Within(&faults, "SessionIdle", cfg.Idle, 14*24*time.Hour, minLife, maxLife),
		life:    cfgerr.Within(&faults, "SessionLifetime", cfg.Life, 90*24*time.Hour, minLife, maxLife),
		perUser: cfgerr.Within(&faults, "SessionsPerUser", cfg.PerUser, 100, 1, 1000),
	}
	if cfg.Window >= 0 {
		window := cfgerr.Within(&faults, "RefreshWindow", cfg.Window, 30*time.Second, time.Millisecond, 10*time.Minute)
		k.window = clock.Instant(window.Microseconds())
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return k, nil
}

// PerUser returns how many sessions a user may have at once.
func (k *Keeper) PerUser() int { return k.perUser }

// end returns when a session ends that was last used at used.
func (k *Keeper) end(created, used time.Time) time.Time {
	idle, absolute := used.Add(k.idle), created.Add(k.life)
	if absolute.Before(idle) {
		return absolute
	}
	return idle
}

// lives reports whether s has not expired by now. It applies the limits that are in force now: if
// they are lower than when s was written, s ends sooner.
func (k *Keeper) lives(s *Session, now time.Time) bool {
	return now.Before(s.ExpiresAt) && now.Before(k.end(s.CreatedAt, s.LastUsedAt))
}

// Draft returns a session that begins now, for a user who has just logged in. [Keeper.Create] stores
// it.
func (k *Keeper) Draft(userID string, d Device) Session {
	now := clock.Microseconds(time.Now())
	return Session{
		ID: newID(), UserID: userID, CreatedAt: now, LastUsedAt: now, ExpiresAt: k.end(now, now), Device: d.Clean(),
	}
}

// RefreshToken is a refresh token and how long it is good for.
type RefreshToken struct {
	Text      string
	ExpiresIn time.Duration // whole seconds
}

// Create stores a session that was drafted and returns its first refresh token. amr says how the
// user has logged in, at most [MaxMethods] bytes. tokensUntil is when the access token expires that
// was issued for the session.
func (k *Keeper) Create(ctx context.Context, draft *Session, amr []string, tokensUntil time.Time) (RefreshToken, error) {
	return k.create(ctx, draft, nil, amr, tokensUntil)
}

func (k *Keeper) create(ctx context.Context, draft *Session, bound []binding, amr []string, tokensUntil time.Time) (RefreshToken, error) {
	r := newRotation(amr)
	r.bound = bound
	r.terms = k.terms
	r.TokensUntil = clock.At(tokensUntil)
	draft.State = r.encode()
	token, err := k.token(draft.ID, &r, draft.ExpiresAt.Sub(draft.CreatedAt))
	if err != nil {
		return RefreshToken{}, err
	}
	if err := k.store.CreateSession(ctx, *draft); err != nil {
		return RefreshToken{}, fmt.Errorf("auth: create session: %w", err)
	}
	return token, nil
}

func (k *Keeper) token(sessionID string, r *rotation, life time.Duration) (RefreshToken, error) {
	text, err := newRefreshToken(k.keys, sessionID, r)
	return RefreshToken{text, life.Truncate(time.Second)}, err
}

// Use is one use of a genuine refresh token. It belongs to one call.
type Use struct {
	Session Session
	Verdict Verdict

	keeper *Keeper
	next   rotation  // state that the verdict leads to
	now    time.Time // time of the store
}

// Open returns the session of a refresh token, and what the rule of rotation says of this use. It
// changes nothing. It returns [ErrInvalidGrant] if the token is not genuine.
func (k *Keeper) Open(ctx context.Context, refreshToken string) (*Use, error) {
	t, ok := parseRefreshToken(refreshToken)
	if !ok {
		return nil, ErrInvalidGrant
	}
	key, known := k.keys.ByMark(t.Key)
	if !known { // decided without the store
		return nil, ErrInvalidGrant
	}
	u, err := k.load(ctx, t.sessionID())
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, ErrInvalidGrant
	case err != nil:
		return nil, err
	}
	if !key.Verify(t.input(u.next.Seed), t.MAC[:]) {
		return nil, ErrInvalidGrant
	}
	if u.keeper.lives(&u.Session, u.now) {
		u.Verdict, u.next = u.next.present(t.Generation, t.Attempt, clock.At(u.now), k.window)
	}
	return u, nil
}

// load returns a session with its state.
func (k *Keeper) load(ctx context.Context, id string) (*Use, error) {
	s, now, err := k.store.Session(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("auth: load session: %w", err)
	}
	r, err := decodeRotation(s.State)
	if err != nil {
		return nil, err
	}
	return &Use{Session: s, keeper: k.With(r.terms), next: r, now: now}, nil
}

// Find returns a session of a user that has not expired, for [Use.Extend]. It returns [ErrNotFound]
// if there is none, or if it is another user's.
func (k *Keeper) Find(ctx context.Context, userID, sessionID string) (*Use, error) {
	u, err := k.load(ctx, sessionID)
	if err == nil && (u.Session.UserID != userID || !u.keeper.lives(&u.Session, u.now)) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return u, nil
}

// AMR returns the authentication methods of the login (RFC 8176).
func (u *Use) AMR() []string { return u.next.amr() }

// Terms returns the terms of the login.
func (u *Use) Terms() Terms { return u.next.terms }

// expiresAt returns when the session ends after this use, by the store's clock.
func (u *Use) expiresAt() time.Time {
	if u.Verdict == Rotate || u.Verdict == Retry {
		return u.keeper.end(u.Session.CreatedAt, u.now)
	}
	return u.Session.ExpiresAt
}

// End returns when the session ends after this use, by the clock of this process, which access
// tokens are measured by. It is at least a second from now.
func (u *Use) End() time.Time {
	return time.Now().Add(max(u.expiresAt().Sub(u.now), time.Second))
}

// Renew returns the refresh token that answers this use, and stores what follows from it. Call it
// last, so that no earlier failure uses up a token. tokensUntil is when the access token expires
// that was issued with it. It returns [ErrConflict] if the session has changed since it was loaded.
func (u *Use) Renew(ctx context.Context, d Device, tokensUntil time.Time) (RefreshToken, error) {
	token, err := u.keeper.token(u.Session.ID, &u.next, u.expiresAt().Sub(u.now))
	if err != nil {
		return token, err
	}
	if u.Verdict == Repeat { // stores nothing, unless the clocks of two replicas differ
		return token, u.Extend(ctx, tokensUntil)
	}
	replacement := u.Session
	replacement.LastUsedAt, replacement.ExpiresAt = u.now, u.expiresAt()
	if d = d.Clean(); d != (Device{}) {
		replacement.Device = d
	}
	// A repeat issues an access token: allow for it here, so that it need not store anything.
	repeats := max(u.keeper.window, 0)
	u.next.TokensUntil = max(u.next.TokensUntil, clock.At(tokensUntil)+repeats)
	return token, u.replace(ctx, replacement)
}

// Extend stores that an access token of the session lives until tokensUntil, so that a revocation
// outlives it. It returns [ErrConflict] if the session has changed since it was loaded.
func (u *Use) Extend(ctx context.Context, tokensUntil time.Time) error {
	until := clock.At(tokensUntil)
	if until <= u.next.TokensUntil {
		return nil
	}
	u.next.TokensUntil = until
	return u.replace(ctx, u.Session)
}

func (u *Use) replace(ctx context.Context, replacement Session) error {
	replacement.State = u.next.encode()
	replacement.Version++
	switch err := u.keeper.store.ReplaceSession(ctx, u.Session, replacement); {
	case errors.Is(err, ErrConflict):
		return ErrConflict
	case err != nil:
		return fmt.Errorf("auth: replace session: %w", err)
	}
	return nil
}

// List returns the sessions of a user that have not expired, the last used first, without State and
// Version.
func (k *Keeper) List(ctx context.Context, userID string) ([]Session, error) {
	all, err := k.store.Sessions(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("auth: list sessions: %w", err)
	}
	now := time.Now()
	var list []Session
	for _, s := range all {
		if k.lives(&s, now) {
			s.State, s.Version = nil, 0
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(x, y Session) int { return y.LastUsedAt.Compare(x.LastUsedAt) })
	return list, nil
}

// lookTime bounds how long a call waits to learn whether the session is gone that it failed to end.
const lookTime = time.Second

// Delete ends a session, and revokes its access tokens for as long as they live. It returns false
// if the session was gone already. If the store fails but the session is gone, it returns true: the
// reply may have been lost, and one report too many is better than none.
func (k *Keeper) Delete(ctx context.Context, s *Session) (bool, error) {
	until := time.Now().Add(k.tokenLife)
	if r, err := decodeRotation(s.State); err == nil { // a damaged state must not keep a session from ending
		until = r.TokensUntil.Time()
	}
	begins := ctx.Err() == nil // otherwise no reply can have been lost
	switch err := k.store.DeleteSession(ctx, s.ID, until.Add(revocationMargin)); {
	case errors.Is(err, ErrNotFound):
		return false, nil
	case err != nil && !begins:
		return false, fmt.Errorf("auth: end session: %w", err)
	case err != nil:
		look, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTime)
		defer cancel()
		if _, _, gone := k.store.Session(look, s.ID); !errors.Is(gone, ErrNotFound) {
			return false, fmt.Errorf("auth: end session: %w", err)
		}
	}
	return true, nil
}

// DeleteOf is [Keeper.Delete] by ID, for a session of this user. It returns [ErrNotFound] if there
// is none.
func (k *Keeper) DeleteOf(ctx context.Context, userID, sessionID string) (bool, error) {
	s, _, err := k.store.Session(ctx, sessionID)
	switch {
	case errors.Is(err, ErrNotFound) || err == nil && s.UserID != userID:
		return false, ErrNotFound
	case err != nil:
		return false, fmt.Errorf("auth: load session: %w", err)
	}
	return k.Delete(ctx, &s)
}

// DeleteAll ends the sessions of a user, except the one whose ID is except. With an empty except it
// also revokes the user's access tokens that belong to no session, for as long as the longest of
// them may live: those that were issued before or, because clocks differ, in the next 30 seconds.
// See decisions 0090 and 0102.
func (k *Keeper) DeleteAll(ctx context.Context, userID, except string) error {
	now := time.Now()
	if err := k.store.DeleteUserSessions(ctx, userID, except, now.Add(clockSkew), now.Add(k.tokenLife+revocationMargin)); err != nil {
		return fmt.Errorf("auth: end sessions: %w", err)
	}
	return nil
}
