package authhttp

import "strings"

// ref returns a reference to one of schemas.
func ref(name string) node { return node{"$ref": "#/components/schemas/" + name} }

// schemas returns the schemas of the answers, by name. n says what the members of an account are called.
func schemas(n names) node {
	details := []string{"title string", "status integer", "code string", "detail? string"}
	apiKey := []string{
		"id string", "name string", "scope? string", "roles? []string", "created_at date-time", "expires_at date-time",
		"rolled_at? date-time", "last_used_at? date-time", "old_until? date-time",
	}
	return node{
		"Problem":      object(details...),
		"LoginProblem": object(append(details[:4:4], "error string", "error_description? string")...),
		"OAuthError":   object("error string", "error_description? string"),
		"MFARequired": object(append(details[:4:4], "error string", "error_description string", "mfa_token string",
			"expires_in integer")...),
		"Tokens": object("access_token string", "token_type string", "expires_in? integer", "refresh_token? string",
			"device_token? string", "scope? string"),
		"TokenLifetimes": object("expires_in? integer", "refresh_expires_in? integer"),
		"Challenge":      object("challenge string"),
		"KnownDevice":    object("device_token? string"),
		"Enrolment":      object("secret string", "otpauth_url string"),
		"RecoveryCodes":  object("recovery_codes []string"),
		"Account":        object("id string", n.of("username")+" string"),
		"Session": object("id string", "current boolean", "created_at date-time", "last_used_at date-time",
			"expires_at date-time", "user_agent? string", "ip? string"),
		"Sessions":  object("sessions []Session"),
		"APIKey":    object(apiKey...),
		"NewAPIKey": object(append(apiKey[:len(apiKey):len(apiKey)], "key string")...),
		"APIKeys":   object("keys []APIKey"),
		"Introspection": object("active boolean", "sub? string", "scope? string", "token_type? string", "iss? string",
			"aud? []string", "exp? integer", "iat? integer", "jti? string", "sid? string"),
		"JWKSet": object("keys []object"),
		"Metadata": object("issuer string", "token_endpoint? string", "jwks_uri? string", "scopes_supported? []string",
			"response_types_supported []string", "grant_types_supported []string",
			"token_endpoint_auth_methods_supported? []string",
			"revocation_endpoint? string", "revocation_endpoint_auth_methods_supported? []string",
			"introspection_endpoint? string", "introspection_endpoint_auth_methods_supported? []string"),
		"Document": node{"type": "object"},
	}
}

// object returns the schema of an object with members like "name type" or, if the member may be
// absent, "name? type".
func object(members ...string) node {
	properties, required := node{}, []string{}
	for _, member := range members {
		name, kind, _ := strings.Cut(member, " ")
		bare := strings.TrimSuffix(name, "?")
		if bare == name {
			required = append(required, name)
		}
		properties[bare] = typeSchema(kind)
	}
	schema := node{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}

// typeSchema returns the schema of a type: a JSON type, date-time, the name of a schema, or [] and
// one of those.
func typeSchema(kind string) node {
	item, isList := strings.CutPrefix(kind, "[]")
	switch {
	case isList:
		return node{"type": "array", "items": typeSchema(item)}
	case kind == "date-time":
		return node{"type": "string", "format": kind}
	case kind[0] >= 'A' && kind[0] <= 'Z':
		return ref(kind)
	}
	return node{"type": kind}
}
