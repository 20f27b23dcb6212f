package jose

import (
	"strings"

	"github.com/seed-e36e2130/auth/internal/strictjson"
)

// UnverifiedText returns the text of one claim of a token whose signature nobody
// has checked: it says which verifier to ask, and nothing else may follow from it.
// The payload is read as strictly as a verified one, so that both see the same
// claim. It returns "" if there is no such claim, and [ErrTooLong] or
// [ErrMalformed] if the token cannot be one.
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
		}
		return nil
	})
	if err != nil || !ok {
		return "", ErrMalformed
	}
	return text, nil
}
