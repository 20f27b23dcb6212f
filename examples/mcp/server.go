package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authui"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/oauth"
	"github.com/seed-e36e2130/auth/redisstore"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
	"github.com/seed-e36e2130/auth/stream"
	"github.com/seed-e36e2130/auth/throttle"
)

// loginLife is the life of the access token of a browser's login. The pages refresh it.
const loginLife = 15 * time.Minute

// store is what keeps everything: a database, or Redis.
type store interface {
	auth.UserStore
	auth.AccountStore
	auth.SessionStore
	auth.RecordStore
}

// server is what both halves of the program share: the resources, and what gives tokens for them.
type server struct {
	opts  options
	store store
	prune func(context.Context) error // nil: the store forgets by itself
	keys  *jwt.KeyRing

	secrets  *secrets.Ring // make refresh tokens, and seal pages
	revoked  *revocation.List
	streams  *stream.Streams
	tokens   *jwt.Issuer
	limits   *throttle.Throttle
	accounts *auth.Authenticator
	oauth    *oauth.Server
	events   func(context.Context, auth.Event)
	cookies  *authhttp.Cookies
	browsers *auth.Middleware // lets browsers pass that are logged in
	pages    *authui.Pages
	clientIP func(*http.Request) netip.Addr // nil: the address of the connection

	notes, files resource

	closers []func() // in the order of opening
}

// open opens the stores and assembles the parts.
func open(ctx context.Context, opts options) (_ *server, err error) {
	s := &server{opts: opts, events: auth.LogEvents(nil)}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if u, err := url.Parse(opts.issuer); err != nil || u.Host == "" || strings.HasSuffix(opts.issuer, "/") {
		return nil, fmt.Errorf("-issuer %q is not a URL, or ends with a slash", opts.issuer)
	}
	s.notes = resource{url: opts.issuer + "/mcp", name: "Notes", scopes: []string{readNotes, writeNotes}}
	s.files = resource{url: opts.issuer + "/files", name: "Files", scopes: []string{readFiles}}
	keyFolder, err := s.openStore(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.openKeys(keyFolder); err != nil {
		return nil, err
	}
	if s.revoked, err = revocation.Follow(s.store, revocation.Config{Bound: 2 * time.Second, Events: s.events}); err != nil {
		return nil, err
	}
	s.onClose(func() { s.revoked.Close() })
	if err := s.revoked.Sync(ctx); err != nil {
		return nil, err
	}
	// Tokens end when they say, and so do the streams that were opened with them: the clocks of issuer and
	// resources are the same.
	s.streams, err = stream.New(s.revoked.Check, stream.Config{Changed: s.revoked.Changed, Leeway: jwt.NoLeeway})
	if err != nil {
		return nil, err
	}
	s.onClose(func() { s.streams.Close() })
	// A login is for this service itself: its tokens open no resource.
	s.tokens, err = jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: opts.issuer, Audience: opts.issuer, Resources: []string{s.notes.url, s.files.url},
		Keys: s.keys, Lifetime: max(opts.access, loginLife), Leeway: jwt.NoLeeway, Check: s.revoked.Check,
	})
	if err != nil {
		return nil, err
	}
	limits := throttle.Config{}
	if opts.testClients { // all requests of a test run come from one address
		limits = throttle.Config{MaxPerNetwork: 100, FreePerNetwork: 100, NetworkBurst: 100_000, NetworkEvery: time.Millisecond}
	}
	if s.limits, err = throttle.New(s.store, limits); err != nil {
		return nil, err
	}
	s.accounts, err = auth.New(s.store, s.tokens, auth.Config{
		Hasher: opts.hasher, Accounts: s.store, Sessions: s.store, Records: s.store, RefreshKeys: s.secrets, SessionsPerUser: 1000, Throttle: s.limits,
		Revoked: s.revoked.Sync, Events: s.events,
	})
	if err != nil {
		return nil, err
	}
	return s, s.createUsers(ctx)
}

// openStore opens the database, and returns the folder of the keys.
func (s *server) openStore(ctx context.Context) (keys string, err error) {
	if strings.HasPrefix(s.opts.data, "postgres://") || strings.HasPrefix(s.opts.data, "postgresql://") {
		db, err := sql.Open("pgx", s.opts.data)
		if err != nil {
			return "", err
		}
		s.onClose(func() { db.Close() })
		db.SetMaxOpenConns(16)
		feed, err := sql.Open("pgx", s.opts.data)
		if err != nil {
			return "", err
		}
		s.onClose(func() { feed.Close() })
		feed.SetMaxOpenConns(1) // reads revocations, also while all connections of db are in use
		store, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Config{TablePrefix: "mcp_", FeedDB: feed})
		if err != nil {
			return "", err
		}
		s.store, s.prune = store, store.Prune
		return filepath.Join("data", "mcp"), store.Migrate(ctx)
	}
	if strings.HasPrefix(s.opts.data, "redis://") || strings.HasPrefix(s.opts.data, "rediss://") {
		return filepath.Join("data", "mcp"), s.openRedis()
	}
	folder := s.opts.data
	if strings.Contains(folder, "://") {
		return "", fmt.Errorf("-data: %q is neither a folder nor a URL of PostgreSQL or Redis", folder)
	}
	if folder == "" {
		if folder, err = os.MkdirTemp("", "mcp"); err != nil {
			return "", err
		}
		s.onClose(func() { os.RemoveAll(folder) })
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	store, err := sqlite.Open(ctx, filepath.Join(folder, "mcp.db"), sqlstore.Config{})
	if err != nil {
		return "", err
	}
	s.onClose(func() { store.Close() })
	s.store, s.prune = store, store.Prune
	return folder, nil
}

// openRedis keeps everything in Redis. What a restart of Redis loses is lost, accounts included: see package
// redisstore for the settings.
func (s *server) openRedis() error {
	to, err := redis.ParseURL(s.opts.data)
	if err != nil {
		return fmt.Errorf("-data: %w", err)
	}
	to.ContextTimeoutEnabled = true
	client := redis.NewClient(to)
	s.onClose(func() { client.Close() })
	s.store, err = redisstore.New(client, redisstore.Config{Prefix: "mcp"})
	return err
}

// openKeys opens the keys that sign access tokens, and those that make refresh tokens. They are created at
// the first start.
func (s *server) openKeys(folder string) error {
	if s.opts.keys != "" {
		folder = s.opts.keys
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	key, err := jwt.OpenKeyFile(filepath.Join(folder, "auth.key"), jwt.EdDSA)
	if err != nil {
		return err
	}
	if s.keys, err = jwt.NewKeyRing(key); err != nil {
		return err
	}
	secret, err := secrets.OpenFile(filepath.Join(folder, "refresh.key"))
	if err != nil {
		return err
	}
	s.secrets, err = secrets.NewRing(secret)
	return err
}

// createUsers creates the accounts of the command line. One that exists is left alone.
func (s *server) createUsers(ctx context.Context) error {
	for _, u := range s.opts.users {
		if _, err := s.accounts.Register(ctx, u.name, u.password); err != nil && !errors.Is(err, auth.ErrUserExists) {
			return fmt.Errorf("-user %s: %w", u.name, err)
		}
		if !s.opts.printTokens {
			continue
		}
		for _, r := range []resource{s.notes, s.files} {
			token, err := s.login(ctx, u, r)
			if err != nil {
				return fmt.Errorf("-print-tokens: -user %s: %w", u.name, err)
			}
			fmt.Printf("%s %s %s\n", u.name, r.url, token)
		}
	}
	return nil
}

// login logs a user in with the password, and returns an access token for a resource, with all of its
// scopes. The token ends with the login.
func (s *server) login(ctx context.Context, u account, r resource) (string, error) {
	login, err := s.accounts.Login(ctx, u.name, u.password)
	if err != nil {
		return "", err
	}
	p := login.Principal
	return s.tokens.Issue(ctx, jwt.Claims{
		Subject: p.Subject(), SessionID: p.SessionID(), AuthTime: p.AuthTime(), AMR: p.AMR(),
		Audience: []string{r.url}, Scopes: r.scopes, Expiry: time.Now().Add(s.opts.access),
	})
}

func (s *server) onClose(f func()) { s.closers = append(s.closers, f) }

func (s *server) close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
	slog.Info("mcp: closed")
}
