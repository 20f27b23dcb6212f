// Package detach lets calls of stores end by themselves. A client that hangs up would otherwise cancel
// them, and a database driver throws a connection away that it was about to open: some hundred such
// clients a second leave the other requests of a service without connections.
package detach

import (
	"context"
	"time"

	"github.com/seed-e36e2130/auth/passwords"
)

const (
	// Limit bounds one call, and the wait for a place before it.
	Limit = 10 * time.Second

	// Grace is what a call has at least, if the caller's deadline is nearer. A client can choose its
	// deadline (gRPC), and so hang up by it.
	Grace = 2 * time.Second

	// Places is how many calls may run at once.
	Places = 256
)

// Calls bounds how many calls run at once. It is safe for concurrent use. Make one with [New].
type Calls struct{ places chan struct{} }

// New returns a Calls for as many calls at once as Places says.
func New() *Calls { return &Calls{make(chan struct{}, Places)} }

type ownKey struct{}

// Own marks a context with a deadline that the program cancels itself, and no client, such as that of a
// queue. Calls get it as it is.
func Own(ctx context.Context) context.Context { return context.WithValue(ctx, ownKey{}, true) }

// Context returns a context with the values of ctx for one call, which does not end when ctx is
// cancelled. It ends after Limit, or by the deadline of ctx if that is between Grace and Limit. Call
// cancel when the call has returned. Context returns the error of ctx, and no context, if ctx has
// ended.
func Context(ctx context.Context) (call context.Context, cancel context.CancelFunc, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	limit := Limit
	deadline, ok := ctx.Deadline()
	switch {
	case ctx.Value(ownKey{}) != nil:
		return ctx, func() {}, nil
	case ok:
		limit = min(limit, max(Grace, time.Until(deadline)))
	}
	call, cancel = context.WithTimeout(context.WithoutCancel(ctx), limit)
	return call, cancel, nil
}

// Begin is [Context] for one of the calls of c. It waits for a place, until ctx ends, or for Limit at
// most: then it returns a [*passwords.RetryError] of [passwords.ErrBusy]. A nil *Calls has no bound: then
// Begin is Context.
func (c *Calls) Begin(ctx context.Context) (call context.Context, end func(), err error) {
	if c == nil {
		return Context(ctx)
	}
	if err := c.enter(ctx); err != nil {
		return nil, nil, err
	}
	call, cancel, err := Context(ctx)
	if err != nil {
		<-c.places
		return nil, nil, err
	}
	return call, func() { cancel(); <-c.places }, nil
}

// enter takes a place.
func (c *Calls) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case c.places <- struct{}{}:
		return nil
	default:
	}
	late := time.NewTimer(Limit)
	defer late.Stop()
	select {
	case c.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		return &passwords.RetryError{Err: passwords.ErrBusy, After: time.Second}
	}
}

// Do calls f as one of the calls of c, and returns what f returns.
func Do(ctx context.Context, c *Calls, f func(context.Context) error) error {
	ctx, end, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	return f(ctx)
}

// Get is [Do] for a function that returns a value.
func Get[T any](ctx context.Context, c *Calls, f func(context.Context) (T, error)) (T, error) {
	ctx, end, err := c.Begin(ctx)
	if err != nil {
		var none T
		return none, err
	}
	defer end()
	return f(ctx)
}

// Get2 is [Do] for a function that returns two values.
func Get2[T, U any](ctx context.Context, c *Calls, f func(context.Context) (T, U, error)) (T, U, error) {
	ctx, end, err := c.Begin(ctx)
	if err != nil {
		var one T
		var two U
		return one, two, err
	}
	defer end()
	return f(ctx)
}
