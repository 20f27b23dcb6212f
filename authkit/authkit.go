// Package authkit assembles the packages of this module in one call. [Open] connects what the stores and
// the [Config] allow, and switches it on:
//
//	store, err := sqlite.Open(ctx, "users.db", sqlstore.Config{})
//	…
//	app, err := authkit.Open(ctx, authkit.All(store), authkit.Config{Issuer: "https://example.com", KeyFolder: "keys"})
//	…
//	defer app.Close(context.Background())
//	mux.Handle("/auth/", app.Handler())                    // register, login, refresh, logout and more
//	mux.Handle("GET /profile", app.Require(http.HandlerFunc(profile)))
//
// It holds no rules of its own, but for the one about lost keys. This file shows how the parts fit: a
// program that needs more than a Config offers does the same by hand.
package authkit

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/apikey"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authui"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/origin"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/oauth"
	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/roles"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/stream"
	"github.com/seed-e36e2130/auth/throttle"
)

// Stores says where an [App] keeps its data. What is nil is left out, with the features that need it.
// [All] fills it from one store.
type Stores struct {
	Users     auth.UserStore     // required
	Accounts  auth.AccountStore  // nil: accounts cannot be disabled or deleted
	Sessions  auth.SessionStore  // nil: no refresh tokens, no logout, no revocation
	Addresses recovery.Addresses // nil: no recovery by mail
	Roles     roles.Store        // nil: no roles

	// Records holds, among others, the counts of failed logins. nil: these are counted in the memory of
	// this process, second factors and recovery are left out, and a lost key file is not noticed.
	Records auth.RecordStore

	// Prune removes what has expired. It is called each hour. nil: the store does that by itself.
	Prune func(ctx context.Context) error

	// Check reports what is wrong with the tables. It is called by [Open] and [App.Ready], which fail then.
	// An error about single usernames, which wraps [auth.ErrInvalidUsername], is a warning in the log. nil:
	// nothing is checked before the first login.
	Check func(ctx context.Context) error
}

// Store is one store that holds everything. Those of packages sqlstore and memstore are such stores.
type Store interface {
	auth.UserStore
	auth.AccountStore
	auth.SessionStore
	auth.RecordStore
	recovery.Addresses
	roles.Store
	Prune(ctx context.Context) error
	Check(ctx context.Context) error
}

// All returns the Stores of an [App] that keeps everything in one store.
func All(s Store) Stores {
	return Stores{Users: s, Accounts: s, Sessions: s, Records: s, Addresses: s, Roles: s, Prune: s.Prune, Check: s.Check}
}

// SecondFactor is a second factor that users can enrol. The Factor of package totp is one.
type SecondFactor interface {
	auth.SecondFactor
	authhttp.Enroller
}

// Config configures an [App]. Issuer is required, and KeyFolder, or Keys and Secrets. For the rest the
// zero value is the safe choice.
//
// Accounts, Tokens, Throttle, Revocation, Recovery, APIKeys, Roles and Mount configure the parts. Fields of
// theirs that [Open] sets must not be given: it reports each as a fault.
type Config struct {
	Issuer   string // name of this service in its tokens: the https URL that clients reach it at. Required
	Audience string // API that the tokens are for. "": Issuer

	// KeyFolder is the folder of the files auth.key and refresh.key, which are created, with the folder,
	// at the first start. All replicas share their contents. auth.key may hold a JWK set, whose first
	// key signs. It is read again each minute, so that a rotation needs no restart: see docs/operators.md.
	//
	// If a key file is missing although the stores were used with a key, Open returns an error: a new key
	// would end all sessions, and a replica with a key of its own would refuse the tokens of the others.
	KeyFolder string

	// Keys and Secrets take the place of KeyFolder, for keys from the environment or from a signer
	// that does not give them away. Secrets make refresh tokens.
	Keys    *jwt.KeyRing
	Secrets *secrets.Ring

	// NewKeys accepts keys other than those that the stores were used with, such as after a theft or a
	// loss of the old ones. All sessions end then. Set it for one start.
	NewKeys bool

	Prefix  string // path of the endpoints. "": "/auth"
	BaseURL string // URL of this service, if it is not Issuer: for metadata, and for the links in mails

	// Notifier sends mails, such as the one of package smtpnotify. nil: no recovery by mail.
	Notifier recovery.Notifier

	// SecondFactor is a second factor that users can enrol. It must keep its records in Stores.Records.
	// nil: none.
	SecondFactor SecondFactor

	// APIKeyPrefix lets users create API keys, which begin with it, such as "myapp_live": protected routes
	// then take keys as well as tokens. It needs Stores.Records. "": no keys.
	APIKeyPrefix string

	// Policy declares roles and what they permit: see package roles. [App].Roles then gives users roles and asks for
	// permissions, tokens have the roles of their user, and a change of them makes tokens stale. It needs
	// Stores.Roles. nil: no roles.
	Policy roles.Policy

	// Cookies keep the tokens in cookies of the browser. An empty RefreshPath is set. nil: no cookies.
	Cookies *authhttp.CookieConfig

	// OAuth makes the App an authorization server, too: apps that users allow, such as MCP clients, get tokens for
	// its Resources. [App.Guard] protects these. It needs Cookies, Stores.Sessions and Stores.Records. Open sets
	// Issuer, Tokens, Keys, Records, Sessions, Secrets, Revoked, User, ClientIP, Events and Logger. LoginURL "" is
	// "/login", Prefix "" is "/oauth", since users register at /register, and a nil Account returns the username. It takes the place of the endpoints token, revoke,
	// introspect, jwks and metadata. nil: there is no authorization server.
	OAuth *oauth.Config

	// ClientIP returns the address of the client. Behind a proxy set it to the result of
	// [authhttp.TrustProxies] or [authhttp.TrustUnixSocket]. nil: the address of the connection.
	ClientIP func(r *http.Request) netip.Addr

	Logger *slog.Logger                            // receives events, failures and refusals. nil: [slog.Default]
	Events func(ctx context.Context, e auth.Event) // also receives events. nil: the Logger alone does

	Accounts   auth.Config
	Tokens     jwt.IssuerConfig
	Throttle   throttle.Config
	Revocation revocation.Config
	Recovery   recovery.Config
	APIKeys    apikey.Config
	Roles      roles.Config
	Mount      authhttp.MountConfig

	Endpoints []authhttp.Endpoint // endpoints to mount. nil: every one that the Config allows

	// DangerouslyWithoutRevocation lets an access token live on after a logout, until it expires. A call
	// of the store every second or so is saved.
	DangerouslyWithoutRevocation bool
}

// App is what [Open] assembled. Its [auth.Middleware] protects routes. It is safe for concurrent use.
type App struct {
	*auth.Middleware
	Accounts *auth.Authenticator
	Throttle *throttle.Throttle
	Recovery *recovery.Recovery // nil: no Notifier was given
	APIKeys  *apikey.Keys       // nil: no APIKeyPrefix was given
	Roles    *roles.Rules       // nil: no Policy was given
	Cookies  *authhttp.Cookies  // nil: no cookies
	Keys     *jwt.KeyRing
	OAuth    *oauth.Server   // nil: no Config.OAuth was given
	Streams  *stream.Streams // ends answers that last with the caller's login: see [stream.Streams.Wrap]

	stores  Stores
	log     *slog.Logger
	prefix  string
	mount   authhttp.MountConfig
	names   []authhttp.Endpoint
	handler *http.ServeMux
	revoked *revocation.List
	roles   *revocation.List // what has become of roles, which may be in another store than sessions
	tokens  *jwt.Issuer

	resources []oauth.Resource // of Config.OAuth
	issuer    string
	stop      []func() // end what runs in the background
}

// Open assembles an App. It opens or creates the key files, checks the tables, and reads the
// revocations, so it needs stores that answer. It returns every fault of the configuration as a
// [*cfgerr.Error], or the error of a store or of the file system. Call [App.Close] before the program
// ends.
func Open(ctx context.Context, stores Stores, cfg Config) (_ *App, err error) {
	if err := cfg.setDefaults(stores); err != nil {
		return nil, err
	}
	names, err := stores.check(ctx)
	if err != nil {
		return nil, err
	}
	if names != nil {
		cfg.Logger.WarnContext(ctx, "authkit: some users cannot log in", "error", names)
	}
	if err := cfg.openKeys(ctx, stores.Records); err != nil {
		return nil, err
	}
	app := &App{stores: stores, log: cfg.Logger, prefix: cfg.Prefix, issuer: cfg.Issuer, names: cfg.Endpoints, Keys: cfg.Keys}
	defer func() {
		if err != nil {
			err = errors.Join(err, app.Close(ctx))
		}
	}()
	for _, part := range []func(context.Context, *Config) error{
		app.followRevocations, app.openRoles, app.openAccounts, app.openRecovery, app.openOAuth, app.openEndpoints,
	} {
		if err := part(ctx, &cfg); err != nil {
			return nil, err
		}
	}
	if stores.Prune != nil {
		app.repeat(time.Hour, "prune", stores.Prune)
	}
	if cfg.KeyFolder != "" {
		app.repeat(time.Minute, "read the keys again", cfg.readKeysAgain(stores.Records))
	}
	return app, nil
}

// setDefaults puts defaults in the place of what was not given, and returns every fault that can be
// seen before anything is opened.
func (cfg *Config) setDefaults(stores Stores) error {
	faults := cfgerr.Faults{Prefix: "authkit."}
	faults.Require("Stores.Users", stores.Users != nil)
	faults.Require("Config.Issuer", cfg.Issuer != "")
	switch {
	case cfg.KeyFolder == "" && cfg.Keys == nil:
		faults.Add("Config.KeyFolder", "", "is required, or else Keys and Secrets")
	case cfg.KeyFolder != "" && (cfg.Keys != nil || cfg.Secrets != nil):
		faults.Add("Config.KeyFolder", cfg.KeyFolder, "takes the place of Keys and Secrets: give one of them")
	case cfg.KeyFolder == "" && cfg.Secrets == nil && stores.Sessions != nil:
		faults.Add("Config.Secrets", "", "is required with Keys and Stores.Sessions")
	}
	if cfg.Notifier != nil && (stores.Addresses == nil || stores.Records == nil) {
		faults.Add("Config.Notifier", "", "needs Stores.Addresses and Stores.Records")
	}
	if cfg.SecondFactor != nil && stores.Records == nil {
		faults.Add("Config.SecondFactor", "", "needs Stores.Records")
	}
	if cfg.APIKeyPrefix != "" && stores.Records == nil {
		faults.Add("Config.APIKeyPrefix", cfg.APIKeyPrefix, "needs Stores.Records")
	}
	if cfg.Policy != nil && stores.Roles == nil {
		faults.Add("Config.Policy", "", "needs Stores.Roles")
	}
	for _, set := range []struct {
		field string
		given bool
	}{
		{"Roles.Store", cfg.Roles.Store != nil}, {"Roles.Revoked", cfg.Roles.Revoked != nil},
		{"Roles.Events", cfg.Roles.Events != nil}, {"Roles.Logger", cfg.Roles.Logger != nil},
		{"Accounts.Throttle", cfg.Accounts.Throttle != nil}, {"Accounts.SecondFactor", cfg.Accounts.SecondFactor != nil},
		{"Accounts.Records", cfg.Accounts.Records != nil}, {"Accounts.Accounts", cfg.Accounts.Accounts != nil},
		{"Accounts.Sessions", cfg.Accounts.Sessions != nil}, {"Accounts.RefreshKeys", cfg.Accounts.RefreshKeys != nil},
		{"Accounts.Revoked", cfg.Accounts.Revoked != nil}, {"Accounts.Events", cfg.Accounts.Events != nil},
		{"Accounts.Logger", cfg.Accounts.Logger != nil},
		{"Tokens.Issuer", cfg.Tokens.Issuer != ""}, {"Tokens.Audience", cfg.Tokens.Audience != ""},
		{"Tokens.Keys", cfg.Tokens.Keys != nil}, {"Tokens.Check", cfg.Tokens.Check != nil},
		{"Revocation.Events", cfg.Revocation.Events != nil},
		{"Recovery.Events", cfg.Recovery.Events != nil}, {"Recovery.Logger", cfg.Recovery.Logger != nil},
		{"APIKeys.Check", cfg.APIKeys.Check != nil}, {"APIKeys.Issuer", cfg.APIKeys.Issuer != ""},
		{"APIKeys.Events", cfg.APIKeys.Events != nil}, {"APIKeys.Logger", cfg.APIKeys.Logger != nil}, {"Mount.APIKeys", cfg.Mount.APIKeys != nil},
		{"Mount.Cookies", cfg.Mount.Cookies != nil}, {"Mount.ClientIP", cfg.Mount.ClientIP != nil}, {"Mount.Logger", cfg.Mount.Logger != nil},
		{"Mount.Users", cfg.Mount.Users != nil}, {"Mount.Factor", cfg.Mount.Factor != nil}, {"Mount.Recovery", cfg.Mount.Recovery != nil},
		{"Mount.Keys", cfg.Mount.Keys != nil}, {"Mount.Issuer", cfg.Mount.Issuer != ""}, {"Mount.BaseURL", cfg.Mount.BaseURL != ""},
	} {
		if set.given {
			faults.Add("Config."+set.field, "", "is set by Open")
		}
	}
	cfg.checkOAuth(stores, &faults)
	cfg.Audience = cmp.Or(cfg.Audience, cfg.Issuer)
	cfg.Prefix = cmp.Or(cfg.Prefix, "/auth")
	if cfg.BaseURL == "" && origin.IsSecureURL(cfg.Issuer) {
		cfg.BaseURL = cfg.Issuer
	}
	cfg.Recovery.BaseURL = cmp.Or(cfg.Recovery.BaseURL, cfg.BaseURL)
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	return faults.Err()
}

// check calls Check, and returns what it says of usernames apart from the rest.
func (s Stores) check(ctx context.Context) (names, rest error) {
	if s.Check == nil {
		return nil, nil
	}
	all := []error{s.Check(ctx)}
	if joined, ok := all[0].(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, err := range all {
		if errors.Is(err, auth.ErrInvalidUsername) {
			names = errors.Join(names, err)
		} else {
			rest = errors.Join(rest, err)
		}
	}
	return names, rest
}

// events returns the function that receives all events.
func (cfg *Config) events() func(context.Context, auth.Event) {
	written, more := auth.LogEvents(cfg.Logger), cfg.Events
	return func(ctx context.Context, e auth.Event) {
		written(ctx, e)
		if more != nil {
			more(ctx, e)
		}
	}
}

// followRevocations reads the revocations once, and follows them from then on: protected routes would
// answer 503 until the first read.
func (app *App) followRevocations(ctx context.Context, cfg *Config) (err error) {
	if app.stores.Sessions == nil || cfg.DangerouslyWithoutRevocation {
		return nil
	}
	cfg.Revocation.Events = cfg.events()
	if app.revoked, err = revocation.Follow(app.stores.Sessions, cfg.Revocation); err != nil {
		return err
	}
	cfg.Tokens.Check, cfg.Accounts.Revoked = app.revoked.Check, app.revoked.Sync
	return app.revoked.Sync(ctx)
}

// openAccounts makes the issuer, the throttle, the Authenticator, the middleware and what ends streams.
func (app *App) openAccounts(_ context.Context, cfg *Config) (err error) {
	counts := app.stores.Records
	if counts == nil {
		counts = memstore.New()
	}
	if app.Throttle, err = throttle.New(counts, cfg.Throttle); err != nil {
		return err
	}
	cfg.Tokens.Issuer, cfg.Tokens.Audience, cfg.Tokens.Keys = cfg.Issuer, cfg.Audience, cfg.Keys
	if app.tokens, err = jwt.NewIssuer(cfg.Tokens); err != nil {
		return err
	}
	c := cfg.Accounts
	c.Accounts, c.Sessions, c.Records, c.Throttle = app.stores.Accounts, app.stores.Sessions, app.stores.Records, app.Throttle
	c.Events, c.Logger = cfg.events(), cfg.Logger
	if c.Sessions != nil {
		c.RefreshKeys = cfg.Secrets
	}
	if cfg.SecondFactor != nil { // a nil interface in another interface would not be nil
		c.SecondFactor = cfg.SecondFactor
	}
	if app.Accounts, err = auth.New(app.stores.Users, app.tokens, c); err != nil {
		return err
	}
	guard := auth.MiddlewareConfig{Logger: cfg.Logger, Extractors: []auth.Extractor{auth.BearerToken()}}
	if cfg.Cookies != nil {
		cookies := *cfg.Cookies
		cookies.RefreshPath = cmp.Or(cookies.RefreshPath, cfg.Prefix+"/refresh")
		if app.Cookies, err = authhttp.NewCookies(cookies); err != nil {
			return err
		}
		guard.Extractors = append(guard.Extractors, app.Cookies.Extractor())
		guard.TrustedOrigins, guard.DangerouslyTrustedSubdomains = cookies.TrustedOrigins, cookies.DangerouslyTrustedSubdomains
	}
	verifier, err := app.openAPIKeys(cfg)
	if err != nil {
		return err
	}
	if app.Middleware, err = auth.NewMiddleware(verifier, guard); err != nil {
		return err
	}
	streams := stream.Config{
		Records: app.stores.Records, Leeway: cfg.Tokens.Leeway, Events: cfg.events(), Guard: auth.MiddlewareConfig{Logger: cfg.Logger},
	}
	check := cfg.Tokens.Check // of revocations, and of changed roles
	if check == nil {
		check = func(context.Context, *auth.Principal) error { return nil } // tokens expire and no more
	}
	if app.revoked != nil {
		streams.Changed = app.revoked.Changed
	}
	if app.APIKeys != nil {
		streams.Keys = app.APIKeys.Check
	}
	app.Streams, err = stream.New(check, streams)
	return err
}

// openRecovery makes the mails that help users who lost their password. The first proof of an address
// ends the second factor, the API keys and the known devices that were there before, whoever set them up.
func (app *App) openRecovery(_ context.Context, cfg *Config) (err error) {
	if cfg.Notifier == nil {
		return nil
	}
	c, more := cfg.Recovery, cfg.Recovery.OnFirstProof
	c.Events, c.Logger = cfg.events(), cfg.Logger
	c.OnFirstProof = func(ctx context.Context, userID string) error {
		user, err := app.stores.Users.UserByID(ctx, userID)
		if err != nil {
			return err
		}
		if err := app.Throttle.Forget(ctx, user.Username); err != nil {
			return err
		}
		if cfg.SecondFactor != nil {
			if err := cfg.SecondFactor.Disable(ctx, userID); err != nil {
				return err
			}
		}
		if app.APIKeys != nil {
			if err := app.APIKeys.DeleteAll(ctx, userID); err != nil {
				return err
			}
		}
		if more != nil {
			return more(ctx, userID)
		}
		return nil
	}
	app.Recovery, err = recovery.New(app.Accounts, app.stores.Addresses, app.stores.Records, cfg.Notifier, c)
	return err
}

// openEndpoints mounts the endpoints on a mux of their own.
func (app *App) openEndpoints(_ context.Context, cfg *Config) error {
	app.mount = cfg.Mount
	app.mount.Cookies, app.mount.ClientIP, app.mount.Logger = app.Cookies, cfg.ClientIP, cfg.Logger
	app.mount.Users, app.mount.Recovery, app.mount.Keys, app.mount.BaseURL = app.stores.Users, app.Recovery, app.Keys, cfg.BaseURL
	app.mount.APIKeys = app.APIKeys
	if cfg.BaseURL != "" {
		app.mount.Issuer = cfg.Issuer
	}
	if app.OAuth != nil { // it serves the keys and the metadata
		app.mount.Keys, app.mount.Issuer = nil, ""
	}
	if cfg.SecondFactor != nil {
		app.mount.Factor = cfg.SecondFactor
	}
	app.handler = http.NewServeMux()
	return app.Mount(app.handler)
}

// Handler returns the endpoints of package authhttp, below Config.Prefix and /.well-known/. With Config.OAuth it also
// has those of package oauth, which stand below the issuer: serve it for "/" then.
func (app *App) Handler() http.Handler { return app.handler }

// Mount puts the endpoints on a mux of the host's: see [authhttp.Mount] and, with Config.OAuth, [oauth.Server.Mount].
func (app *App) Mount(mux *http.ServeMux) error {
	if err := app.mountOAuth(mux); err != nil {
		return err
	}
	return authhttp.Mount(mux, app.prefix, app.Accounts, app.Middleware, app.mount, app.names...)
}

// Pages returns the pages of package authui, which call the same endpoints as [App.Mount] mounts. Without
// endpoints of its own, cfg has those of the App. It needs Config.Cookies. Links in mails lead to the pages if
// Config.BaseURL with their prefix is Recovery.BaseURL, as it is by default for pages without one. With Config.OAuth,
// ReturnTo and Apps are those of the authorization server if cfg has none.
func (app *App) Pages(cfg authui.Config) (*authui.Pages, error) {
	if cfg.Endpoints == nil {
		cfg.Endpoints = app.names
	}
	if app.OAuth != nil && cfg.ReturnTo == nil {
		cfg.ReturnTo = app.OAuth.ReturnTo
	}
	if app.OAuth != nil && cfg.Apps == nil {
		cfg.Apps = app.OAuth
	}
	cfg.Logger = cmp.Or(cfg.Logger, app.log)
	return authui.New(app.Accounts, app.Middleware, app.mount, cfg)
}

// Ready reports whether this process can serve: the stores answer, the tables are what they should be,
// the keys are those that the stores are used with, and the revocations are fresh. It is for the
// readiness probe of an orchestrator. The error is for logs, not for clients.
func (app *App) Ready(ctx context.Context) error {
	var faults []error
	if _, err := app.stores.Users.UserByID(ctx, "0"); err != nil && !errors.Is(err, auth.ErrUserNotFound) {
		faults = append(faults, err)
	}
	_, err := app.stores.check(ctx)
	faults = append(faults, err)
	if app.stores.Records != nil {
		used, _, err := usedKeys(ctx, app.stores.Records)
		if err == nil && !slices.Contains(app.Keys.IDs(), used.Signing) {
			err = errors.New("authkit: the stores are used with a key that this process does not have")
		}
		faults = append(faults, err)
	}
	for _, list := range []*revocation.List{app.revoked, app.roles} {
		if list != nil {
			faults = append(faults, list.Sync(ctx))
		}
	}
	return errors.Join(faults...)
}

// Close ends what runs in the background, and open streams. It first sends the mails that wait, until ctx ends; then it
// returns the error of ctx. It does not close the stores.
func (app *App) Close(ctx context.Context) (err error) {
	for _, stop := range app.stop {
		stop()
	}
	if app.Recovery != nil {
		err = app.Recovery.Close(ctx)
	}
	if app.Streams != nil {
		err = errors.Join(err, app.Streams.Close())
	}
	for _, list := range []*revocation.List{app.revoked, app.roles} {
		if list != nil {
			err = errors.Join(err, list.Close())
		}
	}
	return err
}

// repeat calls f now and again and again, until the App is closed. It logs the errors.
func (app *App) repeat(every time.Duration, doing string, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		next := time.NewTicker(every)
		defer next.Stop()
		for ctx.Err() == nil {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				app.log.ErrorContext(ctx, "authkit: "+doing, "error", err)
			}
			select {
			case <-ctx.Done():
			case <-next.C:
			}
		}
	})
	app.stop = append(app.stop, func() { cancel(); running.Wait() })
}
