package authhttp

import (
	"context"
	"errors"
	"net/http"

	"github.com/seed-e36e2130/auth"
)

// Resetter resets forgotten passwords, as recovery.Recovery does.
type Resetter interface {
	RequestReset(ctx context.Context, address string) error
	Reset(ctx context.Context, token, password string) error
}

// ForgotPassword returns the endpoint that sends a link by which a password is
// reset: it takes the JSON object {"address": …} and answers 202, whoever the
// address is of, if of anybody.
func ForgotPassword(a Resetter, cfg Config) http.Handler {
	return cfg.posted(func(ctx context.Context, d auth.Device, in input) error {
		return a.RequestReset(auth.WithDevice(ctx, d), in.values["address"])
	}, http.StatusAccepted, mailTo)
}

// ResetPassword returns the endpoint that resets a password: it takes the JSON
// object {"token": …, "new_password": …}, the first from the link, ends all sessions,
// logs nobody in and answers 204. A link that is not good is 400 with the code
// invalid_link.
func ResetPassword(a Resetter, cfg Config) http.Handler {
	return cfg.posted(func(ctx context.Context, d auth.Device, in input) error {
		return a.Reset(auth.WithDevice(ctx, d), in.values["token"], in.values["new_password"])
	}, http.StatusNoContent, reset)
}

// AddressVerifier verifies addresses, as recovery.Recovery does.
type AddressVerifier interface {
	RequestVerification(ctx context.Context, address string) error
	VerifyAddress(ctx context.Context, token string) error
}

// RequestVerification returns the endpoint that sends a link by which an address is
// verified; it takes and answers what [ForgotPassword] does.
func RequestVerification(a AddressVerifier, cfg Config) http.Handler {
	return cfg.posted(func(ctx context.Context, d auth.Device, in input) error {
		return a.RequestVerification(auth.WithDevice(ctx, d), in.values["address"])
	}, http.StatusAccepted, mailTo)
}

// VerifyAddress returns the endpoint that verifies an address: it takes the JSON
// object {"token": …} from the link, logs nobody in and answers 204, or as
// [ResetPassword] does.
func VerifyAddress(a AddressVerifier, cfg Config) http.Handler {
	return cfg.posted(func(ctx context.Context, d auth.Device, in input) error {
		return a.VerifyAddress(auth.WithDevice(ctx, d), in.values["token"])
	}, http.StatusNoContent, link)
}

// AddressChanger changes the addresses of users, as recovery.Recovery does.
type AddressChanger interface {
	RequestAddressChange(ctx context.Context, userID, password, address string) error
	ChangeAddress(ctx context.Context, token string) error
}

// RequestAddressChange returns the endpoint that sends a link to an address that is
// to be the caller's: it takes the JSON object {"current_password": …, "address": …}
// and answers 202, whether the address is free or somebody's. A device_token may come
// along, and a wrong current password is 403, as in [ChangePassword]. For a second
// factor or a recent login besides, give it a [GuardFunc].
func RequestAddressChange(a AddressChanger, guard Guard, cfg Config) http.Handler {
	return cfg.confirmed(guard, move, func(ctx context.Context, d auth.Device, p *auth.Principal, in input) (any, error) {
		return nil, a.RequestAddressChange(auth.WithDevice(ctx, d), p.Subject(), in.values["current_password"], in.values["address"])
	}, func(w http.ResponseWriter, _ any) { empty(w, http.StatusAccepted) })
}

// ChangeAddress returns the endpoint that changes an address: it takes the JSON object
// {"token": …} from the link, from whoever has it, logs nobody in and answers 204, or
// as [ResetPassword] does. An address that has become another's is 409 with the code
// address_taken, and the link is used.
func ChangeAddress(a AddressChanger, cfg Config) http.Handler {
	return cfg.posted(func(ctx context.Context, d auth.Device, in input) error {
		return a.ChangeAddress(auth.WithDevice(ctx, d), in.values["token"])
	}, http.StatusNoContent, link)
}

// invalidLink is the refusal of a link that is not good.
var invalidLink = refusal{http.StatusBadRequest, "invalid_link", "", "the link is wrong, used or expired"}

// posted returns a handler that takes a body, does what it says and has nothing to
// tell.
func (cfg Config) posted(do func(context.Context, auth.Device, input) error, status int, takes body) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := takes.read(w, r)
		if err == nil {
			err = do(r.Context(), cfg.device(r), in)
		}
		switch {
		case errors.Is(err, auth.ErrInvalidCredentials):
			err = &invalidLink
		case errors.Is(err, auth.ErrUserExists):
			err = &refusal{http.StatusConflict, "address_taken", "", "this address has become another account's"}
		}
		if err != nil {
			cfg.refuse(w, r, ofAddress(err))
			return
		}
		empty(w, status)
	})
}

// ofAddress returns err as it is told where an address is what was given.
func ofAddress(err error) error {
	if errors.Is(err, auth.ErrInvalidUsername) {
		return &refusal{http.StatusUnprocessableEntity, "invalid_address", "", "this address cannot be anybody's"}
	}
	return err
}
