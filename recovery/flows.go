package recovery

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/seed-e36e2130/auth"
)

// ErrPasswordNeeded is returned where a link proves an address, but the account's current password is
// missing or wrong. The link can be used again.
var ErrPasswordNeeded = errors.New("recovery: the account's current password is missing or wrong")

// Reset sets the password of the account that a link was sent to, and ends all its sessions. It also
// marks the address as verified and sends a message to it. If that is the first proof of the address, it
// calls [Config].OnFirstProof. It logs nobody in.
//
// It returns what [auth.Device].Known holds from then on: strangers who guess at the account do not keep
// that device out. Without an [auth.Throttle] it is empty.
//
// It returns [ErrInvalidToken] if the link is not valid, and a passwords.Error if the password breaks
// a rule. After every error but ErrInvalidToken the link can be used again, unless the password was set
// already and OnFirstProof failed: then request another link.
func (r *Recovery) Reset(ctx context.Context, token, password string) (known auth.DeviceToken, err error) {
	userID, err := r.setPassword(ctx, KindReset, token, password)
	if err != nil {
		return "", err
	}
	if known, err = r.accounts.MarkDeviceKnown(ctx, userID); err != nil {
		// The password has been set, which is what was asked for.
		r.config.Logger.WarnContext(ctx, "recovery: the device of a reset was not marked as known", "user", userID, "error", err)
		return "", nil
	}
	return known, nil
}

// VerifyAddress marks the address that a link was sent to as verified, for a prover who gives the
// current password of the account. Who has only the link may be the owner of the address while somebody
// else set up the account with it: that owner chooses a new password with [Recovery.ClaimAddress]. A
// form should ask for the current password and offer a new one. Do not take a session or an access token
// in place of the password: a page of an attacker may have logged the browser in.
//
// It logs nobody in. It returns [ErrInvalidToken] if the link is not valid, [ErrPasswordNeeded] if the
// password is missing or wrong, and the errors of [auth.Authenticator.ConfirmPassword].
func (r *Recovery) VerifyAddress(ctx context.Context, token, currentPassword string) error {
	a, _, giveBack, err := r.claim(ctx, KindVerify, token, r.knows(ctx, currentPassword))
	if err != nil {
		return err
	}
	err = r.verify(ctx, a)
	if err != nil && !errors.Is(err, ErrInvalidToken) {
		giveBack()
	}
	return err
}

// ClaimAddress marks the address that a link of [Recovery.RequestVerification] was sent to as verified,
// for a prover who does not know the current password of the account. Everything that was set before
// ends: it sets a new password, ends all sessions and links, and calls [Config].OnFirstProof. With an
// empty password nobody knows the password afterwards, for accounts that log in by mail alone. It logs
// nobody in. Errors are those of [Recovery.Reset].
func (r *Recovery) ClaimAddress(ctx context.Context, token, newPassword string) error {
	if newPassword == "" {
		newPassword = rand.Text()
	}
	_, err := r.setPassword(ctx, KindVerify, token, newPassword)
	return err
}

// knows returns a function that returns nil if password is the account's.
func (r *Recovery) knows(ctx context.Context, password string) func(account) error {
	return func(a account) error {
		if password == "" {
			return ErrPasswordNeeded
		}
		err := r.accounts.ConfirmPassword(ctx, a.user, password)
		if errors.Is(err, auth.ErrInvalidCredentials) {
			return ErrPasswordNeeded
		}
		return err
	}
}

// setPassword uses a link to set the password of its account, whose ID it returns. If the address was not verified before,
// nothing that was set until then survives: the address is marked as verified only after that, so that
// after a failure the next link does the same.
func (r *Recovery) setPassword(ctx context.Context, kind Kind, token, password string) (userID string, err error) {
	a, _, giveBack, err := r.claim(ctx, kind, token, nil)
	if err != nil {
		return "", err
	}
	err = r.accounts.ResetPassword(ctx, a.user, a.fingerprint, password)
	if err != nil && !isGone(err) { // nothing is written about an account that is gone
		giveBack()
	}
	switch {
	case isGone(err), errors.Is(err, auth.ErrConflict): // the link is bound to a password that is no longer the account's
		return "", ErrInvalidToken
	case err != nil:
		return "", err
	}
	r.emit(ctx, auth.EventResetUsed, a.user, nil)
	r.inform(ctx, KindPasswordReset, a.user, a.address)
	if a.verified {
		return a.user, nil
	}
	// The password has been set: a client that hangs up must not keep the rest from happening.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.config.SendTimeout)
	defer cancel()
	if err := r.config.OnFirstProof(ctx, a.user); err != nil {
		return "", fmt.Errorf("recovery: first proof of an address: %w", err)
	}
	// The password has been set, which is what was asked for, so a failure here is only logged.
	if err := r.verify(ctx, a); err != nil {
		r.config.Logger.WarnContext(ctx, "recovery: an address was not marked as verified", "user", a.user, "error", err)
	}
	return a.user, nil
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
// that belongs to an account already, and informs the present address, if it is verified. The session of
// the call, which is that of the [auth.Principal] in ctx, outlives the change. It returns
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
	w := wanted{kind: KindChange, address: canonical}
	if p, ok := auth.FromContext(ctx); ok {
		w.session = p.SessionID()
	}
	return r.ask(ctx, func(ctx context.Context) delivery { return r.respondChange(ctx, userID, w) })
}

// respondChange informs the present address of a user, and prepares a link to the new one if it is free.
func (r *Recovery) respondChange(ctx context.Context, userID string, w wanted) delivery {
	refuse := func(err error) delivery { return delivery{kind: KindChange, userID: userID, err: err} }
	a, err := r.account(ctx, userID)
	if err != nil {
		return refuse(err)
	}
	if a.verified { // a failure does not stop the change: perhaps the old mailbox no longer exists
		r.inform(ctx, KindChangeAsked, userID, a.address)
	}
	switch _, err := r.addresses.UserByAddress(ctx, w.address); {
	case err == nil:
		return r.decline(ctx, w, userID, auth.ErrUserExists)
	case !errors.Is(err, auth.ErrUserNotFound):
		return refuse(fmt.Errorf("recovery: look up address: %w", err))
	}
	return r.prepare(ctx, w, a, w.address)
}

// ChangeAddress makes the address that a link was sent to the address of the user, verified, ends the
// user's sessions except the one that requested the change (see [auth.Authenticator.EndOtherSessions]),
// and informs the old address, if it was verified. The prover must give the current password of the
// account: the owner of the new address may be another person, whom the link reached by mistake or by an
// attacker's request.
//
// It returns [ErrInvalidToken] if the link is not valid, [ErrPasswordNeeded] if the password is missing
// or wrong, the errors of [auth.Authenticator.ConfirmPassword], and [auth.ErrUserExists] if the address
// has become another user's. After another error the link can be used again.
func (r *Recovery) ChangeAddress(ctx context.Context, token, currentPassword string) error {
	a, e, giveBack, err := r.claim(ctx, KindChange, token, r.knows(ctx, currentPassword))
	if err != nil {
		return err
	}
	// Sessions end twice, as with a new password: before the write, so that a failure changes nothing;
	// after it, to catch those that began in between.
	if err := r.accounts.EndOtherSessions(ctx, a.user, e.Session); err != nil {
		giveBack()
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
	after := context.WithoutCancel(ctx)
	if err := r.accounts.EndOtherSessions(after, a.user, e.Session); err != nil {
		r.config.Logger.WarnContext(ctx, "recovery: after a change of address, sessions were not ended again", "user", a.user, "error", err)
	}
	r.emit(ctx, auth.EventAddressChanged, a.user, nil)
	if a.verified {
		r.inform(ctx, KindChanged, a.user, a.address)
	}
	return nil
}

// DeleteAccount deletes the account, ends its sessions, removes its address from [Addresses], and
// informs that address. It returns [auth.ErrInvalidCredentials] if password is not the user's.
func (r *Recovery) DeleteAccount(ctx context.Context, userID, password string) error {
	if err := r.accounts.ConfirmPassword(ctx, userID, password); err != nil {
		return err
	}
	address, verified, err := r.addresses.Address(ctx, userID)
	if err != nil && !errors.Is(err, auth.ErrUserNotFound) {
		return fmt.Errorf("recovery: load address: %w", err)
	}
	if err := r.accounts.Delete(ctx, userID); err != nil {
		return err
	}
	if verified {
		r.inform(ctx, KindDeleted, userID, address)
	}
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
