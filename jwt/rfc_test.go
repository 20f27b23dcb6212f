package jwt_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

// ruleSecret signs the tokens of this file, which are made by hand so that they
// can be wrong.
var ruleSecret = []byte("\x8f\x13\xd2\x77\x05\xe9\x41\xba\x60\x2c\xf8\x94\x3a\xd7\x1e\x5b\xc6\x09\x82\xf4\x6d\xb1\x27\xee\x58\x9a\x03\xcd\x74\xa5\x3f\x10")

const (
	ruleHeader = `{"alg":"HS256","typ":"at+jwt","kid":"k"}`
	ruleClaims = `{"iss":"https://issuer.test","sub":"u","aud":"api.test","exp":1800000300,"iat":1799999990}`
)

func rawToken(header, claims string) string {
	enc := base64.RawURLEncoding
	input := enc.EncodeToString([]byte(header)) + "." + enc.EncodeToString([]byte(claims))
	return input + "." + enc.EncodeToString(mac(input))
}

func mac(input string) []byte {
	m := hmac.New(sha256.New, ruleSecret)
	m.Write([]byte(input))
	return m.Sum(nil)
}

// header and claims are the good token with one text replaced in that part.
func header(old, replacement string) string {
	return rawToken(testkit.Replaced(ruleHeader, old, replacement), ruleClaims)
}

func claims(old, replacement string) string {
	return rawToken(ruleHeader, testkit.Replaced(ruleClaims, old, replacement))
}

func ruleRing(t testing.TB) *jwt.KeyRing {
	t.Helper()
	key, err := jwt.NewSecretKey(ruleSecret)
	if err == nil {
		key, err = key.WithID("k")
	}
	if err != nil {
		t.Fatal(err)
	}
	ring, err := jwt.NewVerifyingKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func ruleVerifier(t testing.TB) *jwt.Verifier {
	t.Helper()
	v, err := jwt.NewVerifier(jwt.VerifierConfig{Issuer: testkit.Issuer, Audience: testkit.Audience, Keys: ruleRing(t), Leeway: jwt.NoLeeway})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The MUSTs of the specifications, one a row, in the words of the rule and not of
// the code. Rows end in "!" where the token must be accepted.
func TestSpecifications(t *testing.T) {
	t.Parallel()
	good := rawToken(ruleHeader, ruleClaims)
	parts := strings.Split(good, ".")
	input := parts[0] + "." + parts[1]
	rows := []struct{ rule, token string }{
		{"RFC 7519 7.2: a token that is in order !", good},

		{"RFC 7515 2: base64url has no padding", good + "="},
		{"RFC 7515 2: no line break in base64url", parts[0] + "." + parts[1][:8] + "\n" + parts[1][8:] + "." + parts[2]},
		{"RFC 7515 2: no line break after the token", good + "\n"},
		{"RFC 7515 2: no space in base64url", parts[0] + "." + parts[1] + " ." + parts[2]},
		{"RFC 7515 2: the alphabet is that of URLs", good[:len(good)-2] + "+/"},
		{"RFC 4648 3.5: unused bits are zero", stray(good)},
		{"RFC 7515 4: header names are unique", header(`"alg":"HS256"`, `"alg":"none","alg":"HS256"`)},
		{"RFC 7515 4: parameters that are not understood are ignored !", header(`"kid":"k"`, `"kid":"k","x-trace":{"a":[1]}`)},
		{"RFC 7515 4: header names are case-sensitive", header(`"alg"`, `"ALG"`)},
		{"RFC 7515 4.1.1: alg is present", header(`"alg":"HS256",`, ``)},
		{"RFC 7515 4.1.1: alg is understood", header(`HS256`, `HS257`)},
		{"RFC 7515 4.1.1: alg is case-sensitive", header(`HS256`, `hs256`)},
		{"RFC 7515 4.1.1: alg is a string", header(`"HS256"`, `["HS256"]`)},
		{"RFC 7515 4.1.2: jku is not followed", header(`"kid":"k"`, `"kid":"k","jku":"https://127.0.0.1/keys"`)},
		{"RFC 7515 4.1.3: jwk is not trusted", header(`"kid":"k"`, `"kid":"k","jwk":{"kty":"oct","k":"AAAA"}`)},
		{"RFC 7515 4.1.4: kid is a string", header(`"kid":"k"`, `"kid":1`)},
		{"RFC 7515 4.1.4: kid is case-sensitive", header(`"kid":"k"`, `"kid":"K"`)},
		{"RFC 7515 4.1.4: the one key needs no kid !", header(`,"kid":"k"`, ``)},
		{"RFC 7515 4.1.5: x5u is not followed", header(`"kid":"k"`, `"kid":"k","x5u":"https://127.0.0.1/cert"`)},
		{"RFC 7515 4.1.6: x5c is not trusted", header(`"kid":"k"`, `"kid":"k","x5c":["AAAA"]`)},
		{"RFC 7515 4.1.9: application/ may stand in typ !", header(`at+jwt`, `application/at+jwt`)},
		{"RFC 7515 4.1.9: media types have no case !", header(`at+jwt`, `AT+JWT`)},
		{"RFC 7515 4.1.11: crit names what is not understood", header(`"kid":"k"`, `"kid":"k","crit":["x"],"x":1`)},
		{"RFC 7515 4.1.11: crit is not empty", header(`"kid":"k"`, `"kid":"k","crit":[]`)},
		{"RFC 7515 4.1.11: crit names no parameter of RFC 7515", header(`"kid":"k"`, `"kid":"k","crit":["alg"]`)},
		{"RFC 7515 4.1.11: crit is a list", header(`"kid":"k"`, `"kid":"k","crit":"x"`)},
		{"RFC 7515 4.1.11: crit names what is there", header(`"kid":"k"`, `"kid":"k","crit":["x"]`)},
		{"RFC 7515 4.1.11: crit names nothing twice", header(`"kid":"k"`, `"kid":"k","crit":["x","x"],"x":1`)},
		{"RFC 7515 5.2: the header is UTF-8", header(`"kid":"k"`, "\"kid\":\"k\",\"x\":\"\xff\"")},
		{"RFC 7515 5.2: the header is one JSON object", header(`}`, `}{}`)},
		{"RFC 7515 5.2: the header is an object", rawToken(`["HS256"]`, ruleClaims)},
		{"RFC 7515 5.2: the signature is over the text received", parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(" "+ruleClaims)) + "." + parts[2]},
		{"RFC 7515 5.2: the signature is present", input + "."},
		{"RFC 7515 7.1: three parts", input},
		{"RFC 7515 7.1: not two parts, though signed", parts[0] + "." + base64.RawURLEncoding.EncodeToString(mac(parts[0]))},
		{"RFC 7515 7.1: no fourth part", good + ".e30"},
		{"RFC 7515 7.2: the JSON serialization is not for tokens", `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`},
		{"RFC 7515 appendix F: no detached payload", parts[0] + ".." + base64.RawURLEncoding.EncodeToString(mac(parts[0]+"."))},
		{"RFC 7516 7.1: no JWE", good + ".AAAA.AAAA"},

		{"RFC 7518 3.1: the key's own algorithm alone", header(`HS256`, `HS512`)},
		{"RFC 7518 3.2: the whole MAC", input + "." + base64.RawURLEncoding.EncodeToString(mac(input)[:16])},
		{"RFC 7518 3.6: none is not accepted", header(`HS256`, `none`)},
		{"RFC 7518 3.6: none with an empty signature", dropSignature(header(`HS256`, `none`))},

		{"RFC 7519 2: NumericDate may have a fraction !", claims(`1800000300`, `1800000300.5`)},
		{"RFC 7519 2: NumericDate may have an exponent !", claims(`1800000300`, `1.8000003e9`)},
		{"RFC 7519 4: claim names are unique", claims(`"sub":"u"`, `"sub":"admin","sub":"u"`)},
		{"RFC 7519 4: claim names are unique, by any spelling", claims(`"sub":"u"`, `"sub":"u","\u0073ub":"admin"`)},
		{"RFC 7519 4: claim names are case-sensitive", claims(`"sub"`, `"SUB"`)},
		{"RFC 7519 4: claims that are not understood are ignored !", claims(`"sub":"u"`, `"sub":"u","SUB":"admin","x":[{}]`)},
		{"RFC 7519 4.1.1: iss is a string", claims(`"https://issuer.test"`, `["https://issuer.test"]`)},
		{"RFC 7519 4.1.2: sub is a string", claims(`"u"`, `1`)},
		{"RFC 7519 4.1.3: aud names the audience", claims(`"api.test"`, `"other"`)},
		{"RFC 7519 4.1.3: aud may be a list !", claims(`"api.test"`, `["other","api.test"]`)},
		{"RFC 7519 4.1.3: aud is case-sensitive", claims(`"api.test"`, `"API.test"`)},
		{"RFC 7519 4.1.3: aud is a list of strings", claims(`"api.test"`, `["api.test",1]`)},
		{"RFC 7519 4.1.3: an empty aud names nobody", claims(`"api.test"`, `[]`)},
		{"RFC 7519 4.1.4: now is before exp", claims(`1800000300`, `1800000000`)},
		{"RFC 7519 4.1.4: exp is a number", claims(`1800000300`, `"1800000300"`)},
		{"RFC 7519 4.1.4: exp is not null", claims(`1800000300`, `null`)},
		{"RFC 7519 4.1.4: exp 0 is past", claims(`1800000300`, `0`)},
		{"RFC 7519 4.1.5: now is not before nbf", claims(`"iat":1799999990`, `"nbf":1800000001`)},
		{"RFC 7519 4.1.5: nbf may be now !", claims(`"iat":1799999990`, `"nbf":1800000000`)},
		{"RFC 7519 4.1.5: nbf does not wrap", claims(`"iat":1799999990`, `"nbf":9223372036854775807`)},
		{"RFC 7519 4.1.6: iat is a number", claims(`1799999990`, `"1799999990"`)},
		{"RFC 7519 4.1.7: jti is optional, and none if it is no string !", claims(`"iat":1799999990`, `"jti":1`)},
		{"RFC 7519 5.2: no nested token", header(`"kid":"k"`, `"kid":"k","cty":"JWT"`)},
		{"RFC 7519 6: no unsecured token", dropSignature(header(`"alg":"HS256"`, `"alg":"none"`))},
		{"RFC 7519 7.2: a token has a period", parts[0]},
		{"RFC 7519 7.2: the claims are UTF-8", claims(`"u"`, "\"\xff\"")},
		{"RFC 7519 7.2: the claims are one JSON object", claims(`}`, `} {}`)},
		{"RFC 7519 7.2: the claims are an object", rawToken(ruleHeader, `"u"`)},

		{"RFC 7797 6: b64 needs crit", header(`"kid":"k"`, `"kid":"k","b64":false`)},
		{"RFC 7797 7: tokens do not use b64 false", header(`"kid":"k"`, `"kid":"k","b64":false,"crit":["b64"]`)},
		{"RFC 7797 3: b64 is a boolean", header(`"kid":"k"`, `"kid":"k","b64":"true","crit":["b64"]`)},
		{"RFC 7797 6: b64 true is not understood either", header(`"kid":"k"`, `"kid":"k","b64":true,"crit":["b64"]`)},
		{"RFC 7800 3.1: a token bound to a key is no bearer token", claims(`"sub":"u"`, `"sub":"u","cnf":{"jkt":"x"}`)},
		{"RFC 9449 7.2: cnf of any form", claims(`"sub":"u"`, `"sub":"u","cnf":{}`)},
		{"RFC 9449 7.2: cnf is no object", claims(`"sub":"u"`, `"sub":"u","cnf":"x"`)},
		{"RFC 9449 7.2: cnf false", claims(`"sub":"u"`, `"sub":"u","cnf":false`)},
		{"RFC 7800 3.1: cnf null binds to no key !", claims(`"sub":"u"`, `"sub":"u","cnf":null`)},

		{"RFC 8725 3.1: a key has one algorithm: HS384 is refused", header(`HS256`, `HS384`)},
		{"RFC 8725 3.1: a key has one algorithm: RS256 is refused", header(`HS256`, `RS256`)},
		{"RFC 8725 3.2: none in any letters", dropSignature(header(`HS256`, `nOnE`))},
		{"RFC 8725 3.3: every layer is checked: JWE is refused", header(`"kid":"k"`, `"kid":"k","enc":"A128GCM"`)},
		{"RFC 8725 3.6: nothing compressed", header(`"kid":"k"`, `"kid":"k","zip":"DEF"`)},
		{"RFC 8725 3.7: UTF-8 alone, no lone surrogate", claims(`"u"`, `"\ud800"`)},
		{"RFC 8725 3.8: iss is the issuer of the key", claims(`https://issuer.test`, `https://issuer.test/`)},
		{"RFC 8725 3.8: iss is present", claims(`"iss":"https://issuer.test",`, ``)},
		{"RFC 8725 3.9: aud is present", claims(`"aud":"api.test",`, ``)},
		{"RFC 8725 3.10: kid is no path", header(`"kid":"k"`, `"kid":"../k"`)},
		{"RFC 8725 3.10: kid is no query", header(`"kid":"k"`, `"kid":"k' OR '1'='1"`)},
		{"RFC 8725 3.10: kid is no address", header(`"kid":"k"`, `"kid":"https://127.0.0.1/k"`)},
		{"RFC 8725 3.11: typ is present", header(`"typ":"at+jwt",`, ``)},
		{"RFC 8725 3.12: an ID token is no access token", header(`at+jwt`, `JWT`)},
		{"RFC 9068 2.2: sub is present", claims(`"sub":"u",`, ``)},
		{"RFC 9068 2.2: sub is not empty", claims(`"u"`, `""`)},
		{"RFC 9068 2.2: exp is present", claims(`"exp":1800000300,`, ``)},
		{"RFC 9068 4: typ is at+jwt", header(`at+jwt`, `logout+jwt`)},
		{"RFC 9068 4: no subtype that merely ends so", header(`at+jwt`, `x/at+jwt`)},
		{"RFC 9068 4: none is refused", dropSignature(header(`HS256`, `none`))},
		{"RFC 9068 4: iss matches exactly", claims(`https://issuer.test`, `http://issuer.test`)},
		{"RFC 9068 4: aud holds the resource server", claims(`"api.test"`, `["api.test.other","api"]`)},
		{"RFC 9068 4: exp is ahead", claims(`1800000300`, `1799999999`)},
	}
	testkit.AtVectorTime(t, func(t *testing.T) {
		v := ruleVerifier(t)
		for _, row := range rows {
			rule, accept := strings.CutSuffix(row.rule, " !")
			for range 2 {
				p, err := v.Verify(context.Background(), row.token)
				if accept != (err == nil) || !accept && !errors.Is(err, jwt.ErrInvalidToken) {
					t.Errorf("%s: %v, %v", rule, p, err)
				}
				if err == nil && p.Subject() != "u" {
					t.Errorf("%s: subject %q", rule, p.Subject())
				}
			}
		}
	})
}

// stray sets an unused bit of the last character: another text, the same bytes.
func stray(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, token[len(token)-1])
	return token[:len(token)-1] + string(alphabet[last|1])
}

func dropSignature(token string) string { return token[:strings.LastIndexByte(token, '.')+1] }

// FuzzVerify: whatever text is put in the place of a header and claims, signed
// with the right key, the answer is the same the second time, when the table of
// headers may know it; and a token with any byte changed is refused.
func FuzzVerify(f *testing.F) {
	f.Add(ruleHeader, `{"iss":"https://issuer.test","sub":"u","aud":"api.test","exp":253402300799}`, uint16(70), byte(1))
	f.Add(`{"typ":"AT+JWT","alg":"HS256"}`, `{"exp":2e11,"aud":["api.test"],"sub":"u","iss":"https://issuer.test","roles":["a"]}`, uint16(3), byte(0x20))
	f.Add(`{"alg":"HS256","typ":"at+jwt","kid":"k","crit":["exp"]}`, ruleClaims, uint16(0), byte(0))
	v := ruleVerifier(f)
	f.Fuzz(func(t *testing.T, header, claims string, at uint16, flip byte) {
		token := rawToken(header, claims)
		p1, err1 := v.Verify(context.Background(), token)
		_, err2 := v.Verify(context.Background(), token)
		if (err1 == nil) != (err2 == nil) || (p1 == nil) == (err1 == nil) || err1 != nil && err1.Error() != err2.Error() {
			t.Fatalf("first %v, then %v", err1, err2)
		}
		if err1 != nil {
			if !errors.Is(err1, jwt.ErrInvalidToken) {
				t.Fatal(err1)
			}
			return
		}
		if p1.Subject() == "" || p1.Issuer() != testkit.Issuer {
			t.Fatalf("accepted %s", claims)
		}
		var all map[string]any
		if err := p1.Decode(&all); err != nil || all["sub"] != p1.Subject() {
			t.Fatalf("Decode sees %v, %v", all, err)
		}
		if flip == 0 {
			return
		}
		b := []byte(token)
		b[int(at)%len(b)] ^= flip
		if p, err := v.Verify(context.Background(), string(b)); err == nil {
			t.Fatalf("accepted an altered token of %v", p)
		}
	})
}
