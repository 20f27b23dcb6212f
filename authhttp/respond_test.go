package authhttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/passwords"
)

// A host names members as its clients do, in requests, in the account, and in the document.
func TestMembers(t *testing.T) {
	t.Parallel()
	cfg := authhttp.Config{Members: map[string]string{"username": "email", "new_password": "replacement"}, Extra: []string{"username", "_csrf"}}
	s := newServer(t, cfg)
	c := s.Client()
	body := func(pairs string) string { return `{"password":"` + password + `",` + pairs + "}" }
	bob := s.call(c, "POST", "/auth/register", body(`"email":"Bob@example.com","username":"Bobby","_csrf":7`), nil).want(t, "register", 201, "")
	if !strings.Contains(bob.text, `"email":"bob@example.com"`) || strings.Contains(bob.text, "username") {
		t.Errorf("register: got %s, want the email", bob.text)
	}
	in := s.call(c, "POST", "/auth/login", body(`"email":"bob@example.com"`), nil).want(t, "login", 200, "")
	s.call(c, "POST", "/auth/login", body(`"email":"bob@example.com","username":"ada"`), nil).want(t, "login with both", 200, "")
	s.call(c, "POST", "/auth/login", form("email", "bob@example.com", "password", password, "username", "ada", "other", "x"), nil).want(t, "form", 200, "")
	if me := s.call(c, "GET", "/auth/me", "", bearer(in.Access)).want(t, "me", 200, ""); !strings.Contains(me.text, `"email":"bob@example.com"`) {
		t.Errorf("me: got %s, want the email", me.text)
	}
	s.call(c, "POST", "/auth/password", object("current_password", password, "new_password", "battery staple"), bearer(in.Access)).want(t, "password by its old name", 400, "invalid_request")
	s.call(c, "POST", "/auth/password", object("current_password", password, "replacement", "battery staple"), bearer(in.Access)).want(t, "password", 200, "")
	for what, text := range map[string]string{
		"the old name": body(`"username":"bob@example.com"`), "unknown": body(`"email":"bob@example.com","role":"admin"`), "twice": body(`"email":"x","email":"y"`),
		"an object": body(`"email":"x","_csrf":{}`), "an array": body(`"email":"x","_csrf":[1]`), "not text": body(`"email":1`), "form": form("username", "bob@example.com", "password", password),
	} {
		a := s.call(c, "POST", "/auth/login", text, nil).want(t, what, 400, "invalid_request")
		if missing := what == "the old name" || what == "form"; missing != strings.Contains(a.Detail, "email and password are required") {
			t.Errorf("%s: got the detail %q", what, a.Detail)
		}
	}
	s.call(c, "GET", "/auth/me?EMAIL=x", "", bearer(in.Access)).want(t, "a credential in the URL", 400, "invalid_request")
	s.call(c, "GET", "/auth/me?username=x", "", bearer(in.Access)).want(t, "its old name in the URL", 400, "invalid_request")
	s.call(c, "POST", "/auth/token", form("grant_type", "refresh_token", "refresh_token", in.Refresh, "_csrf", "x"), nil).want(t, "OAuth", 400, "invalid_grant")

	_, document := documentAt(t, s.Config.Handler, "/auth/openapi.json")
	schema := member(document, "paths", "/auth/login", "post", "requestBody", "content", asJSON, "schema")
	if got := fmt.Sprint(member(schema, "required"), member(schema, "properties", "email"), member(schema, "properties", "username")); got != "[email password] map[type:string] map[type:[string number boolean]]" {
		t.Errorf("the document has %s", got)
	}
	if oauth := member(document, "paths", "/auth/revoke", "post", "requestBody", "content", asForm, "schema", "properties", "_csrf"); oauth != nil {
		t.Error("the document has members of the host for an endpoint of OAuth")
	}
}

// A parameter of a form that has the name of a member of this package, which clients call by another name,
// is any other parameter.
func TestOldNameInForm(t *testing.T) {
	t.Parallel()
	a := new(accounts)
	h := authhttp.Login(a, authhttp.Config{Members: map[string]string{"username": "email"}})
	if w := post(h, "/", asForm, form("username", "eve", "password", "s3cr3t")); w.Code != 400 || a.calls > 0 {
		t.Errorf("the old name: got %d %s after %d calls, want 400", w.Code, w.Body, a.calls)
	}
	for range 20 { // parameters come in any order
		if w := post(h, "/", asForm, form("email", "ada", "username", "eve", "password", "s3cr3t")); w.Code != 200 || a.username != "ada" {
			t.Fatalf("both names: got %d for %q, want ada", w.Code, a.username)
		}
	}
}

// Mount reports names that fit no body, or two members of one.
func TestMemberNames(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	for field, list := range map[string][]authhttp.Config{
		"": {
			{Members: map[string]string{"username": "email"}, Extra: []string{"username"}},
			{Members: map[string]string{"username": "password", "password": "username"}},
		},
		"MountConfig.Members": {
			{Members: map[string]string{"user": "email"}}, {Members: map[string]string{"username": ""}}, {Members: map[string]string{"username": "password"}},
			{Members: map[string]string{"grant_type": "x"}},
		},
		"MountConfig.Extra": {{Extra: []string{"password"}}, {Extra: []string{""}}, {Members: map[string]string{"username": "email"}, Extra: []string{"email"}}},
	} {
		for _, cfg := range list {
			err := authhttp.Mount(http.NewServeMux(), "", s.accounts, s.guard, authhttp.MountConfig{Config: cfg})
			fault, refused := errors.AsType[*auth.ConfigError](err)
			if refused != (field != "") || refused && fault.Field != "authhttp."+field {
				t.Errorf("%v and %v: got %v, want a fault of %q", cfg.Members, cfg.Extra, err, field)
			}
		}
	}
}

// A request in an envelope is read as strictly as one without.
func TestEnvelope(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{Envelope: "user"})
	inner := object("username", "ada", "password", password)
	s.call(s.Client(), "POST", "/auth/login", `{"user":`+inner+`}`, nil).want(t, "login", 200, "")
	s.call(s.Client(), "POST", "/auth/login", form("username", "ada", "password", password), nil).want(t, "form", 200, "")
	for _, body := range []string{
		inner, "{}", `{"other":` + inner + `}`, `{"user":` + inner + `,"other":` + inner + `}`, `{"user":"x"}`, `{"user":null}`, `{"user":` + inner + `,"x":1}`, `{"user":` + inner + `,"user":` + inner + `}`,
		`{"user":{"username":"ada","password":"x","password":"` + password + `"}}`, `{"user":{"username":"ada","password":"` + password + `","x":1}}`,
		`{"user":` + inner + `} x`, `{"user":{"username":"ada"}}`,
	} {
		s.call(s.Client(), "POST", "/auth/login", body, nil).want(t, body, 400, "invalid_request")
	}
	_, document := documentAt(t, s.Config.Handler, "/auth/openapi.json")
	if got := fmt.Sprint(member(document, "paths", "/auth/login", "post", "requestBody", "content", asJSON, "schema", "properties", "user", "required")); got != "[username password]" {
		t.Errorf("the document requires %s within the envelope", got)
	}
}

// A Registrar of the host's own finds the members that the host adds, and refuses with answers of its own.
func TestExtraMembers(t *testing.T) {
	t.Parallel()
	var got []string
	r := registrarFunc(func(ctx context.Context, username, _ string) (auth.User, error) {
		for _, name := range []string{"full_name", "age", "terms", "absent"} {
			got = append(got, authhttp.ExtraMember(ctx, name))
		}
		switch username {
		case "eve":
			return auth.User{}, &authhttp.Problem{Status: 403, Code: "not_invited", Detail: "you need an invitation"}
		case "mallory":
			return auth.User{}, &authhttp.Problem{Status: 200, Detail: "s3cr3t"}
		}
		return auth.User{ID: "1", Username: username}, nil
	})
	h := authhttp.Register(r, authhttp.Config{Extra: []string{"full_name", "age", "terms", "absent"}})
	w := post(h, "/", asJSON, `{"username":"ada","password":"s3cr3t","full_name":"Ada Löwe","age":36,"terms":true,"absent":null}`)
	if want := []string{"Ada Löwe", "36", "true", ""}; w.Code != 201 || !slices.Equal(got, want) {
		t.Errorf("JSON: got %d %s with %q, want %q", w.Code, w.Body, got, want)
	}
	got = nil
	w = post(h, "/", asForm, form("username", "ada", "password", "s3cr3t", "full_name", "Ada", "terms", "on", "other", "x"))
	if want := []string{"Ada", "", "on", ""}; w.Code != 201 || !slices.Equal(got, want) {
		t.Errorf("form: got %d %s with %q, want %q", w.Code, w.Body, got, want)
	}
	w = post(h, "/", asJSON, `{"username":"eve","password":"s3cr3t"}`)
	if want := `{"title":"Forbidden","status":403,"code":"not_invited","detail":"you need an invitation"}`; w.Code != 403 || strings.TrimSpace(w.Body.String()) != want {
		t.Errorf("eve: got %d %s, want %s", w.Code, w.Body, want)
	}
	if w := post(h, "/", asJSON, `{"username":"mallory","password":"s3cr3t"}`); w.Code != 500 || strings.Contains(w.Body.String(), "s3cr3t") {
		t.Errorf("a problem that is none: got %d %s, want 500", w.Code, w.Body)
	}
	if got := authhttp.ExtraMember(t.Context(), "x"); got != "" {
		t.Errorf("no request: got %q", got)
	}
}

type registrarFunc func(ctx context.Context, username, password string) (auth.User, error)

func (f registrarFunc) Register(ctx context.Context, username, password string) (auth.User, error) {
	return f(ctx, username, password)
}

// A form of a page can register, unless another origin sends it.
func TestRegisterByForm(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]authhttp.Config{
		"bearer": {}, "cookies": cookies(t, authhttp.CookieConfig{TrustedOrigins: []string{"https://app.test"}}),
	} {
		for from, row := range map[string]struct {
			header header
			status int
		}{
			"same origin":  {header{"Sec-Fetch-Site": "same-origin"}, 201},
			"no browser":   {nil, 201},
			"cross-site":   {header{"Sec-Fetch-Site": "cross-site"}, 403},
			"old, another": {header{"Origin": "https://evil.test"}, 403},
			"trusted":      {header{"Sec-Fetch-Site": "same-site", "Origin": "https://app.test"}, map[string]int{"bearer": 403, "cookies": 201}[name]},
		} {
			a := new(accounts)
			for kind, body := range map[string]string{
				asForm: form("username", "ada", "password", "s3cr3t", "button", "x"), asData: multipartBody("username", "ada", "password", "s3cr3t"),
			} {
				r := httptest.NewRequest("POST", "https://api.test/", strings.NewReader(body))
				r.Header.Set("Content-Type", kind)
				for field, value := range row.header {
					r.Header.Set(field, value)
				}
				if w := serveOnce(authhttp.Register(a, cfg), r); w.Code != row.status || (a.calls > 0) != (row.status == 201) {
					t.Errorf("%s: %s: %s: got %d %s after %d calls, want %d", name, from, kind, w.Code, w.Body, a.calls, row.status)
				}
			}
			r := httptest.NewRequest("POST", "https://api.test/", strings.NewReader(object("username", "ada", "password", "s3cr3t")))
			r.Header.Set("Content-Type", asJSON)
			for field, value := range row.header {
				r.Header.Set(field, value)
			}
			if w := serveOnce(authhttp.Register(a, cfg), r); w.Code != 201 {
				t.Errorf("%s: %s: JSON: got %d %s, want 201: a preflight has let it pass", name, from, w.Code, w.Body)
			}
		}
	}
}

// A host answers in a shape of its own, with the headers that the answer needs.
func TestRespond(t *testing.T) {
	t.Parallel()
	var answers []authhttp.Answer
	cfg := authhttp.Config{Extra: []string{"next"}, Respond: func(w http.ResponseWriter, r *http.Request, a authhttp.Answer) bool {
		answers = append(answers, a)
		if authhttp.ExtraMember(r.Context(), "next") == "own" {
			return false
		}
		w.Header().Set("Content-Type", asJSON)
		w.WriteHeader(a.Status)
		_ = json.NewEncoder(w).Encode(map[string]any{"user": map[string]any{"token": a.Tokens.AccessToken, "code": a.Code, "id": a.User.ID}})
		return true
	}}
	a := &accounts{tokens: auth.Tokens{AccessToken: "eyJ", RefreshToken: "r", DeviceToken: "d", ExpiresIn: time.Minute}}
	in := `{"username":"ada","password":"s3cr3t"}`
	own := `{"username":"ada","password":"s3cr3t","next":"own"}`
	check := func(what string, w *httptest.ResponseRecorder, status int, body string) authhttp.Answer {
		t.Helper()
		if w.Code != status || strings.TrimSpace(w.Body.String()) != body || w.Header().Get("Cache-Control") != "no-store" || len(answers) != 1 {
			t.Fatalf("%s: got %d %s with %v after %d answers, want %d %s", what, w.Code, w.Body, w.Header(), len(answers), status, body)
		}
		one := answers[0]
		answers = nil
		return one
	}
	got := check("login", post(authhttp.Login(a, cfg), "/", asJSON, in), 200, `{"user":{"code":"","id":"","token":"eyJ"}}`)
	if got.Tokens.RefreshToken != "r" || got.Err != nil || got.Form {
		t.Errorf("login: got %+v", got)
	}
	check("login, not written", post(authhttp.Login(a, cfg), "/", asJSON, own), 200, `{"access_token":"eyJ","token_type":"bearer","expires_in":60,"refresh_token":"r","device_token":"d"}`)
	got = check("register", post(authhttp.Register(a, cfg), "/", asJSON, in), 201, `{"user":{"code":"","id":"u-1","token":""}}`)
	if got.User.PasswordHash != "" {
		t.Errorf("register: the answer has the password hash")
	}
	withCookies := cfg
	withCookies.Cookies = cookies(t, authhttp.CookieConfig{}).Cookies
	w := post(authhttp.Login(a, withCookies), "/", asJSON, in)
	got = check("login with cookies", w, 200, `{"user":{"code":"","id":"","token":""}}`)
	if got.Tokens.RefreshToken+string(got.Tokens.DeviceToken) != "" || got.Tokens.ExpiresIn != time.Minute || !strings.Contains(strings.Join(w.Header()["Set-Cookie"], " "), "__Host-access=eyJ") {
		t.Errorf("login with cookies: got %+v with %v, want no tokens but cookies", got, w.Header())
	}

	for code, row := range map[string]struct {
		err    error
		status int
		header string
	}{
		"invalid_credentials": {auth.ErrInvalidCredentials, 401, "WWW-Authenticate"},
		"too_many_attempts":   {&auth.RetryError{Err: auth.ErrTooManyAttempts, After: time.Minute}, 429, "Retry-After"},
		"mfa_required":        {&auth.MFARequiredError{Token: "m", ExpiresIn: time.Minute}, 403, ""},
		"internal":            {errors.New("s3cr3t is down"), 500, ""},
		"password_common":     {&passwords.Error{Rule: passwords.Common}, 422, ""},
	} {
		failing := &accounts{err: row.err}
		w := post(authhttp.Login(failing, cfg), "/", asJSON, in)
		got := check(code, w, row.status, `{"user":{"code":"`+code+`","id":"","token":""}}`)
		if !errors.Is(got.Err, row.err) || row.header != "" && w.Header().Get(row.header) == "" || strings.Contains(fmt.Sprint(got.Detail), "s3cr3t") {
			t.Errorf("%s: got %+v with %v", code, got, w.Header())
		}
		if _, isMFA := errors.AsType[*auth.MFARequiredError](got.Err); isMFA != (code == "mfa_required") {
			t.Errorf("%s: got %v", code, got.Err)
		}
		check(code+", not written", post(authhttp.Register(failing, cfg), "/", asJSON, own), row.status, strings.TrimSpace(post(authhttp.Register(failing, authhttp.Config{}), "/", asJSON, in).Body.String()))
	}
	// Endpoints of OAuth keep the form of their standard.
	w = post(authhttp.Token(a, cfg), "/", asForm, "grant_type=x")
	if w.Code != 400 || answers != nil || !strings.Contains(w.Body.String(), "unsupported_grant_type") {
		t.Errorf("token: got %d %s after %d answers", w.Code, w.Body, len(answers))
	}
}

// Forms of a page are redirected to another page, whatever becomes of them. Requests of scripts are not.
func TestRedirectForms(t *testing.T) {
	t.Parallel()
	cfg := cookies(t, authhttp.CookieConfig{})
	cfg.Respond = func(w http.ResponseWriter, r *http.Request, a authhttp.Answer) bool {
		if !a.Form {
			return false
		}
		to := "/"
		if a.Err != nil {
			to = "/login?error=" + a.Code
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
		return true
	}
	s := newServer(t, cfg)
	mux := http.NewServeMux() // its answers are not those of the document
	if err := authhttp.Mount(mux, "/auth", s.accounts, s.guard, authhttp.MountConfig{Config: cfg, Users: s.store}); err != nil {
		t.Fatal(err)
	}
	own := httptest.NewTLSServer(mux)
	defer own.Close()
	s.Server = own
	c := s.browser()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	send := func(path, body string, h header, status int, location string) {
		t.Helper()
		r := must(http.NewRequest("POST", own.URL+path, strings.NewReader(body)))
		r.Header.Set("Content-Type", asForm)
		for field, value := range h {
			r.Header.Set(field, value)
		}
		res := must(c.Do(r))
		res.Body.Close()
		if res.StatusCode != status || res.Header.Get("Location") != location {
			t.Errorf("%s as %v: got %d to %q, want %d to %q", path, h, res.StatusCode, res.Header.Get("Location"), status, location)
		}
	}
	page := header{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
	old := header{"Accept": "text/html,application/xhtml+xml;q=0.9"}
	script := header{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Accept": "text/html"}
	send("/auth/register", form("username", "bob", "password", password), page, 303, "/")
	send("/auth/register", form("username", "bob", "password", password), old, 303, "/login?error=username_taken")
	send("/auth/login", form("username", "bob", "password", "wrong horse"), page, 303, "/login?error=invalid_credentials")
	send("/auth/login", form("username", "bob", "password", "wrong horse"), script, 400, "")
	send("/auth/login", form("username", "bob", "password", "wrong horse"), header{"Accept": "application/json"}, 400, "")
	send("/auth/login", form("username", "bob", "password", password), page, 303, "/")
	s.call(c, "GET", "/auth/me", "", nil).want(t, "me", 200, "")
	send("/auth/logout", "", page, 303, "/")
	s.call(c, "GET", "/auth/me", "", nil).want(t, "me after the logout", 401, "no_credentials")
	send("/auth/logout", "", page, 303, "/") // again, without cookies
	send("/auth/logout", "", script, 204, "")
}

// A handler of the host's own refuses as the endpoints do.
func TestWriteError(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		err       error
		status    int
		code      string
		challenge string
		retry     string
	}{
		"no credentials": {auth.ErrNoCredentials, 401, "no_credentials", `Bearer realm="login"`, ""},
		"wrong":          {auth.ErrInvalidCredentials, 401, "invalid_credentials", `Bearer realm="login"`, ""},
		"expired":        {auth.ErrExpiredToken, 401, "invalid_token", `Bearer realm="api", error="invalid_token"`, ""},
		"scope":          {auth.ErrInsufficientScope, 403, "insufficient_scope", `Bearer realm="api", error="insufficient_scope"`, ""},
		"old proof":      {auth.ErrInsufficientAuthentication, 401, "insufficient_user_authentication", `Bearer realm="api", error="insufficient_user_authentication"`, ""},
		"too many":       {fmt.Errorf("login: %w", &auth.RetryError{Err: auth.ErrTooManyAttempts, After: 90 * time.Second}), 429, "too_many_attempts", "", "90"},
		"busy":           {&auth.RetryError{Err: auth.ErrBusy, After: time.Second}, 503, "unavailable", "", "1"},
		"down":           {errors.New("s3cr3t is down"), 500, "internal", "", ""},
		"down, invalid":  {fmt.Errorf("%w: %w", auth.ErrInvalidToken, auth.ErrKeysUnavailable), 503, "unavailable", "", ""},
		"taken":          {auth.ErrUserExists, 409, "username_taken", "", ""},
		"own":            {&authhttp.Problem{Status: 402, Code: "unpaid", Detail: "pay first"}, 402, "unpaid", "", ""},
		"own, no code":   {fmt.Errorf("plan: %w", &authhttp.Problem{Status: 409, Detail: "x"}), 409, "conflict", "", ""},
		"mfa":            {&auth.MFARequiredError{Token: "m", ExpiresIn: time.Minute}, 403, "mfa_required", "", ""},
	} {
		w := httptest.NewRecorder()
		authhttp.WriteError(w, httptest.NewRequest("POST", "/own", nil), row.err)
		var got struct{ Code string }
		err := json.Unmarshal(w.Body.Bytes(), &got)
		h := w.Header()
		if err != nil || w.Code != row.status || got.Code != row.code || h.Get("WWW-Authenticate") != row.challenge || h.Get("Retry-After") != row.retry ||
			h.Get("Cache-Control") != "no-store" || h.Get("Content-Type") != "application/problem+json" || strings.Contains(w.Body.String(), "s3cr3t") {
			t.Errorf("%s: got %d %s with %v, want %d %s", name, w.Code, w.Body, h, row.status, row.code)
		}
	}
}
