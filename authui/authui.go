package authui

import (
	"cmp"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/cfgerr"
)

// Config configures [Pages]. Its zero value gives plain pages in English and German.
type Config struct {
	// Name is the name of the program, which stands at the top of each page and in its title. "": none.
	Name string

	// Logo is the picture at the top of each page: a path of this host, such as "/logo.svg", or an https
	// URL. It is decoration beside Name, 40 pixels high. "": none.
	Logo string

	// Style is CSS that follows the package's own stylesheet, at the same address. A few lines are enough:
	// they set the variables that stylesheet begins with, such as --accent, for light and for dark. At most
	// 256 KiB.
	Style string

	// Prefix is the path that all pages stand below, without a slash at its end. "": the root, as in /login.
	Prefix string

	// Home is the path where users are led who are logged in and came from nowhere else. "": the page of the
	// account.
	Home string

	// ReturnTo opens what the parameter return_to of the login page holds: where the user came from. It
	// returns false for what this program has not sealed, so that nobody makes a link to the login page that
	// leads elsewhere afterwards. The method ReturnTo of an oauth.Server is one. The path must be one of this
	// host; any other leads to Home. nil: return_to is ignored.
	ReturnTo func(sealed string) (path string, ok bool)

	// Apps are the connected apps of users, which the page of the account lists, and whose access it ends. An
	// [oauth.Server] is one. nil: the page has no such part.
	Apps Apps

	// Languages adds languages to those of the package, or replaces its texts: see [Messages]. The key is a
	// language tag (BCP 47), such as "fr" or "pt-BR". A page has the language that the browser's
	// Accept-Language asks for first of all that are there, or Language.
	Languages map[string]Messages

	// Language is the language of pages for browsers that ask for none of those that are there. "": "en".
	Language string

	// Endpoints are the endpoints of package authhttp that have pages, as for [authhttp.Mount]. nil: all
	// that the configuration of the endpoints allows. Leave out [authhttp.EndpointRegister], for example,
	// where users cannot create their accounts themselves.
	Endpoints []authhttp.Endpoint

	// Logger receives an error where a page could not be made. nil: [slog.Default].
	Logger *slog.Logger
}

// Pages are the pages of a program. They are immutable and safe for concurrent use. Make them with [New].
type Pages struct {
	accounts  *auth.Authenticator
	guard     *auth.Middleware
	cookies   *authhttp.Cookies
	remember  bool           // users choose whether they stay logged in
	endpoints *http.ServeMux // authhttp's endpoints, without a prefix

	cfg       Config
	languages *languages
	templates map[string]*template.Template
	style     stylesheet
	policy    string // Content-Security-Policy, without form-action
}

// New returns the pages for these accounts. guard is the middleware that lets browsers pass by their cookies,
// and endpoints is what [authhttp.Mount] has for the same program. It must have Cookies. Its names of members
// and its Respond are for clients of the endpoints, and do not concern the pages.
//
// It returns every fault of the configuration as a [*cfgerr.Error].
func New(accounts *auth.Authenticator, guard *auth.Middleware, endpoints authhttp.MountConfig, cfg Config) (*Pages, error) {
	faults := cfgerr.Faults{Prefix: "authui."}
	faults.Require("New.accounts", accounts != nil)
	faults.Require("New.guard", guard != nil)
	faults.Require("New.endpoints.Cookies", endpoints.Cookies != nil)
	p := &Pages{accounts: accounts, guard: guard, cookies: endpoints.Cookies, remember: endpoints.Unremembered != nil, cfg: cfg}
	p.check(&faults)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	var err error
	if p.templates, err = parseTemplates(); err != nil {
		return nil, err // cannot be: a test parses them
	}
	p.endpoints = http.NewServeMux()
	endpoints.Members, endpoints.Envelope, endpoints.Respond = nil, "", keepAnswer
	return p, authhttp.Mount(p.endpoints, "", accounts, guard, endpoints, cfg.Endpoints...)
}

// check adds each fault of the configuration, and puts defaults in the place of what was not given.
func (p *Pages) check(faults *cfgerr.Faults) {
	cfg := &p.cfg
	if cfg.Prefix != "" && !isLocalPath(cfg.Prefix) || strings.ContainsAny(cfg.Prefix, "{}?#%") || path.Clean("/"+cfg.Prefix) != cmp.Or(cfg.Prefix, "/") {
		faults.Add("Config.Prefix", cfg.Prefix, "must be empty or a path like /accounts, in its shortest form")
	}
	cfg.Home = cmp.Or(cfg.Home, cfg.Prefix+"/account")
	if !isLocalPath(cfg.Home) {
		faults.Add("Config.Home", cfg.Home, "must be a path of this host, like /notes")
	}
	p.policy = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; img-src 'self'"
	switch logo, err := url.Parse(cfg.Logo); {
	case cfg.Logo == "" || isLocalPath(cfg.Logo):
	case err != nil || logo.Scheme != "https" || logo.Host == "" || logo.User != nil || strings.ContainsAny(logo.Host, ";, '\""):
		faults.Add("Config.Logo", cfg.Logo, "must be a path of this host, like /logo.svg, or an https URL")
	default:
		p.policy += " https://" + logo.Host
	}
	if p.style = newStylesheet(cfg.Style); len(cfg.Style) > 256<<10 {
		faults.Add("Config.Style", fmt.Sprint(len(cfg.Style), " bytes"), "must be at most 256 KiB")
	}
	p.languages = newLanguages(cfg.Languages, cmp.Or(cfg.Language, "en"), faults)
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
}

// isLocalPath reports whether a browser that is sent to s stays on this host.
func isLocalPath(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") {
		return false
	}
	return !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == '\\' || c > '~' })
}

// page is one page of a program: its path below the prefix, the endpoint that it needs, and its handlers.
type page struct {
	path      string
	needs     string // method and path of an endpoint of authhttp; "": none
	account   bool   // for users who are logged in
	get, post func(*visit)
}

// pages returns all pages.
func (p *Pages) pages() []page {
	return append(p.accountPages(), []page{
		{path: "/login", needs: "POST /login", get: p.showLogin, post: p.login},
		{path: "/login/code", needs: "POST /login/mfa", post: p.loginCode},
		{path: "/login/mail", needs: "POST /login/link/request", get: p.showMailLogin, post: p.requestMailLogin},
		{path: "/login/mail/code", needs: "POST /login/code", post: p.loginByCode},
		{path: "/register", needs: "POST /register", get: p.showRegister, post: p.register},
		{path: "/forgot", needs: "POST /password/forgot", get: p.showForgot, post: p.forgot},
		{path: "/reset", needs: "POST /password/reset", get: p.showReset, post: p.reset},
		{path: "/verify", needs: "POST /verify", get: p.showVerify, post: p.verify},
		{path: "/change", needs: "POST /address/confirm", get: p.showChange, post: p.change},
	}...)
}

// Mount puts the pages on mux, which sees the paths as browsers do. It returns a [*cfgerr.Error] if a pattern
// collides with one that is on mux.
func (p *Pages) Mount(mux *http.ServeMux) error {
	if mux == nil {
		return &cfgerr.Error{Field: "authui.Mount.mux", Reason: "is required"}
	}
	refresh, logout := p.cookies.Paths()
	patterns := map[string]http.Handler{
		"GET " + p.cfg.Prefix + "/style.css": p.style,
		"GET " + refresh + "/page":           http.HandlerFunc(p.resume),
		"POST " + logout + "/page":           http.HandlerFunc(p.logout),
	}
	for _, page := range p.pages() {
		if page.needs != "" && !p.has(page.needs) {
			continue
		}
		if page.get != nil {
			patterns["GET "+p.cfg.Prefix+page.path] = p.serve(page, http.MethodGet)
		}
		if page.post != nil {
			patterns["POST "+p.cfg.Prefix+page.path] = p.serve(page, http.MethodPost)
		}
	}
	for pattern, handler := range patterns {
		if err := handle(mux, pattern, handler); err != nil {
			return err
		}
	}
	return nil
}

// handle registers a handler. A mux panics if patterns collide, which is a fault of the configuration like
// any other.
func handle(mux *http.ServeMux, pattern string, h http.Handler) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = &cfgerr.Error{Field: "authui.Mount.mux", Value: pattern, Reason: fmt.Sprint("has a pattern that collides: ", reason)}
		}
	}()
	mux.Handle(pattern, h)
	return nil
}
