package authtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
)

var base64url = base64.RawURLEncoding

// members are the members of a header or of claims.
type members = map[string]any

// jws is a token in its parts, each as it stands in the token.
type jws struct{ header, payload, signature string }

// parseJWS returns the parts of a token, and ok=false if it is not a JWT.
func parseJWS(token string) (j jws, header, claims members, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return jws{}, nil, nil, false
	}
	for i, to := range []*members{&header, &claims} {
		text, err := base64url.DecodeString(parts[i])
		if err != nil {
			return jws{}, nil, nil, false
		}
		d := json.NewDecoder(strings.NewReader(string(text)))
		d.UseNumber()
		if d.Decode(to) != nil {
			return jws{}, nil, nil, false
		}
	}
	return jws{parts[0], parts[1], parts[2]}, header, claims, true
}

// change returns members with changes; nil removes one.
func change(m, changes members) members {
	all := members{}
	maps.Copy(all, m)
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// part returns members as a part of a token.
func part(m members) string {
	text, err := json.Marshal(m)
	if err != nil { // impossible: they came from JSON or from this package
		return ""
	}
	return base64url.EncodeToString(text)
}

// signer signs the text of a token.
type signer struct {
	alg  string
	sign func(text string) []byte
}

// token returns a token with these parts.
func (s signer) token(header, claims members) string {
	text := part(header) + "." + part(claims)
	return text + "." + base64url.EncodeToString(s.sign(text))
}

// hs256 signs with a secret.
func hs256(secret []byte) signer {
	return signer{"HS256", func(text string) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}}
}

// newSigner returns the signer of a key.
func newSigner(key any) (signer, error) {
	if secret, ok := key.([]byte); ok && len(secret) > 0 {
		return hs256(secret), nil
	}
	private, ok := key.(crypto.Signer)
	if !ok {
		return signer{}, fmt.Errorf("%T is neither a secret as []byte nor a crypto.Signer", key)
	}
	digest := func(text string) []byte { sum := sha256.Sum256([]byte(text)); return sum[:] }
	switch public := private.Public().(type) {
	case ed25519.PublicKey:
		return signer{"EdDSA", func(text string) []byte {
			signature, _ := private.Sign(rand.Reader, []byte(text), crypto.Hash(0)) // the self-test notices a failure
			return signature
		}}, nil
	case *rsa.PublicKey:
		return signer{"RS256", func(text string) []byte {
			signature, _ := private.Sign(rand.Reader, digest(text), crypto.SHA256)
			return signature
		}}, nil
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			break
		}
		return signer{"ES256", func(text string) []byte {
			der, _ := private.Sign(rand.Reader, digest(text), crypto.SHA256)
			var rs struct{ R, S *big.Int }
			if _, err := asn1.Unmarshal(der, &rs); err != nil {
				return nil
			}
			return append(rs.R.FillBytes(make([]byte, 32)), rs.S.FillBytes(make([]byte, 32))...)
		}}, nil
	}
	return signer{}, errors.New("is no Ed25519, P-256 or RSA key")
}

// places calls f for each place of each route where the victim's credential stands, with the
// credential. put returns the request with another one there.
func (a *attack) places(f func(credential string, put func(other string) shot)) {
	for _, target := range a.targets {
		if _, ok := target.byWay[inHeader]; ok {
			s := a.good(target, a.ada, inHeader)
			f(a.ada.Token, func(other string) shot { return s.set("Authorization", a.ada.authorization(other)) })
		}
		if _, ok := target.byWay[inCookie]; !ok {
			continue
		}
		s := a.good(target, a.ada, inCookie)
		for i, c := range a.ada.Cookies {
			if !a.needs(target, i) {
				continue
			}
			f(c.Value, func(other string) shot {
				all := append([]*http.Cookie{}, a.ada.Cookies...)
				all[i] = &http.Cookie{Name: c.Name, Value: other}
				return s.set("Cookie", cookies(all))
			})
		}
	}
}

// needs reports whether a route does not let the victim in without one of her cookies.
func (a *attack) needs(target *target, cookie int) bool {
	if needed, ok := target.needs[cookie]; ok {
		return needed
	}
	var others []*http.Cookie
	for i, c := range a.ada.Cookies {
		if i != cookie {
			others = append(others, c)
		}
	}
	without := a.ada
	without.Cookies = others
	target.needs[cookie] = !a.send(a.good(target, without, inCookie)).letIn()
	return target.needs[cookie]
}

// forge sends the tokens that make returns for the victim's in all places, and reports those that are
// let in. Places whose credential is no JWT are skipped.
func (a *attack) forge(key, sentence string, make func(j jws, header, claims members) map[string]string) {
	a.places(func(credential string, put func(string) shot) {
		j, header, claims, ok := parseJWS(credential)
		if !ok {
			return
		}
		tokens := make(j, header, claims)
		for _, show := range slices.Sorted(maps.Keys(tokens)) {
			if token := tokens[show]; token != credential {
				a.mustRefuse(key, sentence, put(token).showing("%s", show))
			}
		}
	})
}
