package authhttp

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-e36e2130/auth/internal/problem"
	"github.com/seed-e36e2130/auth/passwords"
)

// operation is what an endpoint does with one method, as the document of
// [EndpointOpenAPI] tells it.
type operation struct {
	method, about string
	asks          credential
	takes         body
	browser       bool   // where Config.Cookies is set, tokens come and go as cookies
	status        int    // of success
	gives         string // name of the schema of the answer; "": it has no body
	refuses       codes  // besides what its other fields imply
}

// codes are those of refusals by status; "" is the one of the status.
type codes map[int][]string

// ruled returns the codes of passwords that are refused, and more.
func ruled(more ...string) []string {
	for _, rule := range []passwords.Rule{
		passwords.TooShort, passwords.TooLong, passwords.Encoding, passwords.Common, passwords.Context, passwords.Breached,
	} {
		more = append(more, "password_"+string(rule))
	}
	return more
}

// credential is what an operation asks for.
type credential int

const (
	anyone    credential = iota
	caller               // an access token
	leaver               // an access token, unless the body has a refresh token
	refresher            // a refresh token: in the body, or with cookies in one
	asker                // name and secret of a resource server
)

// security returns those of the schemes that c is satisfied by, one at a time.
func (c credential) security(schemes node) []any {
	var list []any
	add := func(names ...string) {
		for _, name := range names {
			if schemes[name] != nil {
				list = append(list, node{name: []string{}})
			}
		}
	}
	switch c {
	case asker:
		add("server")
	case refresher:
		add("refreshCookie")
	case caller, leaver:
		add("bearer", "password", "accessCookie")
		if c == leaver && schemes["accessCookie"] == nil {
			list = append(list, node{})
		}
	}
	return list
}

// node is an object of the document; encoding/json sorts its members.
type node = map[string]any

// documentOf returns the handler of the document that describes routes: all there
// are, and nothing of a request.
func documentOf(routes []route, cfg MountConfig) http.Handler {
	schemes := node{
		"bearer": node{"type": "http", "scheme": "bearer"},
		"server": node{"type": "http", "scheme": "basic", "description": "name and secret of a registered resource server"},
	}
	if login := slices.IndexFunc(routes, func(one route) bool { return one.endpoint == EndpointLogin }); login >= 0 && cfg.Cookies == nil {
		// For forms that ask for name and password, as Swagger UI's: a login with
		// cookies answers no token.
		schemes["password"] = node{"type": "oauth2", "flows": node{"password": node{
			"tokenUrl": strings.TrimSuffix(cfg.BaseURL, "/") + routes[login].path, "scopes": node{},
		}}}
	}
	if c := cfg.Cookies; c != nil {
		schemes["accessCookie"] = node{"type": "apiKey", "in": "cookie", "name": c.access}
		schemes["refreshCookie"] = node{"type": "apiKey", "in": "cookie", "name": c.refresh}
	}
	paths := node{}
	for _, one := range routes {
		item := node{}
		for _, op := range one.does {
			item[strings.ToLower(op.method)] = op.describe(one.path, cfg, schemes)
		}
		if strings.HasSuffix(one.path, "/{id}") {
			item["parameters"] = []any{node{
				"name": "id", "in": "path", "required": true, "schema": node{"type": "string", "pattern": sessionID.String()},
			}}
		}
		paths[one.path] = item
	}
	document := node{
		"openapi": "3.1.0",
		"info": node{
			"title": "Authentication", "version": "1",
			"description": "Methods that are not listed are answered 405, but for HEAD, which goes with GET. Any URL with credentials in its query is answered 400.",
		},
		"paths":      paths,
		"components": node{"schemas": schemas(), "securitySchemes": schemes},
	}
	if cfg.BaseURL != "" {
		document["servers"] = []any{node{"url": strings.TrimSuffix(cfg.BaseURL, "/")}}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			cfg.refuse(w, r, notAllowed(w, http.MethodGet, http.MethodHead))
			return
		}
		write(w, http.StatusOK, document)
	})
}

// describe returns the operation object of op.
func (op operation) describe(path string, cfg MountConfig, schemes node) node {
	cookies := cfg.Cookies != nil
	if op.browser && cookies && op.takes.covers("refresh_token") {
		op.takes = nothing // as the handlers do
	}
	answers := node{strconv.Itoa(op.status): op.success(cookies)}
	for status, list := range op.refusals(cfg) {
		answers[strconv.Itoa(status)] = op.refusal(status, list)
	}
	id := strings.FieldsFunc(op.method+path, func(r rune) bool { return strings.ContainsRune("/{}.-", r) })
	described := node{
		"operationId": strings.ToLower(strings.Join(id, "_")), "summary": op.about, "responses": answers,
		"security": append([]any{}, op.asks.security(schemes)...),
	}
	if op.takes.json || op.takes.form {
		described["requestBody"] = op.takes.describe()
	}
	return described
}

func (b body) covers(name string) bool { return slices.Contains(b.fields, name) }

// describe returns the request body object of b.
func (b body) describe() node {
	content := node{}
	for kind, taken := range map[string]bool{
		"application/json": b.json, "application/x-www-form-urlencoded": b.form, "multipart/form-data": b.multipart,
	} {
		if !taken {
			continue
		}
		form := kind != "application/json"
		members := node{}
		for _, name := range slices.Concat(b.fields, b.extra) {
			member := node{"type": "string"}
			if form && b.covers(name) {
				member["minLength"] = 1
			}
			members[name] = member
		}
		schema := node{"type": "object", "properties": members}
		if len(b.fields) > 0 {
			schema["required"] = b.fields
		}
		if !form {
			schema["additionalProperties"] = false
		}
		content[kind] = node{"schema": schema}
	}
	return node{"content": content, "required": !b.optional}
}

// success returns the response object of what op does when it does it.
func (op operation) success(cookies bool) node {
	answer := node{"description": http.StatusText(op.status)}
	schema := ref(op.gives)
	if op.browser && cookies && op.gives == "Tokens" {
		answer["headers"] = node{"Set-Cookie": node{"schema": node{"type": "string"}}}
		if schema = ref("Kept"); op.asks == caller {
			schema = node{"anyOf": []any{ref("Tokens"), ref("Kept")}} // the way that the access token came
		}
	}
	switch op.gives {
	case "":
	case "JWKSet":
		answer["content"] = node{"application/jwk-set+json": node{"schema": schema}}
	default:
		answer["content"] = node{"application/json": node{"schema": schema}}
	}
	return answer
}

// refusals returns all codes that op refuses with.
func (op operation) refusals(cfg MountConfig) codes {
	all := codes{}
	add := func(status int, code ...string) { all[status] = append(all[status], code...) }
	for status, list := range op.refuses {
		add(status, list...)
	}
	posted := op.takes.json || op.takes.form
	if posted {
		add(400, "")
		add(413, "")
		add(415, "")
	}
	if op.asks == caller || op.asks == leaver {
		add(400, "")
		add(401, "", "invalid_token")
	}
	if c := cfg.Cookies; c != nil && (op.browser || op.asks == caller) {
		add(400, "")
		add(403, "cross_origin")
		if op.asks == refresher {
			add(401, "")
		}
		if c.insecure && op.browser {
			add(421, "")
		}
	}
	if posted || op.asks != anyone {
		add(500, "")
		add(503, "")
	}
	return all
}

// oauth reports whether op refuses as RFC 6749 section 5.2 says.
func (op operation) oauth() bool { return op.takes.form && !op.takes.json }

// refusal returns the response object of one status.
func (op operation) refusal(status int, list []string) node {
	name, member := "Problem", "code"
	kinds := []string{problem.Type}
	switch {
	case op.oauth():
		name, member, kinds = "OAuthError", "error", []string{"application/json"}
	case op.takes.form: // Login
		kinds = append(kinds, "application/json")
		if status < 500 {
			name = "LoginProblem"
		}
	}
	var told []string
	for _, code := range list {
		switch {
		case code != "":
		case !op.oauth():
			code = problem.Code(status)
		case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
			code = "temporarily_unavailable"
		case status >= 500:
			code = "server_error"
		default:
			code = "invalid_request"
		}
		if code != "mfa_required" {
			told = append(told, code)
		}
	}
	slices.Sort(told)
	var either []any
	if told = slices.Compact(told); len(told) > 0 {
		either = append(either, node{"allOf": []any{ref(name), node{"type": "object", "properties": node{member: node{"enum": told}}}}})
	}
	if slices.Contains(list, "mfa_required") {
		either = append(either, ref("MFARequired"))
	}
	schema := either[0]
	if len(either) > 1 {
		schema = node{"anyOf": either}
	}
	content := node{}
	for _, kind := range kinds {
		content[kind] = node{"schema": schema}
	}
	text := http.StatusText(status)
	answer := node{"description": text, "content": content}
	switch status {
	case http.StatusUnauthorized:
		answer["headers"] = node{"WWW-Authenticate": node{"schema": node{"type": "string"}}}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		answer["headers"] = node{"Retry-After": node{"schema": node{"type": "integer", "minimum": 1}}}
	}
	return answer
}
