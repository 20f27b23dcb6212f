package jose_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/jose"
)

func TestSecretsRefused(t *testing.T) {
	t.Parallel()
	spki, err := x509.MarshalPKIXPublicKey(signerFor(t, "EdDSA").Public())
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(signerFor(t, "ES256"))
	if err != nil {
		t.Fatal(err)
	}
	ec := signerFor(t, "ES256").(*ecdsa.PrivateKey)
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	fastAPI, err := hex.DecodeString("09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7")
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, ec.Public(), ec)
	if err != nil {
		t.Fatal(err)
	}
	random := func(n int) string {
		b := make([]byte, n)
		rand.Read(b)
		return string(b)
	}
	rows := map[string]struct{ secret, alg, want string }{
		"empty":                      {"", "HS256", "too short"},
		"31":                         {random(31), "HS256", "too short"},
		"32":                         {random(32), "HS256", ""},
		"47":                         {random(47), "HS384", "too short"},
		"48":                         {random(48), "HS384", ""},
		"63":                         {random(63), "HS512", "too short"},
		"64":                         {random(64), "HS512", ""},
		"4096":                       {random(4096), "HS256", ""},
		"4097":                       {random(4097), "HS256", "too long"},
		"hexadecimal text":           {hex.EncodeToString([]byte(random(32))), "HS256", ""},
		"base64 text":                {base64.StdEncoding.EncodeToString([]byte(random(32))), "HS256", ""},
		"zeros":                      {strings.Repeat("\x00", 32), "HS256", "repeats"},
		"one byte":                   {strings.Repeat("x", 64), "HS256", "repeats"},
		"a word":                     {strings.Repeat("secret", 6), "HS256", "repeats"},
		"a long block":               {strings.Repeat("0123456789abcdef", 2), "HS256", "repeats"},
		"a block and a half":         {"correct horse battery staple " + "correct horse b", "HS256", ""},
		"five different bytes":       {"abcdeabdecabcedacbdeaebcdbaecdbaecdb", "HS256", "repeats"},
		"jwt.io":                     {"a-string-secret-at-least-256-bits-long", "HS256", "published"},
		"jwt.io, HS384":              {"a-valid-string-secret-that-is-at-least-384-bits-long", "HS384", "published"},
		"jwt.io, HS512":              {"a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long", "HS512", "published"},
		"FastAPI":                    {"09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7", "HS256", "published"},
		"FastAPI, decoded":           {string(fastAPI), "HS256", "published"},
		"PEM":                        {string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})), "HS256", "PEM"},
		"PEM after text":             {"key:\n" + string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})), "HS256", "PEM"},
		"DER public":                 {string(spki), "HS256", "DER"},
		"DER private":                {string(pkcs8), "HS256", "DER"},
		"base64 of DER":              {base64.StdEncoding.EncodeToString(spki), "HS256", "DER"},
		"base64 of DER, broken line": {base64.StdEncoding.EncodeToString(spki)[:40] + "\n" + base64.StdEncoding.EncodeToString(spki)[40:], "HS256", "DER"},
		"PKCS #1 public":             {string(x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey)), "HS256", "DER"},
		"PKCS #1 private":            {string(x509.MarshalPKCS1PrivateKey(rsaKey())), "HS256", "DER"},
		"SEC 1":                      {string(sec1), "HS256", "DER"},
		"certificate":                {string(certificate), "HS256", "DER"},
		"SSH ECDSA":                  {"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9", "HS256", "SSH"},
		"SSH security key":           {"sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIFKRk3WGk3z5k0tS9GkQxVfFhZ0V", "HS256", "SSH"},
		"SSH":                        {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFKRk3WGk3z5k0tS9GkQxVfFhZ0V user@host", "HS256", "SSH"},
		"SSH, RFC 4716":              {"---- BEGIN SSH2 PUBLIC KEY ----\nComment: \"k\"\nAAAAC3NzaC1lZDI1NTE5AAAAIFKRk3WGk3z5k0tS9GkQxVfFhZ0V\n---- END SSH2 PUBLIC KEY ----", "HS256", "SSH"},
		"SSH, without its name":      {"AAAAC3NzaC1lZDI1NTE5AAAAIFKRk3WGk3z5k0tS9GkQxVfFhZ0V", "HS256", "SSH"},
		"SSH ECDSA, raw":             {"\x00\x00\x00\x13ecdsa-sha2-nistp256\x00\x00\x00\x08nistp256\x00\x00\x00\x41\x04", "HS256", "SSH"},
		"SSH security key, raw":      {"\x00\x00\x00\x1ask-ssh-ed25519@openssh.com\x00\x00\x00\x20", "HS256", "SSH"},
		"a length and no SSH key":    {"\x00\x00\x00\x0b" + random(40), "HS256", ""},
		"JWK":                        {` {"kty":"OKP","crv":"Ed25519","x":"Y2JfEvoMNYVIVg3u9s-Vs6_d4iha5fQVEVx-I9xiD8o"}`, "HS256", "JWK"},
	}
	// A key is recognised in each encoding of its text, and a published secret, too.
	spkiPEM := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}))
	jwk := `{"kty":"OKP","crv":"Ed25519","x":"Y2JfEvoMNYVIVg3u9s-Vs6_d4iha5fQVEVx-I9xiD8o"}`
	const supabase = "super-secret-jwt-token-with-at-least-32-characters-long"
	a1 := "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
	const spring = "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970"
	utf16 := func(text string, low, high int) string {
		b := make([]byte, 2*len(text))
		for i := range len(text) {
			b[2*i+low], b[2*i+high] = text[i], 0
		}
		return string(b)
	}
	reversed := func(text string) string {
		b := []byte(text)
		slices.Reverse(b)
		return string(b)
	}
	std, url := base64.StdEncoding.EncodeToString, base64.RawURLEncoding.EncodeToString
	decoded := func(text string, encoding *base64.Encoding) string {
		b, err := encoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for name, row := range map[string]struct{ secret, want string }{
		"base64 of PEM":              {std([]byte(spkiPEM)), "PEM"},
		"base64 of base64 of PEM":    {std([]byte(std([]byte(spkiPEM)))), "PEM"},
		"hex of PEM":                 {hex.EncodeToString([]byte(spkiPEM)), "PEM"},
		"PEM in UTF-16LE":            {utf16(spkiPEM, 0, 1), "PEM"},
		"PEM in UTF-16LE with mark":  {"\xff\xfe" + utf16(spkiPEM, 0, 1), "PEM"},
		"PEM in UTF-16BE with mark":  {"\xfe\xff" + utf16(spkiPEM, 1, 0), "PEM"},
		"base64 of PEM in UTF-16":    {std([]byte(utf16(spkiPEM, 0, 1))), "PEM"},
		"PEM, reversed":              {reversed(spkiPEM), "PEM"},
		"JWK with byte order mark":   {"\ufeff" + jwk, "JWK"},
		"JWK and NUL":                {jwk + "\x00", "JWK"},
		"JWK in quotes":              {"'" + jwk + "'", "JWK"},
		"base64url of JWK":           {url([]byte(jwk)), "JWK"},
		"hex of JWK":                 {hex.EncodeToString([]byte(jwk)), "JWK"},
		"base64url of DER":           {url(spki), "DER"},
		"base64url of DER, padded":   {base64.URLEncoding.EncodeToString(spki), "DER"},
		"base64 of DER, unpadded":    {base64.RawStdEncoding.EncodeToString(spki), "DER"},
		"hex of DER":                 {hex.EncodeToString(spki), "DER"},
		"upper-case hex of DER":      {strings.ToUpper(hex.EncodeToString(spki)), "DER"},
		"base64 of DER, \\n":         {std(spki)[:40] + `\n` + std(spki)[40:], "DER"},
		"DER and line break":         {string(spki) + "\n", "DER"},
		"DER, reversed":              {reversed(string(spki)), "DER"},
		"base64 of certificate":      {std(certificate), "DER"},
		"base64 of the words of SSH": {std([]byte("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFKRk3WGk3z5k0tS9GkQxVfFhZ0V user@host")), "SSH"},

		"Supabase":                     {supabase, "published"},
		"Supabase, self-hosting":       {"your-" + supabase, "published"},
		"Supabase and line break":      {supabase + "\n", "published"},
		"Supabase in quotes":           {`"` + supabase + `"`, "published"},
		"Supabase with mark":           {"\ufeff" + supabase, "published"},
		"Supabase and a half":          {supabase + supabase[:20], "published"},
		"Supabase, space and a half":   {supabase + " " + supabase[:20], "published"},
		"Supabase, cut":                {supabase[:32], "published"},
		"Supabase in base64":           {std([]byte(supabase)), "published"},
		"Supabase in base64url":        {url([]byte(supabase)), "published"},
		"Supabase in hex":              {hex.EncodeToString([]byte(supabase)), "published"},
		"Supabase in UTF-16":           {utf16(supabase, 0, 1), "published"},
		"Supabase, reversed":           {reversed(supabase), "published"},
		"PostgREST":                    {"reallyreallyreallyreallyverysafe", "published"},
		"Spring":                       {spring, "published"},
		"Spring, in lower case":        {strings.ToLower(spring), "published"},
		"Spring, decoded":              {"@NcRfUjXn2r5u8x/A?D(G+KbPdSgVkYp", "published"},
		"Spring, as base64":            {decoded(spring, base64.StdEncoding), "published"},
		"jwt-dotnet":                   {"GQDstcKsx0NHjPOuXOYg5MbeJ1XT0uFiwDVvVBrk", "published"},
		"RFC 7515 A.1":                 {decoded(a1, base64.RawURLEncoding), "published"},
		"RFC 7515 A.1, text":           {a1, "published"},
		"RFC 7515 A.1, cut":            {decoded(a1, base64.RawURLEncoding)[:32], "published"},
		"RFC 7520 3.5":                 {decoded("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg", base64.RawURLEncoding), "published"},
		"RFC 7520 3.5, text in base64": {"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG+Onbc6mxCcYg=", "published"},
		"NestJS":                       {"DO NOT USE THIS VALUE. INSTEAD, CREATE A COMPLEX SECRET AND KEEP IT SAFE OUTSIDE OF THE SOURCE CODE.", "published"},
		"Spring, another":              {"5367566B59703373367639792F423F4528482B4D6251655468576D5A71347437", "published"},
		"Spring, another, as base64":   {decoded("3cfa76ef14937c1c0ea519f8fc057a80fcd04a7420f8e8bcd0a7567c272e007b", base64.StdEncoding), "published"},
		"Hasura, cut":                  {"3EK6FD+o0+c7tzBNVfjpMkNDi2yARAAKzQ", "published"},
		"Nacos, longer":                {"SecretKey0123456789012345678901234567890123456789012345678901234567890123456789", "published"},
		"words":                        {"your-jwt-secret-key-change-this-in-production", "published"},
		"words without hyphens":        {"ThisIsAVeryLongSecretKeyForJwtTokens123!", "published"},
		"words in capitals":            {"CHANGE_ME_TO_A_COMPLEX_RANDOM_SECRET", "published"},
		"words in base64":              {"bXktc2VjcmV0LXRva2VuLXRvLWNoYW5nZS1pbi1wcm9kdWN0aW9u", "published"},
		"words and a year":             {"my-super-secret-jwt-key-2026-min-32-chars", "published"},
		"words that name no secret":    {"correct horse battery staple long enough", ""},
		"words and a name":             {"your-secret-key-for-Rumpelstiltskin-app", ""},
		"words and random letters":     {"prod-secret-key-xqzvjkwpfhgbtm-rnlsdy", ""},
		"words and random digits":      {"secret-key-83920174650918273645091827", ""},
		"words and random signs":       {"secret-key-!~$&*%()+<>?{}[]|^@#;:-=", ""},
		"random beside a sample":       {supabase + hex.EncodeToString([]byte(random(32))), ""},
	} {
		rows["spelling: "+name] = struct{ secret, alg, want string }{row.secret, "HS256", row.want}
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, err := jose.NewSecret([]byte(row.secret), row.alg, "")
			check(t, k, err, row.want)
			if err != nil && len(row.secret) > 3 && strings.Contains(err.Error(), row.secret) {
				t.Errorf("the error contains the secret: %v", err)
			}
		})
	}
}

// Secrets that people copied from documentation. Each stands in at least ten public repositories.
func TestPublishedCases(t *testing.T) {
	t.Parallel()
	secrets := strings.Fields(caseText(t, "43-published-secrets.txt"))
	if len(secrets) < 5 {
		t.Fatalf("%d secrets", len(secrets))
	}
	for _, secret := range secrets {
		k, err := jose.NewSecret([]byte(secret), "", "")
		check(t, k, err, "published sample")
	}
}

// A random secret is never taken for words, in the spellings in which secrets are made.
func TestRandomIsNoSample(t *testing.T) {
	t.Parallel()
	for range 500 {
		b := make([]byte, 32)
		rand.Read(b)
		for _, secret := range []string{
			string(b), hex.EncodeToString(b), base64.StdEncoding.EncodeToString(b), base64.RawURLEncoding.EncodeToString(b),
			"my-secret-key-" + hex.EncodeToString(b), "jwt_" + base64.RawURLEncoding.EncodeToString(b),
		} {
			if _, err := jose.NewSecret([]byte(secret), "", ""); err != nil {
				t.Fatalf("%q: %v", secret, err)
			}
		}
	}
}
