package jwt_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

// Tokens that were signed with the right secret, and still say what no issuer
// says: as much as somebody could do who has found a way to have text signed.
func TestSignedNonsense(t *testing.T) {
	t.Parallel()
	rows := map[string]string{
		"alg with NUL":              header(`"HS256"`, `"HS256\u0000"`),
		"alg in an object":          header(`"HS256"`, `{"HS256":"HS256"}`),
		"alg beside its twin":       header(`"alg":"HS256"`, `"alg":"HS256","\u0061lg":"HS256"`),
		"kid with NUL":              header(`"kid":"k"`, `"kid":"k\u0000"`),
		"kid empty":                 header(`"kid":"k"`, `"kid":""`),
		"kid as a list":             header(`"kid":"k"`, `"kid":["k"]`),
		"typ with a parameter":      header(`at+jwt`, `at+jwt; charset=utf-8`),
		"typ with a space":          header(`at+jwt`, `at+jwt `),
		"typ prefixed twice":        header(`at+jwt`, `application/application/at+jwt`),
		"typ empty":                 header(`at+jwt`, ``),
		"header of 17 levels":       header(`"kid":"k"`, `"kid":"k","x":`+strings.Repeat("[", 16)+strings.Repeat("]", 16)),
		"header behind a BOM":       rawToken("\ufeff"+ruleHeader, ruleClaims),
		"header with a comment":     header(`"kid":"k"`, `"kid":"k"/**/`),
		"header with a final comma": header(`"kid":"k"`, `"kid":"k",`),
		"zip":                       header(`"kid":"k"`, `"kid":"k","zip":"DEF"`),

		"claims behind a BOM":         rawToken(ruleHeader, "\ufeff"+ruleClaims),
		"claims behind a wide space":  rawToken(ruleHeader, "\u00a0"+ruleClaims),
		"claims before NUL":           rawToken(ruleHeader, ruleClaims+"\x00"),
		"a duplicate deep inside":     claims(`"sub":"u"`, `"sub":"u","x":[{"a":{"b":1,"b":2}}]`),
		"a duplicate by a surrogate":  claims(`"sub":"u"`, `"sub":"u","\ud83d\ude00":1,"😀":2`),
		"exp beyond the year 9999":    claims(`1800000300`, `253402300800`),
		"exp beyond float64":          claims(`1800000300`, `1e400`),
		"exp beyond int64":            claims(`1800000300`, `18446744075509551916`),
		"exp in a list":               claims(`1800000300`, `[1800000300]`),
		"exp with a plus":             claims(`1800000300`, `+1800000300`),
		"exp with a leading zero":     claims(`1800000300`, `01800000300`),
		"exp in hex":                  claims(`1800000300`, `0x6b49d32c`),
		"exp negative":                claims(`1800000300`, `-1800000300`),
		"exp tiny":                    claims(`1800000300`, `1e-300`),
		"exp now, by a hair":          claims(`1800000300`, `1800000000.0000001`),
		"nbf beyond int64":            claims(`"iat":1799999990`, `"nbf":1e30`),
		"iat in the future":           claims(`"iat":1799999990`, `"iat":1800000001`),
		"aud within a list":           claims(`"api.test"`, `[["api.test"]]`),
		"aud as a name":               claims(`"api.test"`, `{"api.test":true}`),
		"aud beside null":             claims(`"api.test"`, `["api.test",null]`),
		"aud with NUL":                claims(`"api.test"`, `"api.test\u0000"`),
		"aud as words":                claims(`"api.test"`, `"other api.test"`),
		"iss with a final space":      claims(`https://issuer.test`, `https://issuer.test `),
		"iss in other letters":        claims(`https://issuer.test`, `https://ISSUER.test`),
		"sub null":                    claims(`"u"`, `null`),
		"scope as an object":          claims(`"sub":"u"`, `"sub":"u","scope":{"admin":1}`),
		"scope an array":              claims(`"sub":"u"`, `"sub":"u","scope":["read","admin"]`),
		"scope an empty array":        claims(`"sub":"u"`, `"sub":"u","scope":[]`),
		"scope with two in one":       claims(`"sub":"u"`, `"sub":"u","scope":["read admin"]`),
		"an actor null":               claims(`"sub":"u"`, `"sub":"u","act":null`),
		"an actor as a text":          claims(`"sub":"u"`, `"sub":"u","act":"v"`),
		"an actor without a name":     claims(`"sub":"u"`, `"sub":"u","act":{}`),
		"an actor with an empty name": claims(`"sub":"u"`, `"sub":"u","act":{"sub":""}`),
	}
	testkit.AtVectorTime(t, func(t *testing.T) {
		v := ruleVerifier(t)
		if _, err := v.Verify(context.Background(), rawToken(ruleHeader, ruleClaims)); err != nil {
			t.Fatal(err)
		}
		for name, token := range rows {
			for range 2 {
				if p, err := v.Verify(context.Background(), token); !errors.Is(err, jwt.ErrInvalidToken) || p != nil {
					t.Errorf("%s: %v, %v", name, p, err)
				}
			}
		}
	})
}

// What can be made of a genuine token and of the public keys, without a key that
// signs.
func TestForgeries(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, edPrivate, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	es, ed := mustKey(jwt.NewSigningKey(ec))(t), mustKey(jwt.NewSigningKey(edPrivate))(t)
	rs, hs := testkit.Generated(t, jwt.RS256), testkit.Generated(t, jwt.HS256)
	enc := base64.RawURLEncoding
	genuine := map[string]string{}
	issuers := map[string]*jwt.Issuer{}
	for _, key := range []jwt.Key{es, ed, rs, hs} {
		i := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: testkit.RingOf(t, key, es, ed, rs, hs), VerifiedTokens: 64})
		genuine[key.Algorithm()] = testkit.Issue(t, i, jwt.Claims{Subject: "u"})
		issuers[key.Algorithm()] = i
	}
	i := issuers[jwt.ES256]
	for alg, token := range genuine {
		if p := testkit.Verify(t, i, token); p.Subject() != "u" { // now the tables know them all
			t.Fatalf("%s: %v", alg, p)
		}
	}
	parts := func(alg string) (header, payload, signature string) {
		s := strings.Split(genuine[alg], ".")
		return s[0], s[1], s[2]
	}
	rawSignature := func(alg string) []byte {
		_, _, s := parts(alg)
		b, err := enc.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	signedBy := func(secret []byte, header, payload string) string {
		m := hmac.New(sha256.New, secret)
		fmt.Fprintf(m, "%s.%s", header, payload)
		return header + "." + payload + "." + enc.EncodeToString(m.Sum(nil))
	}
	with := func(alg string, signature []byte) string {
		h, p, _ := parts(alg)
		return h + "." + p + "." + enc.EncodeToString(signature)
	}
	esHeader, esPayload, esSignature := parts(jwt.ES256)
	edHeader, edPayload, _ := parts(jwt.EdDSA)
	hsHeader, hsPayload, _ := parts(jwt.HS256)
	spki, err := x509.MarshalPKIXPublicKey(edPublic)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})
	confused := func(alg string, key jwt.Key) string {
		return enc.EncodeToString(fmt.Appendf(nil, `{"alg":%q,"kid":%q,"typ":"at+jwt"}`, alg, key.ID()))
	}
	order := elliptic.P256().Params().N.Bytes()
	claims, err := enc.DecodeString(esPayload)
	if err != nil {
		t.Fatal(err)
	}
	admin := enc.EncodeToString(bytes.Replace(claims, []byte(`"sub":"u"`), []byte(`"sub":"a"`), 1))

	rows := map[string]string{
		"HS256 by an Ed25519 key's bytes":     signedBy(edPublic, confused("HS256", ed), edPayload),
		"HS256 by an Ed25519 key's PEM":       signedBy(text, confused("HS256", ed), edPayload),
		"HS256 by an Ed25519 key's DER":       signedBy(spki, confused("HS256", ed), edPayload),
		"HS256 by the key ID":                 signedBy([]byte(hs.ID()), hsHeader, hsPayload),
		"HS256 by the empty secret":           signedBy(nil, hsHeader, hsPayload),
		"a MAC of 33 bytes":                   with(jwt.HS256, append(rawSignature(jwt.HS256), 0)),
		"a MAC of 31 bytes":                   with(jwt.HS256, rawSignature(jwt.HS256)[:31]),
		"the MAC twice":                       with(jwt.HS256, append(rawSignature(jwt.HS256), rawSignature(jwt.HS256)...)),
		"ES256 of zeros":                      with(jwt.ES256, make([]byte, 64)),
		"ES256 with r = s = n":                with(jwt.ES256, append(bytes.Clone(order), order...)),
		"ES256 with r and s swapped":          with(jwt.ES256, append(bytes.Clone(rawSignature(jwt.ES256)[32:]), rawSignature(jwt.ES256)[:32]...)),
		"ES256's signature under EdDSA":       edHeader + "." + esPayload + "." + esSignature,
		"ES256 called ES384":                  confused("ES384", es) + "." + esPayload + "." + esSignature,
		"ES256 called none":                   confused("none", es) + "." + esPayload + ".",
		"ES256 with another's payload":        esHeader + "." + edPayload + "." + esSignature,
		"ES256 with an altered payload":       esHeader + "." + admin + "." + esSignature,
		"RS256 called PS256":                  strings.Replace(genuine[jwt.RS256], strings.Split(genuine[jwt.RS256], ".")[0], confused("PS256", rs), 1),
		"RS256 of zeros":                      with(jwt.RS256, make([]byte, 256)),
		"RS256 of one":                        with(jwt.RS256, append(make([]byte, 255), 1)),
		"RS256 with a leading zero":           with(jwt.RS256, append([]byte{0}, rawSignature(jwt.RS256)...)),
		"EdDSA of zeros":                      with(jwt.EdDSA, make([]byte, 64)),
		"EdDSA with the neutral point":        with(jwt.EdDSA, append([]byte{1}, make([]byte, 63)...)),
		"a dot before":                        "." + genuine[jwt.ES256],
		"a dot after":                         genuine[jwt.ES256] + ".",
		"an empty payload":                    esHeader + ".." + esSignature,
		"dots alone":                          "..",
		"nothing":                             "",
		"a percent sign for a dot":            strings.Replace(genuine[jwt.ES256], ".", "%2E", 1),
		"a wide dot":                          strings.Replace(genuine[jwt.ES256], ".", "．", 1),
		"CR in the header":                    esHeader[:5] + "\r" + genuine[jwt.ES256][5:],
		"LF at the end of the payload":        esHeader + "." + esPayload + "\n." + esSignature,
		"four LF in the signature":            genuine[jwt.ES256] + "\n\n\n\n",
		"the scheme again":                    "Bearer " + genuine[jwt.ES256],
		"two tokens":                          genuine[jwt.ES256] + "," + genuine[jwt.EdDSA],
		"8,193 bytes":                         esHeader + "." + strings.Repeat("A", 8193-len(esHeader)-len(esSignature)-2) + "." + esSignature,
		"a character of another base64":       strings.Replace(genuine[jwt.ES256], esSignature, "+"+esSignature[1:], 1),
		"the last character's unused bits":    stray(genuine[jwt.HS256]),
		"padding where the alphabet has none": genuine[jwt.HS256] + "=",
	}
	for name, token := range rows {
		for range 2 {
			if p, err := i.Verify(t.Context(), token); !errors.Is(err, jwt.ErrInvalidToken) || p != nil {
				t.Errorf("%s: %v, %v", name, p, err)
			}
		}
	}

	// A key under the ID of one that was removed: the old one's tokens are not its.
	again := mustKey(testkit.Generated(t, jwt.ES256).WithID(es.ID()))(t)
	ring := testkit.RingOf(t, es)
	i = testkit.NewIssuer(t, jwt.IssuerConfig{Keys: ring})
	old := testkit.Issue(t, i, jwt.Claims{Subject: "u"})
	testkit.Verify(t, i, old)
	if err := ring.Replace(again); err != nil {
		t.Fatal(err)
	}
	if _, err := i.Verify(t.Context(), old); !errors.Is(err, jwt.ErrInvalidToken) {
		t.Errorf("another key under the same ID: %v", err)
	}
}

// Requests that carry a genuine token where none may stand, or beside what makes
// it doubtful: the handler never runs.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	i := testkit.NewIssuer(t, jwt.IssuerConfig{})
	token := testkit.Issue(t, i, jwt.Claims{Subject: "u"})
	m, err := auth.NewMiddleware(i, auth.MiddlewareConfig{})
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]struct {
		fields http.Header
		target string
		body   string
		want   int
	}{
		"two tokens in two fields":    {http.Header{"Authorization": {"Bearer " + token, "Bearer " + token}}, "/", "", 400},
		"an empty field beside":       {http.Header{"Authorization": {"Bearer " + token, ""}}, "/", "", 400},
		"two tokens in one field":     {http.Header{"Authorization": {"Bearer " + token + ", Bearer " + token}}, "/", "", 400},
		"Basic before it":             {http.Header{"Authorization": {"Basic dTpw, Bearer " + token}}, "/", "", 401},
		"a tab for the space":         {http.Header{"Authorization": {"Bearer\t" + token}}, "/", "", 400},
		"a wide space":                {http.Header{"Authorization": {"Bearer\u00a0" + token}}, "/", "", 400},
		"no space":                    {http.Header{"Authorization": {"Bearer" + token}}, "/", "", 401},
		"a colon":                     {http.Header{"Authorization": {"Bearer: " + token}}, "/", "", 400},
		"quotes":                      {http.Header{"Authorization": {`Bearer "` + token + `"`}}, "/", "", 401},
		"a parameter":                 {http.Header{"Authorization": {"Bearer token=" + token}}, "/", "", 401},
		"a parameter after it":        {http.Header{"Authorization": {"Bearer " + token + " , realm=x"}}, "/", "", 400},
		"DPoP":                        {http.Header{"Authorization": {"DPoP " + token}}, "/", "", 401},
		"in the query":                {nil, "/?access_token=" + token, "", 401},
		"in a form":                   {http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, "/", "access_token=" + token, 401},
		"in a cookie":                 {http.Header{"Cookie": {"Authorization=" + token + "; access_token=" + token + "; jwt=" + token + "; token=" + token + "; __Host-access=" + token}}, "/", "", 401},
		"for the proxy":               {http.Header{"Proxy-Authorization": {"Bearer " + token}}, "/", "", 401},
		"forwarded":                   {http.Header{"X-Forwarded-Authorization": {"Bearer " + token}}, "/", "", 401},
		"with an underscore":          {http.Header{"Authorization_": {"Bearer " + token}}, "/", "", 401},
		"a method that overrides":     {http.Header{"X-Http-Method-Override": {"OPTIONS"}}, "/", "", 401},
		"8 KiB of anything":           {http.Header{"Authorization": {"Bearer " + strings.Repeat("A", 8<<10) + "." + token}}, "/", "", 401},
		"the user of the URL":         {nil, "http://Bearer:" + token[:20] + "@api.test/", "", 401},
		"a field that is spelt lower": {http.Header{"authorization": {"Bearer " + token}}, "/", "", 401},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, method := range []string{"GET", "OPTIONS", "HEAD", "POST", "PROPFIND"} {
				r := httptest.NewRequest(method, row.target, strings.NewReader(row.body))
				for field, values := range row.fields {
					r.Header[field] = values
				}
				w := httptest.NewRecorder()
				m.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Errorf("%s: the handler runs", method) })).ServeHTTP(w, r)
				if w.Code != row.want || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer") {
					t.Errorf("%s: status %d %q, want %d", method, w.Code, w.Header().Get("WWW-Authenticate"), row.want)
				}
				if strings.Contains(fmt.Sprint(w.Header(), w.Body), token[len(token)-20:]) {
					t.Errorf("%s: the answer holds the token", method)
				}
			}
		})
	}
}
