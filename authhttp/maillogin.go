package authhttp

import (
	"context"
	"errors"
	"net/http"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/recovery"
)

// LinkAuthenticator logs users in with links in mails. recovery.Recovery implements it.
type LinkAuthenticator interface {
	RequestLogin(ctx context.Context, browser, address string) (challenge string, err error)
	LoginByRequestedLink(ctx context.Context, browser, link string) (auth.Tokens, error)
}

// RequestLoginLink returns the endpoint that sends a link that logs in, and with it a code. It takes and
// answers what [RequestLoginCode] does. The code is for [LoginByCode]. The link logs in only the client
// that requested it: with [Config].Cookies this answer sets a cookie that identifies the browser, for an
// hour; other clients send the challenge with the link.
func RequestLoginLink(a LinkAuthenticator, cfg Config) http.Handler {
	cfg = cfg.shared()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := cfg.readChecked(w, r, addressBody)
		browser, challenge := cfg.Cookies.browser(r), ""
		r = r.WithContext(cfg.withDevice(r, in, cfg.Cookies))
		if err == nil {
			err = cfg.before(r, addressBody)
		}
		if err == nil {
			challenge, err = a.RequestLogin(r.Context(), browser, in.values["address"])
		}
		if err != nil {
			cfg.refuse(w, r, refuseInvalidAddress(err))
			return
		}
		cfg.Cookies.setBrowser(w, browser)
		cfg.succeed(w, r, http.StatusAccepted, loginChallenge{challenge})
	})
}

// LoginByLink returns the endpoint that logs in with a link of [RequestLoginLink]. It takes the JSON
// object {"token": …, "challenge": …} with the token of the link, and may take a device_token. With
// [Config].Cookies the cookie of RequestLoginLink takes the place of the challenge. It gives tokens, or
// asks for a second factor, as [Login] does. An invalid link is answered 400 with the code invalid_link,
// and one that another client requested 403 with the code other_browser: it is still good there. The
// page that the link leads to must show a form that sends the token, because programs that scan mails
// open every link. On other_browser it should ask the user to open the link, or to enter the code of the
// same mail, where the login was requested.
func LoginByLink(a LinkAuthenticator, cfg Config) http.Handler {
	otherBrowser := &refusal{http.StatusForbidden, "other_browser", "",
		"the login was requested in another browser: open the link there, or enter the code of the same mail there"}
	return cfg.loginWith(cfg.remembering(loginLinkBody), func(ctx context.Context, r *http.Request, in input) (auth.Tokens, error) {
		browser := in.values["challenge"]
		if cfg.Cookies != nil {
			browser = cfg.Cookies.browser(r) // one that is new has requested nothing
		}
		t, err := a.LoginByRequestedLink(ctx, browser, in.values["token"])
		if errors.Is(err, recovery.ErrOtherBrowser) {
			err = otherBrowser
		}
		return t, err
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
		r = r.WithContext(cfg.withDevice(r, in, cfg.Cookies))
		if err == nil {
			err = cfg.before(r, addressBody)
		}
		if err == nil {
			challenge, err = a.RequestLoginCode(r.Context(), in.values["address"])
		}
		if err != nil {
			cfg.refuse(w, r, refuseInvalidAddress(err))
			return
		}
		cfg.succeed(w, r, http.StatusAccepted, loginChallenge{challenge})
	})
}

// LoginByCode returns the endpoint that logs in with a code. It takes the JSON object {"challenge":
// …, "code": …}, with the challenge that [RequestLoginCode] answered, and may take a device_token.
// It gives tokens, or asks for a second factor, as [Login] does. A wrong code, and a code for a
// login that has expired, is answered 401.
func LoginByCode(a CodeAuthenticator, cfg Config) http.Handler {
	wrongCode := &refusal{http.StatusUnauthorized, "invalid_credentials", "",
		"the code is wrong, or the login has expired: request another code"}
	return cfg.loginWith(cfg.remembering(loginCodeBody), func(ctx context.Context, _ *http.Request, in input) (auth.Tokens, error) {
		return a.LoginByCode(ctx, in.values["challenge"], in.values["code"])
	}, wrongCode)
}
