package authui

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
)

// maxBody is the largest form that is read, in bytes, and maxReturnTo the longest return_to.
const (
	maxBody     = 64 << 10
	maxReturnTo = 8 << 10
)

// visit is one request for a page, and what is known about it.
type visit struct {
	*Pages
	w http.ResponseWriter
	r *http.Request

	page      page
	texts     *texts
	principal *auth.Principal // who is logged in; nil: nobody, or it could not be decided
	form      url.Values      // fields of the form; each but scope is there once
	returnTo  string          // parameter return_to, if ReturnTo knows it
	target    string          // path that return_to stands for, or Home

	status  int    // of the answer
	problem string // what is wrong, for people
	wrong   string // name of the field that is wrong, or ""
	notice  string // what has been done, for people
}

// visit returns the visit of a request, with the headers of every page set.
func (p *Pages) visit(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{Pages: p, w: w, r: r, texts: p.languages.of(r), form: url.Values{}, target: p.cfg.Home, status: http.StatusOK}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", p.policy+"; form-action 'self'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	return v
}

// serve returns the handler of a page's GET or POST.
func (p *Pages) serve(page page, method string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := p.visit(w, r)
		v.page = page
		var err error
		if method == http.MethodPost {
			err = v.readForm()
		}
		if err != nil {
			v.fail(err)
			return
		}
		v.readReturnTo()
		principal, unproven := p.guard.Check(r)
		v.principal = principal
		if page.account && unproven != nil {
			if method == http.MethodPost && errors.Is(p.cookies.CheckForm(r, "", ""), auth.ErrCrossOrigin) {
				unproven = auth.ErrCrossOrigin
			}
			v.needLogin(page, unproven)
			return
		}
		if method == http.MethodGet {
			page.get(v)
			return
		}
		switch err := p.cookies.CheckForm(r, v.binding(page), v.value("form_token")); {
		case errors.Is(err, authhttp.ErrFormToken) && page.get != nil:
			v.refuse(http.StatusForbidden, "problem.form_token")
			page.get(v)
		case err != nil:
			v.fail(err)
		default:
			page.post(v)
		}
	})
}

// binding returns what the forms of a page are bound to beside the browser: the login of the user, where
// the page is that of an account.
func (v *visit) binding(page page) string {
	if page.account && v.principal != nil {
		return "account " + v.principal.Subject() + " " + v.principal.SessionID()
	}
	return ""
}

// readForm reads the form in the body of the request.
func (v *visit) readForm() error {
	mediaType, _, err := mime.ParseMediaType(v.r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return &authhttp.Problem{Status: http.StatusUnsupportedMediaType}
	}
	text, err := io.ReadAll(http.MaxBytesReader(v.w, v.r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &authhttp.Problem{Status: http.StatusRequestEntityTooLarge}
	}
	malformed := &authhttp.Problem{Status: http.StatusBadRequest}
	if err != nil {
		return malformed
	}
	if v.form, err = url.ParseQuery(string(text)); err != nil {
		return malformed
	}
	for name, values := range v.form {
		several := len(values) > 1 && name != "scope" // checkboxes
		if several || !utf8.ValidString(name) || slices.ContainsFunc(values, func(s string) bool { return !utf8.ValidString(s) }) {
			return malformed
		}
	}
	return nil
}

// readReturnTo takes the parameter return_to from the form, or else from the URL.
func (v *visit) readReturnTo() {
	sealed := v.value("return_to")
	if v.r.Method == http.MethodGet || v.r.Method == http.MethodHead {
		sealed = v.r.URL.Query().Get("return_to")
	}
	if v.cfg.ReturnTo == nil || sealed == "" || len(sealed) > maxReturnTo {
		return
	}
	if path, ok := v.cfg.ReturnTo(sealed); ok && isLocalPath(path) {
		v.returnTo, v.target = sealed, path
		// Chromium applies form-action to each redirect that follows a form. Where the login leads back to an
		// app, the last of them goes to the app.
		v.w.Header().Set("Content-Security-Policy", v.policy)
	}
}

// notices are what the parameter notice may say that a page has done.
var notices = regexp.MustCompile(`^[a-z_]{1,32}$`)

// readNotice takes what has been done from the URL.
func (v *visit) readNotice() {
	name := v.r.URL.Query().Get("notice")
	if v.problem == "" && v.r.Method == http.MethodGet && notices.MatchString(name) {
		v.notice = v.texts.text("notice." + name) // "" if there is no such text
	}
}

// value returns a field of the form, or "".
func (v *visit) value(name string) string { return v.form.Get(name) }

// fields returns fields of the form that are not empty, for a call of an endpoint.
func (v *visit) fields(names ...string) map[string]string {
	body := map[string]string{}
	for _, name := range names {
		if value := v.value(name); value != "" {
			body[name] = value
		}
	}
	return body
}

// call calls an endpoint for the browser.
func (v *visit) call(endpoint string, body map[string]string) *reply {
	return v.Pages.call(v.w, v.r, endpoint, body)
}

// path returns the path of one of the pages, with return_to where there is one.
func (v *visit) path(page string) string {
	if v.returnTo == "" {
		return v.cfg.Prefix + page
	}
	return v.cfg.Prefix + page + "?" + url.Values{"return_to": {v.returnTo}}.Encode()
}

// redirect leads the browser to a path of this host.
func (v *visit) redirect(path string) {
	h := v.w.Header()
	h.Set("Location", path)
	v.w.WriteHeader(http.StatusSeeOther)
}

// refuse has the page say what is wrong, with a status.
func (v *visit) refuse(status int, key string, args ...string) {
	v.status, v.problem = status, v.texts.text(key, args...)
}

// refuseWith has the page say why an endpoint refused what the user asked for.
func (v *visit) refuseWith(re *reply) {
	key, args := v.texts.problem(re)
	v.refuse(re.Status, key, args...)
	v.wrong = v.wrongField(re)
}

// wrongField returns the field of the form that an endpoint refused, or "" if it is not known.
func (v *visit) wrongField(re *reply) string {
	switch code := re.Code; {
	case code == "username_taken" || code == "invalid_username":
		return "username"
	case code == "invalid_address":
		return "address"
	case strings.HasPrefix(code, "password_") && v.form.Has("new_password"):
		return "new_password"
	case strings.HasPrefix(code, "password_") || code == "invalid_credentials" && v.form.Has("password"):
		return "password"
	case code == "invalid_credentials" && v.form.Has("current_password"):
		return "current_password"
	case code == "invalid_credentials":
		return "code"
	}
	return ""
}

// fail answers with a page that says what is wrong and has no form.
func (v *visit) fail(err error) {
	var refused *authhttp.Problem
	status, key := auth.HTTPStatus(err), "problem.failed"
	switch {
	case errors.As(err, &refused):
		status, key = refused.Status, "problem.malformed"
	case errors.Is(err, authhttp.ErrFormToken):
		status, key = http.StatusForbidden, "problem.form_token"
	case errors.Is(err, auth.ErrCrossOrigin):
		status, key = http.StatusForbidden, "problem.cross_origin"
	case status == http.StatusServiceUnavailable:
		key = "problem.unavailable"
	case status < 500:
		key = "problem.malformed"
	default:
		v.cfg.Logger.ErrorContext(v.r.Context(), "authui: the page could not be shown", "method", v.r.Method, "path", v.r.URL.Path, "error", err)
	}
	v.refuse(status, key)
	v.show("error", nil)
}

// failWith is fail for an endpoint that refused what a page needs.
func (v *visit) failWith(re *reply) {
	v.refuseWith(re)
	v.show("error", nil)
}

// needLogin leads the browser to the login, by way of the page that continues one whose access token has
// expired. It comes back to the page.
func (v *visit) needLogin(page page, unproven error) {
	if status := auth.HTTPStatus(unproven); status != http.StatusUnauthorized {
		v.fail(unproven)
		return
	}
	path := v.resumePath(page.path)
	if v.r.Method == http.MethodPost {
		path += "&again=1"
	}
	v.redirect(path)
}

// resumePath returns the path of the page that continues a login, and then leads to a page of the account,
// or else to where return_to says.
func (v *visit) resumePath(page string) string {
	refresh, _ := v.cookies.Paths()
	query := url.Values{}
	if page != "" {
		query.Set("to", page)
	} else if v.returnTo != "" {
		query.Set("return_to", v.returnTo)
	}
	if len(query) == 0 {
		return refresh + "/page"
	}
	return refresh + "/page?" + query.Encode()
}

// fromElsewhere reports whether the browser says that a page of another origin led here. It then sends no
// cookie whose SameSite is Strict, so the refresh token is missing if there is one.
func fromElsewhere(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// resume continues a login whose access token has expired, and leads to where the user wanted to go. A user
// who is not logged in is led to the login.
func (p *Pages) resume(w http.ResponseWriter, r *http.Request) {
	v := p.visit(w, r)
	v.readReturnTo()
	to := r.URL.Query().Get("to")
	for _, page := range p.pages() {
		if page.account && page.get != nil && page.path == to {
			v.target = p.cfg.Prefix + to
			if r.URL.Query().Get("again") != "" { // the form that the user sent is lost
				v.target += "?notice=again"
			}
		}
	}
	if _, err := p.guard.Check(r); err == nil {
		v.redirect(v.target)
		return
	}
	if fromElsewhere(r) { // the browser sends the refresh token with the next request, which this page causes
		w.Header().Set("Refresh", "0; url="+r.URL.RequestURI())
		v.show("resume", r.URL.RequestURI())
		return
	}
	switch re := v.call("POST /refresh", nil); {
	case re.ok():
		v.redirect(v.target)
	case re.Status >= 500:
		v.failWith(re)
	default:
		p.cookies.Clear(w, r)
		v.redirect(v.path("/login"))
	}
}

// has reports whether the program has the endpoint behind a page.
func (v *visit) has(endpoint string) bool { return v.Pages.has(endpoint) }
