// Package metadata reads what a client says of itself (RFC 7591 section 2): in a request to register it, or
// in its Client ID Metadata Document (draft-ietf-oauth-client-id-metadata-document, "Client Metadata
// Document"). All of it is a stranger's word. Members that the server does not use, such as addresses of
// pictures and pages, are left out, so that no page can show them. See
// decision 0131.
package metadata

import (
	"encoding/json"
	"slices"
	"time"
)

// Bounds on what a client says.
const (
	MaxBody = 16 << 10 // bytes of a request to register; documents are shorter: see package fetch
	MaxKept = 3 << 10  // bytes of a Metadata of a registration as JSON: a record of the store holds it

	maxURIs   = 20      // redirect URIs
	maxAll    = 2 << 10 // bytes of all redirect URIs of a registration
	maxWords  = 50      // elements of every other array
	maxText   = 256     // bytes of every other string that is read
	maxScope  = 1 << 10 // bytes of scope
	maxName   = 100     // characters of client_name
	maxMarks  = 3       // combining marks in a row in client_name
	maxKeySet = 4 << 10 // bytes of jwks
)

// Methods of client authentication (RFC 7591 section 2, OpenID Connect Core section 9).
const (
	None          = "none"
	SecretBasic   = "client_secret_basic"
	SecretPost    = "client_secret_post"
	PrivateKeyJWT = "private_key_jwt"

	secretPrefix = "client_secret_" // begins each method with a shared secret
)

// AuthorizationCode is the grant that needs redirect URIs, and the default (RFC 7591 section 2).
const AuthorizationCode = "authorization_code"

// Metadata is what a client has said of itself, checked. Its JSON has the names of RFC 7591, and is what a
// store keeps of a registration.
type Metadata struct {
	ClientID     string   `json:"client_id,omitempty"` // of a document: its URL; of a registration: empty
	Name         string   `json:"client_name,omitempty"`
	RedirectURIs []string `json:"redirect_uris,omitempty"`

	// AuthMethod is the method of client authentication that the client prefers. If a document names
	// several, AuthMethods has them all, AuthMethod first.
	AuthMethod  string   `json:"token_endpoint_auth_method"`
	AuthMethods []string `json:"token_endpoint_auth_methods_supported,omitempty"`

	GrantTypes      []string        `json:"grant_types,omitempty"`      // those that the server offers, at least one
	Scope           string          `json:"scope,omitempty"`            // scopes with one space between them
	ApplicationType string          `json:"application_type,omitempty"` // "web", "native" or empty; decides nothing
	JWKS            json.RawMessage `json:"jwks,omitempty"`             // a JWK set with at least one usable key
	JWKSURI         string          `json:"jwks_uri,omitempty"`         // https
}

// Allows reports whether the client may authenticate at the token endpoint by a method.
func (m Metadata) Allows(method string) bool {
	return method == m.AuthMethod || slices.Contains(m.AuthMethods, method)
}

// Answer returns the body of the answer to a registration (RFC 7591 section 3.2.1): what was registered, the
// ID that the client got, and its secret, which never expires, or "" if it has none.
func (m Metadata) Answer(clientID, secret string, issuedAt time.Time) ([]byte, error) {
	type registered Metadata
	answer := struct {
		registered
		ClientID      string   `json:"client_id"`
		IssuedAt      int64    `json:"client_id_issued_at"`
		Secret        string   `json:"client_secret,omitempty"`
		ExpiresAt     *int64   `json:"client_secret_expires_at,omitempty"` // required beside a secret; 0: never
		ResponseTypes []string `json:"response_types,omitempty"`
	}{registered: registered(m), ClientID: clientID, IssuedAt: issuedAt.Unix(), Secret: secret}
	if secret != "" {
		answer.ExpiresAt = new(int64)
	}
	if slices.Contains(m.GrantTypes, AuthorizationCode) {
		answer.ResponseTypes = []string{"code"}
	}
	return json.Marshal(answer)
}

// Codes of errors (RFC 7591 section 3.2.2).
const (
	InvalidRedirectURI    = "invalid_redirect_uri"
	InvalidClientMetadata = "invalid_client_metadata"
)

// Fault says what is wrong with metadata. The description can stand in an error_description (RFC 6749
// section 5.2), and has nothing of what the client sent.
type Fault struct{ Code, Description string }

// Error returns the description.
func (f *Fault) Error() string { return f.Description }

func invalid(description string) *Fault { return &Fault{InvalidClientMetadata, description} }

// Offer is what the server has for a client.
type Offer struct {
	Grants  []string // grant types; others that a client names are left out
	Methods []string // methods of client authentication
}

// Registration reads the body of a request to register a client. Without token_endpoint_auth_method the
// client gets client_secret_basic, and without grant_types authorization_code: the defaults of RFC 7591
// section 2. A client_id in the body is ignored: the server chooses it.
func Registration(body []byte, offer Offer) (Metadata, *Fault) {
	if len(body) > MaxBody {
		return Metadata{}, invalid("the body is too long")
	}
	said, fault := read(body)
	if fault != nil {
		return Metadata{}, fault
	}
	method := said.text("token_endpoint_auth_method")
	if method == "" {
		method = SecretBasic
	}
	if !slices.Contains(offer.Methods, method) {
		return Metadata{}, invalid("token_endpoint_auth_method is none that this server offers")
	}
	m, fault := said.metadata(offer, []string{method})
	if fault != nil {
		return Metadata{}, fault
	}
	total := 0
	for _, uri := range m.RedirectURIs {
		total += len(uri)
	}
	if total > maxAll {
		return Metadata{}, &Fault{InvalidRedirectURI, "redirect_uris are too long"}
	}
	if kept, err := json.Marshal(m); err != nil || len(kept) > MaxKept {
		return Metadata{}, invalid("the metadata is too long")
	}
	return m, nil
}

// Document reads a Client ID Metadata Document that was fetched from a URL. Its client_id must be that URL,
// byte for byte. It must not have a shared secret, or ask for a method with one; the default is none. The
// client may authenticate by each method that is offered and that the document names in
// token_endpoint_auth_method or token_endpoint_auth_methods_supported.
func Document(url string, body []byte, offer Offer) (Metadata, *Fault) {
	said, fault := read(body)
	if fault != nil {
		return Metadata{}, fault
	}
	if id := said.text("client_id"); id == "" || id != url {
		return Metadata{}, invalid("client_id is not the address of the document")
	}
	if said.has("client_secret") || said.has("client_secret_expires_at") {
		return Metadata{}, invalid("a document cannot have a client_secret")
	}
	methods, fault := said.methods(offer.Methods)
	if fault != nil {
		return Metadata{}, fault
	}
	m, fault := said.metadata(offer, methods)
	if fault != nil {
		return Metadata{}, fault
	}
	m.ClientID = url
	return m, nil
}
