package authhttp

import (
	"net/http"

	"github.com/seed-e36e2130/auth/passwords"
)

// endpoint is one row of the table: one method at one path. Mount, the metadata and the OpenAPI
// document are made from these rows, and tests hold docs/endpoints.md and the package comment
// against them.
type endpoint struct {
	name    Endpoint // what a host chooses it by
	method  string   // a handler of GET takes HEAD as well
	path    string   // below the prefix of Mount; one below /.well-known stands at the root
	summary string
	needs   []requirement
	handler func(*mount) http.Handler // the same in all rows of a path

	document bool // pages of every origin may read it: it takes OPTIONS as well

	credential credential
	body       body   // zero: there is none
	cookies    bool   // Config.Cookies makes it check the origin, and set, read or clear cookies
	status     int    // status of success
	schema     string // schema of the body of success; "": there is none
	refusals   codes  // in addition to those that other fields imply: see endpoint.allRefusals
}

// missing returns the first requirement that m does not meet, or "".
func (e endpoint) missing(m *mount) string {
	for _, r := range e.needs {
		if !r.met(m) {
			return r.what
		}
	}
	return ""
}

// guarded reports whether the endpoint asks for an access token.
func (e endpoint) guarded() bool {
	return e.credential == accessToken || e.credential == accessOrRefreshToken
}

// requirement is something that an endpoint needs in addition to an Authenticator and a Middleware.
type requirement struct {
	what string
	met  func(*mount) bool
}

var (
	needsSessions     = requirement{"auth.Config.Sessions", func(m *mount) bool { return m.a.Capabilities().Sessions }}
	needsSecondFactor = requirement{"auth.Config.SecondFactor", func(m *mount) bool { return m.a.Capabilities().SecondFactor }}
	needsAccounts     = requirement{"auth.Config.Accounts", func(m *mount) bool { return m.a.Capabilities().Accounts }}

	needsUsers    = requirement{"MountConfig.Users", func(m *mount) bool { return m.cfg.Users != nil }}
	needsEnroller = requirement{"MountConfig.Factor", func(m *mount) bool { return m.cfg.Factor != nil }}
	needsRecovery = requirement{"MountConfig.Recovery", func(m *mount) bool { return m.cfg.Recovery != nil }}
	needsServers  = requirement{"MountConfig.ResourceServers", func(m *mount) bool { return m.cfg.ResourceServers != nil }}
	needsAPIKeys  = requirement{"MountConfig.APIKeys", func(m *mount) bool { return m.cfg.APIKeys != nil }}
	needsKeys     = requirement{"MountConfig.Keys", func(m *mount) bool { return m.cfg.Keys != nil }}
	needsPage     = requirement{"MountConfig.ChangePasswordPage", func(m *mount) bool { return m.cfg.ChangePasswordPage != "" }}
	needsURLs     = requirement{"MountConfig.Issuer and BaseURL", func(m *mount) bool {
		return m.cfg.Issuer != "" && m.cfg.BaseURL != ""
	}}
)

// credential is what an endpoint asks a client for, in addition to what its body holds.
type credential int

const (
	noCredential         credential = iota
	accessToken                     // in the header or, with cookies, in the cookie
	accessOrRefreshToken            // an access token, unless the body has a refresh token
	refreshToken                    // in the body or, with cookies, in the cookie
	askingBrowser                   // challenge in the body or, with cookies, the cookie of the browser that requested a link
	resourceServer                  // name and secret of a resource server
)

// codes has the codes of refusals by status. "" is the code of the status itself.
type codes map[int][]string

// passwordCodes returns the codes of new passwords that break a rule, and more.
func passwordCodes(more ...string) []string {
	for _, rule := range []passwords.Rule{
		passwords.TooShort, passwords.TooLong, passwords.Encoding,
		passwords.Common, passwords.Context, passwords.Breached,
	} {
		more = append(more, passwordCode(rule))
	}
	return more
}

// table has all endpoints.
var table = []endpoint{
	{
		name: EndpointRegister, method: "POST", path: "/register", summary: "Create an account",
		handler: func(m *mount) http.Handler {
			if m.cfg.Recovery != nil { // a username that is an address becomes the account's
				return Register(m.cfg.Recovery, m.cfg.Config)
			}
			return Register(m.a, m.cfg.Config)
		},
		body: registerBody, status: 201, schema: "Account",
		refusals: codes{403: {"cross_origin"}, 409: {"username_taken"}, 422: passwordCodes("invalid_username"), 429: {""}},
	},
	{
		name: EndpointLogin, method: "POST", path: "/login", summary: "Log in",
		handler: func(m *mount) http.Handler { return Login(m.accounts(), m.cfg.Config) },
		body:    loginBody, cookies: true, status: 200, schema: "Tokens",
		refusals: codes{400: {"invalid_credentials"}, 401: {"invalid_credentials"}, 403: {"mfa_required"}, 429: {""}},
	},
	{
		name: EndpointMFA, method: "POST", path: "/login/mfa", summary: "Complete a login that was answered mfa_required",
		needs:   []requirement{needsSecondFactor},
		handler: func(m *mount) http.Handler { return LoginMFA(m.accounts(), m.cfg.Config) },
		body:    loginMFABody, cookies: true, status: 200, schema: "Tokens",
		refusals: codes{401: {"invalid_credentials"}, 429: {""}},
	},
	{
		name: EndpointStepUp, method: "POST", path: "/step-up", summary: "Prove the caller's identity again",
		handler:    func(m *mount) http.Handler { return StepUp(m.a, m.guard, m.cfg.Config) },
		credential: accessToken, body: stepUpBody, cookies: true, status: 200, schema: "Tokens",
		refusals: codes{403: {"invalid_credentials"}, 429: {""}},
	},
	{
		name: EndpointEnrol, method: "POST", path: "/mfa/begin", summary: "Begin to enrol a second factor",
		needs: []requirement{needsSecondFactor, needsEnroller, needsUsers},
		handler: func(m *mount) http.Handler {
			return BeginFactor(m.a, m.cfg.Users, m.cfg.Factor, m.guard, m.cfg.Config)
		},
		credential: accessToken, body: currentPasswordBody, cookies: true, status: 200, schema: "Enrolment",
		refusals: codes{403: {"invalid_credentials"}, 409: {"mfa_enrolled"}, 429: {""}},
	},
	{
		name: EndpointEnrol, method: "POST", path: "/mfa/confirm",
		summary:    "Activate the second factor with its first code",
		needs:      []requirement{needsSecondFactor, needsEnroller, needsUsers},
		handler:    func(m *mount) http.Handler { return ConfirmFactor(m.a, m.factor(), m.guard, m.cfg.Config) },
		credential: accessToken, body: bothFactorsBody, cookies: true, status: 200, schema: "RecoveryCodes",
		refusals: codes{403: {"invalid_credentials"}, 409: {"mfa_not_begun"}, 429: {""}},
	},
	{
		name: EndpointEnrol, method: "POST", path: "/mfa/recovery-codes", summary: "Replace all recovery codes",
		needs: []requirement{needsSecondFactor, needsEnroller, needsUsers},
		handler: func(m *mount) http.Handler {
			return RenewRecoveryCodes(m.a, m.factor(), m.guard, m.cfg.Config)
		},
		credential: accessToken, body: bothFactorsBody, cookies: true, status: 200, schema: "RecoveryCodes",
		refusals: codes{403: {"invalid_credentials"}, 409: {""}, 429: {""}},
	},
	{
		name: EndpointEnrol, method: "POST", path: "/mfa/remove", summary: "Remove the second factor",
		needs:      []requirement{needsSecondFactor, needsEnroller, needsUsers},
		handler:    func(m *mount) http.Handler { return RemoveFactor(m.a, m.factor(), m.guard, m.cfg.Config) },
		credential: accessToken, body: bothFactorsBody, cookies: true, status: 204,
		refusals: codes{403: {"invalid_credentials"}, 429: {""}},
	},
	{
		name: EndpointToken, method: "POST", path: "/token", summary: "OAuth 2.0 token endpoint",
		needs:   []requirement{needsSessions},
		handler: func(m *mount) http.Handler { return Token(m.accounts(), m.cfg.Config) },
		body:    tokenBody, status: 200, schema: "Tokens",
		refusals: codes{400: {"invalid_grant", "unsupported_grant_type"}, 403: {"mfa_required"}, 429: {""}},
	},
	{
		name: EndpointRefresh, method: "POST", path: "/refresh", summary: "Exchange a refresh token for new tokens",
		needs:      []requirement{needsSessions},
		handler:    func(m *mount) http.Handler { return Refresh(m.a, m.cfg.Config) },
		credential: refreshToken, body: refreshBody, cookies: true, status: 200, schema: "Tokens",
		refusals: codes{400: {"invalid_grant"}},
	},
	{
		name: EndpointLogout, method: "POST", path: "/logout",
		summary:    "End the session of a refresh token or, without one, of the caller",
		needs:      []requirement{needsSessions},
		handler:    func(m *mount) http.Handler { return Logout(m.a, m.guard, m.cfg.Config) },
		credential: accessOrRefreshToken, body: logoutBody, cookies: true, status: 204,
	},
	{
		name: EndpointMe, method: "GET", path: "/me", summary: "Return the caller's account",
		needs:      []requirement{needsUsers},
		handler:    func(m *mount) http.Handler { return Me(m.cfg.Users, m.guard, m.cfg.Config) },
		credential: accessToken, status: 200, schema: "Account",
	},
	{
		name: EndpointSessions, method: "GET", path: "/sessions", summary: "List the caller's sessions",
		needs:      []requirement{needsSessions},
		handler:    func(m *mount) http.Handler { return Sessions(m.a, m.guardOthers(), m.cfg.Config) },
		credential: accessToken, status: 200, schema: "Sessions",
	},
	{
		name: EndpointSessions, method: "DELETE", path: "/sessions", summary: "End all other sessions of the caller",
		needs:      []requirement{needsSessions},
		handler:    func(m *mount) http.Handler { return Sessions(m.a, m.guardOthers(), m.cfg.Config) },
		credential: accessToken, status: 204,
		refusals: codes{401: {"insufficient_user_authentication"}},
	},
	{
		name: EndpointSessions, method: "DELETE", path: "/sessions/{id}", summary: "End one session of the caller",
		needs:      []requirement{needsSessions},
		handler:    func(m *mount) http.Handler { return Session(m.a, m.guardOthers(), m.cfg.Config) },
		credential: accessToken, status: 204,
		refusals: codes{401: {"insufficient_user_authentication"}, 404: {"session_not_found"}},
	},
	{
		name: EndpointAPIKeys, method: "GET", path: "/keys", summary: "List the caller's API keys",
		needs:      []requirement{needsAPIKeys},
		handler:    func(m *mount) http.Handler { return APIKeys(m.apiKeys(), m.guardKeys(), m.cfg.Config) },
		credential: accessToken, status: 200, schema: "APIKeys",
	},
	{
		name: EndpointAPIKeys, method: "POST", path: "/keys", summary: "Create an API key",
		needs:      []requirement{needsAPIKeys},
		handler:    func(m *mount) http.Handler { return APIKeys(m.apiKeys(), m.guardKeys(), m.cfg.Config) },
		credential: accessToken, body: createKeyBody, cookies: true, status: 201, schema: "NewAPIKey",
		refusals: codes{401: {"insufficient_user_authentication"}, 409: {"too_many_keys"}, 422: {"invalid_key"}},
	},
	{
		name: EndpointAPIKeys, method: "POST", path: "/keys/{id}/roll", summary: "Give an API key another secret",
		needs:      []requirement{needsAPIKeys},
		handler:    func(m *mount) http.Handler { return RollAPIKey(m.apiKeys(), m.guardKeys(), m.cfg.Config) },
		credential: accessToken, body: rollKeyBody, cookies: true, status: 200, schema: "NewAPIKey",
		refusals: codes{401: {"insufficient_user_authentication"}, 404: {"key_not_found"}, 409: {""}, 422: {"invalid_key"}},
	},
	{
		name: EndpointAPIKeys, method: "DELETE", path: "/keys/{id}", summary: "Delete an API key",
		needs:      []requirement{needsAPIKeys},
		handler:    func(m *mount) http.Handler { return DeleteAPIKey(m.apiKeys(), m.guardKeys(), m.cfg.Config) },
		credential: accessToken, status: 204,
		refusals: codes{401: {"insufficient_user_authentication"}, 404: {"key_not_found"}, 409: {""}},
	},
	{
		name: EndpointPassword, method: "POST", path: "/password",
		summary:    "Change the password, end all sessions and begin a new one",
		handler:    func(m *mount) http.Handler { return ChangePassword(m.accounts(), m.guardChanges(), m.cfg.Config) },
		credential: accessToken, body: changePasswordBody, cookies: true, status: 200, schema: "Tokens",
		refusals: codes{401: {"insufficient_user_authentication"}, 403: {"invalid_credentials", "mfa_required"}, 409: {""}, 422: passwordCodes(), 429: {""}},
	},
	{
		name: EndpointRecovery, method: "POST", path: "/password/forgot", summary: "Send a link that resets the password",
		needs:   []requirement{needsRecovery},
		handler: func(m *mount) http.Handler { return ForgotPassword(m.cfg.Recovery, m.cfg.Config) },
		body:    addressBody, status: 202,
		refusals: codes{422: {"invalid_address"}, 429: {""}},
	},
	{
		name: EndpointRecovery, method: "POST", path: "/password/reset", summary: "Reset the password with a link",
		needs:   []requirement{needsRecovery},
		handler: func(m *mount) http.Handler { return ResetPassword(m.cfg.Recovery, m.cfg.Config) },
		body:    resetPasswordBody, status: 200, schema: "KnownDevice",
		refusals: codes{400: {"invalid_link"}, 409: {""}, 422: passwordCodes()},
	},
	{
		name: EndpointRecovery, method: "POST", path: "/verify/request", summary: "Send a link that verifies an address",
		needs:   []requirement{needsRecovery},
		handler: func(m *mount) http.Handler { return RequestVerification(m.cfg.Recovery, m.cfg.Config) },
		body:    addressBody, status: 202,
		refusals: codes{422: {"invalid_address"}, 429: {""}},
	},
	{
		name: EndpointRecovery, method: "POST", path: "/verify", summary: "Verify an address with a link",
		needs:   []requirement{needsRecovery},
		handler: func(m *mount) http.Handler { return VerifyAddress(m.cfg.Recovery, m.cfg.Config) },
		body:    verifyBody, status: 204,
		refusals: codes{400: {"invalid_link"}, 403: {"invalid_credentials"}, 409: {""}, 422: passwordCodes(), 429: {""}},
	},
	{
		name: EndpointLoginLink, method: "POST", path: "/login/link/request", summary: "Send a link and a code that log in",
		needs:   []requirement{needsRecovery},
		handler: func(m *mount) http.Handler { return RequestLoginLink(m.cfg.Recovery, m.cfg.Config) },
		body:    addressBody, cookies: true, status: 202, schema: "Challenge",
		refusals: codes{422: {"invalid_address"}, 429: {""}},
	},
	{
		name: EndpointLoginLink, method: "POST", path: "/login/link", summary: "Log in with a link",
		needs:      []requirement{needsRecovery},
		handler:    func(m *mount) http.Handler { return LoginByLink(m.mail(), m.cfg.Config) },
		credential: askingBrowser, body: loginLinkBody, cookies: true, status: 200, schema: "Tokens",
		refusals: codes{400: {"invalid_link"}, 403: {"mfa_required", "other_browser"}},
	},
	{
		name: EndpointLoginCode, method: "POST", path: "/login/code/request", summary: "Send a code that logs in",
		needs:   []requirement{needsRecovery},
		handler: func(m *mount) http.Handler { return RequestLoginCode(m.cfg.Recovery, m.cfg.Config) },
		body:    addressBody, status: 202, schema: "Challenge",
		refusals: codes{422: {"invalid_address"}, 429: {""}},
	},
	{
		name: EndpointLoginCode, method: "POST", path: "/login/code", summary: "Log in with a code",
		needs:   []requirement{needsRecovery},
		handler: func(m *mount) http.Handler { return LoginByCode(m.mail(), m.cfg.Config) },
		body:    loginCodeBody, cookies: true, status: 200, schema: "Tokens",
		refusals: codes{401: {"invalid_credentials"}, 403: {"mfa_required"}, 429: {""}},
	},
	{
		name: EndpointAddress, method: "POST", path: "/address", summary: "Send a link that changes the address",
		needs: []requirement{needsRecovery},
		handler: func(m *mount) http.Handler {
			return RequestAddressChange(m.cfg.Recovery, m.guardChanges(), m.cfg.Config)
		},
		credential: accessToken, body: changeAddressBody, cookies: true, status: 202,
		refusals: codes{401: {"insufficient_user_authentication"}, 403: {"invalid_credentials"}, 422: {"invalid_address"}, 429: {""}},
	},
	{
		name: EndpointAddress, method: "POST", path: "/address/confirm", summary: "Change the address with a link",
		needs:   []requirement{needsRecovery},
		handler: func(m *mount) http.Handler { return ChangeAddress(m.cfg.Recovery, m.cfg.Config) },
		body:    confirmAddressBody, status: 204,
		refusals: codes{400: {"invalid_link"}, 403: {"invalid_credentials"}, 409: {"address_taken"}, 429: {""}},
	},
	{
		name: EndpointDelete, method: "POST", path: "/account/delete",
		summary:    "Delete the account and end all its sessions",
		needs:      []requirement{needsRecovery, needsAccounts},
		handler:    func(m *mount) http.Handler { return DeleteAccount(m.cfg.Recovery, m.guardChanges(), m.cfg.Config) },
		credential: accessToken, body: currentPasswordBody, cookies: true, status: 204,
		refusals: codes{401: {"insufficient_user_authentication"}, 403: {"invalid_credentials"}, 429: {""}},
	},
	{
		name: EndpointRevoke, method: "POST", path: "/revoke", summary: "End the session of a token (RFC 7009)",
		needs:   []requirement{needsSessions},
		handler: func(m *mount) http.Handler { return Revoke(revoker{m.a, m.cfg.APIKeys}, m.cfg.Config) },
		body:    revokeBody, status: 200,
		refusals: codes{400: {"unsupported_token_type"}},
	},
	{
		name: EndpointIntrospect, method: "POST", path: "/introspect", summary: "Return the state of a token (RFC 7662)",
		needs:      []requirement{needsServers},
		handler:    func(m *mount) http.Handler { return Introspect(m.a, m.cfg.ResourceServers, m.cfg.Config) },
		credential: resourceServer, body: introspectBody, status: 200, schema: "Introspection",
		refusals: codes{401: {"invalid_client"}},
	},
	{
		name: EndpointJWKS, method: "GET", path: "/.well-known/jwks.json",
		summary: "Return the keys that verify access tokens (RFC 7517)",
		needs:   []requirement{needsKeys},
		handler: func(m *mount) http.Handler { return m.cfg.Config.public(m.cfg.Keys.JWKSHandler()) },
		status:  200, schema: "JWKSet", document: true,
	},
	{
		name: EndpointMetadata, method: "GET", path: "/.well-known/oauth-authorization-server",
		summary: "Return the metadata of the authorization server (RFC 8414)",
		needs:   []requirement{needsURLs},
		handler: func(m *mount) http.Handler { return m.cfg.Config.serve(m.metadata()) },
		status:  200, schema: "Metadata", document: true,
	},
	{
		name: EndpointChangePassword, method: "GET", path: "/.well-known/change-password",
		summary: "Redirect to the page where users change their password",
		needs:   []requirement{needsPage},
		handler: func(m *mount) http.Handler { return m.cfg.Config.redirect(m.cfg.ChangePasswordPage) },
		status:  303,
	},
	{
		name: EndpointOpenAPI, method: "GET", path: "/openapi.json",
		summary: "Return this document: the mounted endpoints in OpenAPI 3.1",
		handler: func(m *mount) http.Handler { return m.cfg.Config.serve(m.openAPI()) },
		status:  200, schema: "Document", document: true,
	},
}
