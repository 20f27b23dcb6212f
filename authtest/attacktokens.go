package authtest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// anonymous sends no credentials, and broken ones.
func (a *attack) anonymous() {
	for _, target := range a.targets {
		bare := a.bare(target, a.ada)
		a.mustRefuse("open", "A protected route lets in a request without credentials.", bare.showing("no credentials"))
		for show, value := range map[string]string{
			"a token that is a word": a.ada.authorization("x"), "a scheme alone": strings.TrimSpace(a.ada.authorization("")), "a token of dots": a.ada.authorization(".."),
			"a token of null": a.ada.authorization("null"), "a token of bytes": a.ada.authorization("\xff\xfe\x80"), "an empty header": "", "user and password": "Basic YTpi",
			"a header that is an empty object": a.ada.authorization("e30.e30."), "a header that is a number": a.ada.authorization("MQ.MQ.MQ"),
		} {
			a.mustRefuse("broken", "A protected route lets in a request whose token is no token.", bare.set("Authorization", value).showing("%s", show))
		}
		a.send(bare.set("Authorization", a.ada.authorization(strings.Repeat("a.", 1<<15))).showing("a token of 64 KiB"))
	}
}

// unsigned sends tokens that say that they have no signature (RFC 8725 section 3.2).
func (a *attack) unsigned() {
	a.forge("unsigned", "A token without a signature is accepted, so that anybody can write one.", func(j jws, header, _ members) map[string]string {
		tokens := map[string]string{"the victim's token without its signature": j.header + "." + j.payload + "."}
		for _, alg := range []string{"none", "None", "NONE", "nOnE"} {
			none := part(change(header, members{"alg": alg, "kid": nil}))
			tokens["alg "+alg+" and no signature"] = none + "." + j.payload + "."
			tokens["alg "+alg+" and a signature"] = none + "." + j.payload + "." + j.signature
			tokens["alg "+alg+" and a kid"] = part(change(header, members{"alg": alg})) + "." + j.payload + "."
		}
		tokens["alg twice, none among them"] = base64url.EncodeToString([]byte(`{"alg":"HS256","alg":"none","typ":"at+jwt"}`)) + "." + j.payload + "."
		tokens["no alg"] = part(change(header, members{"alg": nil})) + "." + j.payload + "."
		return tokens
	})
}

// altered sends tokens whose content or signature was changed.
func (a *attack) altered() {
	a.forge("altered", "A token is accepted that was changed after it was signed: its signature is not checked, or not for all of it.", func(j jws, header, claims members) map[string]string {
		signature, err := base64url.DecodeString(j.signature)
		if err != nil || len(signature) == 0 {
			return nil
		}
		flipped := append([]byte{}, signature...)
		flipped[0] ^= 1
		last := append([]byte{}, signature...)
		last[len(last)-1] ^= 1
		encode := base64url.EncodeToString
		return map[string]string{
			"another sub":                  j.header + "." + part(change(claims, members{"sub": "attacker"})) + "." + j.signature,
			"another expiry":               j.header + "." + part(change(claims, members{"exp": time.Now().Add(24 * time.Hour).Unix()})) + "." + j.signature,
			"another header":               part(change(header, members{"x": "y"})) + "." + j.payload + "." + j.signature,
			"one bit of the signature":     j.header + "." + j.payload + "." + encode(flipped),
			"the last bit of it":           j.header + "." + j.payload + "." + encode(last),
			"half of the signature":        j.header + "." + j.payload + "." + encode(signature[:len(signature)/2]),
			"a signature of zeros":         j.header + "." + j.payload + "." + encode(make([]byte, len(signature))),
			"one byte of a signature":      j.header + "." + j.payload + "." + encode(signature[:1]),
			"a signature and another byte": j.header + "." + j.payload + "." + encode(append(append([]byte{}, signature...), 0)),
		}
	})
	// Credentials that are no JWT are changed as texts.
	a.places(func(credential string, put func(string) shot) {
		if _, _, _, ok := parseJWS(credential); ok || len(credential) < 8 {
			return
		}
		const sentence = "A credential is accepted that was changed: it is not compared as a whole."
		for show, other := range map[string]string{
			"its first half": credential[:len(credential)/2], "all but its last byte": credential[:len(credential)-1], "a byte more": credential + "A", "its capitals changed": swapCase(credential),
		} {
			if other != credential {
				a.mustRefuse("altered", sentence, put(other).showing("%s", show))
			}
		}
	})
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, s)
}

// spelling sends the victim's token in other spellings, which nobody needs (RFC 7515 section 2). A list
// of tokens that ended or were used misses them.
func (a *attack) spelling() {
	a.forge("spelling", "A token is accepted in a second spelling, so that a list of tokens that ended does not find it.", func(j jws, header, claims members) map[string]string {
		token := j.header + "." + j.payload + "." + j.signature
		tokens := map[string]string{
			"a dot at its end": token + ".", "a fourth part": token + ".e30", "padding": token + "=", "a space within": strings.Replace(token, ".", ". ", 1),
			"the JSON serialization": `{"protected":"` + j.header + `","payload":"` + j.payload + `","signature":"` + j.signature + `"}`,
			"text after it":          token + " x",
		}
		if text, err := base64url.DecodeString(j.signature); err == nil {
			if other := base64.RawStdEncoding.EncodeToString(text); other != j.signature {
				tokens["the other alphabet of base64"] = j.header + "." + j.payload + "." + other
			}
		}
		return tokens
	})
}

// publicKey signs with the public key as if it were a secret (RFC 8725 section 2.1).
func (a *attack) publicKey() {
	if a.cfg.KeysPath == "" {
		return
	}
	set := a.send(shot{method: http.MethodGet, uri: a.cfg.KeysPath})
	if !set.letIn() {
		a.t.Fatalf("authtest: the keys at %s cannot be read: %s", a.cfg.KeysPath, set)
	}
	secrets := publicKeys(set.body)
	a.forge("public-key", "A token is accepted that is signed with the public key as if it were a secret, so that anybody can sign.", func(_ jws, header, claims members) map[string]string {
		tokens := map[string]string{}
		for name, secret := range secrets {
			tokens["HS256 and the public key as "+name] = hs256(secret).token(change(header, members{"alg": "HS256"}), claims)
			tokens["HS256, no kid and the public key as "+name] = hs256(secret).token(change(header, members{"alg": "HS256", "kid": nil}), claims)
		}
		return tokens
	})
}

// publicKeys returns the forms in which a program may hold the keys of a JWK set.
func publicKeys(set string) map[string][]byte {
	secrets := map[string][]byte{"the JWK set": []byte(set), "the JWK set without line end": []byte(strings.TrimSpace(set))}
	var parsed struct {
		Keys []struct {
			Kty, Crv, X, Y, N, E string
		}
	}
	if json.Unmarshal([]byte(set), &parsed) != nil {
		return secrets
	}
	number := func(text string) []byte { b, _ := base64url.DecodeString(text); return b }
	for _, k := range parsed.Keys {
		var public any
		switch {
		case k.Kty == "RSA":
			public = &rsa.PublicKey{N: new(big.Int).SetBytes(number(k.N)), E: int(new(big.Int).SetBytes(number(k.E)).Int64())}
			secrets["N"] = number(k.N)
		case k.Kty == "OKP" && k.Crv == "Ed25519" && len(number(k.X)) == ed25519.PublicKeySize:
			public = ed25519.PublicKey(number(k.X))
			secrets["32 bytes"] = number(k.X)
		case k.Kty == "EC" && k.Crv == "P-256":
			if key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, number(k.X)...), number(k.Y)...)); err == nil {
				public = key
			}
		}
		if public == nil {
			continue
		}
		if der, err := x509.MarshalPKIXPublicKey(public); err == nil {
			text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
			secrets["DER"], secrets["PEM"], secrets["PEM without line end"] = der, text, []byte(strings.TrimSpace(string(text)))
		}
		if key, ok := public.(*rsa.PublicKey); ok {
			secrets["PEM of PKCS #1"] = pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(key)})
		}
	}
	return secrets
}

// guessedKey signs with secrets that stand in tutorials (CWE-1391).
func (a *attack) guessedKey() {
	a.forge("guessed-key", "The tokens are signed with a secret that can be guessed, so that anybody can sign.", func(_ jws, header, claims members) map[string]string {
		tokens := map[string]string{}
		for i, secret := range []string{
			"", "secret", "password", "key", "jwt", "test", "changeme", "change-me", "your-256-bit-secret", "your-secret-key", "my-secret-key", "mysecretkey", "supersecret",
			"super-secret", "secretkey", "secret-key", "secret_key", "jwt-secret", "jwtsecret", "s3cr3t", "123456", "1234567890", "default", "example", "admin", "shhhhh",
			"AllYourBase", "a-string-secret-at-least-256-bits-long", "00000000000000000000000000000000", "0123456789abcdef0123456789abcdef", strings.Repeat("\x00", 32), strings.Repeat("a", 32),
		} {
			tokens[fmt.Sprintf("HS256 and secret %d of those in tutorials", i+1)] = hs256([]byte(secret)).token(change(header, members{"alg": "HS256"}), change(claims, members{"jti": "forged"}))
		}
		return tokens
	})
}

// keyID names keys that a program might look up in a file or a database (CWE-22, CWE-89).
func (a *attack) keyID() {
	a.forge("key-id", "A token names its key in a way that leads the program to a key of the attacker's choice (kid).", func(_ jws, header, claims members) map[string]string {
		tokens := map[string]string{}
		for kid, secrets := range map[string][]string{
			"../../../../../../../../dev/null": {""}, "/dev/null": {""}, "": {""},
			"x' UNION SELECT 'attacker' -- ": {"attacker"}, "x' UNION SELECT 'attacker';--": {"attacker"},
			"attacker": {"attacker", ""}, "unknown": {"", "null", "undefined"},
		} {
			for _, secret := range secrets {
				tokens["the kid "+kid+" and the secret "+secret] = hs256([]byte(secret)).token(change(header, members{"alg": "HS256", "kid": kid}), claims)
			}
		}
		return tokens
	})
}

// broughtKey sends tokens that bring their key, or its address (RFC 8725 section 3.10).
func (a *attack) broughtKey() {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	point, err := ec.PublicKey.Bytes()
	if err != nil {
		a.t.Fatal(err)
	}
	ed, _ := newSigner(private)
	es, _ := newSigner(ec)
	jwks := map[string]members{
		"EdDSA": {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "attacker", "x": base64url.EncodeToString(public)},
		"ES256": {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "attacker", "x": base64url.EncodeToString(point[1:33]), "y": base64url.EncodeToString(point[33:])},
	}
	set, err := json.Marshal(members{"keys": []members{jwks["EdDSA"], jwks["ES256"]}})
	if err != nil {
		a.t.Fatal(err)
	}
	var asked atomic.Int32
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(set)
	}))
	defer keys.Close()
	a.forge("brought-key", "A token is accepted whose key comes with it, so that anybody can sign.", func(_ jws, header, claims members) map[string]string {
		tokens := map[string]string{}
		for _, s := range []signer{ed, es} {
			for name, value := range map[string]any{
				"jwk": jwks[s.alg], "jku": keys.URL + "/jwks.json", "x5u": keys.URL + "/certificate", "x5c": []string{"MIIB"},
			} {
				tokens[s.alg+" and the header "+name] = s.token(change(header, members{"alg": s.alg, "kid": "attacker", name: value}), claims)
				tokens[s.alg+", no kid and the header "+name] = s.token(change(header, members{"alg": s.alg, "kid": nil, name: value}), claims)
			}
		}
		return tokens
	})
	if asked.Load() > 0 {
		a.report("fetched-key", "A token that nobody has verified makes the program fetch a URL of the attacker's choice.", shot{method: a.targets[0].method, uri: a.bare(a.targets[0], a.ada).uri}.showing("a token with the header jku or x5u"))
	}
}

// wrong is a way in which a token is not for this program, or not now.
type wrong struct {
	key, sentence string
	header        bool // whether the header is changed
	changes       map[string]members
}

// wrongTokens returns what a program must refuse although its own key signed it (RFC 7519 section 4.1,
// RFC 7515 section 4.1.11, RFC 8725 sections 3.8 and 3.9, RFC 9068 section 4).
func wrongTokens(header, claims members) []wrong {
	now := time.Now()
	issuer, _ := claims["iss"].(string)
	all := []wrong{
		{"expired", "A token is accepted that has expired, or never expires.", false, map[string]members{
			"an expiry an hour ago": {"exp": now.Add(-time.Hour).Unix()}, "no expiry": {"exp": nil},
		}},
		{"not-yet", "A token is accepted before its nbf.", false, map[string]members{"an nbf in an hour": {"nbf": now.Add(time.Hour).Unix()}}},
		{"critical", "A token is accepted that has a critical header which the program does not know (crit, b64).", true, map[string]members{
			"an unknown crit": {"crit": []string{"x-unknown"}, "x-unknown": true}, "b64 false": {"crit": []string{"b64"}, "b64": false},
		}},
	}
	if issuer != "" {
		all = append(all, wrong{"issuer", "A token of another issuer is accepted.", false, map[string]members{
			"another iss": {"iss": "https://attacker.test"}, "no iss": {"iss": nil}, "an iss that begins so": {"iss": issuer + ".attacker.test"}, "an iss that ends so": {"iss": "https://attacker.test/" + issuer},
		}})
	}
	if claims["aud"] != nil {
		all = append(all, wrong{"audience", "A token for another service is accepted.", false, map[string]members{
			"another aud": {"aud": "https://attacker.test"}, "no aud": {"aud": nil}, "an empty list": {"aud": []string{}},
		}})
	}
	if typ, _ := header["typ"].(string); strings.EqualFold(typ, "at+jwt") {
		all = append(all, wrong{"type", "A token of another kind, such as an ID token, is accepted as an access token (typ).", true, map[string]members{
			"the typ JWT": {"typ": "JWT"}, "the typ logout+jwt": {"typ": "logout+jwt"}, "an empty typ": {"typ": ""}, "no typ": {"typ": nil},
		}}, wrong{"subject", "An access token for nobody is accepted.", false, map[string]members{"no sub": {"sub": nil}, "an empty sub": {"sub": ""}}})
	}
	return all
}

// genuine sends tokens under the program's own key that it must refuse all the same.
func (a *attack) genuine() {
	if a.cfg.SigningKey == nil {
		return
	}
	s, _ := newSigner(a.cfg.SigningKey) // cfg was checked
	a.places(func(credential string, put func(string) shot) {
		_, header, claims, ok := parseJWS(credential)
		if !ok {
			return
		}
		if header["alg"] != s.alg || !a.send(put(s.token(header, claims))).letIn() {
			a.t.Fatalf("authtest: SigningKey signs with %s tokens that are not let in, while the program's have the alg %v", s.alg, header["alg"])
		}
		for _, w := range wrongTokens(header, claims) {
			for _, show := range slices.Sorted(maps.Keys(w.changes)) {
				token := s.token(header, change(claims, w.changes[show]))
				if w.header {
					token = s.token(change(header, w.changes[show]), claims)
				}
				a.mustRefuse(w.key, w.sentence, put(token).showing("%s", show))
			}
		}
	})
}
