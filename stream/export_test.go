package stream

import (
	"net/http"
	"time"

	"github.com/seed-e36e2130/auth"
)

// CheckAll asks about every stream, as the goroutine of s does.
func (s *Streams) CheckAll() { s.checkAll(time.Now(), make(chan struct{}, 1)) }

// BeginRequest does what the handler of [Streams.Wrap] does before it calls the next one.
func (s *Streams) BeginRequest(w http.ResponseWriter, r *http.Request, policy Policy) (*http.Request, error) {
	caller, _ := auth.FromContext(r.Context())
	o, err := s.begin(r.Context(), caller, policy, w)
	if err != nil {
		return nil, err
	}
	return r.WithContext(o), nil
}

// FinishRequest does what that handler does after it has called the next one.
func (s *Streams) FinishRequest(r *http.Request) { s.finish(r.Context().(*open)) }
