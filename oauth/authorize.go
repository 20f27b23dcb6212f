package oauth

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/oauth/internal/redirect"
)

// request is an authorization request that was found in order. It travels through the pages, sealed.
type request struct {
	Client    string   `json:"c"`
	Redirect  string   `json:"r"`           // as it was sent, or the only one that is registered
	Given     bool     `json:"g,omitempty"` // the client has sent Redirect
	Resource  string   `json:"a"`
	Scopes    []string `json:"s"`
	State     string   `json:"t,omitempty"`
	Challenge string   `json:"p"`
	Proven    bool     `json:"k,omitempty"` // the client must authenticate

	// Of the page that asks.
	Nonce   string `json:"n,omitempty"`
	User    string `json:"u,omitempty"`
	Session string `json:"l,omitempty"`
}

const (
	offlineAccess = "offline_access"

	// loginTime is how long a user may take to log in, askTime how long to decide.
	loginTime, askTime = time.Hour, time.Hour

	maxQuery = 16 << 10 // bounds an authorization request
)

// authorize is the authorization endpoint (OAuth 2.1 section 4.1.1).
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	r = s.withDevice(r)
	if wait := s.limits.authorize.take(networks(s.clientIP(r))...); wait > 0 {
		s.show(w, r, tooMany(wait))
		return
	}
	if len(r.URL.RawQuery) > maxQuery {
		s.show(w, r, &refusal{Code: "invalid_request", Description: "the request is too long", status: http.StatusRequestURITooLong})
		return
	}
	f, values, faulty := parseForm(r.URL.RawQuery, "resource")
	if values == nil { // broken encoding: no parameter can be believed
		s.show(w, r, faulty)
		return
	}
	user, err := s.user(r)
	silent := values.Get("prompt") == "none"
	switch {
	case err != nil:
		s.show(w, r, err)
		return
	case user == nil && !silent:
		s.toLogin(w, r, s.base+pathAuthorize+"?"+r.URL.RawQuery)
		return
	}
	c, req, err := s.destination(r, values, user != nil)
	if err != nil {
		s.show(w, r, err)
		return
	}
	if user == nil {
		err = refuse("login_required", "nobody is logged in")
	} else if err = faulty; err == nil {
		err = s.complete(c, &req, f, values)
	}
	if err != nil {
		s.answerError(w, r, req, err)
		return
	}
	s.ask(w, r, user, c, req, strings.Fields(f["prompt"]))
}

// user returns who is logged in to the browser in person, or nil: a key or an agent must not give away more
// than it was given (decision 0126).
func (s *Server) user(r *http.Request) (*auth.Principal, error) {
	p, err := s.cfg.User(r)
	switch {
	case errors.Is(err, auth.ErrNoCredentials) || errors.Is(err, auth.ErrInvalidToken):
		return nil, nil
	case err != nil:
		return nil, err
	case p == nil || p.Kind() != auth.KindUser || p.Actor() != "":
		return nil, nil
	}
	return p, nil
}

// toLogin leads to the login page, with the path where the user goes on sealed for the way back. Nothing of
// the request has been looked at: whoever is not logged in is never sent to a client (OAuth 2.1 section 7.13).
func (s *Server) toLogin(w http.ResponseWriter, r *http.Request, to string) {
	back, err := s.seal("return", loginTime, []byte(to))
	if err != nil {
		s.show(w, r, err)
		return
	}
	mark := "?"
	if strings.Contains(s.cfg.LoginURL, "?") {
		mark = "&"
	}
	seeOther(w, s.cfg.LoginURL+mark+"return_to="+back)
}

// ReturnTo returns the path, with its query, where a user goes on after the login: what the parameter
// return_to of the login page holds. It returns false if the server has not made the text, or if it is
// older than an hour: go to a page of your own then.
func (s *Server) ReturnTo(text string) (path string, ok bool) {
	b, ok := s.unseal("return", text)
	return string(b), ok
}

// destination returns the client of a request and where its answer goes. All its errors are for the
// user alone.
func (s *Server) destination(r *http.Request, values url.Values, loggedIn bool) (*client, request, error) {
	for _, name := range []string{"client_id", "redirect_uri"} {
		if len(r.URL.Query()[name]) > 1 {
			return nil, request{}, refuse("invalid_request", "the parameter "+name+" comes more than once")
		}
	}
	id := values.Get("client_id")
	if id == "" {
		return nil, request{}, refuse("invalid_request", "the request names no client")
	}
	c, err := s.clientFor(r, id, loggedIn)
	if err != nil {
		return nil, request{}, err
	}
	req := request{Client: id, Redirect: values.Get("redirect_uri")}
	switch {
	case req.Redirect != "":
		req.Given = true
	case len(c.redirects) == 1:
		req.Redirect = c.redirects[0]
	default:
		return nil, request{}, refuse("invalid_request", "the request names no redirect_uri, and the client has several")
	}
	if !redirect.Match(c.redirects, req.Redirect) || len(req.Redirect) > maxRedirect {
		return nil, request{}, refuse("invalid_request", "this redirect_uri is not registered for the client")
	}
	if state := values["state"]; len(state) == 1 {
		req.State = state[0]
	}
	return c, req, nil
}

// maxRedirect bounds a redirect URI.
const maxRedirect = 1024

// clientFor returns the client of an authorization request. Strangers cause no fetch of a document.
func (s *Server) clientFor(r *http.Request, id string, loggedIn bool) (*client, error) {
	if !loggedIn && s.isDocument(id) {
		return nil, refuse("login_required", "nobody is logged in")
	}
	return s.client(r.Context(), id, s.clientIP(r))
}

// challengeForm is the form of a code_challenge with S256 (RFC 7636 section 4.2).
var challengeForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// complete checks the rest of a request. Its errors are for the client.
func (s *Server) complete(c *client, req *request, f form, values url.Values) error {
	for name, code := range map[string]string{
		"request": "request_not_supported", "request_uri": "request_uri_not_supported", "registration": "registration_not_supported",
	} {
		if f[name] != "" {
			return refuse(code, "the parameter "+name+" is not supported")
		}
	}
	switch {
	case !c.mayUse(grantCode):
		return refuse("unauthorized_client", "authorization codes are not for this client")
	case f["response_type"] == "":
		return refuse("invalid_request", "response_type is missing")
	case f["response_type"] != "code":
		return refuse("unsupported_response_type", "response_type must be code")
	case !utf8.ValidString(req.State): // the seal is JSON
		return refuse("invalid_request", "state is not UTF-8")
	case f["code_challenge"] == "":
		return refuse("invalid_request", "code_challenge is missing: PKCE is required")
	case f["code_challenge_method"] != "S256":
		return refuse("invalid_request", "code_challenge_method must be S256")
	case !challengeForm.MatchString(f["code_challenge"]):
		return refuse("invalid_request", "code_challenge must be 43 characters of base64url")
	}
	req.Challenge, req.Proven = f["code_challenge"], !c.allows(authNone)
	resource, err := s.resourceOf(values["resource"], s.cfg.Resources[0].URL)
	if err != nil {
		return err
	}
	req.Resource = resource.URL
	if req.Scopes, err = scopesFor(c, resource, f["scope"]); err != nil {
		return err
	}
	if !fitsGrant(c, *req) {
		return refuse("invalid_scope", "the client asks for too many scopes at once")
	}
	return nil
}

// resourceOf returns the one resource that a request asks for, or byDefault if it asks for none (RFC 8707
// section 2).
func (s *Server) resourceOf(asked []string, byDefault string) (Resource, error) {
	asked = slices.Compact(slices.Sorted(slices.Values(asked)))
	switch len(asked) {
	case 0:
		asked = []string{byDefault}
	case 1:
	default:
		return Resource{}, refuse("invalid_target", "a token is for one resource: ask for one")
	}
	r, ok := s.resource(asked[0])
	if !ok {
		return Resource{}, refuse("invalid_target", "there is no such resource here")
	}
	return r, nil
}

// scopesFor returns the scopes of a resource that a client asks for and may have, in the order of the
// resource. Unknown ones are left out. Without any it returns the first, which is the least.
func scopesFor(c *client, r Resource, asked string) ([]string, error) {
	words := slices.DeleteFunc(strings.Fields(asked), func(w string) bool { return w == offlineAccess })
	var may, want []string
	for _, scope := range r.Scopes {
		if c.scopes != nil && !slices.Contains(c.scopes, scope.Name) {
			continue
		}
		may = append(may, scope.Name)
		if slices.Contains(words, scope.Name) {
			want = append(want, scope.Name)
		}
	}
	if len(words) == 0 && len(may) > 0 {
		want = may[:1]
	}
	if len(want) == 0 {
		return nil, refuse("invalid_scope", "the resource has none of these scopes for this client")
	}
	return want, nil
}

// answerError sends an error to the client (OAuth 2.1 section 4.1.2.1). A failure of the server is shown
// instead.
func (s *Server) answerError(w http.ResponseWriter, r *http.Request, req request, err error) {
	e, ok := errors.AsType[*refusal](err)
	if !ok {
		s.show(w, r, err)
		return
	}
	s.answer(w, req, "error", e.Code, "error_description", e.Description)
}

// answer sends the browser back to the client, with these parameters, state and iss (RFC 9207). It adds
// them to the text of the redirect URI, which goes out byte for byte.
func (s *Server) answer(w http.ResponseWriter, req request, parameters ...string) {
	v := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		v.Set(parameters[i], parameters[i+1])
	}
	if req.State != "" {
		v.Set("state", req.State)
	}
	v.Set("iss", s.cfg.Issuer)
	seeOther(w, redirect.With(req.Redirect, v))
}

// seeOther redirects with status 303, so that no browser sends its form on (RFC 9700 section 4.12).
func seeOther(w http.ResponseWriter, to string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// encode returns the request for a seal.
func (req request) encode() []byte {
	b, _ := json.Marshal(req) // texts alone
	return b
}

// openRequest returns the request of a seal that was made for this login.
func (s *Server) openRequest(text string, user *auth.Principal) (request, bool) {
	var req request
	b, ok := s.unseal("ask", text)
	if !ok || json.Unmarshal(b, &req) != nil {
		return request{}, false
	}
	return req, req.User == user.Subject() && req.Session == user.SessionID()
}
