package jose

import (
	"strings"

	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// UnverifiedText returns the string value of one claim of a token without verifying the signature.
// Its only use is to choose the verifier of the token; no other decision may depend on it (RFC 8725
// section 3.10). See decision 0030.
//
// The payload is read as strictly as that of a verified token, so that both see the same claim: of
// a duplicate member, two parsers may see different values. UnverifiedText returns "" if there is
// no such claim or it is null, and [ErrTooLong] or [ErrMalformed] if the text is not a token.
func UnverifiedText(token, claim string) (text string, err error) {
	if len(token) > MaxTokenBytes {
		return "", ErrTooLong
	}
	dot1, dot2 := strings.IndexByte(token, '.'), strings.LastIndexByte(token, '.')
	if dot1 == dot2 || !plain(token) {
		return "", ErrMalformed
	}
	buf := scratches.Get().(*scratch)
	defer scratches.Put(buf)
	n, err := canonical.Decode(buf.decoded[:], buf.token[:copy(buf.token[:], token[dot1+1:dot2])])
	if err != nil {
		return "", ErrMalformed
	}
	ok := true
	err = strictjson.Object(string(buf.decoded[:n]), func(name, value string) error {
		if name == claim {
			text, ok = strictjson.Text(value)
			ok = ok || value == "null"
		}
		return nil
	})
	if err != nil || !ok {
		return "", ErrMalformed
	}
	return text, nil
}
