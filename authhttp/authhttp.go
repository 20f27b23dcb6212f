// Package authhttp has ready-made endpoints for an [auth.Authenticator] and for package recovery.
// Each is an [http.Handler] of its own, so that a host mounts those that it wants where it wants
// them. [Mount] mounts several at once.
//
// All bodies are read strictly, up to 64 KiB: a duplicate member or parameter is refused, and so is
// an unknown member of a JSON object. Credentials in a URL are refused, because logs, browser
// histories and proxies keep URLs. No answer may be stored, except the published keys.
//
// The OAuth endpoints ([Token], [Revoke], [Introspect]) refuse with the body of RFC 6749 section
// 5.2. All others refuse with problem details (RFC 9457): their code is for programs and never
// changes, their detail is for people.
//
// No endpoint answers CORS preflights. If pages of another origin call the endpoints with tokens in
// a header, put the host's own CORS middleware in front of the mux.
//
// [Mount] puts these endpoints below its prefix, except that the paths of /.well-known stand at the
// root of the mux and the metadata is at [MetadataPath]. The first column is the [Endpoint]
// that an endpoint is chosen by:
//
//	register   POST   /register           Create an account
//	login      POST   /login              Log in
//	mfa        POST   /login/mfa          Complete a login that was answered mfa_required
//	step-up    POST   /step-up            Prove the caller's identity again
//	enrol      POST   /mfa/begin          Begin to enrol a second factor
//	enrol      POST   /mfa/confirm        Activate the second factor with its first code
//	enrol      POST   /mfa/recovery-codes Replace all recovery codes
//	enrol      POST   /mfa/remove         Remove the second factor
//	token      POST   /token              OAuth 2.0 token endpoint
//	refresh    POST   /refresh            Exchange a refresh token for new tokens
//	logout     POST   /logout             End the session of a refresh token or, without one, of the caller
//	me         GET    /me                 Return the caller's account
//	sessions   GET    /sessions           List the caller's sessions
//	sessions   DELETE /sessions           End all other sessions of the caller
//	sessions   DELETE /sessions/{id}      End one session of the caller
//	api-keys   GET    /keys               List the caller's API keys
//	api-keys   POST   /keys               Create an API key
//	api-keys   POST   /keys/{id}/roll     Give an API key another secret
//	api-keys   DELETE /keys/{id}          Delete an API key
//	password   POST   /password           Change the password, end all sessions and begin a new one
//	recovery   POST   /password/forgot    Send a link that resets the password
//	recovery   POST   /password/reset     Reset the password with a link
//	recovery   POST   /verify/request     Send a link that verifies an address
//	recovery   POST   /verify             Verify an address with a link
//	login-link POST   /login/link/request Send a link and a code that log in
//	login-link POST   /login/link         Log in with a link
//	login-code POST   /login/code/request Send a code that logs in
//	login-code POST   /login/code         Log in with a code
//	address    POST   /address            Send a link that changes the address
//	address    POST   /address/confirm    Change the address with a link
//	delete     POST   /account/delete     Delete the account and end all its sessions
//	revoke     POST   /revoke             End the session of a token (RFC 7009)
//	introspect POST   /introspect         Return the state of a token (RFC 7662)
//	jwks       GET    /.well-known/jwks.json Return the keys that verify access tokens (RFC 7517)
//	metadata   GET    /.well-known/oauth-authorization-server Return the metadata of the authorization server (RFC 8414)
//	change-password GET /.well-known/change-password Redirect to the page where users change their password
//	openapi    GET    /openapi.json       Return this document: the mounted endpoints in OpenAPI 3.1
package authhttp

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/problem"
	"github.com/seed-e36e2130/auth/session"
)

// Config configures an endpoint. Its zero value is the safe choice.
type Config struct {
	// Cookies, if not nil, keeps tokens in cookies of the browser. [Refresh], [Logout] and all
	// endpoints that log in then serve browsers only: other clients use [Token] and [Revoke].
	Cookies *Cookies

	// PasswordGrant lets [Token] accept the password grant, for clients of the host's own. OAuth
	// 2.1 no longer has this grant.
	PasswordGrant bool

	// Unremembered, if not nil, lets users choose whether they stay logged in: the endpoints that log in
	// take the member "remember", which is true or false, or a checkbox of a form. A login without it has
	// these terms, such as an Idle of 12 hours, and cookies that end with the browser. A login with it has
	// the lifetimes of [auth.Config]. nil: there is no such member, and every login has those.
	Unremembered *session.Terms

	// Members are other names for members of bodies, by the names that this package gives them, such as
	// {"username": "email"} for clients that send "email". They hold for requests, for the account that
	// Register and Me show, and for the document of OpenAPI. [Mount] reports names that do not fit.
	//
	// Extra are names of further members that bodies may have: strings, numbers, true or false. The host
	// finds their values by [ExtraMember].
	//
	// Envelope is the name of a member that holds the object of a request, such as "user" in {"user":
	// {"username": …}}. It is not for forms. "": the body is the object itself.
	//
	// None of these changes endpoints whose bodies a standard defines: Token, Revoke, Introspect.
	Members  map[string]string
	Extra    []string
	Envelope string

	// Before, if not nil, decides about each request that adds an account or sends a mail, before anything
	// is done for it: Register, ForgotPassword, RequestVerification, RequestLoginLink, RequestLoginCode and
	// RequestAddressChange. A host checks a CAPTCHA or an invitation there, which it reads by [ExtraMember]
	// or from a header of r, whose body has been read. nil lets the request pass. An error refuses it: a
	// [*Problem] with its own answer, an error of package auth as endpoints do, and any other with 500.
	Before func(ctx context.Context, r *http.Request) error

	// Respond, if not nil, may write the answer to a request in a form of the host's own: another JSON
	// object, or a redirect of a form in a page with status 303. All headers are set by then: Set-Cookie,
	// Cache-Control, Retry-After and challenges. It returns false, and has written nothing, where the
	// endpoint is to write its own answer. It is not called by endpoints whose answers a standard defines.
	// r has the context of the call.
	Respond func(w http.ResponseWriter, r *http.Request, a Answer) (written bool)

	// ClientIP returns the address of the client, or the zero Addr if it is unknown. Sessions,
	// events and the throttle use it. nil: the address that the connection comes from. Behind
	// proxies use [TrustProxies] or [TrustUnixSocket].
	//
	// If ClientIP is nil and a request comes from a loopback or private address with X-Forwarded-For,
	// Forwarded or X-Real-Ip, there is a proxy, and the client's address is unknown. As long as
	// addresses are unknown, attempts are not counted by network, and Logger receives one error.
	ClientIP func(r *http.Request) netip.Addr

	// Logger receives a line for each request that failed: at level Error what the caller did not
	// cause, with the cause; at level Debug what was refused, with the reason. nil: [slog.Default].
	Logger *slog.Logger

	unknownClient *sync.Once // logs that the client's address is unknown: see [Config.shared]
}

// Registrar is what [Register] calls. [auth.Authenticator] implements it.
type Registrar interface {
	Register(ctx context.Context, username, password string) (auth.User, error)
}

// Authenticator is what [Login] calls. [auth.Authenticator] implements it.
type Authenticator interface {
	Login(ctx context.Context, username, password string) (auth.Tokens, error)
}

// Register returns the endpoint that creates an account. It takes the JSON object {"username": …,
// "password": …}, or a form with these parameters that does not come from another origin, and answers
// 201 with the id and username of the account as they are stored. It logs nobody in, and gives the
// account no address for package recovery; a Registrar of the host's own, or recovery.Recovery, can do
// that. The context of the call is the request's, with the client's device: values that a handler before
// this one has put there reach [auth.UserStore].
func Register(a Registrar, cfg Config) http.Handler {
	cfg = cfg.shared()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := cfg.read(w, r, registerBody)
		if err == nil {
			err = cfg.checkForm(r, in)
		}
		if err == nil {
			err = in.need(registerBody.required...)
		}
		r = r.WithContext(cfg.withDevice(r, in, cfg.Cookies))
		if err == nil {
			err = cfg.before(r, registerBody)
		}
		var user auth.User
		if err == nil {
			user, err = a.Register(r.Context(), in.values["username"], in.values["password"])
		}
		if err != nil {
			cfg.refuse(w, r, err)
			return
		}
		cfg.answerAccount(w, r, http.StatusCreated, user)
	})
}

// answerAccount answers with the description of an account.
func (cfg Config) answerAccount(w http.ResponseWriter, r *http.Request, status int, user auth.User) {
	user.PasswordHash = ""
	body := map[string]string{"id": user.ID, cfg.names().of("username"): user.Username}
	cfg.answer(w, r, Answer{Status: status, Body: body, User: user})
}

// Login returns the endpoint that gives tokens for a username and a password, and answers 200 with
// the body of RFC 6749 section 5.1. It takes a JSON object like [Register], or the form of the
// OAuth 2.0 password grant (RFC 6749 section 4.3.2), also as the multipart/form-data that browsers
// make of a FormData. In a form grant_type may be missing, and client_id and scope are ignored: the
// host grants scopes with [auth.Config].Claims, and the answer names them. Either may hold the
// device_token of an earlier answer, for the throttle, and remember: see [Config].Unremembered.
//
// An unknown user, a wrong password and a disabled account have the same answer: 401 to JSON, and
// to a form the 400 invalid_grant of section 5.2. A refusal has problem details and the members
// error and error_description of section 5.2. For an account with a second factor the answer is 403
// with the code mfa_required and an mfa_token for [LoginMFA].
func Login(a Authenticator, cfg Config) http.Handler {
	cfg = cfg.shared()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := cfg.readChecked(w, r, cfg.remembering(loginBody))
		var t auth.Tokens
		r = r.WithContext(cfg.withDevice(r, in, cfg.Cookies))
		ctx := r.Context()
		if err == nil {
			ctx, err = cfg.withTerms(ctx, in)
		}
		if err == nil {
			t, err = passwordGrant(ctx, a, in)
		}
		if err == nil {
			err = cfg.writeTokens(w, r, cfg.Cookies, t)
		}
		if err != nil {
			cfg.refuseLogin(w, r, in.form, err)
		}
	})
}

// passwordGrant logs in with the OAuth 2.0 password grant, whose grant_type may be missing.
func passwordGrant(ctx context.Context, a Authenticator, in input) (auth.Tokens, error) {
	if grant := in.values["grant_type"]; grant != "" && grant != "password" {
		return auth.Tokens{}, &refusal{http.StatusBadRequest, "", "unsupported_grant_type",
			"grant_type must be password"}
	}
	if err := in.need("username", "password"); err != nil {
		return auth.Tokens{}, err
	}
	return a.Login(ctx, in.values["username"], in.values["password"])
}

// refuseLogin answers with problem details that are an error body of RFC 6749 section 5.2 as well.
// A form gets the media type and the status of that section.
func (cfg Config) refuseLogin(w http.ResponseWriter, r *http.Request, form bool, err error) {
	mediaType := problem.Type
	if form {
		mediaType = "application/json"
	}
	if form && errors.Is(err, auth.ErrInvalidCredentials) {
		err = &refusal{http.StatusBadRequest, "invalid_credentials", "invalid_grant", "wrong username or password"}
	}
	w.Header().Set("Pragma", "no-cache") // RFC 6749 section 5.1
	a, e := cfg.refusal(w, r, err)
	if a.mediaType = mediaType; e != nil {
		a.Body = struct {
			problem.Details
			Error       string `json:"error"`
			Description string `json:"error_description,omitempty"`
		}{problem.Of(e.status, e.code, e.detail), e.oauthError(), e.detail}
	}
	cfg.answer(w, r, a)
}
