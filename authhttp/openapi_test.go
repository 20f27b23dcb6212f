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

// member returns a member of an object, or of an object within it, or nil.
func member(object any, names ...string) any {
	for _, name := range names {
		n, _ := object.(node)
		object = n[name]
	}
	return object
}

// documentAt returns the OpenAPI document that h serves.
func documentAt(t *testing.T, h http.Handler, path string) (text string, document node) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "https://localhost"+path, nil))
	if w.Code != 200 || w.Header().Get("Content-Type") != asJSON {
		t.Fatalf("GET %s: got %d %s, want the document", path, w.Code, w.Body)
	}
	text = w.Body.String()
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	return text, document
}

// checkedByDocument returns h, and checks each of its answers against its OpenAPI document.
func checkedByDocument(t *testing.T, h http.Handler) http.Handler {
	_, document := documentAt(t, h, "/auth/openapi.json")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := httptest.NewRecorder()
		h.ServeHTTP(got, r)
		if fault := disagreement(document, r, got); fault != "" {
			t.Errorf("%s %s: got %d %s, %s", r.Method, r.URL.Path, got.Code, got.Body, fault)
		}
		maps.Copy(w.Header(), got.Header())
		w.WriteHeader(got.Code)
		_, _ = w.Write(got.Body.Bytes())
	})
}

// disagreement says how an answer differs from the document, or returns "".
func disagreement(document node, r *http.Request, got *httptest.ResponseRecorder) string {
	var item any
	for path, described := range document["paths"].(node) {
		pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(path), `\{id\}`, "[^/]+") + "$"
		if ok, _ := regexp.MatchString(pattern, r.URL.EscapedPath()); ok {
			item = described
		}
	}
	method := strings.ToLower(r.Method)
	if method == "head" {
		method = "get"
	}
	op := member(item, method)
	switch {
	case item == nil && got.Code == 404, item != nil && op == nil && (got.Code == 405 || got.Code == 400):
		return ""
	case op == nil:
		return "but the document has no such operation"
	case got.Code == 400 && r.URL.RawQuery != "":
		return ""
	}
	answer := member(op, "responses", strconv.Itoa(got.Code))
	if answer == nil {
		return "but the document has no such status"
	}
	if got.Code == 429 && member(answer, "headers", "Retry-After") == nil || got.Code == 401 && member(answer, "headers", "WWW-Authenticate") == nil {
		return "but the document lacks a header of this status"
	}
	content, _ := member(answer, "content").(node)
	if content == nil || r.Method == "HEAD" {
		if got.Body.Len() > 0 {
			return "but the document has no body for this status"
		}
		return ""
	}
	schema := member(content, got.Header().Get("Content-Type"), "schema")
	if schema == nil {
		return "but the document has no media type " + got.Header().Get("Content-Type")
	}
	var value any
	if err := json.Unmarshal(got.Body.Bytes(), &value); err != nil {
		return err.Error()
	}
	return validateStrictly(document, schema, value)
}

// validateStrictly is validate, and also returns a fault for a member that the schema does not
// have, unless it has no members at all.
func validateStrictly(document node, schema, value any) (fault string) {
	known, fault := validate(document, schema, value)
	if members, ok := value.(node); ok && fault == "" && len(known) > 0 {
		for name := range members {
			if !known[name] {
				return "but the schema has no member " + name
			}
		}
	}
	return fault
}

// validate validates value against a schema of the kind that the document has, and returns the
// names of the schema's members, and how the value differs or "".
func validate(document node, schema, value any) (known map[string]bool, fault string) {
	known = map[string]bool{}
	s := schema.(node)
	for name := range s {
		if !slices.Contains([]string{"$ref", "allOf", "anyOf", "type", "format", "properties", "required", "enum", "items"}, name) {
			return known, "but this test cannot read a schema with " + name
		}
	}
	if name, ok := s["$ref"].(string); ok {
		return validate(document, member(document, strings.Split(strings.TrimPrefix(name, "#/"), "/")...), value)
	}
	allOf, _ := s["allOf"].([]any)
	for _, part := range allOf {
		members, fault := validate(document, part, value)
		if maps.Copy(known, members); fault != "" {
			return known, fault
		}
	}
	if anyOf, ok := s["anyOf"].([]any); ok {
		faults := ""
		for _, alternative := range anyOf {
			members, fault := validate(document, alternative, value)
			if fault == "" {
				maps.Copy(known, members)
				return known, ""
			}
			faults += fault + "; "
		}
		return known, faults
	}
	if allowed, ok := s["enum"].([]any); ok && !slices.Contains(allowed, value) {
		return known, fmt.Sprintf("but %v is not among %v", value, allowed)
	}
	if fault := validateType(document, s, value); fault != "" {
		return known, fault
	}
	required, _ := s["required"].([]any)
	for _, name := range required {
		if member(value, name.(string)) == nil {
			return known, fmt.Sprintf("but %v is required", name)
		}
	}
	properties, _ := s["properties"].(node)
	for name, property := range properties {
		known[name] = true
		if got := member(value, name); got != nil {
			if fault := validateStrictly(document, property, got); fault != "" {
				return known, name + ": " + fault
			}
		}
	}
	return known, ""
}

// validateType validates value against the type of a schema, and the elements of an array against
// the schema of its items.
func validateType(document, s node, value any) (fault string) {
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
		for _, element := range list {
			if fault := validateStrictly(document, s["items"], element); fault != "" {
				return fault
			}
		}
	}
	if !ok {
		return fmt.Sprintf("but %v is not of type %v", value, s["type"])
	}
	return ""
}

// The document has every mounted operation, and no other.
func TestOpenAPIRoutes(t *testing.T) {
	t.Parallel()
	full := newServer(t, authhttp.Config{})
	text, document := documentAt(t, full.Config.Handler, "/auth/openapi.json")
	if again, _ := documentAt(t, newServer(t, authhttp.Config{}).Config.Handler, "/auth/openapi.json"); again != text {
		t.Error("two servers with the same configuration have different documents")
	}
	if member(document, "openapi") != "3.1.0" || fmt.Sprint(document["servers"]) != "[map[url:https://api.test]]" {
		t.Errorf("got version %v and servers %v, want 3.1.0 and https://api.test", document["openapi"], document["servers"])
	}
	var got []string
	for path, item := range document["paths"].(node) {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			w := httptest.NewRecorder()
			full.Config.Handler.ServeHTTP(w, httptest.NewRequest(method, strings.ReplaceAll(path, "{id}", "x"), nil))
			documented := member(item, strings.ToLower(method)) != nil
			if documented {
				got = append(got, method+" "+path)
			}
			if documented == (w.Code == 405) {
				t.Errorf("%s %s: got %d, in the document: %t", method, path, w.Code, documented)
			}
		}
	}
	slices.Sort(got)
	want := strings.Fields(`DELETE_/auth/sessions DELETE_/auth/sessions/{id} GET_/.well-known/change-password GET_/.well-known/jwks.json
		GET_/.well-known/oauth-authorization-server/tenant GET_/auth/me GET_/auth/openapi.json GET_/auth/sessions
		DELETE_/auth/keys/{id} GET_/auth/keys POST_/auth/keys POST_/auth/keys/{id}/roll POST_/auth/account/delete POST_/auth/address POST_/auth/address/confirm POST_/auth/introspect POST_/auth/login
		POST_/auth/login/code POST_/auth/login/code/request POST_/auth/login/link POST_/auth/login/link/request POST_/auth/login/mfa POST_/auth/logout POST_/auth/mfa/begin POST_/auth/mfa/confirm
		POST_/auth/mfa/recovery-codes POST_/auth/mfa/remove POST_/auth/password POST_/auth/password/forgot
		POST_/auth/password/reset POST_/auth/refresh POST_/auth/register POST_/auth/revoke POST_/auth/step-up POST_/auth/token
		POST_/auth/verify POST_/auth/verify/request`)
	slices.Sort(want)
	if text := strings.ReplaceAll(strings.Join(got, "\n"), " ", "_"); text != strings.Join(want, "\n") {
		t.Errorf("the document has the operations\n%s\nwant\n%s", text, strings.Join(want, "\n"))
	}

	for _, name := range []authhttp.Endpoint{
		authhttp.EndpointRegister, authhttp.EndpointLogin, authhttp.EndpointMFA, authhttp.EndpointStepUp, authhttp.EndpointEnrol, authhttp.EndpointToken,
		authhttp.EndpointRefresh, authhttp.EndpointLogout, authhttp.EndpointMe, authhttp.EndpointSessions, authhttp.EndpointAPIKeys, authhttp.EndpointPassword,
		authhttp.EndpointRecovery, authhttp.EndpointLoginLink, authhttp.EndpointLoginCode, authhttp.EndpointAddress, authhttp.EndpointDelete,
		authhttp.EndpointRevoke, authhttp.EndpointIntrospect, authhttp.EndpointJWKS, authhttp.EndpointMetadata,
	} {
		s := newServer(t, authhttp.Config{}, name)
		_, chosen := documentAt(t, s.Config.Handler, "/auth/openapi.json")
		if count := len(chosen["paths"].(node)); count < 2 {
			t.Errorf("%s: got %d paths, want its own and the document's", name, count)
		}
		for path := range document["paths"].(node) {
			w := httptest.NewRecorder()
			s.Config.Handler.ServeHTTP(w, httptest.NewRequest("PUT", strings.ReplaceAll(path, "{id}", "x"), nil))
			if documented := member(chosen, "paths", path) != nil; documented == (w.Code == 404) {
				t.Errorf("%s: PUT %s: got %d, in the document: %t", name, path, w.Code, documented)
			}
		}
	}
}

// Swagger UI logs in with a form, by the password flow of the document.
func TestOpenAPIPasswordFlow(t *testing.T) {
	t.Parallel()
	s := newServer(t, authhttp.Config{})
	_, document := documentAt(t, s.Config.Handler, "/auth/openapi.json")
	address, _ := member(document, "components", "securitySchemes", "password", "flows", "password", "tokenUrl").(string)
	path, found := strings.CutPrefix(address, "https://api.test")
	if !found || fmt.Sprint(member(document, "paths", "/auth/me", "get", "security")) != "[map[bearer:[]] map[password:[]]]" {
		t.Fatalf("the flow is at %q, and /auth/me asks for %v, want the login endpoint, and bearer or password", address, member(document, "paths", "/auth/me", "get", "security"))
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
		t.Fatalf("the form: got %d %s, want 200", w.Code, w.Body)
	}
	r = httptest.NewRequest("GET", "/auth/me", nil)
	r.Header.Set("Authorization", "Bearer "+got.AccessToken)
	w = httptest.NewRecorder()
	if s.Config.Handler.ServeHTTP(w, r); w.Code != 200 {
		t.Errorf("/auth/me with its token: got %d %s, want 200", w.Code, w.Body)
	}

	for name, h := range map[string]http.Handler{
		"cookies":  newServer(t, cookies(t, authhttp.CookieConfig{})).Config.Handler,
		"no login": newServer(t, authhttp.Config{}, authhttp.EndpointMe).Config.Handler,
	} {
		if _, document := documentAt(t, h, "/auth/openapi.json"); member(document, "components", "securitySchemes", "password") != nil {
			t.Errorf("%s: the document has a password flow", name)
		}
	}
}
