package session

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"
)

// binding ties a session to the password hash that its account had when the session began. From the
// moment that another hash is stored, the session is refused, whatever else happens: so a change of the
// password is one write, and no crash leaves an old session beside a new password. It is the beginning of
// a fingerprint, long enough not to be another's by chance. See decision 0120.
type binding [8]byte

func bindingOf(fingerprint [sha256.Size]byte) binding { return binding(fingerprint[:8]) }

// maxBindings bounds the bindings of a session: the one in force and, after it, those that the account
// is about to get, by logins that replace a weak hash at the same time.
const maxBindings = 4

func appendBindings(b []byte, bound []binding) []byte {
	b = append(b, byte(len(bound)))
	for _, one := range bound {
		b = append(b, one[:]...)
	}
	return b
}

// cutBindings reads what appendBindings wrote, and returns what follows it.
func cutBindings(b []byte) (bound []binding, rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, nil, false
	}
	n, rest := int(b[0]), b[1:]
	if n > maxBindings || len(rest) < n*len(binding{}) {
		return nil, nil, false
	}
	for range n {
		bound, rest = append(bound, binding(rest)), rest[len(binding{}):]
	}
	return bound, rest, true
}

// CreateBound is [Keeper.Create] for a session that belongs to an account with this fingerprint, and
// ends when the account gets another: see [Use.BelongsTo] and [Keeper.Bind].
func (k *Keeper) CreateBound(ctx context.Context, draft *Session, fingerprint [sha256.Size]byte, amr []string, tokensUntil time.Time) (RefreshToken, error) {
	return k.create(ctx, draft, []binding{bindingOf(fingerprint)}, amr, tokensUntil)
}

// BelongsTo reports whether the session belongs to an account that has this fingerprint now. A session of
// [Keeper.Create] belongs to any.
func (u *Use) BelongsTo(fingerprint [sha256.Size]byte) bool {
	now := bindingOf(fingerprint)
	switch slices.Index(u.next.bound, now) {
	case -1:
		if len(u.next.bound) > 0 {
			return false
		}
	case 0: // the others may still come into force
		return true
	}
	u.next.bound = []binding{now}
	return true
}

// Bind lets the sessions of a user that belong to the fingerprint from go on when the account gets the
// fingerprint to: the same password has another hash then. A nil Keeper has no sessions.
func (k *Keeper) Bind(ctx context.Context, userID string, from, to [sha256.Size]byte) error {
	if k == nil {
		return nil
	}
	list, err := k.store.Sessions(ctx, userID)
	if err != nil {
		return fmt.Errorf("auth: list sessions: %w", err)
	}
	for _, s := range list {
		for tries := 1; ; tries++ {
			err := k.bind(ctx, s.ID, bindingOf(from), bindingOf(to))
			if err == nil || errors.Is(err, ErrNotFound) {
				break
			}
			if !errors.Is(err, ErrConflict) || tries == bindTries {
				return err
			}
		}
	}
	return nil
}

// Reach returns the error of a store that is down, before anything is written that the sessions of a user
// are to end with. A nil Keeper has no sessions.
func (k *Keeper) Reach(ctx context.Context, userID string) error {
	if k == nil {
		return nil
	}
	_, err := k.List(ctx, userID)
	return err
}

// bindTries bounds how often a session is tried that others have just changed.
const bindTries = 8

func (k *Keeper) bind(ctx context.Context, id string, from, to binding) error {
	u, err := k.load(ctx, id)
	if err != nil {
		return err
	}
	bound := u.next.bound
	if !slices.Contains(bound, from) || slices.Contains(bound, to) {
		return nil
	}
	if len(bound) == maxBindings { // the first is in force
		bound = slices.Delete(bound, 1, 2)
	}
	u.next.bound = append(bound, to)
	return u.replace(ctx, u.Session)
}
