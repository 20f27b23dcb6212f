package jose

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// maxSecret is the greatest length of a secret in bytes. HMAC reduces a secret that is longer than
// its block to the length of its hash, so more bytes do not make it stronger. With this bound, the
// JWK of every key can be parsed.
const maxSecret = 4096

// minDistinct is the least number of different bytes of a secret. Even 32 random hexadecimal digits
// have fewer with a probability of only 10^-12.
const minDistinct = 6

// published holds secrets from documentation that programs copy (CWE-798).
var published = []string{
	"a-string-secret-at-least-256-bits-long",                                  // jwt.io, HS256
	"a-valid-string-secret-that-is-at-least-384-bits-long",                    // jwt.io, HS384
	"a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long", // jwt.io, HS512
	"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",        // FastAPI's tutorial
}

// checkSecret refuses a secret that is shorter than the hash (RFC 7518 section 3.2) or evidently
// not random (RFC 8725 section 3.5). The error never contains the secret. See decision 0021.
func checkSecret(secret []byte, size int) error {
	if len(secret) < size {
		return fmt.Errorf("a secret of %d bytes is too short: at least %d random bytes", len(secret), size)
	}
	if what := keyText(secret); what != "" {
		return fmt.Errorf("the secret is %s: use random bytes", what)
	}
	if len(secret) > maxSecret {
		return fmt.Errorf("a secret of %d bytes is too long: at most %d", len(secret), maxSecret)
	}
	if !looksRandom(secret) {
		return errors.New("the secret repeats itself: use random bytes")
	}
	for _, p := range published {
		raw, _ := hex.DecodeString(p)
		if string(secret) == p || len(raw) > 0 && bytes.Equal(secret, raw) {
			return errors.New("the secret is a published sample: use random bytes")
		}
	}
	return nil
}

// looksRandom reports false for a secret of few different bytes, and for a repeated block, such as
// "secretsecretsecret".
func looksRandom(secret []byte) bool {
	var seen [256]bool
	distinct := 0
	for _, b := range secret {
		if !seen[b] {
			seen[b] = true
			distinct++
		}
	}
	if distinct < minDistinct {
		return false
	}
	for period := 1; period <= len(secret)/2; period++ {
		if bytes.Equal(secret[period:], secret[:len(secret)-period]) {
			return false
		}
	}
	return true
}

// keyText returns what kind of key the secret is the text of, or "". With the text of a public key
// as the secret, anybody who has the public key could sign tokens (CVE-2015-9235).
func keyText(secret []byte) string {
	text := bytes.TrimSpace(secret)
	switch {
	case bytes.Contains(text, []byte("-----BEGIN ")):
		return "the text of a PEM file"
	case bytes.Contains(text, []byte("---- BEGIN SSH2 ")): // RFC 4716 section 3.3
		return "an SSH key"
	case bytes.HasPrefix(text, []byte("ssh-")), bytes.HasPrefix(text, []byte("ecdsa-sha2-")), bytes.HasPrefix(text, []byte("sk-")) && bytes.Contains(text, []byte("@openssh.com ")):
		return "an SSH key"
	case len(text) > 0 && text[0] == '{' && json.Valid(text):
		return "a JSON text, such as a JWK"
	case isDER(secret):
		return "a key in DER"
	case isSSH(secret):
		return "an SSH key"
	}
	decoded := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(decoded, text)
	switch {
	case err != nil:
		return ""
	case isDER(decoded[:n]):
		return "a key in DER, in base64"
	case isSSH(decoded[:n]): // the second field of a line in authorized_keys
		return "an SSH key, in base64"
	}
	return ""
}

// isSSH reports whether b begins as a public key of RFC 4253 section 6.6: with the length and the
// name of its type.
func isSSH(b []byte) bool {
	var size uint32
	var kind []byte
	in := cryptobyte.String(b)
	if !in.ReadUint32(&size) || size > 64 || !in.ReadBytes(&kind, int(size)) {
		return false
	}
	return bytes.HasPrefix(kind, []byte("ssh-")) || bytes.HasPrefix(kind, []byte("ecdsa-sha2-")) || bytes.HasPrefix(kind, []byte("sk-"))
}

// isDER reports whether b is the DER encoding of a key or certificate.
func isDER(b []byte) bool {
	if len(b) == 0 || b[0] != 0x30 { // tag of a SEQUENCE, which every key is
		return false
	}
	parsers := []func([]byte) error{
		func(b []byte) error { _, err := x509.ParsePKIXPublicKey(b); return err },
		func(b []byte) error { _, err := x509.ParsePKCS1PublicKey(b); return err },
		func(b []byte) error { _, err := x509.ParsePKCS8PrivateKey(b); return err },
		func(b []byte) error { _, err := x509.ParsePKCS1PrivateKey(b); return err },
		func(b []byte) error { _, err := x509.ParseECPrivateKey(b); return err },
		func(b []byte) error { _, err := x509.ParseCertificate(b); return err },
	}
	for _, parse := range parsers {
		if parse(b) == nil {
			return true
		}
	}
	return false
}
