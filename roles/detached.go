package roles

import (
	"context"
	"time"

	"github.com/seed-e36e2130/auth/assignment"
	"github.com/seed-e36e2130/auth/internal/detach"
)

// detached is a store whose calls do not end when a client hangs up: a change is then made and reported, or not made.
type detached struct {
	Store
	calls *detach.Calls
}

func (d detached) Assignments(ctx context.Context, userID string) (assignment.State, time.Time, error) {
	return detach.Get2(ctx, d.calls, func(ctx context.Context) (assignment.State, time.Time, error) {
		return d.Store.Assignments(ctx, userID)
	})
}

func (d detached) ReplaceAssignment(ctx context.Context, c assignment.Change) error {
	return detach.Do(ctx, d.calls, func(ctx context.Context) error { return d.Store.ReplaceAssignment(ctx, c) })
}

func (d detached) Holders(ctx context.Context, role, org, after string, limit int) ([]Assignment, error) {
	return detach.Get(ctx, d.calls, func(ctx context.Context) ([]Assignment, error) {
		return d.Store.Holders(ctx, role, org, after, limit)
	})
}
