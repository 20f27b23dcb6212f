package authhttp_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/apikey"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/session"
)

// Requests that are generated from the document, and requests that it does not allow, are never
// answered 5xx, and always as the document says.
func TestOpenAPIRequests(t *testing.T) {
	t.Parallel()
	const rounds = 90
	// A generated request cannot guess the secret that these take.
	secretPaths := []string{
		"/auth/password/reset", "/auth/verify", "/auth/login/mfa", "/auth/login/link", "/auth/login/code", "/auth/address/confirm",
		"/auth/mfa/confirm", "/auth/mfa/recovery-codes", "/auth/mfa/remove",
	}
	for name, cfg := range map[string]authhttp.Config{
		"bearer": {PasswordGrant: true, Unremembered: &session.Terms{Idle: time.Hour}}, "cookies": cookies(t, authhttp.CookieConfig{}),
		"localhost": cookies(t, authhttp.CookieConfig{DangerouslyInsecureLocalhost: true}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, cfg)
			_, document := documentAt(t, s.Config.Handler, "/auth/openapi.json")
			g := &generator{server: s, Rand: rand.New(rand.NewPCG(1, 2)), document: document}
			g.id = s.register("bob")
			paths := document["paths"].(node)
			for _, path := range slices.Sorted(maps.Keys(paths)) {
				for _, method := range []string{"get", "post", "delete"} {
					op, ok := member(paths, path, method).(node)
					if !ok {
						continue
					}
					granted := 0
					for i := 0; i < rounds || granted == 0 && i < 10*rounds && !slices.Contains(secretPaths, path); i++ {
						granted += g.try(strings.ToUpper(method), path, op)
					}
					if granted == 0 && !slices.Contains(secretPaths, path) {
						t.Errorf("%s %s: none of %d requests succeeded", method, path, 10*rounds)
					}
				}
			}
		})
	}
}

// generator generates requests.
type generator struct {
	*server
	*rand.Rand
	document node
	id       string // bob's user ID
}

// pick returns one of the values.
func (g *generator) pick(values ...string) string { return values[g.IntN(len(values))] }

// text returns a value for the member with that name.
func (g *generator) text(name, access, refresh string) string {
	if g.IntN(4) == 0 {
		return g.pick("x", "", "ada", "\x00", "😀", "<script>", strings.Repeat("y", 2000), "' OR 1=1", "NaN", access[:20], "\ufeff\u202e")
	}
	switch name {
	case "username":
		return g.pick("ada", "bob", "carol"+strconv.Itoa(g.IntN(1000)))
	case "password", "current_password", "new_password":
		return password
	case "name":
		return "laptop"
	case "expires_in", "overlap":
		return g.pick("3600", "60", "0", "-1", "1e9")
	case "grant_type":
		return g.pick("refresh_token", "password")
	case "address":
		return g.pick("ada@example.com", "bob@example.com", "nobody")
	}
	return g.pick(access, refresh)
}

// try sends a request that op allows or, every other time, does not allow. It returns 1 if the
// request succeeded, else 0.
func (g *generator) try(method, path string, op node) int {
	g.t.Helper()
	in, err := g.accounts.LoginUser(g.t.Context(), g.id, "test")
	if err != nil {
		g.t.Fatal(err)
	}
	if g.IntN(8) == 0 {
		g.codes.set("1", "2")
		defer g.codes.none()
	}
	body, kind, broken := "", "", false
	if content, ok := member(op, "requestBody", "content").(node); ok {
		kind = g.pick(slices.Sorted(maps.Keys(content))...)
		body, broken = g.body(member(content, kind, "schema").(node), kind, in.AccessToken, in.RefreshToken)
		if body == "" && member(op, "requestBody", "required") != true {
			kind, broken = "", false // a form without parameters is no body
		}
		if kind == "multipart/form-data" {
			kind = asData
		}
		if g.IntN(12) == 0 {
			kind, broken = g.pick("text/plain", "", "application/xml", "application/json; charset=latin1"), body != "" || member(op, "requestBody", "required") == true
		}
		if member(op, "requestBody", "required") != true && g.IntN(2) == 0 {
			body, kind, broken = "", "", false
		}
	}
	id := in.Principal.SessionID()
	if strings.Contains(path, "/keys/") {
		key, _, err := g.apiKeys.Create(g.t.Context(), in.Principal, apikey.Spec{Name: "a", Lifetime: time.Minute})
		if err != nil {
			g.t.Fatal(err)
		}
		defer g.apiKeys.Delete(g.t.Context(), g.id, key.ID)
		id = key.ID
	}
	r := httptest.NewRequest(method, strings.ReplaceAll(path, "{id}", g.pick(id, id, id, "x", "%00", strings.Repeat("A", 22))), strings.NewReader(body))
	r.Host = "localhost"
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	schemes, _ := op["security"].([]any)
	if len(schemes) > 0 && g.IntN(6) > 0 {
		for name := range schemes[g.IntN(len(schemes))].(node) {
			switch name {
			case "bearer", "password":
				r.Header.Set("Authorization", "Bearer "+g.pick(in.AccessToken, in.AccessToken, in.AccessToken, in.RefreshToken, "", "a b"))
			case "server":
				r.SetBasicAuth(url.QueryEscape(rsName), g.pick(url.QueryEscape(rsSecret), "wrong"))
			case "accessCookie", "refreshCookie", "refreshIDCookie":
				cookie := member(g.document, "components", "securitySchemes", name, "name").(string)
				r.AddCookie(&http.Cookie{Name: cookie, Value: map[string]string{
					"accessCookie": in.AccessToken, "refreshCookie": in.RefreshToken, "refreshIDCookie": authhttp.RefreshID(in.RefreshToken),
				}[name]})
			}
		}
	}
	if g.IntN(12) == 0 {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
	}
	if g.IntN(24) == 0 {
		r.Host = "evil.test"
	}
	w := httptest.NewRecorder()
	g.Config.Handler.ServeHTTP(w, r)
	switch {
	case w.Code >= 500:
		g.t.Errorf("%s %s with %q: got %d %s", method, path, body, w.Code, w.Body)
	case broken && w.Code < 400:
		g.t.Errorf("%s %s as %q with %.300q: got %d, want a refusal", method, path, kind, body, w.Code)
	case w.Code < 300 && strings.HasSuffix(path, "/account/delete"):
		g.id = g.register("bob")
		return 1
	case w.Code < 300 && strings.HasSuffix(path, "/password"):
		if err := g.accounts.SetPassword(g.t.Context(), g.id, password); err != nil {
			g.t.Fatal(err)
		}
		return 1
	case w.Code < 300, w.Code == 303:
		return 1
	}
	return 0
}

// body returns a body that the schema allows or, every other time, does not allow.
func (g *generator) body(schema node, kind, access, refresh string) (text string, broken bool) {
	properties, _ := schema["properties"].(node)
	required, _ := schema["required"].([]any)
	form, members := url.Values{}, node{}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if slices.Contains(required, any(name)) || g.IntN(3) == 0 {
			value := g.text(name, access, refresh)
			for member(properties, name, "minLength") != nil && value == "" {
				value = g.text(name, access, refresh)
			}
			members[name] = value
			if name == "remember" {
				value = g.pick("on", "true", "off")
				members[name] = value == "true"
			}
			form.Set(name, value)
		}
	}
	render := func() string {
		if kind == "multipart/form-data" {
			var parts []string
			for name, values := range form {
				for _, value := range values {
					parts = append(parts, name, value)
				}
			}
			return multipartBody(parts...)
		}
		if kind != asJSON {
			return form.Encode()
		}
		var b bytes.Buffer
		_ = json.NewEncoder(&b).Encode(members)
		return strings.TrimSpace(b.String())
	}
	if g.IntN(2) == 0 {
		return render(), false
	}
	name := "surprise"
	if len(required) > 0 {
		name = required[g.IntN(len(required))].(string)
	}
	switch way := g.IntN(5); {
	case way == 0 && len(required) > 0:
		delete(members, name)
		form.Del(name)
	case way == 1 && kind == asJSON:
		members[name] = []any{nil, 7, true, []string{"x"}, node{}}[g.IntN(5)]
	case way == 2 && kind == asJSON:
		members["surprise"] = "x"
	case way == 3 && kind == asJSON:
		text = render()
		return text[:len(text)-1-g.IntN(len(text)-1)], true
	case way == 4:
		form.Set("surprise", strings.Repeat("x", 70000))
		members["surprise"] = form.Get("surprise")
	default:
		form["twice"] = []string{"x", "x"}
		if kind == asJSON {
			return `{"a":"x","a":"x"}`, true
		}
	}
	return render(), true
}
