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
	ring := jose.NewRing(keys, false)
	for _, k := range keys {
		agrees(t, ring, jose.HeaderSegment(k, jose.AccessTokenType), true)
		spelling := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{ "typ":"JWT", "kid":%q, "alg":%q}`, k.ID(), k.Algorithm()))
		if _, err := ring.Open(seal(t, k, spelling), false); err != nil {
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
	ring := jose.NewRing([]*jose.Key{k}, false)
	spelling := func(n int) string {
		return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"HS256","kid":%q,"n":%d}`, k.ID(), n))
	}
	forged := seal(t, k, spelling(-1))
	if _, err := ring.Open(forged[:len(forged)-4]+"AAAA", false); !errors.Is(err, jose.ErrSignature) {
		t.Fatal(err)
	}
	agrees(t, ring, spelling(-1), false)
	long := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"HS256","kid":%q,"x":%q}`, k.ID(), strings.Repeat("x", 512)))
	if _, err := ring.Open(seal(t, k, long), false); err != nil {
		t.Fatal(err)
	}
	agrees(t, ring, long, false)
	known := 0
	for n := range 1000 {
		if _, err := ring.Open(seal(t, k, spelling(n)), false); err != nil {
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
		if opened, err := jose.NewRing([]*jose.Key{other, k}, false).Open(token, false); err != nil || opened.Key != k {
			t.Errorf("with one key of the algorithm: got %v, %v", opened.Key, err)
		}
		if opened, err := jose.NewRing([]*jose.Key{a, other, b}, false).Open(token, false); !errors.Is(err, jose.ErrUnknownKey) {
			t.Errorf("with two keys of the algorithm: got %v, %v, want ErrUnknownKey", opened.Key, err)
		}
	}
}

// A kid that no key has means the only key of its algorithm, if that key was given no ID. It is not
// tried if it was given one, if there are two, or in the ring of an issuer.
func TestKeyWithoutID(t *testing.T) {
	t.Parallel()
	a, b, other := keyFor(t, "EdDSA"), keyFor(t, "EdDSA"), keyFor(t, "ES256")
	named, err := a.With("", "k2")
	if err != nil {
		t.Fatal(err)
	}
	token := seal(t, a, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":"k1"}`)))
	for name, row := range map[string]struct {
		keys   []*jose.Key
		issues bool
		want   error
	}{
		"one key":                      {[]*jose.Key{other, a}, false, nil},
		"another key":                  {[]*jose.Key{other, b}, false, jose.ErrNoMatch},
		"two keys":                     {[]*jose.Key{a, b}, false, jose.ErrUnknownKey},
		"one key that was given an ID": {[]*jose.Key{named}, false, jose.ErrUnknownKey},
		"a second that was":            {[]*jose.Key{a, mustWith(t, b, "k3")}, false, jose.ErrUnknownKey},
		"the key of an issuer":         {[]*jose.Key{a}, true, jose.ErrUnknownKey},
		"another algorithm":            {[]*jose.Key{other}, false, jose.ErrUnknownKey},
	} {
		ring := jose.NewRing(row.keys, row.issues)
		for range 2 {
			if _, err := ring.Open(token, false); err != row.want {
				t.Errorf("%s: got %v, want %v", name, err, row.want)
			}
		}
	}
}

func mustWith(t *testing.T, k *jose.Key, id string) *jose.Key {
	t.Helper()
	k, err := k.With("", id)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A header that brings a key or its address is refused, or its key is ignored. What one caller lets
// pass teaches the table nothing that lets it pass for another.
func TestHeaderWithKey(t *testing.T) {
	t.Parallel()
	k, stranger := mustWith(t, keyFor(t, "EdDSA"), "k"), keyFor(t, "EdDSA")
	jwk, err := jose.PublicSet([]*jose.Key{stranger})
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{
		`"jku":"https://127.0.0.1/keys"`, `"x5u":"https://127.0.0.1/cert"`, `"x5c":["AAAA"]`, `"jku":1`, `"jwk":` + strings.TrimSuffix(strings.TrimPrefix(string(jwk), `{"keys":[`), "]}"),
	} {
		ring := jose.NewRing([]*jose.Key{k}, false)
		segment := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":"k",` + member + `}`))
		for range 2 {
			if _, err := ring.Open(seal(t, k, segment), false); err != jose.ErrHeader {
				t.Errorf("%s: got %v, want ErrHeader", member, err)
			}
			if opened, err := ring.Open(seal(t, k, segment), true); err != nil || opened.Key != k {
				t.Errorf("%s, to be ignored: got %v, %v", member, opened.Key, err)
			}
			if _, err := ring.Open(seal(t, stranger, segment), true); err != jose.ErrSignature {
				t.Errorf("%s, signed by the key in the header: got %v, want ErrSignature", member, err)
			}
		}
	}
	for _, member := range []string{`"crit":["jku"],"jku":"x"`, `"b64":false`, `"cty":"JWT"`, `"enc":"A128GCM"`, `"zip":"DEF"`} {
		ring := jose.NewRing([]*jose.Key{k}, false)
		segment := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":"k",` + member + `}`))
		if _, err := ring.Open(seal(t, k, segment), true); err != jose.ErrHeader {
			t.Errorf("%s: got %v, want ErrHeader", member, err)
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
		`{"alg":"HS256","kid":"k","jku":"https://issuer.test/keys"}`, `{"alg":"none"}`, `{"alg":"HS256","alg":"HS256"}`, `{"alg":"HS256","crit":["exp"]}`, `{"kid":"k"}`, `[]`, "{}\n",
	} {
		f.Add(text)
	}
	ed := keyFor(f, "EdDSA")
	f.Fuzz(func(t *testing.T, text string) {
		segment := base64.RawURLEncoding.EncodeToString([]byte(text))
		if len(segment) > jose.MaxTokenBytes/2 {
			return
		}
		ring := jose.NewRing([]*jose.Key{k, ed}, false)
		token := seal(t, k, segment)
		first, err1 := ring.Open(token, true)
		second, err2 := ring.Open(token, true)
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
		if opened, err := ring.Open(token, false); slow.HoldsKey && err != jose.ErrHeader || !slow.HoldsKey && (opened != first || err != err1) {
			t.Fatalf("%q: Open returned %v, %v where headers with keys are refused", text, opened, err)
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
