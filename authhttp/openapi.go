package authhttp

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-e36e2130/auth/internal/problem"
)

// node is an object of the OpenAPI document. encoding/json sorts its members.
type node = map[string]any

// openAPI returns the document that describes what is mounted.
func (m *mount) openAPI() node {
	schemes := m.securitySchemes()
	paths := node{}
	for _, e := range m.mounted {
		path := m.path(e)
		item, _ := paths[path].(node)
		if item == nil {
			item = node{}
			paths[path] = item
		}
		item[strings.ToLower(e.method)] = m.operation(e, schemes)
		if strings.HasSuffix(path, "/{id}") {
			item["parameters"] = []any{node{
				"name": "id", "in": "path", "required": true, "schema": node{"type": "string", "pattern": sessionID.String()},
			}}
		}
	}
	document := node{
		"openapi": "3.1.0",
		"info": node{
			"title": "Authentication", "version": "1",
			"description": "A method that is not listed is answered 405, unless the server has other handlers for it, except that HEAD is taken where GET is listed. " +
				"A URL with credentials in its query is answered 400.",
		},
		"paths":      paths,
		"components": node{"schemas": schemas(m.cfg.names()), "securitySchemes": schemes},
	}
	if m.cfg.Respond != nil {
		info := document["info"].(node)
		info["description"] = info["description"].(string) + " Replies may have other bodies than those that are listed."
	}
	if m.cfg.BaseURL != "" {
		document["servers"] = []any{node{"url": m.baseURL()}}
	}
	return document
}

// securitySchemes returns the security schemes of the document, by name.
func (m *mount) securitySchemes() node {
	schemes := node{
		"bearer": node{"type": "http", "scheme": "bearer"},
		"server": node{"type": "http", "scheme": "basic", "description": "name and secret of a registered resource server"},
	}
	if c := m.cfg.Cookies; c != nil {
		schemes["accessCookie"] = node{"type": "apiKey", "in": "cookie", "name": c.access}
		schemes["refreshCookie"] = node{"type": "apiKey", "in": "cookie", "name": c.refresh}
		schemes["refreshIDCookie"] = node{
			"type": "apiKey", "in": "cookie", "name": c.refreshID,
			"description": "digest of the refresh token; without it, the refresh token is ignored",
		}
		schemes["loginCookie"] = node{
			"type": "apiKey", "in": "cookie", "name": c.login,
			"description": "identifies the browser that requested a login link; without it, the link does not log in",
		}
	} else if m.mounts(EndpointLogin) {
		// For tools that ask for username and password, such as Swagger UI. With cookies the answer
		// to a login has no token.
		schemes["password"] = node{"type": "oauth2", "flows": node{"password": node{
			"tokenUrl": m.url(EndpointLogin), "scopes": node{},
		}}}
	}
	return schemes
}

// security returns the security requirement objects of an operation: any one of them is enough.
func (c credential) security(schemes node) []any {
	requirements := []any{}
	add := func(names ...string) {
		for _, name := range names {
			if schemes[name] != nil {
				requirements = append(requirements, node{name: []string{}})
			}
		}
	}
	switch c {
	case resourceServer:
		add("server")
	case refreshToken:
		if schemes["refreshCookie"] != nil { // both are needed
			requirements = append(requirements, node{"refreshCookie": []string{}, "refreshIDCookie": []string{}})
		}
	case askingBrowser:
		add("loginCookie")
	case accessToken, accessOrRefreshToken:
		add("bearer", "password", "accessCookie")
		if c != accessOrRefreshToken {
			break
		}
		if schemes["refreshCookie"] != nil {
			requirements = append(requirements, node{"refreshCookie": []string{}, "refreshIDCookie": []string{}})
		}
		requirements = append(requirements, node{}) // none, with a refresh token in the body, or in a browser that is logged out
	}
	return requirements
}

// operation returns the operation object of an endpoint.
func (m *mount) operation(e endpoint, schemes node) node {
	e.body = e.acceptedBody(m.cfg.Config)
	responses := node{strconv.Itoa(e.status): e.success(m.cfg.Config)}
	for status, list := range e.allRefusals(m.cfg.Config) {
		responses[strconv.Itoa(status)] = e.refusalResponse(status, list)
	}
	id := strings.FieldsFunc(e.method+m.path(e), func(r rune) bool { return strings.ContainsRune("/{}.-", r) })
	operation := node{
		"operationId": strings.ToLower(strings.Join(id, "_")), "summary": e.summary, "responses": responses,
		"security": e.credential.security(schemes),
	}
	if e.hasBody() {
		operation["requestBody"] = e.body.requestBody()
	}
	return operation
}

// acceptedBody returns the body that the handler accepts with that configuration.
func (e endpoint) acceptedBody(cfg Config) body {
	b := e.body
	if !e.isOAuth() {
		b.names = cfg.names()
	}
	switch {
	case e.name == EndpointRefresh && cfg.Cookies != nil:
		b.required = nil // the refresh token is in a cookie
		b.mayBeAbsent = true
	case e.name == EndpointLogout && cfg.Cookies != nil:
		b.required = nil
	case e.name == EndpointLogin, e.path == "/login/link", e.path == "/login/code":
		return cfg.remembering(b)
	case e.name == EndpointToken && cfg.PasswordGrant:
		b.optional = slices.Concat(b.optional, passwordGrantFields)
	}
	return b
}

// hasBody reports whether requests have a body.
func (e endpoint) hasBody() bool { return e.body.json || e.body.form }

// requestBody returns the request body object of b.
func (b body) requestBody() node {
	content := node{}
	if b.json {
		schema := b.schema(0)
		schema["additionalProperties"] = false
		if b.envelope != "" {
			schema = node{
				"type": "object", "properties": node{b.envelope: schema}, "required": []string{b.envelope}, "additionalProperties": false,
			}
		}
		content["application/json"] = node{"schema": schema}
	}
	if b.form {
		content["application/x-www-form-urlencoded"] = node{"schema": b.schema(1)}
	}
	if b.multipart {
		content["multipart/form-data"] = node{"schema": b.schema(1)}
	}
	return node{"content": content, "required": !b.mayBeAbsent}
}

// schema returns the schema of an object with the members of b. For a form minLength is 1: its members are
// text, and a required one is not empty, because an empty parameter counts as absent.
func (b body) schema(minLength int) node {
	properties := node{}
	for _, name := range b.members() {
		member := node{"type": "string"}
		switch {
		case minLength > 0 && b.requires(name):
			member["minLength"] = minLength
		case minLength == 0 && slices.Contains(b.flags, name):
			member["type"] = "boolean"
		}
		properties[b.of(name)] = member
	}
	for _, name := range b.extra {
		properties[name] = node{"type": []string{"string", "number", "boolean"}}
	}
	schema := node{"type": "object", "properties": properties}
	if len(b.required) > 0 {
		schema["required"] = b.ofAll(b.required)
	}
	return schema
}

// success returns the response object of a request that succeeds.
func (e endpoint) success(cfg Config) node {
	response := node{"description": http.StatusText(e.status)}
	schema := ref(e.schema)
	setsCookies := e.cookies && cfg.Cookies != nil && (e.schema == "Tokens" || e.schema == "Challenge")
	if setsCookies {
		response["headers"] = node{"Set-Cookie": node{"schema": node{"type": "string"}}}
	}
	if setsCookies && e.schema == "Tokens" {
		schema = ref("TokenLifetimes")
		if e.credential == accessToken { // tokens go back the way that the access token came
			schema = node{"anyOf": []any{ref("Tokens"), ref("TokenLifetimes")}}
		}
	}
	if e.status == http.StatusSeeOther {
		response["headers"] = node{"Location": node{"schema": node{"type": "string"}}}
	}
	switch e.schema {
	case "":
	case "JWKSet":
		response["content"] = node{"application/jwk-set+json": node{"schema": schema}}
	default:
		response["content"] = node{"application/json": node{"schema": schema}}
	}
	return response
}

// allRefusals returns the codes of the table, and those that other fields of the endpoint imply.
func (e endpoint) allRefusals(cfg Config) codes {
	all := codes{}
	add := func(status int, list ...string) { all[status] = append(all[status], list...) }
	for status, list := range e.refusals {
		add(status, list...)
	}
	if e.hasBody() {
		add(400, "")
		add(413, "")
		add(415, "")
	}
	if e.guarded() {
		add(400, "")
		add(401, "", "invalid_token")
		add(403, "insufficient_scope")
	}
	if c := cfg.Cookies; c != nil && (e.cookies || e.credential == accessToken) {
		add(400, "")
		add(403, "cross_origin")
		if e.credential == refreshToken {
			add(401, "")
		}
	}
	if c := cfg.Cookies; c != nil && c.insecure {
		add(421, "")
	}
	if e.hasBody() || e.credential != noCredential {
		add(500, "")
		add(503, "")
	}
	return all
}

// isOAuth reports whether the endpoint refuses with the body of RFC 6749 section 5.2.
func (e endpoint) isOAuth() bool { return e.body.form && !e.body.json }

// refusalResponse returns the response object of the refusals with one status.
func (e endpoint) refusalResponse(status int, list []string) node {
	schema := e.refusalSchema(status, list)
	content := node{}
	for _, mediaType := range e.refusalMediaTypes() {
		content[mediaType] = node{"schema": schema}
	}
	response := node{"description": http.StatusText(status), "content": content}
	switch status {
	case http.StatusUnauthorized:
		response["headers"] = node{"WWW-Authenticate": node{"schema": node{"type": "string"}}}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		response["headers"] = node{"Retry-After": node{"schema": node{"type": "integer", "minimum": 1}}}
	}
	return response
}

// refusalMediaTypes returns the media types of a refusal.
func (e endpoint) refusalMediaTypes() []string {
	switch {
	case e.isOAuth():
		return []string{"application/json"}
	case e.name == EndpointLogin:
		return []string{problem.Type, "application/json"}
	}
	return []string{problem.Type}
}

// refusalSchema returns the schema of the refusals with one status and these codes.
func (e endpoint) refusalSchema(status int, list []string) any {
	name, member := "Problem", "code"
	switch {
	case e.isOAuth():
		name, member = "OAuthError", "error"
	case e.name == EndpointLogin:
		name = "LoginProblem"
	}
	var alternatives []any
	if values := e.codeValues(status, list); len(values) > 0 {
		alternatives = append(alternatives, node{"allOf": []any{
			ref(name), node{"type": "object", "properties": node{member: node{"enum": values}}},
		}})
	}
	if slices.Contains(list, "mfa_required") {
		alternatives = append(alternatives, ref("MFARequired"))
	}
	if len(alternatives) == 1 {
		return alternatives[0]
	}
	return node{"anyOf": alternatives}
}

// codeValues returns the values that the member of a refusal's code may have, sorted. mfa_required
// is not among them, because it has a schema of its own.
func (e endpoint) codeValues(status int, list []string) []string {
	var values []string
	for _, code := range list {
		switch {
		case code == "mfa_required":
			continue
		case code != "":
		case e.isOAuth():
			code = oauthCode(status)
		default:
			code = problem.Code(status)
		}
		values = append(values, code)
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// oauthCode returns the error of RFC 6749 section 5.2 for a status that needs no narrower one.
func oauthCode(status int) string {
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return "temporarily_unavailable"
	case status >= 500:
		return "server_error"
	}
	return "invalid_request"
}
