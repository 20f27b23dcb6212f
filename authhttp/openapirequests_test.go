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

	"github.com/seed-e36e2130/auth/authhttp"
)

// Requests made from the document, and requests that it does not allow: none is
// answered 5xx, and every answer is one that the document knows.
func TestOpenAPIRequests(t *testing.T) {
	t.Parallel()
	const rounds = 90
	// What these take, nobody guesses.
	links := []string{
		"/auth/password/reset", "/auth/verify", "/auth/login/mfa", "/auth/login/link", "/auth/login/code", "/auth/address/confirm",
		"/auth/mfa/confirm", "/auth/mfa/recovery-codes", "/auth/mfa/remove",
	}
	for name, cfg := range map[string]authhttp.Config{
		"bearer": {PasswordGrant: true}, "cookies": cookies(t, authhttp.CookieConfig{}),
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
					op, ok := at(paths, path, method).(node)
					if !ok {
						continue
					}
					granted := 0
					for i := 0; i < rounds || granted == 0 && i < 10*rounds && !slices.Contains(links, path); i++ {
						granted += g.try(strings.ToUpper(method), path, op)
					}
					if granted == 0 && !slices.Contains(links, path) {
						t.Errorf("%s %s: of %d requests none was granted", method, path, 10*rounds)
					}
				}
			}
		})
	}
}

// generator makes requests.
type generator struct {
	*server
	*rand.Rand
	document node
	id       string // of bob
}

func (g *generator) one(of ...string) string { return of[g.IntN(len(of))] }

// text returns a value for a member.
func (g *generator) text(name, access, refresh string) string {
	if g.IntN(4) == 0 {
		return g.one("x", "", "ada", "\x00", "😀", "<script>", strings.Repeat("y", 2000), "' OR 1=1", "NaN", access[:20], "\ufeff\u202e")
	}
	switch name {
	case "username":
		return g.one("ada", "bob", "carol"+strconv.Itoa(g.IntN(1000)))
	case "password", "current_password", "new_password":
		return password
	case "grant_type":
		return g.one("refresh_token", "password")
	case "address":
		return g.one("ada@example.com", "bob@example.com", "nobody")
	}
	return g.one(access, refresh)
}

// try sends a request that is as op says or, every other time, is not, and returns 1
// if it was granted.
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
	if content, ok := at(op, "requestBody", "content").(node); ok {
		kind = g.one(slices.Sorted(maps.Keys(content))...)
		body, broken = g.body(at(content, kind, "schema").(node), kind, in.AccessToken, in.RefreshToken)
		if kind == "multipart/form-data" {
			kind = asData
		}
		if g.IntN(12) == 0 {
			kind, broken = g.one("text/plain", "", "application/xml", "application/json; charset=latin1"), body != "" || at(op, "requestBody", "required") == true
		}
		if at(op, "requestBody", "required") != true && g.IntN(2) == 0 {
			body, kind, broken = "", "", false
		}
	}
	id := in.Principal.SessionID()
	r := httptest.NewRequest(method, strings.ReplaceAll(path, "{id}", g.one(id, id, id, "x", "%00", strings.Repeat("A", 22))), strings.NewReader(body))
	r.Host = "localhost"
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	schemes, _ := op["security"].([]any)
	if len(schemes) > 0 && g.IntN(6) > 0 {
		for name := range schemes[g.IntN(len(schemes))].(node) {
			switch name {
			case "bearer", "password":
				r.Header.Set("Authorization", "Bearer "+g.one(in.AccessToken, in.AccessToken, in.AccessToken, in.RefreshToken, "", "a b"))
			case "server":
				r.SetBasicAuth(url.QueryEscape(rsName), g.one(url.QueryEscape(rsSecret), "wrong"))
			case "accessCookie", "refreshCookie":
				cookie := at(g.document, "components", "securitySchemes", name, "name").(string)
				r.AddCookie(&http.Cookie{Name: cookie, Value: map[bool]string{true: in.AccessToken, false: in.RefreshToken}[name == "accessCookie"]})
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
		g.t.Errorf("%s %s with %q is answered %d %s", method, path, body, w.Code, w.Body)
	case broken && w.Code < 400:
		g.t.Errorf("%s %s as %q with %.300q is answered %d", method, path, kind, body, w.Code)
	case w.Code < 300 && strings.HasSuffix(path, "/account/delete"):
		g.id = g.register("bob")
		return 1
	case w.Code < 300 && strings.HasSuffix(path, "/password"):
		if err := g.accounts.SetPassword(g.t.Context(), g.id, password); err != nil {
			g.t.Fatal(err)
		}
		return 1
	case w.Code < 300:
		return 1
	}
	return 0
}

// body returns one that is as schema says or, every other time, is not.
func (g *generator) body(schema node, kind, access, refresh string) (text string, broken bool) {
	properties, _ := schema["properties"].(node)
	required, _ := schema["required"].([]any)
	form, members := url.Values{}, node{}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if slices.Contains(required, any(name)) || g.IntN(3) == 0 {
			value := g.text(name, access, refresh)
			for at(properties, name, "minLength") != nil && value == "" {
				value = g.text(name, access, refresh)
			}
			members[name] = value
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
			return data(parts...)
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
