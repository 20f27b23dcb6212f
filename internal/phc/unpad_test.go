package phc_test

import (
	"errors"
	"testing"

	"github.com/seed-e36e2130/auth/internal/phc"
)

func TestUnpad(t *testing.T) {
	t.Parallel()
	for encoded, want := range map[string]string{"": "", "a": "a", "a   ": "a", " a b ": " a b", "   ": "", "a\x00 ": "a\x00"} {
		if got, err := phc.Unpad(encoded); got != want || err != nil {
			t.Errorf("Unpad(%q) = %q, %v, want %q", encoded, got, err, want)
		}
	}
	for _, encoded := range []string{"a\n", "a\r\n", "a\t", "a \n", "a\n   "} {
		if _, err := phc.Unpad(encoded); !errors.Is(err, phc.ErrWhiteSpace) {
			t.Errorf("Unpad(%q): %v, want ErrWhiteSpace", encoded, err)
		}
	}
}
