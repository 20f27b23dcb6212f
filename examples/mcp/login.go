package main

import (
	"net/http"
	"strings"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authui"
)

// openPages makes the cookies of browsers, and what reads them. A login is for this service itself: its access
// tokens open no resource.
func (s *server) openPages() (err error) {
	s.cookies, err = authhttp.NewCookies(authhttp.CookieConfig{
		RefreshPath: s.path() + "/refresh", DangerouslyInsecureLocalhost: strings.HasPrefix(s.opts.issuer, "http:"),
	})
	if err != nil {
		return err
	}
	s.browsers, err = auth.NewMiddleware(s.accounts, auth.MiddlewareConfig{Extractors: []auth.Extractor{s.cookies.Extractor()}})
	return err
}

// mountPages serves the pages for people, and what programs of the same origin call: logout, a new password.
func (s *server) mountPages(mux *http.ServeMux) error {
	cfg := authhttp.MountConfig{Config: authhttp.Config{Cookies: s.cookies, ClientIP: s.clientIP}, Users: s.store}
	var err error
	s.pages, err = authui.New(s.accounts, s.browsers, cfg, authui.Config{
		Name: "Notes", Prefix: s.path(), ReturnTo: s.oauth.ReturnTo, Apps: s.oauth,
		Endpoints: []authhttp.Endpoint{
			authhttp.EndpointLogin, authhttp.EndpointRefresh, authhttp.EndpointLogout, authhttp.EndpointMe,
			authhttp.EndpointSessions, authhttp.EndpointPassword, authhttp.EndpointStepUp,
		},
	})
	if err == nil {
		err = s.pages.Mount(mux)
	}
	if err != nil {
		return err
	}
	mux.Handle("GET "+s.path()+"/{$}", http.RedirectHandler(s.path()+"/account", http.StatusSeeOther))
	return authhttp.Mount(mux, s.path(), s.accounts, s.browsers, cfg,
		authhttp.EndpointRefresh, authhttp.EndpointLogout, authhttp.EndpointPassword)
}
