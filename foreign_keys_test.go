package auth_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testenv"
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
		}, []string{auth.HS256, auth.HS512, auth.RS256, auth.ES256, auth.ES384, auth.ES512, auth.EdDSA}},
		"npm's jose": {func(t *testing.T) *exec.Cmd {
			cmd := exec.Command(testenv.Command(t, "node"), "--input-type=module", "-e", nodeKeyFile)
			cmd.Dir = testenv.NodeModule(t, "jose")
			return cmd
		}, []string{auth.HS384, auth.RS384, auth.RS512, auth.PS256, auth.PS384, auth.PS512, auth.ES256, auth.ES512, auth.EdDSA}},
	} {
		for _, alg := range row.algs {
			t.Run(name+"/"+alg, func(t *testing.T) {
				t.Parallel()
				cmd := row.command(t)
				path := filepath.Join(t.TempDir(), "key.json")
				key := mustKey(auth.OpenKeyFile(path, alg))(t)
				job, err := json.Marshal(map[string]string{"jwk": read(t, path), "alg": alg, "issuer": testIssuer, "audience": testAudience})
				if err != nil {
					t.Fatal(err)
				}
				var stderr strings.Builder
				cmd.Stdin, cmd.Stderr = strings.NewReader(string(job)), &stderr
				token, err := cmd.Output()
				if err != nil {
					t.Fatalf("%v\n%s", err, &stderr)
				}
				issuer := newIssuer(t, auth.JWTConfig{Keys: ringOf(t, key)})
				if p := verify(t, issuer, string(token)); p.Subject() != "u-1" {
					t.Errorf("their token speaks for %q", p.Subject())
				}
			})
		}
	}
}
