package jwks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/freshness"
	"github.com/seed-e36e2130/auth/internal/jwkset"
	"github.com/seed-e36e2130/auth/internal/origin"
	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// Bounds on a response, in bytes. Metadata has about 2 to 8 KiB; a set of a dozen keys with their
// certificates has about 30 KiB.
const (
	maxMetadata = 64 << 10
	maxSet      = 256 << 10
	maxHeader   = 64 << 10
	maxURL      = 2048 // length of a URL in a setting or in the metadata
)

// source is where the keys of an issuer come from. Exactly one of keys and metadata is set.
type source struct {
	issuer       string
	keys         string   // URL of the JWK set
	metadata     string   // URL of the metadata, which names the URL of the JWK set
	hosts        []string // hosts that the metadata may name
	plainHTTP    bool
	rsaAlgorithm string
	client       *http.Client
}

// newSource returns the source that cfg describes, and adds what is wrong with it to faults.
func newSource(cfg *Config, faults *cfgerr.Faults) *source {
	s := &source{
		issuer: cfg.Tokens.Issuer, keys: cfg.KeysURL, plainHTTP: cfg.DangerouslyPlainHTTP,
		rsaAlgorithm: cfg.RSAAlgorithm,
		client: &http.Client{
			Transport: cfg.Transport,
			// A redirect would let a host that is not configured supply the keys (CWE-601,
			// CWE-918).
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if cfg.Transport == nil {
		s.client.Transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: maxHeader,
		}
	}
	for _, host := range cfg.KeyHosts {
		u, ok := parseHost(host)
		if !ok {
			faults.Add("KeyHosts", host, "must be a host or host:port")
			continue
		}
		s.hosts = append(s.hosts, hostOf(u))
	}
	if s.keys != "" {
		if _, err := s.check(s.keys); err != nil {
			faults.Add("KeysURL", s.keys, err.Error())
		}
		return s
	}
	if s.issuer == "" {
		return s // New or jwt.NewVerifier reports it
	}
	u, err := s.check(s.issuer)
	switch {
	case err != nil:
		faults.Add("Tokens.Issuer", s.issuer, err.Error()+", or KeysURL set")
		return s
	case u.RawQuery != "" || u.ForceQuery:
		faults.Add("Tokens.Issuer", s.issuer, "must have no query, or KeysURL set")
	}
	s.hosts = append(s.hosts, hostOf(u))
	s.metadata = strings.TrimSuffix(s.issuer, "/") + "/.well-known/openid-configuration"
	return s
}

// check parses a URL, and returns an error if keys may not be fetched from it. The error ends a
// sentence that begins with the URL.
func (s *source) check(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > maxURL || u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("must be an https URL")
	case u.User != nil:
		return nil, errors.New("must hold no user or password")
	case strings.Contains(text, "#"):
		return nil, errors.New("must have no fragment")
	case origin.IsSecure(u), u.Scheme == "http" && s.plainHTTP:
		return u, nil
	}
	return nil, errors.New("must be https, or http on this machine")
}

// parseHost returns the URL of a host, which may have a port.
func parseHost(host string) (u *url.URL, ok bool) {
	u, err := url.Parse("https://" + host)
	return u, err == nil && u.Host == host && host != ""
}

// hostOf returns the host of u in the form in which hosts are compared: in lower case, and without
// the port that the scheme implies.
func hostOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if u.Scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

// fetch returns the issuer's keys, at least one, and how long the response may be cached; -1 if it does not
// say.
func (s *source) fetch(ctx context.Context) (set jwkset.Set, age time.Duration, err error) {
	keysURL := s.keys
	if s.metadata != "" {
		text, _, err := s.get(ctx, s.metadata, maxMetadata)
		if err != nil {
			return jwkset.Set{}, 0, err
		}
		if keysURL, err = s.readMetadata(text); err != nil {
			return jwkset.Set{}, 0, fmt.Errorf("%s: %w", s.metadata, err)
		}
	}
	text, header, err := s.get(ctx, keysURL, maxSet)
	if err != nil {
		return jwkset.Set{}, 0, err
	}
	set, err = jwkset.Parse(text, s.rsaAlgorithm)
	if err != nil {
		return jwkset.Set{}, 0, fmt.Errorf("%s: %w", keysURL, err)
	}
	return set, freshness.Of(header), nil
}

// get returns the response to one request. A body of more than limit bytes is an error.
func (s *source) get(ctx context.Context, from string, limit int64) (body string, header http.Header, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return "", nil, err
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	req.Close = true // the next request is minutes away, and an idle connection would keep goroutines
	res, err := s.client.Do(req)
	if err != nil {
		return "", nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", nil, fmt.Errorf("%s: status %d", from, res.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	switch {
	case err != nil:
		return "", nil, fmt.Errorf("%s: %w", from, err)
	case int64(len(text)) > limit:
		return "", nil, fmt.Errorf("%s: the response has more than %d bytes", from, limit)
	}
	return string(text), res.Header, nil
}

// readMetadata returns the URL of the JWK set from the issuer's metadata (OpenID Connect Discovery
// 1.0 section 3). The issuer in it must be the configured one, byte for byte: otherwise one issuer
// could pass its keys off as another's (section 4.3).
func (s *source) readMetadata(text string) (keysURL string, err error) {
	var issuer string
	err = strictjson.Object(text, func(name, value string) error {
		switch name {
		case "issuer":
			issuer, _ = strictjson.Text(value)
		case "jwks_uri":
			keysURL, _ = strictjson.Text(value)
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("metadata: %w", err)
	}
	if issuer != s.issuer {
		return "", fmt.Errorf("the metadata names the issuer %.200q, not the configured one", issuer)
	}
	u, err := s.check(keysURL)
	if err != nil {
		return "", fmt.Errorf("jwks_uri %.200q %w", keysURL, err)
	}
	if host := hostOf(u); !slices.Contains(s.hosts, host) {
		return "", fmt.Errorf("jwks_uri has the host %.200q, which is neither the issuer's nor in Config.KeyHosts", host)
	}
	return keysURL, nil
}
