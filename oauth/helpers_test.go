package oauth_test

import (
	"context"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/oauth"
)

// claimsOf adds a role, and tries to change everything else.
func claimsOf(_ context.Context, g oauth.Grant, c *auth.Claims) error {
	*c = auth.Claims{Subject: "root", ClientID: "x", Scopes: []string{"admin"}, Roles: []string{"of " + g.ClientID}}
	return nil
}
