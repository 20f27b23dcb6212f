package authhttp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"

	"github.com/seed-e36e2130/auth"
)

// ErrFormToken is returned by [Cookies.CheckForm] for a form whose token is not that of the browser: the
// form is from before the last login, the browser has lost its cookies, or another site made the form.
var ErrFormToken error = &refusal{http.StatusForbidden, "form_token", "",
	"the form is out of date: load the page again"}

// nonceBytes is how many random bytes a token of a form begins with.
const nonceBytes = 16

// FormToken returns the token for a hidden field of a form in a page of the host's own. Only the browser
// of r can send that form: see [Cookies.CheckForm]. binding is what else the form is bound to, such as the
// ID of the user's session; a form that logs in has "". The token is bound to a random secret in the cookie
// __Host-form, which FormToken sets if r carries none, and differs at each call, so that the compression of
// a page reveals nothing of it.
//
// Call FormToken before anything is written, once for each binding of a page. It returns an error if the cookies are insecure and r is not
// for localhost.
func (c *Cookies) FormToken(w http.ResponseWriter, r *http.Request, binding string) (string, error) {
	if err := c.checkHost(r); err != nil {
		return "", err
	}
	secret, ok := c.formSecret(r)
	if !ok {
		secret, ok = c.newFormSecret(w)
	}
	if !ok {
		secret = randomSecret()
		cookie := c.cookie(c.form, secret, 0)
		cookie.SameSite = http.SameSiteLaxMode // sent with links from other sites: else each would make another secret
		http.SetCookie(w, cookie)
	}
	w.Header().Set("Cache-Control", "no-store")
	var nonce [nonceBytes]byte
	rand.Read(nonce[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(formToken(secret, binding, nonce[:])), nil
}

// CheckForm returns nil if the form of r, whose hidden field holds token, was sent by a page of this
// program in the browser that [Cookies.FormToken] made the token for, with the same binding. It returns
// [auth.ErrCrossOrigin] if the browser says that a page of another origin sent the form,
// [auth.ErrInvalidRequest] if r carries a bearer token beside the cookies, and [ErrFormToken] if the token
// is not right: show the form again then. If the cookies are insecure, it returns an error for each request
// for another host than localhost. [WriteError] knows the answer to each.
func (c *Cookies) CheckForm(r *http.Request, binding, token string) error {
	if err := c.check(r); err != nil {
		return err
	}
	secret, ok := c.formSecret(r)
	got, err := base64.RawURLEncoding.DecodeString(token)
	if !ok || err != nil || len(got) < nonceBytes || !hmac.Equal(got, formToken(secret, binding, got[:nonceBytes])) {
		return ErrFormToken
	}
	return nil
}

// formSecret returns the secret in the browser's cookie.
func (c *Cookies) formSecret(r *http.Request) (string, bool) {
	secret, err := auth.Cookie(c.form).Extract(r)
	return secret, err == nil && browserSecret.MatchString(secret)
}

// newFormSecret returns the secret that an earlier call has set in the same answer.
func (c *Cookies) newFormSecret(w http.ResponseWriter) (string, bool) {
	for _, line := range w.Header()["Set-Cookie"] {
		if set, err := http.ParseSetCookie(line); err == nil && set.Name == c.form {
			return set.Value, true
		}
	}
	return "", false
}

// formToken returns nonce and the MAC over it and binding.
func formToken(secret, binding string, nonce []byte) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(nonce) // of a fixed length
	mac.Write([]byte(binding))
	return mac.Sum(append([]byte(nil), nonce...))
}

// Paths returns the paths of [Refresh] and [Logout] as browsers see them: they send the refresh token to
// these and to the paths below them. A page of the host's own that refreshes or logs out without a script
// stands below one of them.
func (c *Cookies) Paths() (refresh, logout string) { return c.refreshPath, c.logoutPath }

// MayRefresh reports whether the browser of r seems to keep a refresh token. It sees the mark that is kept
// beside the token, on every path, but not in a request that another site causes.
func (c *Cookies) MayRefresh(r *http.Request) bool { return hasCookie(r, c.refreshID) }
