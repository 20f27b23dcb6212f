package authhttp

import (
	"context"
	"errors"
	"net/http"

	"github.com/seed-e36e2130/auth"
)

// Refresher is what [Refresh] calls. [auth.Authenticator] implements it.
type Refresher interface {
	Refresh(ctx context.Context, refreshToken string) (auth.Tokens, error)
}

// Granter is what [Token] calls. [auth.Authenticator] implements it.
type Granter interface {
	Authenticator
	Refresher
}

// Token returns the token endpoint of OAuth 2.0 (RFC 6749 section 3.2) for public clients of the
// host's own: it does not authenticate the client, and ignores client_id. It takes a form with the
// grant_type refresh_token (section 6) and, where [Config].PasswordGrant is set, password (section
// 4.3.2). It ignores scope, as [Login] does. Tokens are always in the body, whatever
// [Config].Cookies says.
func Token(a Granter, cfg Config) http.Handler {
	cfg = cfg.shared().standard()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := cfg.read(w, r, tokenBody)
		var t auth.Tokens
		if err == nil {
			t, err = grant(cfg.withDevice(r, in, nil), a, in, cfg.PasswordGrant)
		}
		if err == nil {
			err = cfg.writeTokens(w, r, nil, t)
		}
		if err != nil {
			w.Header().Set("Pragma", "no-cache") // RFC 6749 section 5.1
			cfg.refuseOAuth(w, r, err)
		}
	})
}

// grant returns the tokens of the grant that in asks for.
func grant(ctx context.Context, a Granter, in input, withPasswords bool) (auth.Tokens, error) {
	if err := in.need("grant_type"); err != nil {
		return auth.Tokens{}, err
	}
	switch grantType := in.values["grant_type"]; {
	case grantType == "refresh_token":
		if err := in.need("refresh_token"); err != nil {
			return auth.Tokens{}, err
		}
		return a.Refresh(ctx, in.values["refresh_token"])
	case grantType == "password" && withPasswords:
		return passwordGrant(ctx, a, in)
	}
	return auth.Tokens{}, &refusal{http.StatusBadRequest, "", "unsupported_grant_type",
		"this grant_type is not supported here"}
}

// Refresh returns the endpoint that exchanges a refresh token for new tokens. It takes the JSON
// object {"refresh_token": …} and answers as [Login] does. With [Config].Cookies it takes the
// cookie and nothing else, and removes the cookies from the browser if the session has ended. It
// ignores a refresh token that is not the browser's own: see [Cookies]. A request without a refresh
// token is answered 401, and an invalid one 400 with the code
// invalid_grant.
func Refresh(a Refresher, cfg Config) http.Handler {
	cfg = cfg.shared()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := cfg.refreshToken(w, r)
		var t auth.Tokens
		if err == nil {
			t, err = a.Refresh(auth.WithDevice(cfg.Cookies.sized(r.Context()), cfg.device(r)), token)
		}
		if err == nil {
			err = cfg.writeTokens(w, r, cfg.Cookies, t)
		}
		if err != nil {
			if errors.Is(err, auth.ErrInvalidGrant) {
				cfg.Cookies.clear(w)
			}
			cfg.refuse(w, r, err)
		}
	})
}

// refreshToken returns the refresh token of r: with cookies the one in the cookie, else the one in
// the body.
func (cfg Config) refreshToken(w http.ResponseWriter, r *http.Request) (string, error) {
	if cfg.Cookies == nil {
		in, err := cfg.read(w, r, refreshBody)
		return in.values["refresh_token"], err
	}
	if _, err := cfg.readChecked(w, r, emptyBody); err != nil {
		return "", err
	}
	return cfg.Cookies.refreshToken(r)
}

// Revoker is what [Revoke] calls. [auth.Authenticator] implements it.
type Revoker interface {
	auth.TokenVerifier
	LogoutAuthenticator
}

// Revoke returns the revocation endpoint of OAuth 2.0 (RFC 7009) for public clients: any client
// that has a token may revoke it. It takes a form with token, a refresh token or an access token,
// and ends the token's session. It ignores token_type_hint. An invalid token is answered 200 as
// well (section 2.2). An access token that belongs to no session, or by which a program acts for the
// user, is answered 400 unsupported_token_type, because it remains valid until it expires: a program
// must not log its user out.
func Revoke(a Revoker, cfg Config) http.Handler {
	cfg = cfg.shared().standard()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := cfg.read(w, r, revokeBody)
		if err == nil {
			err = in.need("token")
		}
		if err == nil {
			err = revoke(auth.WithDevice(r.Context(), cfg.device(r)), a, in.values["token"])
		}
		if err != nil {
			cfg.refuseOAuth(w, r, err)
			return
		}
		cfg.succeed(w, r, http.StatusOK, nil)
	})
}

// revoke ends the session of a token. A session that has already ended is no error.
func revoke(ctx context.Context, a Revoker, token string) error {
	p, err := a.Verify(ctx, token)
	switch {
	case errors.Is(err, auth.ErrInvalidToken):
		return a.Logout(ctx, token)
	case err != nil:
		return err
	case p.SessionID() == "" || !inPerson(p):
		return &refusal{http.StatusBadRequest, "", "unsupported_token_type",
			"this access token belongs to no session of its own: it remains valid until it expires"}
	}
	err = a.EndSession(ctx, p.Subject(), p.SessionID())
	if errors.Is(err, auth.ErrSessionNotFound) {
		return nil
	}
	return err
}
