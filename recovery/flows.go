package recovery

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-e36e2130/auth"
)

// Reset gives the account that a link was sent to another password and ends all its
// sessions. It logs nobody in. The address is verified by it, too, and is told. It
// returns [ErrInvalidToken] if the link is not good, and an [*passwords.Error] if
// the password breaks a rule; then, as after any error that is not ErrInvalidToken,
// the link is still good.
func (r *Recovery) Reset(ctx context.Context, token, password string) error {
	if err := r.usable(); err != nil {
		return err
	}
	a, _, giveBack, err := r.claim(ctx, KindReset, token)
	if err != nil {
		return err
	}
	if err := r.accounts.ResetPassword(ctx, a.user, a.mark, password); err != nil {
		giveBack() // bound to the old password: if that is gone, so is the link
		if isGone(err) || errors.Is(err, auth.ErrConflict) {
			err = ErrInvalidToken
		}
		return err
	}
	r.tell(ctx, auth.EventResetUsed, a.user, nil)
	if !a.verified {
		if err := r.verify(context.WithoutCancel(ctx), a); err != nil { // the password is changed, which is what was asked for
			r.config.Logger.WarnContext(ctx, "recovery: an address was not marked as verified", "user", a.user, "error", err)
		}
	}
	r.notice(ctx, KindPasswordReset, a.user, a.address)
	return nil
}

// VerifyAddress marks the address that a link was sent to as verified. It logs
// nobody in. It returns [ErrInvalidToken] if the link is not good.
func (r *Recovery) VerifyAddress(ctx context.Context, token string) error {
	if err := r.usable(); err != nil {
		return err
	}
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

// verify marks the address of an account as verified, if it is still that.
func (r *Recovery) verify(ctx context.Context, a account) error {
	switch err := r.addresses.ReplaceAddress(ctx, a.user, a.address, a.address, true); {
	case errors.Is(err, auth.ErrConflict), errors.Is(err, auth.ErrUserNotFound):
		return ErrInvalidToken
	case err != nil:
		return fmt.Errorf("recovery: verify address: %w", err)
	}
	r.tell(ctx, auth.EventAddressVerified, a.user, nil)
	return nil
}

// AddAddress gives a user who has none an address, not verified yet, and sends a
// link for [Recovery.VerifyAddress]: for hosts that keep addresses beside usernames,
// after Register, which tells what is taken, too. It returns [ErrInvalidAddress],
// [auth.ErrUserExists] if it is another's, and [session.ErrConflict] if the user has
// one; after an [*passwords.RetryError] the user has it, and no link was sent.
func (r *Recovery) AddAddress(ctx context.Context, userID, address string) error {
	if err := r.usable(); err != nil {
		return err
	}
	canonical, err := r.canonical(address)
	if err != nil {
		return err
	}
	if err := r.addresses.ReplaceAddress(ctx, userID, "", canonical, false); err != nil {
		return fmt.Errorf("recovery: add address: %w", err)
	}
	return r.request(ctx, KindVerify, canonical)
}

// RequestAddressChange sends a link for [Recovery.ChangeAddress] to the new address
// of a user, unless it is anybody's already, and tells the present one. It returns
// [auth.ErrInvalidCredentials] if password is not the user's, and what
// [Recovery.RequestReset] returns, whether the new address is free or not.
func (r *Recovery) RequestAddressChange(ctx context.Context, userID, password, address string) error {
	if err := r.usable(); err != nil {
		return err
	}
	canonical, err := r.canonical(address)
	if err != nil {
		return err
	}
	if err := r.accounts.ConfirmPassword(ctx, userID, password); err != nil {
		return err
	}
	return r.queue.add(ctx, func(ctx context.Context) {
		r.done(ctx, KindChange, userID, r.askChange(ctx, userID, canonical))
	})
}

func (r *Recovery) askChange(ctx context.Context, userID, address string) error {
	a, err := r.account(ctx, userID)
	if err != nil {
		return err
	}
	if sendable(a.address) && r.count(ctx, KindChangeAsked, a.address) == nil {
		// That the old mailbox is gone is a reason to change it.
		r.done(ctx, KindChangeAsked, userID, r.notify(ctx, Message{Kind: KindChangeAsked, UserID: userID, To: a.address}))
	}
	switch _, err := r.addresses.UserByAddress(ctx, address); {
	case err == nil:
		return auth.ErrUserExists
	case !errors.Is(err, auth.ErrUserNotFound):
		return fmt.Errorf("recovery: look up address: %w", err)
	}
	return r.send(ctx, KindChange, a, address, token{})
}

// ChangeAddress makes the address that a link was sent to the user's, verified, and
// tells the old one. It returns [ErrInvalidToken] if the link is not good, and
// [auth.ErrUserExists] if the address has become another's.
func (r *Recovery) ChangeAddress(ctx context.Context, token string) error {
	if err := r.usable(); err != nil {
		return err
	}
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
	r.tell(ctx, auth.EventAddressChanged, a.user, nil)
	r.notice(ctx, KindChanged, a.user, a.address)
	return nil
}

// DeleteAccount removes the account, ends its sessions, takes the address out of
// [Addresses], and tells it. It returns [auth.ErrInvalidCredentials] if password is
// not the user's.
func (r *Recovery) DeleteAccount(ctx context.Context, userID, password string) error {
	if err := r.usable(); err != nil {
		return err
	}
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
	r.notice(ctx, KindDeleted, userID, address)
	if address == "" {
		return nil
	}
	// Where it was a column of the user's row, it is gone with that.
	err = r.addresses.ReplaceAddress(context.WithoutCancel(ctx), userID, address, "", false)
	if err != nil && !errors.Is(err, auth.ErrUserNotFound) && !errors.Is(err, auth.ErrConflict) {
		return fmt.Errorf("recovery: the account is deleted, its address is not: %w", err)
	}
	return nil
}
