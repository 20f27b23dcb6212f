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

// Clients find the endpoints by the issuer's name alone. Mount does this, too, where
// it is told Issuer and BaseURL.
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

// An issuer with a path has it behind the well-known one, by RFC 8414.
func ExampleMetadataPath() {
	fmt.Println(authhttp.MetadataPath("https://example.com/shop"))
	// Output: /.well-known/oauth-authorization-server/shop
}
