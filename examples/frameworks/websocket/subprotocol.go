package main

import (
	"net/http"
	"strings"

	"github.com/seed-e36e2130/auth"
)

// bearer is the sub-protocol before the token.
const bearer = "bearer"

// subprotocol extracts the token from Sec-WebSocket-Protocol: bearer, <token>.
type subprotocol struct{}

func (subprotocol) Ambient() bool { return false }

func (subprotocol) Extract(r *http.Request) (string, error) {
	fields := r.Header.Values("Sec-WebSocket-Protocol")
	name, token, _ := strings.Cut(strings.Join(fields, ","), ",")
	token = strings.TrimSpace(token)
	switch {
	case strings.TrimSpace(name) != bearer:
		return "", auth.ErrNoCredentials
	case token == "" || strings.ContainsAny(token, ", \t"):
		return "", auth.ErrInvalidRequest
	}
	return token, nil
}
