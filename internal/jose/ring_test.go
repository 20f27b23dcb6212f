package jose_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/jose"
)

// The table of headers gives the same result as parsing the header, for the headers that it has
// from the start and for those that it learned.
func TestHeaderTable(t *testing.T) {
	t.Parallel()
	var keys []*jose.Key
	for _, alg := range []string{"HS256", "HS384", "RS256", "PS512", "ES256", "ES384", "ES512", "EdDSA"} {
		k := keyFor(t, alg)
		named, err := k.With("", `"é`+alg)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, named)
	}
	ring := jose.NewRing(keys)
	for _, k := range keys {
		agrees(t, ring, jose.HeaderSegment(k, jose.AccessTokenType), true)
		spelling := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{ "typ":"JWT", "kid":%q, "alg":%q}`, k.ID(), k.Algorithm()))
		if _, err := ring.Open(seal(t, k, spelling)); err != nil {
			t.Fatal(err)
		}
		agrees(t, ring, spelling, true)
	}
}

// The table learns a bounded number of headers of bounded length, and none from a token whose
// signature is wrong.
func TestHeaderTableIsBounded(t *testing.T) {
	t.Parallel()
	k := keyFor(t, "HS256")
	ring := jose.NewRing([]*jose.Key{k})
	spelling := func(n int) string {
		return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"HS256","kid":%q,"n":%d}`, k.ID(), n))
	}
	forged := seal(t, k, spelling(-1))
	if _, err := ring.Open(forged[:len(forged)-4] + "AAAA"); !errors.Is(err, jose.ErrSignature) {
		t.Fatal(err)
	}
	agrees(t, ring, spelling(-1), false)
	long := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"HS256","kid":%q,"x":%q}`, k.ID(), strings.Repeat("x", 512)))
	if _, err := ring.Open(seal(t, k, long)); err != nil {
		t.Fatal(err)
	}
	agrees(t, ring, long, false)
	known := 0
	for n := range 1000 {
		if _, err := ring.Open(seal(t, k, spelling(n))); err != nil {
			t.Fatal(err)
		}
		if fast, _, _ := ring.Headers(spelling(n)); fast != nil {
			known++
		}
	}
	if known == 0 || known > 17 {
		t.Errorf("the table learned %d headers, want 1 to 17", known)
	}
}

// A header without kid means the only key of its algorithm. If there are two, neither of them is
// tried.
func TestHeaderWithoutKeyID(t *testing.T) {
	t.Parallel()
	a, b, other := keyFor(t, "EdDSA"), keyFor(t, "EdDSA"), keyFor(t, "ES256")
	nameless := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA"}`))
	for _, k := range []*jose.Key{a, b} {
		token := seal(t, k, nameless)
		if opened, err := jose.NewRing([]*jose.Key{other, k}).Open(token); err != nil || opened.Key != k {
			t.Errorf("with one key of the algorithm: got %v, %v", opened.Key, err)
		}
		if opened, err := jose.NewRing([]*jose.Key{a, other, b}).Open(token); !errors.Is(err, jose.ErrUnknownKey) {
			t.Errorf("with two keys of the algorithm: got %v, %v, want ErrUnknownKey", opened.Key, err)
		}
	}
}

// For every header of a correctly signed token, parsing and the table agree, and Open returns the
// same result the second time.
func FuzzHeader(f *testing.F) {
	k := keyFor(f, "HS256")
	k, err := k.With("", "k")
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{
		`{"alg":"HS256"}`, `{"alg":"HS256","kid":"k","typ":"at+jwt"}`, `{"typ":"APPLICATION/at+jwt","kid":"\u006b","alg":"HS256"}`,
		`{"alg":"none"}`, `{"alg":"HS256","alg":"HS256"}`, `{"alg":"HS256","crit":["exp"]}`, `{"kid":"k"}`, `[]`, "{}\n",
	} {
		f.Add(text)
	}
	ed := keyFor(f, "EdDSA")
	f.Fuzz(func(t *testing.T, text string) {
		segment := base64.RawURLEncoding.EncodeToString([]byte(text))
		if len(segment) > jose.MaxTokenBytes/2 {
			return
		}
		ring := jose.NewRing([]*jose.Key{k, ed})
		token := seal(t, k, segment)
		first, err1 := ring.Open(token)
		second, err2 := ring.Open(token)
		if first != second || err1 != err2 {
			t.Fatalf("%q: Open returned first %v, %v, then %v, %v", text, first, err1, second, err2)
		}
		if err1 == nil && first.Key != k {
			t.Fatalf("%q: opened by the key %v", text, first.Key)
		}
		fast, slow, err := ring.Headers(segment)
		if fast != nil && (err != nil || *fast != slow) {
			t.Fatalf("%q: the table has %v, parsing returned %v, %v", text, *fast, slow, err)
		}
		if err == nil && slow.Key == k && err1 != nil {
			t.Fatalf("%q: the header is accepted, but not the correctly signed token: %v", text, err1)
		}
	})
}

// agrees fails unless parsing a header succeeds and the table has the same result, or, if known is
// false, no entry.
func agrees(t *testing.T, ring *jose.Ring, segment string, known bool) {
	t.Helper()
	fast, slow, err := ring.Headers(segment)
	if err != nil || known != (fast != nil) || fast != nil && *fast != slow {
		t.Errorf("%s: the table has %v, parsing returned %v, %v", segment, fast, slow, err)
	}
}

// seal returns a token with the given header segment.
func seal(t testing.TB, k *jose.Key, segment string) string {
	t.Helper()
	token, err := jose.Seal(t.Context(), k, segment, []byte(`{"sub":"u"}`))
	if err != nil {
		t.Fatal(err)
	}
	return token
}
