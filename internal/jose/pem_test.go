package jose_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"os"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/jose"
)

func block(label string, der []byte, err error) func(testing.TB) string {
	return func(t testing.TB) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
	}
}

func pkcs8(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return block("PRIVATE KEY", der, err)(t)
}

func spki(t testing.TB, public crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	return block("PUBLIC KEY", der, err)(t)
}

func TestParsePEM(t *testing.T) {
	t.Parallel()
	ec := signerFor(t, "ES384").(*ecdsa.PrivateKey)
	ed := signerFor(t, "EdDSA")
	r := rsaKey()
	sec1, sec1Err := x509.MarshalECPrivateKey(ec)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	legacy, err := x509.EncryptPEMBlock(rand.Reader, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r), []byte("password"), x509.PEMCipherAES256) //lint:ignore SA1019 what is refused
	if err != nil {
		t.Fatal(err)
	}
	good := pkcs8(t, ec)
	sec1PEM := block("EC PRIVATE KEY", sec1, sec1Err)(t)
	parameters := func(curve asn1.ObjectIdentifier) string {
		der, err := asn1.Marshal(curve)
		return block("EC PARAMETERS", der, err)(t)
	}
	p256, p384 := parameters(asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}), parameters(asn1.ObjectIdentifier{1, 3, 132, 0, 34})
	der, _ := pem.Decode([]byte(good))
	rows := map[string]struct {
		text string
		alg  string // algorithm of the key; empty: the text is refused
		sign bool
		want string
	}{
		"PKCS #8 RSA":              {pkcs8(t, r), "RS256", true, ""},
		"PKCS #8 ECDSA":            {good, "ES384", true, ""},
		"PKCS #8 Ed25519":          {pkcs8(t, ed), "EdDSA", true, ""},
		"PKCS #1":                  {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r), nil)(t), "RS256", true, ""},
		"PKCS #1 public":           {block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&r.PublicKey), nil)(t), "RS256", false, ""},
		"SEC 1":                    {block("EC PRIVATE KEY", sec1, sec1Err)(t), "ES384", true, ""},
		"SPKI RSA":                 {spki(t, r.Public()), "RS256", false, ""},
		"SPKI ECDSA":               {spki(t, ec.Public()), "ES384", false, ""},
		"SPKI Ed25519":             {spki(t, ed.Public()), "EdDSA", false, ""},
		"text before":              {"Key of the tests\n" + good, "ES384", true, ""},
		"space around":             {"\n\n" + good + "\n \r\n", "ES384", true, ""},
		"CRLF":                     {strings.ReplaceAll(good, "\n", "\r\n"), "ES384", true, ""},
		"text after":               {good + "x", "", false, "text after"},
		"two":                      {good + good, "", false, "2 PEM blocks"},
		"a broken one before":      {"-----BEGIN PRIVATE KEY-----\nx\n" + good, "", false, "2 PEM blocks"},
		"encrypted PKCS #8":        {block("ENCRYPTED PRIVATE KEY", der.Bytes, nil)(t), "", false, "encrypted"},
		"encrypted PKCS #1":        {string(pem.EncodeToMemory(legacy)), "", false, "encrypted"},
		"headers":                  {strings.Replace(good, "KEY-----\n", "KEY-----\nA: b\n\n", 1), "", false, "headers"},
		"certificate":              {block("CERTIFICATE", der.Bytes, nil)(t), "", false, "certificate"},
		"OpenSSH":                  {block("OPENSSH PRIVATE KEY", der.Bytes, nil)(t), "", false, "OpenSSH"},
		"parameters":               {block("EC PARAMETERS", []byte("\x06\x08*\x86H\xce=\x03\x01\x07"), nil)(t), "", false, "no key"},
		"parameters and key":       {p384 + sec1PEM, "ES384", true, ""},
		"parameters of another":    {p256 + sec1PEM, "", false, "EC PARAMETERS"},
		"parameters and PKCS #8":   {p384 + good, "", false, "EC PARAMETERS"},
		"parameters after the key": {sec1PEM + p384, "", false, "2 PEM blocks"},
		"parameters twice":         {p384 + p384 + sec1PEM, "", false, "3 PEM blocks"},
		"parameters, key, text":    {p384 + sec1PEM + "x", "", false, "text after"},
		"parameters, broken key":   {p384 + strings.Replace(sec1PEM, "M", "!", 1), "", false, "damaged"},
		"broken parameters":        {strings.Replace(p384, "BgUr", "!gUr", 1) + sec1PEM, "", false, "2 PEM blocks"},
		"wrong label":              {block("PUBLIC KEY", der.Bytes, nil)(t), "", false, "PUBLIC KEY"},
		"private labelled PKCS #1": {block("RSA PRIVATE KEY", der.Bytes, nil)(t), "", false, "RSA PRIVATE KEY"},
		"bytes after the DER":      {block("PRIVATE KEY", append(der.Bytes[:len(der.Bytes):len(der.Bytes)], 0), nil)(t), "", false, "DER structure"},
		"cut":                      {block("PRIVATE KEY", der.Bytes[:len(der.Bytes)-1], nil)(t), "", false, "DER structure"},
		"damaged":                  {strings.Replace(good, "M", "!", 1), "", false, "damaged"},
		"P-224":                    {pkcs8(t, p224), "", false, "curve"},
		"P-224 public":             {spki(t, p224.Public()), "", false, "curve"},
		"X25519":                   {pkcs8(t, x25519), "", false, "does not sign"},
		"X25519 public":            {spki(t, x25519.Public()), "", false, "unsupported"},
		"RSA-1024":                 {pkcs8(t, weak), "", false, "too short"},
		"RSA-1024 public":          {spki(t, weak.Public()), "", false, "too short"},
		"DER":                      {string(der.Bytes), "", false, "openssl pkey -inform DER"},
		"DER in base64":            {base64.StdEncoding.EncodeToString(der.Bytes), "", false, "openssl pkey -inform DER"},
		"SSH public key":           {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFKRk3WGk3z5k0tS9GkQxVfFhZ0V user@host", "", false, "ssh-keygen -e -m PKCS8"},
		"text":                     {"hello", "", false, "neither"},
		"nothing":                  {"", "", false, "neither"},
		"too long":                 {good + strings.Repeat("\n", 16384), "", false, "more than"},
		"JWK":                      {"\n" + privateJWK(t, "HS256").with(nil) + "\n", "HS256", true, ""},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, err := jose.Parse([]byte(row.text))
			check(t, k, err, row.want)
			if err == nil && (k.Algorithm() != row.alg || k.CanSign() != row.sign) {
				t.Errorf("got %v, can sign: %v, want %s and %v", k, k.CanSign(), row.alg, row.sign)
			}
			if err == nil && k.CanSign() {
				if err := k.SelfTest(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Environment variables, JSON and YAML hold a key in other spellings. Each is the same key.
func TestParseSpellings(t *testing.T) {
	t.Parallel()
	jwk := privateJWK(t, "ES256").with(nil)
	ec, err := x509.MarshalECPrivateKey(signerFor(t, "ES256").(*ecdsa.PrivateKey))
	parameters, parametersErr := asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7})
	for kind, text := range map[string]string{
		"PKCS #8":            pkcs8(t, signerFor(t, "EdDSA")),
		"SPKI":               spki(t, signerFor(t, "ES384").Public()),
		"parameters and key": block("EC PARAMETERS", parameters, parametersErr)(t) + block("EC PRIVATE KEY", ec, err)(t),
		"JWK":                jwk,
	} {
		want, err := jose.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		std := base64.StdEncoding.EncodeToString([]byte(text))
		spellings := map[string]string{
			"as it is":              text,
			"in quotes":             `"` + text + `"`,
			"in single quotes":      "'" + text + "'\n",
			"with byte order mark":  "\ufeff" + text,
			"in base64":             std,
			"in base64, with lines": std[:64] + "\n" + std[64:] + "\n",
			"in base64url":          base64.RawURLEncoding.EncodeToString([]byte(text)),
		}
		if kind != "JWK" {
			spellings["backslash n"] = strings.ReplaceAll(text, "\n", `\n`)
			spellings["backslash n, no last line break"] = strings.ReplaceAll(strings.TrimSpace(text), "\n", `\n`)
			spellings["backslash r backslash n"] = strings.ReplaceAll(text, "\n", `\r\n`)
			spellings["backslash n in quotes"] = `"` + strings.ReplaceAll(text, "\n", `\n`) + `"`
			spellings["backslash n after a name"] = "PRIVATE_KEY=" + strings.ReplaceAll(text, "\n", `\n`) + "\n"
			spellings["spaces"] = strings.ReplaceAll(text, "\n", " ")
			spellings["in base64, backslash n"] = base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(text, "\n", `\n`)))
		}
		for name, spelling := range spellings {
			if k, err := jose.Parse([]byte(spelling)); err != nil || k.Fingerprint() != want.Fingerprint() || k.CanSign() != want.CanSign() {
				t.Errorf("%s %s: got %v, %v", kind, name, k, err)
			}
		}
		for name, spelling := range map[string]string{
			"twice, backslash n":  strings.ReplaceAll(text+text, "\n", `\n`),
			"and text":            strings.ReplaceAll(text, "\n", `\n`) + "x",
			"and text in base64":  base64.StdEncoding.EncodeToString([]byte(text + "x")),
			"encoded three times": base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(std)))),
		} {
			if k, err := jose.Parse([]byte(spelling)); err == nil {
				t.Errorf("%s %s: got %v, want an error", kind, name, k)
			}
		}
	}
}

// caseText returns the text of a file in testdata/cases without the lines at its head that say what
// is expected.
func caseText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/cases/" + name)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	for len(lines) > 0 && strings.HasPrefix(lines[0], "#") {
		lines = lines[1:]
	}
	return strings.Join(lines, "")
}

// Keys as tools write them.
func TestParseCases(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ alg, want string }{
		"40-ec-parameters.pem":   {"ES256", ""},
		"41-pem-backslash-n.env": {"EdDSA", ""},
		"42-openssh.key":         {"", "OpenSSH's own format"},
	} {
		k, err := jose.Parse([]byte(caseText(t, name)))
		check(t, k, err, row.want)
		if err == nil && (k.Algorithm() != row.alg || k.SelfTest(t.Context()) != nil) {
			t.Errorf("%s: got %v, want a key for %s that signs", name, k, row.alg)
		}
	}
	_, err := jose.Parse([]byte(caseText(t, "42-openssh.key")))
	for _, command := range []string{"ssh-keygen -p -m PEM", "openssl genpkey -algorithm ed25519"} {
		if err == nil || !strings.Contains(err.Error(), command) {
			t.Errorf("got %v, want an error that says %s", err, command)
		}
	}
}
