package authui

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/seed-e36e2130/auth/authhttp"
)

//go:embed templates
var templateFiles embed.FS

// parseTemplates returns the template of each page by its name: the layout with what the page fills in.
func parseTemplates() (map[string]*template.Template, error) {
	layout, err := template.ParseFS(templateFiles, "templates/layout.html")
	if err != nil {
		return nil, err
	}
	files, err := templateFiles.ReadDir("templates")
	if err != nil {
		return nil, err
	}
	all := map[string]*template.Template{}
	for _, file := range files {
		name := strings.TrimSuffix(file.Name(), ".html")
		page, err := layout.Clone()
		if err == nil {
			_, err = page.ParseFS(templateFiles, "templates/"+file.Name())
		}
		if err != nil {
			return nil, err
		}
		all[name] = page
	}
	return all, nil
}

// view is what a template shows.
type view struct {
	*visit
	Page      string // name of the page, which its texts begin with
	FormToken string // hidden field of the page's forms
	Data      any    // what this page alone shows
}

// T returns a text in the language of the page, with the values of its placeholders: name, value, ….
func (v view) T(key string, args ...string) string { return v.texts.text(key, args...) }

func (v view) Lang() string     { return v.texts.tag }
func (v view) Name() string     { return v.cfg.Name }
func (v view) Logo() string     { return v.cfg.Logo }
func (v view) Style() string    { return v.cfg.Prefix + "/style.css?" + v.style.version }
func (v view) Problem() string  { return v.problem }
func (v view) Notice() string   { return v.notice }
func (v view) ReturnTo() string { return v.returnTo }
func (v view) Remember() bool   { return v.remember }

// Apps reports whether the program has connected apps.
func (v view) Apps() bool { return v.cfg.Apps != nil }

// Account returns the path of the page of the account.
func (v view) Account() string { return v.cfg.Prefix + "/account" }

// LogoutPath returns the address of the form that logs out.
func (v view) LogoutPath() string {
	_, logout := v.cookies.Paths()
	return logout + "/page"
}

// LogoutToken returns the token of the form that logs out. It is bound to the browser alone, because the
// access token may have expired by then.
func (v view) LogoutToken() (string, error) { return v.cookies.FormToken(v.w, v.r, "") }

// Device returns the name of a device.
func (v view) Device(s sessionView) string {
	switch {
	case s.Browser != "" && s.System != "":
		return v.T("account.device", "browser", s.Browser, "system", s.System)
	case s.Unknown:
		return v.T("account.unknown")
	}
	return s.Browser + s.System
}

// OTPAuth returns an address that authenticator apps open, or an error.
func (v view) OTPAuth(address string) (template.URL, error) {
	if !strings.HasPrefix(address, "otpauth://") {
		return "", errors.New("authui: the address of the second factor does not begin with otpauth://")
	}
	return template.URL(address), nil
}

// Path returns the path of a page.
func (v view) Path(page string) string { return v.path(page) }

// Has reports whether the endpoint behind a page is there.
func (v view) Has(endpoint string) bool { return v.has(endpoint) }

// Value returns what the user typed into a field of the form that is shown again.
func (v view) Value(field string) string { return v.value(field) }

// Username returns the username of the user who is logged in, which password managers look for beside a
// password, or "".
func (v view) Username() string {
	if v.principal == nil || !v.has("GET /me") {
		return ""
	}
	return v.call("GET /me", nil).User.Username
}

// Mark returns attributes of a field: whether it is the one that is wrong, what describes it, and whether the
// page begins there. first is for the field where it begins if no other is wrong; hint is the id of a text.
func (v view) Mark(field string, first bool, hint ...string) template.HTMLAttr {
	var attributes string
	if v.problem != "" && v.wrong == field {
		attributes, hint = `aria-invalid="true" `, append(hint, "problem")
	}
	if len(hint) > 0 {
		attributes += `aria-describedby="` + strings.Join(hint, " ") + `" `
	}
	if v.wrong == field && v.problem != "" || first && (v.wrong == "" || v.problem == "") {
		attributes += "autofocus"
	}
	return template.HTMLAttr(attributes) // of constants in templates
}

// show answers with a page, whose forms are bound to the browser.
func (v *visit) show(name string, data any) { v.showBound(name, "", data) }

// showBound answers with a page whose forms are bound to more than the browser.
func (v *visit) showBound(name, binding string, data any) {
	token, err := v.cookies.FormToken(v.w, v.r, binding)
	if err != nil {
		authhttp.WriteError(v.w, v.r, err)
		return
	}
	var text bytes.Buffer
	err = v.templates[name].ExecuteTemplate(&text, "layout", view{visit: v, Page: name, FormToken: token, Data: data})
	if err != nil {
		v.cfg.Logger.ErrorContext(v.r.Context(), "authui: the page could not be written", "path", v.r.URL.Path, "error", err)
		http.Error(v.w, v.texts.text("problem.failed"), http.StatusInternalServerError)
		return
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.texts.tag)
	if v.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="login"`) // RFC 9110 section 15.5.2; no browser opens a window for it
	}
	v.w.WriteHeader(v.status)
	_, _ = v.w.Write(text.Bytes())
}

//go:embed style.css
var ownStyle string

// stylesheet serves the stylesheet, whose version changes with its text.
type stylesheet struct{ text, version string }

func newStylesheet(more string) stylesheet {
	text := ownStyle + more
	sum := sha256.Sum256([]byte(text))
	return stylesheet{text, base64.RawURLEncoding.EncodeToString(sum[:12])}
}

func (s stylesheet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, tag := w.Header(), `"`+s.version+`"`
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("Content-Type", "text/css; charset=utf-8")
	h.Set("ETag", tag)
	h.Set("X-Content-Type-Options", "nosniff")
	if strings.Contains(r.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write([]byte(s.text))
}
