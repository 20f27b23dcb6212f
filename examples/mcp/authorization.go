package main

import (
	"net/http"

	"github.com/seed-e36e2130/auth/authhttp"
)

// mountAuthorization serves what a client must know of the issuer: its keys and its metadata. Tokens are
// printed at the start of the program, with -print-tokens: it has no authorization endpoint.
func (s *server) mountAuthorization(mux *http.ServeMux) error {
	jwks := s.path() + "/.well-known/jwks.json"
	metadata, err := authhttp.Metadata(authhttp.MetadataConfig{Issuer: s.opts.issuer, JWKS: s.opts.issuer + "/.well-known/jwks.json"})
	if err != nil {
		return err
	}
	mux.Handle(jwks, s.keys.JWKSHandler())
	mux.Handle(authhttp.MetadataPath(s.opts.issuer), metadata)
	return nil
}
