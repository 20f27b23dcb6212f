package authhttp

import (
	"context"
	"errors"
	"slices"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// names says what the members of a body are called, and which the host adds.
type names struct {
	as       map[string]string // Config.Members
	extra    []string          // Config.Extra
	envelope string            // Config.Envelope
}

// names returns what the host calls members.
func (cfg Config) names() names { return names{cfg.Members, cfg.Extra, cfg.Envelope} }

// standard returns cfg for an endpoint whose bodies a standard defines.
func (cfg Config) standard() Config {
	cfg.Members, cfg.Extra, cfg.Envelope, cfg.Respond = nil, nil, "", nil
	return cfg
}

// of returns what clients call a member.
func (n names) of(member string) string {
	if name, ok := n.as[member]; ok {
		return name
	}
	return member
}

// ofAll returns what clients call members.
func (n names) ofAll(members []string) []string {
	list := make([]string, len(members))
	for i, member := range members {
		list[i] = n.of(member)
	}
	return list
}

// memberOf returns which of members clients call name, or "".
func (n names) memberOf(name string, members []string) string {
	i := slices.IndexFunc(members, func(member string) bool { return n.of(member) == name })
	if i < 0 {
		return ""
	}
	return members[i]
}

// open returns the object within the envelope of a JSON text.
func (n names) open(text string) (string, error) {
	if n.envelope == "" {
		return text, nil
	}
	inner := ""
	err := strictjson.Object(text, func(name, value string) error {
		if name != n.envelope || value[0] != '{' {
			return malformed("the object must have the member " + n.envelope + ", which is an object, and no other")
		}
		inner = value
		return nil
	})
	if err == nil && inner == "" {
		err = malformed(n.envelope + " is required")
	}
	return inner, err
}

// extraValue returns the value of a member that the host adds: a string, or the text of a number, true or
// false. null is the empty string.
func extraValue(name, value string) (string, error) {
	if text, isText := strictjson.Text(value); isText {
		return text, nil
	}
	switch value[0] {
	case 'n':
		return "", nil
	case '{', '[':
		return "", malformed(name + " must be a string, a number, true or false")
	}
	return value, nil
}

type extraKey struct{}

// ExtraMember returns the value of a member that [Config].Extra names, from the body of the request that
// ctx belongs to: the context of a Registrar, Authenticator or other part of the host's own, of
// [Config].Before, and of the request of [Config].Respond. A number, true or false comes as its JSON text.
// It returns "" if the member is absent.
func ExtraMember(ctx context.Context, name string) string {
	values, _ := ctx.Value(extraKey{}).(map[string]string)
	return values[name]
}

// checkNames adds a fault for each name that no body has, and for two members of one body that have the
// same name.
func (cfg Config) checkNames(faults *cfgerr.Faults) {
	n := cfg.names()
	known := map[string]bool{}
	for _, e := range table {
		if e.isOAuth() {
			continue
		}
		seen := map[string]bool{}
		for _, member := range cfg.remembering(e.body).members() {
			name := n.of(member)
			if known[member] = true; seen[name] {
				faults.Add("MountConfig.Members", name, "is the name of two members of "+e.path)
			}
			seen[name] = true
		}
		for _, name := range n.extra {
			if name == "" || seen[name] {
				faults.Add("MountConfig.Extra", name, "is a member of "+e.path+" already, or is empty")
			}
		}
	}
	for member, name := range n.as {
		if !known[member] || name == "" {
			faults.Add("MountConfig.Members", member, "is no member of any body, or gets an empty name")
		}
	}
}

// decoded returns the error of a client for an error of package strictjson.
func decoded(err error) error {
	refused, ok := errors.AsType[*refusal](err)
	switch {
	case err == nil:
		return nil
	case ok:
		return refused
	case errors.Is(err, strictjson.ErrEncoding):
		return malformed("the body is not valid UTF-8")
	case errors.Is(err, strictjson.ErrDuplicate):
		return malformed("the object has a duplicate member")
	}
	return malformed("the body must be one JSON object")
}
