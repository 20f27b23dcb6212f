package authkit

import (
	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/apikey"
)

// openAPIKeys makes the API keys, and returns what verifies credentials.
func (app *App) openAPIKeys(cfg *Config) (_ auth.TokenVerifier, err error) {
	if cfg.APIKeyPrefix == "" {
		return app.Accounts, nil
	}
	c := cfg.APIKeys
	c.Issuer, c.Events, c.Logger = cfg.Issuer, cfg.events(), cfg.Logger
	if app.revoked != nil {
		c.Check = app.revoked.Check
	}
	if app.APIKeys, err = apikey.New(cfg.APIKeyPrefix, app.stores.Users, app.stores.Records, c); err != nil {
		return nil, err
	}
	return auth.ByForm(app.Accounts, app.APIKeys)
}
