package jwt_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
)

const pythonKeyFile = `
import json, sys, time, jwt
job = json.load(sys.stdin)
key = jwt.PyJWK.from_json(job["jwk"])
now = int(time.time())
claims = {"iss": job["issuer"], "aud": job["audience"], "sub": "u-1", "iat": now, "exp": now + 600}
sys.stdout.write(jwt.encode(claims, key.key, algorithm=job["alg"], headers={"typ": "at+jwt", "kid": key.key_id}))
`

const nodeKeyFile = `
import * as jose from "jose";
import fs from "node:fs";
const job = JSON.parse(fs.readFileSync(0, "utf8"));
const jwk = JSON.parse(job.jwk);
const claims = new jose.SignJWT({}).setIssuer(job.issuer).setAudience(job.audience).setSubject("u-1").setIssuedAt().setExpirationTime("10m");
process.stdout.write(await claims.setProtectedHeader({ alg: job.alg, typ: "at+jwt", kid: jwk.kid }).sign(await jose.importJWK(jwk)));
if (jwk.kty !== "oct" && await jose.calculateJwkThumbprint(jwk) !== jwk.kid) throw new Error("the key ID is not the thumbprint");
`

// The key files that we write are JWKs to others: they sign with them, and we
// verify.
func TestForeignKeyFiles(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		command func(t *testing.T) *exec.Cmd
		algs    []string
	}{
		"PyJWT": {func(t *testing.T) *exec.Cmd {
			return exec.Command(testenv.Python(t, "jwt", "cryptography"), "-c", pythonKeyFile)
		}, []string{jwt.HS256, jwt.HS512, jwt.RS256, jwt.ES256, jwt.ES384, jwt.ES512, jwt.EdDSA}},
		"npm's jose": {func(t *testing.T) *exec.Cmd {
			cmd := exec.Command(testenv.Command(t, "node"), "--input-type=module", "-e", nodeKeyFile)
			cmd.Dir = testenv.NodeModule(t, "jose")
			return cmd
		}, []string{jwt.HS384, jwt.RS384, jwt.RS512, jwt.PS256, jwt.PS384, jwt.PS512, jwt.ES256, jwt.ES512, jwt.EdDSA}},
	} {
		for _, alg := range row.algs {
			t.Run(name+"/"+alg, func(t *testing.T) {
				t.Parallel()
				cmd := row.command(t)
				path := filepath.Join(t.TempDir(), "key.json")
				key := mustKey(jwt.OpenKeyFile(path, alg))(t)
				job, err := json.Marshal(map[string]string{"jwk": testkit.Read(t, path), "alg": alg, "issuer": testkit.Issuer, "audience": testkit.Audience})
				if err != nil {
					t.Fatal(err)
				}
				var stderr strings.Builder
				cmd.Stdin, cmd.Stderr = strings.NewReader(string(job)), &stderr
				token, err := cmd.Output()
				if err != nil {
					t.Fatalf("%v\n%s", err, &stderr)
				}
				issuer := testkit.NewIssuer(t, jwt.IssuerConfig{Keys: testkit.RingOf(t, key)})
				if p := testkit.Verify(t, issuer, string(token)); p.Subject() != "u-1" {
					t.Errorf("their token speaks for %q", p.Subject())
				}
			})
		}
	}
}
