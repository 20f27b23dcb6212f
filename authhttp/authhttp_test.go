package authhttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/passwords"
)

// accounts stands in for an Authenticator. It returns fixed values and records its last call.
type accounts struct {
	auth.TokenVerifier // nil: no token is valid
	err                error
	tokens             auth.Tokens // tokens that calls return, if they have an access token

	calls              int
	username, password string
	token              string      // refresh token, or user ID and session ID
	device             auth.Device // device the last call came from, with its device token
}

func (a *accounts) Verify(ctx context.Context, token string) (*auth.Principal, error) {
	if a.TokenVerifier == nil {
		return nil, auth.ErrInvalidToken
	}
	return a.TokenVerifier.Verify(ctx, token)
}

func (a *accounts) Register(ctx context.Context, username, password string) (auth.User, error) {
	a.device = deviceOf(ctx)
	a.username, a.password = username, password
	a.calls++
	return auth.User{ID: "u-1", Username: strings.ToLower(username), PasswordHash: "$2b$hash"}, a.err
}

func (a *accounts) Login(ctx context.Context, username, password string) (auth.Tokens, error) {
	a.device = deviceOf(ctx)
	a.username, a.password = username, password
	a.calls++
	if a.tokens.AccessToken != "" {
		return a.tokens, a.err
	}
	return auth.Tokens{AccessToken: "eyJ", ExpiresIn: 15 * time.Minute}, a.err
}

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
	asData = "multipart/form-data; boundary=b" // see multipartBody
	secret = "s3cr3t"                          // part of every request, and of no refusal
)

func post(h http.Handler, target, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", target, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestRegister(t *testing.T) {
	t.Parallel()
	a := new(accounts)
	w := post(authhttp.Register(a, authhttp.Config{}), "/", asJSON, ` {"password": "s3cr3t \ud83d\ude00", "username": "Ada"} `)
	if w.Code != 201 || strings.TrimSpace(w.Body.String()) != `{"id":"u-1","username":"ada"}` {
		t.Errorf("got %d %s, want 201, id and username", w.Code, w.Body)
	}
	if a.username != "Ada" || a.password != "s3cr3t 😀" {
		t.Errorf("Register was called with %q and %q", a.username, a.password)
	}
	if got := w.Header(); got.Get("Content-Type") != asJSON || got.Get("Cache-Control") != "no-store" {
		t.Errorf("got headers %v, want JSON that is not stored", got)
	}
}

// A name that is refused is answered with the letter that is to blame. The words of a host's own rule
// stay with the host.
func TestRegisterSaysWhichLetter(t *testing.T) {
	t.Parallel()
	detail := func(cfg auth.Config, name string) string {
		t.Helper()
		s := newServerWith(t, authhttp.Config{}, func(_ *server, c *auth.Config) { c.NormalizeUsername = cfg.NormalizeUsername })
		w := post(s.Config.Handler, "/auth/register", asJSON, object("username", name, "password", "correct horse battery"))
		var answer struct{ Code, Detail string }
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 422 || answer.Code != "invalid_username" {
			t.Errorf("%s: got %d %s, want 422 invalid_username", name, w.Code, w.Body)
		}
		return answer.Detail
	}
	for name, letter := range map[string]string{"weiß": "ß", "straße": "ß", "İbrahim": "i\u0307", "a b": `" "`} {
		if got := detail(auth.Config{}, name); !strings.Contains(got, letter) {
			t.Errorf("%s: the answer says %q, want the letter %q in it", name, got, letter)
		}
	}
	rule := func(name string) (string, error) {
		if name == "eve" {
			return "", errors.New("blocked by rule 7")
		}
		return name, nil
	}
	if got := detail(auth.Config{NormalizeUsername: rule}, "eve"); strings.Contains(got, "rule 7") {
		t.Errorf("the answer says %q", got)
	}
}

// multipartBody returns a body of type asData. Its arguments are names and values, in turn.
func multipartBody(parts ...string) string {
	var body strings.Builder
	for i := 0; i < len(parts); i += 2 {
		body.WriteString("--b\r\nContent-Disposition: form-data; name=\"" + parts[i] + "\"\r\n\r\n" + parts[i+1] + "\r\n")
	}
	return body.String() + "--b--\r\n"
}

func TestLogin(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ contentType, body string }{
		"json":          {asJSON, `{"username":"Ada","password":"s3cr3t 😀"}`},
		"json, charset": {"Application/JSON; charset=UTF-8", `{"username":"Ada","password":"s3cr3t 😀"}`},
		"form":          {asForm, "grant_type=password&username=Ada&password=s3cr3t+%F0%9F%98%80"},
		"form, client":  {asForm + "; charset=utf-8", "grant_type=password&username=Ada&password=s3cr3t%20%F0%9F%98%80&scope=&client_id=app&client_secret=x&other=1"},
		"form, short":   {asForm, "username=Ada&password=s3cr3t+%F0%9F%98%80&grant_type="},
		"data":          {asData, multipartBody("username", "Ada", "password", "s3cr3t 😀", "scope", "", "client_id", "app")},
		"data, grant":   {"Multipart/Form-Data; charset=utf-8; boundary=\"b\"", multipartBody("grant_type", "password", "username", "Ada", "password", "s3cr3t 😀")},
	} {
		a := new(accounts)
		w := post(authhttp.Login(a, authhttp.Config{}), "/", row.contentType, row.body)
		var got struct {
			AccessToken string `json:"access_token"`
			TokenType   string `json:"token_type"`
			ExpiresIn   int    `json:"expires_in"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 ||
			got.AccessToken != "eyJ" || got.TokenType != "bearer" || got.ExpiresIn != 900 {
			t.Errorf("%s: got %d %s, want 200 and the tokens", name, w.Code, w.Body)
		}
		if a.username != "Ada" || a.password != "s3cr3t 😀" {
			t.Errorf("%s: Login was called with %q and %q", name, a.username, a.password)
		}
		if h := w.Header(); h.Get("Content-Type") != asJSON || h.Get("Cache-Control") != "no-store" || h.Get("Pragma") != "no-cache" {
			t.Errorf("%s: got headers %v, want JSON that is not stored", name, h)
		}
	}
}

// refusal is the body of a refusal: an error body of RFC 6749 section 5.2, problem details, or
// both.
type refusal struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
	Status      int    `json:"status"`
	Detail      string `json:"detail"`
}

var descriptionText = regexp.MustCompile(`^[\x20\x21\x23-\x5B\x5D-\x7E]+$`) // RFC 6749 section 5.2

// refused checks what all refusals have in common, and returns the body.
func refused(t *testing.T, name string, w *httptest.ResponseRecorder, status int) refusal {
	t.Helper()
	var got refusal
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != status {
		t.Errorf("%s: got %d %s, want %d", name, w.Code, w.Body, status)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%s: got headers %v, want no-store", name, w.Header())
	}
	if text := fmt.Sprint(w.Header(), w.Body); strings.Contains(text, secret) || strings.Contains(text, "disk") {
		t.Errorf("%s: the answer discloses part of the request or of the error: %s", name, text)
	}
	return got
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	object := func(members string) string { return `{"username":"ada","password":"s3cr3t"` + members + `}` }
	for name, row := range map[string]struct {
		contentType, body string
		status            int
	}{
		"empty":               {asJSON, "", 400},
		"no type":             {"", object(""), 415},
		"text":                {"text/plain", object(""), 415},
		"type with a comma":   {"application/json, text/plain", object(""), 415},
		"other json":          {"application/problem+json", object(""), 415},
		"latin-1":             {asJSON + "; charset=iso-8859-1", object(""), 415},
		"multipart":           {"multipart/form-data; boundary=x", "--x--", 400},
		"not json":            {asJSON, "username=ada&password=s3cr3t", 400},
		"array":               {asJSON, "[" + object("") + "]", 400},
		"string":              {asJSON, `"s3cr3t"`, 400},
		"null":                {asJSON, "null", 400},
		"cut":                 {asJSON, `{"username":"ada","password":"s3cr3t"`, 400},
		"trailing value":      {asJSON, object("") + object(""), 400},
		"trailing text":       {asJSON, object("") + "x", 400},
		"trailing comma":      {asJSON, object(","), 400},
		"comment":             {asJSON, object("/* */"), 400},
		"byte order mark":     {asJSON, "\ufeff" + object(""), 400},
		"duplicate":           {asJSON, object(`,"username":"eve"`), 400},
		"duplicate, escaped":  {asJSON, object(`,"user\u006eame":"eve"`), 400},
		"unknown":             {asJSON, object(`,"role":"admin"`), 400},
		"case":                {asJSON, `{"Username":"ada","password":"s3cr3t"}`, 400},
		"kelvin sign":         {asJSON, "{\"username\":\"ada\",\"pa\u017f\u017fword\":\"s3cr3t\"}", 400},
		"no username":         {asJSON, `{"password":"s3cr3t"}`, 400},
		"no password":         {asJSON, `{"username":"s3cr3t"}`, 400},
		"number":              {asJSON, `{"username":"s3cr3t","password":1}`, 400},
		"null password":       {asJSON, `{"username":"s3cr3t","password":null}`, 400},
		"object username":     {asJSON, `{"username":{"$ne":""},"password":"s3cr3t"}`, 400},
		"invalid UTF-8":       {asJSON, "{\"username\":\"ada\",\"password\":\"s3cr3t\xff\"}", 400},
		"utf-16":              {asJSON, "\xff\xfe{\x00}\x00", 400},
		"lone surrogate":      {asJSON, `{"username":"ada","password":"s3cr3t\ud800"}`, 400},
		"swapped surrogates":  {asJSON, `{"username":"ada","password":"s3cr3t\udc00\ud800"}`, 400},
		"raw control":         {asJSON, "{\"username\":\"ada\",\"password\":\"s3cr3t\x00\"}", 400},
		"deep":                {asJSON, `{"username":` + strings.Repeat("[", 30000), 400},
		"too large":           {asJSON, object("") + strings.Repeat(" ", 64<<10), 413},
		"largest":             {asJSON, object(strings.Repeat(" ", 64<<10-len(object(""))) + "x"), 413},
		"largest taken":       {asJSON, object(strings.Repeat(" ", 64<<10-len(object(""))-1) + "x"), 400},
		"form, no password":   {asForm, "username=s3cr3t", 400},
		"form, no username":   {asForm, "password=s3cr3t", 400},
		"form, empty":         {asForm, "username=s3cr3t&password=", 400},
		"form, twice":         {asForm, "username=ada&password=s3cr3t&password=x", 400},
		"form, other twice":   {asForm, "username=ada&password=s3cr3t&scope=a&scope=b", 400},
		"form, escape":        {asForm, "username=ada&password=s3cr3t%zz", 400},
		"form, semicolon":     {asForm, "username=ada;password=s3cr3t", 400},
		"form, invalid UTF-8": {asForm, "username=ada&password=s3cr3t%ff", 400},
		"form, bytes in name": {asForm, "username=ada&password=s3cr3t&%ff=1", 400},
		"form, raw bytes":     {asForm, "username=ada&password=s3cr3t\xff", 400},
		"form, grant":         {asForm, "grant_type=client_credentials&username=ada&password=s3cr3t", 400},
		"form, too large":     {asForm, "username=ada&password=s3cr3t" + strings.Repeat("x", 64<<10), 413},
		"form as json":        {asForm, object(""), 400},
		"data, no password":   {asData, multipartBody("username", "s3cr3t"), 400},
		"data, empty":         {asData, multipartBody("username", "s3cr3t", "password", ""), 400},
		"data, twice":         {asData, multipartBody("username", "ada", "password", "s3cr3t", "password", "x"), 400},
		"data, invalid UTF-8": {asData, multipartBody("username", "ada", "password", "s3cr3t\xff"), 400},
		"data, a file":        {asData, multipartBody(`x"; filename="y`, "s3cr3t", "username", "ada", "password", "s3cr3t"), 400},
		"data, unfinished":    {asData, strings.TrimSuffix(multipartBody("username", "ada", "password", "s3cr3t"), "--\r\n"), 400},
		"data, no boundary":   {"multipart/form-data", multipartBody("username", "ada", "password", "s3cr3t"), 400},
		"data, bare boundary": {`multipart/form-data; boundary=""`, strings.ReplaceAll(multipartBody("username", "ada", "password", "s3cr3t"), "--b", "--"), 400},
		"data, other parts":   {"multipart/mixed; boundary=b", multipartBody("username", "ada", "password", "s3cr3t"), 415},
		"data, charset":       {asData + "; charset=latin1", multipartBody("username", "ada", "password", "s3cr3t"), 415},
		"data, too large":     {asData, multipartBody("username", "ada", "password", "s3cr3t"+strings.Repeat("x", 64<<10)), 413},
		"data, many":          {asData, multipartBody(slices.Repeat([]string{"x", "s3cr3t"}, 1100)...), 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := new(accounts)
			w := post(authhttp.Login(a, authhttp.Config{}), "/", row.contentType, row.body)
			got := refused(t, "login", w, row.status)
			want := "invalid_request"
			if name == "form, grant" {
				want = "unsupported_grant_type"
			}
			if got.Code != want || !descriptionText.MatchString(got.Description) {
				t.Errorf("login: got %s, want %s with a description", w.Body, want)
			}

			if name != "form, grant" { // a registration has no grant, and ignores what it does not know
				w = post(authhttp.Register(a, authhttp.Config{}), "/", row.contentType, row.body)
				if got := refused(t, "register", w, row.status); got.Status != row.status || got.Detail == "" {
					t.Errorf("register: got %s, want status %d with a detail", w.Body, row.status)
				}
			}
			if a.calls != 0 {
				t.Errorf("the accounts were called %d times, want never", a.calls)
			}
		})
	}
}

// A body without Content-Length is limited as well, and one that ends early is not an internal
// error.
func TestBodyStream(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		body   io.Reader
		status int
	}{
		"endless":   {io.MultiReader(strings.NewReader(`{"username":"`), forever{}), 413},
		"one more":  {strings.NewReader(`{"username":"ada","password":"s3cr3t"}` + strings.Repeat(" ", 64<<10-37)), 413},
		"break off": {io.MultiReader(strings.NewReader(`{"username":"`), broken{}), 400},
	} {
		r := httptest.NewRequest("POST", "/", row.body)
		r.ContentLength = -1
		r.Header.Set("Content-Type", asJSON)
		w := httptest.NewRecorder()
		authhttp.Login(new(accounts), authhttp.Config{}).ServeHTTP(w, r)
		refused(t, name, w, row.status)
	}
}

// A body that is declared as too large is not read.
func TestBodyDeclaredTooLarge(t *testing.T) {
	t.Parallel()
	body := new(counted)
	r := httptest.NewRequest("POST", "/", body)
	r.ContentLength = 64<<10 + 1
	r.Header.Set("Content-Type", asJSON)
	w := httptest.NewRecorder()
	authhttp.Login(new(accounts), authhttp.Config{}).ServeHTTP(w, r)
	if refused(t, "login", w, 413); body.reads != 0 {
		t.Errorf("the body was read %d times, want never", body.reads)
	}
}

// counted is an endless body that counts reads.
type counted struct {
	forever
	reads int
}

func (c *counted) Read(p []byte) (int, error) {
	c.reads++
	return c.forever.Read(p)
}

type forever struct{}

func (forever) Read(p []byte) (int, error) { return len(p), nil }

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestHeaders(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(http.Header){
		"compressed": func(h http.Header) { h.Set("Content-Encoding", "gzip") },
		"two types":  func(h http.Header) { h.Add("Content-Type", "text/plain") },
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(`{"username":"ada","password":"s3cr3t"}`))
		r.Header.Set("Content-Type", asJSON)
		set(r.Header)
		w := httptest.NewRecorder()
		authhttp.Register(new(accounts), authhttp.Config{}).ServeHTTP(w, r)
		refused(t, name, w, 415)
	}
}

// Credentials in a URL, which the first version of many tutorials sends, are refused with the
// reason, whatever else is wrong with the request.
func TestCredentialsInURL(t *testing.T) {
	t.Parallel()
	const body = `{"username":"ada","password":"s3cr3t"}`
	for _, query := range []string{
		"username=ada&password=s3cr3t", "username=ada", "PASSWORD=s3cr3t", "client_secret=s3cr3t", "%70assword=s3cr3t",
		"current_password=s3cr3t", "new_password=s3cr3t", "token=s3cr3t", "access_token=s3cr3t", "refresh_token=s3cr3t",
		"mfa_token=s3cr3t", "code=s3cr3t",
		"x=1;password=s3cr3t", "password", "x=%zz&password=s3cr3t",
	} {
		for _, method := range []string{"POST", "GET"} {
			for name, h := range map[string]http.Handler{
				"login":    authhttp.Login(new(accounts), authhttp.Config{}),
				"register": authhttp.Register(new(accounts), authhttp.Config{}),
			} {
				for _, contentType := range []string{"", asJSON} {
					r := httptest.NewRequest(method, "/?"+query, strings.NewReader(body))
					r.Header.Set("Content-Type", contentType)
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					got := refused(t, name, w, 400)
					if !strings.Contains(got.Description+got.Detail, "in the body") {
						t.Errorf("%s %s: got %s, want the advice to use the body", method, query, w.Body)
					}
				}
			}
		}
	}
	if w := post(authhttp.Login(new(accounts), authhttp.Config{}), "/?next=%2Fprofile&user=1", asJSON, body); w.Code != 200 {
		t.Errorf("a query without credentials: got %d, want 200", w.Code)
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post"} {
		r := httptest.NewRequest(method, "/", strings.NewReader(`{"username":"ada","password":"s3cr3t"}`))
		r.Header.Set("Content-Type", asJSON)
		w := httptest.NewRecorder()
		authhttp.Login(new(accounts), authhttp.Config{}).ServeHTTP(w, r)
		if refused(t, method, w, 405); w.Header().Get("Allow") != "POST" {
			t.Errorf("%s: Allow is %q, want POST", method, w.Header().Get("Allow"))
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	const valid = `{"username":"ada","password":"s3cr3t"}`
	down := errors.New("disk full")
	for name, row := range map[string]struct {
		err                 error
		login, form         int    // statuses of Login
		code                string // error of Login
		register            int    // status of Register
		detail              string // part of the detail of Register
		retry               string
		challenged, silence bool
	}{
		"credentials":  {err: auth.ErrInvalidCredentials, login: 401, form: 400, code: "invalid_grant", register: 401, challenged: true, silence: true},
		"exists":       {err: auth.ErrUserExists, login: 409, form: 409, code: "invalid_request", register: 409, detail: "taken", silence: true},
		"username":     {err: auth.ErrInvalidUsername, login: 422, form: 422, code: "invalid_request", register: 422, detail: "username", silence: true},
		"password":     {err: &passwords.Error{Rule: passwords.TooShort, Limit: 8}, login: 422, form: 422, code: "invalid_request", register: 422, detail: "password too short: at least 8 characters", silence: true},
		"busy":         {err: fmt.Errorf("hash: %w", &auth.RetryError{Err: auth.ErrBusy, After: 1200 * time.Millisecond}), login: 503, form: 503, code: "temporarily_unavailable", register: 503, retry: "2"},
		"store":        {err: fmt.Errorf("auth: %w", down), login: 500, form: 500, code: "server_error", register: 500},
		"deadline":     {err: context.DeadlineExceeded, login: 503, form: 503, code: "temporarily_unavailable", register: 503},
		"store behind": {err: errors.Join(down, auth.ErrBusy), login: 503, form: 503, code: "temporarily_unavailable", register: 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log strings.Builder
			a, cfg := &accounts{err: fmt.Errorf("wrapped by the host: %w", row.err)}, authhttp.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}
			check := func(endpoint string, w *httptest.ResponseRecorder, status int, challenged bool) refusal {
				t.Helper()
				got := refused(t, endpoint, w, status)
				if w.Header().Get("Retry-After") != row.retry || (w.Header()["Www-Authenticate"] != nil) != challenged {
					t.Errorf("%s: got headers %v, want Retry-After %q, and a challenge: %t", endpoint, w.Header(), row.retry, challenged)
				}
				if strings.Contains(w.Body.String(), "wrapped by the host") {
					t.Errorf("%s: the answer has the error's text: %s", endpoint, w.Body)
				}
				if (log.Len() == 0) != row.silence {
					t.Errorf("%s: logged %q, want nothing: %t", endpoint, log.String(), row.silence)
				}
				if strings.Contains(log.String(), secret) {
					t.Errorf("%s: the log has the password: %s", endpoint, log.String())
				}
				log.Reset()
				cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) // a logger gets one line a second of a 503
				return got
			}
			if got := check("login", post(authhttp.Login(a, cfg), "/", asJSON, valid), row.login, row.challenged); got.Code != row.code {
				t.Errorf("login: got %+v, want %s", got, row.code)
			}
			if got := check("form", post(authhttp.Login(a, cfg), "/", asForm, "username=ada&password=s3cr3t"), row.form, false); got.Code != row.code {
				t.Errorf("login with a form: got %+v, want %s", got, row.code)
			}
			if got := check("register", post(authhttp.Register(a, cfg), "/", asJSON, valid), row.register, row.challenged); !strings.Contains(got.Detail, row.detail) {
				t.Errorf("register: got %+v, want a detail with %q", got, row.detail)
			}
		})
	}
}

// Without a logger, failures are answered all the same.
func TestNoLogger(t *testing.T) {
	t.Parallel()
	w := post(authhttp.Login(&accounts{err: io.ErrUnexpectedEOF}, authhttp.Config{}), "/", asJSON, `{"username":"a","password":"s3cr3t"}`)
	refused(t, "login", w, 500)
}
