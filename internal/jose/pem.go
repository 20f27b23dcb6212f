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

// Parse returns the key in a text: a JWK, or one PEM block of PKCS #8, PKCS #1, SEC 1 or
// SubjectPublicKeyInfo. Text before the PEM block is ignored (RFC 7468 section 2). Text after it is
// an error, because it may be a second key.
func Parse(text []byte) (*Key, error) {
	switch trimmed := bytes.TrimSpace(text); {
	case len(text) > maxKeyText:
		return nil, fmt.Errorf("the key has more than %d bytes", maxKeyText)
	case len(trimmed) > 0 && trimmed[0] == '{':
		return ParseJWK(string(trimmed))
	case bytes.Contains(text, []byte(pemBegin)):
		return parsePEM(text)
	}
	return nil, errors.New("the text is neither PEM nor a JWK")
}

// parsePEM returns the key in the only PEM block of a text.
func parsePEM(text []byte) (*Key, error) {
	// The decoder skips blocks that it cannot read. With a second block, even a broken one, it is
	// unclear which key was meant.
	if n := bytes.Count(text, []byte(pemBegin)); n != 1 {
		return nil, fmt.Errorf("the text has %d PEM blocks, want one", n)
	}
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, errors.New("the PEM block is damaged")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("there is text after the PEM block")
	case block.Type == "ENCRYPTED PRIVATE KEY", block.Headers["DEK-Info"] != "", strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
		return nil, errors.New("the PEM block is encrypted; decrypt it first, for example with openssl pkey")
	case len(block.Headers) > 0:
		return nil, errors.New("the PEM block has headers")
	}
	// Not every parser below refuses bytes after the structure.
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
		// The validity and the chain of a certificate are not checked here, so it is refused.
		return nil, errors.New("the PEM block is a certificate; extract its public key first, for example with openssl x509 -pubkey")
	default:
		return nil, fmt.Errorf("the type %.40q of the PEM block is not supported", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("PEM block %s: %w", block.Type, err)
	}
	if strings.HasSuffix(block.Type, "PUBLIC KEY") {
		return NewPublic(material, "", "")
	}
	signer, ok := material.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a private key of type %T does not sign", material)
	}
	return NewSigner(signer, "", "")
}
