package authui

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
)

// reply is the answer of an endpoint to a call from a page. It is the ResponseWriter of that call.
type reply struct {
	authhttp.Answer
	header http.Header
	path   string // of the endpoint
	kept   bool   // Answer is the endpoint's; otherwise its middleware answered
}

func (re *reply) Header() http.Header { return re.header }

func (re *reply) WriteHeader(status int) {
	if re.Status == 0 {
		re.Status = status
	}
}

func (re *reply) Write(text []byte) (int, error) {
	re.WriteHeader(http.StatusOK)
	return len(text), nil
}

type replyKey struct{}

// keepAnswer is the Respond of the endpoints: it gives their answer to the page that called them.
func keepAnswer(_ http.ResponseWriter, r *http.Request, a authhttp.Answer) bool {
	re, ok := r.Context().Value(replyKey{}).(*reply)
	if ok {
		re.Answer, re.kept = a, true
	}
	return ok
}

// has reports whether an endpoint is mounted.
func (p *Pages) has(endpoint string) bool {
	method, path, _ := strings.Cut(endpoint, " ")
	_, pattern := p.endpoints.Handler(&http.Request{Method: method, Host: "localhost", URL: &url.URL{Path: path}})
	return pattern == endpoint
}

// call calls an endpoint for the browser of r: with its cookies, its address, and what it says about where
// the request comes from. A nil body is none.
func (p *Pages) call(w http.ResponseWriter, r *http.Request, endpoint string, body map[string]string) *reply {
	method, path, _ := strings.Cut(endpoint, " ")
	re := &reply{header: http.Header{}, path: path}
	in := r.Clone(context.WithValue(r.Context(), replyKey{}, re))
	in.Method, in.URL, in.RequestURI = method, &url.URL{Path: path}, path
	in.Form, in.PostForm, in.MultipartForm, in.TransferEncoding = nil, nil, nil, nil
	for _, name := range []string{"Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding"} {
		in.Header.Del(name)
	}
	in.Body, in.ContentLength = http.NoBody, 0
	if body != nil {
		text, _ := json.Marshal(body) // strings alone
		in.Header.Set("Content-Type", "application/json")
		in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	}
	p.endpoints.ServeHTTP(re, in)
	for _, name := range []string{"Set-Cookie", "Retry-After"} {
		for _, value := range re.header[name] {
			w.Header().Add(name, value)
		}
	}
	return re
}

// ok reports whether the endpoint did what it was asked to do.
func (re *reply) ok() bool { return re.Status >= 200 && re.Status < 300 }

// needsProof reports whether the user must prove the identity again.
func (re *reply) needsProof() bool {
	return strings.Contains(re.header.Get("WWW-Authenticate"), `error="insufficient_user_authentication"`)
}

// mfaToken returns the token of a login whose second factor is due.
func (re *reply) mfaToken() (string, bool) {
	required, ok := errors.AsType[*auth.MFARequiredError](re.Err)
	if !ok {
		return "", false
	}
	return required.Token, true
}

// decode reads the body of the answer.
func (re *reply) decode(v any) error {
	text, err := json.Marshal(re.Body)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}
