package oauth

import (
	"net/http"

	"github.com/seed-e36e2130/auth/oauth/internal/assertion"
)

// document is the metadata of the server (RFC 8414 section 2).
type document struct {
	Issuer         string   `json:"issuer"`
	Authorize      string   `json:"authorization_endpoint"`
	Token          string   `json:"token_endpoint"`
	Register       string   `json:"registration_endpoint,omitempty"`
	Device         string   `json:"device_authorization_endpoint,omitempty"`
	Revoke         string   `json:"revocation_endpoint"`
	Introspect     string   `json:"introspection_endpoint"`
	JWKS           string   `json:"jwks_uri"`
	Scopes         []string `json:"scopes_supported"`
	ResponseTypes  []string `json:"response_types_supported"`
	ResponseModes  []string `json:"response_modes_supported"`
	Grants         []string `json:"grant_types_supported"`
	Profiles       []string `json:"authorization_grant_profiles_supported,omitempty"`
	Challenges     []string `json:"code_challenge_methods_supported"`
	TokenAuth      []string `json:"token_endpoint_auth_methods_supported"`
	TokenAlgs      []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	RevokeAuth     []string `json:"revocation_endpoint_auth_methods_supported"`
	RevokeAlgs     []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	IntrospectAuth []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectAlgs []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	Iss            bool     `json:"authorization_response_iss_parameter_supported"`
	Documents      bool     `json:"client_id_metadata_document_supported,omitempty"`
}

func (s *Server) document() document {
	d := document{
		Issuer: s.cfg.Issuer, Authorize: s.url(pathAuthorize), Token: s.url(pathToken), Revoke: s.url(pathRevoke),
		Introspect: s.url(pathIntrospect), JWKS: s.url(pathKeys), Scopes: s.scopes(),
		ResponseTypes: []string{"code"}, ResponseModes: []string{"query"}, Challenges: []string{"S256"},
		Grants:    s.grantTypes(),
		TokenAuth: []string{authNone, authBasic, authPost, authKey}, TokenAlgs: assertion.Algorithms(),
		RevokeAuth: []string{authNone, authBasic, authPost, authKey}, RevokeAlgs: assertion.Algorithms(),
		IntrospectAuth: []string{authBasic, authPost, authKey}, IntrospectAlgs: assertion.Algorithms(), Iss: true, Documents: s.cfg.Documents.On,
	}
	if len(s.providers) > 0 {
		d.Profiles = []string{"urn:ietf:params:oauth:grant-profile:id-jag"}
	}
	if s.cfg.Device.On {
		d.Device = s.url(pathDeviceStart)
	}
	if s.cfg.Register.on() {
		d.Register = s.url(pathRegister)
	}
	return d
}

// scopes returns the scopes of all resources, each once, and offline_access: clients ask for that to get
// a refresh token, which they get anyway.
func (s *Server) scopes() []string {
	var list []string
	seen := map[string]bool{}
	for _, r := range s.cfg.Resources {
		for _, scope := range r.Scopes {
			if !seen[scope.Name] {
				seen[scope.Name], list = true, append(list, scope.Name)
			}
		}
	}
	return append(list, offlineAccess)
}

// metadata answers with the metadata. Nothing of the request is part of it.
func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=300")
	writeJSON(w, http.StatusOK, s.document())
}
