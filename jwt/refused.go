package jwt

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// refused says which value of a token was refused, and what was expected. The text is made when it is
// needed: a log that is off costs nothing. None of the values is a secret.
type refused struct {
	reason    error // errType, errIssuer or errAudience
	got, want string
}

func (e *refused) Error() string {
	return fmt.Sprintf("%v %s, want %s", e.reason, brief(e.got), e.want)
}

func (e *refused) Unwrap() error { return e.reason }

// unknownKey says which key a header names. The header comes from anybody.
type unknownKey struct{ header string } // as in the token

func (e *unknownKey) Error() string {
	var h struct {
		Kid any `json:"kid"`
	}
	text, err := base64.RawURLEncoding.DecodeString(e.header)
	if err != nil || json.Unmarshal(text, &h) != nil {
		return ErrUnknownKey.Error()
	}
	if id, ok := h.Kid.(string); ok {
		return fmt.Sprintf("%v: kid %s", ErrUnknownKey, brief(id))
	}
	return ErrUnknownKey.Error() + ": no kid"
}

func (e *unknownKey) Unwrap() error { return ErrUnknownKey }

func newUnknownKey(token string) error {
	header, _, _ := strings.Cut(token, ".")
	if len(header) > 1024 {
		return ErrUnknownKey
	}
	return &unknownKey{header}
}

// brief quotes s, cut off after 200 bytes. Empty stands for absent.
func brief(s string) string {
	if s == "" {
		return "absent"
	}
	if len(s) > 200 {
		return fmt.Sprintf("%.200q and %d bytes more", s, len(s)-200)
	}
	return fmt.Sprintf("%q", s)
}

// oneOf lists the values that are accepted. An empty one stands for none.
func oneOf(accepted []string) string {
	list := make([]string, len(accepted))
	for i, s := range accepted {
		list[i] = brief(s)
	}
	return strings.Join(list, " or ")
}
