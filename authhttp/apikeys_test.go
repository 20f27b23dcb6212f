package authhttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/apikey"
	"github.com/seed-e36e2130/auth/authhttp"
)

// newKey is the body of an answer that shows a key.
type newKey struct {
	ID, Name, Key, Scope string
	Roles                []string
	OldUntil             string `json:"old_until"`
}

// keyOf returns the key that an answer shows.
func keyOf(t *testing.T, a answer) (k newKey) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.text), &k); err != nil || k.Key == "" || k.ID == "" {
		t.Fatalf("got %d %s, want a key", a.status, a.text)
	}
	return k
}

// scoped gives users two scopes and a role.
func scoped(_ *server, cfg *auth.Config) {
	cfg.Claims = func(_ context.Context, _ auth.User, c *auth.Claims) error {
		c.Scopes, c.Roles = []string{"read", "write"}, []string{"editor"}
		return nil
	}
}

func TestAPIKeyEndpoints(t *testing.T) {
	t.Parallel()
	s := newServerWith(t, authhttp.Config{}, scoped)
	c, mine := s.Client(), s.login()
	verify := func(key string) error {
		_, err := s.apiKeys.Verify(t.Context(), key)
		return err
	}
	a := s.call(c, "POST", "/auth/keys", object("name", "laptop", "scope", "read  write", "roles", "editor", "expires_in", "3600"), bearer(mine.Access))
	first := keyOf(t, a.want(t, "create", 201, ""))
	if first.Name != "laptop" || first.Scope != "read write" || strings.Join(first.Roles, " ") != "editor" || !strings.HasPrefix(first.Key, "myapp_live_"+first.ID) {
		t.Errorf("got %+v", first)
	}
	p, err := s.apiKeys.Verify(t.Context(), first.Key)
	if err != nil || !p.HasScope("write") || p.Expiry().Sub(p.IssuedAt()) != time.Hour {
		t.Fatalf("the key: %v", err)
	}
	if list := s.call(c, "GET", "/auth/keys", "", bearer(mine.Access)).want(t, "list", 200, ""); !strings.Contains(list.text, `"last_used_at"`) || strings.Contains(list.text, first.Key[40:60]) {
		t.Errorf("got the list %s", list.text)
	}
	second := keyOf(t, s.call(c, "POST", "/auth/keys/"+first.ID+"/roll", object("overlap", "60"), bearer(mine.Access)).want(t, "roll", 200, ""))
	if second.ID != first.ID || second.OldUntil == "" || verify(first.Key) != nil || verify(second.Key) != nil {
		t.Errorf("got %+v, and the keys %v and %v", second, verify(first.Key), verify(second.Key))
	}
	third := keyOf(t, s.call(c, "POST", "/auth/keys/"+first.ID+"/roll", "", bearer(mine.Access)).want(t, "roll without a body", 200, ""))
	if verify(first.Key) == nil || verify(second.Key) == nil || verify(third.Key) != nil || third.OldUntil != "" {
		t.Errorf("got %+v, and the keys %v, %v and %v", third, verify(first.Key), verify(second.Key), verify(third.Key))
	}

	// Who revokes a key that was found must not believe that it has ended.
	s.call(c, "POST", "/auth/revoke", form("token", third.Key), nil).want(t, "revoke", 400, "unsupported_token_type")
	if verify(third.Key) != nil {
		t.Errorf("the key after a refused revocation: %v", verify(third.Key))
	}

	s.register("eve")
	eve := s.call(c, "POST", "/auth/login", form("username", "eve", "password", password), nil)
	for name, row := range map[string]struct {
		method, path, body string
		in                 answer
		status             int
		code               string
	}{
		"a scope that the caller lacks":  {"POST", "/keys", object("name", "a", "scope", "read delete"), mine, 403, "insufficient_scope"},
		"a role that the caller lacks":   {"POST", "/keys", object("name", "a", "roles", "admin"), mine, 403, "insufficient_scope"},
		"no name":                        {"POST", "/keys", "{}", mine, 400, "invalid_request"},
		"an empty name":                  {"POST", "/keys", object("name", ""), mine, 422, "invalid_key"},
		"a time that is no number":       {"POST", "/keys", object("name", "a", "expires_in", "1h"), mine, 422, "invalid_key"},
		"a negative time":                {"POST", "/keys", object("name", "a", "expires_in", "-1"), mine, 422, "invalid_key"},
		"a time that overflows":          {"POST", "/keys", object("name", "a", "expires_in", "18446744073709551615"), mine, 422, "invalid_key"},
		"a time that is too long":        {"POST", "/keys", object("name", "a", "expires_in", "40000000"), mine, 422, "invalid_key"},
		"an unknown member":              {"POST", "/keys", object("name", "a", "scopes", "read"), mine, 400, "invalid_request"},
		"an overlap that is too long":    {"POST", "/keys/" + first.ID + "/roll", object("overlap", "10000000"), mine, 422, "invalid_key"},
		"roll of another user's key":     {"POST", "/keys/" + first.ID + "/roll", "", eve, 404, "key_not_found"},
		"roll of no key":                 {"POST", "/keys/x/roll", "", mine, 404, "key_not_found"},
		"deletion of another user's key": {"DELETE", "/keys/" + first.ID, "", eve, 404, "key_not_found"},
		"deletion of no key":             {"DELETE", "/keys/" + strings.Repeat("A", 26), "", mine, 404, "key_not_found"},
	} {
		s.call(c, row.method, "/auth"+row.path, row.body, bearer(row.in.Access)).want(t, name, row.status, row.code)
	}
	if err := verify(third.Key); err != nil {
		t.Errorf("the key afterwards: %v", err)
	}
	s.call(c, "DELETE", "/auth/keys/"+first.ID, "", bearer(mine.Access)).want(t, "delete", 204, "")
	if err := verify(third.Key); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("a deleted key: %v", err)
	}
}

// A key outlives the token that created it, so a stolen access token creates, rolls and deletes none: that needs a
// recent proof, and one of both factors where the account has a second one.
func TestStolenTokenGetsNoKey(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	c, mine := s.Client(), s.login()
	p := must(s.accounts.Verify(t.Context(), mine.Access))
	key, secret, err := s.apiKeys.Create(t.Context(), p, apikey.Spec{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what, token, challenge string) {
		t.Helper()
		for _, r := range []struct{ method, path, body string }{
			{"POST", "/keys", object("name", "a")}, {"POST", "/keys/" + key.ID + "/roll", ""}, {"DELETE", "/keys/" + key.ID, ""},
		} {
			a := s.call(c, r.method, "/auth"+r.path, r.body, bearer(token)).want(t, what, 401, "insufficient_user_authentication")
			if got := a.header.Get("WWW-Authenticate"); !strings.Contains(got, challenge) {
				t.Errorf("%s: got the challenge %s, want %s", what, got, challenge)
			}
		}
		s.call(c, "GET", "/auth/keys", "", bearer(token)).want(t, "the list", 200, "")
	}
	refused("an old token", s.old(mine, 6*time.Minute), `max_age="300"`)
	s.codes.set("1")
	refused("a token from before the second factor", mine.Access, `acr_values="mfa"`)
	refused("an old token of both factors", s.old(mine, 6*time.Minute, "otp", "mfa"), `max_age="300"`)
	if list := must(s.apiKeys.List(t.Context(), p.Subject())); len(list) != 1 {
		t.Errorf("got %d keys, want 1", len(list))
	}
	if _, err := s.apiKeys.Verify(t.Context(), string(secret)); err != nil {
		t.Errorf("the key: %v", err)
	}
	again := s.call(c, "POST", "/auth/step-up", object("password", password, "code", "1"), bearer(mine.Access)).want(t, "step-up", 200, "")
	keyOf(t, s.call(c, "POST", "/auth/keys", object("name", "a"), bearer(again.Access)).want(t, "create after a step-up", 201, ""))
}

// With cookies, a page of another origin creates no key, and rolls and deletes none.
func TestAPIKeysOfBrowsers(t *testing.T) {
	t.Parallel()
	s := newServer(t, cookies(t, authhttp.CookieConfig{}))
	b := s.browser()
	s.call(b, "POST", "/auth/login", object("username", "ada", "password", password), nil).want(t, "login", 200, "")
	key := keyOf(t, s.call(b, "POST", "/auth/keys", object("name", "a"), nil).want(t, "create", 201, ""))
	for _, r := range []struct{ method, path, body string }{
		{"POST", "/keys", object("name", "a")}, {"POST", "/keys/" + key.ID + "/roll", ""}, {"DELETE", "/keys/" + key.ID, ""},
	} {
		s.call(b, r.method, "/auth"+r.path, r.body, header{"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"}).want(t, r.method+" "+r.path, 403, "cross_origin")
	}
	s.call(b, "DELETE", "/auth/keys/"+key.ID, "", nil).want(t, "delete", 204, "")
}

// brokenKeys fails in every call.
type brokenKeys struct{ err error }

func (f brokenKeys) List(context.Context, string) ([]apikey.Key, error) { return nil, f.err }
func (f brokenKeys) Create(context.Context, *auth.Principal, apikey.Spec) (apikey.Key, apikey.Secret, error) {
	return apikey.Key{}, "", f.err
}

func TestAPIKeysThatFail(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	mine := s.login()
	for err, want := range map[error]string{
		apikey.ErrTooMany: "409 too_many_keys", auth.ErrRevokedToken: "401 invalid_token", auth.ErrConflict: "409 conflict",
		&auth.RetryError{Err: auth.ErrKeysUnavailable, After: time.Second}: "503 unavailable", errors.New("broken"): "500 internal",
	} {
		r := must(http.NewRequest("POST", "/keys", strings.NewReader(object("name", "a"))))
		r.Header.Set("Content-Type", asJSON)
		r.Header.Set("Authorization", "Bearer "+mine.Access)
		w := serveOnce(authhttp.APIKeys(brokenKeys{err}, s.guard, authhttp.Config{}), r)
		status, code, _ := strings.Cut(want, " ")
		if strconv.Itoa(w.Code) != status || !strings.Contains(w.Body.String(), `"code":"`+code+`"`) || strings.Contains(w.Body.String(), "broken") {
			t.Errorf("%v: got %d %s, want %s", err, w.Code, w.Body, want)
		}
		if w.Code == 401 && !strings.Contains(w.Header().Get("WWW-Authenticate"), "invalid_token") || w.Code == 503 && w.Header().Get("Retry-After") == "" {
			t.Errorf("%v: got the header %v", err, w.Header())
		}
	}
}
