package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/passwords"
)

// twoIssuers issues with one and verifies with the other.
type twoIssuers struct {
	auth.TokenIssuer
	verifier auth.TokenVerifier
}

func (i twoIssuers) Verify(ctx context.Context, token string) (*auth.Principal, error) {
	return i.verifier.Verify(ctx, token)
}

// failingIssuer fails in Issue, unless err is nil.
type failingIssuer struct {
	auth.TokenIssuer
	err error
}

func (i *failingIssuer) Issue(ctx context.Context, c auth.Claims) (string, error) {
	if i.err != nil {
		return "", i.err
	}
	return i.TokenIssuer.Issue(ctx, c)
}

func TestNewFaults(t *testing.T) {
	t.Parallel()
	users, tokens := memstore.New(), testkit.NewIssuer(t, jwt.IssuerConfig{})
	for name, row := range map[string]struct {
		users  auth.UserStore
		tokens auth.TokenIssuer
		cfg    auth.Config
		fields []string
	}{
		"zero":        {users, tokens, auth.Config{}, nil},
		"no users":    {nil, tokens, auth.Config{}, []string{"New.users"}},
		"no tokens":   {users, nil, auth.Config{}, []string{"New.tokens"}},
		"all at once": {nil, nil, auth.Config{Passwords: passwords.Policy{MinLength: -1, MaxBytes: 1}}, []string{"New.users", "New.tokens", "passwords.Policy.MinLength", "passwords.Policy.MaxBytes"}},
		"no sessions": {users, tokens, auth.Config{RefreshWindow: -1, SessionIdle: time.Hour, SessionLifetime: time.Hour, SessionsPerUser: 1},
			[]string{"Config.RefreshWindow", "Config.SessionIdle", "Config.SessionLifetime", "Config.SessionsPerUser"}},
		"shortest":       {users, tokens, auth.Config{Passwords: passwords.Policy{MinLength: 8, MaxBytes: 256}}, nil},
		"longest":        {users, tokens, auth.Config{Passwords: passwords.Policy{MinLength: 64, MaxBytes: 4096}}, nil},
		"too short":      {users, tokens, auth.Config{Passwords: passwords.Policy{MinLength: 7}}, []string{"passwords.Policy.MinLength"}},
		"too long a min": {users, tokens, auth.Config{Passwords: passwords.Policy{MinLength: 65}}, []string{"passwords.Policy.MinLength"}},
		"too few bytes":  {users, tokens, auth.Config{Passwords: passwords.Policy{MaxBytes: 255}}, []string{"passwords.Policy.MaxBytes"}},
		"too many bytes": {users, tokens, auth.Config{Passwords: passwords.Policy{MaxBytes: 4097}}, []string{"passwords.Policy.MaxBytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row.cfg.Hasher = authtest.FastHasher(t)
			a, err := auth.New(row.users, row.tokens, row.cfg)
			if got := testkit.FaultFields(err); fmt.Sprint(got) != fmt.Sprint(row.fields) || (a == nil) != (err != nil) || (err == nil) != (row.fields == nil) {
				t.Errorf("New: %v, faults in %v, want %v", err, got, row.fields)
			}
		})
	}
}

// TestNewTriesItsParts: what cannot work shows at the start.
func TestNewTriesItsParts(t *testing.T) {
	t.Parallel()
	issuer := func(cfg jwt.IssuerConfig) auth.TokenIssuer { return testkit.NewIssuer(t, cfg) }
	check := func(err error) auth.TokenIssuer {
		return issuer(jwt.IssuerConfig{Check: func(context.Context, *auth.Principal) error { return err }})
	}
	other, err := jwt.NewPrincipal(auth.Claims{Subject: "somebody else"})
	if err != nil {
		t.Fatal(err)
	}
	misread := verifierFunc(func(context.Context, string) (*auth.Principal, error) { return other, nil })
	fast := authtest.FastHasher(t)
	for name, row := range map[string]struct {
		tokens auth.TokenIssuer
		hasher auth.Hasher
		field  string // of the ConfigError
		cause  error
	}{
		"a good pair":             {issuer(jwt.IssuerConfig{}), fast, "", nil},
		"keys of another":         {twoIssuers{issuer(jwt.IssuerConfig{}), issuer(jwt.IssuerConfig{})}, fast, "New.tokens", nil},
		"another audience":        {twoIssuers{issuer(jwt.IssuerConfig{}), issuer(jwt.IssuerConfig{Audience: "x"})}, fast, "New.tokens", nil},
		"misread":                 {twoIssuers{issuer(jwt.IssuerConfig{}), misread}, fast, "New.tokens", nil},
		"a check that refuses":    {check(auth.ErrRevokedToken), fast, "", nil},
		"a check that cannot say": {check(errDown), fast, "", nil},
		"an issuer that is down":  {&failingIssuer{issuer(jwt.IssuerConfig{}), errDown}, fast, "", errDown},
		"a hasher that is down":   {issuer(jwt.IssuerConfig{}), brokenHasher{fast, errDown, false}, "", errDown},
		"never content":           {issuer(jwt.IssuerConfig{}), brokenHasher{fast, nil, true}, "Config.Hasher", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := auth.New(memstore.New(), row.tokens, auth.Config{Hasher: row.hasher})
			field := ""
			if fault, ok := errors.AsType[*auth.ConfigError](err); ok {
				field = fault.Field
			}
			if field != row.field || row.cause != nil && !errors.Is(err, row.cause) || (a == nil) != (row.field != "" || row.cause != nil) {
				t.Errorf("New: %v, want a fault in %q and %v", err, row.field, row.cause)
			}
		})
	}
}

type brokenHasher struct {
	auth.Hasher
	err        error
	discontent bool
}

func (b brokenHasher) Hash(ctx context.Context, password string) (string, error) {
	if b.err != nil {
		return "", b.err
	}
	return b.Hasher.Hash(ctx, password)
}

func (b brokenHasher) NeedsRehash(string) bool { return b.discontent }

func TestClaimsOfTheHost(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	store, errNo := memstore.New(), errors.New("no such plan")
	var hook func(context.Context, auth.User, *auth.Claims) error
	a := newAuthenticator(t, store, auth.Config{Claims: func(ctx context.Context, u auth.User, c *auth.Claims) error {
		return hook(ctx, u, c)
	}})
	u, err := a.Register(ctx, "ada", "correct horse")
	if err != nil {
		t.Fatal(err)
	}

	type key struct{}
	hook = func(ctx context.Context, got auth.User, c *auth.Claims) error {
		if got != u || c.Subject != u.ID || len(c.AMR) != 1 || c.AMR[0] != "pwd" || time.Since(c.AuthTime) > time.Minute || ctx.Value(key{}) != 1 {
			t.Errorf("is asked about %+v, %+v", got, c)
		}
		c.Scopes, c.Roles, c.Custom = []string{"read:items"}, []string{"admin"}, map[string]any{"plan": "gold"}
		c.Expiry = time.Now().Add(10 * time.Minute)
		return nil
	}
	tokens, err := a.Login(context.WithValue(ctx, key{}, 1), "ada", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Verify(ctx, tokens.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	if !p.HasScope("read:items") || !p.HasRole("admin") || p.Claims().Custom["plan"] != "gold" {
		t.Errorf("the token says %+v", p.Claims())
	}
	if tokens.ExpiresIn < 5*time.Minute || tokens.ExpiresIn > 10*time.Minute {
		t.Errorf("ExpiresIn is %v", tokens.ExpiresIn)
	}

	for name, refuse := range map[string]func(*auth.Claims) error{
		"error":           func(*auth.Claims) error { return errNo },
		"another subject": func(c *auth.Claims) error { c.Subject = "root"; return nil },
		"no subject":      func(c *auth.Claims) error { c.Subject = ""; return nil },
		"expiry past":     func(c *auth.Claims) error { c.Expiry = time.Now().Add(-time.Hour); return nil },
		"owned claim":     func(c *auth.Claims) error { c.TokenID = "1"; return nil },
		"colliding claim": func(c *auth.Claims) error { c.Custom = map[string]any{"SUB": "root"}; return nil },
	} {
		hook = func(_ context.Context, _ auth.User, c *auth.Claims) error { return refuse(c) }
		tokens, err := a.Login(ctx, "ada", "correct horse")
		if err == nil || tokens.AccessToken != "" || auth.HTTPStatus(err) != 500 || errors.Is(err, errNo) != (name == "error") {
			t.Errorf("%s: %v, %v", name, tokens, err)
		}
		if _, err := a.Login(ctx, "ada", "wrong horse"); err != auth.ErrInvalidCredentials {
			t.Errorf("%s: with another password: %v", name, err)
		}
	}

	hook = func(context.Context, auth.User, *auth.Claims) error { panic("host") }
	func() {
		defer func() {
			if recover() != "host" {
				t.Error("the host's panic is swallowed")
			}
		}()
		_, _ = a.Login(ctx, "ada", "correct horse")
	}()
}

// TestIssuerFaults: what goes wrong with a token at login is no fault of the
// caller's, unless the host's own check refuses the account.
func TestIssuerFaults(t *testing.T) {
	t.Parallel()
	var verdict error
	pair := &failingIssuer{TokenIssuer: testkit.NewIssuer(t, jwt.IssuerConfig{Check: func(context.Context, *auth.Principal) error { return verdict }})}
	a, err := auth.New(memstore.New(), pair, auth.Config{Hasher: authtest.FastHasher(t)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Register(t.Context(), "ada", "correct horse"); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		issue, check error
		status       int
	}{
		"all is well":           {nil, nil, 200},
		"signer down":           {errDown, nil, 500},
		"signer too late":       {context.DeadlineExceeded, nil, 503},
		"check cannot say":      {nil, errDown, 500},
		"check refuses":         {nil, auth.ErrRevokedToken, 401},
		"its own token refused": {nil, auth.ErrInvalidToken, 500},
		"expired when made":     {nil, auth.ErrExpiredToken, 500},
	} {
		pair.err, verdict = row.issue, row.check
		tokens, err := a.Login(t.Context(), "ada", "correct horse")
		if auth.HTTPStatus(err) != row.status || (err == nil) != (tokens.AccessToken != "") {
			t.Errorf("%s: %v (status %d), want status %d", name, err, auth.HTTPStatus(err), row.status)
		}
		if errors.Is(err, auth.ErrInvalidToken) || row.status == 401 && err != auth.ErrInvalidCredentials {
			t.Errorf("%s: %v", name, err)
		}
		if row.status == 500 && !strings.HasPrefix(err.Error(), "auth: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
