package jwt_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os/exec"
	"reflect"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

// foreignJob is what a JWT library of another language is asked to do: verify
// one token of ours, refuse it altered, and sign claims with the same key.
type foreignJob struct {
	Library  string         `json:"library"`
	Alg      string         `json:"alg"`
	Secret   string         `json:"secret"` // in hex; or
	Private  string         `json:"private"`
	Public   string         `json:"public"`
	Issuer   string         `json:"issuer"`
	Audience string         `json:"audience"`
	Token    string         `json:"token"`
	Altered  string         `json:"altered"`
	Header   map[string]any `json:"header"`
	Claims   map[string]any `json:"claims"`
}

type foreignResult struct {
	Header  map[string]any `json:"header"`  // of our token
	Claims  map[string]any `json:"claims"`  // of our token
	Refused bool           `json:"refused"` // the altered one
	Token   string         `json:"token"`   // theirs
}

const pythonJWT = `
import json, sys
job = json.load(sys.stdin)
if job["library"] == "python-jose":
    from jose import jwt
    from jose.exceptions import JWTError as Refused
    header = jwt.get_unverified_header
else:
    import jwt
    from jwt.exceptions import PyJWTError as Refused
    header = jwt.get_unverified_header
public, private = job["public"], job["private"]
if job["secret"]:
    public = private = bytes.fromhex(job["secret"])
def read(token):
    return jwt.decode(token, public, algorithms=[job["alg"]], audience=job["audience"], issuer=job["issuer"])
try:
    read(job["altered"])
    refused = False
except Refused:
    refused = True
json.dump({
    "header": header(job["token"]),
    "claims": read(job["token"]),
    "refused": refused,
    "token": jwt.encode(job["claims"], private, algorithm=job["alg"], headers=job["header"]),
}, sys.stdout)
`

const nodeJWT = `
import * as jose from "jose";
import fs from "node:fs";
const job = JSON.parse(fs.readFileSync(0, "utf8"));
const secret = job.secret && Buffer.from(job.secret, "hex");
const publicKey = secret || await jose.importSPKI(job.public, job.alg);
const privateKey = secret || await jose.importPKCS8(job.private, job.alg);
const read = (token) => jose.jwtVerify(token, publicKey, {
	algorithms: [job.alg], audience: job.audience, issuer: job.issuer, typ: "at+jwt",
	requiredClaims: ["sub", "exp", "iat", "jti"],
});
const { payload, protectedHeader } = await read(job.token);
const refused = await read(job.altered).then(() => false, (err) => err instanceof jose.errors.JOSEError);
const token = await new jose.SignJWT(job.claims).setProtectedHeader({ alg: job.alg, ...job.header }).sign(privateKey);
process.stdout.write(JSON.stringify({ header: protectedHeader, claims: payload, refused, token }));
`

// Libraries of other languages read our tokens, and we read theirs.
func TestForeignJWT(t *testing.T) {
	t.Parallel()
	python := func(t *testing.T, module string) *exec.Cmd {
		return exec.Command(testenv.Python(t, module, "cryptography"), "-c", pythonJWT)
	}
	for library, row := range map[string]struct {
		command func(t *testing.T) *exec.Cmd
		algs    []string
	}{
		"python-jose": {func(t *testing.T) *exec.Cmd { return python(t, "jose") }, []string{"HS256", "RS256", "ES256"}},
		"PyJWT":       {func(t *testing.T) *exec.Cmd { return python(t, "jwt") }, []string{"HS256", "RS256", "ES256", "EdDSA"}},
		"npm's jose": {func(t *testing.T) *exec.Cmd {
			cmd := exec.Command(testenv.Command(t, "node"), "--input-type=module", "-e", nodeJWT)
			cmd.Dir = testenv.NodeModule(t, "jose")
			return cmd
		}, []string{"HS256", "RS256", "ES256", "EdDSA"}},
	} {
		for _, alg := range row.algs {
			t.Run(library+"/"+alg, func(t *testing.T) {
				t.Parallel()
				cmd := row.command(t)
				key, job := foreignKey(t, alg)
				job.Library = library
				speakWith(t, cmd, key, job)
			})
		}
	}
}

func speakWith(t *testing.T, cmd *exec.Cmd, key jwt.Key, job foreignJob) {
	issuer := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: testkit.RingOf(t, key)})
	job.Issuer, job.Audience = testkit.Issuer, testkit.Audience
	job.Token = testkit.Issue(t, issuer, jwt.Claims{
		Subject: "u-1", Scopes: []string{"read:items", "write"}, Roles: []string{"member"}, SessionID: "s-1",
		Custom: map[string]any{"name": "Zoë 😀", "quote": `"\/` + "\u2028", "balance": -12.5, "nested": map[string]any{"a": []any{nil, true}}},
	})
	job.Altered = altered(job.Token)
	now := time.Now().Unix()
	job.Header = map[string]any{"typ": "at+jwt", "kid": key.ID()}
	job.Claims = map[string]any{
		"iss": testkit.Issuer, "aud": []string{testkit.Audience, "other"}, "sub": "ü-2", "iat": now, "exp": now + 600,
		"scope": "read:items", "roles": []string{"editor"}, "name": "Zoë 😀", "big": int64(1<<53 - 1),
	}

	result := ask(t, cmd, job)
	if want := testkit.Segment(t, job.Token, 0); !reflect.DeepEqual(result.Header, want) {
		t.Errorf("the header reads %v, want %v", result.Header, want)
	}
	if want := testkit.Segment(t, job.Token, 1); !reflect.DeepEqual(result.Claims, want) {
		t.Errorf("the claims read %v, want %v", result.Claims, want)
	}
	if !result.Refused {
		t.Error("an altered token is not refused: the library did not verify")
	}

	p := testkit.Verify(t, issuer, result.Token)
	var custom struct {
		Name string `json:"name"`
		Big  int64  `json:"big"`
	}
	if err := p.Decode(&custom); err != nil || custom.Name != "Zoë 😀" || custom.Big != 1<<53-1 {
		t.Errorf("their custom claims decode as %+v, %v", custom, err)
	}
	if p.Subject() != "ü-2" || !p.HasScope("read:items") || !p.HasRole("editor") {
		t.Errorf("their token speaks for %v", p.Claims())
	}
	if _, err := issuer.Verify(t.Context(), altered(result.Token)); !errors.Is(err, jwt.ErrInvalidToken) {
		t.Errorf("their token, altered: %v", err)
	}
}

// ask runs cmd with job as its input.
func ask(t *testing.T, cmd *exec.Cmd, job foreignJob) (result foreignResult) {
	t.Helper()
	in, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	if err := json.Unmarshal(out, &result); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return result
}

// altered changes one character in the middle of the signature.
func altered(token string) string {
	b := []byte(token)
	i := len(b) - 20
	if b[i]++; b[i] == 'Z'+1 || b[i] == 'z'+1 || b[i] == '9'+1 || b[i] == '-'+1 || b[i] == '_'+1 {
		b[i] = 'Q'
	}
	return string(b)
}

// foreignKey returns a new key, and the job with the same key as text.
func foreignKey(t *testing.T, alg string) (key jwt.Key, job foreignJob) {
	t.Helper()
	job.Alg = alg
	var signer crypto.Signer
	var err error
	switch alg {
	case "HS256":
		secret := make([]byte, 32)
		rand.Read(secret)
		job.Secret = hex.EncodeToString(secret)
		if key, err = jwt.NewSecretKey(secret); err != nil {
			t.Fatal(err)
		}
		return key, job
	case "RS256":
		signer, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, signer, err = ed25519.GenerateKey(nil)
	}
	if err == nil {
		key, err = jwt.NewSigningKey(signer)
	}
	var private, public []byte
	if err == nil {
		private, err = x509.MarshalPKCS8PrivateKey(signer)
	}
	if err == nil {
		public, err = x509.MarshalPKIXPublicKey(signer.Public())
	}
	if err != nil {
		t.Fatal(err)
	}
	job.Private = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	job.Public = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	return key, job
}
