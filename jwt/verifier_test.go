package jwt_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

// signedBy returns a token of any header and claims, as other issuers make them.
func signedBy(t testing.TB, private ed25519.PrivateKey, header, claims string) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(header)) + "." + encode([]byte(claims))
	return text + "." + encode(ed25519.Sign(private, []byte(text)))
}

// What issuers that do not follow RFC 9068 need, and what it must not let in.
func TestForeignShapes(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jwt.NewSigningKey(private)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := jwt.NewVerifyingKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	const plain, access = `{"alg":"EdDSA"}`, `{"alg":"EdDSA","typ":"at+jwt"}`
	clientID := jwt.VerifierConfig{
		AudienceClaim: "client_id", Types: []string{jwt.NoType},
		RequiredClaims: map[string]string{"token_use": "access", "jti": ""},
	}
	several := jwt.VerifierConfig{OtherAudiences: []string{"b.test"}}
	event := jwt.VerifierConfig{Types: []string{"secevent+jwt"}}
	for name, row := range map[string]struct {
		cfg            jwt.VerifierConfig
		header, claims string
		accepted       bool
	}{
		"client_id for aud":         {clientID, plain, `"client_id":"api.test","token_use":"access","jti":"1"`, true},
		"another client_id":         {clientID, plain, `"client_id":"other","token_use":"access","jti":"1"`, false},
		"aud without client_id":     {clientID, plain, `"aud":"api.test","token_use":"access","jti":"1"`, false},
		"another aud beside it":     {clientID, plain, `"client_id":"api.test","aud":"other","token_use":"access","jti":"1"`, false},
		"the same aud beside it":    {clientID, plain, `"client_id":"api.test","aud":"api.test","token_use":"access","jti":"1"`, false},
		"client_id no text":         {clientID, plain, `"client_id":{"api.test":1},"token_use":"access","jti":"1"`, false},
		"typ where none is wanted":  {clientID, access, `"client_id":"api.test","token_use":"access","jti":"1"`, false},
		"typ spelled like NoType":   {clientID, `{"alg":"EdDSA","typ":"(none)"}`, `"client_id":"api.test","token_use":"access","jti":"1"`, false},
		"typ without a text":        {clientID, `{"alg":"EdDSA","typ":""}`, `"client_id":"api.test","token_use":"access","jti":"1"`, false},
		"typ without a type":        {clientID, `{"alg":"EdDSA","typ":"application/"}`, `"client_id":"api.test","token_use":"access","jti":"1"`, false},
		"none where typ is wanted":  {jwt.VerifierConfig{}, plain, `"aud":"api.test"`, false},
		"another value required":    {clientID, plain, `"client_id":"api.test","token_use":"id","jti":"1"`, false},
		"a required claim missing":  {clientID, plain, `"client_id":"api.test","token_use":"access"`, false},
		"a required claim empty":    {clientID, plain, `"client_id":"api.test","token_use":"access","jti":""`, false},
		"a required claim no text":  {clientID, plain, `"client_id":"api.test","token_use":["access"],"jti":"1"`, false},
		"a required claim, nested":  {clientID, plain, `"client_id":"api.test","x":{"token_use":"access"},"jti":"1"`, false},
		"client_id without setting": {jwt.VerifierConfig{}, access, `"client_id":"api.test"`, false},
		"the first audience":        {several, access, `"aud":"api.test"`, true},
		"another audience":          {several, access, `"aud":["x","b.test"]`, true},
		"amr of objects":            {jwt.VerifierConfig{}, access, `"aud":"api.test","amr":[{"method":"pwd"}]`, true},
		"typ as it is asked for":    {event, `{"alg":"EdDSA","typ":"application/SecEvent+jwt"}`, `"aud":"api.test"`, true},
		"typ folded beyond ASCII":   {event, `{"alg":"EdDSA","typ":"\u017fecevent+jwt"}`, `"aud":"api.test"`, false},
		"no audience of ours":       {several, access, `"aud":["x","b.test "]`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row.cfg.Issuer, row.cfg.Audience, row.cfg.Keys = testkit.Issuer, testkit.Audience, ring
			v, err := jwt.NewVerifier(row.cfg)
			if err != nil {
				t.Fatal(err)
			}
			claims := fmt.Sprintf(`{"iss":%q,"sub":"u","exp":%d,%s}`, testkit.Issuer, time.Now().Unix()+600, row.claims)
			token := signedBy(t, private, row.header, claims)
			for range 2 { // the second time from the table of verified tokens
				p, err := v.Verify(t.Context(), token)
				if row.accepted != (err == nil) || err != nil && !errors.Is(err, jwt.ErrInvalidToken) {
					t.Fatalf("%v, %v, accepted should be %t", p, err, row.accepted)
				}
				if name == "a required claim missing" && !strings.HasSuffix(err.Error(), ": required claim jti") {
					t.Errorf("%v does not name the claim", err)
				}
				if err == nil && len(p.AMR()) != 0 {
					t.Errorf("AMR %q", p.AMR())
				}
			}
		})
	}

	var fault *cfgerr.Error
	_, err = jwt.NewVerifier(jwt.VerifierConfig{
		Issuer: "i", Audience: "a", Keys: ring, OtherAudiences: []string{""}, RequiredClaims: map[string]string{"": "x"},
	})
	for _, want := range []string{"jwt.VerifierConfig.OtherAudiences", "jwt.VerifierConfig.RequiredClaims"} {
		found := false
		for _, e := range errorList(err) {
			found = found || errors.As(e, &fault) && fault.Field == want
		}
		if !found {
			t.Errorf("%s is not named in %v", want, err)
		}
	}
}

// What the host does with its settings afterwards changes nothing.
func TestVerifierCopiesItsConfig(t *testing.T) {
	t.Parallel()
	key := testkit.Generated(t, "EdDSA")
	ring := testkit.RingOf(t, key)
	i := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: ring})
	token := testkit.Issue(t, i, jwt.Claims{Subject: "u", Custom: map[string]any{"use": "access", "groups": []string{"a"}}})
	cfg := jwt.VerifierConfig{
		Issuer: testkit.Issuer, Audience: "other", OtherAudiences: []string{testkit.Audience}, Keys: ring, Types: []string{"at+jwt"},
		RolesClaim: []string{"groups"}, RequiredClaims: map[string]string{"use": "access"},
	}
	v, err := jwt.NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	byIssuer := map[string]jwt.TokenVerifier{testkit.Issuer: v}
	either, err := jwt.AnyOf(byIssuer)
	if err != nil {
		t.Fatal(err)
	}
	cfg.OtherAudiences[0], cfg.Types[0], cfg.RolesClaim[0], cfg.RequiredClaims["use"] = "x", "x", "x", "x"
	delete(byIssuer, testkit.Issuer)
	if p := testkit.Verify(t, either, token); !p.HasRole("a") {
		t.Errorf("the roles are %q", p.Roles())
	}
}

// Kind is that of the settings, whatever the token says, also on a later use; without it the token says it.
func TestVerifierKind(t *testing.T) {
	t.Parallel()
	ring := testkit.RingOf(t, testkit.Generated(t, "EdDSA"))
	token := testkit.Issue(t, testkit.NewIssuer(t, jwt.IssuerConfig{Keys: ring}), jwt.Claims{Subject: "u", Kind: jwt.KindAgent})
	for set, want := range map[jwt.Kind]jwt.Kind{"": jwt.KindAgent, jwt.KindService: jwt.KindService} {
		v, err := jwt.NewVerifier(jwt.VerifierConfig{Issuer: testkit.Issuer, Audience: testkit.Audience, Keys: ring, Kind: set})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if p := testkit.Verify(t, v, token); p.Kind() != want || p.Claims().Kind != want {
				t.Errorf("with Kind %q the kind is %q, want %q", set, p.Kind(), want)
			}
		}
	}
}

func errorList(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// A ring that gets its keys later cannot decide, which is never a refusal.
func TestKeysThatComeLater(t *testing.T) {
	t.Parallel()
	key := testkit.Generated(t, "EdDSA")
	issuer := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: testkit.RingOf(t, key)})
	token := testkit.Issue(t, issuer, jwt.Claims{Subject: "u"})

	var ring jwt.KeyRing
	v, err := jwt.NewVerifier(jwt.VerifierConfig{Issuer: testkit.Issuer, Audience: testkit.Audience, Keys: &ring})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := v.Verify(t.Context(), token); p != nil || !errors.Is(err, jwt.ErrKeysUnavailable) || errors.Is(err, jwt.ErrInvalidToken) {
		t.Errorf("without keys: %v, %v", p, err)
	}
	if err := ring.Replace(key); err != nil {
		t.Fatal(err)
	}
	testkit.Verify(t, v, token)
	if _, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "i", Audience: "a", Keys: &ring}); err == nil {
		t.Error("an issuer was made of a ring that only verifies")
	}
	if _, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "i", Audience: "a", Keys: new(jwt.KeyRing)}); err == nil {
		t.Error("an issuer was made of the zero KeyRing")
	}
}
