package authhttp

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-e36e2130/auth"
)

// ResourceServers are the services that may ask [Introspect]. It is immutable and
// safe for concurrent use, and holds no secret, but what it compares them by.
type ResourceServers struct {
	secrets map[string][sha256.Size]byte
}

// NewResourceServers takes their secrets by name. It returns every fault as a
// [*cfgerr.Error]: a name has 1 to 128 characters, a secret 32 to 256, which
// must be random (crypto/rand.Text gives 26, so take two), all of them printable
// ASCII.
func NewResourceServers(secrets map[string]string) (*ResourceServers, error) {
	s := &ResourceServers{secrets: make(map[string][sha256.Size]byte, len(secrets))}
	var faults []error
	if len(secrets) == 0 {
		faults = append(faults, &auth.ConfigError{Field: "NewResourceServers", Reason: "needs one at least"})
	}
	for name, secret := range secrets {
		if len(name) < 1 || len(name) > 128 || !isPrintable(name) {
			faults = append(faults, &auth.ConfigError{Field: "NewResourceServers", Value: name, Reason: "must be 1 to 128 characters of printable ASCII"})
		}
		if len(secret) < 32 || len(secret) > 256 || !isPrintable(secret) {
			faults = append(faults, &auth.ConfigError{Field: "NewResourceServers", Value: name, Reason: "has a secret that is not 32 to 256 characters of printable ASCII"})
		}
		s.secrets[name] = sha256.Sum256([]byte(secret))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return s, nil
}

func isPrintable(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// authenticate reports whether r comes from one of them, by client_secret_basic
// (RFC 6749 section 2.3.1). Of the secret, its time tells nothing.
func (s *ResourceServers) authenticate(r *http.Request) bool {
	if s == nil || len(r.Header["Authorization"]) != 1 {
		return false
	}
	name, secret, ok := r.BasicAuth()
	name, errName := url.QueryUnescape(name)
	secret, errSecret := url.QueryUnescape(secret)
	want, known := s.secrets[name]
	got := sha256.Sum256([]byte(secret))
	same := subtle.ConstantTimeCompare(got[:], want[:]) == 1
	return ok && errName == nil && errSecret == nil && known && same
}

// Introspect returns the introspection endpoint of OAuth 2.0 (RFC 7662): it takes a
// form with token from one of servers and answers what v says of it. Whatever is
// not active now is {"active":false} and nothing else: expired, revoked, another
// issuer's, a refresh token, no token at all. What cannot be decided is 5xx.
func Introspect(v auth.TokenVerifier, servers *ResourceServers, cfg Config) http.Handler {
	type answer struct {
		Active   bool     `json:"active"`
		Subject  string   `json:"sub,omitempty"`
		Scope    string   `json:"scope,omitempty"`
		Type     string   `json:"token_type,omitempty"`
		Issuer   string   `json:"iss,omitempty"`
		Audience []string `json:"aud,omitempty"`
		Expiry   int64    `json:"exp,omitempty"`
		IssuedAt int64    `json:"iat,omitempty"`
		TokenID  string   `json:"jti,omitempty"`
		Session  string   `json:"sid,omitempty"`
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := oauth.read(w, r)
		if err == nil && !servers.authenticate(r) {
			w.Header().Set("WWW-Authenticate", `Basic realm="introspection"`)
			err = &refusal{http.StatusUnauthorized, "", "invalid_client", "one of the registered resource servers is asked for, by HTTP Basic"}
		}
		if err == nil {
			err = in.need("token")
		}
		var p *auth.Principal
		if err == nil {
			p, err = v.Verify(r.Context(), in.values["token"])
		}
		switch {
		case errors.Is(err, auth.ErrInvalidToken):
			write(w, http.StatusOK, answer{})
			return
		case err != nil:
			cfg.refuseOAuth(w, r, err)
			return
		}
		c := p.Claims()
		a := answer{
			Active: true, Subject: c.Subject, Scope: strings.Join(c.Scopes, " "), Type: "Bearer", Issuer: c.Issuer,
			Audience: c.Audience, TokenID: c.TokenID, Session: c.SessionID,
		}
		if !c.Expiry.IsZero() {
			a.Expiry = c.Expiry.Unix()
		}
		if !c.IssuedAt.IsZero() {
			a.IssuedAt = c.IssuedAt.Unix()
		}
		write(w, http.StatusOK, a)
	})
}
