// Package authhttp holds ready-made endpoints. Each is a handler of its own, so
// that a host mounts the ones it wants where it wants them; [Mount] mounts several.
//
// All bodies are read up to 64 KiB and strictly: a member or parameter that comes
// twice, or in JSON one that is not known, is refused. Credentials in a URL are
// refused, for logs, histories and proxies keep those. No answer is to be stored.
//
// Endpoints of OAuth ([Token], [Revoke], [Introspect]) refuse with the body of RFC
// 6749 section 5.2, all others with problem details (RFC 9457): code is for
// programs and never changes, detail is for people.
//
// No endpoint answers preflights of CORS: where pages of another origin call them with
// tokens in the header, the host's own middleware for CORS stands before the mux.
//
// These are the endpoints that [Mount] puts below its prefix (those of /.well-known
// below none, and the metadata at [MetadataPath]), each by the [Endpoint] that it is
// chosen by:
//
//	register   POST   /register           Make an account
//	login      POST   /login              Log in
//	mfa        POST   /login/mfa          Go on with a login that was answered mfa_required
//	step-up    POST   /step-up            Prove the caller anew
//	enrol      POST   /mfa/begin          Begin to give the caller a second factor
//	enrol      POST   /mfa/confirm        Switch the second factor on by its first code
//	enrol      POST   /mfa/recovery-codes Get new recovery codes in the place of all older ones
//	enrol      POST   /mfa/remove         Take the second factor away
//	token      POST   /token              The token endpoint of OAuth 2.0
//	refresh    POST   /refresh            Get new tokens for a refresh token
//	logout     POST   /logout             End the session of a refresh token or, without one, of the caller
//	me         GET    /me                 Tell callers who they are
//	sessions   GET    /sessions           List the caller's sessions
//	sessions   DELETE /sessions           End all sessions of the caller but this
//	sessions   DELETE /sessions/{id}      End one session of the caller
//	password   POST   /password           Change the password, which ends all sessions and begins one
//	recovery   POST   /password/forgot    Send a link that resets the password
//	recovery   POST   /password/reset     Reset the password by a link
//	recovery   POST   /verify/request     Send a link that verifies an address
//	recovery   POST   /verify             Verify an address by a link
//	login-link POST   /login/link/request Send a link that logs in
//	login-link POST   /login/link         Log in by a link
//	login-code POST   /login/code/request Send a code that logs in
//	login-code POST   /login/code         Log in by a code
//	address    POST   /address            Send a link that changes the address
//	address    POST   /address/confirm    Change the address by a link
//	delete     POST   /account/delete     Delete the account, which ends all sessions
//	revoke     POST   /revoke             End what a token stands for (RFC 7009)
//	introspect POST   /introspect         Ask what a token stands for (RFC 7662)
//	jwks       GET    /.well-known/jwks.json The keys that verify access tokens (RFC 7517)
//	metadata   GET    /.well-known/oauth-authorization-server Metadata of the authorization server (RFC 8414)
//	openapi    GET    /openapi.json       What is mounted, as OpenAPI 3.1 has it
package authhttp

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/problem"
)

// Config is what an endpoint may be told. Its zero value is the safe choice.
type Config struct {
	// Cookies, if not nil, keeps tokens in the browser. [Login] and what else logs in,
	// [Refresh] and [Logout] are then for browsers alone: other clients use [Token] and
	// [Revoke].
	Cookies *Cookies

	// PasswordGrant lets [Token] take the password grant, which OAuth 2.1 no
	// longer has, for clients of the host's own.
	PasswordGrant bool

	// ClientIP returns the address of the client, which sessions, events and the
	// throttle go by; the zero Addr if it is unknown. nil: that of the connection.
	// Behind proxies use [TrustProxies].
	ClientIP func(r *http.Request) netip.Addr

	// Logger receives what failed through no fault of the caller. nil: silent.
	Logger *slog.Logger
}

// Registrar makes accounts, as [auth.Authenticator] does.
type Registrar interface {
	Register(ctx context.Context, username, password string) (auth.User, error)
}

// Authenticator logs users in, as [auth.Authenticator] does; From is where the
// device comes in, here and below.
type Authenticator interface {
	Login(ctx context.Context, username, password string) (auth.Tokens, error)
}

// Register returns the endpoint that makes an account of the JSON object
// {"username": …, "password": …}. It answers 201 with the account's id and
// username as they are stored, and logs nobody in. It gives the account no address
// for package recovery: a Registrar of the host's can.
func Register(a Registrar, cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := register.read(w, r)
		if err != nil {
			cfg.refuse(w, r, err)
			return
		}
		user, err := a.Register(r.Context(), in.values["username"], in.values["password"])
		if err != nil {
			cfg.refuse(w, r, err)
			return
		}
		write(w, http.StatusCreated, account{user.ID, user.Username})
	})
}

type account struct {
	ID       string `json:"id"`
	Username string `json:"username"`
}

// Login returns the endpoint that gives tokens for a username and a password. It
// takes them as a JSON object like [Register], or as the form of the OAuth 2.0
// password grant (RFC 6749 section 4.3.2), in which grant_type may be missing and
// client_id is ignored; multipart/form-data will do, which browsers make of a
// FormData. What scope asks for is ignored, too: scopes are the host's to grant, by
// [auth.Config].Claims, and the answer tells them. It is 200 with the tokens (section
// 5.1). A device_token of an earlier answer may come along in either, for the throttle.
//
// Unknown user, wrong password and disabled account are one answer: 401 to JSON,
// and to the form the 400 invalid_grant that section 5.2 asks for. A refusal is
// problem details with the members error and error_description of section 5.2. An
// account with a second factor is answered 403 with the code mfa_required and an
// mfa_token for [LoginMFA].
func Login(a Authenticator, cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in input
		err := cfg.Cookies.check(r)
		if err == nil {
			in, err = login.read(w, r)
		}
		var t auth.Tokens
		if err == nil {
			t, err = logIn(auth.WithDevice(r.Context(), cfg.known(r, in, cfg.Cookies)), a, in)
		}
		if err != nil {
			cfg.refuseLogin(w, r, in.form, err)
			return
		}
		cfg.give(w, r, cfg.Cookies, t)
	})
}

// logIn takes the password grant, whose grant_type may be missing.
func logIn(ctx context.Context, a Authenticator, in input) (auth.Tokens, error) {
	if grant := in.values["grant_type"]; grant != "" && grant != "password" {
		return auth.Tokens{}, &refusal{http.StatusBadRequest, "", "unsupported_grant_type", "grant_type must be password"}
	}
	if err := in.need("username", "password"); err != nil {
		return auth.Tokens{}, err
	}
	return a.Login(ctx, in.values["username"], in.values["password"])
}

func (cfg Config) refuseLogin(w http.ResponseWriter, r *http.Request, form bool, err error) {
	if form && errors.Is(err, auth.ErrInvalidCredentials) {
		err = &refusal{http.StatusBadRequest, "invalid_credentials", "invalid_grant", "wrong username or password"}
	}
	w.Header().Set("Pragma", "no-cache") // RFC 6749 section 5.1
	mediaType := problem.Type
	if form {
		mediaType = "application/json"
	}
	if askSecond(w, err, mediaType) {
		return
	}
	e := cfg.prepare(w, r, err)
	w.Header().Set("Content-Type", mediaType)
	write(w, e.status, struct {
		problem.Details
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{problem.Of(e.status, e.code, e.detail), e.oauthError(), e.detail})
}
