package jose_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/jose"
)

// jwk holds the members of a JWK, for tests that change some of them.
type jwk map[string]any

// with returns the JSON text of j with changed members. A nil value removes a member.
func (j jwk) with(changes jwk) string {
	c := maps.Clone(j)
	for name, value := range changes {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	text, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// privateJWK returns the JWK of a new key for alg.
func privateJWK(t testing.TB, alg string) jwk {
	t.Helper()
	text, err := keyFor(t, alg).PrivateJWK()
	if err != nil {
		t.Fatal(err)
	}
	var j jwk
	if err := json.Unmarshal(text, &j); err != nil {
		t.Fatal(err)
	}
	return j
}

func TestParseJWK(t *testing.T) {
	t.Parallel()
	ec, ed, oct, rsa := privateJWK(t, "ES256"), privateJWK(t, "EdDSA"), privateJWK(t, "HS256"), privateJWK(t, "RS256")
	otherEC, otherEd, es384 := privateJWK(t, "ES256"), privateJWK(t, "EdDSA"), privateJWK(t, "ES384")
	ecPublic := jwk(maps.Clone(ec))
	delete(ecPublic, "d")
	padded := func(s any) string { return s.(string) + "=" }
	rows := map[string]struct {
		text    string
		want    string // text of the error; empty: the key is accepted
		canSign bool
	}{
		"EC":                           {ec.with(nil), "", true},
		"EC public":                    {ecPublic.with(nil), "", false},
		"Ed25519":                      {ed.with(nil), "", true},
		"oct":                          {oct.with(nil), "", true},
		"RSA":                          {rsa.with(nil), "", true},
		"RSA without CRT members":      {rsa.with(jwk{"dp": nil, "dq": nil, "qi": nil}), "", true},
		"unknown members":              {ec.with(jwk{"x5t": "abc", "iat": 1, "ext": true}), "", true},
		"no kid, alg and use":          {ec.with(jwk{"kid": nil, "alg": nil, "use": nil}), "", true},
		"RSA named PS384":              {rsa.with(jwk{"alg": "PS384"}), "", true},
		"kty missing":                  {ec.with(jwk{"kty": nil}), "kty", false},
		"kty a number":                 {ec.with(jwk{"kty": 1}), "kty", false},
		"kty in lower case":            {ec.with(jwk{"kty": "ec"}), "key type", false},
		"kty of another":               {ec.with(jwk{"kty": "RSA"}), "member n", false},
		"kty OKP with P-256":           {ec.with(jwk{"kty": "OKP"}), "curve", false},
		"kty EC with Ed25519":          {ed.with(jwk{"kty": "EC"}), "curve", false},
		"crv missing":                  {ec.with(jwk{"crv": nil}), "crv", false},
		"crv of another":               {ec.with(jwk{"crv": "P-384", "alg": nil}), "bytes", false},
		"crv X25519":                   {ed.with(jwk{"crv": "X25519"}), "curve", false},
		"alg of another curve":         {ec.with(jwk{"alg": "ES384"}), "does not fit", false},
		"alg of another kind":          {rsa.with(jwk{"alg": "ES256"}), "does not fit", false},
		"alg for encryption":           {rsa.with(jwk{"alg": "RSA-OAEP"}), "algorithm", false},
		"alg none":                     {ec.with(jwk{"alg": "none"}), "algorithm", false},
		"alg null":                     {strings.Replace(ec.with(nil), `"ES256"`, "null", 1), "alg", false},
		"secret too short for its alg": {oct.with(jwk{"alg": "HS512", "k": oct["k"].(string)[:60]}), "too short", false},
		"use enc":                      {ec.with(jwk{"use": "enc"}), "use", false},
		"use empty":                    {ec.with(jwk{"use": ""}), "use", false},
		"use an array":                 {ec.with(jwk{"use": []string{"sig"}}), "use", false},
		"key_ops sign and verify":      {ec.with(jwk{"key_ops": []string{"verify", "sign"}}), "", true},
		"key_ops sign":                 {ec.with(jwk{"key_ops": []string{"sign"}}), "", true},
		"key_ops verify of a private":  {ec.with(jwk{"key_ops": []string{"verify"}}), "", false},
		"key_ops verify of a secret":   {oct.with(jwk{"key_ops": []string{"verify"}}), "", false},
		"key_ops sign of a public":     {ecPublic.with(jwk{"key_ops": []string{"sign"}}), "key_ops", false},
		"key_ops empty":                {ec.with(jwk{"key_ops": []string{}}), "key_ops", false},
		"key_ops empty of a secret":    {oct.with(jwk{"key_ops": []string{}}), "key_ops", false},
		"key_ops derive of a secret":   {oct.with(jwk{"key_ops": []string{"deriveKey"}}), "key_ops", false},
		"key_ops encrypt":              {ec.with(jwk{"key_ops": []string{"encrypt"}}), "key_ops", false},
		"key_ops mixed":                {ec.with(jwk{"key_ops": []string{"verify", "encrypt"}}), "key_ops", false},
		"key_ops twice":                {ec.with(jwk{"key_ops": []string{"verify", "verify"}}), "key_ops", false},
		"key_ops a string":             {ec.with(jwk{"key_ops": "verify"}), "key_ops", false},
		"key_ops of numbers":           {ec.with(jwk{"key_ops": []int{1}}), "key_ops", false},
		"kid a number":                 {ec.with(jwk{"kid": 1}), "kid", false},
		"kid empty":                    {ec.with(jwk{"kid": ""}), "kid", false},
		"x missing":                    {ec.with(jwk{"x": nil}), "member x", false},
		"x padded":                     {ec.with(jwk{"x": padded(ec["x"])}), "member x", false},
		"x with a line end":            {ec.with(jwk{"x": ec["x"].(string) + "\n"}), "member x", false},
		"x too short":                  {ec.with(jwk{"x": ec["x"].(string)[:40]}), "member x", false},
		"x of another key":             {ec.with(jwk{"x": otherEC["x"]}), "not a point", false},
		"d of another key":             {ec.with(jwk{"d": otherEC["d"]}), "does not fit", false},
		"d of another curve":           {ec.with(jwk{"d": es384["d"]}), "member d", false},
		"d null":                       {strings.Replace(ec.with(jwk{"d": 1}), `"d":1`, `"d":null`, 1), "member d", false},
		"Ed25519 d of another key":     {ed.with(jwk{"d": otherEd["d"]}), "does not fit", false},
		"Ed25519 x of 31 bytes":        {ed.with(jwk{"x": ed["x"].(string)[:42]}), "member x", false},
		"Ed25519 small order":          {ed.with(jwk{"x": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "d": nil}), "small order", false},
		"RSA n with a zero byte":       {rsa.with(jwk{"n": "AA" + rsa["n"].(string), "d": nil}), "member n", false},
		"RSA n empty":                  {rsa.with(jwk{"n": "", "d": nil}), "member n", false},
		"RSA e empty":                  {rsa.with(jwk{"e": "", "d": nil}), "member e", false},
		"RSA e too long":               {rsa.with(jwk{"e": "AQAAAAAAAAAB"}), "exponent", false},
		"RSA e of 2^31":                {rsa.with(jwk{"e": "gAAAAQ"}), "exponent", false},
		"RSA e=1":                      {rsa.with(jwk{"e": "AQ"}), "exponent", false},
		"RSA p missing":                {rsa.with(jwk{"p": nil}), "member p", false},
		"RSA p is one":                 {rsa.with(jwk{"p": "AQ"}), "fit", false},
		"RSA p of two":                 {rsa.with(jwk{"p": rsa["q"]}), "fit", false},
		"RSA dp wrong":                 {rsa.with(jwk{"dp": rsa["dq"]}), "fit", false},
		"RSA dq wrong":                 {rsa.with(jwk{"dq": rsa["dp"]}), "fit", false},
		"RSA qi wrong":                 {rsa.with(jwk{"qi": rsa["dq"]}), "fit", false},
		"RSA d wrong":                  {rsa.with(jwk{"d": rsa["dq"], "dp": nil, "dq": nil}), "fit", false},
		"RSA d longer than n":          {rsa.with(jwk{"d": rsa["n"].(string) + "AAAA"}), "fit", false},
		"RSA of three primes":          {rsa.with(jwk{"oth": []jwk{}}), "two primes", false},
		"k missing":                    {oct.with(jwk{"k": nil}), "member k", false},
		"k empty":                      {oct.with(jwk{"k": ""}), "too short", false},
		"k in base64":                  {oct.with(jwk{"k": strings.Repeat("a+b/", 20)}), "member k", false},
		"k in its one spelling":        {oct.with(jwk{"k": "gw84-lfLyQyQ9KEbISynCO3UZ3zZEg15l8ohR-v8_3U"}), "", true},
		"k with stray bits":            {oct.with(jwk{"k": "gw84-lfLyQyQ9KEbISynCO3UZ3zZEg15l8ohR-v8_3V"}), "member k", false},
		"name twice":                   {strings.Replace(ec.with(nil), `{`, `{"kty":"EC",`, 1), "duplicate", false},
		"name escaped twice":           {strings.Replace(ec.with(nil), `{`, `{"\u006bty":"EC",`, 1), "duplicate", false},
		"text after":                   {ec.with(nil) + "x", "not a JWK", false},
		"two":                          {ec.with(nil) + ec.with(nil), "not a JWK", false},
		"set":                          {`{"keys":[` + ec.with(nil) + `]}`, "JWK set", false},
		"array":                        {`[` + ec.with(nil) + `]`, "not a JWK", false},
		"null":                         {`null`, "not a JWK", false},
		"empty object":                 {`{}`, "kty", false},
		"empty":                        {``, "not a JWK", false},
		"not UTF-8":                    {ec.with(jwk{"kid": "a"})[:10] + "\xff", "not a JWK", false},
		"too long":                     {ec.with(jwk{"x5c": strings.Repeat("x", 16384)}), "more than", false},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, err := jose.ParseJWK(row.text)
			check(t, k, err, row.want)
			if err == nil && k.CanSign() != row.canSign {
				t.Errorf("CanSign is %v, want %v", k.CanSign(), row.canSign)
			}
		})
	}
}

func TestJWKNamesAlgorithmAndID(t *testing.T) {
	t.Parallel()
	k, err := jose.ParseJWK(privateJWK(t, "RS256").with(jwk{"alg": "PS512", "kid": "a \"key\""}))
	if err != nil {
		t.Fatal(err)
	}
	if k.Algorithm() != "PS512" || k.ID() != `a "key"` {
		t.Errorf("got %v, want the algorithm and the ID of the JWK", k)
	}
	if _, err := k.With("RS256", ""); err == nil {
		t.Error("the algorithm that a JWK names was changed")
	}
	c, err := jose.ParseJWK(privateJWK(t, "HS256").with(jwk{"key_ops": []string{"verify"}}))
	if err == nil {
		c, err = c.With("", "new")
	}
	if err != nil || c.CanSign() {
		t.Errorf("got %v, %v: a renamed key can sign although key_ops forbids it", c, err)
	}
	if _, err := c.AppendSign(t.Context(), nil, nil); err == nil {
		t.Error("a key signed although key_ops forbids it")
	}
}

// The examples of RFC 7638 section 3.1 and RFC 8037 appendix A.3.
func TestThumbprint(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256"}`: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
		`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
	} {
		k, err := jose.ParseJWK(text)
		if err != nil || k.ID() != want {
			t.Errorf("got %v, %v, want the thumbprint %s", k, err, want)
		}
	}
}

func TestParseSet(t *testing.T) {
	t.Parallel()
	ec, ed, oct := privateJWK(t, "ES256"), privateJWK(t, "EdDSA"), privateJWK(t, "HS256")
	ecText, edText := ec.with(jwk{"d": nil}), ed.with(jwk{"d": nil})
	set := func(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }
	rows := map[string]struct {
		text   string
		want   int // number of keys
		faults int
		err    string
	}{
		"two":                   {set(ecText, edText), 2, 0, ""},
		"private":               {set(ec.with(nil)), 1, 0, ""},
		"secrets":               {set(oct.with(nil)), 1, 0, ""},
		"other members":         {`{"a":1,"keys":[` + ecText + `]}`, 1, 0, ""},
		"unknown kty":           {set(`{"kty":"AKP","x":1,"alg":5}`, ecText), 1, 0, ""},
		"unknown crv":           {set(ec.with(jwk{"crv": "secp256k1", "alg": "ES256K"}), ecText), 1, 0, ""},
		"unknown alg":           {set(ec.with(jwk{"alg": "ECDH-ES"}), edText), 1, 0, ""},
		"for encryption":        {set(ec.with(jwk{"use": "enc"}), ecText), 1, 0, ""},
		"key_ops to encrypt":    {set(ec.with(jwk{"d": nil, "use": nil, "key_ops": []string{"deriveKey"}}), ecText), 1, 0, ""},
		"no key left":           {set(ec.with(jwk{"use": "enc"})), 0, 0, "no key"},
		"weak beside sound":     {set(`{"kty":"RSA","n":"qqqq","e":"AQAB"}`, ecText), 1, 1, ""},
		"weak alone":            {set(`{"kty":"RSA","n":"qqqq","e":"AQAB"}`), 0, 1, ""},
		"not an object":         {set(`1`, ecText), 1, 1, ""},
		"one key twice":         {set(ecText, ecText), 1, 0, ""},
		"a member twice":        {set(ecText, `{"kid":"a",`+edText[1:], oct.with(jwk{"kty": "x"})), 1, 1, ""},
		"300 keys":              {set(slices.Repeat([]string{ecText}, 300)...), 1, 0, ""},
		"301 keys":              {set(slices.Repeat([]string{ecText}, 301)...), 0, 0, "more than 300 keys"},
		"one ID, two keys":      {set(ecText, ed.with(jwk{"d": nil, "kid": ec["kid"]})), 0, 1, ""},
		"one ID, three keys":    {set(ecText, ed.with(jwk{"d": nil, "kid": ec["kid"]}), edText, privateJWK(t, "RS256").with(jwk{"kid": ec["kid"]})), 1, 1, ""},
		"one ID, two secrets":   {set(oct.with(jwk{"kid": "a"}), oct.with(jwk{"kid": "a", "k": "gw84-lfLyQyQ9KEbISynCO3UZ3zZEg15l8ohR-v8_3U"})), 0, 1, ""},
		"one key, two IDs":      {set(ecText, ec.with(jwk{"d": nil, "kid": "x"})), 2, 0, ""},
		"secret beside public":  {set(ecText, oct.with(nil)), 0, 0, "mixes"},
		"empty":                 {set(), 0, 0, "no key"},
		"keys missing":          {`{}`, 0, 0, "no member keys"},
		"keys null":             {`{"keys":null}`, 0, 0, "not a JWK set"},
		"keys an object":        {`{"keys":{}}`, 0, 0, "not a JWK set"},
		"keys twice":            {`{"keys":[],"keys":[` + ecText + `]}`, 0, 0, "duplicate"},
		"Keys":                  {`{"Keys":[` + ecText + `]}`, 0, 0, "no member keys"},
		"array":                 {`[` + ecText + `]`, 0, 0, "not a JWK set"},
		"text after":            {set(ecText) + "x", 0, 0, "not a JWK set"},
		"one key, not a set":    {ecText, 0, 0, "no member keys"},
		"too long":              {set(ecText) + strings.Repeat(" ", 1<<20), 0, 0, "more than"},
		"one ID, not for us":    {set(ecText, ec.with(jwk{"use": "enc"})), 1, 0, ""},
		"one key, two algs, ID": {set(privateJWK(t, "RS256").with(jwk{"kid": "r"}), privateJWK(t, "PS256").with(jwk{"kid": "r"})), 1, 1, ""},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys, faults, err := jose.ParseSet(row.text)
			if row.err == "" && err != nil || row.err != "" && (err == nil || !strings.Contains(err.Error(), row.err)) {
				t.Fatalf("got %v, want %q", err, row.err)
			}
			if len(keys) != row.want || len(faults) != row.faults {
				t.Errorf("got %d keys and the faults %v, want %d keys and %d faults", len(keys), faults, row.want, row.faults)
			}
		})
	}
}

func TestJWKRoundTrip(t *testing.T) {
	t.Parallel()
	for alg := range algs {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			k, err := keyFor(t, alg).With("", "an \"ID\" <é>")
			if err != nil {
				t.Fatal(err)
			}
			assertRoundTrip(t, k)
		})
	}
}

// assertRoundTrip writes a key in each form that it has, and reads it back.
func assertRoundTrip(t *testing.T, k *jose.Key) {
	t.Helper()
	same := func(form string, text []byte, err error, canSign bool) {
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		again, err := jose.ParseJWK(string(text))
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		if again.ID() != k.ID() || again.Algorithm() != k.Algorithm() || again.Fingerprint() != k.Fingerprint() || again.CanSign() != canSign {
			t.Errorf("%s: %v (signs: %v) became %v (signs: %v)", form, k, k.CanSign(), again, again.CanSign())
		}
		if !json.Valid(text) {
			t.Errorf("%s is not JSON", form)
		}
		if form == "private" {
			twice, err := again.PrivateJWK()
			if err != nil || !bytes.Equal(text, twice) {
				t.Errorf("a key that was written and read is written differently, %v:\n%s\n%s", err, text, twice)
			}
		}
	}
	if k.CanSign() || k.Symmetric() {
		text, err := k.PrivateJWK()
		same("private", text, err, k.CanSign())
	} else if text, err := k.PrivateJWK(); err == nil {
		t.Errorf("a public key has private members: %s", text)
	}
	set, err := jose.PublicSet([]*jose.Key{k, k})
	if err != nil {
		t.Fatal(err)
	}
	if k.Symmetric() {
		if text, err := k.PublicJWK(); err == nil {
			t.Errorf("a secret has a public half: %s", text)
		}
		if string(set) != `{"keys":[]}` {
			t.Errorf("a secret is published: %s", set)
		}
		return
	}
	text, err := k.PublicJWK()
	same("public", text, err, false)
	if want := fmt.Sprintf(`{"keys":[%s,%s]}`, text, text); string(set) != want {
		t.Errorf("the public set is %s, want %s", set, want)
	}
}

func TestRemoteSignerHasNoPrivateJWK(t *testing.T) {
	t.Parallel()
	k, err := jose.NewSigner(remote{signerFor(t, "ES256")}, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := k.PrivateJWK(); err == nil {
		t.Errorf("%s", text)
	}
	if _, err := k.PublicJWK(); err != nil {
		t.Error(err)
	}
}
