package apikey

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/clock"
	"github.com/seed-e36e2130/auth/internal/detach"
	"github.com/seed-e36e2130/auth/jwt"
)

// useEvery is how often the time of the last use is written, and the account looked at.
const useEvery = time.Minute

// Reasons for a refusal, for logs.
var (
	errUnknown = fmt.Errorf("%w: unknown API key: it was deleted, rolled or has expired, or never was", auth.ErrInvalidToken)
	errAccount = fmt.Errorf("%w: the account of the API key is disabled or deleted", auth.ErrRevokedToken)
)

// Verify returns the principal of a key: its Subject is the user, its TokenID the ID of the key, its IssuedAt the time
// when the key got this secret. It returns
// [auth.ErrInvalidToken] if the credential is no key of k, or no longer one, and [auth.ErrRevokedToken] if the
// account is disabled or deleted. If the store does not answer, it returns a [*auth.RetryError] of
// [auth.ErrKeysUnavailable], for which [auth.HTTPStatus] returns 503. Other errors are those of Check.
func (k *Keys) Verify(ctx context.Context, credential string) (*auth.Principal, error) {
	id, err := k.form.parse(credential)
	if err != nil {
		return nil, err
	}
	sum, began := digest(credential), time.Now()
	if p, err := k.remembered(ctx, &sum, began); p != nil || err != nil {
		return p, err
	}
	now := use{id: id, began: began, sum: sum, counts: true}
	return k.verify(ctx, now, func(s secret, _ string) bool { return s.has(&sum) })
}

// Check reports whether the key that p was verified by is still valid, and its account: it returns
// [auth.ErrInvalidToken] or [auth.ErrRevokedToken] if not, as [Keys.Verify] does now for the same key. It is for
// what outlives a request, such as the Keys of a stream.Config. It does not count as a use. Within
// [Config].CacheTime it answers from memory.
func (k *Keys) Check(ctx context.Context, p *auth.Principal) error {
	if p == nil || p.Kind() != auth.KindAPIKey || !isID(p.TokenID()) {
		return errUnknown
	}
	issued, began := p.IssuedAt().Unix(), time.Now()                           // a principal has whole seconds, of which each secret has another
	sum := sha256.Sum256(fmt.Appendf(nil, "check %s %d", p.TokenID(), issued)) // no credential has a space
	if p, err := k.remembered(ctx, &sum, began); p != nil || err != nil {
		return err
	}
	_, err := k.verify(ctx, use{id: p.TokenID(), began: began, sum: sum}, func(s secret, owner string) bool {
		return s.issued.Time().Unix() == issued && owner == p.Subject()
	})
	return err
}

// remembered returns the principal of a key from memory, or nil.
func (k *Keys) remembered(ctx context.Context, sum *[sha256.Size]byte, began time.Time) (*auth.Principal, error) {
	e := k.cache.find(sum, began)
	if e == nil {
		return nil, nil
	}
	if revoked, err := k.maybeRevoked(ctx, e.account); err != nil || revoked {
		return nil, err
	}
	return e.principal, nil
}

// use is one use of a key.
type use struct {
	id     string
	began  time.Time
	sum    [sha256.Size]byte // what the result is remembered by
	counts bool              // whether the time is written as that of the last use
}

// verify reads the record of a key, one of whose secrets must match.
func (k *Keys) verify(ctx context.Context, u use, matches func(s secret, owner string) bool) (*auth.Principal, error) {
	mark := k.cache.mark()
	r, s, now, err := k.load(ctx, u.id)
	if errors.Is(err, ErrNotFound) {
		return nil, errUnknown
	}
	if err != nil {
		return nil, err
	}
	valid := s.secrets(r, now)
	i := slices.IndexFunc(valid, func(s secret) bool { return matches(s, r.Owner) })
	if i < 0 {
		return nil, errUnknown
	}
	// The time between two readings of the store's clock is right, even if it differs from ours.
	unseen := now.Sub(s.Used.Time())
	account, err := k.account(r.Owner, u.began.Add(-unseen))
	if err != nil {
		return nil, err
	}
	due := unseen >= useEvery || unseen < 0
	look := due || k.config.Check == nil
	if !look {
		if look, err = k.maybeRevoked(ctx, account); err != nil {
			return nil, err
		}
	}
	if look {
		if err := k.admit(ctx, r.Owner); err != nil {
			return nil, err
		}
		if account, err = k.account(r.Owner, u.began); err != nil {
			return nil, err
		}
	}
	if due && u.counts {
		k.writeUse(ctx, s, r, now)
	}
	p, err := jwt.NewPrincipal(auth.Claims{
		Subject: r.Owner, Kind: auth.KindAPIKey, TokenID: s.ID, Issuer: k.config.Issuer,
		Scopes: s.Scopes, Roles: s.Roles, IssuedAt: valid[i].issued.Time(), Expiry: valid[i].end.Time(),
	})
	if err != nil {
		return nil, fmt.Errorf("apikey: %w", err)
	}
	life := min(k.config.CacheTime, valid[i].end.Time().Sub(now))
	k.cache.add(&entry{u.sum, p, account, u.began, life}, u.began, mark)
	return p, nil
}

// account returns a principal of a user that was looked at some time ago: the feed of revocations refuses it
// if the tokens of the user were revoked since.
func (k *Keys) account(userID string, looked time.Time) (*auth.Principal, error) {
	p, err := jwt.NewPrincipal(auth.Claims{Subject: userID, Kind: auth.KindAPIKey, IssuedAt: clock.Microseconds(looked)})
	if err != nil {
		return nil, fmt.Errorf("apikey: %w", err)
	}
	return p, nil
}

// maybeRevoked reports whether the tokens of a user were revoked since the account was looked at: that may be
// because it was disabled or deleted, or because sessions were ended, which ends no key.
func (k *Keys) maybeRevoked(ctx context.Context, account *auth.Principal) (bool, error) {
	if k.config.Check == nil {
		return false, nil
	}
	err := k.config.Check(ctx, account)
	if errors.Is(err, auth.ErrRevokedToken) {
		return true, nil
	}
	return false, err
}

// admit returns errAccount if an account is disabled or deleted.
func (k *Keys) admit(ctx context.Context, userID string) error {
	u, err := detach.Get(ctx, k.calls, func(ctx context.Context) (auth.User, error) { return k.users.UserByID(ctx, userID) })
	switch {
	case errors.Is(err, auth.ErrUserNotFound):
		return errAccount
	case err != nil:
		return unavailable(err)
	case u.ID == "" || u.Disabled:
		return errAccount
	}
	return nil
}

// writeUse writes the time of the last use. The key is valid without it, so that a failure is logged alone. On
// a conflict another call has written it, or the next use does.
func (k *Keys) writeUse(ctx context.Context, s stored, r auth.Record, now time.Time) {
	s.Used = clock.At(now)
	err := s.encode(&r)
	if err == nil {
		old := r.Renew()
		err = k.records.ReplaceRecord(ctx, old, r)
	}
	if err != nil && !errors.Is(err, auth.ErrConflict) {
		k.config.Logger.WarnContext(ctx, "apikey: the time of the last use was not written", "kid", s.ID, "error", err)
	}
}
