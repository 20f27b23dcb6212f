package authhttp_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/seed-e36e2130/auth/authhttp"
)

// Clients that know the issuer find the endpoints in its metadata. Mount serves the metadata as
// well, if MountConfig has Issuer and BaseURL.
func ExampleMetadata() {
	metadata, err := authhttp.Metadata(authhttp.MetadataConfig{
		Issuer: "https://example.com",
		Token:  "https://example.com/auth/token",
		JWKS:   "https://example.com/.well-known/jwks.json",
		Scopes: []string{"items:read"},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(authhttp.MetadataPath("https://example.com"), metadata)

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/oauth-authorization-server", nil))
	var indented bytes.Buffer
	if err := json.Indent(&indented, bytes.TrimSpace(w.Body.Bytes()), "", "  "); err != nil {
		log.Fatal(err)
	}
	fmt.Println(&indented)
	// Output:
	// {
	//   "issuer": "https://example.com",
	//   "token_endpoint": "https://example.com/auth/token",
	//   "jwks_uri": "https://example.com/.well-known/jwks.json",
	//   "scopes_supported": [
	//     "items:read"
	//   ],
	//   "response_types_supported": [],
	//   "grant_types_supported": [
	//     "refresh_token"
	//   ],
	//   "token_endpoint_auth_methods_supported": [
	//     "none"
	//   ]
	// }
}

// The path of an issuer follows the well-known path (RFC 8414 section 3.1).
func ExampleMetadataPath() {
	fmt.Println(authhttp.MetadataPath("https://example.com/shop"))
	// Output: /.well-known/oauth-authorization-server/shop
}
