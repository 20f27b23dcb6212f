package recovery

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-e36e2130/auth"
)

// Register registers an account, as [auth.Authenticator.Register] does. A username that is an address
// becomes the address of the account, not verified yet, and a link for [Recovery.VerifyAddress] is sent
// to it. If too many messages were asked for, the account is there and no link is sent: see
// [Recovery.RequestVerification].
//
// It also returns [auth.ErrUserExists] if the address is another account's, so that nobody registers with
// an address that somebody has proven. After an error the account is deleted again, which needs
// [auth.Config].Accounts; without it, it remains, without an address.
func (r *Recovery) Register(ctx context.Context, username, password string) (auth.User, error) {
	// Register counts the attempt, so it comes before anything that tells which addresses are known.
	u, err := r.accounts.Register(ctx, username, password)
	if err != nil {
		return u, err
	}
	address, err := r.canonical(u.Username)
	if err != nil {
		return u, nil // a username that is no address
	}
	err = r.AddAddress(ctx, u.ID, address)
	if _, busy := errors.AsType[*auth.RetryError](err); err == nil || busy {
		return u, nil
	}
	if r.accounts.Capabilities().Accounts {
		if undo := r.accounts.Delete(context.WithoutCancel(ctx), u.ID); undo != nil {
			return auth.User{}, fmt.Errorf("%w, and the account remains: %w", err, undo)
		}
	}
	return auth.User{}, err
}
