package apikey

import (
	"net/http"
	"net/textproto"
	"strings"

	"github.com/seed-e36e2130/auth"
)

// Header returns an [auth.Extractor] for keys that come in a header of their own, such as "X-API-Key". An
// empty field counts as none, and two fields are malformed. Put it beside [auth.BearerToken]: a request with a
// credential in both is answered 400.
func Header(name string) auth.Extractor { return header(textproto.CanonicalMIMEHeaderKey(name)) }

type header string

func (header) Ambient() bool { return false }

func (h header) Extract(r *http.Request) (string, error) {
	fields := r.Header[string(h)]
	switch {
	case len(fields) > 1:
		return "", auth.ErrInvalidRequest
	case len(fields) == 0 || fields[0] == "":
		return "", auth.ErrNoCredentials
	case strings.ContainsAny(fields[0], " \t,"):
		return "", auth.ErrInvalidRequest
	}
	return fields[0], nil
}
