package authhttp_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
)

// posted returns the request of a form in a page, with the cookies of a browser.
func posted(t *testing.T, host, site string, cookies ...*http.Cookie) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "POST", host+"/form", nil)
	r.Header.Set("Sec-Fetch-Site", site)
	for _, c := range cookies {
		r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	return r
}

func TestFormToken(t *testing.T) {
	t.Parallel()
	const host = "https://site.test"
	c := must(authhttp.NewCookies(authhttp.CookieConfig{RefreshPath: "/auth/refresh"}))
	w := httptest.NewRecorder()
	get := httptest.NewRequestWithContext(t.Context(), "GET", host+"/form", nil)
	token, second := must(c.FormToken(w, get, "session 1")), must(c.FormToken(w, get, ""))
	set := w.Result().Cookies()
	if len(set) != 1 || set[0].Name != "__Host-form" || !set[0].HttpOnly || !set[0].Secure || set[0].SameSite != http.SameSiteLaxMode || set[0].Path != "/" {
		t.Fatalf("two tokens of one page set %v", set)
	}
	mine := set[0]
	foreign := func() *http.Cookie {
		w := httptest.NewRecorder()
		must(c.FormToken(w, get, ""))
		return w.Result().Cookies()[0]
	}()
	again := httptest.NewRecorder()
	later := must(c.FormToken(again, posted(t, host, "none", mine), "session 1"))
	if later == token || len(again.Result().Cookies()) != 0 {
		t.Error("a browser that has a secret gets another, or the token repeats itself")
	}
	changed := []byte(token)
	changed[len(changed)/2] = map[bool]byte{true: 'B', false: 'A'}[changed[len(changed)/2] == 'A']
	for name, row := range map[string]struct {
		request        *http.Request
		binding, token string
		want           error
	}{
		"right":                   {posted(t, host, "same-origin", mine), "session 1", token, nil},
		"the later one":           {posted(t, host, "same-origin", mine), "session 1", later, nil},
		"no binding":              {posted(t, host, "same-origin", mine), "", second, nil},
		"another binding":         {posted(t, host, "same-origin", mine), "session 2", token, authhttp.ErrFormToken},
		"a binding missing":       {posted(t, host, "same-origin", mine), "", token, authhttp.ErrFormToken},
		"another browser":         {posted(t, host, "same-origin", foreign), "session 1", token, authhttp.ErrFormToken},
		"no cookie":               {posted(t, host, "same-origin"), "session 1", token, authhttp.ErrFormToken},
		"two cookies":             {posted(t, host, "same-origin", foreign, mine), "session 1", token, authhttp.ErrFormToken},
		"no token":                {posted(t, host, "same-origin", mine), "session 1", "", authhttp.ErrFormToken},
		"half a token":            {posted(t, host, "same-origin", mine), "session 1", token[:len(token)/2], authhttp.ErrFormToken},
		"a nonce alone":           {posted(t, host, "same-origin", mine), "session 1", token[:22], authhttp.ErrFormToken},
		"changed":                 {posted(t, host, "same-origin", mine), "session 1", string(changed), authhttp.ErrFormToken},
		"no base64":               {posted(t, host, "same-origin", mine), "session 1", token + "=", authhttp.ErrFormToken},
		"a page of another site":  {posted(t, host, "cross-site", mine), "session 1", token, auth.ErrCrossOrigin},
		"a page of the same site": {posted(t, host, "same-site", mine), "session 1", token, auth.ErrCrossOrigin},
	} {
		if err := c.CheckForm(row.request, row.binding, row.token); !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", name, err, row.want)
		}
	}
	w = httptest.NewRecorder()
	authhttp.WriteError(w, get, authhttp.ErrFormToken)
	if w.Code != 403 || !strings.Contains(w.Body.String(), `"form_token"`) {
		t.Errorf("the answer is %d %s", w.Code, w.Body)
	}

	local := must(authhttp.NewCookies(authhttp.CookieConfig{Name: "shop", RefreshPath: "/auth/refresh", DangerouslyInsecureLocalhost: true}))
	if _, err := local.FormToken(httptest.NewRecorder(), get, ""); err == nil {
		t.Error("insecure cookies make a token for another host than localhost")
	}
	w = httptest.NewRecorder()
	token = must(local.FormToken(w, httptest.NewRequestWithContext(t.Context(), "GET", "http://localhost/form", nil), ""))
	if c := w.Result().Cookies()[0]; c.Name != "shop-form" || c.Secure {
		t.Errorf("got the cookie %v", c)
	}
	if err := local.CheckForm(posted(t, "http://localhost", "same-origin", w.Result().Cookies()[0]), "", token); err != nil {
		t.Error(err)
	}
}

// Pages learn where the browser sends the refresh token, and whether it seems to have one.
func TestPathsAndMayRefresh(t *testing.T) {
	t.Parallel()
	c := must(authhttp.NewCookies(authhttp.CookieConfig{RefreshPath: "/auth/refresh"}))
	if refresh, logout := c.Paths(); refresh != "/auth/refresh" || logout != "/auth/logout" {
		t.Errorf("got %s and %s", refresh, logout)
	}
	w := httptest.NewRecorder()
	r := posted(t, "https://site.test", "none")
	if c.MayRefresh(r) {
		t.Error("a browser without cookies may refresh")
	}
	if err := c.Set(w, r, auth.Tokens{AccessToken: "a", RefreshToken: "b"}); err != nil {
		t.Fatal(err)
	}
	r.Header.Del("Cookie")
	for _, cookie := range w.Result().Cookies() {
		if cookie.Path == "/" {
			r.AddCookie(cookie)
		}
	}
	if !c.MayRefresh(r) {
		t.Error("a browser that has logged in may not refresh")
	}
}
