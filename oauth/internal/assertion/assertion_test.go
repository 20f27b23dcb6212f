package assertion_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/internal/jose"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/oauth/internal/assertion"
)

const (
	issuer = "https://auth.example/tenant"
	client = "https://client.example/client.json"
)

// anRSA is one key for all tests: making one takes long.
var anRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newKey(tb testing.TB, alg string) *jose.Key {
	tb.Helper()
	generate := func() (*jose.Key, error) { return jose.Generate(alg) }
	if strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS") {
		generate = func() (*jose.Key, error) {
			k, err := anRSA()
			if err != nil {
				return nil, err
			}
			return jose.NewSigner(k, alg, "")
		}
	}
	k, err := generate()
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// setOf returns the JWK set of the public halves of some keys.
func setOf(tb testing.TB, keys ...*jose.Key) []byte {
	tb.Helper()
	set, err := jose.PublicSet(keys)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

// fixed returns the Keys of a client that has given its set to the server.
func fixed(set []byte) assertion.Keys {
	return func(context.Context, time.Time) ([]byte, error) { return set, nil }
}

type claims map[string]any

// good are the claims of an assertion that is in order.
func good() claims {
	return claims{"iss": client, "sub": client, "aud": issuer, "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(), "jti": "1"}
}

// with returns claims with one changed, or left out if the value is nil.
func (c claims) with(name string, value any) claims {
	c[name] = value
	if value == nil {
		delete(c, name)
	}
	return c
}

// sign returns an assertion of some claims.
func sign(tb testing.TB, k *jose.Key, typ string, c claims) string {
	tb.Helper()
	payload, err := json.Marshal(c)
	if err != nil {
		tb.Fatal(err)
	}
	return signText(tb, k, typ, string(payload))
}

func signText(tb testing.TB, k *jose.Key, typ, payload string) string {
	tb.Helper()
	segment := jose.HeaderSegment(k, typ)
	if typ == "" {
		segment = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"` + k.Algorithm() + `","kid":"` + k.ID() + `"}`))
	}
	text, err := jose.Seal(tb.Context(), k, segment, []byte(payload))
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func newChecker(tb testing.TB, records auth.RecordStore) *assertion.Checker {
	tb.Helper()
	c, err := assertion.New(issuer, records)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestNew(t *testing.T) {
	t.Parallel()
	_, err := assertion.New("", nil)
	if fault, ok := errors.AsType[*cfgerr.Error](err); !ok || len(err.(interface{ Unwrap() []error }).Unwrap()) != 2 {
		t.Errorf("got %v (%v), want two faults", err, fault)
	}
}

// Every algorithm that is advertised is accepted.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	if _, err := anRSA(); err != nil { // outside of the bubble
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		c := newChecker(t, memstore.New())
		for _, alg := range assertion.Algorithms() {
			k := newKey(t, alg)
			if err := c.Check(t.Context(), client, sign(t, k, "JWT", good().with("jti", alg)), fixed(setOf(t, k))); err != nil {
				t.Errorf("%s: %v", alg, err)
			}
		}
	})
}

func TestAccepted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t, "ES256")
		c := newChecker(t, memstore.New())
		for name, text := range map[string]string{
			"the draft's type":       sign(t, k, "client-authentication+jwt", good().with("jti", "1")),
			"the type of any JWT":    sign(t, k, "JWT", good().with("jti", "2")),
			"no type":                sign(t, k, "", good().with("jti", "3")),
			"an array of one":        sign(t, k, "JWT", good().with("jti", "4").with("aud", []string{issuer})),
			"no iat":                 sign(t, k, "JWT", good().with("jti", "5").with("iat", nil)),
			"the longest life":       sign(t, k, "JWT", good().with("jti", "6").with("exp", time.Now().Add(assertion.MaxLifetime).Unix())),
			"claims of its own":      sign(t, k, "JWT", good().with("jti", "7").with("client_id", "other").with("x", []any{1, claims{}})),
			"a long jti":             sign(t, k, "JWT", good().with("jti", strings.Repeat("j", 256))),
			"a clock that is behind": sign(t, k, "JWT", good().with("jti", "8").with("exp", time.Now().Add(-20*time.Second).Unix()).with("iat", nil)),
		} {
			if err := c.Check(t.Context(), client, text, fixed(setOf(t, newKey(t, "ES384"), k))); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k, other := newKey(t, "ES256"), newKey(t, "ES256")
		set := setOf(t, k)
		c := newChecker(t, memstore.New())
		now := time.Now()
		right := sign(t, k, "JWT", good())
		encode := base64.RawURLEncoding.EncodeToString
		payload := strings.Split(right, ".")[1]
		point, err := k.Public().(*ecdsa.PublicKey).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		secret, err := jose.NewSecret(point, "HS256", k.ID()) // the public key as a secret
		if err != nil {
			t.Fatal(err)
		}
		texts := map[string]string{
			"nothing":                 "",
			"no token":                "x",
			"no signature":            payload,
			"an empty signature":      strings.Join(strings.Split(right, ".")[:2], ".") + ".",
			"another's signature":     right[:len(right)-10] + "AAAAAAAAAA",
			"another key":             sign(t, other, "JWT", good()),
			"the algorithm none":      encode([]byte(`{"alg":"none"}`)) + "." + payload + ".",
			"None":                    encode([]byte(`{"alg":"None","typ":"JWT"}`)) + "." + payload + "." + strings.Split(right, ".")[2],
			"HMAC by the public key":  sign(t, secret, "JWT", good()),
			"an access token":         sign(t, k, "at+jwt", good()),
			"a proof of DPoP":         sign(t, k, "dpop+jwt", good()),
			"an ID-JAG":               sign(t, k, "oauth-id-jag+jwt", good()),
			"another iss":             sign(t, k, "JWT", good().with("iss", "https://client.example/other.json")),
			"another sub":             sign(t, k, "JWT", good().with("sub", "https://client.example/other.json")),
			"another iss and sub":     sign(t, k, "JWT", good().with("iss", "x").with("sub", "x")),
			"no iss":                  sign(t, k, "JWT", good().with("iss", nil)),
			"no sub":                  sign(t, k, "JWT", good().with("sub", nil)),
			"no aud":                  sign(t, k, "JWT", good().with("aud", nil)),
			"the token endpoint":      sign(t, k, "JWT", good().with("aud", issuer+"/token")),
			"the issuer with a slash": sign(t, k, "JWT", good().with("aud", issuer+"/")),
			"the origin":              sign(t, k, "JWT", good().with("aud", "https://auth.example")),
			"two audiences":           sign(t, k, "JWT", good().with("aud", []string{issuer, "https://other.example"})),
			"the issuer twice":        sign(t, k, "JWT", good().with("aud", []string{issuer, issuer})),
			"no audience":             sign(t, k, "JWT", good().with("aud", []string{})),
			"no exp":                  sign(t, k, "JWT", good().with("exp", nil)),
			"exp as text":             sign(t, k, "JWT", good().with("exp", "9999999999")),
			"expired":                 sign(t, k, "JWT", good().with("exp", now.Add(-time.Minute).Unix())),
			"too long a life":         sign(t, k, "JWT", good().with("exp", now.Add(assertion.MaxLifetime+time.Minute).Unix())),
			"a life without an end":   sign(t, k, "JWT", good().with("exp", int64(1)<<40)),
			"not yet":                 sign(t, k, "JWT", good().with("nbf", now.Add(time.Minute).Unix())),
			"issued in the future":    sign(t, k, "JWT", good().with("iat", now.Add(time.Minute).Unix())),
			"no jti":                  sign(t, k, "JWT", good().with("jti", nil)),
			"an empty jti":            sign(t, k, "JWT", good().with("jti", "")),
			"a jti that is a number":  sign(t, k, "JWT", good().with("jti", 1)),
			"a long jti":              sign(t, k, "JWT", good().with("jti", strings.Repeat("j", 257))),
			"sub twice":               signText(t, k, "JWT", `{"sub":"`+client+`","sub":"`+client+`","iss":"`+client+`","aud":"`+issuer+`","exp":`+"9999999999"+`,"jti":"1"}`),
			"a long assertion":        right + strings.Repeat("A", 9000),
			"a key in the header":     encode([]byte(`{"alg":"ES256","jwk":{}}`)) + "." + payload + "." + strings.Split(right, ".")[2],
		}
		for name, text := range texts {
			if err := c.Check(t.Context(), client, text, fixed(set)); !errors.Is(err, assertion.ErrInvalid) {
				t.Errorf("%s: got %v, want ErrInvalid", name, err)
			}
		}
		for name, set := range map[string]string{
			"nothing": "", "no set": "{}", "no keys": `{"keys":[]}`, "a secret": `{"keys":[{"kty":"oct","k":"` + encode(make([]byte, 32)) + `"}]}`,
		} {
			if err := c.Check(t.Context(), client, right, fixed([]byte(set))); !errors.Is(err, assertion.ErrInvalid) {
				t.Errorf("keys: %s: got %v, want ErrInvalid", name, err)
			}
		}
		for _, id := range []string{"", "other", client + "/", strings.Repeat("c", 2000)} {
			if err := c.Check(t.Context(), id, right, fixed(set)); !errors.Is(err, assertion.ErrInvalid) {
				t.Errorf("for the client %.20q: got %v, want ErrInvalid", id, err)
			}
		}
		// Nothing of this has used up the right one.
		if err := c.Check(t.Context(), client, right, fixed(set)); err != nil {
			t.Error(err)
		}
	})
}

// An assertion of another client causes no fetch of keys.
func TestOtherClientCausesNoFetch(t *testing.T) {
	t.Parallel()
	k := newKey(t, "ES256")
	c := newChecker(t, memstore.New())
	fail := func(context.Context, time.Time) ([]byte, error) {
		t.Error("the keys were asked for")
		return nil, errors.New("no")
	}
	for _, text := range []string{"", "x.y.z", sign(t, k, "JWT", good().with("sub", "other"))} {
		if err := c.Check(t.Context(), client, text, fail); !errors.Is(err, assertion.ErrInvalid) {
			t.Errorf("got %v", err)
		}
	}
}

func TestClientID(t *testing.T) {
	t.Parallel()
	k := newKey(t, "ES256")
	for text, want := range map[string]string{
		sign(t, k, "JWT", good()):                      client,
		sign(t, k, "JWT", good().with("sub", "x")):     "x",
		sign(t, k, "JWT", good().with("sub", nil)):     "",
		sign(t, k, "JWT", good().with("sub", 1)):       "",
		signText(t, k, "JWT", `{"sub":"a","sub":"b"}`): "",
		"":    "",
		"a.b": "",
	} {
		if got := assertion.ClientID(text); got != want {
			t.Errorf("%.40q: got %q, want %q", text, got, want)
		}
	}
}

// An assertion is good once, by one replica of all, until it is no longer valid; and so is its jti, which is
// the client's own.
func TestOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t, "ES256")
		keys := fixed(setOf(t, k))
		records := memstore.New()
		replicas := []*assertion.Checker{newChecker(t, records), newChecker(t, records)}
		text := sign(t, k, "JWT", good().with("exp", time.Now().Add(assertion.MaxLifetime).Unix()))
		var taken atomic.Int64
		var wait sync.WaitGroup
		for i := range 20 {
			wait.Go(func() {
				switch err := replicas[i%2].Check(t.Context(), client, text, keys); {
				case err == nil:
					taken.Add(1)
				case !errors.Is(err, assertion.ErrInvalid):
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if taken.Load() != 1 {
			t.Errorf("taken %d times", taken.Load())
		}
		// Another assertion with the same jti, and another client's.
		if err := replicas[0].Check(t.Context(), client, sign(t, k, "JWT", good().with("x", 1)), keys); !errors.Is(err, assertion.ErrInvalid) {
			t.Errorf("the jti again: got %v", err)
		}
		if err := replicas[0].Check(t.Context(), "other", sign(t, k, "JWT", good().with("iss", "other").with("sub", "other")), keys); err != nil {
			t.Errorf("another client's: %v", err)
		}
		for range 12 { // past the end, with the leeway
			time.Sleep(30 * time.Second)
			if err := replicas[1].Check(t.Context(), client, text, keys); !errors.Is(err, assertion.ErrInvalid) {
				t.Errorf("later: got %v", err)
			}
		}
		time.Sleep(time.Hour)
		if err := replicas[0].Check(t.Context(), client, sign(t, k, "JWT", good()), keys); err != nil {
			t.Errorf("the record of a jti stays for good: %v", err)
		}
	})
}

// down is a store that fails.
type down struct {
	auth.RecordStore
	reads, writes error
}

func (d down) Record(ctx context.Context, key string) (auth.Record, time.Time, error) {
	if d.reads != nil {
		return auth.Record{}, time.Time{}, d.reads
	}
	return d.RecordStore.Record(ctx, key)
}

func (d down) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	if d.writes != nil {
		return d.writes
	}
	return d.RecordStore.ReplaceRecord(ctx, old, r)
}

// What cannot be decided is no refusal, and no login.
func TestUndecided(t *testing.T) {
	t.Parallel()
	errDown := errors.New("down")
	k := newKey(t, "ES256")
	text := sign(t, k, "JWT", good())
	for name, row := range map[string]struct {
		store auth.RecordStore
		keys  assertion.Keys
	}{
		"the store's reads":  {down{memstore.New(), errDown, nil}, fixed(setOf(t, k))},
		"the store's writes": {down{memstore.New(), nil, errDown}, fixed(setOf(t, k))},
		"the keys":           {memstore.New(), func(context.Context, time.Time) ([]byte, error) { return nil, errDown }},
		"newer keys": {memstore.New(), func(_ context.Context, notBefore time.Time) ([]byte, error) {
			if notBefore.IsZero() {
				return setOf(t, newKey(t, "ES256")), nil
			}
			return nil, errDown
		}},
	} {
		if err := newChecker(t, row.store).Check(t.Context(), client, text, row.keys); !errors.Is(err, errDown) || errors.Is(err, assertion.ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Keys that a client has put in the place of others are fetched when an assertion needs them, and not for
// each that names one that does not exist.
func TestRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old, new, strange := newKey(t, "ES256"), newKey(t, "ES256"), newKey(t, "ES256")
		set, fetched, kept, fetches := setOf(t, old), time.Time{}, []byte(nil), 0
		keys := func(_ context.Context, notBefore time.Time) ([]byte, error) { // as package fetch does
			if kept == nil || fetched.Before(notBefore) {
				kept, fetched = set, time.Now()
				fetches++
			}
			return kept, nil
		}
		c := newChecker(t, memstore.New())
		expect := func(k *jose.Key, id string, valid bool, wantFetches int) {
			t.Helper()
			err := c.Check(t.Context(), client, sign(t, k, "JWT", good().with("jti", id)), keys)
			if (err == nil) != valid || err != nil && !errors.Is(err, assertion.ErrInvalid) || fetches != wantFetches {
				t.Errorf("%s: got %v after %d fetches, want %d", id, err, fetches, wantFetches)
			}
		}
		expect(old, "old", true, 1)
		set = setOf(t, new)
		expect(new, "at once", false, 1) // the keys are of this moment
		time.Sleep(time.Minute)
		expect(old, "still", true, 1)
		expect(new, "later", true, 2)
		expect(old, "withdrawn", false, 2)
		time.Sleep(29 * time.Second)
		for range 100 {
			expect(strange, "strange", false, 2)
		}
		set = []byte(`{"keys":[]}`)
		time.Sleep(time.Minute)
		expect(strange, "strange", false, 3)
		set = setOf(t, new)
		time.Sleep(time.Minute)
		expect(new, "after none", true, 4)
	})
}
