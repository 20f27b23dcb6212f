package jwt

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/seed-e36e2130/auth/internal/clock"
	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// appendClaims encodes c as JSON. It writes the JSON itself, so that names and values which a host
// made up can neither add a member nor replace one (GHSA-4cf7-xm37-g63h).
func appendClaims(dst []byte, c *Claims) ([]byte, error) {
	if c.Subject == "" {
		return nil, errors.New("auth: claims: no subject")
	}
	w := claimsWriter{dst: append(dst, '{')}
	w.text("iss", c.Issuer)
	w.text("sub", c.Subject)
	w.audience(c.Audience)
	w.instant("exp", c.Expiry)
	w.instant("iat", c.IssuedAt)
	w.text("jti", c.TokenID)
	w.text("sid", c.SessionID)
	w.text("sub_profile", string(c.Kind))
	w.scopes(c.Scopes)
	w.texts("roles", c.Roles)
	w.text("roles_version", c.RolesVersion)
	w.instant("auth_time", c.AuthTime)
	w.texts("amr", c.AMR)
	w.text("acr", c.ACR)
	w.text("client_id", c.ClientID)
	w.actors(c.Actors)
	w.customs(c.Custom)
	if w.err != nil {
		return nil, fmt.Errorf("auth: claims: %w", w.err)
	}
	return append(w.dst, '}'), nil
}

// audience writes aud: a string for one audience, an array for more (RFC 7519 section 4.1.3).
func (w *claimsWriter) audience(audience []string) {
	if len(audience) == 1 {
		w.text("aud", audience[0])
		return
	}
	w.texts("aud", audience)
}

// scopes writes scope, a string of words (RFC 8693 section 4.2).
func (w *claimsWriter) scopes(scopes []string) {
	if len(scopes) == 0 {
		return
	}
	w.name("scope")
	w.dst = append(w.dst, '"')
	for i, s := range scopes {
		if !IsScope(s) {
			w.fail(fmt.Errorf("scope %q is not a word of RFC 6749 section 3.3", s))
			return
		}
		if i > 0 {
			w.dst = append(w.dst, ' ')
		}
		w.dst = append(w.dst, s...) // a scope contains nothing that needs escaping
	}
	w.dst = append(w.dst, '"')
}

// actors writes act, each actor with the one before inside it (RFC 8693 section 4.1).
func (w *claimsWriter) actors(actors []string) {
	if len(actors) == 0 {
		return
	}
	if slices.Contains(actors, "") {
		w.fail(errors.New("an actor has no subject"))
	}
	w.name("act")
	for i, subject := range actors {
		if i > 0 {
			w.dst = append(w.dst, `,"act":`...)
		}
		w.dst = append(w.dst, `{"sub":`...)
		w.value(subject)
	}
	for range actors {
		w.dst = append(w.dst, '}')
	}
}

// customs writes the custom claims, sorted by name.
func (w *claimsWriter) customs(custom map[string]any) {
	var few [8]string // stays on the stack
	names := few[:0]
	for name := range custom {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if shadows(name) {
			w.fail(fmt.Errorf("custom claim %q collides with a registered one", name))
			return
		}
		if s, ok := custom[name].(string); ok { // the usual case, without encoding/json
			w.custom(name)
			w.value(s)
			continue
		}
		b, err := json.Marshal(custom[name])
		if err == nil {
			err = strictjson.Valid(string(b), 1) // checks the output of a host's Marshaler, too
		}
		if err != nil {
			w.fail(fmt.Errorf("custom claim %q: %w", name, err))
			return
		}
		w.custom(name)
		w.dst = append(w.dst, b...)
	}
}

// claimsWriter writes members, and leaves empty ones out.
type claimsWriter struct {
	dst []byte
	err error // first fault
}

func (w *claimsWriter) fail(err error) { w.err = cmp.Or(w.err, err) }

func (w *claimsWriter) value(s string) {
	var err error
	if w.dst, err = strictjson.AppendText(w.dst, s); err != nil {
		w.fail(err)
	}
}

func (w *claimsWriter) comma() {
	if w.dst[len(w.dst)-1] != '{' {
		w.dst = append(w.dst, ',')
	}
}

// name begins a member with a registered name, which needs no escaping.
func (w *claimsWriter) name(name string) {
	w.comma()
	w.dst = append(append(append(w.dst, '"'), name...), '"', ':')
}

// custom begins a member with a name that a host chose.
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
		w.fail(fmt.Errorf("%s is not in the years 1 to 9999", name))
	}
	w.name(name)
	w.dst = strconv.AppendInt(w.dst, s, 10)
}
