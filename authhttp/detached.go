package authhttp

import (
	"context"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/detach"
)

// detachedUsers calls Users with contexts that do not end when the client hangs up: see package detach.
type detachedUsers struct {
	users Users
	calls *detach.Calls
}

func detached(users Users) Users { return detachedUsers{users, detach.New()} }

// UserByID implements [Users].
func (d detachedUsers) UserByID(ctx context.Context, id string) (auth.User, error) {
	return detach.Get(ctx, d.calls, func(ctx context.Context) (auth.User, error) { return d.users.UserByID(ctx, id) })
}
