// Command rbac is the server of a small AI application with roles: viewers read prompts, editors write them, and
// administrators manage models and users. It keeps everything in memory, and prints the curl commands to type next.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/roles"
)

// policy says what each role permits. An owner may delete what is their own.
var policy = roles.Policy{
	"viewer": {"prompts:read", "models:list"},
	"editor": {roles.Includes("viewer"), "prompts:write"},
	"admin":  {roles.Includes("editor"), "prompts:delete", "models:*", "users:*", roles.Assign},
	"owner":  {"prompts:delete"},
}

func main() {
	addr := flag.String("addr", "localhost:8085", "address to listen on")
	flag.Parse()
	keys, err := os.MkdirTemp("", "rbac")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(keys)
	ctx, password := context.Background(), rand.Text()
	s, err := newServer(ctx, keys, password, authkit.Config{})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf(next, "http://"+listener.Addr().String(), password)
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	log.Fatal(server.Serve(listener))
}

type server struct {
	*http.ServeMux
	app   *authkit.App
	users auth.UserStore

	mu      sync.Mutex
	prompts []prompt
	model   string
}

type prompt struct {
	Owner string `json:"owner"`
	Text  string `json:"text"`
}

// newServer returns the application, with a first administrator.
func newServer(ctx context.Context, keys, password string, cfg authkit.Config) (*server, error) {
	store := memstore.New()
	cfg.Issuer, cfg.KeyFolder, cfg.Policy, cfg.Roles.Owner = "https://rbac.example", keys, policy, "owner"
	// Agents get some of the scopes of their user's token, and may do with them what their user may do.
	cfg.Accounts.Claims = func(_ context.Context, _ auth.User, c *auth.Claims) error {
		c.Scopes = []string{"prompts:read", "prompts:write"}
		return nil
	}
	app, err := authkit.Open(ctx, authkit.All(store), cfg)
	if err != nil {
		return nil, err
	}
	s := &server{ServeMux: http.NewServeMux(), app: app, users: store, model: "small"}
	s.Handle("/", app.Handler())
	for _, route := range []struct {
		pattern, permission string
		handler             http.HandlerFunc
	}{
		{"GET /prompts", "prompts:read", s.listPrompts},
		{"POST /prompts", "prompts:write", s.addPrompt},
		{"GET /models", "models:list", s.listModels},
		{"PUT /models/{name}", "models:choose", s.chooseModel},
		{"GET /users/{name}/roles", "users:read", s.listRoles},
		{"PUT /users/{name}/roles/{role}", string(roles.Assign), s.grant},
		{"DELETE /users/{name}/roles/{role}", string(roles.Assign), s.take},
	} {
		s.Handle(route.pattern, app.Roles.Require(app.Middleware, route.permission)(route.handler))
	}
	s.Handle("DELETE /prompts/{number}", app.Require(http.HandlerFunc(s.deletePrompt))) // asks in the handler
	if err := app.Roles.Uses("prompts:delete"); err != nil {
		return nil, err
	}
	if unused := app.Roles.Unused(); len(unused) > 0 {
		return nil, fmt.Errorf("no route asks for %q", unused)
	}
	admin, err := app.Accounts.Register(ctx, "admin", password)
	if err != nil {
		return nil, err
	}
	return s, app.Roles.GrantByOperator(ctx, roles.Assignment{UserID: admin.ID, Role: "admin"})
}

func (s *server) listPrompts(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reply(w, s.prompts)
}

func (s *server) addPrompt(w http.ResponseWriter, r *http.Request) {
	caller, _ := auth.FromContext(r.Context())
	text := http.MaxBytesReader(w, r.Body, 4096)
	var body struct{ Text string }
	if err := json.NewDecoder(text).Decode(&body); err != nil {
		http.Error(w, "the body must be a JSON object with a text", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.prompts) == 1000 {
		http.Error(w, "there are too many prompts", http.StatusConflict)
		return
	}
	s.prompts = append(s.prompts, prompt{caller.Subject(), body.Text})
	w.WriteHeader(http.StatusCreated)
}

// deletePrompt lets administrators delete every prompt, and owners their own.
func (s *server) deletePrompt(w http.ResponseWriter, r *http.Request) {
	caller, _ := auth.FromContext(r.Context())
	s.mu.Lock()
	defer s.mu.Unlock()
	number, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || number < 0 || number >= len(s.prompts) {
		http.NotFound(w, r)
		return
	}
	err = s.app.Roles.CheckOn(r.Context(), caller, "prompts:delete", roles.Resource{Owner: s.prompts[number].Owner})
	if err != nil {
		refuse(w, err)
		return
	}
	s.prompts = append(s.prompts[:number], s.prompts[number+1:]...)
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) listModels(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reply(w, map[string]any{"models": []string{"small", "large"}, "chosen": s.model})
}

func (s *server) chooseModel(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if name != "small" && name != "large" {
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.model = name
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) listRoles(w http.ResponseWriter, r *http.Request) {
	s.withUser(w, r, func(id string) error {
		list, err := s.app.Roles.ByUser(r.Context(), id)
		names := []string{}
		for _, a := range list {
			names = append(names, a.Role)
		}
		if err == nil {
			reply(w, names)
		}
		return err
	})
}

func (s *server) grant(w http.ResponseWriter, r *http.Request) {
	caller, _ := auth.FromContext(r.Context())
	s.withUser(w, r, func(id string) error {
		err := s.app.Roles.Grant(r.Context(), caller, roles.Assignment{UserID: id, Role: r.PathValue("role")})
		if err == nil {
			w.WriteHeader(http.StatusNoContent)
		}
		return err
	})
}

func (s *server) take(w http.ResponseWriter, r *http.Request) {
	caller, _ := auth.FromContext(r.Context())
	s.withUser(w, r, func(id string) error {
		err := s.app.Roles.Take(r.Context(), caller, id, r.PathValue("role"), "")
		if err == nil {
			w.WriteHeader(http.StatusNoContent)
		}
		return err
	})
}

// withUser calls f with the ID of the user whose name is in the path, and answers its error.
func (s *server) withUser(w http.ResponseWriter, r *http.Request, f func(id string) error) {
	name, err := auth.CanonicalUsername(r.PathValue("name"))
	if err == nil {
		var u auth.User
		if u, err = s.users.UserByUsername(r.Context(), name); err == nil {
			err = f(u.ID)
		}
	}
	if err != nil {
		refuse(w, err)
	}
}

// refuse answers an error. What the caller may know stands in the errors of package roles.
func refuse(w http.ResponseWriter, err error) {
	for _, told := range []struct {
		err    error
		status int
	}{
		{roles.ErrInvalid, http.StatusUnprocessableEntity}, {roles.ErrExclusive, http.StatusConflict},
		{roles.ErrLast, http.StatusConflict}, {roles.ErrNotAssigned, http.StatusNotFound},
	} {
		if errors.Is(err, told.err) {
			http.Error(w, err.Error(), told.status)
			return
		}
	}
	status := auth.HTTPStatus(err)
	if status >= 500 {
		log.Print(err)
	}
	http.Error(w, http.StatusText(status), status)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// next says what to type next.
const next = `Ready. Type this in another terminal; each line prints a status:

S=%[1]s; curl() { command curl -s -o /dev/null -w '%%{http_code}\n' "$@"; }
login() { command curl -s $S/auth/login -d "username=$1" -d "password=$2" | sed 's/.*"access_token":"\([^"]*\)".*/\1/'; }
curl $S/auth/register -H 'Content-Type: application/json' -d '{"username":"bob","password":"correct horse battery"}'
ADMIN=$(login admin %[2]s); BOB=$(login bob 'correct horse battery')
curl $S/prompts -H "Authorization: Bearer $BOB"
curl -X PUT $S/users/bob/roles/editor -H "Authorization: Bearer $ADMIN"
curl $S/prompts -H "Authorization: Bearer $BOB"
BOB=$(login bob 'correct horse battery')
curl $S/prompts -H "Authorization: Bearer $BOB" -d '{"text":"Say hello"}'
curl -X PUT $S/models/large -H "Authorization: Bearer $BOB"
curl -X PUT $S/models/large -H "Authorization: Bearer $ADMIN"
curl -X DELETE $S/prompts/0 -H "Authorization: Bearer $BOB"
curl -X DELETE $S/users/admin/roles/admin -H "Authorization: Bearer $ADMIN"
`
