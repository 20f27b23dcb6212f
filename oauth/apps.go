package oauth

import (
	"errors"
	"net/http"
	"time"

	"github.com/seed-e36e2130/auth"
)

// app is a connected app, as its user sees it.
type app struct {
	ID         string    `json:"id"`
	ClientID   string    `json:"client_id"`
	ClientName string    `json:"client_name"`
	Resource   string    `json:"resource"`
	Scopes     []string  `json:"scopes"`
	Created    time.Time `json:"created"`
	LastUsed   time.Time `json:"last_used"`
}

// listApps answers the browser of a user with their grants, the newest first.
func (s *Server) listApps(w http.ResponseWriter, r *http.Request) {
	user, err := s.loggedIn(r)
	var grants []Grant
	if err == nil {
		grants, err = s.Grants(r.Context(), user.Subject())
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	apps := make([]app, 0, len(grants))
	for _, g := range grants {
		apps = append(apps, app{g.ID, g.ClientID, g.ClientName, g.Resource, g.Scopes, g.Created, g.LastUsed})
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, map[string][]app{"apps": apps})
}

// endApp ends a grant of the user, if a page of the same origin asks for it.
func (s *Server) endApp(w http.ResponseWriter, r *http.Request) {
	r = s.withDevice(r)
	user, err := s.loggedIn(r)
	if err == nil && !s.sameOrigin(r) {
		err = &refusal{Code: "access_denied", Description: "the request comes from another site", status: http.StatusForbidden}
	}
	if err == nil {
		err = s.EndGrant(r.Context(), user.Subject(), r.PathValue("id"))
	}
	if errors.Is(err, ErrGrantNotFound) {
		err = &refusal{Code: "not_found", Description: "there is no such app", status: http.StatusNotFound}
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

// loggedIn returns who is logged in to the browser, or an error that says that nobody is.
func (s *Server) loggedIn(r *http.Request) (*auth.Principal, error) {
	user, err := s.user(r)
	if err == nil && user == nil {
		err = &refusal{Code: "login_required", Description: "nobody is logged in", status: http.StatusUnauthorized}
	}
	return user, err
}
