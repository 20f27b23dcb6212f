package authhttp

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// maxBody is how many bytes of a body are read.
const maxBody = 64 << 10

// body is what an endpoint reads.
type body struct {
	json, form bool     // as which media types
	multipart  bool     // and this one, which is a form, too
	fields     []string // in JSON all of them, and no others
	extra      []string // but these, which may be missing
	optional   bool     // there may be no body
}

var (
	login    = body{json: true, form: true, multipart: true, fields: []string{"username", "password"}, extra: []string{"device_token"}}
	register = body{json: true, fields: []string{"username", "password"}}
	oauth    = body{form: true}
	nothing  = body{json: true, optional: true}
	renewal  = body{json: true, fields: []string{"refresh_token"}}
	leaving  = body{json: true, fields: []string{"refresh_token"}, optional: true}
	second   = body{json: true, fields: []string{"mfa_token", "code"}, extra: []string{"device_token"}}
	anew     = body{json: true, extra: []string{"password", "code", "device_token"}}
	change   = body{json: true, fields: []string{"current_password", "new_password"}, extra: []string{"device_token"}}
	move     = body{json: true, fields: []string{"current_password", "address"}, extra: []string{"device_token"}}
	leave    = body{json: true, fields: []string{"current_password"}, extra: []string{"device_token"}}
	prove    = body{json: true, fields: []string{"current_password", "code"}, extra: []string{"device_token"}}
	byLink   = body{json: true, fields: []string{"token"}, extra: []string{"device_token"}}
	byCode   = body{json: true, fields: []string{"challenge", "code"}, extra: []string{"device_token"}}
	mailTo   = body{json: true, fields: []string{"address"}}
	link     = body{json: true, fields: []string{"token"}}
	reset    = body{json: true, fields: []string{"token", "new_password"}}
)

// input is what came: texts by name. An empty parameter of a form counts as absent
// (RFC 6749 section 3.2).
type input struct {
	values map[string]string
	form   bool // as a form: the answer is RFC 6749's to the letter
}

// need returns an error if one of names is missing.
func (in input) need(names ...string) error {
	for _, name := range names {
		if _, ok := in.values[name]; !ok {
			return malformed(list(names) + " required")
		}
	}
	return nil
}

// list returns names as a sentence has them, with its verb.
func list(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return strings.Join(names, " and ") + " are"
}

// read returns what the body of r holds, which is a POST.
func (b body) read(w http.ResponseWriter, r *http.Request) (input, error) {
	if inURL(r.URL.RawQuery) {
		return input{}, malformed("credentials belong in the body, not in the URL, which logs and histories keep")
	}
	if r.Method != http.MethodPost {
		return input{}, notAllowed(w, http.MethodPost)
	}
	if b.optional && r.ContentLength == 0 {
		return input{}, nil
	}
	var decode func(string) (input, error)
	kind, boundary := mediaType(r.Header)
	wanted := "application/json"
	switch {
	case b.json && kind == "application/json":
		decode = b.decodeJSON
	case b.form && kind == "application/x-www-form-urlencoded":
		decode = decodeForm
	case b.multipart && kind == "multipart/form-data":
		decode = func(text string) (input, error) { return decodeMultipart(text, boundary) }
	default:
		if b.form {
			wanted = "application/x-www-form-urlencoded"
		}
		if b.form && b.json {
			wanted = "application/json or " + wanted
		}
		return input{}, &refusal{status: http.StatusUnsupportedMediaType, detail: "send a body of type " + wanted}
	}
	tooLarge := &refusal{status: http.StatusRequestEntityTooLarge, detail: "the body is larger than 64 KiB"}
	if r.ContentLength > maxBody {
		return input{}, tooLarge // without asking for any of it
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return input{}, tooLarge
	}
	if err != nil {
		return input{}, malformed("the body ended early")
	}
	return decode(string(text))
}

// inURL reports whether a query holds credentials, or cannot be read for sure.
func inURL(query string) bool {
	values, err := url.ParseQuery(query)
	for name := range values {
		switch strings.ToLower(name) {
		case "username", "password", "current_password", "new_password", "client_secret",
			"token", "access_token", "refresh_token", "mfa_token", "challenge", "code":
			return true
		}
	}
	return err != nil
}

// mediaType returns the one type of the body, or "" if it is unclear, compressed
// or in another encoding than UTF-8, and the boundary of its parts.
func mediaType(h http.Header) (name, boundary string) {
	if len(h["Content-Type"]) != 1 || h["Content-Encoding"] != nil {
		return "", ""
	}
	name, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if charset, ok := params["charset"]; err != nil || ok && !strings.EqualFold(charset, "utf-8") {
		return "", ""
	}
	return name, params["boundary"]
}

// decodeJSON takes one object with the fields of b, each once and a string, and
// nothing else.
func (b body) decodeJSON(text string) (input, error) {
	in := input{values: make(map[string]string, len(b.fields))}
	err := strictjson.Object(text, func(name, value string) error {
		switch text, isText := strictjson.Text(value); {
		case len(b.fields)+len(b.extra) == 0:
			return malformed("this endpoint takes no members")
		case !slices.Contains(b.fields, name) && !slices.Contains(b.extra, name):
			return malformed("the object has a member other than " + strings.Join(append(b.fields[:len(b.fields):len(b.fields)], b.extra...), ", "))
		case !isText:
			return malformed("the members of the object must be strings")
		default:
			in.values[name] = text
			return nil
		}
	})
	switch bad, ok := errors.AsType[*refusal](err); {
	case ok:
		return input{}, bad
	case errors.Is(err, strictjson.ErrEncoding):
		return input{}, malformed("the body is not valid UTF-8")
	case errors.Is(err, strictjson.ErrDuplicate):
		return input{}, malformed("the object has a member twice")
	case err != nil:
		return input{}, malformed("the body must be one JSON object")
	}
	return in, in.need(b.fields...)
}

// decodeForm takes a form as RFC 6749 section 3.2 has it: an empty parameter counts
// as absent, an unknown one is ignored, and one that comes twice is malformed.
func decodeForm(text string) (input, error) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return input{form: true}, malformed("the body is not a valid form")
	}
	return single(values)
}

// decodeMultipart takes the form that browsers make of a FormData (RFC 7578), as
// decodeForm takes the other.
func decodeMultipart(text, boundary string) (input, error) {
	form, err := multipart.NewReader(strings.NewReader(text), boundary).ReadForm(maxBody)
	if err != nil {
		return input{form: true}, malformed("the body is not a valid form")
	}
	defer form.RemoveAll() // there is nothing: all of a body is held in memory
	if len(form.File) > 0 {
		return input{form: true}, malformed("the form has a file")
	}
	return single(form.Value)
}

// single takes each parameter once.
func single(values url.Values) (input, error) {
	in := input{form: true}
	in.values = make(map[string]string, len(values))
	for name, all := range values {
		if len(all) > 1 {
			return in, malformed("the form has a parameter twice")
		}
		if !utf8.ValidString(name) || !utf8.ValidString(all[0]) {
			return in, malformed("the form is not valid UTF-8")
		}
		if all[0] != "" {
			in.values[name] = all[0]
		}
	}
	return in, nil
}
