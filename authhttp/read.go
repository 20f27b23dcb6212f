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

// maxBody is the largest body that is read, in bytes.
const maxBody = 64 << 10

// body describes the body of a request.
type body struct {
	json, form, multipart bool     // media types that are accepted
	required              []string // members that must be there; read checks those of a JSON object alone
	optional              []string // members that may be absent; a JSON object may have no others
	flags                 []string // members that may be absent, and are true or false
	mayBeAbsent           bool     // a request without a body is accepted
	before                bool     // [Config].Before decides, because the request adds an account or sends a mail

	names // what clients call the members
}

// deviceToken is the optional member of bodies that log in or have a current password: the device
// token of an earlier login.
var deviceToken = []string{"device_token"}

// The bodies of the endpoints.
var (
	emptyBody   = body{json: true, mayBeAbsent: true}
	addressBody = body{json: true, required: []string{"address"}, before: true}

	registerBody = body{json: true, form: true, multipart: true, required: []string{"username", "password"}, before: true}
	loginBody    = body{
		json: true, form: true, multipart: true, required: []string{"username", "password"}, optional: deviceToken,
	}
	loginMFABody  = body{json: true, required: []string{"mfa_token", "code"}, optional: deviceToken}
	loginLinkBody = body{json: true, required: []string{"token"}, optional: []string{"challenge", "device_token"}}
	loginCodeBody = body{json: true, required: []string{"challenge", "code"}, optional: deviceToken}
	stepUpBody    = body{json: true, optional: []string{"password", "code", "device_token"}}

	refreshBody = body{json: true, required: []string{"refresh_token"}}
	logoutBody  = body{json: true, form: true, multipart: true, required: []string{"refresh_token"}, mayBeAbsent: true}

	cookieLogoutBody = body{json: true, form: true, multipart: true, mayBeAbsent: true} // logoutBody with cookies

	tokenBody = body{
		form: true, required: []string{"grant_type"}, optional: []string{"refresh_token", "client_id", "scope"},
	}
	revokeBody     = body{form: true, required: []string{"token"}, optional: []string{"token_type_hint", "client_id"}}
	introspectBody = body{form: true, required: []string{"token"}, optional: []string{"token_type_hint"}}

	currentPasswordBody = body{json: true, required: []string{"current_password"}, optional: deviceToken}
	bothFactorsBody     = body{json: true, required: []string{"current_password", "code"}, optional: deviceToken}
	changePasswordBody  = body{json: true, required: []string{"current_password", "new_password"}, optional: deviceToken}
	changeAddressBody   = body{json: true, required: []string{"current_password", "address"}, optional: deviceToken, before: true}
	confirmAddressBody  = body{json: true, required: []string{"token", "current_password"}, optional: deviceToken}
	verifyBody          = body{
		json: true, required: []string{"token"}, optional: []string{"current_password", "new_password", "device_token"},
	}
	createKeyBody     = body{json: true, required: []string{"name"}, optional: []string{"scope", "roles", "expires_in"}}
	rollKeyBody       = body{json: true, optional: []string{"overlap"}, mayBeAbsent: true}
	resetPasswordBody = body{json: true, required: []string{"token", "new_password"}, optional: deviceToken}
)

// passwordGrantFields are what tokenBody has in addition where [Config].PasswordGrant is set.
var passwordGrantFields = []string{"username", "password", "device_token"}

// requires reports whether name is a required member.
func (b body) requires(name string) bool { return slices.Contains(b.required, name) }

// members returns the names of all members.
func (b body) members() []string { return slices.Concat(b.required, b.optional, b.flags) }

// input holds the members of a body by name. A form has no empty ones: an empty parameter counts as
// absent (RFC 6749 section 3.2).
type input struct {
	values map[string]string
	extra  map[string]string // members that the host adds
	form   bool              // the body was a form
	names  names
}

// need returns an error if one of names is missing.
func (in input) need(names ...string) error {
	for _, name := range names {
		if _, ok := in.values[name]; !ok {
			return malformed(areRequired(in.names.ofAll(names)))
		}
	}
	return nil
}

// areRequired returns the sentence "a is required" or "a and b are required".
func areRequired(names []string) string {
	if len(names) == 1 {
		return names[0] + " is required"
	}
	return strings.Join(names, " and ") + " are required"
}

// screen refuses a request that no endpoint answers: one for a host that [Cookies.checkHost]
// refuses, one with credentials in its URL, and one whose method is not allowed.
func (cfg Config) screen(w http.ResponseWriter, r *http.Request, allowed ...string) error {
	if err := cfg.Cookies.checkHost(r); err != nil {
		return err
	}
	if cfg.hasCredentials(r.URL.RawQuery) {
		return malformed("send credentials in a header or in the body, not in the URL: logs and browser histories keep URLs")
	}
	if !slices.Contains(allowed, r.Method) {
		return notAllowed(w, allowed...)
	}
	return nil
}

// readChecked reads a body as [Config.read] does, from a request that [Cookies.check] allows.
func (cfg Config) readChecked(w http.ResponseWriter, r *http.Request, b body) (input, error) {
	if err := cfg.Cookies.check(r); err != nil {
		return input{}, err
	}
	return cfg.read(w, r, b)
}

// read returns the members of the body of r, which must be a POST.
func (cfg Config) read(w http.ResponseWriter, r *http.Request, b body) (input, error) {
	if err := cfg.screen(w, r, http.MethodPost); err != nil {
		return input{}, err
	}
	if b.mayBeAbsent && r.ContentLength == 0 {
		return input{}, nil
	}
	b.names = cfg.names()
	decode := b.decoder(r.Header)
	if decode == nil {
		return input{}, &refusal{status: http.StatusUnsupportedMediaType, detail: "send a body of type " + b.mediaTypes()}
	}
	text, err := readText(w, r)
	if err != nil {
		return input{}, err
	}
	return decode(text)
}

// decoder returns the function that decodes a body with these headers, or nil if its media type is
// not accepted.
func (b body) decoder(h http.Header) func(text string) (input, error) {
	mediaType, boundary := contentType(h)
	switch {
	case b.json && mediaType == "application/json":
		return b.decodeJSON
	case b.form && mediaType == "application/x-www-form-urlencoded":
		return b.decodeForm
	case b.multipart && mediaType == "multipart/form-data":
		return func(text string) (input, error) { return b.decodeMultipart(text, boundary) }
	}
	return nil
}

// mediaTypes returns the media types to send, for people.
func (b body) mediaTypes() string {
	switch {
	case b.form && b.json:
		return "application/json or application/x-www-form-urlencoded"
	case b.form:
		return "application/x-www-form-urlencoded"
	}
	return "application/json"
}

// readText returns the body of r, up to maxBody bytes.
func readText(w http.ResponseWriter, r *http.Request) (string, error) {
	tooLarge := &refusal{status: http.StatusRequestEntityTooLarge, detail: "the body is larger than 64 KiB"}
	if r.ContentLength > maxBody {
		return "", tooLarge // before any of the body is requested from the client
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return "", tooLarge
	}
	if err != nil {
		return "", malformed("the body ended early")
	}
	return string(text), nil
}

// credentials are the parameters that no URL may have, in small letters.
var credentials = []string{
	"username", "password", "current_password", "new_password", "client_secret", "client_assertion",
	"token", "access_token", "refresh_token", "id_token", "device_token", "mfa_token", "challenge", "code",
}

// hasCredentials reports whether a query holds credentials, or cannot be parsed.
func (cfg Config) hasCredentials(query string) bool {
	values, err := url.ParseQuery(query)
	for name := range values {
		isName := func(credential string) bool { return strings.EqualFold(name, cfg.names().of(credential)) }
		if slices.Contains(credentials, strings.ToLower(name)) || slices.ContainsFunc(credentials, isName) {
			return true
		}
	}
	return err != nil
}

// contentType returns the media type of a body and the boundary of its parts. The media type is ""
// if there is not exactly one, or if the body is compressed or declares a charset other than UTF-8.
func contentType(h http.Header) (mediaType, boundary string) {
	if len(h["Content-Type"]) != 1 || h["Content-Encoding"] != nil {
		return "", ""
	}
	mediaType, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if charset, ok := params["charset"]; err != nil || ok && !strings.EqualFold(charset, "utf-8") {
		return "", ""
	}
	return mediaType, params["boundary"]
}

// decodeJSON decodes one object with the members of b, which must be strings, and those that the host
// adds.
func (b body) decodeJSON(text string) (input, error) {
	in := input{values: make(map[string]string, len(b.required)), names: b.names}
	members := b.members()
	text, err := b.open(text)
	if err != nil {
		return input{}, decoded(err)
	}
	err = strictjson.Object(text, func(name, value string) (err error) {
		member := b.memberOf(name, members)
		switch text, isText := strictjson.Text(value); {
		case member != "" && slices.Contains(b.flags, member) && (value == "true" || value == "false"):
			in.values[member] = value
		case member == "" && slices.Contains(b.extra, name):
			text, err = extraValue(name, value)
			in.addExtra(name, text)
		case len(members)+len(b.extra) == 0:
			return malformed("the object must be empty")
		case member == "":
			return malformed("the object has a member other than " + strings.Join(slices.Concat(b.ofAll(members), b.extra), ", "))
		case !isText:
			return malformed("the members of the object must be strings")
		default:
			in.values[member] = text
		}
		return err
	})
	if err != nil {
		return input{}, decoded(err)
	}
	return in, in.need(b.required...)
}

func (in *input) addExtra(name, value string) {
	if in.extra == nil {
		in.extra = map[string]string{}
	}
	in.extra[name] = value
}

// decodeForm decodes a form by RFC 6749 section 3.2: an empty parameter counts as absent, an
// unknown one is ignored, and a duplicate one is malformed.
func (b body) decodeForm(text string) (input, error) {
	values, err := url.ParseQuery(text)
	if err != nil {
		return input{form: true}, malformed("the body is not a valid form")
	}
	return b.formInput(values)
}

// decodeMultipart decodes the form that browsers make of a FormData (RFC 7578), by the same rules
// as decodeForm.
func (b body) decodeMultipart(text, boundary string) (input, error) {
	form, err := multipart.NewReader(strings.NewReader(text), boundary).ReadForm(maxBody)
	if err != nil {
		return input{form: true}, malformed("the body is not a valid form")
	}
	defer form.RemoveAll() // removes nothing: a body of this size is kept in memory
	if len(form.File) > 0 {
		return input{form: true}, malformed("the form has a file")
	}
	return b.formInput(form.Value)
}

// formInput returns the parameters of a form that are not empty.
func (b body) formInput(parameters url.Values) (input, error) {
	in := input{form: true, values: make(map[string]string, len(parameters)), names: b.names}
	members := b.members()
	for name, values := range parameters {
		if len(values) > 1 {
			return in, malformed("the form has a duplicate parameter")
		}
		if !utf8.ValidString(name) || !utf8.ValidString(values[0]) {
			return in, malformed("the form is not valid UTF-8")
		}
		member := b.memberOf(name, members)
		switch {
		case values[0] == "":
		case member != "":
			in.values[member] = values[0]
		case slices.Contains(b.extra, name):
			in.addExtra(name, values[0])
		case !slices.Contains(members, name): // otherwise clients call that member by another name
			in.values[name] = values[0]
		}
	}
	return in, nil
}
