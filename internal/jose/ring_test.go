package jose_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/jose"
)

// The table of headers says what reading the header says: for those that it begins
// with, and for those that it learned.
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

// A table that learns is bounded in what it learns and in what each may hold, and
// learns nothing from a token that is not genuine.
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
		t.Errorf("learned %d spellings, want at most 17", known)
	}
}

// A header without kid speaks of the one key of its algorithm. Of two, neither is
// tried, the first no more than the second.
func TestHeaderWithoutKeyID(t *testing.T) {
	t.Parallel()
	a, b, other := keyFor(t, "EdDSA"), keyFor(t, "EdDSA"), keyFor(t, "ES256")
	nameless := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA"}`))
	for _, k := range []*jose.Key{a, b} {
		token := seal(t, k, nameless)
		if opened, err := jose.NewRing([]*jose.Key{other, k}).Open(token); err != nil || opened.Key != k {
			t.Errorf("alone: %v, %v", opened.Key, err)
		}
		if opened, err := jose.NewRing([]*jose.Key{a, other, b}).Open(token); !errors.Is(err, jose.ErrUnknownKey) {
			t.Errorf("one of two: %v, %v", opened.Key, err)
		}
	}
}

// FuzzHeader: whatever header a genuine token has, reading it and the table agree,
// and Open says the same the second time.
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
			t.Fatalf("%q: first %v, %v, then %v, %v", text, first, err1, second, err2)
		}
		if err1 == nil && first.Key != k {
			t.Fatalf("%q: opened by %v", text, first.Key)
		}
		fast, slow, err := ring.Headers(segment)
		if fast != nil && (err != nil || *fast != slow) {
			t.Fatalf("%q: the table says %v, reading says %v, %v", text, *fast, slow, err)
		}
		if err == nil && slow.Key == k && err1 != nil {
			t.Fatalf("%q: the header is accepted, the genuine token is not: %v", text, err1)
		}
	})
}

func agrees(t *testing.T, ring *jose.Ring, segment string, known bool) {
	t.Helper()
	fast, slow, err := ring.Headers(segment)
	if err != nil || known != (fast != nil) || fast != nil && *fast != slow {
		t.Errorf("%s: the table says %v, reading says %v, %v", segment, fast, slow, err)
	}
}

// seal returns a token under a header of the test's own.
func seal(t testing.TB, k *jose.Key, segment string) string {
	t.Helper()
	token, err := jose.Seal(t.Context(), k, segment, []byte(`{"sub":"u"}`))
	if err != nil {
		t.Fatal(err)
	}
	return token
}
