package metadata

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-e36e2130/auth/internal/jwkset"
	"github.com/seed-e36e2130/auth/internal/strictjson"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/oauth/internal/redirect"
)

// kind is the JSON type that a member must have, if it is there.
type kind int

const (
	text kind = iota
	texts
	object
	other // a type that is not looked at
)

// kinds are the members that are known: those of RFC 7591 section 2, and others that clients send. Unknown
// ones are ignored (RFC 7591 section 2).
var kinds = map[string]kind{
	"client_id": text, "client_name": text, "redirect_uris": texts, "grant_types": texts, "response_types": texts,
	"token_endpoint_auth_method": text, "token_endpoint_auth_methods_supported": texts, "token_endpoint_auth_signing_alg": text,
	"scope": text, "application_type": text, "jwks": object, "jwks_uri": text,
	"client_uri": text, "logo_uri": text, "tos_uri": text, "policy_uri": text, "contacts": texts,
	"software_id": text, "software_version": text, "software_statement": text,
	"client_secret": other, "client_secret_expires_at": other,
}

// longer are the strings whose bound is not maxText: they have one of their own, or are not read.
var longer = []string{"scope", "client_name", "client_id", "jwks_uri", "client_uri", "logo_uri", "tos_uri", "policy_uri", "software_statement"}

// members are the known members that a client has sent, by their names, as JSON of the right type. A null
// is no member.
type members map[string]string

// read reads the members of an object.
func read(body []byte) (members, *Fault) {
	m := members{}
	var fault *Fault
	err := strictjson.Object(string(body), func(name, value string) error {
		want, known := kinds[name]
		if known && value != "null" {
			if fault == nil {
				fault = check(name, value, want)
			}
			m[name] = value
		}
		return nil
	})
	if err != nil {
		return nil, invalid("the metadata is not one JSON object in which each name occurs once")
	}
	return m, fault
}

// check returns a fault if a value has another type than it must have, or is too long.
func check(name, value string, want kind) *Fault {
	switch want {
	case text:
		s, ok := strictjson.Text(value)
		switch {
		case !ok:
			return invalid(name + " is not a string")
		case len(s) > maxText && !slices.Contains(longer, name):
			return invalid(name + " is too long")
		}
	case texts:
		if name == "redirect_uris" {
			if err := checkTexts(value, maxURIs, redirect.MaxBytes); err != nil {
				return &Fault{InvalidRedirectURI, name + " " + err.Error()}
			}
		} else if err := checkTexts(value, maxWords, maxText); err != nil {
			return invalid(name + " " + err.Error())
		}
	case object:
		if value[0] != '{' {
			return invalid(name + " is not an object")
		}
	}
	return nil
}

var errNotTexts = errors.New("is not an array of strings")

// checkTexts returns an error unless a value is an array of at most most strings of at most length bytes.
func checkTexts(value string, most, length int) error {
	n := 0
	err := strictjson.Array(value, func(element string) error {
		s, ok := strictjson.Text(element)
		switch n++; {
		case !ok:
			return errNotTexts
		case n > most:
			return fmt.Errorf("has more than %d elements", most)
		case len(s) > length:
			return errors.New("has an element that is too long")
		}
		return nil
	})
	if errors.Is(err, strictjson.ErrSyntax) {
		return errNotTexts
	}
	return err
}

func (m members) has(name string) bool { _, ok := m[name]; return ok }

// text returns the string of a member, or "" if it is not there.
func (m members) text(name string) string {
	s, _ := strictjson.Text(m[name])
	return s
}

// texts returns the strings of a member, each once.
func (m members) texts(name string) (list []string) {
	_ = strictjson.Array(m[name], func(element string) error { // read has checked it
		if s, _ := strictjson.Text(element); !slices.Contains(list, s) {
			list = append(list, s)
		}
		return nil
	})
	return list
}

// methods returns the methods of a document that are offered, the preferred one first.
func (m members) methods(offered []string) ([]string, *Fault) {
	preferred := m.text("token_endpoint_auth_method")
	if strings.HasPrefix(preferred, secretPrefix) {
		return nil, invalid("a document cannot ask for a method with a shared secret")
	}
	all := m.texts("token_endpoint_auth_methods_supported")
	if preferred == "" && len(all) == 0 {
		preferred = None
	}
	var methods []string
	for _, method := range slices.Concat([]string{preferred}, all) {
		if slices.Contains(offered, method) && !strings.HasPrefix(method, secretPrefix) && !slices.Contains(methods, method) {
			methods = append(methods, method)
		}
	}
	if len(methods) == 0 {
		return nil, invalid("the document names no method of client authentication that this server offers")
	}
	return methods, nil
}

// metadata reads what registrations and documents share.
func (m members) metadata(offer Offer, methods []string) (read Metadata, fault *Fault) {
	read = Metadata{Name: cleanName(m.text("client_name")), AuthMethod: methods[0]}
	if len(methods) > 1 {
		read.AuthMethods = methods
	}
	if len([]rune(read.Name)) > maxName {
		return read, invalid(fmt.Sprintf("client_name has more than %d characters", maxName))
	}
	if kind := m.text("application_type"); kind == "web" || kind == "native" {
		read.ApplicationType = kind
	}
	if read.GrantTypes, fault = m.grants(offer.Grants); fault != nil {
		return read, fault
	}
	if read.RedirectURIs, fault = m.redirectURIs(slices.Contains(read.GrantTypes, AuthorizationCode)); fault != nil {
		return read, fault
	}
	if read.Scope, fault = m.scope(); fault != nil {
		return read, fault
	}
	read.JWKS, read.JWKSURI, fault = m.keys(slices.Contains(methods, PrivateKeyJWT))
	return read, fault
}

// grants returns the grant types that the client asks for and the server offers.
func (m members) grants(offered []string) ([]string, *Fault) {
	asked := m.texts("grant_types")
	if len(asked) == 0 {
		asked = []string{AuthorizationCode}
	}
	grants := slices.DeleteFunc(asked, func(grant string) bool { return !slices.Contains(offered, grant) })
	switch isCode := slices.Contains(grants, AuthorizationCode); {
	case len(grants) == 0 || len(grants) == 1 && grants[0] == "refresh_token":
		return nil, invalid("grant_types has no grant that this server offers")
	case isCode && m.has("response_types") && !slices.Contains(m.texts("response_types"), "code"):
		return nil, invalid("response_types lacks code, which the grant authorization_code needs")
	}
	return grants, nil
}

// redirectURIs returns the redirect URIs. Each of them is checked: a client with one that is dangerous is
// refused, not repaired.
func (m members) redirectURIs(required bool) ([]string, *Fault) {
	uris := m.texts("redirect_uris")
	if required && len(uris) == 0 {
		return nil, &Fault{InvalidRedirectURI, "redirect_uris is missing or empty"}
	}
	for i, uri := range uris {
		if err := redirect.Check(uri); err != nil {
			return nil, &Fault{InvalidRedirectURI, fmt.Sprintf("redirect URI %d %v", i+1, err)}
		}
	}
	return uris, nil
}

// scope returns the scopes, each once. Which of them exist is for the caller to say.
func (m members) scope() (string, *Fault) {
	scope := m.text("scope")
	if len(scope) > maxScope {
		return "", invalid("scope is too long")
	}
	var scopes []string
	for s := range strings.SplitSeq(scope, " ") {
		switch {
		case s == "" || slices.Contains(scopes, s):
		case !jwt.IsScope(s):
			return "", invalid("scope has a character that scopes do not have")
		default:
			scopes = append(scopes, s)
		}
	}
	return strings.Join(scopes, " "), nil
}

// keys returns the keys of a client, or where they are. They are checked and left out if the client does not
// need them, because it never authenticates with a key.
func (m members) keys(needed bool) (set json.RawMessage, uri string, fault *Fault) {
	switch hasSet, hasURI := m.has("jwks"), m.has("jwks_uri"); {
	case hasSet && hasURI: // RFC 7591 section 2
		return nil, "", invalid("jwks and jwks_uri cannot both be there")
	case hasSet:
		set = json.RawMessage(m["jwks"])
		if fault := checkKeys(m["jwks"]); fault != nil {
			return nil, "", fault
		}
	case hasURI:
		uri = m.text("jwks_uri")
		if !strings.HasPrefix(uri, "https://") || redirect.Check(uri) != nil {
			return nil, "", invalid("jwks_uri is not an https URL")
		}
	case needed:
		return nil, "", invalid("private_key_jwt needs jwks or jwks_uri")
	}
	if !needed {
		return nil, "", nil
	}
	return set, uri, nil
}

// checkKeys returns a fault unless text is a JWK set with a usable key and without a secret.
func checkKeys(text string) *Fault {
	if len(text) > maxKeySet {
		return invalid("jwks is too long")
	}
	set, err := jwkset.Parse(text, "")
	isSecret := func(err error) bool { return errors.Is(err, jwkset.ErrSecret) }
	switch {
	case isSecret(err) || slices.ContainsFunc(set.Faults, isSecret):
		return invalid("jwks has a secret or private key, which nobody else may see")
	case err != nil:
		return invalid("jwks is no JWK set with a usable public key")
	}
	return nil
}
