package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/passwords"
)

// browserLife is how long a browser stays logged in.
const browserLife = 12 * time.Hour

// mountPages serves the pages for people: login, logout, a new password.
func (s *server) mountPages(mux *http.ServeMux) {
	path := s.path()
	mux.HandleFunc("GET "+path+"/{$}", s.home)
	mux.HandleFunc("GET "+path+"/login", s.loginPage)
	mux.HandleFunc("POST "+path+"/login", s.ownPages(s.logIn))
	mux.HandleFunc("POST "+path+"/logout", s.ownPages(s.logOut))
	mux.HandleFunc("POST "+path+"/password", s.ownPages(s.changePassword))
}

// ownPages refuses what a page of another site sends.
func (s *server) ownPages(next http.HandlerFunc) http.HandlerFunc {
	protection := http.NewCrossOriginProtection()
	return func(w http.ResponseWriter, r *http.Request) {
		if err := protection.Check(r); err != nil {
			http.Error(w, "this request comes from another site", http.StatusForbidden)
			return
		}
		device := auth.Device{UserAgent: r.UserAgent()}
		if s.clientIP != nil {
			device.IP = s.clientIP(r)
		}
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		next(w, r.WithContext(auth.WithDevice(r.Context(), device)))
	}
}

// cookie returns a cookie for the browser's session. On https no other host can set it.
func (s *server) cookie(name, value string, life time.Duration) *http.Cookie {
	https := strings.HasPrefix(s.opts.issuer, "https:")
	if https {
		name = "__Host-" + name
	}
	c := &http.Cookie{Name: name, Value: value, Path: "/", Secure: https, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(life.Seconds())}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// read returns the value of a cookie of [server.cookie].
func (s *server) read(r *http.Request, name string) string {
	if c, err := r.Cookie(s.cookie(name, "", 0).Name); err == nil {
		return c.Value
	}
	return ""
}

// user returns who is logged in to a browser. The cookie has an access token for this service itself, which
// no resource accepts.
func (s *server) user(r *http.Request) (*auth.Principal, error) {
	token := s.read(r, "login")
	if token == "" {
		return nil, auth.ErrNoCredentials
	}
	return s.tokens.Verify(r.Context(), token)
}

// loginPage shows the form. Its secret is in a cookie, too, which another site's form does not send.
func (s *server) loginPage(w http.ResponseWriter, r *http.Request) {
	s.showLogin(w, r, r.FormValue("return_to"), "", http.StatusOK)
}

func (s *server) showLogin(w http.ResponseWriter, r *http.Request, returnTo, message string, status int) {
	secret := s.read(r, "form")
	if secret == "" {
		secret = rand.Text()
		http.SetCookie(w, s.cookie("form", secret, browserLife))
	}
	page(w, status, loginForm, map[string]string{"Action": s.path() + "/login", "ReturnTo": returnTo, "Secret": secret, "Message": message})
}

// logIn logs a browser in, and goes on to where the user came from.
func (s *server) logIn(w http.ResponseWriter, r *http.Request) {
	returnTo := r.PostFormValue("return_to")
	if secret := s.read(r, "form"); secret == "" || r.PostFormValue("form") != secret {
		s.showLogin(w, r, returnTo, "Please try again: the form was too old.", http.StatusForbidden)
		return
	}
	tokens, err := s.accounts.Login(r.Context(), r.PostFormValue("username"), r.PostFormValue("password"))
	switch {
	case errors.Is(err, auth.ErrInvalidCredentials):
		s.showLogin(w, r, returnTo, "Wrong name or password.", http.StatusUnauthorized)
		return
	case err != nil:
		page(w, auth.HTTPStatus(err), messagePage, "This did not work. Try again in a moment.")
		return
	}
	http.SetCookie(w, s.cookie("login", tokens.AccessToken, browserLife))
	http.SetCookie(w, s.cookie("form", "", 0))
	to, ok := s.oauth.ReturnTo(returnTo)
	if !ok {
		to = s.path() + "/"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// logOut ends the login of the browser. Connected apps go on.
func (s *server) logOut(w http.ResponseWriter, r *http.Request) {
	if p, err := s.user(r); err == nil {
		if err := s.accounts.EndSession(r.Context(), p.Subject(), p.SessionID()); err != nil && !errors.Is(err, auth.ErrSessionNotFound) {
			authhttp.WriteError(w, r, err)
			return
		}
	}
	http.SetCookie(w, s.cookie("login", "", 0))
	http.Redirect(w, r, s.path()+"/login", http.StatusSeeOther)
}

// changePassword takes the JSON object {"current_password", "new_password"}. It ends all logins and all
// connected apps.
func (s *server) changePassword(w http.ResponseWriter, r *http.Request) {
	p, err := s.user(r)
	if err != nil {
		authhttp.WriteError(w, r, err)
		return
	}
	var change struct {
		Current string `json:"current_password"`
		New     string `json:"new_password"`
	}
	if err := json.NewDecoder(r.Body).Decode(&change); err != nil {
		http.Error(w, "the body must be a JSON object", http.StatusBadRequest)
		return
	}
	tokens, err := s.accounts.ChangePassword(r.Context(), p.Subject(), change.Current, change.New)
	if broken, ok := errors.AsType[*passwords.Error](err); ok {
		http.Error(w, broken.Error(), http.StatusBadRequest)
		return
	}
	if err != nil {
		authhttp.WriteError(w, r, err)
		return
	}
	http.SetCookie(w, s.cookie("login", tokens.AccessToken, browserLife))
	w.WriteHeader(http.StatusNoContent)
}

// home says who is logged in.
func (s *server) home(w http.ResponseWriter, r *http.Request) {
	p, err := s.user(r)
	if err != nil {
		http.Redirect(w, r, s.path()+"/login", http.StatusSeeOther)
		return
	}
	name, err := s.accountName(r.Context(), p.Subject())
	if err != nil {
		authhttp.WriteError(w, r, err)
		return
	}
	page(w, http.StatusOK, homePage, map[string]string{"Name": name, "Logout": s.path() + "/logout"})
}
