// Command auth is the application of the comparison on this library, as README.md begins it, with
// cookies for browsers.
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/recovery"
)

func main() {
	store := memstore.New()
	app, err := authkit.Open(context.Background(), authkit.All(store), authkit.Config{
		Issuer:    "http://localhost:8080",
		KeyFolder: "keys",
		Notifier:  recovery.DangerouslyLog(slog.Default()),
		Cookies:   &authhttp.CookieConfig{},
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/auth/", app.Handler())
	http.Handle("GET /profile", app.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := auth.FromContext(r.Context())
		user, err := store.UserByID(r.Context(), caller.Subject())
		if err != nil {
			http.Error(w, "the profile cannot be read", auth.HTTPStatus(err))
			return
		}
		fmt.Fprintln(w, "you are", user.Username)
	})))
	server := http.Server{Addr: os.Getenv("ADDR"), ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second}
	log.Fatal(server.ListenAndServe())
}
