package authhttp

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/origin"
	"github.com/seed-e36e2130/auth/jwt"
)

// ResourceConfig describes a protected resource: an API that takes access tokens.
type ResourceConfig struct {
	// Resource is the URL of the API, as clients use it: https, or http to this machine, without query
	// and fragment. Clients compare it with the address that they have, byte for byte (RFC 9728 section
	// 3.3), and ask for tokens whose audience it is (RFC 8707). Required.
	Resource string

	// AuthorizationServers are the issuers whose tokens the API takes. At least one is required.
	AuthorizationServers []string

	// Scopes that a client may need. The scope "offline_access" is no scope of a resource, and a fault
	// here. nil: none are named.
	Scopes []string

	Name          string // for people. "": left out
	Documentation string // URL of a page for developers. "": left out
	PolicyURI     string // URL of a page on what clients may do with the data. "": left out
	TermsURI      string // URL of the terms of service. "": left out
}

// ResourceMetadata returns the handler of the metadata of a protected resource (RFC 9728), by which
// clients learn where to get tokens for it. Mount it at [ResourceMetadataPath] and, for the first or only
// resource of a host, also at "/.well-known/oauth-protected-resource". It answers GET, HEAD and OPTIONS,
// and lets pages of every origin read the document, which says what cfg says and nothing that a request
// says. It returns every fault of cfg as a [*cfgerr.Error].
func ResourceMetadata(cfg ResourceConfig) (http.Handler, error) {
	faults := cfgerr.Faults{Prefix: "authhttp.ResourceConfig."}
	if !isServiceURL(cfg.Resource) {
		faults.Add("Resource", cfg.Resource, serviceURLFault)
	} else if u, _ := url.Parse(cfg.Resource); len(u.Path) > 1 && strings.HasSuffix(u.Path, "/") {
		faults.Add("Resource", cfg.Resource, "ends with a slash, which clients drop or keep as they like")
	}
	if len(cfg.AuthorizationServers) == 0 {
		faults.Add("AuthorizationServers", "", "is empty: a client must learn where to get a token")
	}
	for _, issuer := range cfg.AuthorizationServers {
		if !isServiceURL(issuer) {
			faults.Add("AuthorizationServers", issuer, serviceURLFault)
		}
	}
	for _, scope := range cfg.Scopes {
		if !jwt.IsScope(scope) || scope == "offline_access" {
			faults.Add("Scopes", scope, "is not the scope of a resource (RFC 6749 section 3.3)")
		}
	}
	for _, page := range []struct{ field, url string }{
		{"Documentation", cfg.Documentation}, {"PolicyURI", cfg.PolicyURI}, {"TermsURI", cfg.TermsURI},
	} {
		if page.url != "" && !origin.IsSecureURL(page.url) {
			faults.Add(page.field, page.url, "must be an https URL")
		}
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return Config{}.serve(resourceMetadata{
		Resource: cfg.Resource, Servers: slices.Clone(cfg.AuthorizationServers), Scopes: slices.Clone(cfg.Scopes),
		Methods: []string{"header"}, Name: cfg.Name, Documentation: cfg.Documentation, Policy: cfg.PolicyURI, Terms: cfg.TermsURI,
	}), nil
}

// resourceMetadata is the document of RFC 9728 section 2.
type resourceMetadata struct {
	Resource      string   `json:"resource"`
	Servers       []string `json:"authorization_servers"`
	Scopes        []string `json:"scopes_supported,omitempty"`
	Methods       []string `json:"bearer_methods_supported"` // header alone: tokens in bodies and addresses are not taken
	Name          string   `json:"resource_name,omitempty"`
	Documentation string   `json:"resource_documentation,omitempty"`
	Policy        string   `json:"resource_policy_uri,omitempty"`
	Terms         string   `json:"resource_tos_uri,omitempty"`
}

// resourceWellKnown is the path that RFC 9728 section 3 puts before the path of a resource.
const resourceWellKnown = "/.well-known/oauth-protected-resource"

// ResourceMetadataPath returns the path where clients look for the metadata of resource, a URL (RFC 9728
// section 3.1).
func ResourceMetadataPath(resource string) string {
	u, err := url.Parse(resource)
	if err != nil {
		return resourceWellKnown
	}
	return resourceWellKnown + strings.TrimSuffix(u.EscapedPath(), "/")
}

// ResourceMetadataURL returns the URL of the metadata of resource, for [auth.MiddlewareConfig]
// .ResourceMetadata: [ResourceMetadataPath] on the host of resource. It returns "" if resource is not a URL.
func ResourceMetadataURL(resource string) string {
	if !isServiceURL(resource) {
		return ""
	}
	scheme, rest, _ := strings.Cut(resource, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host + ResourceMetadataPath(resource)
}
