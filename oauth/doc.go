// Package oauth is an OAuth 2.1 authorization server (draft-ietf-oauth-v2-1) that a program mounts beside
// its own routes. Programs that the host does not know, such as MCP clients, log in to it by authorization
// code with PKCE, after the user has agreed; their access tokens are those of package jwt, for one
// resource each (RFC 8707).
//
//	server, err := oauth.New(accounts, oauth.Config{Issuer: "https://example.com", …})
//	…
//	err = server.Mount(mux)
//
// It takes the place of Token, Revoke, Introspect and Metadata of package authhttp: a host has one
// metadata document, and Mount of both is a fault.
//
// # Where things are kept
//
// An authorization request leaves nothing in a store until its user decides: what the pages carry is
// sealed with [Config].Secrets. A code, a grant, a registered client and a remembered consent are records
// of [Config].Records. A code and a secret are kept as digests. A refresh token is kept nowhere: it is
// authenticated by its MAC.
//
// A grant is also a session of [Config].Sessions, whose ID is the grant's and stands in its access tokens
// as sid. The grant ends with that session. So whatever ends the sessions of a user (a changed
// password, Disable, Delete, a reset) ends the grants in the same step, and package revocation ends their
// access tokens on every replica. See decision 0142.
package oauth
