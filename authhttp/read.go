package authhttp

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// maxBody is how many bytes of a body are read.
const maxBody = 64 << 10

// credentials is what a request brings.
type credentials struct {
	username, password string
	form               bool // as a form: the answer is RFC 6749's to the letter
}

// badRequest is a request that cannot be understood. Its detail holds nothing of
// the request, and only the characters of RFC 6749 section 5.2.
type badRequest struct {
	status int
	code   string // of RFC 6749 section 5.2; "": invalid_request
	detail string
}

func (e *badRequest) Error() string { return "authhttp: " + e.detail }

func malformed(detail string) error {
	return &badRequest{status: http.StatusBadRequest, detail: detail}
}

// formats are the media types that an endpoint reads.
type formats map[string]func(body string) (credentials, error)

var (
	readJSON       = formats{"application/json": decodeJSON}
	readJSONOrForm = formats{"application/json": decodeJSON, "application/x-www-form-urlencoded": decodeForm}
)

// read returns the credentials in the body of r.
func read(w http.ResponseWriter, r *http.Request, accepted formats) (credentials, error) {
	if inURL(r.URL.RawQuery) {
		return credentials{}, malformed("credentials belong in the body, not in the URL, which logs and histories keep")
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return credentials{}, &badRequest{status: http.StatusMethodNotAllowed, detail: "use POST"}
	}
	decode := accepted[mediaType(r.Header)]
	if decode == nil {
		detail := "send a body of type application/json"
		if len(accepted) > 1 {
			detail += " or application/x-www-form-urlencoded"
		}
		return credentials{}, &badRequest{status: http.StatusUnsupportedMediaType, detail: detail}
	}
	tooLarge := &badRequest{status: http.StatusRequestEntityTooLarge, detail: "the body is larger than 64 KiB"}
	if r.ContentLength > maxBody {
		return credentials{}, tooLarge // without asking for any of it
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return credentials{}, tooLarge
	}
	if err != nil {
		return credentials{}, malformed("the body ended early")
	}
	return decode(string(body))
}

// inURL reports whether a query holds credentials, or cannot be read for sure.
func inURL(query string) bool {
	values, err := url.ParseQuery(query)
	for name := range values {
		switch strings.ToLower(name) {
		case "username", "password", "client_secret":
			return true
		}
	}
	return err != nil
}

// mediaType returns the one type of the body, or "" if it is unclear, compressed
// or in another encoding than UTF-8.
func mediaType(h http.Header) string {
	if len(h["Content-Type"]) != 1 || h["Content-Encoding"] != nil {
		return ""
	}
	name, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if charset, ok := params["charset"]; err != nil || ok && !strings.EqualFold(charset, "utf-8") {
		return ""
	}
	return name
}

// decodeJSON takes one object with username and password, each once and a
// string, and nothing else.
func decodeJSON(body string) (credentials, error) {
	var in credentials
	var given [2]bool
	err := strictjson.Object(body, func(name, value string) error {
		text, isText := strictjson.Text(value)
		switch name {
		case "username":
			in.username, given[0] = text, true
		case "password":
			in.password, given[1] = text, true
		default:
			return malformed("the object has a member other than username and password")
		}
		if !isText {
			return malformed("username and password must be strings")
		}
		return nil
	})
	switch bad, ok := errors.AsType[*badRequest](err); {
	case ok:
		return credentials{}, bad
	case errors.Is(err, strictjson.ErrEncoding):
		return credentials{}, malformed("the body is not valid UTF-8")
	case errors.Is(err, strictjson.ErrDuplicate):
		return credentials{}, malformed("the object has a member twice")
	case err != nil:
		return credentials{}, malformed("the body must be one JSON object")
	case !given[0] || !given[1]:
		return credentials{}, malformed("username and password are required")
	}
	return in, nil
}

// decodeForm takes the form of RFC 6749 section 4.3.2. As section 3.2 says, an
// empty parameter counts as absent, an unknown one is ignored, and one that
// comes twice is malformed.
func decodeForm(body string) (credentials, error) {
	in := credentials{form: true}
	values, err := url.ParseQuery(body)
	if err != nil {
		return in, malformed("the body is not a valid form")
	}
	for name, list := range values {
		if len(list) > 1 {
			return in, malformed("the form has a parameter twice")
		}
		if !utf8.ValidString(name) || !utf8.ValidString(list[0]) {
			return in, malformed("the form is not valid UTF-8")
		}
	}
	if grant := values.Get("grant_type"); grant != "" && grant != "password" {
		return in, &badRequest{status: http.StatusBadRequest, code: "unsupported_grant_type", detail: "grant_type must be password"}
	}
	in.username, in.password = values.Get("username"), values.Get("password")
	if in.username == "" || in.password == "" {
		return in, malformed("username and password are required")
	}
	return in, nil
}
