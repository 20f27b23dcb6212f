//lint:file-ignore SA1019 broken keys can only be built through the deprecated fields

package jose_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/jose"
)

// modulus returns an odd number with this number of bits.
func modulus(bits int) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return n.Add(n, big.NewInt(12345677))
}

// rocaModulus returns a modulus with the fault of CVE-2017-15361: modulo the product of the primes
// up to 701, it is a power of 65537.
func rocaModulus(bits int) *big.Int {
	m := big.NewInt(1)
	for p := int64(3); p <= 701; p += 2 {
		if q := big.NewInt(p); q.ProbablyPrime(0) {
			m.Mul(m, q)
		}
	}
	n := new(big.Int).Exp(big.NewInt(65537), big.NewInt(12345), m)
	n.Add(n, new(big.Int).Mul(m, new(big.Int).Lsh(big.NewInt(1), uint(bits-m.BitLen()))))
	if n.Bit(0) == 0 {
		n.Add(n, m)
	}
	return n
}

func edPublic(t testing.TB, hexText string) ed25519.PublicKey {
	t.Helper()
	b, err := hex.DecodeString(hexText)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPublicKeysRefused(t *testing.T) {
	t.Parallel()
	type curve struct{ elliptic.Curve } // differs from the curve of the standard library
	p256 := signerFor(t, "ES256").Public().(*ecdsa.PublicKey)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	one := big.NewInt(1)
	aboveInt32 := int64(1<<31 + 1) // negative in an int of 32 bits
	coordinate := new(big.Int).Lsh(one, 300)
	zeros := strings.Repeat("00", 31)
	ones := strings.Repeat("ff", 30)
	rows := map[string]struct {
		public crypto.PublicKey
		want   string // text of the error; empty: the key is accepted
	}{
		"nil":                    {nil, "unsupported"},
		"RSA by value":           {rsa.PublicKey{N: modulus(2048), E: 65537}, "unsupported"},
		"RSA nil":                {(*rsa.PublicKey)(nil), "unsupported"},
		"RSA without modulus":    {&rsa.PublicKey{E: 65537}, "unsupported"},
		"RSA 2048":               {&rsa.PublicKey{N: modulus(2048), E: 65537}, ""},
		"RSA 2047":               {&rsa.PublicKey{N: modulus(2047), E: 65537}, "too short"},
		"RSA 16384":              {&rsa.PublicKey{N: modulus(16384), E: 65537}, ""},
		"RSA 16385":              {&rsa.PublicKey{N: modulus(16385), E: 65537}, "too long"},
		"RSA negative":           {&rsa.PublicKey{N: new(big.Int).Neg(modulus(2048)), E: 65537}, "too short"},
		"RSA even":               {&rsa.PublicKey{N: new(big.Int).Lsh(modulus(2048), 1), E: 65537}, "even"},
		"RSA of ROCA":            {&rsa.PublicKey{N: rocaModulus(2048), E: 65537}, "ROCA"},
		"RSA e=3":                {&rsa.PublicKey{N: modulus(2048), E: 3}, ""},
		"RSA e=0":                {&rsa.PublicKey{N: modulus(2048)}, "exponent"},
		"RSA e=1":                {&rsa.PublicKey{N: modulus(2048), E: 1}, "exponent"},
		"RSA e=2":                {&rsa.PublicKey{N: modulus(2048), E: 2}, "exponent"},
		"RSA e even":             {&rsa.PublicKey{N: modulus(2048), E: 65536}, "exponent"},
		"RSA e negative":         {&rsa.PublicKey{N: modulus(2048), E: -3}, "exponent"},
		"RSA e=2^31-1":           {&rsa.PublicKey{N: modulus(2048), E: 1<<31 - 1}, ""},
		"RSA e=2^31+1":           {&rsa.PublicKey{N: modulus(2048), E: int(aboveInt32)}, "exponent"},
		"ECDSA nil":              {(*ecdsa.PublicKey)(nil), "unsupported"},
		"ECDSA empty":            {&ecdsa.PublicKey{}, "unsupported"},
		"ECDSA without y":        {&ecdsa.PublicKey{Curve: elliptic.P256(), X: one}, "unsupported"},
		"ECDSA P-224":            {&p224.PublicKey, "unsupported curve"},
		"ECDSA foreign curve":    {&ecdsa.PublicKey{Curve: curve{elliptic.P256()}, X: p256.X, Y: p256.Y}, "unsupported curve"},
		"ECDSA off the curve":    {&ecdsa.PublicKey{Curve: elliptic.P256(), X: p256.X, Y: p256.X}, "not a point"},
		"ECDSA of another curve": {&ecdsa.PublicKey{Curve: elliptic.P384(), X: p256.X, Y: p256.Y}, "not a point"},
		"ECDSA (0,0)":            {&ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int), Y: new(big.Int)}, "not a point"},
		"ECDSA negative":         {&ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).Neg(p256.X), Y: p256.Y}, "not a point"},
		"ECDSA x too long":       {&ecdsa.PublicKey{Curve: elliptic.P256(), X: coordinate, Y: p256.Y}, "not a point"},
		"ECDSA x above p":        {&ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).Add(p256.X, elliptic.P256().Params().P), Y: p256.Y}, "not a point"},
		"Ed25519":                {signerFor(t, "EdDSA").Public(), ""},
		"Ed25519 nil":            {ed25519.PublicKey(nil), "32"},
		"Ed25519 31 bytes":       {make(ed25519.PublicKey, 31), "32"},
		"Ed25519 33 bytes":       {make(ed25519.PublicKey, 33), "32"},
		// The points of order 1, 2, 4, 8 and 8, with their other encodings.
		"Ed25519 order 1":            {edPublic(t, "01"+zeros), "small order"},
		"Ed25519 order 1, sign":      {edPublic(t, "01"+zeros[2:]+"80"), "small order"},
		"Ed25519 order 2":            {edPublic(t, "ec"+ones+"7f"), "small order"},
		"Ed25519 order 4":            {edPublic(t, "00"+zeros), "small order"},
		"Ed25519 order 4, sign":      {edPublic(t, "00"+zeros[2:]+"80"), "small order"},
		"Ed25519 order 8":            {edPublic(t, "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "small order"},
		"Ed25519 order 8, sign":      {edPublic(t, "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"), "small order"},
		"Ed25519 order 8, other":     {edPublic(t, "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "small order"},
		"Ed25519 order 4, y=p":       {edPublic(t, "ed"+ones+"7f"), "not a point"},
		"Ed25519 order 1, y=p+1":     {edPublic(t, "ee"+ones+"7f"), "not a point"},
		"Ed25519 not on the curve":   {edPublic(t, "02"+zeros), "not a point"},
		"Ed25519 RFC 8032 section 7": {edPublic(t, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"), ""},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, err := jose.NewPublic(row.public, "", "")
			check(t, k, err, row.want)
		})
	}
}

// check fails unless err contains want and there is no key; with an empty want, unless there is a
// key.
func check(t *testing.T, k *jose.Key, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("the key is refused: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("got %v, want an error that contains %q", err, want)
	case err != nil && k != nil:
		t.Error("got a key together with an error")
	}
}

// Keys of small order are refused because anybody can sign for them.
func TestSmallOrderKeyVerifiesForgeries(t *testing.T) {
	t.Parallel()
	identity := edPublic(t, "01"+strings.Repeat("00", 31))
	forged := make([]byte, 64)
	forged[0] = 1 // R is the identity and S is 0
	if !ed25519.Verify(identity, []byte("any text"), forged) {
		t.Error("the standard library now refuses such a forgery, so the rule is no longer needed")
	}
	if _, err := jose.NewPublic(identity, "", ""); err == nil {
		t.Error("NewPublic accepts a point of small order")
	}
}

func TestSignersRefused(t *testing.T) {
	t.Parallel()
	ec := signerFor(t, "ES256").(*ecdsa.PrivateKey)
	otherEC := signerFor(t, "ES256").(*ecdsa.PrivateKey)
	ed := signerFor(t, "EdDSA").(ed25519.PrivateKey)
	otherEd := signerFor(t, "EdDSA").(ed25519.PrivateKey)
	r := rsaKey()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]struct {
		signer crypto.Signer
		want   string
	}{
		"nil":                     {nil, "nil"},
		"RSA nil":                 {(*rsa.PrivateKey)(nil), "incomplete"},
		"RSA empty":               {&rsa.PrivateKey{}, "incomplete"},
		"RSA nil prime":           {&rsa.PrivateKey{PublicKey: r.PublicKey, D: r.D, Primes: []*big.Int{nil, nil}}, "incomplete"},
		"RSA without primes":      {&rsa.PrivateKey{PublicKey: r.PublicKey, D: r.D}, "fit"},
		"RSA of another modulus":  {&rsa.PrivateKey{PublicKey: other.PublicKey, D: r.D, Primes: r.Primes}, "fit"},
		"RSA of another exponent": {&rsa.PrivateKey{PublicKey: rsa.PublicKey{N: r.N, E: 17}, D: r.D, Primes: r.Primes}, "fit"},
		"RSA":                     {&rsa.PrivateKey{PublicKey: r.PublicKey, D: r.D, Primes: r.Primes}, ""},
		"ECDSA nil":               {(*ecdsa.PrivateKey)(nil), "incomplete"},
		"ECDSA empty":             {&ecdsa.PrivateKey{}, "incomplete"},
		"ECDSA without number":    {&ecdsa.PrivateKey{PublicKey: ec.PublicKey}, "incomplete"},
		"ECDSA of another":        {&ecdsa.PrivateKey{PublicKey: otherEC.PublicKey, D: ec.D}, "fit"},
		"ECDSA zero":              {&ecdsa.PrivateKey{PublicKey: ec.PublicKey, D: new(big.Int)}, "range"},
		"ECDSA too large":         {&ecdsa.PrivateKey{PublicKey: ec.PublicKey, D: elliptic.P256().Params().N}, "range"},
		"Ed25519 short":           {ed[:63], "64"},
		"Ed25519 nil pointer":     {(*ed25519.PrivateKey)(nil), "nil"},
		"Ed25519 pointer":         {&ed, ""},
		"Ed25519 of another":      {append(ed[:32:32], otherEd[32:]...), "fit"},
		"public key unsupported":  {brokenSigner{public: "text"}, "unsupported"},
		"public key weak":         {brokenSigner{public: &rsa.PublicKey{N: modulus(1024), E: 65537}}, "too short"},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, err := jose.NewSigner(row.signer, "", "")
			check(t, k, err, row.want)
		})
	}
}

// A key keeps its own copy of the material, so that the caller cannot change it later.
func TestMaterialIsCopied(t *testing.T) {
	t.Parallel()
	input := []byte("text")
	own := append([]byte(nil), secret...)
	hs, err := jose.NewSecret(own, "", "")
	if err != nil {
		t.Fatal(err)
	}
	ec := signerFor(t, "ES256").(*ecdsa.PrivateKey)
	es, err := jose.NewSigner(ec, "", "")
	if err != nil {
		t.Fatal(err)
	}
	edKey := signerFor(t, "EdDSA").(ed25519.PrivateKey)
	ed, err := jose.NewSigner(edKey, "", "")
	if err != nil {
		t.Fatal(err)
	}
	rsaOwn := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Set(rsaKey().N), E: rsaKey().E},
		D:         new(big.Int).Set(rsaKey().D),
		Primes:    []*big.Int{new(big.Int).Set(rsaKey().Primes[0]), new(big.Int).Set(rsaKey().Primes[1])},
	}
	rs, err := jose.NewSigner(rsaOwn, "", "")
	if err != nil {
		t.Fatal(err)
	}
	keys := []*jose.Key{hs, es, ed, rs}
	var before, exported [][]byte
	for _, k := range keys {
		text, err := k.PrivateJWK()
		if err != nil {
			t.Fatal(err)
		}
		exported = append(exported, text)
		sig, err := k.AppendSign(t.Context(), nil, input)
		if err != nil {
			t.Fatal(err)
		}
		before = append(before, sig)
	}
	edCopy := slices.Clone(edKey.Public().(ed25519.PublicKey))
	publics := map[int]crypto.PublicKey{ // keys: indices of the private halves in keys
		1: &ecdsa.PublicKey{Curve: ec.Curve, X: ec.X, Y: ec.Y}, 2: edCopy, 3: &rsaOwn.PublicKey,
	}
	verifiers := map[int]*jose.Key{}
	for i, public := range publics {
		if verifiers[i], err = jose.NewPublic(public, "", ""); err != nil {
			t.Fatal(err)
		}
	}
	clear(edCopy)
	clear(own)
	clear(edKey)
	ec.D.SetInt64(1)
	ec.X.SetInt64(1)
	for _, n := range []*big.Int{rsaOwn.N, rsaOwn.D, rsaOwn.Primes[0], rsaOwn.Primes[1]} {
		n.SetInt64(1)
	}
	for i, k := range keys {
		if text, err := k.PrivateJWK(); err != nil || !bytes.Equal(text, exported[i]) {
			t.Errorf("%s: a change of the caller's key changed the JWK: %v", k.Algorithm(), err)
		}
		if v := verifiers[i]; v != nil && !v.Verify(input, before[i]) {
			t.Errorf("%s: a change of the caller's public key changed the verifying key", k.Algorithm())
		}
		if !k.Verify(input, before[i]) {
			t.Errorf("%s: a change of the caller's key changed what the key verifies", k.Algorithm())
		}
		if err := k.SelfTest(t.Context()); err != nil {
			t.Errorf("%s: a change of the caller's key changed how the key signs: %v", k.Algorithm(), err)
		}
	}
}

func TestAlgorithmChoice(t *testing.T) {
	t.Parallel()
	names := []string{"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
		"none", "hs256", "ES256K", "EDDSA", "Ed25519", "RSA-OAEP"}
	rows := []struct {
		of   string // algorithm that the key was made for
		fits string // algorithms that a key of this material may have
	}{
		{"HS256", "HS256 HS384 HS512"},
		{"RS256", "RS256 RS384 RS512 PS256 PS384 PS512"},
		{"ES256", "ES256"},
		{"ES384", "ES384"},
		{"ES512", "ES512"},
		{"EdDSA", "EdDSA"},
	}
	for _, row := range rows {
		for _, alg := range names {
			var err error
			if row.of == "HS256" {
				_, err = jose.NewSecret(secret, alg, "")
			} else {
				_, err = jose.NewPublic(signerFor(t, row.of).Public(), alg, "")
			}
			if want := strings.Contains(" "+row.fits+" ", " "+alg+" "); want != (err == nil) {
				t.Errorf("a key made for %s, with the algorithm %s: %v", row.of, alg, err)
			}
		}
	}
	k, err := jose.NewSigner(rsaKey(), "PS256", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.With("RS256", ""); err == nil {
		t.Error("the algorithm of a key for PS256 was changed to RS256")
	}
	if k, err = k.With("", "new"); err != nil || k.Algorithm() != "PS256" || k.ID() != "new" || !k.CanSign() {
		t.Errorf("with a new ID: %v, %v", k, err)
	}
}

// RFC 7518 section 3.5 fixes the length of the salt. A verifier that detects the length accepts
// more than one signature of a token.
func TestPSSSaltLength(t *testing.T) {
	t.Parallel()
	k, err := jose.NewPublic(&rsaKey().PublicKey, "PS256", "")
	if err != nil {
		t.Fatal(err)
	}
	input := []byte("text")
	h := sha256.Sum256(input)
	for salt, want := range map[int]bool{32: true, 31: false, 33: false, 20: false, 222: false} {
		sig, err := rsa.SignPSS(rand.Reader, rsaKey(), crypto.SHA256, h[:], &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			t.Fatal(err)
		}
		if k.Verify(input, sig) != want {
			t.Errorf("signature with a salt of %d bytes: accepted is %v, want %v", salt, !want, want)
		}
	}
}

func TestECDSASignatureRange(t *testing.T) {
	t.Parallel()
	k := keyFor(t, "ES256")
	input := []byte("text")
	sig, err := k.AppendSign(t.Context(), nil, input)
	if err != nil {
		t.Fatal(err)
	}
	n := elliptic.P256().Params().N
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	join := func(r, s *big.Int) []byte {
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	zero := new(big.Int)
	rows := map[string]struct {
		r, s *big.Int
		want bool
	}{
		"as signed": {r, s, true},
		"n-s":       {r, new(big.Int).Sub(n, s), true}, // RFC 7518 has no low-s rule, and nothing here depends on one
		"zeros":     {zero, zero, false},               // CVE-2022-21449
		"r=0":       {zero, s, false},
		"s=0":       {r, zero, false},
		"r=n":       {n, s, false},
		"s=n":       {r, n, false},
		"n,n":       {n, n, false},
	}
	for name, row := range rows {
		if got := k.Verify(input, join(row.r, row.s)); got != row.want {
			t.Errorf("%s: Verify returned %v, want %v", name, got, row.want)
		}
	}
}

// A signature whose S is not below the order of the group is refused (RFC 8032 section 5.1.7).
func TestEd25519SAboveOrder(t *testing.T) {
	t.Parallel()
	k := keyFor(t, "EdDSA")
	input := []byte("text")
	sig, err := k.AppendSign(t.Context(), nil, input)
	if err != nil {
		t.Fatal(err)
	}
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	s := make([]byte, 32)
	for i := range s {
		s[i] = sig[63-i]
	}
	sum := new(big.Int).Add(new(big.Int).SetBytes(s), order).FillBytes(s)
	for i := range sum {
		sig[63-i] = sum[i]
	}
	if k.Verify(input, sig) {
		t.Error("a signature with S + L is accepted")
	}
}

func TestKeyIDs(t *testing.T) {
	t.Parallel()
	rows := map[string]struct{ id, want string }{
		"plain":       {"2026-01/a b", ""},
		"longest":     {strings.Repeat("x", 256), ""},
		"too long":    {strings.Repeat("x", 257), "at most"},
		"UTF-8":       {"clé", ""},
		"not UTF-8":   {"\xff", "UTF-8"},
		"line end":    {"a\nb", "control"},
		"NUL":         {"a\x00", "control"},
		"quote":       {`a"b\`, ""},
		"DEL":         {"a\x7f", "control"},
		"replacement": {"\ufffd", ""},
	}
	for name, row := range rows {
		k, err := jose.NewSecret(secret, "", row.id)
		check(t, k, err, row.want)
		if err == nil && k.ID() != row.id {
			t.Errorf("%s: the ID is %q, want %q", name, k.ID(), row.id)
		}
	}
	a, b := keyFor(t, "HS256"), keyFor(t, "HS512")
	if a.ID() != b.ID() || len(a.ID()) != 22 {
		t.Errorf("the IDs of one secret for two algorithms are %s and %s, want the same 22 characters", a.ID(), b.ID())
	}
}

// Spells recognises a secret that is a public key, in each encoding.
func TestSecretSpellsPublicKey(t *testing.T) {
	t.Parallel()
	ec := keyFor(t, "ES512")
	point, err := ec.Public().(*ecdsa.PublicKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	half := len(point) / 2
	x, y := point[1:1+half], point[1+half:]
	ed, rs := keyFor(t, "EdDSA"), keyFor(t, "RS256")
	n := rs.Public().(*rsa.PublicKey).N.Bytes()
	raw := map[string]struct {
		public *jose.Key
		secret []byte
	}{
		"point":            {ec, point},
		"hybrid point":     {ec, append([]byte{6 + y[len(y)-1]&1}, point[1:]...)},
		"x and y":          {ec, point[1:]},
		"y and x":          {ec, slices.Concat(y, x)},
		"x":                {ec, x},
		"y":                {ec, y},
		"compressed point": {ec, append([]byte{2 + y[len(y)-1]&1}, x...)},
		"Ed25519":          {ed, ed.Public().(ed25519.PublicKey)},
		"modulus":          {rs, n},
		"modulus in DER":   {rs, append([]byte{0}, n...)},
		"modulus, e":       {rs, append(slices.Clone(n), 1, 0, 1)},
	}
	for _, k := range []*jose.Key{ec, ed, rs} {
		thumbprint, err := base64.RawURLEncoding.DecodeString(k.Fingerprint())
		if err != nil {
			t.Fatal(err)
		}
		raw["thumbprint of "+k.Algorithm()] = struct {
			public *jose.Key
			secret []byte
		}{k, thumbprint}
	}
	reversed := func(b []byte) []byte {
		b = slices.Clone(b)
		slices.Reverse(b)
		return b
	}
	spellings := map[string]func([]byte) []byte{
		"raw":                func(b []byte) []byte { return b },
		"reversed":           reversed,
		"hex":                func(b []byte) []byte { return []byte(hex.EncodeToString(b)) },
		"upper-case hex":     func(b []byte) []byte { return []byte(strings.ToUpper(hex.EncodeToString(b))) },
		"hex of reversed":    func(b []byte) []byte { return []byte(hex.EncodeToString(reversed(b))) },
		"base64":             func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(b)) },
		"base64, line break": func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(b) + "\n") },
		"base64, unpadded":   func(b []byte) []byte { return []byte(base64.RawStdEncoding.EncodeToString(b)) },
		"base64url":          func(b []byte) []byte { return []byte(base64.URLEncoding.EncodeToString(b)) },
		"base64url unpadded": func(b []byte) []byte { return []byte(base64.RawURLEncoding.EncodeToString(b)) },
		"base64 of hex":      func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(b)))) },
	}
	for name, row := range raw {
		for spelling, spell := range spellings {
			k, err := jose.NewSecret(spell(row.secret), "", "")
			if err != nil {
				t.Fatal(err)
			}
			if !k.Spells(row.public) {
				t.Errorf("%s, %s: the secret is not recognised as an encoding of the public key", name, spelling)
			}
		}
	}
	secret := keyFor(t, "HS256")
	if secret.Spells(ed) || ed.Spells(secret) || secret.Spells(secret) || ed.Spells(rs) {
		t.Error("a key that is no encoding of another is reported as one")
	}
}
