package authhttp

import (
	"context"
	"errors"
	"net/http"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/recovery"
)

// PasswordResetter resets forgotten passwords. recovery.Recovery implements it.
type PasswordResetter interface {
	RequestReset(ctx context.Context, address string) error
	Reset(ctx context.Context, token, password string) (auth.DeviceToken, error)
}

// ForgotPassword returns the endpoint that sends a link that resets the password. It takes the JSON
// object {"address": …} and answers 202, whether or not the address belongs to an account.
func ForgotPassword(a PasswordResetter, cfg Config) http.Handler {
	return cfg.accept(addressBody, http.StatusAccepted, func(ctx context.Context, in input) error {
		return a.RequestReset(ctx, in.values["address"])
	})
}

// knownDevice is the body of the answer that makes a device known.
type knownDevice struct {
	DeviceToken string `json:"device_token,omitempty"`
}

// ResetPassword returns the endpoint that resets a password. It takes the JSON object
// {"token": …, "new_password": …} with the token of the link, and may take a device_token. It ends all
// sessions, logs nobody in, and answers 200 with a device_token if there is a throttle: strangers who
// guess at the account do not keep that device out. With [Config].Cookies the token is in the cookie
// instead. An invalid link is answered 400 with the code invalid_link.
func ResetPassword(a PasswordResetter, cfg Config) http.Handler {
	return cfg.acceptWith(resetPasswordBody, func(ctx context.Context, in input) (auth.DeviceToken, error) {
		return a.Reset(ctx, in.values["token"], in.values["new_password"])
	}, func(w http.ResponseWriter, r *http.Request, known auth.DeviceToken) {
		if c := cfg.Cookies; c != nil && known != "" {
			http.SetCookie(w, c.cookie(c.device, string(known), deviceLife))
			known = ""
		}
		cfg.succeed(w, r, http.StatusOK, knownDevice{string(known)})
	})
}

// AddressVerifier verifies addresses. recovery.Recovery implements it.
type AddressVerifier interface {
	RequestVerification(ctx context.Context, address string) error
	VerifyAddress(ctx context.Context, token, currentPassword string) error
	ClaimAddress(ctx context.Context, token, newPassword string) error
}

// RequestVerification returns the endpoint that sends a link that verifies an address. It takes and
// answers what [ForgotPassword] does.
func RequestVerification(a AddressVerifier, cfg Config) http.Handler {
	return cfg.accept(addressBody, http.StatusAccepted, func(ctx context.Context, in input) error {
		return a.RequestVerification(ctx, in.values["address"])
	})
}

// VerifyAddress returns the endpoint that verifies an address. It takes the JSON object {"token": …,
// "current_password": …} with the token of the link, logs nobody in and answers 204. With
// "new_password" in place of the current one it sets that, and ends everything that was set before:
// sessions, links and second factors. The page that the link opens should offer both. An invalid link
// is answered as in [ResetPassword], and a missing or wrong current password 403 with the code
// invalid_credentials.
func VerifyAddress(a AddressVerifier, cfg Config) http.Handler {
	return cfg.accept(verifyBody, http.StatusNoContent, func(ctx context.Context, in input) error {
		current, replacement := in.values["current_password"], in.values["new_password"]
		if current == "" && replacement != "" {
			return a.ClaimAddress(ctx, in.values["token"], replacement)
		}
		return a.VerifyAddress(ctx, in.values["token"], current)
	})
}

// AddressChanger changes the addresses of users. recovery.Recovery implements it.
type AddressChanger interface {
	RequestAddressChange(ctx context.Context, userID, password, address string) error
	ChangeAddress(ctx context.Context, token, currentPassword string) error
}

// RequestAddressChange returns the endpoint that sends a link to the caller's new address. It takes
// the JSON object {"current_password": …, "address": …} and answers 202, whether or not the address
// belongs to an account. The object may hold a device_token, and a wrong current password is
// answered 403, as in [ChangePassword]. To ask for a second factor or a recent login as well, give
// it a [GuardFunc].
func RequestAddressChange(a AddressChanger, guard Guard, cfg Config) http.Handler {
	return cfg.confirmed(guard, changeAddressBody, func(ctx context.Context, p *auth.Principal, in input) (any, error) {
		return nil, a.RequestAddressChange(ctx, p.Subject(), in.values["current_password"], in.values["address"])
	}, func(w http.ResponseWriter, r *http.Request, _ any) { cfg.succeed(w, r, http.StatusAccepted, nil) })
}

// ChangeAddress returns the endpoint that changes an address. It takes the JSON object {"token": …,
// "current_password": …} with the token of the link, from any client that has both, logs nobody in and
// answers 204. An invalid link is answered as in [ResetPassword], and a wrong current password 403 with
// the code invalid_credentials. If the address now belongs to another account, the answer is 409 with
// the code address_taken, and the link is used up.
func ChangeAddress(a AddressChanger, cfg Config) http.Handler {
	return cfg.accept(confirmAddressBody, http.StatusNoContent, func(ctx context.Context, in input) error {
		return a.ChangeAddress(ctx, in.values["token"], in.values["current_password"])
	})
}

// The refusals of links and addresses.
var (
	invalidLink = &refusal{http.StatusBadRequest, "invalid_link", "",
		"the link is invalid, has been used or has expired"}
	passwordNeeded = &refusal{http.StatusForbidden, "invalid_credentials", "",
		"the current password of the account is missing or wrong"}
	addressTaken = &refusal{http.StatusConflict, "address_taken", "",
		"this address now belongs to another account"}
	invalidAddress = &refusal{http.StatusUnprocessableEntity, "invalid_address", "",
		"this address is not valid"}
)

// accept returns a handler that reads a body, calls do, with the client's device in ctx, and
// answers with the status and no body.
func (cfg Config) accept(b body, status int, do func(ctx context.Context, in input) error) http.Handler {
	return cfg.acceptWith(b, func(ctx context.Context, in input) (auth.DeviceToken, error) {
		return "", do(ctx, in)
	}, func(w http.ResponseWriter, r *http.Request, _ auth.DeviceToken) { cfg.succeed(w, r, status, nil) })
}

// acceptWith is accept for a do whose result is answered by succeed.
func (cfg Config) acceptWith(
	b body, do func(ctx context.Context, in input) (auth.DeviceToken, error),
	succeed func(w http.ResponseWriter, r *http.Request, known auth.DeviceToken),
) http.Handler {
	cfg = cfg.shared()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := cfg.read(w, r, b)
		var known auth.DeviceToken
		r = r.WithContext(cfg.withDevice(r, in, cfg.Cookies))
		if err == nil {
			err = cfg.before(r, b)
		}
		if err == nil {
			known, err = do(r.Context(), in)
		}
		switch {
		case errors.Is(err, auth.ErrInvalidCredentials):
			err = invalidLink
		case errors.Is(err, recovery.ErrPasswordNeeded):
			err = passwordNeeded
		case errors.Is(err, auth.ErrUserExists):
			err = addressTaken
		}
		if err != nil {
			cfg.refuse(w, r, refuseInvalidAddress(err))
			return
		}
		succeed(w, r, known)
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
