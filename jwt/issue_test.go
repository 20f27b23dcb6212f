package jwt_test

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

func TestIssueRefuses(t *testing.T) {
	t.Parallel()
	i := testkit.NewIssuer(t, jwt.IssuerConfig{})
	now := time.Now()
	custom := func(name string, v any) jwt.Claims {
		return jwt.Claims{Subject: "u", Custom: map[string]any{name: v}}
	}
	for name, c := range map[string]jwt.Claims{
		"no subject":               {},
		"issuer":                   {Subject: "u", Issuer: "x"},
		"audience":                 {Subject: "u", Audience: []string{"x"}},
		"issued at":                {Subject: "u", IssuedAt: now},
		"token ID":                 {Subject: "u", TokenID: "x"},
		"expiry past":              {Subject: "u", Expiry: now.Add(-time.Second)},
		"expiry beyond lifetime":   {Subject: "u", Expiry: now.Add(time.Hour)},
		"invalid UTF-8":            {Subject: "u\xff"},
		"scope with space":         {Subject: "u", Scopes: []string{"a b"}},
		"scope with quote":         {Subject: "u", Scopes: []string{`a"`}},
		"empty scope":              {Subject: "u", Scopes: []string{""}},
		"scope beyond ASCII":       {Subject: "u", Scopes: []string{"é"}},
		"custom sub":               custom("sub", "admin"),
		"custom SUB":               custom("SUB", "admin"),
		"custom long s":            custom("\u017fub", "admin"),
		"custom long s in sid":     custom("\u017fid", "x"),
		"custom exp":               custom("Exp", 1),
		"custom cnf":               custom("cnf", map[string]string{"jkt": "x"}),
		"custom may_act":           custom("may_act", map[string]string{"sub": "bot"}),
		"custom sub_profile":       custom("sub_profile", "service"),
		"custom roles":             custom("ROLES", []string{"admin"}),
		"custom value no JSON":     custom("x", make(chan int)),
		"custom NaN":               custom("x", math.NaN()),
		"custom name no UTF-8":     custom("\xff", 1),
		"custom marshaler repeats": custom("x", json.RawMessage(`{"a":1,"a":2}`)),
		"custom value too deep":    custom("x", json.RawMessage(strings.Repeat("[", 16)+strings.Repeat("]", 16))),
		"auth_time beyond 9999":    {Subject: "u", AuthTime: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"auth_time before 1":       {Subject: "u", AuthTime: time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC)},
		"too long":                 custom("x", strings.Repeat("x", 8192)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if token, err := i.Issue(context.Background(), c); err == nil || token != "" {
				t.Errorf("issued %q, %v", token, err)
			}
		})
	}
}

// A claim name with quotes in it is a name (GHSA-4cf7-xm37-g63h).
func TestClaimNamesCannotAddMembers(t *testing.T) {
	t.Parallel()
	i := testkit.NewIssuer(t, jwt.IssuerConfig{})
	name := `x":0,"admin`
	token := testkit.Issue(t, i, jwt.Claims{Subject: "u", Custom: map[string]any{name: true}})
	claims := testkit.Segment(t, token, 1)
	if _, ok := claims["admin"]; ok || claims[name] != true {
		t.Errorf("claims %v", claims)
	}
	if p := testkit.Verify(t, i, token); p.Claims().Custom[name] != true {
		t.Errorf("custom %v", p.Claims().Custom)
	}
}

func TestIssuerNames(t *testing.T) {
	t.Parallel()
	ring, err := jwt.NewKeyRing(secretKey(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, good := range map[string]bool{strings.Repeat("a", 1024): true, strings.Repeat("a", 1025): false, "a\xff": false, "": false} {
		_, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: name, Audience: name, Keys: ring})
		named := err != nil && strings.Contains(err.Error(), "jwt.IssuerConfig.Issuer: ") && strings.Contains(err.Error(), "jwt.IssuerConfig.Audience: ")
		if good != (err == nil) || !good && !named {
			t.Errorf("%.10q of %d bytes: %v", name, len(name), err)
		}
	}
}
