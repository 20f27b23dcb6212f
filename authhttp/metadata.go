package authhttp

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/seed-e36e2130/auth"
)

// MetadataConfig says where endpoints are: URLs as clients see them, https, or http
// to localhost. What is empty is not there.
type MetadataConfig struct {
	Issuer        string // required; that of the tokens: [jwt.IssuerConfig].Issuer
	Token         string // [Token]
	PasswordGrant bool   // as in [Config]
	Revoke        string // [Revoke]
	Introspect    string // [Introspect]
	JWKS          string // [jwt.KeyRing].JWKSHandler
	Scopes        []string
}

// Metadata returns the handler of the authorization server's metadata (RFC 8414),
// by which clients find its endpoints, or every fault of cfg as a
// [*cfgerr.Error]. It is mounted at [MetadataPath]. What it tells is what was
// configured: nothing of a request goes into it.
func Metadata(cfg MetadataConfig) (http.Handler, error) {
	var faults []error
	for _, one := range []struct{ field, value string }{
		{"Issuer", cfg.Issuer}, {"Token", cfg.Token}, {"Revoke", cfg.Revoke}, {"Introspect", cfg.Introspect}, {"JWKS", cfg.JWKS},
	} {
		if !isServiceURL(one.value) && (one.value != "" || one.field == "Issuer") {
			faults = append(faults, &auth.ConfigError{
				Field: "MetadataConfig." + one.field, Value: one.value, Reason: "must be an https URL without query and fragment",
			})
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	document := struct {
		Issuer        string   `json:"issuer"`
		Token         string   `json:"token_endpoint,omitempty"`
		JWKS          string   `json:"jwks_uri,omitempty"`
		Scopes        []string `json:"scopes_supported,omitempty"`
		ResponseTypes []string `json:"response_types_supported"` // required; there is no authorization endpoint
		Grants        []string `json:"grant_types_supported"`
		TokenAuth     []string `json:"token_endpoint_auth_methods_supported,omitempty"`
		Revoke        string   `json:"revocation_endpoint,omitempty"`
		RevokeAuth    []string `json:"revocation_endpoint_auth_methods_supported,omitempty"`
		Introspect    string   `json:"introspection_endpoint,omitempty"`
		IntroAuth     []string `json:"introspection_endpoint_auth_methods_supported,omitempty"`
	}{
		Issuer: cfg.Issuer, Token: cfg.Token, JWKS: cfg.JWKS, Scopes: append([]string(nil), cfg.Scopes...),
		ResponseTypes: []string{}, Grants: []string{}, Revoke: cfg.Revoke, Introspect: cfg.Introspect,
	}
	if cfg.Token != "" {
		document.Grants = append(document.Grants, "refresh_token")
		if cfg.PasswordGrant {
			document.Grants = append(document.Grants, "password")
		}
		document.TokenAuth = []string{"none"}
	}
	if cfg.Revoke != "" {
		document.RevokeAuth = []string{"none"}
	}
	if cfg.Introspect != "" {
		document.IntroAuth = []string{"client_secret_basic"}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			Config{}.refuse(w, r, notAllowed(w, http.MethodGet, http.MethodHead))
			return
		}
		write(w, http.StatusOK, document)
	}), nil
}

// MetadataPath returns the path where clients look for the metadata of issuer (RFC
// 8414 section 3.1).
func MetadataPath(issuer string) string {
	const wellKnown = "/.well-known/oauth-authorization-server"
	u, err := url.Parse(issuer)
	if err != nil {
		return wellKnown
	}
	return wellKnown + strings.TrimSuffix(u.EscapedPath(), "/")
}

// isServiceURL reports whether s is the URL of a service: https, or http to this
// machine.
func isServiceURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.ContainsAny(s, "?#") || !isPrintable(s) {
		return false
	}
	ip, _ := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip.IsLoopback())
}
