package cookies_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/seed-e36e2130/auth/internal/cookies"
)

func TestValues(t *testing.T) {
	t.Parallel()
	for header, want := range map[string][]string{
		"": nil, "a": {""}, "a=": {""}, "b=1": nil, "a=1": {"1"}, "aa=1; A=2": nil, "a=1; b=2; a=3": {"1", "3"}, `a="x"; a="`: {"x", `"`},
		" a =1;a\t= 2": {"1", " 2"}, "a=1=2": {"1=2"}, "a=\x00": {"\x00"}, ";;a=1;": {"1"},
	} {
		if got := slices.Collect(cookies.Values(http.Header{"Cookie": {header}}, "a")); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", header, got, want)
		}
	}
	h := http.Header{"Cookie": {"a=1; a=2", "a=3"}}
	if got := slices.Collect(cookies.Values(h, "a")); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("two fields: got %q", got)
	}
	for got := range cookies.Values(h, "a") {
		if got != "1" {
			t.Errorf("after the loop ended: got %q", got)
		}
		break
	}
}
