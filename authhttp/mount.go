package authhttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth"
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
	EndpointToken      Endpoint = "token"      // prefix/token
	EndpointRefresh    Endpoint = "refresh"    // prefix/refresh
	EndpointLogout     Endpoint = "logout"     // prefix/logout
	EndpointMe         Endpoint = "me"         // prefix/me
	EndpointSessions   Endpoint = "sessions"   // prefix/sessions and prefix/sessions/{id}
	EndpointPassword   Endpoint = "password"   // prefix/password
	EndpointRecovery   Endpoint = "recovery"   // prefix/password/forgot, /password/reset, /verify/request and /verify
	EndpointRevoke     Endpoint = "revoke"     // prefix/revoke
	EndpointIntrospect Endpoint = "introspect" // prefix/introspect
	EndpointJWKS       Endpoint = "jwks"       // /.well-known/jwks.json
	EndpointMetadata   Endpoint = "metadata"   // MetadataPath(Issuer)
)

// MountConfig is what the endpoints of [Mount] may be told, and what some need.
type MountConfig struct {
	Config
	Users           Users              // for EndpointMe
	Recovery        *recovery.Recovery // for EndpointRecovery
	ResourceServers *ResourceServers   // for EndpointIntrospect
	Keys            *auth.KeyRing      // for EndpointJWKS

	// Issuer of the tokens, and BaseURL under which clients reach the mux, like
	// "https://example.com": for EndpointMetadata, which tells clients both.
	Issuer, BaseURL string
}

// Mount puts endpoints on mux, each under its name below prefix, which is empty or
// a path like "/auth": those that were chosen or, without a choice, all for which
// cfg has what they need and a has sessions. It returns every fault as a
// [*auth.ConfigError], and then nothing is mounted, unless the fault is that a
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
	if at := slices.IndexFunc(all, func(one route) bool { return one.endpoint == EndpointMetadata }); at >= 0 && len(faults) == 0 {
		var err error
		if all[at].handler, err = Metadata(describe(all, cfg)); err != nil {
			faults = append(faults, err)
		}
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
	needs    string // what is missing; "": nothing
}

// routes returns all there are.
func routes(prefix string, a *auth.Authenticator, guard *auth.Middleware, cfg MountConfig) []route {
	needs := func(there bool, what string) string {
		if there {
			return ""
		}
		return what
	}
	// Where there are no sessions no refresh token can be invalid, and without a
	// second factor nothing is looked up.
	_, err := a.Refresh(context.Background(), "")
	sessions := needs(errors.Is(err, auth.ErrInvalidGrant), "an Authenticator with sessions")
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = a.LoginMFA(over, "", "")
	second := needs(auth.HTTPStatus(err) != http.StatusInternalServerError, "an Authenticator with a second factor")
	jwks := http.Handler(nil)
	if cfg.Keys != nil {
		jwks = cfg.Keys.JWKSHandler()
	}
	recoveries := needs(cfg.Recovery != nil, "MountConfig.Recovery")
	list := []route{
		{EndpointRegister, "", Register(a, cfg.Config), ""},
		{EndpointLogin, "", Login(a, cfg.Config), ""},
		{EndpointMFA, "login/mfa", LoginMFA(a, cfg.Config), second},
		{EndpointStepUp, "", StepUp(a, guard, cfg.Config), ""},
		{EndpointToken, "", Token(a, cfg.Config), sessions},
		{EndpointRefresh, "", Refresh(a, cfg.Config), sessions},
		{EndpointLogout, "", Logout(a, guard, cfg.Config), sessions},
		{EndpointMe, "", Me(cfg.Users, guard, cfg.Config), needs(cfg.Users != nil, "MountConfig.Users")},
		{EndpointSessions, "", Sessions(a, guard, cfg.Config), sessions},
		{EndpointSessions, "sessions/{id}", Session(a, guard, cfg.Config), sessions},
		{EndpointPassword, "", ChangePassword(a, guard, cfg.Config), ""},
		{EndpointRecovery, "password/forgot", ForgotPassword(cfg.Recovery, cfg.Config), recoveries},
		{EndpointRecovery, "password/reset", ResetPassword(cfg.Recovery, cfg.Config), recoveries},
		{EndpointRecovery, "verify/request", RequestVerification(cfg.Recovery, cfg.Config), recoveries},
		{EndpointRecovery, "verify", VerifyAddress(cfg.Recovery, cfg.Config), recoveries},
		{EndpointRevoke, "", Revoke(a, cfg.Config), sessions},
		{EndpointIntrospect, "", Introspect(a, cfg.ResourceServers, cfg.Config), needs(cfg.ResourceServers != nil, "MountConfig.ResourceServers")},
		{EndpointJWKS, "/.well-known/jwks.json", jwks, needs(cfg.Keys != nil, "MountConfig.Keys")},
		{EndpointMetadata, MetadataPath(cfg.Issuer), nil, needs(cfg.Issuer != "" && cfg.BaseURL != "", "MountConfig.Issuer and BaseURL")},
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
