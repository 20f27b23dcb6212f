package authhttp

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/cookies"
	"github.com/seed-e36e2130/auth/internal/origin"
)

// maxCookie is the greatest length of a cookie's name and value together. Browsers drop longer
// cookies without an error.
const maxCookie = 4096

// deviceLife is how long a browser keeps a device token. It is as long as browsers keep any cookie.
const deviceLife = 400 * 24 * time.Hour

// CookieConfig configures [Cookies].
type CookieConfig struct {
	// RefreshPath is the path that [Refresh] is mounted at, as browsers see it, such as
	// "/auth/refresh". Browsers send the refresh token there and nowhere else. Required.
	RefreshPath string

	// SameSite is the attribute of the access token's cookie. 0: Lax, so that a user who follows a
	// link from another site is logged in; or Strict. The cookies of the refresh token and of the
	// device token are always Strict.
	SameSite http.SameSite

	// TrustedOrigins are other origins whose pages may call the endpoints, as in
	// [auth.MiddlewareConfig]. With secure cookies they are https.
	TrustedOrigins []string

	// DangerouslyInsecureLocalhost leaves out the attribute Secure, and therefore the prefixes of
	// the names, for browsers that keep no secure cookies of http://localhost. Requests for any
	// other host are refused.
	DangerouslyInsecureLocalhost bool
}

// Cookies keeps tokens in a browser where no script can read them: the access token in the cookie
// __Host-access, the refresh token in __Secure-refresh and, if there is a throttle, the device
// token in __Host-device; __Host-login identifies, for an hour, a browser that requested a login link. All are HttpOnly and Secure. If [Config].Cookies is set, the endpoints
// that log in give tokens as cookies and never in a body. Cookies is immutable and safe for
// concurrent use.
//
// A sibling subdomain can set __Secure-refresh for the common parent domain, but no cookie whose
// name begins with __Host-. The cookie __Host-refresh-id therefore holds a digest of the refresh
// token, and [Refresh] ignores every refresh token that has another digest: nobody can log a browser
// in, or switch it to another account, by planting a cookie. The next login removes planted cookies.
type Cookies struct {
	access, refresh, refreshID, device, login string // names of the cookies
	refreshPath                               string
	sameSite                                  http.SameSite // SameSite attribute of the access token's cookie
	insecure                                  bool
	origins                                   *http.CrossOriginProtection
}

// NewCookies returns Cookies, or every fault of cfg as a [*cfgerr.Error].
func NewCookies(cfg CookieConfig) (*Cookies, error) {
	faults := cfgerr.Faults{Prefix: "authhttp.CookieConfig."}
	c := &Cookies{
		access: "__Host-access", refresh: "__Secure-refresh", refreshID: "__Host-refresh-id", device: "__Host-device", login: "__Host-login",
		refreshPath: cfg.RefreshPath, sameSite: cfg.SameSite, insecure: cfg.DangerouslyInsecureLocalhost,
	}
	if c.insecure {
		c.access, c.refresh, c.refreshID, c.device, c.login = "access", "refresh", "refresh-id", "device", "login"
	}
	if !isCookiePath(c.refreshPath) {
		faults.Add("RefreshPath", c.refreshPath, "must be the path of Refresh, like /auth/refresh, in its shortest form")
	}
	switch c.sameSite {
	case 0:
		c.sameSite = http.SameSiteLaxMode
	case http.SameSiteLaxMode, http.SameSiteStrictMode:
	default:
		faults.Add("SameSite", fmt.Sprint(int(c.sameSite)), "must be 0, Lax or Strict")
	}
	c.origins = origin.Protection(cfg.TrustedOrigins, func(o string) { faults.Add("TrustedOrigins", o, origin.Fault) })
	for _, o := range cfg.TrustedOrigins {
		if plain := strings.HasPrefix(o, "http:"); plain && !c.insecure {
			faults.Add("TrustedOrigins", o, "must be https: browsers send no secure cookies for a page that came over http")
		}
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// isCookiePath reports whether p is an absolute path other than the root, in its shortest form,
// that needs no escaping in a URL or in the Path attribute of a cookie.
func isCookiePath(p string) bool {
	unescaped := (&url.URL{Path: p}).EscapedPath() == p && !strings.ContainsAny(p, ";,")
	return strings.HasPrefix(p, "/") && p != "/" && path.Clean(p) == p && unescaped
}

// Extractor returns an extractor of the access token's cookie, for
// [auth.MiddlewareConfig].Extractors. It reads an insecure cookie from requests for localhost alone.
func (c *Cookies) Extractor() auth.Extractor {
	if c.insecure {
		return localCookie{auth.Cookie(c.access)}
	}
	return auth.Cookie(c.access)
}

// localCookie extracts a cookie from requests for localhost alone.
type localCookie struct{ auth.Extractor }

func (c localCookie) Extract(r *http.Request) (string, error) {
	if !isLocalhost(r.Host) {
		return "", auth.ErrNoCredentials
	}
	return c.Extractor.Extract(r)
}

// readBy reports whether guard reads the access token's cookie.
func (c *Cookies) readBy(guard *auth.Middleware) bool {
	cookie := http.Header{"Cookie": {c.access + "=token"}}
	r := &http.Request{Method: http.MethodGet, Host: "localhost", URL: &url.URL{Path: "/"}, Header: cookie}
	return slices.ContainsFunc(guard.Extractors(), func(e auth.Extractor) bool {
		_, err := e.Extract(r)
		return !errors.Is(err, auth.ErrNoCredentials)
	})
}

// check refuses a request that another origin may have caused, also if it carries no cookies,
// because a login sets some. It refuses a request that carries a bearer token and a token cookie,
// and, if the cookies are insecure, one that is not for localhost. A nil c refuses none.
func (c *Cookies) check(r *http.Request) error {
	if c == nil {
		return nil
	}
	if err := c.checkHost(r); err != nil {
		return err
	}
	if c.origins.Check(r) != nil {
		return auth.ErrCrossOrigin
	}
	_, err := auth.BearerToken().Extract(r)
	hasBearer := !errors.Is(err, auth.ErrNoCredentials)
	if !hasBearer {
		return nil
	}
	if _, err := c.refreshToken(r); err == nil || hasCookie(r, c.access) {
		return auth.ErrInvalidRequest
	}
	return nil
}

// refreshToken returns the refresh token of r: the one with the digest in __Host-refresh-id. It
// returns [auth.ErrNoCredentials] if r carries no such token, whatever others it carries.
func (c *Cookies) refreshToken(r *http.Request) (string, error) {
	id, err := auth.Cookie(c.refreshID).Extract(r)
	if err != nil {
		return "", err
	}
	for token := range cookies.Values(r.Header, c.refresh) {
		if subtle.ConstantTimeCompare([]byte(refreshID(token)), []byte(id)) == 1 {
			return token, nil
		}
	}
	return "", auth.ErrNoCredentials
}

// refreshID returns the digest of a refresh token.
func refreshID(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// sendsOnlyOwn reports whether r carries the browser's own refresh token, and no planted one.
func (c *Cookies) sendsOnlyOwn(r *http.Request) bool {
	n := 0
	for range cookies.Values(r.Header, c.refresh) {
		n++
	}
	_, err := c.refreshToken(r)
	return n == 1 && err == nil
}

// maxParents is for how many domains planted cookies are expired: the host and its parents with the
// fewest labels. A sibling shares one of these with the host. It bounds the length of an answer.
const maxParents = 4

// expirePlanted removes each refresh token that a subdomain of the host or of its parents can have
// set: for each domain, and each path from which browsers send the cookie to [Refresh]. It must run
// before the browser's own cookie is set, because some browsers take a cookie for the host and one
// for the domain of the same name for one cookie.
func (c *Cookies) expirePlanted(w http.ResponseWriter, r *http.Request) {
	for _, domain := range cookieDomains(r.Host) {
		for _, path := range cookiePaths(c.refreshPath) {
			cookie := c.cookie(c.refresh, "", 0)
			cookie.Domain, cookie.Path, cookie.MaxAge = domain, path, -1
			http.SetCookie(w, cookie)
		}
	}
}

// domainName matches a name that a cookie may have as its Domain.
var domainName = regexp.MustCompile(`^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+$`)

// cookieDomains returns the domains of cookies that browsers send to host, at most maxParents. It
// returns none for an address, and for a name without a dot.
func cookieDomains(host string) (domains []string) {
	name := strings.TrimSuffix(strings.ToLower((&url.URL{Host: host}).Hostname()), ".")
	if _, err := netip.ParseAddr(name); err == nil || len(name) > 253 || !domainName.MatchString(name) {
		return nil
	}
	for strings.Contains(name, ".") {
		domains = append(domains, name)
		_, name, _ = strings.Cut(name, ".")
	}
	return domains[max(0, len(domains)-maxParents):]
}

// cookiePaths returns the paths of cookies that browsers send to a path (RFC 6265 section 5.1.4).
func cookiePaths(path string) (paths []string) {
	for i := range path {
		if path[i] != '/' {
			continue
		}
		if i > 0 {
			paths = append(paths, path[:i])
		}
		paths = append(paths, path[:i+1])
	}
	return append(paths, path)
}

// checkHost refuses a request that is not for localhost if the cookies are insecure. Every endpoint
// calls it: otherwise a name of an attacker that resolves to this machine would reach those that
// only read. A nil c refuses none.
func (c *Cookies) checkHost(r *http.Request) error {
	if c != nil && c.insecure && !isLocalhost(r.Host) {
		return &refusal{http.StatusMisdirectedRequest, "", "",
			"insecure cookies are enabled, so only requests for localhost are answered"}
	}
	return nil
}

// hasCookie reports whether r carries a cookie, well-formed or not.
func hasCookie(r *http.Request, name string) bool {
	_, err := auth.Cookie(name).Extract(r)
	return !errors.Is(err, auth.ErrNoCredentials)
}

// usedBy returns c if the access token of r came in its cookie, else nil, so that new tokens go
// back the way that the old one came.
func (c *Cookies) usedBy(r *http.Request) *Cookies {
	if c == nil || !hasCookie(r, c.access) {
		return nil
	}
	return c
}

// isLocalhost reports whether host, with or without a port, is this machine to a browser.
func isLocalhost(host string) bool {
	name := strings.ToLower((&url.URL{Host: host}).Hostname())
	return origin.IsLoopback(name) || strings.HasSuffix(name, ".localhost")
}

// set sets the cookies of t in answer to r, each for the life of its token. With a refresh token it
// first removes those that others may have planted. It returns an error, and sets none, if a browser
// would drop one.
func (c *Cookies) set(w http.ResponseWriter, r *http.Request, t auth.Tokens) error {
	list := []*http.Cookie{c.cookie(c.access, t.AccessToken, t.ExpiresIn)}
	if t.RefreshToken != "" {
		list = append(list, c.cookie(c.refresh, t.RefreshToken, t.RefreshExpiresIn),
			c.cookie(c.refreshID, refreshID(t.RefreshToken), t.RefreshExpiresIn))
	}
	if t.DeviceToken != "" {
		list = append(list, c.cookie(c.device, string(t.DeviceToken), deviceLife))
	}
	for _, cookie := range list {
		if err := cookie.Valid(); err != nil || len(cookie.Name)+len(cookie.Value) > maxCookie {
			return fmt.Errorf("authhttp: the token for cookie %s is too long, or has characters that a cookie may not have", cookie.Name)
		}
	}
	if t.RefreshToken != "" && !c.sendsOnlyOwn(r) {
		c.expirePlanted(w, r)
	}
	for _, cookie := range list {
		http.SetCookie(w, cookie)
	}
	return nil
}

// clear removes the tokens of a session from the browser, but keeps the device token: the browser
// still counts as a known device. A nil c does nothing.
func (c *Cookies) clear(w http.ResponseWriter) {
	if c == nil {
		return
	}
	for _, name := range []string{c.access, c.refresh, c.refreshID} {
		cookie := c.cookie(name, "", 0)
		cookie.MaxAge = -1
		http.SetCookie(w, cookie)
	}
}

// browserLife is how long a browser that requested a login link is identified: the longest life of a link.
const browserLife = time.Hour

// browserSecret matches what browser returns.
var browserSecret = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// browser returns the secret that identifies the browser of r for login links: that of its cookie, so
// that links stay good which it requested before, or a new one. It returns "" if c is nil.
func (c *Cookies) browser(r *http.Request) string {
	if c == nil {
		return ""
	}
	if secret, err := auth.Cookie(c.login).Extract(r); err == nil && browserSecret.MatchString(secret) {
		return secret
	}
	var secret [32]byte
	rand.Read(secret[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(secret[:])
}

// setBrowser has the browser keep its secret. A nil c does nothing.
func (c *Cookies) setBrowser(w http.ResponseWriter, secret string) {
	if c != nil {
		http.SetCookie(w, c.cookie(c.login, secret, browserLife))
	}
}

// cookie returns a cookie for life, or until the browser closes if life is zero.
func (c *Cookies) cookie(name, value string, life time.Duration) *http.Cookie {
	cookie := &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life / time.Second),
		Secure: !c.insecure, HttpOnly: true, SameSite: c.sameSite,
	}
	if name == c.refresh {
		cookie.Path = c.refreshPath
	}
	if name != c.access {
		cookie.SameSite = http.SameSiteStrictMode
	}
	return cookie
}

// tokenLifetimes is the body of an answer whose tokens are cookies.
type tokenLifetimes struct {
	ExpiresIn        int64 `json:"expires_in,omitempty"`
	RefreshExpiresIn int64 `json:"refresh_expires_in,omitempty"`
}

// writeTokens answers with tokens: as cookies if c is not nil, else in the body of RFC 6749 section
// 5.1.
func (cfg Config) writeTokens(w http.ResponseWriter, r *http.Request, c *Cookies, t auth.Tokens) {
	w.Header().Set("Pragma", "no-cache") // RFC 6749 section 5.1
	if c == nil {
		write(w, http.StatusOK, t)
		return
	}
	if err := c.set(w, r, t); err != nil {
		cfg.refuse(w, r, err)
		return
	}
	write(w, http.StatusOK, tokenLifetimes{int64(t.ExpiresIn / time.Second), int64(t.RefreshExpiresIn / time.Second)})
}
