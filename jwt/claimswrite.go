package jwt

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/seed-e36e2130/auth/internal/clock"
	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// appendClaims writes c as JSON, itself: names and values that a host made up can
// neither add a member nor replace one.
func appendClaims(dst []byte, c *Claims) ([]byte, error) {
	if c.Subject == "" {
		return nil, fmt.Errorf("auth: claims: no subject")
	}
	w := claimsWriter{dst: append(dst, '{')}
	w.text("iss", c.Issuer)
	w.text("sub", c.Subject)
	switch len(c.Audience) {
	case 0:
	case 1:
		w.text("aud", c.Audience[0])
	default:
		w.texts("aud", c.Audience)
	}
	w.instant("exp", c.Expiry)
	w.instant("iat", c.IssuedAt)
	w.text("jti", c.TokenID)
	w.text("sid", c.SessionID)
	w.text("sub_profile", string(c.Kind))
	for i, s := range c.Scopes {
		if !IsScope(s) {
			return nil, fmt.Errorf("auth: claims: scope %q is not a word of RFC 6749 section 3.3", s)
		}
		if i == 0 {
			w.name("scope")
			w.dst = append(w.dst, '"')
		} else {
			w.dst = append(w.dst, ' ')
		}
		w.dst = append(w.dst, s...) // a scope holds nothing to escape
	}
	if len(c.Scopes) > 0 {
		w.dst = append(w.dst, '"')
	}
	w.texts("roles", c.Roles)
	w.instant("auth_time", c.AuthTime)
	w.texts("amr", c.AMR)
	w.text("acr", c.ACR)
	if c.Actor != "" {
		w.name("act")
		w.dst = append(w.dst, `{"sub":`...)
		w.value(c.Actor)
		w.dst = append(w.dst, '}')
	}
	var few [8]string // on the stack
	names := few[:0]
	for name := range c.Custom {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if shadows(name) {
			return nil, fmt.Errorf("auth: claims: custom claim %q collides with a registered one", name)
		}
		if s, ok := c.Custom[name].(string); ok { // the usual case, without encoding/json
			w.custom(name)
			w.value(s)
			continue
		}
		b, err := json.Marshal(c.Custom[name])
		if err == nil {
			err = strictjson.Valid(string(b), 1) // what a Marshaler wrote, too
		}
		if err != nil {
			return nil, fmt.Errorf("auth: claims: custom claim %q: %w", name, err)
		}
		w.custom(name)
		w.dst = append(w.dst, b...)
	}
	if w.err != nil {
		return nil, fmt.Errorf("auth: claims: %w", w.err)
	}
	return append(w.dst, '}'), nil
}

// claimsWriter writes members and leaves the empty ones out; err is its first
// fault.
type claimsWriter struct {
	dst []byte
	err error
}

func (w *claimsWriter) value(s string) {
	var err error
	if w.dst, err = strictjson.AppendText(w.dst, s); err != nil {
		w.err = cmp.Or(w.err, err)
	}
}

func (w *claimsWriter) comma() {
	if w.dst[len(w.dst)-1] != '{' {
		w.dst = append(w.dst, ',')
	}
}

// name begins a member with a name of ours, which needs no escaping.
func (w *claimsWriter) name(name string) {
	w.comma()
	w.dst = append(append(append(w.dst, '"'), name...), '"', ':')
}

// custom begins a member with a name that a host made up.
func (w *claimsWriter) custom(name string) {
	w.comma()
	w.value(name)
	w.dst = append(w.dst, ':')
}

func (w *claimsWriter) text(name, s string) {
	if s != "" {
		w.name(name)
		w.value(s)
	}
}

func (w *claimsWriter) texts(name string, list []string) {
	if len(list) == 0 {
		return
	}
	w.name(name)
	w.dst = append(w.dst, '[')
	for i, s := range list {
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		w.value(s)
	}
	w.dst = append(w.dst, ']')
}

// instant writes whole seconds, rounded down: a token never outlives its claim.
func (w *claimsWriter) instant(name string, t time.Time) {
	if t.IsZero() {
		return
	}
	s := t.Unix()
	if s < int64(clock.Min/clock.Second) || s > int64(clock.Max/clock.Second) {
		w.err = cmp.Or(w.err, fmt.Errorf("%s is not in the years 1 to 9999", name))
	}
	w.name(name)
	w.dst = strconv.AppendInt(w.dst, s, 10)
}
