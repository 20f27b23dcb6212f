package authhttp

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
)

// ResourceServers holds the services that may call [Introspect]. It keeps digests of their secrets,
// not the secrets. It is immutable and safe for concurrent use.
type ResourceServers struct {
	digests map[string][sha256.Size]byte // digest of each secret, by the server's name
}

// NewResourceServers returns the servers with these secrets by name, or every fault as a
// [*cfgerr.Error]. Names and secrets are printable ASCII: a name has 1 to 128 characters, a secret
// 32 to 256. Secrets must be random. crypto/rand.Text returns 26 characters, so concatenate two.
func NewResourceServers(secrets map[string]string) (*ResourceServers, error) {
	s := &ResourceServers{digests: make(map[string][sha256.Size]byte, len(secrets))}
	faults := cfgerr.Faults{Prefix: "authhttp.NewResourceServers."}
	if len(secrets) == 0 {
		faults.Add("secrets", "", "must have at least one server")
	}
	for name, secret := range secrets {
		if len(name) < 1 || len(name) > 128 || !isPrintable(name) {
			faults.Add("secrets", name, "must have names of 1 to 128 characters of printable ASCII")
		}
		if len(secret) < 32 || len(secret) > 256 || !isPrintable(secret) {
			faults.Add("secrets", name, "has a secret that is not 32 to 256 characters of printable ASCII")
		}
		s.digests[name] = sha256.Sum256([]byte(secret))
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

// isPrintable reports whether s is printable ASCII.
func isPrintable(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// authenticate reports whether r authenticates as one of the servers with client_secret_basic (RFC
// 6749 section 2.3.1). Its duration does not depend on the secret.
func (s *ResourceServers) authenticate(r *http.Request) bool {
	if len(r.Header["Authorization"]) != 1 {
		return false
	}
	name, secret, ok := r.BasicAuth()
	name, errName := url.QueryUnescape(name)
	secret, errSecret := url.QueryUnescape(secret)
	want, known := s.digests[name]
	got := sha256.Sum256([]byte(secret))
	same := subtle.ConstantTimeCompare(got[:], want[:]) == 1
	return ok && errName == nil && errSecret == nil && known && same
}

// unknownServer refuses a request that does not authenticate as a resource server.
var unknownServer = &refusal{http.StatusUnauthorized, "", "invalid_client",
	"authenticate as a registered resource server, with HTTP Basic"}

// introspection is the answer about a token (RFC 7662 section 2.2).
type introspection struct {
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

// Introspect returns the introspection endpoint of OAuth 2.0 (RFC 7662). It takes a form with token
// from one of the servers, and answers what v says of the token. The answer for a token that is not
// active now is {"active":false} and nothing else: if it has expired or been revoked, is another
// issuer's, is a refresh token, or is no token at all. If v cannot decide, the answer is 5xx.
func Introspect(v auth.TokenVerifier, servers *ResourceServers, cfg Config) http.Handler {
	cfg = cfg.standard()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, err := cfg.read(w, r, introspectBody)
		if err == nil && !servers.authenticate(r) {
			w.Header().Set("WWW-Authenticate", `Basic realm="introspection"`)
			err = unknownServer
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
			write(w, http.StatusOK, introspection{})
		case err != nil:
			cfg.refuseOAuth(w, r, err)
		default:
			write(w, http.StatusOK, introspect(p))
		}
	})
}

// introspect returns the answer about an active token.
func introspect(p *auth.Principal) introspection {
	c := p.Claims()
	i := introspection{
		Active: true, Subject: c.Subject, Scope: strings.Join(c.Scopes, " "), Type: "Bearer", Issuer: c.Issuer,
		Audience: c.Audience, TokenID: c.TokenID, Session: c.SessionID,
	}
	if !c.Expiry.IsZero() {
		i.Expiry = c.Expiry.Unix()
	}
	if !c.IssuedAt.IsZero() {
		i.IssuedAt = c.IssuedAt.Unix()
	}
	return i
}
