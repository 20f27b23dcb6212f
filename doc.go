// Package auth registers users, logs them in and protects routes with JSON Web
// Tokens, inside a net/http server that already exists.
package auth
