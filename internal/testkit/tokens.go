package testkit

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
)

const (
	Issuer   = "https://issuer.test"
	Audience = "api.test"
)

// NewIssuer returns an issuer with a key of its own for what cfg leaves open.
func NewIssuer(t testing.TB, cfg jwt.IssuerConfig) *jwt.Issuer {
	t.Helper()
	if cfg.Issuer == "" {
		cfg.Issuer = Issuer
	}
	if cfg.Audience == "" {
		cfg.Audience = Audience
	}
	if cfg.Keys == nil {
		cfg.Keys = RingOf(t, Generated(t, "HS256"))
	}
	i, err := jwt.NewIssuer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func Issue(t testing.TB, i auth.TokenIssuer, c auth.Claims) string {
	t.Helper()
	token, err := i.Issue(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func Verify(t testing.TB, v auth.TokenVerifier, token string) *auth.Principal {
	t.Helper()
	p, err := v.Verify(context.Background(), token)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Segment decodes one segment of a token.
func Segment(t testing.TB, token string, i int) map[string]any {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}
