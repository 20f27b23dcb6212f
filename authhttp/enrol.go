package authhttp

import (
	"context"
	"errors"
	"net/http"

	"github.com/seed-e36e2130/auth"
)

// Enroller gives users a second factor and removes it. totp.Factor implements it. [Mount] adds to it that
// a change ends the other sessions of the user and sends a notice: a host that mounts [ConfirmFactor],
// [RenewRecoveryCodes] and [RemoveFactor] one by one does so in an Enroller of its own, by
// [auth.Authenticator.EndOtherSessions] and [recovery.Recovery.Inform]. Begin returns an
// [auth.ErrConflict] if the user already has one. Confirm and RecoveryCodes return it if there is
// no second factor to confirm or to make codes for.
type Enroller interface {
	Begin(ctx context.Context, userID, account string) (secret, url string, err error)
	Confirm(ctx context.Context, userID, code string) (recovery []string, err error)
	RecoveryCodes(ctx context.Context, userID string) (recovery []string, err error)
	Disable(ctx context.Context, userID string) error
}

// PasswordConfirmer is what [BeginFactor] and [ConfirmFactor] call. [auth.Authenticator] implements
// it.
type PasswordConfirmer interface {
	ConfirmPassword(ctx context.Context, userID, password string) error
}

// enrolment is the body that an authenticator app is set up with.
type enrolment struct {
	Secret string `json:"secret"`
	URL    string `json:"otpauth_url"`
}

// recoveryCodes is the body that shows recovery codes, once.
type recoveryCodes struct {
	Codes []string `json:"recovery_codes"`
}

// The refusals of enrolment.
var (
	wrongPasswordOrCode = &refusal{http.StatusForbidden, "invalid_credentials", "",
		"the current password or the code is wrong"}
	alreadyEnrolled = &refusal{http.StatusConflict, "mfa_enrolled", "",
		"the account already has a second factor: remove it first"}
	enrolmentNotBegun = &refusal{http.StatusConflict, "mfa_not_begun", "",
		"there is no second factor to confirm: begin the enrolment again"}
)

// BeginFactor returns the endpoint that begins to enrol a second factor for the caller. It takes
// the JSON object {"current_password": …} and answers 200 with a secret, and the otpauth_url to
// show as a QR code, which names the account by its username in users. The factor takes effect with
// [ConfirmFactor]. A caller who already has a second factor is answered 409 with the code
// mfa_enrolled. The object may hold a device_token, and a wrong current password is answered 403,
// as in [ChangePassword]. To ask for a recent login as well, give it a [GuardFunc].
func BeginFactor(a PasswordConfirmer, users Users, f Enroller, guard Guard, cfg Config) http.Handler {
	users = detached(users)
	return cfg.confirmed(guard, currentPasswordBody, func(ctx context.Context, p *auth.Principal, in input) (any, error) {
		if err := a.ConfirmPassword(ctx, p.Subject(), in.values["current_password"]); err != nil {
			return nil, err
		}
		u, err := users.UserByID(ctx, p.Subject())
		if errors.Is(err, auth.ErrUserNotFound) { // deleted since the password was confirmed
			return nil, auth.ErrInvalidCredentials
		}
		if err != nil {
			return nil, err
		}
		secret, url, err := f.Begin(ctx, u.ID, u.Username)
		if errors.Is(err, auth.ErrConflict) {
			err = alreadyEnrolled
		}
		return enrolment{secret, url}, err
	}, cfg.writeResult)
}

// ConfirmFactor returns the endpoint that activates the second factor of [BeginFactor]. It takes
// the JSON object {"current_password": …, "code": …}, with a code from the app, and answers 200
// with recovery_codes, which are shown only once. It asks for the password so that a stolen access
// token is not enough to guess the code. A wrong password or code is answered 403. If no enrolment
// has begun, or it is already complete, the answer is 409 with the code mfa_not_begun.
func ConfirmFactor(a PasswordConfirmer, f Enroller, guard Guard, cfg Config) http.Handler {
	return cfg.confirmed(guard, bothFactorsBody, func(ctx context.Context, p *auth.Principal, in input) (any, error) {
		if err := a.ConfirmPassword(ctx, p.Subject(), in.values["current_password"]); err != nil {
			return nil, err
		}
		codes, err := f.Confirm(ctx, p.Subject(), in.values["code"])
		switch {
		case errors.Is(err, auth.ErrInvalidCredentials):
			err = wrongPasswordOrCode
		case errors.Is(err, auth.ErrConflict):
			err = enrolmentNotBegun
		}
		return recoveryCodes{codes}, err
	}, cfg.writeResult)
}

// RenewRecoveryCodes returns the endpoint that replaces all recovery codes. It takes the JSON
// object {"current_password": …, "code": …}, with a code of the second factor or an old recovery
// code, and answers 200 with recovery_codes. A wrong password or code is answered 403, and so is
// every request of a caller without a second factor. A session that has ended is answered 401. f
// must be the [auth.Config].SecondFactor of a.
func RenewRecoveryCodes(a StepUpAuthenticator, f Enroller, guard Guard, cfg Config) http.Handler {
	return cfg.confirmed(guard, bothFactorsBody, func(ctx context.Context, p *auth.Principal, in input) (any, error) {
		if err := proveBothFactors(ctx, a, p, in); err != nil {
			return nil, err
		}
		codes, err := f.RecoveryCodes(ctx, p.Subject())
		return recoveryCodes{codes}, err
	}, cfg.writeResult)
}

// RemoveFactor returns the endpoint that removes the caller's second factor. It takes and refuses
// what [RenewRecoveryCodes] does, and answers 204.
func RemoveFactor(a StepUpAuthenticator, f Enroller, guard Guard, cfg Config) http.Handler {
	return cfg.confirmed(guard, bothFactorsBody, func(ctx context.Context, p *auth.Principal, in input) (any, error) {
		if err := proveBothFactors(ctx, a, p, in); err != nil {
			return nil, err
		}
		return nil, f.Disable(ctx, p.Subject())
	}, func(w http.ResponseWriter, r *http.Request, _ any) { cfg.succeed(w, r, http.StatusNoContent, nil) })
}

// proveBothFactors returns nil if the caller sent the right password and the right code. It calls
// StepUp because that throttles the attempts at both, and discards the token that StepUp returns.
// StepUp alone would accept one of the two.
func proveBothFactors(ctx context.Context, a StepUpAuthenticator, p *auth.Principal, in input) error {
	password, code := in.values["current_password"], in.values["code"]
	if password == "" || code == "" {
		return wrongPasswordOrCode
	}
	_, err := a.StepUp(ctx, p, password, code)
	if errors.Is(err, auth.ErrInvalidCredentials) {
		err = wrongPasswordOrCode
	}
	return err
}

// writeResult answers 200 with the result of [Config.confirmed].
func (cfg Config) writeResult(w http.ResponseWriter, r *http.Request, result any) {
	cfg.succeed(w, r, http.StatusOK, result)
}
