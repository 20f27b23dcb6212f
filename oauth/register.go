package oauth

import (
	"context"
	"github.com/seed-e36e2130/auth/cfgerr"
	"net/http"
)

type Register struct{ PerHour int }

func (r *Register) on() bool                                      { return r.PerHour > 0 }
func (r *Register) check(*cfgerr.Faults)                          {}
func (s *Server) register(w http.ResponseWriter, r *http.Request) {}
func (s *Server) registered(ctx context.Context, id string) (*client, error) {
	return nil, errUnknownClient
}
func (s *Server) stillThere(r *http.Request, req request) (*client, error) {
	return s.client(r.Context(), req.Client, s.clientIP(r))
}
