package authhttp

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/origin"
)

// MetadataConfig has the URLs of the endpoints as clients see them: https, or http to this machine.
// An empty one says that there is no such endpoint.
type MetadataConfig struct {
	Issuer        string   // required; issuer of the tokens: [jwt.IssuerConfig].Issuer
	Token         string   // [Token]
	PasswordGrant bool     // [Config].PasswordGrant
	Revoke        string   // [Revoke]
	Introspect    string   // [Introspect]
	JWKS          string   // [jwt.KeyRing].JWKSHandler
	Scopes        []string // scopes that the tokens may have
}

// Metadata returns the handler of the authorization server's metadata (RFC 8414), which tells
// clients where its endpoints are. Mount it at [MetadataPath]. It answers what cfg says, and
// nothing that a request says. It returns every fault of cfg as a [*cfgerr.Error].
func Metadata(cfg MetadataConfig) (http.Handler, error) {
	faults := cfgerr.Faults{Prefix: "authhttp.MetadataConfig."}
	for _, endpoint := range []struct{ field, url string }{
		{"Issuer", cfg.Issuer}, {"Token", cfg.Token}, {"Revoke", cfg.Revoke},
		{"Introspect", cfg.Introspect}, {"JWKS", cfg.JWKS},
	} {
		if !isServiceURL(endpoint.url) && (endpoint.url != "" || endpoint.field == "Issuer") {
			faults.Add(endpoint.field, endpoint.url, serviceURLFault)
		}
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return Config{}.serve(newMetadata(cfg)), nil
}

// metadata is the document of RFC 8414 section 2.
type metadata struct {
	Issuer        string   `json:"issuer"`
	Token         string   `json:"token_endpoint,omitempty"`
	JWKS          string   `json:"jwks_uri,omitempty"`
	Scopes        []string `json:"scopes_supported,omitempty"`
	ResponseTypes []string `json:"response_types_supported"` // required; empty: no authorization endpoint
	Grants        []string `json:"grant_types_supported"`
	TokenAuth     []string `json:"token_endpoint_auth_methods_supported,omitempty"`
	Revoke        string   `json:"revocation_endpoint,omitempty"`
	RevokeAuth    []string `json:"revocation_endpoint_auth_methods_supported,omitempty"`
	Introspect    string   `json:"introspection_endpoint,omitempty"`
	IntroAuth     []string `json:"introspection_endpoint_auth_methods_supported,omitempty"`
}

func newMetadata(cfg MetadataConfig) metadata {
	m := metadata{
		Issuer: cfg.Issuer, Token: cfg.Token, JWKS: cfg.JWKS, Scopes: slices.Clone(cfg.Scopes),
		ResponseTypes: []string{}, Grants: []string{}, Revoke: cfg.Revoke, Introspect: cfg.Introspect,
	}
	if cfg.Token != "" {
		m.Grants = append(m.Grants, "refresh_token")
		if cfg.PasswordGrant {
			m.Grants = append(m.Grants, "password")
		}
		m.TokenAuth = []string{"none"}
	}
	if cfg.Revoke != "" {
		m.RevokeAuth = []string{"none"}
	}
	if cfg.Introspect != "" {
		m.IntroAuth = []string{"client_secret_basic"}
	}
	return m
}

// MetadataPath returns the path where clients look for the metadata of issuer (RFC 8414 section
// 3.1).
func MetadataPath(issuer string) string {
	const wellKnown = "/.well-known/oauth-authorization-server"
	u, err := url.Parse(issuer)
	if err != nil {
		return wellKnown
	}
	return wellKnown + strings.TrimSuffix(u.EscapedPath(), "/")
}

// serviceURLFault says why isServiceURL is false.
const serviceURLFault = "must be an https URL, or http to this machine, without user, query and fragment"

// isServiceURL reports whether s can be the URL of a service.
func isServiceURL(s string) bool {
	return origin.IsSecureURL(s) && isPrintable(s) && !strings.Contains(s, "?")
}
