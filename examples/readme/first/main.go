package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/recovery"
)

func main() {
	store := authkit.All(memstore.New()) // accounts and sessions; for a database: package sqlstore
	app, err := authkit.Open(context.Background(), store, authkit.Config{
		Issuer:    "http://localhost:8080",                 // the URL of this service
		KeyFolder: "keys",                                  // created at the first start
		Notifier:  recovery.DangerouslyLog(slog.Default()), // writes mails to the log; to send them: package smtpnotify
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/auth/", app.Handler())
	http.Handle("GET /profile", app.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := auth.FromContext(r.Context()) // always present behind Require
		fmt.Fprintf(w, "you are %s\n", caller.Subject())
	})))
	server := http.Server{Addr: "localhost:8080", ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second}
	log.Fatal(server.ListenAndServe())
}
