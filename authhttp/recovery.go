package authhttp

import (
	"context"
	"errors"
	"net/http"

	"github.com/seed-e36e2130/auth"
)

// PasswordResetter resets forgotten passwords. recovery.Recovery implements it.
type PasswordResetter interface {
	RequestReset(ctx context.Context, address string) error
	Reset(ctx context.Context, token, password string) error
}

// ForgotPassword returns the endpoint that sends a link that resets the password. It takes the JSON
// object {"address": …} and answers 202, whether or not the address belongs to an account.
func ForgotPassword(a PasswordResetter, cfg Config) http.Handler {
	return cfg.accept(addressBody, http.StatusAccepted, func(ctx context.Context, in input) error {
		return a.RequestReset(ctx, in.values["address"])
	})
}

// ResetPassword returns the endpoint that resets a password. It takes the JSON object
// {"token": …, "new_password": …} with the token of the link, ends all sessions, logs nobody in and
// answers 204. An invalid link is answered 400 with the code invalid_link.
func ResetPassword(a PasswordResetter, cfg Config) http.Handler {
	return cfg.accept(resetPasswordBody, http.StatusNoContent, func(ctx context.Context, in input) error {
		return a.Reset(ctx, in.values["token"], in.values["new_password"])
	})
}

// AddressVerifier verifies addresses. recovery.Recovery implements it.
type AddressVerifier interface {
	RequestVerification(ctx context.Context, address string) error
	VerifyAddress(ctx context.Context, token string) error
}

// RequestVerification returns the endpoint that sends a link that verifies an address. It takes and
// answers what [ForgotPassword] does.
func RequestVerification(a AddressVerifier, cfg Config) http.Handler {
	return cfg.accept(addressBody, http.StatusAccepted, func(ctx context.Context, in input) error {
		return a.RequestVerification(ctx, in.values["address"])
	})
}

// VerifyAddress returns the endpoint that verifies an address. It takes the JSON object {"token":
// …} with the token of the link, logs nobody in and answers 204. An invalid link is answered as in
// [ResetPassword].
func VerifyAddress(a AddressVerifier, cfg Config) http.Handler {
	return cfg.accept(linkBody, http.StatusNoContent, func(ctx context.Context, in input) error {
		return a.VerifyAddress(ctx, in.values["token"])
	})
}

// AddressChanger changes the addresses of users. recovery.Recovery implements it.
type AddressChanger interface {
	RequestAddressChange(ctx context.Context, userID, password, address string) error
	ChangeAddress(ctx context.Context, token string) error
}

// RequestAddressChange returns the endpoint that sends a link to the caller's new address. It takes
// the JSON object {"current_password": …, "address": …} and answers 202, whether or not the address
// belongs to an account. The object may hold a device_token, and a wrong current password is
// answered 403, as in [ChangePassword]. To ask for a second factor or a recent login as well, give
// it a [GuardFunc].
func RequestAddressChange(a AddressChanger, guard Guard, cfg Config) http.Handler {
	return cfg.confirmed(guard, changeAddressBody, func(ctx context.Context, p *auth.Principal, in input) (any, error) {
		return nil, a.RequestAddressChange(ctx, p.Subject(), in.values["current_password"], in.values["address"])
	}, func(w http.ResponseWriter, _ any) { writeEmpty(w, http.StatusAccepted) })
}

// ChangeAddress returns the endpoint that changes an address. It takes the JSON object {"token": …}
// with the token of the link, from any client that has it, logs nobody in and answers 204. An
// invalid link is answered as in [ResetPassword]. If the address now belongs to another account,
// the answer is 409 with the code address_taken, and the link is used up.
func ChangeAddress(a AddressChanger, cfg Config) http.Handler {
	return cfg.accept(linkBody, http.StatusNoContent, func(ctx context.Context, in input) error {
		return a.ChangeAddress(ctx, in.values["token"])
	})
}

// The refusals of links and addresses.
var (
	invalidLink = &refusal{http.StatusBadRequest, "invalid_link", "",
		"the link is invalid, has been used or has expired"}
	addressTaken = &refusal{http.StatusConflict, "address_taken", "",
		"this address now belongs to another account"}
	invalidAddress = &refusal{http.StatusUnprocessableEntity, "invalid_address", "",
		"this address is not valid"}
)

// accept returns a handler that reads a body, calls do, with the client's device in ctx, and
// answers with the status and no body.
func (cfg Config) accept(b body, status int, do func(ctx context.Context, in input) error) http.Handler {
	cfg = cfg.shared()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := cfg.read(w, r, b)
		if err == nil {
			err = do(cfg.withDevice(r, in, cfg.Cookies), in)
		}
		switch {
		case errors.Is(err, auth.ErrInvalidCredentials):
			err = invalidLink
		case errors.Is(err, auth.ErrUserExists):
			err = addressTaken
		}
		if err != nil {
			cfg.refuse(w, r, refuseInvalidAddress(err))
			return
		}
		writeEmpty(w, status)
	})
}

// refuseInvalidAddress returns the error to refuse a request with that has an address and no
// username.
func refuseInvalidAddress(err error) error {
	if errors.Is(err, auth.ErrInvalidUsername) {
		return invalidAddress
	}
	return err
}
