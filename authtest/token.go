package authtest

import (
	"cmp"
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

// TestTokenIssuer checks that the issuers of a factory keep the contracts of [auth.TokenIssuer] and
// [auth.TokenVerifier]. Each rule calls factory for an issuer of its own. The rules about time do
// so in a [testing/synctest] bubble.
func TestTokenIssuer(t *testing.T, factory func(t *testing.T) auth.TokenIssuer) {
	t.Helper()
	testRules(t, tokenRules(), factory)
}

// tokenRules returns the contract as rules.
func tokenRules() []rule[auth.TokenIssuer] {
	return slices.Concat(issueRules(), verifyRules())
}

// issueRules are the rules for the content of tokens.
func issueRules() []rule[auth.TokenIssuer] {
	return []rule[auth.TokenIssuer]{
		{name: "Claims", holds: "The principal of a token has the claims that the token was issued with.", check: checkClaims},
		{name: "Custom", holds: "Custom claims come back under their exact names, and integers with their exact values.", check: checkCustom},
		{name: "Owned", holds: "The issuer gives each token an identifier of its own, a time of issue and an expiry.", check: checkOwned},
		{name: "Expiry", holds: "A token is refused after its expiry, and Expiry can be set to an earlier time.", clock: true, check: checkExpiry},
		{name: "MaxLifetime", holds: "No token lives longer than MaxLifetime, which is positive.", clock: true, check: checkMaxLifetime},
		{name: "RefusesSubject", holds: "Issue refuses claims without a subject.", check: checkRefusesSubject},
		{name: "RefusesOwned", holds: "Issue refuses claims that the issuer owns.", check: checkRefusesOwned},
		{name: "RefusesLifetime", holds: "Issue refuses an expiry in the past, and one in a hundred years.", check: checkRefusesLifetime},
		{name: "RefusesNames", holds: "Issue refuses a custom claim with a registered name, in any letter case.", check: checkRefusesNames},
		{name: "RefusesValues", holds: "Issue refuses a custom claim that JSON cannot encode.", check: checkRefusesValues},
		{name: "Copies", holds: "A change of the caller's claims, or of values that a principal returned, changes no principal.", check: checkCopies},
	}
}

// issue returns a token with the claims c, and the principal that Verify returns for it.
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
		AMR: []string{"pwd", "otp"}, ACR: "urn:example:high", ClientID: "app-1", Actors: []string{"agent-7", "agent-3"},
	}
	for _, c := range []auth.Claims{full, {Subject: `"quoted" \ <&> \u0041 é 😀`}} {
		_, p, err := issue(ctx, i, c)
		if err != nil {
			return err
		}
		for _, field := range []struct{ name, got, want string }{
			{"Subject", p.Subject(), c.Subject}, {"Kind", string(p.Kind()), string(c.Kind)}, {"SessionID", p.SessionID(), c.SessionID},
			{"Scopes", list(p.Scopes()), list(c.Scopes)}, {"Roles", list(p.Roles()), list(c.Roles)}, {"AMR", list(p.AMR()), list(c.AMR)},
			{"AuthTime", p.AuthTime().String(), c.AuthTime.String()}, {"ACR", p.ACR(), c.ACR}, {"ClientID", p.ClientID(), cmp.Or(c.ClientID, p.ClientID())}, // without one the issuer may write its own
			{"Actors", list(p.Actors()), list(c.Actors)},
		} {
			if field.got != field.want {
				return fmt.Errorf("%s of the principal is %s, want %s", field.name, name(field.got), name(field.want))
			}
		}
	}
	return nil
}

// list returns strings as text that is different for different lists.
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
		return errors.New("a quote in the name of a claim created another claim")
	}
	return nil
}

func checkOwned(i auth.TokenIssuer) error {
	ctx, cancel := background()
	defer cancel()
	before := time.Now().Truncate(time.Second)
	c := auth.Claims{Subject: "alice"}
	first, p, err := issue(ctx, i, c)
	if err != nil {
		return err
	}
	second, q, err := issue(ctx, i, c)
	if err != nil {
		return err
	}
	switch {
	case first == second || p.TokenID() == q.TokenID():
		return errors.New("two tokens have the same identifier")
	case len(p.TokenID()) < 22: // length of 128 bits in base64url
		return fmt.Errorf("the identifier %q is too short for 128 random bits", p.TokenID())
	case p.IssuedAt().Before(before) || p.IssuedAt().After(time.Now()):
		return fmt.Errorf("IssuedAt is %v, want now", p.IssuedAt())
	case !p.Expiry().After(p.IssuedAt()):
		return fmt.Errorf("Expiry is %v, want a time after %v", p.Expiry(), p.IssuedAt())
	}
	return nil
}

// allowance is more than the leeway of any verifier.
const allowance = 10 * time.Minute

func checkExpiry(i auth.TokenIssuer) error {
	ctx := context.Background()
	expiry := time.Now().Add(2 * time.Minute).Truncate(time.Second)
	for _, c := range []auth.Claims{{Subject: "alice", Expiry: expiry}, {Subject: "alice"}} {
		token, p, err := issue(ctx, i, c)
		if err != nil {
			return err
		}
		if !c.Expiry.IsZero() && !p.Expiry().Equal(c.Expiry) {
			return fmt.Errorf("Expiry is %v, want %v", p.Expiry(), c.Expiry)
		}
		time.Sleep(time.Until(p.Expiry()) - time.Second)
		if again, err := i.Verify(ctx, token); err != nil || again == nil {
			return fmt.Errorf("Verify one second before the expiry returned %s", describe(err))
		}
		time.Sleep(time.Second + allowance)
		if err := refused("Verify after the expiry", i, token); err != nil {
			return err
		}
	}
	return nil
}

// checkMaxLifetime asks for tokens with no Expiry, with one at the bound and with later ones. Issue
// may refuse the later ones or shorten them.
func checkMaxLifetime(i auth.TokenIssuer) error {
	ctx := context.Background()
	longest := i.MaxLifetime()
	if longest <= 0 {
		return fmt.Errorf("MaxLifetime returned %v", longest)
	}
	now := time.Now() // constant during the check, in its bubble
	for _, expiry := range []time.Time{{}, now.Add(longest), now.Add(longest + time.Second), now.Add(longest + time.Hour), now.Add(longest).Add(longest)} {
		call := "Issue without an Expiry"
		if !expiry.IsZero() {
			call = fmt.Sprintf("Issue with an Expiry in %v", expiry.Sub(now))
		}
		token, err := i.Issue(ctx, auth.Claims{Subject: "alice", Expiry: expiry})
		switch {
		case err != nil && expiry.IsZero():
			return fmt.Errorf("%s returned %s", call, describe(err))
		case err != nil && token != "":
			return fmt.Errorf("%s returned a token together with an error", call)
		case err != nil:
			continue
		}
		p, err := i.Verify(ctx, token)
		if err != nil || p == nil {
			return fmt.Errorf("%s returned a token for which Verify returned %v and %s", call, p, describe(err))
		}
		if lifetime := p.Expiry().Sub(now); lifetime > longest {
			return fmt.Errorf("%s returned a token that lives for %v, and MaxLifetime is %v", call, lifetime, longest)
		}
	}
	return nil
}

// unissued returns an error unless Issue refuses c and returns no token.
func unissued(i auth.TokenIssuer, c auth.Claims, content string) error {
	ctx, cancel := background()
	defer cancel()
	token, err := i.Issue(ctx, c)
	if err == nil {
		return fmt.Errorf("Issue with %s returned no error", content)
	}
	if token != "" {
		return fmt.Errorf("Issue with %s returned a token together with an error", content)
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
		unissued(i, auth.Claims{Subject: "alice", Expiry: time.Now().Add(-time.Second)}, "an expiry in the past"),
		unissued(i, auth.Claims{Subject: "alice", Expiry: time.Unix(0, 0)}, "an expiry at the Unix epoch"),
		unissued(i, auth.Claims{Subject: "alice", Expiry: time.Now().AddDate(100, 0, 0)}, "an expiry in a hundred years"),
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
