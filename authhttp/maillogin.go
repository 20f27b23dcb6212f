package authhttp

import (
	"context"
	"net/http"

	"github.com/seed-e36e2130/auth"
)

// LinkAuthenticator logs users in with links in mails. recovery.Recovery implements it.
type LinkAuthenticator interface {
	RequestLoginLink(ctx context.Context, address string) error
	LoginByLink(ctx context.Context, token string) (auth.Tokens, error)
}

// RequestLoginLink returns the endpoint that sends a link that logs in. It takes and answers what
// [ForgotPassword] does.
func RequestLoginLink(a LinkAuthenticator, cfg Config) http.Handler {
	return cfg.accept(addressBody, http.StatusAccepted, func(ctx context.Context, in input) error {
		return a.RequestLoginLink(ctx, in.values["address"])
	})
}

// LoginByLink returns the endpoint that logs in with a link. It takes the JSON object {"token": …}
// with the token of the link, and may take a device_token. It gives tokens, or asks for a second
// factor, as [Login] does. An invalid link is answered 400 with the code invalid_link. The page
// that the link leads to must show a form that sends the token: programs that scan mails open every
// link.
func LoginByLink(a LinkAuthenticator, cfg Config) http.Handler {
	return cfg.loginWith(loginLinkBody, func(ctx context.Context, in input) (auth.Tokens, error) {
		return a.LoginByLink(ctx, in.values["token"])
	}, invalidLink)
}

// CodeAuthenticator logs users in with codes in mails. recovery.Recovery implements it.
type CodeAuthenticator interface {
	RequestLoginCode(ctx context.Context, address string) (challenge string, err error)
	LoginByCode(ctx context.Context, challenge, code string) (auth.Tokens, error)
}

// loginChallenge is the body that a client of [LoginByCode] keeps until the user has the code.
type loginChallenge struct {
	Challenge string `json:"challenge"`
}

// RequestLoginCode returns the endpoint that sends a code that logs in. It takes the JSON object
// {"address": …} and answers 202 with {"challenge": …}, whether or not the address belongs to an
// account. The client keeps the challenge, and shows it to nobody, until the user types the code.
func RequestLoginCode(a CodeAuthenticator, cfg Config) http.Handler {
	cfg = cfg.shared()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var challenge string
		in, err := cfg.read(w, r, addressBody)
		if err == nil {
			challenge, err = a.RequestLoginCode(cfg.withDevice(r, in, cfg.Cookies), in.values["address"])
		}
		if err != nil {
			cfg.refuse(w, r, refuseInvalidAddress(err))
			return
		}
		write(w, http.StatusAccepted, loginChallenge{challenge})
	})
}

// LoginByCode returns the endpoint that logs in with a code. It takes the JSON object {"challenge":
// …, "code": …}, with the challenge that [RequestLoginCode] answered, and may take a device_token.
// It gives tokens, or asks for a second factor, as [Login] does. A wrong code, and a code for a
// login that has expired, is answered 401.
func LoginByCode(a CodeAuthenticator, cfg Config) http.Handler {
	wrongCode := &refusal{http.StatusUnauthorized, "invalid_credentials", "",
		"the code is wrong, or the login has expired: request another code"}
	return cfg.loginWith(loginCodeBody, func(ctx context.Context, in input) (auth.Tokens, error) {
		return a.LoginByCode(ctx, in.values["challenge"], in.values["code"])
	}, wrongCode)
}
