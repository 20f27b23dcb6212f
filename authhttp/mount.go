package authhttp

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/recovery"
)

// Endpoint names one of the endpoints that [Mount] mounts.
type Endpoint string

// The endpoints, and where Mount puts them.
const (
	EndpointRegister   Endpoint = "register"   // prefix/register
	EndpointLogin      Endpoint = "login"      // prefix/login
	EndpointMFA        Endpoint = "mfa"        // prefix/login/mfa
	EndpointStepUp     Endpoint = "step-up"    // prefix/step-up
	EndpointEnrol      Endpoint = "enrol"      // prefix/mfa/begin, /mfa/confirm, /mfa/recovery-codes and /mfa/remove
	EndpointToken      Endpoint = "token"      // prefix/token
	EndpointRefresh    Endpoint = "refresh"    // prefix/refresh
	EndpointLogout     Endpoint = "logout"     // prefix/logout
	EndpointMe         Endpoint = "me"         // prefix/me
	EndpointSessions   Endpoint = "sessions"   // prefix/sessions and prefix/sessions/{id}
	EndpointPassword   Endpoint = "password"   // prefix/password
	EndpointRecovery   Endpoint = "recovery"   // prefix/password/forgot, /password/reset, /verify/request and /verify
	EndpointLoginLink  Endpoint = "login-link" // prefix/login/link/request and prefix/login/link
	EndpointLoginCode  Endpoint = "login-code" // prefix/login/code/request and prefix/login/code
	EndpointAddress    Endpoint = "address"    // prefix/address and prefix/address/confirm
	EndpointDelete     Endpoint = "delete"     // prefix/account/delete
	EndpointRevoke     Endpoint = "revoke"     // prefix/revoke
	EndpointIntrospect Endpoint = "introspect" // prefix/introspect
	EndpointJWKS       Endpoint = "jwks"       // /.well-known/jwks.json
	EndpointMetadata   Endpoint = "metadata"   // MetadataPath(Issuer)
	EndpointOpenAPI    Endpoint = "openapi"    // prefix/openapi.json: what is mounted, as OpenAPI 3.1 has it
)

// MountConfig is what the endpoints of [Mount] may be told, and what some need.
type MountConfig struct {
	Config
	Users           Users              // for EndpointMe and EndpointEnrol
	Factor          Enroller           // for EndpointEnrol: what the Authenticator has as its second factor
	Recovery        *recovery.Recovery // for EndpointRecovery, LoginLink, LoginCode, Address and Delete
	ResourceServers *ResourceServers   // for EndpointIntrospect
	Keys            *jwt.KeyRing       // for EndpointJWKS

	// Issuer of the tokens, and BaseURL under which clients reach the mux, like
	// "https://example.com": for EndpointMetadata, which tells clients both.
	// EndpointOpenAPI tells BaseURL, and without one that it is where the document is;
	// what an ErrorHandler of the Middleware answers is not known to it.
	Issuer, BaseURL string
}

// Mount puts endpoints on mux, each under its name below prefix, which is empty or
// a path like "/auth": those that were chosen or, without a choice, all for which
// cfg has what they need and a has sessions. With cookies guard must read them:
// see [Cookies.Extractor]. It returns every fault as a
// [*cfgerr.Error], and then nothing is mounted, unless the fault is that a
// pattern collides with one of the host's own.
func Mount(mux *http.ServeMux, prefix string, a *auth.Authenticator, guard *auth.Middleware, cfg MountConfig, choose ...Endpoint) error {
	var faults []error
	fault := func(field, value, reason string) {
		faults = append(faults, &auth.ConfigError{Field: field, Value: value, Reason: reason})
	}
	if mux == nil || a == nil || guard == nil {
		fault("Mount", "", "needs a mux, an Authenticator and a Middleware")
		return errors.Join(faults...)
	}
	if prefix != "" && (prefix[0] != '/' || path.Clean(prefix) != prefix || prefix == "/" || strings.ContainsAny(prefix, "{} ")) {
		fault("Mount", prefix, "must be empty or a path like /auth")
	}
	if c := cfg.Cookies; c != nil && !strings.HasSuffix(c.path, prefix+"/refresh") {
		fault("CookieConfig.RefreshPath", c.path, "must end with "+prefix+"/refresh, where Refresh is mounted")
	}
	all := routes(prefix, a, guard, cfg)
	wanted := func(one route) bool {
		return slices.Contains(choose, one.endpoint) || len(choose) == 0 && one.needs == ""
	}
	for _, name := range choose {
		at := slices.IndexFunc(all, func(one route) bool { return one.endpoint == name })
		switch {
		case at < 0:
			fault("Mount", string(name), "is no endpoint")
		case all[at].needs != "":
			fault("Mount", string(name), "needs "+all[at].needs)
		}
	}
	all = slices.DeleteFunc(all, func(one route) bool { return !wanted(one) })
	if c := cfg.Cookies; c != nil && slices.ContainsFunc(all, route.guarded) && !c.read(guard) {
		fault("Mount", "", "needs a Middleware that reads the cookies: put Cookies.Extractor() into MiddlewareConfig.Extractors")
	}
	if at := slices.IndexFunc(all, func(one route) bool { return one.endpoint == EndpointMetadata }); at >= 0 && len(faults) == 0 {
		var err error
		if all[at].handler, err = Metadata(describe(all, cfg)); err != nil {
			faults = append(faults, err)
		}
	}
	if at := slices.IndexFunc(all, func(one route) bool { return one.endpoint == EndpointOpenAPI }); at >= 0 {
		if cfg.BaseURL != "" && !isServiceURL(cfg.BaseURL) {
			fault("MountConfig.BaseURL", cfg.BaseURL, "must be an https URL without query and fragment")
		}
		all[at].handler = documentOf(all, cfg)
	}
	for _, one := range all {
		if len(faults) == 0 {
			if err := handle(mux, one); err != nil {
				faults = append(faults, err)
			}
		}
	}
	return errors.Join(faults...)
}

// route is an endpoint and its place.
type route struct {
	endpoint Endpoint
	path     string
	handler  http.Handler
	needs    string      // what is missing; "": nothing
	does     []operation // for the document; HEAD goes with GET
}

// guarded reports whether the route asks for an access token.
func (one route) guarded() bool {
	return slices.ContainsFunc(one.does, func(op operation) bool { return op.asks == caller || op.asks == leaver })
}

// routes returns all there are.
func routes(prefix string, a *auth.Authenticator, guard *auth.Middleware, cfg MountConfig) []route {
	needs := func(there bool, what string) string {
		if there {
			return ""
		}
		return what
	}
	has := a.Capabilities()
	sessions := needs(has.Sessions, "an Authenticator with sessions")
	factor := needs(has.SecondFactor, "an Authenticator with a second factor")
	enrollable := factor
	if enrollable == "" {
		enrollable = needs(cfg.Factor != nil && cfg.Users != nil, "MountConfig.Factor and Users")
	}
	deletable := needs(cfg.Recovery != nil, "MountConfig.Recovery")
	if deletable == "" {
		deletable = needs(has.Accounts, "an Authenticator with auth.Config.Accounts")
	}
	jwks := http.Handler(nil)
	if cfg.Keys != nil {
		jwks = cfg.Keys.JWKSHandler()
	}
	recoveries := needs(cfg.Recovery != nil, "MountConfig.Recovery")
	grants := []string{"refresh_token", "client_id", "scope"}
	if cfg.PasswordGrant {
		grants = append(grants, "username", "password", "device_token")
	}
	list := []route{
		{EndpointRegister, "", Register(a, cfg.Config), "", []operation{
			{method: "POST", about: "Make an account", takes: register, status: 201, gives: "Account",
				refuses: codes{409: {"username_taken"}, 422: ruled("invalid_username")}},
		}},
		{EndpointLogin, "", Login(a, cfg.Config), "", []operation{
			{method: "POST", about: "Log in", takes: login, status: 200, gives: "Tokens", browser: true,
				refuses: codes{400: {"invalid_credentials"}, 401: {"invalid_credentials"}, 403: {"mfa_required"}, 429: {""}}},
		}},
		{EndpointMFA, "login/mfa", LoginMFA(a, cfg.Config), factor, []operation{
			{method: "POST", about: "Go on with a login that was answered mfa_required", takes: second, status: 200, gives: "Tokens", browser: true,
				refuses: codes{401: {"invalid_credentials"}, 429: {""}}},
		}},
		{EndpointStepUp, "", StepUp(a, guard, cfg.Config), "", []operation{
			{method: "POST", about: "Prove the caller anew", asks: caller, takes: anew, status: 200, gives: "Tokens", browser: true,
				refuses: codes{403: {"invalid_credentials"}, 429: {""}}},
		}},
		{EndpointEnrol, "mfa/begin", BeginFactor(a, cfg.Users, cfg.Factor, guard, cfg.Config), enrollable, []operation{
			{method: "POST", about: "Begin to give the caller a second factor", asks: caller, takes: leave, status: 200, gives: "Enrolment", browser: true,
				refuses: codes{403: {"invalid_credentials"}, 409: {"mfa_enrolled"}, 429: {""}}},
		}},
		{EndpointEnrol, "mfa/confirm", ConfirmFactor(a, cfg.Factor, guard, cfg.Config), enrollable, []operation{
			{method: "POST", about: "Switch the second factor on by its first code", asks: caller, takes: prove, status: 200, gives: "Recovery", browser: true,
				refuses: codes{403: {"invalid_credentials"}, 409: {"mfa_not_begun"}, 429: {""}}},
		}},
		{EndpointEnrol, "mfa/recovery-codes", RenewRecoveryCodes(a, cfg.Factor, guard, cfg.Config), enrollable, []operation{
			{method: "POST", about: "Get new recovery codes in the place of all older ones", asks: caller, takes: prove, status: 200, gives: "Recovery", browser: true,
				refuses: codes{403: {"invalid_credentials"}, 409: {""}, 429: {""}}},
		}},
		{EndpointEnrol, "mfa/remove", RemoveFactor(a, cfg.Factor, guard, cfg.Config), enrollable, []operation{
			{method: "POST", about: "Take the second factor away", asks: caller, takes: prove, status: 204, browser: true,
				refuses: codes{403: {"invalid_credentials"}, 429: {""}}},
		}},
		{EndpointToken, "", Token(a, cfg.Config), sessions, []operation{
			{method: "POST", about: "The token endpoint of OAuth 2.0", takes: body{form: true, fields: []string{"grant_type"}, extra: grants}, status: 200, gives: "Tokens",
				refuses: codes{400: {"invalid_grant", "unsupported_grant_type"}, 403: {"mfa_required"}, 429: {""}}},
		}},
		{EndpointRefresh, "", Refresh(a, cfg.Config), sessions, []operation{
			{method: "POST", about: "Get new tokens for a refresh token", asks: refresher, takes: renewal, status: 200, gives: "Tokens", browser: true,
				refuses: codes{400: {"invalid_grant"}}},
		}},
		{EndpointLogout, "", Logout(a, guard, cfg.Config), sessions, []operation{
			{method: "POST", about: "End the session of a refresh token or, without one, of the caller", asks: leaver, takes: leaving, status: 204, browser: true},
		}},
		{EndpointMe, "", Me(cfg.Users, guard, cfg.Config), needs(cfg.Users != nil, "MountConfig.Users"), []operation{
			{method: "GET", about: "Tell callers who they are", asks: caller, status: 200, gives: "Account"},
		}},
		{EndpointSessions, "", Sessions(a, guard, cfg.Config), sessions, []operation{
			{method: "GET", about: "List the caller's sessions", asks: caller, status: 200, gives: "Sessions"},
			{method: "DELETE", about: "End all sessions of the caller but this", asks: caller, status: 204},
		}},
		{EndpointSessions, "sessions/{id}", Session(a, guard, cfg.Config), sessions, []operation{
			{method: "DELETE", about: "End one session of the caller", asks: caller, status: 204, refuses: codes{404: {"session_not_found"}}},
		}},
		{EndpointPassword, "", ChangePassword(a, guard, cfg.Config), "", []operation{
			{method: "POST", about: "Change the password, which ends all sessions and begins one", asks: caller, takes: change, status: 200, gives: "Tokens", browser: true,
				refuses: codes{403: {"invalid_credentials", "mfa_required"}, 409: {""}, 422: ruled(), 429: {""}}},
		}},
		{EndpointRecovery, "password/forgot", ForgotPassword(cfg.Recovery, cfg.Config), recoveries, []operation{
			{method: "POST", about: "Send a link that resets the password", takes: mailTo, status: 202, refuses: codes{422: {"invalid_address"}}},
		}},
		{EndpointRecovery, "password/reset", ResetPassword(cfg.Recovery, cfg.Config), recoveries, []operation{
			{method: "POST", about: "Reset the password by a link", takes: reset, status: 204, refuses: codes{400: {"invalid_link"}, 409: {""}, 422: ruled()}},
		}},
		{EndpointRecovery, "verify/request", RequestVerification(cfg.Recovery, cfg.Config), recoveries, []operation{
			{method: "POST", about: "Send a link that verifies an address", takes: mailTo, status: 202, refuses: codes{422: {"invalid_address"}}},
		}},
		{EndpointRecovery, "verify", VerifyAddress(cfg.Recovery, cfg.Config), recoveries, []operation{
			{method: "POST", about: "Verify an address by a link", takes: link, status: 204, refuses: codes{400: {"invalid_link"}, 409: {""}}},
		}},
		{EndpointLoginLink, "login/link/request", RequestLoginLink(cfg.Recovery, cfg.Config), recoveries, []operation{
			{method: "POST", about: "Send a link that logs in", takes: mailTo, status: 202, refuses: codes{422: {"invalid_address"}}},
		}},
		{EndpointLoginLink, "login/link", LoginByLink(cfg.Recovery, cfg.Config), recoveries, []operation{
			{method: "POST", about: "Log in by a link", takes: byLink, status: 200, gives: "Tokens", browser: true,
				refuses: codes{400: {"invalid_link"}, 403: {"mfa_required"}}},
		}},
		{EndpointLoginCode, "login/code/request", RequestLoginCode(cfg.Recovery, cfg.Config), recoveries, []operation{
			{method: "POST", about: "Send a code that logs in", takes: mailTo, status: 202, gives: "Challenge", refuses: codes{422: {"invalid_address"}}},
		}},
		{EndpointLoginCode, "login/code", LoginByCode(cfg.Recovery, cfg.Config), recoveries, []operation{
			{method: "POST", about: "Log in by a code", takes: byCode, status: 200, gives: "Tokens", browser: true,
				refuses: codes{401: {"invalid_credentials"}, 403: {"mfa_required"}, 429: {""}}},
		}},
		{EndpointAddress, "", RequestAddressChange(cfg.Recovery, guard, cfg.Config), recoveries, []operation{
			{method: "POST", about: "Send a link that changes the address", asks: caller, takes: move, status: 202, browser: true,
				refuses: codes{403: {"invalid_credentials"}, 422: {"invalid_address"}, 429: {""}}},
		}},
		{EndpointAddress, "address/confirm", ChangeAddress(cfg.Recovery, cfg.Config), recoveries, []operation{
			{method: "POST", about: "Change the address by a link", takes: link, status: 204, refuses: codes{400: {"invalid_link"}, 409: {"address_taken"}}},
		}},
		{EndpointDelete, "account/delete", DeleteAccount(cfg.Recovery, guard, cfg.Config), deletable, []operation{
			{method: "POST", about: "Delete the account, which ends all sessions", asks: caller, takes: leave, status: 204, browser: true,
				refuses: codes{403: {"invalid_credentials"}, 429: {""}}},
		}},
		{EndpointRevoke, "", Revoke(a, cfg.Config), sessions, []operation{
			{method: "POST", about: "End what a token stands for (RFC 7009)", takes: body{form: true, fields: []string{"token"}, extra: []string{"token_type_hint", "client_id"}}, status: 200,
				refuses: codes{400: {"unsupported_token_type"}}},
		}},
		{EndpointIntrospect, "", Introspect(a, cfg.ResourceServers, cfg.Config), needs(cfg.ResourceServers != nil, "MountConfig.ResourceServers"), []operation{
			{method: "POST", about: "Ask what a token stands for (RFC 7662)", asks: asker, takes: body{form: true, fields: []string{"token"}, extra: []string{"token_type_hint"}}, status: 200,
				gives: "Introspection", refuses: codes{401: {"invalid_client"}}},
		}},
		{EndpointJWKS, "/.well-known/jwks.json", jwks, needs(cfg.Keys != nil, "MountConfig.Keys"), []operation{
			{method: "GET", about: "The keys that verify access tokens (RFC 7517)", status: 200, gives: "JWKSet"},
		}},
		{EndpointMetadata, MetadataPath(cfg.Issuer), nil, needs(cfg.Issuer != "" && cfg.BaseURL != "", "MountConfig.Issuer and BaseURL"), []operation{
			{method: "GET", about: "Metadata of the authorization server (RFC 8414)", status: 200, gives: "Metadata"},
		}},
		{EndpointOpenAPI, "openapi.json", nil, "", []operation{
			{method: "GET", about: "What is mounted, as OpenAPI 3.1 has it", status: 200, gives: "Document"},
		}},
	}
	for i, one := range list {
		switch {
		case one.path == "":
			list[i].path = prefix + "/" + string(one.endpoint)
		case one.path[0] != '/':
			list[i].path = prefix + "/" + one.path
		}
	}
	return list
}

// describe returns what the metadata says of the routes.
func describe(all []route, cfg MountConfig) MetadataConfig {
	m := MetadataConfig{Issuer: cfg.Issuer, PasswordGrant: cfg.PasswordGrant}
	base := strings.TrimSuffix(cfg.BaseURL, "/")
	for _, one := range all {
		switch one.endpoint {
		case EndpointToken:
			m.Token = base + one.path
		case EndpointRevoke:
			m.Revoke = base + one.path
		case EndpointIntrospect:
			m.Introspect = base + one.path
		case EndpointJWKS:
			m.JWKS = base + one.path
		}
	}
	return m
}

// handle mounts a route. A mux panics where patterns collide: that is a fault of
// the configuration like others.
func handle(mux *http.ServeMux, one route) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = &auth.ConfigError{Field: "Mount", Value: one.path, Reason: fmt.Sprint("collides: ", reason)}
		}
	}()
	mux.Handle(one.path, one.handler)
	return nil
}
