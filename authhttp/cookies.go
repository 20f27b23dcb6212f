package authhttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/origin"
)

// maxCookie is how long name and value of a cookie may be: what is longer,
// browsers drop without a word.
const maxCookie = 4096

// deviceLife is how long a browser keeps a device token: as long as browsers keep
// any cookie.
const deviceLife = 400 * 24 * time.Hour

// CookieConfig says how browsers keep tokens.
type CookieConfig struct {
	// RefreshPath is where [Refresh] is mounted, as browsers see it, like
	// "/auth/refresh": the refresh token is sent there and nowhere else. Required.
	RefreshPath string

	// SameSite of the access token's cookie. 0: Lax, so that a link from another
	// site leads to a page that knows its visitor; or Strict. The refresh token's
	// is always Strict, and so is the device token's.
	SameSite http.SameSite

	// TrustedOrigins are other origins whose pages may call the endpoints, as in
	// [auth.MiddlewareConfig].
	TrustedOrigins []string

	// DangerouslyInsecureLocalhost leaves out Secure, and with it the prefixes of
	// the names, for browsers that keep no secure cookies of http://localhost. Any
	// other host is refused.
	DangerouslyInsecureLocalhost bool
}

// Cookies keeps tokens in a browser where no script reads them: the access token
// in the cookie __Host-access, the refresh token in __Secure-refresh and, where there
// is a throttle, its device token in __Host-device, all HttpOnly and Secure. Set [Config].Cookies to one, and the endpoints that give tokens give
// them as cookies and never in a body. It is immutable and safe for concurrent use.
type Cookies struct {
	access, refresh, device string
	path                    string // of refresh
	sameSite                http.SameSite
	insecure                bool
	origins                 *http.CrossOriginProtection
}

// NewCookies returns every fault of cfg as a [*cfgerr.Error].
func NewCookies(cfg CookieConfig) (*Cookies, error) {
	var faults []error
	fault := func(field, value, reason string) {
		faults = append(faults, &auth.ConfigError{Field: "CookieConfig." + field, Value: value, Reason: reason})
	}
	c := &Cookies{
		access: "__Host-access", refresh: "__Secure-refresh", device: "__Host-device", path: cfg.RefreshPath,
		sameSite: cfg.SameSite, insecure: cfg.DangerouslyInsecureLocalhost,
	}
	if c.insecure {
		c.access, c.refresh, c.device = "access", "refresh", "device"
	}
	escaped := (&url.URL{Path: c.path}).EscapedPath() == c.path && !strings.ContainsAny(c.path, ";,")
	if !strings.HasPrefix(c.path, "/") || c.path == "/" || path.Clean(c.path) != c.path || !escaped {
		fault("RefreshPath", c.path, "must be the path of Refresh, like /auth/refresh, in its shortest form")
	}
	switch c.sameSite {
	case 0:
		c.sameSite = http.SameSiteLaxMode
	case http.SameSiteLaxMode, http.SameSiteStrictMode:
	default:
		fault("SameSite", fmt.Sprint(int(c.sameSite)), "must be 0, Lax or Strict")
	}
	c.origins = origin.Protection(cfg.TrustedOrigins, func(o string) { fault("TrustedOrigins", o, origin.Fault) })
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return c, nil
}

// Extractor returns what finds the access token in a request, for
// [auth.MiddlewareConfig].Extractors.
func (c *Cookies) Extractor() auth.Extractor { return auth.Cookie(c.access) }

// read reports whether guard finds the access token in the cookie that holds it.
func (c *Cookies) read(guard *auth.Middleware) bool {
	over, cancel := context.WithCancel(context.Background())
	cancel() // nothing is looked up
	r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}, Header: http.Header{"Cookie": {c.access + "=none"}}}
	_, err := guard.Check(r.WithContext(over))
	return !errors.Is(err, auth.ErrNoCredentials)
}

// check refuses requests that another origin may have caused, with or without
// cookies, for a login sets them; those that bring a second credential; and, where
// cookies are not secure, those that are not for localhost. A nil c refuses none.
func (c *Cookies) check(r *http.Request) error {
	if c == nil {
		return nil
	}
	if c.insecure && !isLocalhost(r.Host) {
		return &refusal{http.StatusMisdirectedRequest, "", "", "insecure cookies are switched on, which is for localhost alone"}
	}
	if c.origins.Check(r) != nil {
		return auth.ErrCrossOrigin
	}
	if _, err := auth.BearerToken().Extract(r); !errors.Is(err, auth.ErrNoCredentials) && (c.holds(r, c.access) || c.holds(r, c.refresh)) {
		return auth.ErrInvalidRequest
	}
	return nil
}

// holds reports whether r carries the cookie, well-formed or not.
func (c *Cookies) holds(r *http.Request, name string) bool {
	_, err := auth.Cookie(name).Extract(r)
	return !errors.Is(err, auth.ErrNoCredentials)
}

// of returns c if the access token of r came as a cookie, else nil: tokens go the way
// that they came.
func (c *Cookies) of(r *http.Request) *Cookies {
	if c == nil || !c.holds(r, c.access) {
		return nil
	}
	return c
}

func isLocalhost(host string) bool {
	name := strings.ToLower((&url.URL{Host: host}).Hostname())
	ip, _ := netip.ParseAddr(name)
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || ip.IsLoopback()
}

// set keeps tokens in the browser, and tells it how long they live.
func (c *Cookies) set(w http.ResponseWriter, t auth.Tokens) error {
	jar := []*http.Cookie{c.cookie(c.access, t.AccessToken, t.ExpiresIn)}
	if t.RefreshToken != "" {
		jar = append(jar, c.cookie(c.refresh, t.RefreshToken, t.RefreshExpiresIn))
	}
	if t.DeviceToken != "" {
		jar = append(jar, c.cookie(c.device, string(t.DeviceToken), deviceLife))
	}
	for _, one := range jar {
		if err := one.Valid(); err != nil || len(one.Name)+len(one.Value) > maxCookie {
			return errors.New("authhttp: a token is no cookie: too long, or with characters that cookies may not have")
		}
	}
	for _, one := range jar {
		http.SetCookie(w, one)
	}
	return nil
}

// clear takes the tokens from the browser; who logged in there once it may know on.
func (c *Cookies) clear(w http.ResponseWriter) {
	if c == nil {
		return
	}
	for _, name := range []string{c.access, c.refresh} {
		one := c.cookie(name, "", 0)
		one.MaxAge = -1
		http.SetCookie(w, one)
	}
}

// cookie returns a cookie for life, or for as long as the browser runs if that is
// zero.
func (c *Cookies) cookie(name, value string, life time.Duration) *http.Cookie {
	one := &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life / time.Second),
		Secure: !c.insecure, HttpOnly: true, SameSite: c.sameSite,
	}
	if name == c.refresh {
		one.Path = c.path
	}
	if name != c.access {
		one.SameSite = http.SameSiteStrictMode
	}
	return one
}

// give answers with tokens: as cookies if c is not nil, else in the body that RFC
// 6749 section 5.1 asks for.
func (cfg Config) give(w http.ResponseWriter, r *http.Request, c *Cookies, t auth.Tokens) {
	w.Header().Set("Pragma", "no-cache") // section 5.1
	if c == nil {
		write(w, http.StatusOK, t)
		return
	}
	if err := c.set(w, t); err != nil {
		cfg.refuse(w, r, err)
		return
	}
	write(w, http.StatusOK, struct {
		ExpiresIn        int64 `json:"expires_in,omitempty"`
		RefreshExpiresIn int64 `json:"refresh_expires_in,omitempty"`
	}{int64(t.ExpiresIn / time.Second), int64(t.RefreshExpiresIn / time.Second)})
}
