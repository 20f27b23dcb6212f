package authkit

import (
	"context"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/roles"
)

// openRoles makes the roles, and puts them into tokens. A token is then checked for changes of roles, too.
func (app *App) openRoles(ctx context.Context, cfg *Config) (err error) {
	if cfg.Policy == nil {
		return nil
	}
	follow, c := cfg.Revocation, cfg.Roles
	follow.Events = cfg.events()
	if app.roles, err = revocation.Follow(app.stores.Roles, follow); err != nil {
		return err
	}
	if c.Clients == nil && cfg.Tokens.ClientID != "" {
		c.Clients = []string{cfg.Tokens.ClientID}
	}
	c.Store, c.Revoked, c.Events, c.Logger = app.stores.Roles, app.roles, cfg.events(), cfg.Logger
	if app.Roles, err = roles.New(cfg.Issuer, cfg.Policy, c); err != nil {
		return err
	}
	sessions, more := cfg.Tokens.Check, cfg.Accounts.Claims
	cfg.Tokens.Check = func(ctx context.Context, p *auth.Principal) error {
		if sessions != nil {
			if err := sessions(ctx, p); err != nil {
				return err
			}
		}
		return app.Roles.CheckToken(ctx, p)
	}
	cfg.Accounts.Claims = func(ctx context.Context, u auth.User, c *auth.Claims) error {
		err := app.Roles.Claims(ctx, u, c)
		if err == nil && more != nil {
			err = more(ctx, u, c)
		}
		return err
	}
	return app.roles.Sync(ctx)
}
