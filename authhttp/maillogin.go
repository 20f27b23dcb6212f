package authhttp

import (
	"context"
	"net/http"

	"github.com/seed-e36e2130/auth"
)

// LinkLogin logs users in by links in mails, as recovery.Recovery does.
type LinkLogin interface {
	RequestLoginLink(ctx context.Context, address string) error
	LoginByLink(ctx context.Context, token string) (auth.Tokens, error)
}

// RequestLoginLink returns the endpoint that sends a link that logs in; it takes and
// answers what [ForgotPassword] does.
func RequestLoginLink(a LinkLogin, cfg Config) http.Handler {
	return cfg.posted(func(ctx context.Context, d auth.Device, in input) error {
		return a.RequestLoginLink(auth.WithDevice(ctx, d), in.values["address"])
	}, http.StatusAccepted, mailTo)
}

// LoginByLink returns the endpoint that logs in by a link: it takes the JSON object
// {"token": …} from it, with which a device_token may come along, and gives tokens, or
// asks for a second factor, as [Login] does. A link that is not good is 400 with the
// code invalid_link. The page that the link leads to shows a form, and the form is
// what calls this: programs that look at mails open every link.
func LoginByLink(a LinkLogin, cfg Config) http.Handler {
	return cfg.loggedIn(byLink, func(ctx context.Context, d auth.Device, in input) (auth.Tokens, error) {
		return a.LoginByLink(auth.WithDevice(ctx, d), in.values["token"])
	}, invalidLink)
}

// CodeLogin logs users in by codes in mails, as recovery.Recovery does.
type CodeLogin interface {
	RequestLoginCode(ctx context.Context, address string) (challenge string, err error)
	LoginByCode(ctx context.Context, challenge, code string) (auth.Tokens, error)
}

// RequestLoginCode returns the endpoint that sends a code that logs in: it takes the
// JSON object {"address": …} and answers 202 with {"challenge": …}, whoever the address
// is of, if of anybody. The client keeps the challenge until the code is typed, and
// shows it to nobody.
func RequestLoginCode(a CodeLogin, cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer struct {
			Challenge string `json:"challenge"`
		}
		in, err := mailTo.read(w, r)
		if err == nil {
			answer.Challenge, err = a.RequestLoginCode(auth.WithDevice(r.Context(), cfg.device(r)), in.values["address"])
		}
		if err != nil {
			cfg.refuse(w, r, ofAddress(err))
			return
		}
		write(w, http.StatusAccepted, answer)
	})
}

// LoginByCode returns the endpoint that logs in by a code: it takes the JSON object
// {"challenge": …, "code": …}, the first from the answer of [RequestLoginCode], with
// which a device_token may come along, and gives tokens, or asks for a second factor,
// as [Login] does. A wrong code, and one for a login that is over, is 401.
func LoginByCode(a CodeLogin, cfg Config) http.Handler {
	return cfg.loggedIn(byCode, func(ctx context.Context, d auth.Device, in input) (auth.Tokens, error) {
		return a.LoginByCode(auth.WithDevice(ctx, d), in.values["challenge"], in.values["code"])
	}, refusal{http.StatusUnauthorized, "invalid_credentials", "", "the code is wrong, or the login is over: ask for another code"})
}
