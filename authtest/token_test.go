package authtest_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/jwt"
)

// references is an issuer of random tokens, which keeps the claims of each. It parses nothing, so
// no token can be forged. Its zero value keeps the contract. Each field adds a fault.
type references struct {
	edit      func(*auth.Claims)        // changes the claims before they are kept
	allow     func(auth.Claims) bool    // reports claims that are not checked
	read      func(token string) string // changes a token before it is looked up
	unsigned  bool                      // Verify accepts a JWT with the algorithm none
	forever   bool                      // Verify ignores the expiry
	fixedID   string                    // identifier of every token
	alias     bool                      // Issue keeps the slices of its caller
	shared    bool                      // concurrent calls of Issue share the subject
	panics    string                    // token for which Verify panics
	overtime  time.Duration             // Issue accepts an Expiry this much beyond MaxLifetime
	claimed   func() time.Duration      // result of MaxLifetime
	verifyErr func(ctx context.Context, token string, err error) error

	mu      sync.Mutex
	subject string
	issued  map[string]auth.Claims
}

const lifetime = 15 * time.Minute

func (r *references) MaxLifetime() time.Duration {
	if r.claimed != nil {
		return r.claimed()
	}
	return lifetime
}

func (r *references) Issue(ctx context.Context, c auth.Claims) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	now := time.Now()
	if r.allow == nil || !r.allow(c) {
		switch {
		case c.Issuer != "" || len(c.Audience) > 0 || c.TokenID != "" || !c.IssuedAt.IsZero():
			return "", errDown
		case !c.Expiry.IsZero() && (c.Expiry.Before(now) || c.Expiry.After(now.Add(lifetime+r.overtime))):
			return "", errDown
		}
	}
	if r.edit != nil {
		r.edit(&c)
	}
	if c.Expiry.IsZero() || c.Expiry.After(now.Add(lifetime+r.overtime)) || c.Expiry.Before(now) {
		c.Expiry = now.Add(lifetime).Truncate(time.Second)
	}
	c.IssuedAt = now.Truncate(time.Second)
	if c.TokenID = r.fixedID; c.TokenID == "" {
		c.TokenID = rand.Text()
	}
	if r.shared {
		r.mu.Lock()
		r.subject = c.Subject
		r.mu.Unlock()
		time.Sleep(time.Millisecond)
		r.mu.Lock()
		c.Subject = r.subject
		r.mu.Unlock()
	}
	if _, err := jwt.NewPrincipal(c); err != nil {
		return "", err
	}
	if !r.alias {
		c.Scopes, c.Roles, c.AMR = slices.Clone(c.Scopes), slices.Clone(c.Roles), slices.Clone(c.AMR)
		c.Custom = maps.Clone(c.Custom)
	}
	token := rand.Text() + "A"
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.issued == nil {
		r.issued = make(map[string]auth.Claims)
	}
	r.issued[token] = c
	return token, nil
}

func (r *references) Verify(ctx context.Context, token string) (*auth.Principal, error) {
	p, err := r.verify(ctx, token)
	if r.verifyErr != nil {
		if err = r.verifyErr(ctx, token, err); err != nil {
			p = nil
		}
	}
	return p, err
}

func (r *references) verify(ctx context.Context, token string) (*auth.Principal, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.panics != "" && r.panics == token {
		panic("index out of range")
	}
	if parts := strings.Split(token, "."); r.unsigned && len(parts) == 3 {
		header, _ := base64.RawURLEncoding.DecodeString(parts[0])
		payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
		var claims struct{ Sub string }
		if strings.Contains(string(header), `"none"`) && json.Unmarshal(payload, &claims) == nil {
			return jwt.NewPrincipal(auth.Claims{Subject: claims.Sub})
		}
	}
	if r.read != nil {
		token = r.read(token)
	}
	r.mu.Lock()
	c, ok := r.issued[token]
	r.mu.Unlock()
	if !ok || !r.forever && !time.Now().Before(c.Expiry) {
		return nil, auth.ErrInvalidToken
	}
	return jwt.NewPrincipal(c)
}

func TestReferences(t *testing.T) {
	t.Parallel()
	authtest.TestTokenIssuer(t, func(*testing.T) auth.TokenIssuer { return new(references) })
}

// claiming returns an issuer with another MaxLifetime.
func claiming(longest time.Duration) func() auth.TokenIssuer {
	return func() auth.TokenIssuer {
		return &references{claimed: func() time.Duration { return longest }}
	}
}

// editing returns an issuer that changes the claims.
func editing(edit func(*auth.Claims)) func() auth.TokenIssuer {
	return func() auth.TokenIssuer { return &references{edit: edit} }
}

// allowing returns an issuer that does not check certain claims, and ignores them.
func allowing(allow func(auth.Claims) bool) func() auth.TokenIssuer {
	return func() auth.TokenIssuer {
		return &references{allow: allow, edit: func(c *auth.Claims) {
			c.Issuer, c.Audience = "", nil
		}}
	}
}

// issuerMutants has issuers that each break one rule, by the name of the rule.
var issuerMutants = map[string]map[string]func() auth.TokenIssuer{
	"Claims": {
		"forgets roles":     editing(func(c *auth.Claims) { c.Roles = c.Roles[:min(1, len(c.Roles))] }),
		"forgets the actor": editing(func(c *auth.Claims) { c.Actors = nil }),
		"folds the subject": editing(func(c *auth.Claims) { c.Subject = strings.ReplaceAll(c.Subject, "é", "e") }),
	},
	"Custom": {
		"folds names": editing(func(c *auth.Claims) {
			c.Custom = maps.Clone(c.Custom)
			delete(c.Custom, "Tenant")
		}),
		"reads numbers as float64": editing(func(c *auth.Claims) {
			if n, ok := c.Custom["big"].(int64); ok {
				c.Custom = maps.Clone(c.Custom)
				c.Custom["big"] = float64(n)
			}
		}),
		"writes names as they are": editing(func(c *auth.Claims) {
			if _, ok := c.Custom[`a":1,"admin`]; ok {
				c.Custom = maps.Clone(c.Custom)
				c.Custom["admin"] = true
			}
		}),
	},
	"Owned": {
		"one identifier":   func() auth.TokenIssuer { return &references{fixedID: "0123456789abcdef0123456789abcdef"} },
		"short identifier": func() auth.TokenIssuer { return shortIDs{new(references)} },
	},
	"Expiry": {
		"is ignored":             func() auth.TokenIssuer { return &references{forever: true} },
		"is always the lifetime": editing(func(c *auth.Claims) { c.Expiry = time.Time{} }),
	},
	"MaxLifetime": {
		"is zero":                     claiming(0),
		"is negative":                 claiming(-lifetime),
		"is shorter than the default": claiming(lifetime / 2),
		"does not bound an Expiry":    func() auth.TokenIssuer { return &references{overtime: lifetime} },
	},
	"RefusesSubject": {
		"anonymous": editing(func(c *auth.Claims) {
			if c.Subject == "" {
				c.Subject = "anonymous"
			}
		}),
	},
	"RefusesOwned": {
		"ignores an issuer":   allowing(func(c auth.Claims) bool { return c.Issuer != "" }),
		"ignores an audience": allowing(func(c auth.Claims) bool { return c.Audience != nil }),
		"ignores a token ID":  allowing(func(c auth.Claims) bool { return c.TokenID != "" }),
		"ignores a time":      allowing(func(c auth.Claims) bool { return !c.IssuedAt.IsZero() }),
	},
	"RefusesLifetime": {
		"shortens a long lifetime": allowing(func(c auth.Claims) bool { return time.Until(c.Expiry) > lifetime }),
		"ignores an expiry in the past": allowing(func(c auth.Claims) bool {
			return time.Until(c.Expiry) < 0 && c.TokenID == "" && c.Audience == nil && c.Issuer == "" && c.IssuedAt.IsZero()
		}),
	},
	"RefusesNames": {
		"drops them": editing(func(c *auth.Claims) {
			c.Custom = maps.Clone(c.Custom)
			delete(c.Custom, "SUB")
		}),
	},
	"RefusesValues": {
		"drops them": editing(func(c *auth.Claims) {
			if f, ok := c.Custom["claim"].(float64); ok && math.IsNaN(f) {
				c.Custom = nil
			}
		}),
	},
	"Copies": {
		"keeps the caller's slices": func() auth.TokenIssuer { return &references{alias: true} },
	},
	"Garbage": {
		"panics": func() auth.TokenIssuer { return &references{panics: "...."} },
		"returns another error for an empty token": func() auth.TokenIssuer {
			return &references{verifyErr: func(_ context.Context, token string, err error) error {
				if token == "" {
					return auth.ErrNoCredentials
				}
				return err
			}}
		},
	},
	"Altered": {
		"ignores the last character": func() auth.TokenIssuer {
			return &references{read: func(s string) string {
				if len(s) == len(rand.Text())+1 {
					s = s[:len(s)-1] + "A"
				}
				return s
			}}
		},
	},
	"Spelling": {
		"trims": func() auth.TokenIssuer { return &references{read: strings.TrimSpace} },
		"drops padding": func() auth.TokenIssuer {
			return &references{read: func(s string) string { return strings.TrimRight(s, "=") }}
		},
	},
	"Unsigned": {
		"accepts the algorithm none": func() auth.TokenIssuer { return &references{unsigned: true} },
	},
	"ErrorText": {
		"shows the token": func() auth.TokenIssuer {
			return &references{verifyErr: func(_ context.Context, token string, err error) error {
				if err != nil {
					return fmt.Errorf("%w: %q", err, token)
				}
				return nil
			}}
		},
	},
	"VerifyContext": {
		"returns ErrInvalidToken": func() auth.TokenIssuer {
			return &references{verifyErr: func(ctx context.Context, _ string, err error) error {
				if ctx.Err() != nil {
					return auth.ErrInvalidToken
				}
				return err
			}}
		},
	},
	"ConcurrentTokens": {
		"share the subject": func() auth.TokenIssuer { return &references{shared: true} },
	},
}

// shortIDs is an issuer whose identifiers are the numbers of its tokens.
type shortIDs struct{ *references }

func (s shortIDs) Issue(ctx context.Context, c auth.Claims) (string, error) {
	token, err := s.references.Issue(ctx, c)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		kept := s.issued[token]
		kept.TokenID = fmt.Sprint(len(s.issued))
		s.issued[token] = kept
	}
	return token, err
}

func TestTokenIssuerMutants(t *testing.T) {
	t.Parallel()
	makers := make(map[string]map[string]func(*testing.T) auth.TokenIssuer)
	for rule, mutants := range issuerMutants {
		makers[rule] = make(map[string]func(*testing.T) auth.TokenIssuer)
		for name, mutant := range mutants {
			makers[rule][name] = func(*testing.T) auth.TokenIssuer { return mutant() }
		}
	}
	each(t, authtest.TokenRules(), makers, authtest.BrokenTokenRules)
}
