package authtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
)

// TestTokenIssuer checks that the issuers a factory makes keep the contracts of
// [jwt.TokenIssuer] and [jwt.TokenVerifier]. Each rule calls factory for an
// issuer of its own, the rule about time inside a [testing/synctest] bubble.
func TestTokenIssuer(t *testing.T, factory func(t *testing.T) auth.TokenIssuer) {
	t.Helper()
	testRules(t, tokenRules(), factory)
}

// tokenRules is the contract, one rule a sentence.
func tokenRules() []rule[auth.TokenIssuer] {
	return slices.Concat(issueRules(), verifyRules())
}

// issueRules say what a token says.
func issueRules() []rule[auth.TokenIssuer] {
	return []rule[auth.TokenIssuer]{
		{name: "Claims", holds: "What a token was issued with is what its principal says.", check: checkClaims},
		{name: "Custom", holds: "Custom claims come back by their exact names, integers exactly.", check: checkCustom},
		{name: "Owned", holds: "The issuer gives each token an identifier of its own, a time of issue and an end.", check: checkOwned},
		{name: "Expiry", holds: "A token ends when it says, and that can be set to an earlier time.", clock: true, check: checkExpiry},
		{name: "RefusesSubject", holds: "There is no token without a subject.", check: checkRefusesSubject},
		{name: "RefusesOwned", holds: "What the issuer owns cannot be set.", check: checkRefusesOwned},
		{name: "RefusesLifetime", holds: "No token ends in the past, or lives longer than the issuer allows.", check: checkRefusesLifetime},
		{name: "RefusesNames", holds: "No custom claim takes a registered name, in any letter case.", check: checkRefusesNames},
		{name: "RefusesValues", holds: "A custom claim that JSON cannot hold is refused.", check: checkRefusesValues},
		{name: "Copies", holds: "What the caller does with its claims, or with what a principal returned, changes nothing.", check: checkCopies},
	}
}

// issue returns a token for c, verified, and its principal.
func issue(ctx context.Context, i auth.TokenIssuer, c auth.Claims) (string, *auth.Principal, error) {
	token, err := i.Issue(ctx, c)
	if err != nil {
		return "", nil, fmt.Errorf("Issue returned %s", describe(err))
	}
	p, err := i.Verify(ctx, token)
	if err != nil || p == nil {
		return "", nil, fmt.Errorf("Verify of a new token returned %v and %s", p, describe(err))
	}
	return token, p, nil
}

func checkClaims(i auth.TokenIssuer) error {
	ctx, cancel := background()
	defer cancel()
	full := auth.Claims{
		Subject: "018f3c5e-7a10-7cc0-9000-000000000001", Kind: auth.KindAgent,
		Scopes: []string{"read:items", "write:items"}, Roles: []string{"editor", "with space", "\U0001f600"},
		SessionID: "session-1", AuthTime: time.Now().Add(-time.Hour).Truncate(time.Second).UTC(),
		AMR: []string{"pwd", "otp"}, ACR: "urn:example:high", Actor: "agent-7",
	}
	for _, c := range []auth.Claims{full, {Subject: `"quoted" \ <&> \u0041 é 😀`}} {
		_, p, err := issue(ctx, i, c)
		if err != nil {
			return err
		}
		for _, field := range []struct{ name, got, want string }{
			{"Subject", p.Subject(), c.Subject}, {"Kind", string(p.Kind()), string(c.Kind)}, {"SessionID", p.SessionID(), c.SessionID},
			{"Scopes", list(p.Scopes()), list(c.Scopes)}, {"Roles", list(p.Roles()), list(c.Roles)}, {"AMR", list(p.AMR()), list(c.AMR)},
			{"AuthTime", p.AuthTime().String(), c.AuthTime.String()}, {"ACR", p.ACR(), c.ACR}, {"Actor", p.Actor(), c.Actor},
		} {
			if field.got != field.want {
				return fmt.Errorf("%s of the principal is %s, want %s", field.name, name(field.got), name(field.want))
			}
		}
	}
	return nil
}

// list shows strings so that no two lists look alike.
func list(s []string) string { return fmt.Sprintf("%q", s) }

func checkCustom(i auth.TokenIssuer) error {
	ctx, cancel := background()
	defer cancel()
	custom := map[string]any{
		"tenant": "t-1", "Tenant": "t-2", "big": int64(math.MaxInt64), "nested": map[string]any{"sub": "inner"},
		`a":1,"admin`: true, "": "empty", "nothing": nil, "list": []int{1, 2},
	}
	_, p, err := issue(ctx, i, auth.Claims{Subject: "alice", Custom: custom})
	if err != nil {
		return err
	}
	var got map[string]json.RawMessage
	if err := p.Decode(&got); err != nil {
		return fmt.Errorf("Decode returned %s", describe(err))
	}
	for claim, value := range custom {
		want, err := json.Marshal(value)
		if err != nil {
			return err
		}
		if string(got[claim]) != string(want) {
			return fmt.Errorf("the claim %q is %s, want %s", claim, got[claim], want)
		}
	}
	if _, injected := got["admin"]; injected {
		return errors.New("a quote in the name of a claim made another claim")
	}
	return nil
}

func checkOwned(i auth.TokenIssuer) error {
	ctx, cancel := background()
	defer cancel()
	before := time.Now().Truncate(time.Second)
	c := auth.Claims{Subject: "alice"}
	one, p, err := issue(ctx, i, c)
	if err != nil {
		return err
	}
	two, q, err := issue(ctx, i, c)
	if err != nil {
		return err
	}
	switch {
	case one == two || p.TokenID() == q.TokenID():
		return errors.New("two tokens have one identifier")
	case len(p.TokenID()) < 22: // 128 bits in base64url
		return fmt.Errorf("the identifier %q is too short to be 128 random bits", p.TokenID())
	case p.IssuedAt().Before(before) || p.IssuedAt().After(time.Now()):
		return fmt.Errorf("IssuedAt is %v, want now", p.IssuedAt())
	case !p.Expiry().After(p.IssuedAt()):
		return fmt.Errorf("Expiry is %v, want a time after %v", p.Expiry(), p.IssuedAt())
	}
	return nil
}

// allowance is more than what any verifier allows for clocks that differ.
const allowance = 10 * time.Minute

func checkExpiry(i auth.TokenIssuer) error {
	ctx := context.Background()
	at := time.Now().Add(2 * time.Minute).Truncate(time.Second)
	for _, c := range []auth.Claims{{Subject: "alice", Expiry: at}, {Subject: "alice"}} {
		token, p, err := issue(ctx, i, c)
		if err != nil {
			return err
		}
		if !c.Expiry.IsZero() && !p.Expiry().Equal(c.Expiry) {
			return fmt.Errorf("Expiry is %v, want %v", p.Expiry(), c.Expiry)
		}
		time.Sleep(time.Until(p.Expiry()) - time.Second)
		if again, err := i.Verify(ctx, token); err != nil || again == nil {
			return fmt.Errorf("Verify a second before the end returned %s", describe(err))
		}
		time.Sleep(time.Second + allowance)
		if err := refused("Verify after the end", i, token); err != nil {
			return err
		}
	}
	return nil
}

// unissued returns an error unless Issue refuses c and returns no token.
func unissued(i auth.TokenIssuer, c auth.Claims, what string) error {
	ctx, cancel := background()
	defer cancel()
	token, err := i.Issue(ctx, c)
	if err == nil {
		return fmt.Errorf("Issue with %s returned nil", what)
	}
	if token != "" {
		return fmt.Errorf("Issue with %s returned a token beside the error", what)
	}
	return nil
}

func checkRefusesSubject(i auth.TokenIssuer) error {
	return unissued(i, auth.Claims{Scopes: []string{"read"}, Custom: map[string]any{"tenant": "t"}}, "no subject")
}

func checkRefusesOwned(i auth.TokenIssuer) error {
	return errors.Join(
		unissued(i, auth.Claims{Subject: "alice", Issuer: "https://elsewhere.example"}, "an issuer"),
		unissued(i, auth.Claims{Subject: "alice", Audience: []string{"elsewhere"}}, "an audience"),
		unissued(i, auth.Claims{Subject: "alice", TokenID: "0123456789abcdef0123456789abcdef"}, "an identifier"),
		unissued(i, auth.Claims{Subject: "alice", IssuedAt: time.Now().Add(-time.Minute)}, "a time of issue"),
	)
}

func checkRefusesLifetime(i auth.TokenIssuer) error {
	return errors.Join(
		unissued(i, auth.Claims{Subject: "alice", Expiry: time.Now().Add(-time.Second)}, "an end in the past"),
		unissued(i, auth.Claims{Subject: "alice", Expiry: time.Unix(0, 0)}, "an end at the epoch"),
		unissued(i, auth.Claims{Subject: "alice", Expiry: time.Now().AddDate(100, 0, 0)}, "an end in a hundred years"),
	)
}

func checkRefusesNames(i auth.TokenIssuer) error {
	for _, claim := range []string{
		"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "sid", "scope", "roles", "auth_time", "amr", "acr", "act", "cnf",
		"SUB", "Exp", "\u017fub", "i\u017f\u017f", "Scope",
	} {
		if err := unissued(i, auth.Claims{Subject: "alice", Custom: map[string]any{claim: "x"}}, fmt.Sprintf("the custom claim %+q", claim)); err != nil {
			return err
		}
	}
	return nil
}

func checkRefusesValues(i auth.TokenIssuer) error {
	for _, value := range []any{math.NaN(), math.Inf(1), make(chan int), func() {}, json.RawMessage(`{"a":`), json.RawMessage(`1,"admin":true`)} {
		if err := unissued(i, auth.Claims{Subject: "alice", Custom: map[string]any{"claim": value}}, fmt.Sprintf("a custom claim of type %T", value)); err != nil {
			return err
		}
	}
	return nil
}

func checkCopies(i auth.TokenIssuer) error {
	ctx, cancel := background()
	defer cancel()
	c := auth.Claims{Subject: "alice", Scopes: []string{"read", "write"}, Roles: []string{"editor"}, AMR: []string{"pwd"},
		Custom: map[string]any{"tenant": "t-1"}}
	token, err := i.Issue(ctx, c)
	if err != nil {
		return fmt.Errorf("Issue returned %s", describe(err))
	}
	c.Scopes[0], c.Roles[0], c.AMR[0], c.Custom["tenant"] = "admin", "admin", "admin", "admin"
	for range 2 {
		p, err := i.Verify(ctx, token)
		if err != nil {
			return fmt.Errorf("Verify returned %s", describe(err))
		}
		for range 2 {
			claims := p.Claims()
			for name, got := range map[string][]string{
				"Scopes": p.Scopes(), "Roles": p.Roles(), "AMR": p.AMR(),
				"Claims().Scopes": claims.Scopes, "Claims().Roles": claims.Roles,
			} {
				if slices.Contains(got, "admin") {
					return fmt.Errorf("%s of the principal changed to %q", name, got)
				}
				got[0] = "admin"
			}
			if claims.Custom["tenant"] != "t-1" {
				return fmt.Errorf("the custom claim changed to %v", claims.Custom["tenant"])
			}
			claims.Custom["tenant"] = "admin"
		}
	}
	return nil
}
