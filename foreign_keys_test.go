package auth_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

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
		}, []string{auth.HS384, auth.PS256, auth.ES256, auth.ES512, auth.EdDSA}},
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

// The set is read anew twice a second, as by a client that honours max-age, and
// at once for an unknown key ID.
const nodeKeySet = `
import * as jose from "jose";
const [url, issuer, audience, count] = process.argv.slice(-4);
const set = jose.createRemoteJWKSet(new URL(url + "/jwks"), { cooldownDuration: 0, cacheMaxAge: 500 });
let left = Number(count);
const used = new Set(), failed = [];
await Promise.all(Array.from({ length: 8 }, async () => {
	while (left-- > 0) {
		const token = await (await fetch(url + "/token")).text();
		try {
			used.add((await jose.jwtVerify(token, set, { issuer, audience, typ: "at+jwt" })).protectedHeader.kid);
		} catch (err) {
			failed.push(String(err));
		}
	}
}));
console.log(JSON.stringify({ keys: used.size, failed }));
`

// npm's jose reads our set by URL while keys rotate under it: each new key is
// published before it signs, each old one is kept until its tokens are read, and
// no token fails.
func TestForeignReaderWhileKeysRotate(t *testing.T) {
	t.Parallel()
	const tokens = 1000
	node := exec.Command(testenv.Command(t, "node"), "--input-type=module", "-e", nodeKeySet)
	node.Dir = testenv.NodeModule(t, "jose")

	keys := make([]auth.Key, 3) // the next, the current, the previous
	for i := range keys {
		keys[i] = mustKey(auth.GenerateKey(auth.EdDSA))(t)
	}
	ring := ringOf(t, keys[1], keys[0], keys[2])
	issuer := newIssuer(t, auth.JWTConfig{Keys: ring})
	mux := http.NewServeMux()
	mux.Handle("/jwks", ring.JWKSHandler())
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		token, err := issuer.Issue(r.Context(), auth.Claims{Subject: "u-1"})
		if err != nil {
			t.Error(err)
		}
		io.WriteString(w, token)
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	node.Args = append(node.Args, server.URL, testIssuer, testAudience, fmt.Sprint(tokens))
	var stderr strings.Builder
	node.Stderr = &stderr
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var rotation sync.WaitGroup
	rotation.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(700 * time.Millisecond): // longer than a reader keeps the set
			}
			next, err := auth.GenerateKey(auth.EdDSA)
			if err == nil {
				keys = []auth.Key{next, keys[0], keys[1]}
				err = ring.Replace(keys[1], keys[0], keys[2])
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	line, _ := bufio.NewReader(out).ReadString('\n')
	if err := node.Wait(); err != nil {
		t.Errorf("%v\n%s", err, &stderr)
	}
	close(done)
	rotation.Wait()
	var result struct {
		Keys   int
		Failed []string
	}
	if err := json.Unmarshal([]byte(line), &result); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	if len(result.Failed) > 0 || result.Keys < 2 {
		t.Errorf("%d keys used; %d of %d tokens failed: %.5q", result.Keys, len(result.Failed), tokens, result.Failed)
	}
}
