package auth_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
)

// A token that is found is all of the field but the scheme and the spaces, and
// is found again behind "Bearer ".
func FuzzBearerToken(f *testing.F) {
	for _, field := range []string{"", "Bearer a.b.c", "bEARER   x", "Bearer", "Bearer  ", "Bearer\tx", "Bearer a b", "Bearers x", "Basic x", "Bea\u212Aer x", "Bearer:x"} {
		f.Add(field)
	}
	f.Fuzz(func(t *testing.T, field string) {
		token, err := bearer(field)
		if err != nil {
			if token != "" || !errors.Is(err, auth.ErrNoCredentials) && !errors.Is(err, auth.ErrInvalidRequest) {
				t.Fatalf("%q: %q, %v", field, token, err)
			}
			return
		}
		scheme, rest, _ := strings.Cut(field, " ")
		if token == "" || strings.ToLower(scheme) != "bearer" || strings.TrimLeft(rest, " ") != token {
			t.Fatalf("%q gives %q", field, token)
		}
		if again, err := bearer("Bearer " + token); again != token || err != nil {
			t.Fatalf("%q is found again as %q, %v", token, again, err)
		}
	})
}

func bearer(field string) (string, error) {
	return auth.BearerToken().Extract(&http.Request{Header: http.Header{"Authorization": {field}}})
}

// A cookie that net/http sees is never absent for us, and never another.
func FuzzCookie(f *testing.F) {
	for _, field := range []string{"", "t=abc", "a=1; t=abc", "t=abc; t=def", `t="abc"`, `t="`, "t", "t=", " t = abc ;", "t=a b", "t=a\x7f; t=b", "\tt=x", ";;t=x;"} {
		f.Add(field)
	}
	f.Fuzz(func(t *testing.T, field string) {
		r := &http.Request{Header: http.Header{"Cookie": {field}}}
		token, err := auth.Cookie("t").Extract(r)
		seen := r.CookiesNamed("t")
		switch {
		case len(seen) > 1 && !errors.Is(err, auth.ErrInvalidRequest):
			t.Fatalf("%q holds %d cookies and gives %q, %v", field, len(seen), token, err)
		case len(seen) == 1 && seen[0].Value == "" && err == nil:
			t.Fatalf("%q holds an empty cookie and gives %q", field, token)
		case len(seen) == 1 && seen[0].Value != "" && !errors.Is(err, auth.ErrInvalidRequest) && (err != nil || token != seen[0].Value):
			t.Fatalf("%q holds %q and gives %q, %v", field, seen[0].Value, token, err)
		case err == nil && token == "":
			t.Fatalf("%q gives an empty token", field)
		}
	})
}
