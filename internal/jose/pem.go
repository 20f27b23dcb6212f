package jose

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

const pemBegin = "-----BEGIN "

// Parse returns the key that a text holds: a JWK, or one PEM block of PKCS #8,
// PKCS #1, SEC 1 or SubjectPublicKeyInfo. Text before a PEM block is passed over
// (RFC 7468 section 2), text after it is not.
func Parse(text []byte) (*Key, error) {
	switch trimmed := bytes.TrimSpace(text); {
	case len(text) > maxKeyText:
		return nil, fmt.Errorf("a key of more than %d bytes", maxKeyText)
	case len(trimmed) > 0 && trimmed[0] == '{':
		return ParseJWK(string(trimmed))
	case bytes.Contains(text, []byte(pemBegin)):
		return parsePEM(text)
	}
	return nil, errors.New("neither PEM nor a JWK")
}

func parsePEM(text []byte) (*Key, error) {
	// The decoder passes over what it cannot read; a second block, even a broken
	// one, leaves open which key was meant.
	if n := bytes.Count(text, []byte(pemBegin)); n != 1 {
		return nil, fmt.Errorf("%d PEM blocks where one is wanted", n)
	}
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, errors.New("the PEM block is damaged")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("text after the PEM block")
	case block.Type == "ENCRYPTED PRIVATE KEY", block.Headers["DEK-Info"] != "", strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
		return nil, errors.New("the PEM block is encrypted: decrypt it first, as with openssl pkey")
	case len(block.Headers) > 0:
		return nil, errors.New("the PEM block has headers")
	}
	// Not each parser below looks behind the structure.
	der, whole := cryptobyte.String(block.Bytes), cryptobyte.String(nil)
	if !der.ReadASN1(&whole, asn1.SEQUENCE) || !der.Empty() {
		return nil, errors.New("the PEM block does not hold one DER structure")
	}
	var material any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		material, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		material, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		material, err = x509.ParseECPrivateKey(block.Bytes)
	case "PUBLIC KEY":
		material, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		material, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		// A certificate promises a validity and a chain that nobody here checks.
		return nil, errors.New("a certificate where a key is wanted: take its public key out first")
	default:
		return nil, fmt.Errorf("a PEM block of type %.40q, which is no key that is supported", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("the PEM block %s: %w", block.Type, err)
	}
	if strings.HasSuffix(block.Type, "PUBLIC KEY") {
		return NewPublic(material, "", "")
	}
	signer, ok := material.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a private key of type %T, which does not sign", material)
	}
	return NewSigner(signer, "", "")
}
