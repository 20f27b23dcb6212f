package authhttp

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
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

// deviceLife is how long a browser keeps a device token. It is as long as browsers keep any cookie.
const deviceLife = 400 * 24 * time.Hour

// CookieConfig configures [Cookies].
type CookieConfig struct {
	// Name stands in the name of each cookie, such as __Host-shop-access for "shop", so that several
	// programs on one host, or on several ports of localhost, keep a session each. It has at most 32
	// letters, digits, hyphens and underscores. "": names as in [Cookies].
	Name string

	// RefreshPath is the path that [Refresh] is mounted at, as browsers see it, such as
	// "/auth/refresh". Required.
	//
	// LogoutPath is the path of [Logout]. "": the path beside RefreshPath that ends with "logout",
	// such as "/auth/logout". Browsers send the refresh token to these two paths and nowhere else.
	RefreshPath, LogoutPath string

	// SameSite is the attribute of the access token's cookie. 0: Lax, so that a user who follows a
	// link from another site is logged in; or Strict. The cookies of the refresh token and of the
	// device token are always Strict.
	SameSite http.SameSite

	// TrustedOrigins are other origins whose pages may call the endpoints, as in
	// [auth.MiddlewareConfig]. With secure cookies they are https.
	TrustedOrigins []string

	// DangerouslyTrustedSubdomains are patterns of further origins, as in [auth.MiddlewareConfig].
	DangerouslyTrustedSubdomains []string

	// DangerouslyInsecureLocalhost leaves out the attribute Secure, and therefore the prefixes of
	// the names, for browsers that keep no secure cookies of http://localhost. Requests for any
	// other host are refused.
	DangerouslyInsecureLocalhost bool
}

// Cookies keeps tokens in a browser where no script can read them: the access token in the cookie
// __Host-access, the refresh token in __Secure-refresh, once for each of its two paths, and, if
// there is a throttle, the device token in __Host-device; __Host-login identifies, for an hour, a browser
// that requested a login link, and __Host-form one that was shown a form with a token
// ([Cookies.FormToken]). All are HttpOnly and Secure. If [Config].Cookies is set, the endpoints that log in
// give tokens as cookies and never in a body. Cookies is immutable and safe for concurrent use.
//
// A sibling subdomain can set __Secure-refresh for the common parent domain, but no cookie whose
// name begins with __Host-. The cookie __Host-refresh-id therefore holds a digest of the refresh
// token, and every refresh token that has another digest is ignored: nobody can log a browser in, or
// switch it to another account, by planting a cookie. The next login removes planted cookies.
type Cookies struct {
	access, refresh, refreshID, device, login, form string // names of the cookies
	refreshPath, logoutPath                         string
	sameSite                                        http.SameSite // SameSite attribute of the access token's cookie
	insecure                                        bool
	origins                                         *origin.Protection
}

// NewCookies returns Cookies, or every fault of cfg as a [*cfgerr.Error].
func NewCookies(cfg CookieConfig) (*Cookies, error) {
	faults := cfgerr.Faults{Prefix: "authhttp.CookieConfig."}
	c := &Cookies{
		refreshPath: cfg.RefreshPath, logoutPath: cmp.Or(cfg.LogoutPath, path.Join(path.Dir(cfg.RefreshPath), "logout")),
		sameSite: cfg.SameSite, insecure: cfg.DangerouslyInsecureLocalhost,
	}
	name := ""
	if cfg.Name != "" {
		name = cfg.Name + "-"
	}
	if !cookieName.MatchString(cfg.Name) {
		faults.Add("Name", cfg.Name, "must be at most 32 letters, digits, hyphens and underscores")
	}
	c.access, c.refresh, c.refreshID, c.device = name+"access", name+"refresh", name+"refresh-id", name+"device"
	c.login, c.form = name+"login", name+"form"
	if !c.insecure { // see RFC 6265bis section 4.1.3
		c.access, c.refresh = "__Host-"+c.access, "__Secure-"+c.refresh
		c.refreshID, c.device, c.login = "__Host-"+c.refreshID, "__Host-"+c.device, "__Host-"+c.login
		c.form = "__Host-" + c.form
	}
	if !isCookiePath(c.refreshPath) {
		faults.Add("RefreshPath", c.refreshPath, "must be the path of Refresh, like /auth/refresh, in its shortest form")
	}
	if !isCookiePath(c.logoutPath) || c.logoutPath == c.refreshPath {
		faults.Add("LogoutPath", c.logoutPath, "must be the path of Logout, like /auth/logout, in its shortest form")
	}
	switch c.sameSite {
	case 0:
		c.sameSite = http.SameSiteLaxMode
	case http.SameSiteLaxMode, http.SameSiteStrictMode:
	default:
		faults.Add("SameSite", fmt.Sprint(int(c.sameSite)), "must be 0, Lax or Strict: pages of another site send tokens in a header")
	}
	c.origins = origin.NewProtection(cfg.TrustedOrigins, cfg.DangerouslyTrustedSubdomains, faults.Add)
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

// cookieName matches a [CookieConfig].Name.
var cookieName = regexp.MustCompile(`^[A-Za-z0-9_-]{0,32}$`)

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

// sized returns a context for calls that issue an access token for its cookie: they refuse one that does
// not fit before there is a session. A nil c adds nothing.
func (c *Cookies) sized(ctx context.Context) context.Context {
	if c == nil {
		return ctx
	}
	return cookies.WithName(ctx, c.access)
}

// Set puts tokens into the cookies of the browser in answer to r, as the endpoints that log in do: each
// for the life of its token, or until the browser closes if t is NonPersistent. It is for a login of the
// host's own, such as the callback of another identity provider. It also removes refresh tokens that
// subdomains may have planted, and sets Cache-Control. Call it before anything is written. It does not
// look at where r comes from: a login must make sure that the browser's user asked for it, as OAuth does
// by its state.
//
// It returns an error, and sets nothing, if a token does not fit into a cookie, or if the cookies are
// insecure and r is not for localhost. End the session of t then, with [auth.Authenticator.Logout].
func (c *Cookies) Set(w http.ResponseWriter, r *http.Request, t auth.Tokens) error {
	err := c.checkHost(r)
	if err == nil {
		err = c.set(w, r, t)
	}
	if err == nil {
		w.Header().Set("Cache-Control", "no-store")
	}
	return err
}

// Clear removes the tokens of a session from the browser in answer to r, and refresh tokens beside them
// that subdomains have planted. It ends no session, and keeps the device token: the browser still counts
// as a known device. Call it before anything is written.
func (c *Cookies) Clear(w http.ResponseWriter, r *http.Request) {
	if c.sendsPlanted(r) {
		c.expirePlanted(w, r)
	}
	c.clear(w)
	w.Header().Set("Cache-Control", "no-store")
}

// set sets the cookies of t in answer to r, each for the life of its token, or until the browser closes if
// t is not persistent. With a refresh token it
// first removes those that others may have planted. It returns an error, and sets none, if a browser
// would drop one.
func (c *Cookies) set(w http.ResponseWriter, r *http.Request, t auth.Tokens) error {
	life, refreshLife := t.ExpiresIn, t.RefreshExpiresIn
	if t.NonPersistent {
		life, refreshLife = 0, 0
	}
	list := []*http.Cookie{c.cookie(c.access, t.AccessToken, life)}
	if t.RefreshToken != "" {
		list = append(list, c.cookie(c.refresh, t.RefreshToken, refreshLife), c.forLogout(t.RefreshToken, refreshLife),
			c.cookie(c.refreshID, refreshID(t.RefreshToken), refreshLife))
	}
	if t.DeviceToken != "" {
		list = append(list, c.cookie(c.device, string(t.DeviceToken), deviceLife))
	}
	for _, cookie := range list {
		if err := cookie.Valid(); err != nil || len(cookie.Name)+len(cookie.Value) > cookies.MaxBytes {
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
	c.expire(w, c.cookie(c.access, "", 0), c.cookie(c.refresh, "", 0), c.forLogout("", 0), c.cookie(c.refreshID, "", 0))
}

// clearButLogout is clear, but keeps what ends the session at [Logout], and is good for nothing else.
func (c *Cookies) clearButLogout(w http.ResponseWriter) {
	c.expire(w, c.cookie(c.access, "", 0), c.cookie(c.refresh, "", 0))
}

// expire removes cookies from the browser.
func (c *Cookies) expire(w http.ResponseWriter, list ...*http.Cookie) {
	for _, cookie := range list {
		cookie.MaxAge = -1
		http.SetCookie(w, cookie)
	}
}

// browserLife is how long a browser that requested a login link is identified: the longest life of a link.
const browserLife = time.Hour

// browserSecret matches what randomSecret returns.
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
	return randomSecret()
}

// randomSecret returns 256 random bits as the value of a cookie.
func randomSecret() string {
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

// forLogout returns the copy of the refresh token's cookie that browsers send to [Logout].
func (c *Cookies) forLogout(token string, life time.Duration) *http.Cookie {
	cookie := c.cookie(c.refresh, token, life)
	cookie.Path = c.logoutPath
	return cookie
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
// 5.1. It returns an error, and writes nothing, if they do not fit into cookies.
func (cfg Config) writeTokens(w http.ResponseWriter, r *http.Request, c *Cookies, t auth.Tokens) error {
	w.Header().Set("Pragma", "no-cache") // RFC 6749 section 5.1
	a := Answer{Status: http.StatusOK, Body: t, Tokens: t}
	if c != nil {
		if err := c.set(w, r, t); err != nil {
			return err
		}
		a.Tokens.AccessToken, a.Tokens.RefreshToken, a.Tokens.DeviceToken = "", "", ""
		a.Body = tokenLifetimes{int64(t.ExpiresIn / time.Second), int64(t.RefreshExpiresIn / time.Second)}
	}
	cfg.answer(w, r, a)
	return nil
}
