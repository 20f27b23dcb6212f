package auth

import (
	"context"

	"github.com/seed-e36e2130/auth/internal/detach"
)

// detachStores puts calls that do not end when a client hangs up in the place of what a and its
// sessions call: see package detach.
func (a *Authenticator) detachStores(sessions *SessionStore) {
	calls := detach.New()
	a.users = detach.Users[User]{Store: a.users, Calls: calls}
	if a.accounts != nil {
		a.accounts = detach.Accounts{Store: a.accounts, Calls: calls}
	}
	if a.records != nil {
		a.records = detach.Records[Record]{Store: a.records, Calls: calls}
	}
	if a.throttle != nil {
		a.throttle = detach.Throttle[Attempt, DeviceToken]{Throttle: a.throttle, Calls: calls}
	}
	if a.second != nil {
		a.second = detach.Factor{Factor: a.second, Calls: calls}
	}
	if *sessions != nil {
		*sessions = detach.Sessions{Store: *sessions, Calls: calls}
	}
	// The host's functions may call methods of a, so they take no place of their own.
	if claims := a.claims; claims != nil {
		a.claims = func(ctx context.Context, u User, c *Claims) error {
			return detach.Do(ctx, nil, func(ctx context.Context) error { return claims(ctx, u, c) })
		}
	}
	if newID := a.newID; newID != nil {
		a.newID = func(ctx context.Context) (string, error) { return detach.Get(ctx, nil, newID) }
	}
}
