package authhttp

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/apikey"
	"github.com/seed-e36e2130/auth/recovery"
)

// notices informs owners of what has happened to their accounts.
type notices struct {
	flows      *recovery.Recovery // nil: nobody is informed
	newDevices bool               // MountConfig.NoticeNewDevices
}

func (n notices) inform(ctx context.Context, userID string, kind recovery.Kind) {
	if n.flows != nil {
		_ = n.flows.Inform(ctx, userID, kind) // cannot be: the kind is one of a notice
	}
}

// login returns the result of a login, and informs the owner if the device is new.
func (n notices) login(ctx context.Context, t auth.Tokens, err error) (auth.Tokens, error) {
	if err == nil && t.NewDevice && n.newDevices {
		n.inform(ctx, t.Principal.Subject(), recovery.KindNewDevice)
	}
	return t, err
}

// informing is the Authenticator of the endpoints that [Mount] mounts.
type informing struct {
	*auth.Authenticator
	notices
}

func (a informing) Login(ctx context.Context, username, password string) (auth.Tokens, error) {
	t, err := a.Authenticator.Login(ctx, username, password)
	return a.login(ctx, t, err)
}

func (a informing) LoginMFA(ctx context.Context, mfaToken, code string) (auth.Tokens, error) {
	t, err := a.Authenticator.LoginMFA(ctx, mfaToken, code)
	return a.login(ctx, t, err)
}

func (a informing) ChangePassword(ctx context.Context, userID, current, replacement string) (auth.Tokens, error) {
	before, failed := a.Fingerprint(ctx, userID)
	t, err := a.Authenticator.ChangePassword(ctx, userID, current, replacement)
	_, changed := errors.AsType[*auth.MFARequiredError](err)
	if failed == nil && isUndecided(err) { // the new session may be what has failed
		after, failed := a.Fingerprint(context.WithoutCancel(ctx), userID)
		changed = failed == nil && after != before
	}
	if err == nil || changed {
		a.inform(ctx, userID, recovery.KindPasswordChanged)
	}
	return t, err
}

// isUndecided reports whether a change that has failed may have been made all the same.
func isUndecided(err error) bool { return err != nil && auth.HTTPStatus(err) >= 500 }

// informingMail logs in by mail for the endpoints that [Mount] mounts.
type informingMail struct {
	*recovery.Recovery
	notices
}

func (m informingMail) LoginByRequestedLink(ctx context.Context, browser, link string) (auth.Tokens, error) {
	t, err := m.Recovery.LoginByRequestedLink(ctx, browser, link)
	return m.login(ctx, t, err)
}

func (m informingMail) LoginByCode(ctx context.Context, challenge, code string) (auth.Tokens, error) {
	t, err := m.Recovery.LoginByCode(ctx, challenge, code)
	return m.login(ctx, t, err)
}

// informingKeys are the API keys of the endpoints that [Mount] mounts.
type informingKeys struct {
	*apikey.Keys
	notices
}

func (k informingKeys) Create(ctx context.Context, p *auth.Principal, spec apikey.Spec) (apikey.Key, apikey.Secret, error) {
	key, secret, err := k.Keys.Create(ctx, p, spec)
	if err == nil {
		k.inform(ctx, p.Subject(), recovery.KindKeyCreated)
	}
	return key, secret, err
}

func (k informingKeys) Roll(
	ctx context.Context, p *auth.Principal, id string, overlap time.Duration,
) (apikey.Key, apikey.Secret, error) {
	key, secret, err := k.Keys.Roll(ctx, p, id, overlap)
	if err == nil {
		k.inform(ctx, p.Subject(), recovery.KindKeyRolled)
	}
	return key, secret, err
}

// informingFactor is the [Enroller] of the endpoints that [Mount] mounts. It ends the other sessions of
// a user whose factors change.
type informingFactor struct {
	Enroller
	a *auth.Authenticator
	notices
}

// endOthers ends all sessions of a user but that of the call.
func (f informingFactor) endOthers(ctx context.Context, userID string) error {
	keep := ""
	if p, ok := auth.FromContext(ctx); ok {
		keep = p.SessionID()
	}
	return f.a.EndOtherSessions(ctx, userID, keep)
}

// done reports whether a change has been made that returned err: afterwards the user has a second factor,
// or has none.
func (f informingFactor) done(ctx context.Context, userID string, err error, factor bool) bool {
	if !isUndecided(err) {
		return err == nil
	}
	has, failed := f.a.HasSecondFactor(ctx, userID)
	return failed == nil && has == factor
}

// Confirm ends the sessions after the change: before it, the code may be wrong, and a login by the
// password alone may begin another.
func (f informingFactor) Confirm(ctx context.Context, userID, code string) ([]string, error) {
	codes, err := f.Enroller.Confirm(ctx, userID, code)
	after := context.WithoutCancel(ctx) // a client that hangs up keeps no session alive
	if !f.done(after, userID, err, true) {
		return nil, err
	}
	f.inform(after, userID, recovery.KindFactorAdded)
	return codes, cmp.Or(err, f.endOthers(after, userID))
}

// RecoveryCodes ends the sessions before the change, so that a failure loses no codes.
func (f informingFactor) RecoveryCodes(ctx context.Context, userID string) ([]string, error) {
	if err := f.endOthers(ctx, userID); err != nil {
		return nil, err
	}
	codes, err := f.Enroller.RecoveryCodes(ctx, userID)
	if err == nil {
		f.inform(ctx, userID, recovery.KindRecoveryCodes)
	}
	return codes, err
}

// Disable ends the sessions before the change: if that fails, nothing has changed.
func (f informingFactor) Disable(ctx context.Context, userID string) error {
	if err := f.endOthers(ctx, userID); err != nil {
		return err
	}
	err := f.Enroller.Disable(ctx, userID)
	after := context.WithoutCancel(ctx)
	if f.done(after, userID, err, false) {
		f.inform(after, userID, recovery.KindFactorRemoved)
	}
	return err
}
