package authhttp

import (
	"context"
	"errors"
	"net/http"

	"github.com/seed-e36e2130/auth"
)

// Refresher changes refresh tokens for new tokens, as [auth.Authenticator] does.
type Refresher interface {
	Refresh(ctx context.Context, refreshToken string) (auth.Tokens, error)
}

// Granter is what [Token] needs.
type Granter interface {
	Authenticator
	Refresh(ctx context.Context, refreshToken string) (auth.Tokens, error)
}

// Token returns the token endpoint of OAuth 2.0 (RFC 6749 section 3.2) for public
// clients of the host's own: nothing authenticates the client, and client_id is
// ignored. It takes a form with grant_type refresh_token (section 6), and, where
// [Config].PasswordGrant is on, password (section 4.3.2). What scope asks for is
// ignored, as in [Login]. Tokens are in the body, whatever Config.Cookies says.
func Token(a Granter, cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := oauth.read(w, r)
		var t auth.Tokens
		if err == nil {
			t, err = grant(auth.WithDevice(r.Context(), cfg.known(r, in, nil)), a, in, cfg.PasswordGrant)
		}
		if err != nil {
			w.Header().Set("Pragma", "no-cache")
			cfg.refuseOAuth(w, r, err)
			return
		}
		cfg.give(w, r, nil, t)
	})
}

func grant(ctx context.Context, a Granter, in input, passwords bool) (auth.Tokens, error) {
	if err := in.need("grant_type"); err != nil {
		return auth.Tokens{}, err
	}
	switch kind := in.values["grant_type"]; {
	case kind == "refresh_token":
		if err := in.need("refresh_token"); err != nil {
			return auth.Tokens{}, err
		}
		return a.Refresh(ctx, in.values["refresh_token"])
	case kind == "password" && passwords:
		return logIn(ctx, a, in)
	}
	return auth.Tokens{}, &refusal{http.StatusBadRequest, "", "unsupported_grant_type", "this grant_type is not supported here"}
}

// Refresh returns the endpoint that gives new tokens for the JSON object
// {"refresh_token": …}; the answer is that of [Login]. With [Config].Cookies it
// takes the cookie and nothing else, and where the session has ended takes the
// cookies from the browser. Without a refresh token it answers 401, and for one
// that is not valid 400 with the code invalid_grant.
func Refresh(a Refresher, cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := cfg.refreshToken(w, r)
		var t auth.Tokens
		if err == nil {
			t, err = a.Refresh(auth.WithDevice(r.Context(), cfg.device(r)), token)
		}
		if err != nil {
			if errors.Is(err, auth.ErrInvalidGrant) {
				cfg.Cookies.clear(w)
			}
			cfg.refuse(w, r, err)
			return
		}
		cfg.give(w, r, cfg.Cookies, t)
	})
}

// refreshToken returns the refresh token of r.
func (cfg Config) refreshToken(w http.ResponseWriter, r *http.Request) (string, error) {
	if cfg.Cookies == nil {
		in, err := renewal.read(w, r)
		return in.values["refresh_token"], err
	}
	if err := cfg.Cookies.check(r); err != nil {
		return "", err
	}
	if _, err := nothing.read(w, r); err != nil {
		return "", err
	}
	return auth.Cookie(cfg.Cookies.refresh).Extract(r)
}

// Revoker ends what a token stands for, as [auth.Authenticator] does.
type Revoker interface {
	auth.TokenVerifier
	Logout(ctx context.Context, refreshToken string) error
	EndSession(ctx context.Context, userID, sessionID string) error
}

// Revoke returns the revocation endpoint of OAuth 2.0 (RFC 7009) for public
// clients: whoever holds a token may end it. It takes a form with token, a refresh
// token or an access token, and ends the session of it; token_type_hint is not
// needed. It answers 200 for a token that is not valid as well (section 2.2), and
// 400 unsupported_token_type for an access token that belongs to no session:
// that one ends when it expires.
func Revoke(a Revoker, cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := oauth.read(w, r)
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
		w.Header().Set("Cache-Control", "no-store")
	})
}

func revoke(ctx context.Context, a Revoker, token string) error {
	p, err := a.Verify(ctx, token)
	switch {
	case errors.Is(err, auth.ErrInvalidToken):
		return a.Logout(ctx, token)
	case err != nil:
		return err
	case p.SessionID() == "":
		return &refusal{http.StatusBadRequest, "", "unsupported_token_type", "this access token belongs to no session and ends when it expires"}
	}
	return ended(a.EndSession(ctx, p.Subject(), p.SessionID()))
}

// ended is success where the session was gone already.
func ended(err error) error {
	if errors.Is(err, auth.ErrSessionNotFound) {
		return nil
	}
	return err
}
