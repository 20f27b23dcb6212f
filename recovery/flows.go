package recovery

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-e36e2130/auth"
)

// Reset sets the password of the account that a link was sent to, and ends all its sessions. It also
// marks the address as verified and sends a message to it. It logs nobody in.
//
// It returns [ErrInvalidToken] if the link is not valid, and a passwords.Error if the password breaks
// a rule. After every error but ErrInvalidToken the link can be used again.
func (r *Recovery) Reset(ctx context.Context, token, password string) error {
	a, _, giveBack, err := r.claim(ctx, KindReset, token)
	if err != nil {
		return err
	}
	err = r.accounts.ResetPassword(ctx, a.user, a.fingerprint, password)
	if err != nil && !isGone(err) { // nothing is written about an account that is gone
		giveBack()
	}
	switch {
	case isGone(err), errors.Is(err, auth.ErrConflict): // the link is bound to a password that is no longer the account's
		return ErrInvalidToken
	case err != nil:
		return err
	}
	r.emit(ctx, auth.EventResetUsed, a.user, nil)
	if !a.verified {
		// The password has been set, which is what was asked for, so a failure here is only logged.
		if err := r.verify(context.WithoutCancel(ctx), a); err != nil {
			r.config.Logger.WarnContext(ctx, "recovery: an address was not marked as verified", "user", a.user, "error", err)
		}
	}
	r.notifyLater(ctx, KindPasswordReset, a.user, a.address)
	return nil
}

// VerifyAddress marks the address that a link was sent to as verified. It logs nobody in. It returns
// [ErrInvalidToken] if the link is not valid.
func (r *Recovery) VerifyAddress(ctx context.Context, token string) error {
	a, _, giveBack, err := r.claim(ctx, KindVerify, token)
	if err != nil {
		return err
	}
	err = r.verify(ctx, a)
	if err != nil && !errors.Is(err, ErrInvalidToken) {
		giveBack()
	}
	return err
}

// verify marks the address of an account as verified. It returns [ErrInvalidToken] if the account has
// another address now.
func (r *Recovery) verify(ctx context.Context, a account) error {
	switch err := r.addresses.ReplaceAddress(ctx, a.user, a.address, a.address, true); {
	case errors.Is(err, auth.ErrConflict), errors.Is(err, auth.ErrUserNotFound):
		return ErrInvalidToken
	case err != nil:
		return fmt.Errorf("recovery: verify address: %w", err)
	}
	r.emit(ctx, auth.EventAddressVerified, a.user, nil)
	return nil
}

// AddAddress gives a user without an address this one, not verified yet, and sends a link for
// [Recovery.VerifyAddress] to it. Call it after Register. Its answer reveals whether the address is
// another user's, as Register reveals that for usernames.
//
// It returns [ErrInvalidAddress], [auth.ErrUserExists] if the address is another user's, and
// [auth.ErrConflict] if the user has an address already. After a [*auth.RetryError] the user has the
// address, but no link was sent.
func (r *Recovery) AddAddress(ctx context.Context, userID, address string) error {
	canonical, err := r.canonical(address)
	if err != nil {
		return err
	}
	if err := r.addresses.ReplaceAddress(ctx, userID, "", canonical, false); err != nil {
		return fmt.Errorf("recovery: add address: %w", err)
	}
	return r.request(ctx, KindVerify, canonical)
}

// RequestAddressChange sends a link for [Recovery.ChangeAddress] to the new address of a user, unless
// that belongs to an account already, and informs the present address. It returns
// [auth.ErrInvalidCredentials] if password is not the user's, and otherwise what
// [Recovery.RequestReset] returns, whether the new address is free or not.
func (r *Recovery) RequestAddressChange(ctx context.Context, userID, password, address string) error {
	canonical, err := r.canonical(address)
	if err != nil {
		return err
	}
	if err := r.accounts.ConfirmPassword(ctx, userID, password); err != nil {
		return err
	}
	return r.ask(ctx, func(ctx context.Context) delivery { return r.respondChange(ctx, userID, canonical) })
}

// respondChange informs the present address of a user, and prepares a link to the new one if it is free.
func (r *Recovery) respondChange(ctx context.Context, userID, address string) delivery {
	refuse := func(err error) delivery { return delivery{kind: KindChange, userID: userID, err: err} }
	a, err := r.account(ctx, userID)
	if err != nil {
		return refuse(err)
	}
	if sendable(a.address) && r.countMessage(ctx, KindChangeAsked, a.address, counterOwner(a, a.address)) == nil {
		// A failure here does not stop the change: perhaps the old mailbox no longer exists.
		r.notifyLater(ctx, KindChangeAsked, userID, a.address)
	}
	switch _, err := r.addresses.UserByAddress(ctx, address); {
	case err == nil:
		return r.decline(ctx, KindChange, userID, address, token{}, auth.ErrUserExists)
	case !errors.Is(err, auth.ErrUserNotFound):
		return refuse(fmt.Errorf("recovery: look up address: %w", err))
	}
	return r.prepare(ctx, KindChange, a, address, token{})
}

// ChangeAddress makes the address that a link was sent to the address of the user, verified, and
// informs the old address. It returns [ErrInvalidToken] if the link is not valid, and
// [auth.ErrUserExists] if the address has become another user's.
func (r *Recovery) ChangeAddress(ctx context.Context, token string) error {
	a, e, giveBack, err := r.claim(ctx, KindChange, token)
	if err != nil {
		return err
	}
	switch err := r.addresses.ReplaceAddress(ctx, a.user, a.address, e.Address, true); {
	case errors.Is(err, auth.ErrUserExists):
		return auth.ErrUserExists
	case errors.Is(err, auth.ErrConflict), errors.Is(err, auth.ErrUserNotFound):
		return ErrInvalidToken
	case err != nil:
		giveBack()
		return fmt.Errorf("recovery: change address: %w", err)
	}
	r.emit(ctx, auth.EventAddressChanged, a.user, nil)
	r.notifyLater(ctx, KindChanged, a.user, a.address)
	return nil
}

// DeleteAccount deletes the account, ends its sessions, removes its address from [Addresses], and
// informs that address. It returns [auth.ErrInvalidCredentials] if password is not the user's.
func (r *Recovery) DeleteAccount(ctx context.Context, userID, password string) error {
	if err := r.accounts.ConfirmPassword(ctx, userID, password); err != nil {
		return err
	}
	address, _, err := r.addresses.Address(ctx, userID)
	if err != nil && !errors.Is(err, auth.ErrUserNotFound) {
		return fmt.Errorf("recovery: load address: %w", err)
	}
	if err := r.accounts.Delete(ctx, userID); err != nil {
		return err
	}
	r.notifyLater(ctx, KindDeleted, userID, address)
	if address == "" {
		return nil
	}
	// If the address is a column of the user's row, it is gone with the row.
	err = r.addresses.ReplaceAddress(context.WithoutCancel(ctx), userID, address, "", false)
	if err != nil && !errors.Is(err, auth.ErrUserNotFound) && !errors.Is(err, auth.ErrConflict) {
		return fmt.Errorf("recovery: the account is deleted, its address is not: %w", err)
	}
	return nil
}
