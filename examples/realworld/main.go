// Command realworld serves the accounts of the RealWorld API: bodies in {"user": {…}}, the e-mail address
// as the name of an account, and "Authorization: Token …".
package main

import (
	"context"
	"encoding/json"
	"log"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/memstore"
)

type server struct {
	accounts *auth.Authenticator
	users    sync.Map // what clients see of an account, by its ID
}

func (s *server) Register(ctx context.Context, email, password string) (auth.User, error) {
	name := authhttp.ExtraMember(ctx, "username")
	if name == "" {
		return auth.User{}, &authhttp.Problem{Status: 422, Detail: "username can't be blank"}
	}
	u, err := s.accounts.Register(ctx, email, password)
	s.users.Store(u.ID, map[string]string{"email": u.Username, "username": name, "bio": "", "image": ""})
	return u, err
}

func (s *server) respond(w http.ResponseWriter, r *http.Request, a authhttp.Answer) bool {
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if a.Status == http.StatusCreated { // a registration logs in as well
		a.Tokens, a.Err = s.accounts.LoginUser(r.Context(), a.User.ID, "pwd")
		a.Status = max(a.Status, auth.HTTPStatus(a.Err))
	}
	if p := a.Tokens.Principal; p != nil {
		a.User.ID, token = p.Subject(), a.Tokens.AccessToken
	}
	body := map[string]any{"errors": map[string][]string{"body": {a.Detail}}}
	if stored, ok := s.users.Load(a.User.ID); ok && a.Err == nil {
		shown := maps.Clone(stored.(map[string]string))
		shown["token"] = token
		body = map[string]any{"user": shown}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.Status)
	_ = json.NewEncoder(w).Encode(body)
	return true
}

func newHandler(ctx context.Context, keys string) (http.Handler, error) {
	store := memstore.New()
	app, err := authkit.Open(ctx, authkit.All(store), authkit.Config{Issuer: "http://localhost:8084", KeyFolder: keys})
	if err != nil {
		return nil, err
	}
	guard, err := auth.NewMiddleware(app.Accounts, auth.MiddlewareConfig{Extractors: []auth.Extractor{auth.AuthorizationScheme("Token")}})
	s := &server{accounts: app.Accounts}
	cfg := authhttp.Config{Envelope: "user", Members: map[string]string{"username": "email"}, Extra: []string{"username"}, Respond: s.respond}
	mux := http.NewServeMux()
	mux.Handle("POST /api/users", authhttp.Register(s, cfg))
	mux.Handle("POST /api/users/login", authhttp.Login(app.Accounts, cfg))
	mux.Handle("GET /api/user", authhttp.Me(store, guard, cfg))
	return mux, err
}

func main() {
	handler, err := newHandler(context.Background(), "keys")
	if err != nil {
		log.Fatal(err)
	}
	server := http.Server{Addr: "localhost:8084", Handler: handler, ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second}
	log.Fatal(server.ListenAndServe())
}
