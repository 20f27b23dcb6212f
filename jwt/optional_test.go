package jwt_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

// An optional claim of another form counts as absent: no ID, no time, no method, no role. The claims
// that limit what a token is good for are refused in every form but their own, with their name.
func TestOptionalClaims(t *testing.T) {
	t.Parallel()
	forms := []string{`null`, `7`, `-1.5`, `true`, `"text"`, `[]`, `["text"]`, `{}`, `{"a":1}`}
	own := map[string][]string{ // forms in which a claim is read
		"jti": {`"text"`}, "sid": {`"text"`}, "acr": {`"text"`}, "sub_profile": {`"text"`}, "auth_time": {`7`, `-1.5`},
		"amr": {`[]`, `["text"]`}, "roles": {`"text"`, `[]`, `["text"]`, `{}`},
		"scope": {`null`, `"text"`}, "exp": {`7`, `-1.5`}, "nbf": {`7`, `-1.5`}, "iat": {`7`, `-1.5`}, "act": {}, "cnf": {`null`},
		"iss": {`"text"`}, "aud": {`"text"`, `[]`, `["text"]`}, "sub": {`null`, `"text"`},
	}
	required := map[string]bool{"scope": true, "exp": true, "nbf": true, "iat": true, "act": true, "cnf": true, "iss": true, "aud": true, "sub": true}
	testkit.AtVectorTime(t, func(t *testing.T) {
		v := ruleVerifier(t)
		for claim, itsForms := range own {
			for _, form := range forms {
				payload := testkit.Replaced(ruleClaims, `{"iss"`, `{"`+claim+`":`+form+`,"iss"`)
				for _, name := range []string{"iss", "sub", "aud", "exp", "iat"} { // not twice
					if name == claim {
						payload = testkit.Replaced(ruleClaims, map[string]string{
							"iss": `"https://issuer.test"`, "sub": `"u"`, "aud": `"api.test"`, "exp": `1800000300`, "iat": `1799999990`,
						}[name], form)
					}
				}
				p, err := v.Verify(t.Context(), rawToken(ruleHeader, payload))
				mine := false
				for _, f := range itsForms {
					mine = mine || f == form
				}
				switch {
				case mine: // another test's
				case required[claim]:
					if !errors.Is(err, jwt.ErrInvalidToken) {
						t.Errorf("%s %s: got %v, want ErrInvalidToken", claim, form, err)
					} else if claim != "cnf" && form != null && !strings.Contains(err.Error(), ": "+claim) {
						t.Errorf("%s %s: %v does not name the claim", claim, form, err)
					}
				case err != nil:
					t.Errorf("%s %s: %v", claim, form, err)
				case p.TokenID() != "" || p.SessionID() != "" || p.ACR() != "" || p.Kind() != jwt.KindUser || !p.AuthTime().IsZero() || p.AMR() != nil || p.Roles() != nil:
					t.Errorf("%s %s reads as %+v", claim, form, p.Claims())
				}
			}
		}
	})
}

const null = "null"

// Tokens of libraries that write a number as the subject, under another name, or neither iss nor aud.
func TestOtherSubjectsAndNoIssuer(t *testing.T) {
	t.Parallel()
	number := jwt.VerifierConfig{NumericSubject: true}
	userID := jwt.VerifierConfig{SubjectClaim: "user_id", NumericSubject: true}
	noIssuer := jwt.VerifierConfig{DangerouslyNoIssuer: true}
	noIssuerAtAll := jwt.VerifierConfig{Issuer: "-", DangerouslyNoIssuer: true}
	noAudience := jwt.VerifierConfig{DangerouslyNoAudience: true}
	noAudienceAtAll := jwt.VerifierConfig{Audience: "-", DangerouslyNoAudience: true}
	optionalOrigin := jwt.VerifierConfig{AudienceClaim: "azp", DangerouslyNoAudience: true}
	const iss, aud = `"iss":"https://issuer.test",`, `"aud":"api.test",`
	for name, row := range map[string]struct {
		cfg    jwt.VerifierConfig
		claims string
		want   string // subject; "": refused
		names  string // what the error names
	}{
		"a number":                      {number, iss + aud + `"sub":42`, "42", ""},
		"zero":                          {number, iss + aud + `"sub":0`, "0", ""},
		"beyond 53 bits":                {number, iss + aud + `"sub":9007199254740993`, "9007199254740993", ""},
		"a string all the same":         {number, iss + aud + `"sub":"ada"`, "ada", ""},
		"a negative number":             {number, iss + aud + `"sub":-1`, "", "sub"},
		"a fraction":                    {number, iss + aud + `"sub":42.0`, "", "sub"},
		"an exponent":                   {number, iss + aud + `"sub":1e3`, "", "sub"},
		"null":                          {number, iss + aud + `"sub":null`, "", "no subject"},
		"a number where none may be":    {jwt.VerifierConfig{}, iss + aud + `"sub":42`, "", "sub is a number, which NumericSubject accepts"},
		"another name":                  {userID, iss + aud + `"user_id":42`, "42", ""},
		"another name, a string":        {userID, iss + aud + `"user_id":"ada"`, "ada", ""},
		"another name, empty":           {userID, iss + aud + `"user_id":""`, "", "no subject"},
		"another name, an object":       {userID, iss + aud + `"user_id":{}`, "", "user_id"},
		"another name beside sub":       {userID, iss + aud + `"user_id":42,"sub":"eve"`, "", "sub"},
		"another name beside null":      {userID, iss + aud + `"user_id":42,"sub":null`, "42", ""},
		"sub instead of the other name": {userID, iss + aud + `"sub":"42"`, "", "sub"},

		"no iss":                        {noIssuer, aud + `"sub":"u"`, "u", ""},
		"iss null":                      {noIssuer, aud + `"iss":null,"sub":"u"`, "u", ""},
		"the configured iss":            {noIssuer, iss + aud + `"sub":"u"`, "u", ""},
		"another iss":                   {noIssuer, aud + `"iss":"https://other.test","sub":"u"`, "", "issuer"},
		"iss as a list":                 {noIssuer, aud + `"iss":["https://issuer.test"],"sub":"u"`, "", "iss"},
		"no iss, none configured":       {noIssuerAtAll, aud + `"sub":"u"`, "u", ""},
		"an iss, none configured":       {noIssuerAtAll, iss + aud + `"sub":"u"`, "", "issuer"},
		"no iss where one must be":      {jwt.VerifierConfig{}, aud + `"sub":"u"`, "", "issuer"},
		"iss null where one must be":    {jwt.VerifierConfig{}, aud + `"iss":null,"sub":"u"`, "", "issuer"},
		"no aud":                        {noAudience, iss + `"sub":"u"`, "u", ""},
		"aud null":                      {noAudience, iss + `"aud":null,"sub":"u"`, "u", ""},
		"the configured aud":            {noAudience, iss + aud + `"sub":"u"`, "u", ""},
		"another aud":                   {noAudience, iss + `"aud":"other","sub":"u"`, "", "audience"},
		"an empty list of audiences":    {noAudience, iss + `"aud":[],"sub":"u"`, "", "audience"},
		"an empty aud":                  {noAudience, iss + `"aud":"","sub":"u"`, "", "audience"},
		"no aud, none configured":       {noAudienceAtAll, iss + `"sub":"u"`, "u", ""},
		"an aud, none configured":       {noAudienceAtAll, iss + aud + `"sub":"u"`, "", "audience"},
		"an empty aud, none configured": {noAudienceAtAll, iss + `"aud":"","sub":"u"`, "", "audience"},
		"no aud where one must be":      {jwt.VerifierConfig{}, iss + `"sub":"u"`, "", "audience"},
		"an optional origin":            {optionalOrigin, iss + `"azp":"api.test","sub":"u"`, "u", ""},
		"an optional origin, absent":    {optionalOrigin, iss + `"sub":"u"`, "u", ""},
		"an optional origin, another":   {optionalOrigin, iss + `"azp":"other","sub":"u"`, "", "audience"},
		"an optional origin, and aud":   {optionalOrigin, iss + aud + `"sub":"u"`, "", "audience"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testkit.AtVectorTime(t, func(t *testing.T) {
				cfg := row.cfg
				cfg.Keys = ruleRing(t)
				if cfg.Issuer == "" {
					cfg.Issuer = testkit.Issuer
				} else {
					cfg.Issuer = ""
				}
				if cfg.Audience == "" {
					cfg.Audience = testkit.Audience
				} else {
					cfg.Audience = ""
				}
				v, err := jwt.NewVerifier(cfg)
				if err != nil {
					t.Fatal(err)
				}
				p, err := v.Verify(t.Context(), rawToken(ruleHeader, `{`+row.claims+`,"exp":1800000300}`))
				switch {
				case row.want == "" && (!errors.Is(err, jwt.ErrInvalidToken) || !strings.Contains(err.Error(), row.names)):
					t.Errorf("got %v, %v, want an error that names %s", p, err, row.names)
				case row.want != "" && err != nil:
					t.Error(err)
				case row.want != "" && p.Subject() != row.want:
					t.Errorf("subject %q, want %q", p.Subject(), row.want)
				}
			})
		})
	}
}

// Where the name of an issuer has a part that varies, a function decides, once for each token.
func TestIssuerFunc(t *testing.T) {
	t.Parallel()
	key := testkit.Generated(t, jwt.EdDSA)
	ring := testkit.RingOf(t, key)
	asked := 0
	v, err := jwt.NewVerifier(jwt.VerifierConfig{
		Audience: testkit.Audience, Keys: ring,
		IssuerFunc: func(p *jwt.Principal, keyID string) bool {
			asked++
			return p.Issuer() == "https://id.test/acme" && keyID == key.ID()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for issuer, want := range map[string]bool{"https://id.test/acme": true, "https://id.test/other": false} {
		token := testkit.Issue(t, testkit.NewIssuer(t, jwt.IssuerConfig{Issuer: issuer, Keys: ring}), jwt.Claims{Subject: "u"})
		asked = 0
		for range 3 {
			if p, err := v.Verify(t.Context(), token); want != (err == nil) || err != nil && !errors.Is(err, jwt.ErrInvalidToken) {
				t.Errorf("%s: %v, %v", issuer, p, err)
			}
		}
		if want && asked != 1 {
			t.Errorf("asked %d times, want once", asked)
		}
	}

	accept := func(*jwt.Principal, string) bool { return true }
	for name, cfg := range map[string]jwt.VerifierConfig{
		"no issuer":             {Audience: "a"},
		"no audience":           {Issuer: "i"},
		"a function and a name": {Issuer: "i", Audience: "a", IssuerFunc: accept},
		"a function and none":   {Audience: "a", IssuerFunc: accept, DangerouslyNoIssuer: true},
	} {
		cfg.Keys = ring
		if _, err := jwt.NewVerifier(cfg); !testkit.IsConfigError(err) {
			t.Errorf("%s: got %v, want a ConfigError", name, err)
		}
	}
}

// A header that brings a key is refused by one verifier, and its key is ignored by another that has
// the same ring.
func TestIgnoreKeyHeaders(t *testing.T) {
	t.Parallel()
	testkit.AtVectorTime(t, func(t *testing.T) {
		ring := ruleRing(t)
		cfg := jwt.VerifierConfig{Issuer: testkit.Issuer, Audience: testkit.Audience, Keys: ring}
		strict, err := jwt.NewVerifier(cfg)
		if err != nil {
			t.Fatal(err)
		}
		cfg.IgnoreKeyHeaders = true
		lenient, err := jwt.NewVerifier(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, member := range []string{`"jku":"https://127.0.0.1/keys"`, `"x5c":["AAAA"]`, `"x5u":"https://127.0.0.1/"`, `"jwk":{"kty":"oct","k":"AAAA"}`} {
			token := header(`"kid":"k"`, `"kid":"k",`+member)
			for range 2 {
				if _, err := strict.Verify(t.Context(), token); !errors.Is(err, jwt.ErrInvalidToken) {
					t.Errorf("%s: got %v, want ErrInvalidToken", member, err)
				}
				testkit.Verify(t, lenient, token)
			}
		}
		for _, member := range []string{`"crit":["jku"],"jku":"x"`, `"b64":true`, `"cty":"JWT"`} {
			if _, err := lenient.Verify(t.Context(), header(`"kid":"k"`, `"kid":"k",`+member)); !errors.Is(err, jwt.ErrInvalidToken) {
				t.Errorf("%s: got %v, want ErrInvalidToken", member, err)
			}
		}
	})
}
