// Command authboss is the application of the comparison on authboss, as its README and its sample have it:
// HTML forms, with the sample's renderer, session store and protection against CSRF, and with the modules
// that the application needs.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/go-chi/chi/v5"
	"github.com/gorilla/securecookie"
	"github.com/justinas/nosurf"
	abclientstate "github.com/volatiletech/authboss-clientstate"
	abrenderer "github.com/volatiletech/authboss-renderer"
	"github.com/volatiletech/authboss/v3"
	_ "github.com/volatiletech/authboss/v3/auth"
	"github.com/volatiletech/authboss/v3/defaults"
	"github.com/volatiletech/authboss/v3/lock"
	_ "github.com/volatiletech/authboss/v3/logout"
	_ "github.com/volatiletech/authboss/v3/recover"
	_ "github.com/volatiletech/authboss/v3/register"
	"github.com/volatiletech/authboss/v3/remember"
)

func main() {
	ab := authboss.New()
	ab.Config.Storage.Server = NewMemStorer()
	ab.Config.Storage.SessionState = abclientstate.NewSessionStorer("headtohead", securecookie.GenerateRandomKey(64), nil)
	ab.Config.Storage.CookieState = abclientstate.NewCookieStorer(securecookie.GenerateRandomKey(64), nil)
	ab.Config.Paths.Mount = "/auth"
	ab.Config.Paths.RootURL = "http://localhost:8080"
	ab.Config.Modules.LogoutMethod = "POST"
	ab.Config.Core.ViewRenderer = abrenderer.NewHTML("/auth", "ab_views")
	ab.Config.Core.MailRenderer = abrenderer.NewEmail("/auth", "ab_views")
	defaults.SetCore(&ab.Config, false, false)
	if err := ab.Init(); err != nil {
		log.Fatal(err)
	}

	mux := chi.NewRouter()
	mux.Use(nosurf.NewPure, ab.LoadClientStateMiddleware, remember.Middleware(ab), injectToken)
	mux.Group(func(mux chi.Router) {
		mux.Use(authboss.Middleware2(ab, authboss.RequireNone, authboss.RespondUnauthorized), lock.Middleware(ab))
		mux.Get("/profile", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintln(w, "you are", ab.CurrentUserP(r).GetPID())
		})
	})
	mux.Group(func(mux chi.Router) {
		mux.Use(authboss.ModuleListMiddleware(ab))
		mux.Mount("/auth", http.StripPrefix("/auth", ab.Config.Core.Router))
	})
	log.Fatal(http.ListenAndServe(os.Getenv("ADDR"), mux))
}

// injectToken gives the pages the token that their forms send against CSRF.
func injectToken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data := authboss.HTMLData{"csrf_token": nosurf.Token(r)}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), authboss.CTXKeyData, data)))
	})
}
