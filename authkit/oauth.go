package authkit

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/oauth"
)

// ofOAuth are the endpoints of package authhttp that an authorization server takes the place of.
var ofOAuth = []authhttp.Endpoint{
	authhttp.EndpointToken, authhttp.EndpointRevoke, authhttp.EndpointIntrospect, authhttp.EndpointJWKS, authhttp.EndpointMetadata,
}

// checkOAuth adds the faults of Config.OAuth, and completes the Config for it.
func (cfg *Config) checkOAuth(stores Stores, faults *cfgerr.Faults) {
	c := cfg.OAuth
	if c == nil {
		return
	}
	if stores.Sessions == nil || stores.Records == nil || cfg.Cookies == nil {
		faults.Add("Config.OAuth", "", "needs Stores.Sessions, Stores.Records and Config.Cookies")
	}
	for _, set := range []struct {
		field string
		given bool
	}{
		{"Issuer", c.Issuer != ""}, {"Tokens", c.Tokens != nil}, {"Keys", c.Keys != nil}, {"Records", c.Records != nil},
		{"Sessions", c.Sessions != nil}, {"Secrets", c.Secrets != nil}, {"Revoked", c.Revoked != nil}, {"User", c.User != nil},
		{"ClientIP", c.ClientIP != nil}, {"Events", c.Events != nil}, {"Logger", c.Logger != nil},
	} {
		if set.given {
			faults.Add("Config.OAuth."+set.field, "", "is set by Open")
		}
	}
	cfg.Tokens.Resources = slices.Clone(cfg.Tokens.Resources)
	for _, r := range c.Resources {
		if !slices.Contains(cfg.Tokens.Resources, r.URL) {
			cfg.Tokens.Resources = append(cfg.Tokens.Resources, r.URL)
		}
	}
	for _, name := range cfg.Endpoints {
		if slices.Contains(ofOAuth, name) {
			faults.Add("Config.Endpoints", string(name), "must not be given with OAuth, which serves it")
		}
	}
	if cfg.Endpoints == nil {
		cfg.Endpoints = cfg.endpointsBesideOAuth(stores)
	}
}

// endpointsBesideOAuth returns every endpoint that the Config allows, without those of the authorization server.
func (cfg *Config) endpointsBesideOAuth(stores Stores) []authhttp.Endpoint {
	names := []authhttp.Endpoint{
		authhttp.EndpointRegister, authhttp.EndpointLogin, authhttp.EndpointRefresh, authhttp.EndpointLogout, authhttp.EndpointMe,
		authhttp.EndpointSessions, authhttp.EndpointPassword, authhttp.EndpointStepUp, authhttp.EndpointOpenAPI,
	}
	for _, more := range []struct {
		allowed bool
		names   []authhttp.Endpoint
	}{
		{cfg.Notifier != nil && stores.Accounts != nil, []authhttp.Endpoint{authhttp.EndpointDelete}},
		{cfg.SecondFactor != nil, []authhttp.Endpoint{authhttp.EndpointMFA, authhttp.EndpointEnrol}},
		{cfg.Notifier != nil, []authhttp.Endpoint{
			authhttp.EndpointRecovery, authhttp.EndpointLoginLink, authhttp.EndpointLoginCode, authhttp.EndpointAddress,
		}},
		{cfg.APIKeyPrefix != "", []authhttp.Endpoint{authhttp.EndpointAPIKeys}},
		{cfg.Mount.ChangePasswordPage != "", []authhttp.Endpoint{authhttp.EndpointChangePassword}},
	} {
		if more.allowed {
			names = append(names, more.names...)
		}
	}
	return names
}

// openOAuth makes the authorization server. Its users are those whose cookies the browser sends: a token in a
// header belongs to a program, which cannot consent.
func (app *App) openOAuth(_ context.Context, cfg *Config) error {
	if cfg.OAuth == nil {
		return nil
	}
	c, stores := *cfg.OAuth, app.stores
	browsers, err := auth.NewMiddleware(app.Accounts, auth.MiddlewareConfig{
		Logger: cfg.Logger, Extractors: []auth.Extractor{app.Cookies.Extractor()},
	})
	if err != nil {
		return err
	}
	c.Issuer, c.Tokens, c.Keys, c.Secrets = cfg.Issuer, app.tokens, cfg.Keys, cfg.Secrets
	c.Records, c.Sessions, c.User = stores.Records, stores.Sessions, browsers.Check
	c.ClientIP, c.Events, c.Logger = cfg.ClientIP, cfg.events(), cfg.Logger
	c.LoginURL, c.Prefix = cmp.Or(c.LoginURL, "/login"), cmp.Or(c.Prefix, "/oauth")
	if app.revoked != nil {
		c.Revoked = app.revoked.Sync
	}
	if c.Account == nil {
		c.Account = func(ctx context.Context, userID string) (string, error) {
			u, err := stores.Users.UserByID(ctx, userID)
			return u.Username, err
		}
	}
	app.resources = slices.Clone(c.Resources)
	app.OAuth, err = oauth.New(app.Accounts, c)
	return err
}

// mountOAuth puts the authorization server and the metadata of its resources (RFC 9728) on mux. That of the first
// resource is also where clients look that know no path.
func (app *App) mountOAuth(mux *http.ServeMux) error {
	if app.OAuth == nil {
		return nil
	}
	at := map[string]http.Handler{}
	for i, r := range app.resources {
		var scopes []string
		for _, scope := range r.Scopes {
			scopes = append(scopes, scope.Name)
		}
		metadata, err := authhttp.ResourceMetadata(authhttp.ResourceConfig{
			Resource: r.URL, AuthorizationServers: []string{app.issuer}, Scopes: scopes, Name: r.Name,
		})
		if err != nil {
			return err
		}
		if i == 0 {
			at["/.well-known/oauth-protected-resource"] = metadata
		}
		at[authhttp.ResourceMetadataPath(r.URL)] = metadata
	}
	for path, metadata := range at {
		mux.Handle(path, metadata)
	}
	return app.OAuth.Mount(mux)
}

// Guard returns the middleware of one of the Resources of Config.OAuth, by its URL. It lets requests pass whose access
// token is for that resource, at the host of the URL, and its challenges lead clients to the resource's metadata.
// Fields of cfg that are given take the place of Realm, Hosts, ResourceMetadata and Logger. It returns a
// [*cfgerr.Error] for another URL.
func (app *App) Guard(resource string, cfg auth.MiddlewareConfig) (*auth.Middleware, error) {
	i := slices.IndexFunc(app.resources, func(r oauth.Resource) bool { return r.URL == resource })
	if i < 0 {
		return nil, &cfgerr.Error{Field: "authkit.App.Guard", Value: resource, Reason: "is not the URL of one of the Resources of Config.OAuth"}
	}
	u, err := url.Parse(resource)
	if err != nil {
		return nil, err
	}
	verifier, err := app.tokens.VerifierFor(resource)
	if err != nil {
		return nil, err
	}
	if cfg.Hosts == nil {
		cfg.Hosts = []string{u.Host}
	}
	cfg.Realm = cmp.Or(cfg.Realm, app.resources[i].Name)
	cfg.ResourceMetadata = cmp.Or(cfg.ResourceMetadata, authhttp.ResourceMetadataURL(resource))
	cfg.Logger = cmp.Or(cfg.Logger, app.log)
	return auth.NewMiddleware(verifier, cfg)
}
