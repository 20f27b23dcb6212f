package jose

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// maxSecret is the greatest length of a secret in bytes. HMAC reduces a secret that is longer than
// its block to the length of its hash, so more bytes do not make it stronger. With this bound, the
// JWK of every key can be parsed.
const maxSecret = 4096

// minDistinct is the least number of different bytes of a secret. Even 32 random hexadecimal digits
// have fewer with a probability of only 10^-12.
const minDistinct = 6

// checkSecret refuses a secret that is shorter than the hash (RFC 7518 section 3.2) or evidently
// not random (RFC 8725 section 3.5). The error never contains the secret. See decision 0021.
func checkSecret(secret []byte, size int) error {
	if len(secret) < size {
		return fmt.Errorf("a secret of %d bytes is too short: at least %d random bytes", len(secret), size)
	}
	if len(secret) <= maxKeyText { // bounds the decoding; any longer secret is refused below
		if what := keyText(secret); what != "" {
			return fmt.Errorf("the secret is %s: use random bytes", what)
		}
	}
	if len(secret) > maxSecret {
		return fmt.Errorf("a secret of %d bytes is too long: at most %d", len(secret), maxSecret)
	}
	if !looksRandom(secret) {
		return errors.New("the secret repeats itself: use random bytes")
	}
	if isPublished(secret, size) {
		return errors.New("the secret is a published sample: use random bytes")
	}
	if madeOfWords(secret) {
		return errors.New("the secret is made of words, as published samples are: use random bytes")
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
// as the secret, anybody who has the public key could sign tokens (CVE-2015-9235). The text may be
// encoded up to three times, as a PEM file in base64 is.
func keyText(secret []byte) string {
	for _, reading := range readings(secret, 3) {
		if what := keyKind(reading); what != "" {
			return what
		}
	}
	return ""
}

// What a secret may be the text of.
const (
	keyInPEM = "the text of a PEM file"
	keyInSSH = "an SSH key"
	keyInDER = "a key in DER"
	keyInJWK = "a JSON text, such as a JWK"
)

// keyKind returns what kind of key text is, or "".
func keyKind(text []byte) string {
	switch {
	case bytes.Contains(text, []byte(pemBegin)):
		return keyInPEM
	case bytes.Contains(text, []byte("---- BEGIN SSH2 ")): // RFC 4716 section 3.3
		return keyInSSH
	case bytes.HasPrefix(text, []byte("ssh-")), bytes.HasPrefix(text, []byte("ecdsa-sha2-")), bytes.HasPrefix(text, []byte("sk-")) && bytes.Contains(text, []byte("@openssh.com ")):
		return keyInSSH
	case len(text) > 0 && text[0] == '{' && json.Valid(text):
		return keyInJWK
	case isDER(text):
		return keyInDER
	case isSSH(text): // also the second field of a line in authorized_keys, once it is decoded
		return keyInSSH
	}
	return ""
}

// readings returns the byte strings that b can stand for: b itself, b without white space, quotes,
// NULs and byte order marks around it, b in reverse, and what it decodes to. What was decoded is
// decoded again, up to depth times.
func readings(b []byte, depth int) [][]byte {
	list := [][]byte{b}
	if depth == 0 {
		return list
	}
	next := decodedText(b)
	if t := trimmed(b); len(t) < len(b) {
		list = append(list, t)
	}
	reversed := slices.Clone(b)
	slices.Reverse(reversed)
	list = append(list, reversed)
	next = append(next, decodedText(reversed)...)
	for _, d := range next {
		list = append(list, readings(d, depth-1)...)
	}
	return list
}

// around is what may stand around the text of a key: white space, quotes, NULs, and the byte order
// mark in UTF-8.
const around = " \t\r\n\x00\"'\ufeff"

func trimmed(b []byte) []byte { return bytes.Trim(b, around) }

// decodedText returns what b is as a text: UTF-16, hexadecimal digits, or base64 in one of its
// alphabets, with or without padding and line breaks. Texts of fewer than 16 characters are left
// out: they hold no key.
func decodedText(b []byte) (list [][]byte) {
	if bytes.IndexByte(b, 0) >= 0 && len(b)%2 == 0 {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			units := make([]uint16, len(b)/2)
			for i := range units {
				units[i] = order.Uint16(b[2*i:])
			}
			if text := trimmed([]byte(string(utf16.Decode(units)))); isASCII(text) {
				list = append(list, text)
			}
		}
	}
	text := notSignificant.Replace(string(trimmed(b)))
	if len(text) < 16 {
		return list
	}
	if raw, err := hex.DecodeString(strings.ReplaceAll(text, ":", "")); err == nil {
		list = append(list, raw)
	}
	text = strings.TrimRight(toStandardBase64.Replace(text), "=")
	if raw, err := base64.RawStdEncoding.DecodeString(text); err == nil {
		list = append(list, raw)
	}
	return list
}

// notSignificant removes line breaks, also those that an environment variable spells with a
// backslash.
var notSignificant = strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "", `\r`, "", `\n`, "")

// toStandardBase64 turns the alphabet of base64url into that of base64.
var toStandardBase64 = strings.NewReplacer("-", "+", "_", "/")

// isASCII reports whether text is not empty and has only ASCII characters.
func isASCII(text []byte) bool {
	return len(text) > 0 && !bytes.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
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

// isDER reports whether b begins with the DER encoding of a key or certificate.
func isDER(b []byte) bool {
	whole := cryptobyte.String(b)
	var element cryptobyte.String
	if !whole.ReadASN1Element(&element, asn1.SEQUENCE) { // which every key is
		return false
	}
	b = element // without what may follow, such as a line break
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
