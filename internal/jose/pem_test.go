package jose_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
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
		"OpenSSH":                  {block("OPENSSH PRIVATE KEY", der.Bytes, nil)(t), "", false, "OPENSSH"},
		"parameters":               {block("EC PARAMETERS", []byte("\x06\x08*\x86H\xce=\x03\x01\x07"), nil)(t), "", false, "DER structure"},
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
		"DER":                      {string(der.Bytes), "", false, "neither"},
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
