package authhttp_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/authhttp"
)

// node is an object of an OpenAPI document.
type node = map[string]any

// at returns what is there in n, or nil.
func at(n any, names ...string) any {
	for _, name := range names {
		object, _ := n.(node)
		n = object[name]
	}
	return n
}

// documentAt returns the document that h serves.
func documentAt(t *testing.T, h http.Handler, path string) (text string, document node) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	if w.Code != 200 || w.Header().Get("Content-Type") != asJSON {
		t.Fatalf("the document is answered %d %s", w.Code, w.Body)
	}
	text = w.Body.String()
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	return text, document
}

// held returns h, whose answers are held against its document.
func held(t *testing.T, h http.Handler) http.Handler {
	_, document := documentAt(t, h, "/auth/openapi.json")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := httptest.NewRecorder()
		h.ServeHTTP(got, r)
		if fault := disagrees(document, r, got); fault != "" {
			t.Errorf("%s %s is answered %d %s, %s", r.Method, r.URL.Path, got.Code, got.Body, fault)
		}
		maps.Copy(w.Header(), got.Header())
		w.WriteHeader(got.Code)
		_, _ = w.Write(got.Body.Bytes())
	})
}

// disagrees returns in what an answer is not as its document says.
func disagrees(document node, r *http.Request, got *httptest.ResponseRecorder) string {
	var item any
	for path, one := range document["paths"].(node) {
		if ok, _ := regexp.MatchString("^"+strings.ReplaceAll(regexp.QuoteMeta(path), `\{id\}`, "[^/]+")+"$", r.URL.EscapedPath()); ok {
			item = one
		}
	}
	method := strings.ToLower(r.Method)
	if method == "head" {
		method = "get"
	}
	op := at(item, method)
	switch {
	case item == nil && got.Code == 404, item != nil && op == nil && (got.Code == 405 || got.Code == 400):
		return ""
	case op == nil:
		return "and is not in the document"
	case got.Code == 400 && r.URL.RawQuery != "":
		return ""
	}
	answer := at(op, "responses", strconv.Itoa(got.Code))
	if answer == nil {
		return "which the document does not know"
	}
	if got.Code == 429 && at(answer, "headers", "Retry-After") == nil || got.Code == 401 && at(answer, "headers", "WWW-Authenticate") == nil {
		return "whose header the document does not know"
	}
	content, _ := at(answer, "content").(node)
	if content == nil || r.Method == "HEAD" {
		if got.Body.Len() > 0 {
			return "which should have no body"
		}
		return ""
	}
	schema := at(content, got.Header().Get("Content-Type"), "schema")
	if schema == nil {
		return "as " + got.Header().Get("Content-Type")
	}
	var value any
	if err := json.Unmarshal(got.Body.Bytes(), &value); err != nil {
		return err.Error()
	}
	return exactly(document, schema, value)
}

// exactly holds value against a schema, and says as well which member the schema does
// not know, unless it knows none.
func exactly(document node, schema, value any) (fault string) {
	known, fault := validate(document, schema, value)
	if members, ok := value.(node); ok && fault == "" && len(known) > 0 {
		for name := range members {
			if !known[name] {
				return "whose member " + name + " the document does not know"
			}
		}
	}
	return fault
}

// validate holds value against a schema of those that the document has, and returns
// the members that it knows.
func validate(document node, schema, value any) (known map[string]bool, fault string) {
	known = map[string]bool{}
	s := schema.(node)
	for name := range s {
		if !slices.Contains([]string{"$ref", "allOf", "anyOf", "type", "format", "properties", "required", "enum", "items"}, name) {
			return known, "by a schema that this test cannot read: " + name
		}
	}
	if name, ok := s["$ref"].(string); ok {
		return validate(document, at(document, strings.Split(strings.TrimPrefix(name, "#/"), "/")...), value)
	}
	all, _ := s["allOf"].([]any)
	for _, one := range all {
		more, fault := validate(document, one, value)
		if maps.Copy(known, more); fault != "" {
			return known, fault
		}
	}
	if either, ok := s["anyOf"].([]any); ok {
		faults := ""
		for _, one := range either {
			more, fault := validate(document, one, value)
			if fault == "" {
				maps.Copy(known, more)
				return known, ""
			}
			faults += fault + "; "
		}
		return known, faults
	}
	if allowed, ok := s["enum"].([]any); ok && !slices.Contains(allowed, value) {
		return known, fmt.Sprintf("where %v is none of %v", value, allowed)
	}
	ok := true
	switch s["type"] {
	case "string":
		text, isText := value.(string)
		if ok = isText; s["format"] == "date-time" {
			_, err := time.Parse(time.RFC3339, text)
			ok = err == nil
		}
	case "integer":
		number, isNumber := value.(float64)
		ok = isNumber && number == math.Trunc(number)
	case "boolean":
		_, ok = value.(bool)
	case "object":
		_, ok = value.(node)
	case "array":
		var list []any
		list, ok = value.([]any)
		for _, one := range list {
			if fault := exactly(document, s["items"], one); fault != "" {
				return known, fault
			}
		}
	}
	if !ok {
		return known, fmt.Sprintf("where %v is no %v", value, s["type"])
	}
	required, _ := s["required"].([]any)
	for _, name := range required {
		if at(value, name.(string)) == nil {
			return known, fmt.Sprintf("without %v", name)
		}
	}
	properties, _ := s["properties"].(node)
	for name, one := range properties {
		known[name] = true
		if member := at(value, name); member != nil {
			if fault := exactly(document, one, member); fault != "" {
				return known, name + ": " + fault
			}
		}
	}
	return known, ""
}

// The document has what is mounted, and what is in it is mounted.
func TestOpenAPIRoutes(t *testing.T) {
	t.Parallel()
	full := newServer(t, authhttp.Config{})
	text, document := documentAt(t, full.Config.Handler, "/auth/openapi.json")
	if again, _ := documentAt(t, newServer(t, authhttp.Config{}).Config.Handler, "/auth/openapi.json"); again != text {
		t.Error("two servers that are alike have documents that are not")
	}
	if at(document, "openapi") != "3.1.0" || fmt.Sprint(document["servers"]) != "[map[url:https://api.test]]" {
		t.Errorf("%v at %v", document["openapi"], document["servers"])
	}
	var got []string
	for path, item := range document["paths"].(node) {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			w := httptest.NewRecorder()
			full.Config.Handler.ServeHTTP(w, httptest.NewRequest(method, strings.ReplaceAll(path, "{id}", "x"), nil))
			told := at(item, strings.ToLower(method)) != nil
			if told {
				got = append(got, method+" "+path)
			}
			if told == (w.Code == 405) {
				t.Errorf("%s %s is answered %d, and in the document: %v", method, path, w.Code, told)
			}
		}
	}
	slices.Sort(got)
	want := strings.Fields(`DELETE_/auth/sessions DELETE_/auth/sessions/{id} GET_/.well-known/jwks.json
		GET_/.well-known/oauth-authorization-server/tenant GET_/auth/me GET_/auth/openapi.json GET_/auth/sessions
		POST_/auth/account/delete POST_/auth/address POST_/auth/address/confirm POST_/auth/introspect POST_/auth/login
		POST_/auth/login/code POST_/auth/login/code/request POST_/auth/login/link POST_/auth/login/link/request POST_/auth/login/mfa POST_/auth/logout POST_/auth/mfa/begin POST_/auth/mfa/confirm
		POST_/auth/mfa/recovery-codes POST_/auth/mfa/remove POST_/auth/password POST_/auth/password/forgot
		POST_/auth/password/reset POST_/auth/refresh POST_/auth/register POST_/auth/revoke POST_/auth/step-up POST_/auth/token
		POST_/auth/verify POST_/auth/verify/request`)
	if text := strings.ReplaceAll(strings.Join(got, "\n"), " ", "_"); text != strings.Join(want, "\n") {
		t.Errorf("the document has\n%s", text)
	}

	for _, one := range []authhttp.Endpoint{
		authhttp.EndpointRegister, authhttp.EndpointLogin, authhttp.EndpointMFA, authhttp.EndpointStepUp, authhttp.EndpointEnrol, authhttp.EndpointToken,
		authhttp.EndpointRefresh, authhttp.EndpointLogout, authhttp.EndpointMe, authhttp.EndpointSessions, authhttp.EndpointPassword,
		authhttp.EndpointRecovery, authhttp.EndpointLoginLink, authhttp.EndpointLoginCode, authhttp.EndpointAddress, authhttp.EndpointDelete,
		authhttp.EndpointRevoke, authhttp.EndpointIntrospect, authhttp.EndpointJWKS, authhttp.EndpointMetadata,
	} {
		s := newServer(t, authhttp.Config{}, one)
		_, some := documentAt(t, s.Config.Handler, "/auth/openapi.json")
		if count := len(some["paths"].(node)); count < 2 {
			t.Errorf("%s: the document has %d paths", one, count)
		}
		for path := range document["paths"].(node) {
			w := httptest.NewRecorder()
			s.Config.Handler.ServeHTTP(w, httptest.NewRequest("PUT", strings.ReplaceAll(path, "{id}", "x"), nil))
			if told := at(some, "paths", path) != nil; told == (w.Code == 404) {
				t.Errorf("%s: %s is answered %d, and in the document: %v", one, path, w.Code, told)
			}
		}
	}
}

// TestOpenAPIPasswordFlow logs in as Swagger UI does: by the flow that the document
// names, with a form.
func TestOpenAPIPasswordFlow(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	_, document := documentAt(t, s.Config.Handler, "/auth/openapi.json")
	address, _ := at(document, "components", "securitySchemes", "password", "flows", "password", "tokenUrl").(string)
	path, found := strings.CutPrefix(address, "https://api.test")
	if !found || fmt.Sprint(at(document, "paths", "/auth/me", "get", "security")) != "[map[bearer:[]] map[password:[]]]" {
		t.Fatalf("the flow is at %q, and /auth/me asks for %v", address, at(document, "paths", "/auth/me", "get", "security"))
	}
	s.register("swagger")
	r := httptest.NewRequest("POST", path, strings.NewReader("grant_type=password&username=swagger&password="+url.QueryEscape(password)+"&scope=&client_id="))
	r.Header.Set("Content-Type", asForm)
	r.Header.Set("Authorization", "Basic Og==")
	w := httptest.NewRecorder()
	s.Config.Handler.ServeHTTP(w, r)
	var got struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); w.Code != 200 || err != nil {
		t.Fatalf("the form is answered %d %s", w.Code, w.Body)
	}
	r = httptest.NewRequest("GET", "/auth/me", nil)
	r.Header.Set("Authorization", "Bearer "+got.AccessToken)
	w = httptest.NewRecorder()
	if s.Config.Handler.ServeHTTP(w, r); w.Code != 200 {
		t.Errorf("with its token /auth/me is answered %d %s", w.Code, w.Body)
	}

	for name, other := range map[string]http.Handler{
		"cookies":  newServer(t, cookies(t, authhttp.CookieConfig{})).Config.Handler,
		"no login": newServer(t, authhttp.Config{}, authhttp.EndpointMe).Config.Handler,
	} {
		if _, document := documentAt(t, other, "/auth/openapi.json"); at(document, "components", "securitySchemes", "password") != nil {
			t.Errorf("%s: the document names a flow", name)
		}
	}
}
