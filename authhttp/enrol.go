package authhttp

import (
	"context"
	"errors"
	"net/http"

	"github.com/seed-e36e2130/auth"
)

// Enroller gives users a second factor and takes it away, as totp.Factor does. Begin
// and Confirm return what is [session.ErrConflict] where the user has one already, Confirm
// and RecoveryCodes where there is none to confirm or of which codes are made.
type Enroller interface {
	Begin(ctx context.Context, userID, account string) (secret, url string, err error)
	Confirm(ctx context.Context, userID, code string) (recovery []string, err error)
	RecoveryCodes(ctx context.Context, userID string) (recovery []string, err error)
	Disable(ctx context.Context, userID string) error
}

// PasswordConfirmer asks callers for their password, as [auth.Authenticator] does.
type PasswordConfirmer interface {
	ConfirmPassword(ctx context.Context, userID, password string) error
}

// enrolment is what an app is told.
type enrolment struct {
	Secret string `json:"secret"`
	URL    string `json:"otpauth_url"`
}

// recoveryCodes are shown once.
type recoveryCodes struct {
	Codes []string `json:"recovery_codes"`
}

// BeginFactor returns the endpoint that begins to give the caller a second factor: it
// takes the JSON object {"current_password": …} and answers 200 with a secret and the
// otpauth_url to show as a QR code, in which the account has its username of users. It
// takes effect by [ConfirmFactor]. Whoever has a second factor is answered 409 with
// the code mfa_enrolled. A device_token may come along, and a wrong current password is
// 403, as in [ChangePassword]. For a recent login besides, give it a [GuardFunc].
func BeginFactor(a PasswordConfirmer, users Users, f Enroller, guard Guard, cfg Config) http.Handler {
	return cfg.confirmed(guard, leave, func(ctx context.Context, d auth.Device, p *auth.Principal, in input) (any, error) {
		if err := a.ConfirmPassword(auth.WithDevice(ctx, d), p.Subject(), in.values["current_password"]); err != nil {
			return nil, err
		}
		u, err := users.UserByID(ctx, p.Subject())
		if errors.Is(err, auth.ErrUserNotFound) { // deleted since
			return nil, auth.ErrInvalidCredentials
		}
		if err != nil {
			return nil, err
		}
		secret, url, err := f.Begin(ctx, u.ID, u.Username)
		if errors.Is(err, auth.ErrConflict) {
			err = &refusal{http.StatusConflict, "mfa_enrolled", "", "there is a second factor already: remove it first"}
		}
		return enrolment{secret, url}, err
	}, tell)
}

// ConfirmFactor returns the endpoint that switches the second factor of [BeginFactor]
// on: it takes the JSON object {"current_password": …, "code": …}, the latter from the
// app, and answers 200 with recovery_codes, which are not told again. The password keeps
// a stolen access token from guessing the code of an owner's. What is wrong is 403; where
// nothing was begun, or all is done, it is 409 with the code mfa_not_begun.
func ConfirmFactor(a PasswordConfirmer, f Enroller, guard Guard, cfg Config) http.Handler {
	return cfg.confirmed(guard, prove, func(ctx context.Context, d auth.Device, p *auth.Principal, in input) (any, error) {
		if err := a.ConfirmPassword(auth.WithDevice(ctx, d), p.Subject(), in.values["current_password"]); err != nil {
			return nil, err
		}
		codes, err := f.Confirm(ctx, p.Subject(), in.values["code"])
		switch {
		case errors.Is(err, auth.ErrInvalidCredentials):
			err = &wrongProof
		case errors.Is(err, auth.ErrConflict):
			err = &refusal{http.StatusConflict, "mfa_not_begun", "", "there is no second factor to confirm: begin anew"}
		}
		return recoveryCodes{codes}, err
	}, tell)
}

// wrongProof is the refusal of a caller's password and code.
var wrongProof = refusal{http.StatusForbidden, "invalid_credentials", "", "the current password or the code is wrong"}

// RenewRecoveryCodes returns the endpoint for new recovery codes in the place of all
// older ones: it takes the JSON object {"current_password": …, "code": …}, the latter
// of the second factor or an older recovery code, and answers 200 with recovery_codes.
// What is wrong is 403, and so is everything of a caller without a second factor; a
// session that has ended is 401. f must be the [auth.Config].SecondFactor of a.
func RenewRecoveryCodes(a Stepper, f Enroller, guard Guard, cfg Config) http.Handler {
	return cfg.confirmed(guard, prove, func(ctx context.Context, d auth.Device, p *auth.Principal, in input) (any, error) {
		if err := proven(auth.WithDevice(ctx, d), a, p, in); err != nil {
			return nil, err
		}
		codes, err := f.RecoveryCodes(ctx, p.Subject())
		return recoveryCodes{codes}, err
	}, tell)
}

// RemoveFactor returns the endpoint that takes the caller's second factor away: it
// takes and refuses what [RenewRecoveryCodes] does, and answers 204.
func RemoveFactor(a Stepper, f Enroller, guard Guard, cfg Config) http.Handler {
	return cfg.confirmed(guard, prove, func(ctx context.Context, d auth.Device, p *auth.Principal, in input) (any, error) {
		if err := proven(auth.WithDevice(ctx, d), a, p, in); err != nil {
			return nil, err
		}
		return nil, f.Disable(ctx, p.Subject())
	}, func(w http.ResponseWriter, _ any) { done(w) })
}

// proven returns nil if the caller gave both factors. The throttle counts both in
// StepUp, which would do with one of them; its token goes nowhere.
func proven(ctx context.Context, a Stepper, p *auth.Principal, in input) error {
	password, code := in.values["current_password"], in.values["code"]
	if password == "" || code == "" {
		return &wrongProof
	}
	_, err := a.StepUp(ctx, p, password, code)
	if errors.Is(err, auth.ErrInvalidCredentials) {
		err = &wrongProof
	}
	return err
}

// tell answers with what was made.
func tell(w http.ResponseWriter, made any) { write(w, http.StatusOK, made) }
