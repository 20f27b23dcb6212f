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

const (
	pemBegin      = "-----BEGIN "
	pemParameters = pemBegin + "EC PARAMETERS-----"
)

// Parse returns the key in a text: a JWK, or one PEM block of PKCS #8, PKCS #1, SEC 1 or
// SubjectPublicKeyInfo. Text before the PEM block is ignored (RFC 7468 section 2). Text after it is
// an error, because it may be a second key.
//
// A text is also read as environment variables hold it: in quotes, with line breaks that are spelled
// \n or became spaces, or encoded once more in base64.
func Parse(text []byte) (*Key, error) {
	if len(text) > maxKeyText {
		return nil, fmt.Errorf("the key has more than %d bytes", maxKeyText)
	}
	for _, reading := range append([][]byte{text}, decodedText(text)...) {
		switch reading = trimmed(reading); {
		case len(reading) > 0 && reading[0] == '{':
			return ParseJWK(string(reading))
		case bytes.Contains(reading, []byte(pemBegin)):
			return parsePEM(reading)
		}
	}
	return nil, notAKey(text)
}

// notAKey returns the error for a text without PEM and JWK. It says what to type, if the text is a
// key of another form.
func notAKey(text []byte) error {
	switch keyText(text) {
	case keyInSSH:
		return errors.New("the text is an SSH key; convert it with ssh-keygen -e -m PKCS8 -f FILE, or make a new one with openssl genpkey -algorithm ed25519")
	case keyInDER:
		return errors.New("the text is a key in DER, without the lines that begin and end PEM; convert it with openssl pkey -inform DER -in FILE, and with -pubin for a public key")
	}
	return errors.New("the text is neither PEM nor a JWK")
}

// parsePEM returns the key in the only PEM block of a text. The block of parameters that openssl
// ecparam -genkey writes before a key is passed over: the key names its curve itself.
func parsePEM(text []byte) (*Key, error) {
	text = withLines(text[bytes.Index(text, []byte(pemBegin)):])
	// The decoder skips blocks that it cannot read. With a second block, even a broken one, it is
	// unclear which key was meant.
	block, rest := pem.Decode(text)
	switch n := bytes.Count(text, []byte(pemBegin)); {
	case n == 2 && bytes.HasPrefix(text, []byte(pemParameters)) && block != nil && block.Type == "EC PARAMETERS":
		parameters := block.Bytes
		block, rest = pem.Decode(rest)
		if block != nil && (block.Type != "EC PRIVATE KEY" || !bytes.Contains(block.Bytes, parameters)) {
			return nil, errors.New("the EC PARAMETERS are not those of the key that follows them")
		}
	case n != 1:
		return nil, fmt.Errorf("the text has %d PEM blocks, want one", n)
	}
	switch {
	case block == nil:
		return nil, errors.New("the PEM block is damaged")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("there is text after the PEM block")
	case block.Type == "ENCRYPTED PRIVATE KEY", block.Headers["DEK-Info"] != "", strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
		return nil, errors.New("the PEM block is encrypted; decrypt it first, for example with openssl pkey")
	case len(block.Headers) > 0:
		return nil, errors.New("the PEM block has headers")
	case block.Type == "OPENSSH PRIVATE KEY":
		return nil, errors.New("the PEM block is in OpenSSH's own format; convert an RSA or ECDSA key with ssh-keygen -p -m PEM -f FILE, " +
			"and make a new key in place of an Ed25519 key: openssl genpkey -algorithm ed25519")
	case block.Type == "EC PARAMETERS":
		return nil, errors.New("the PEM block holds the parameters of a key and no key")
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

// withLines returns a PEM text with its line breaks, if they were spelled with a backslash or became
// spaces. The text begins with a block. Base64 has neither a space nor a backslash nor a hyphen.
func withLines(text []byte) []byte {
	const dashes = "-----"
	parts := strings.Split(string(text), dashes) // "", BEGIN, base64, END, space, BEGIN, …
	if len(parts) < 3 || strings.HasPrefix(strings.TrimLeft(parts[2], " \t"), "\n") || strings.HasPrefix(parts[2], "\r") {
		return text
	}
	for i := 2; i < len(parts); i += 2 {
		line := strings.NewReplacer(`\r`, " ", `\n`, " ").Replace(parts[i])
		parts[i] = "\n" + strings.Join(strings.Fields(line), "\n") + "\n"
	}
	return []byte(strings.Join(parts, dashes))
}
