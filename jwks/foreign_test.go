package jwks_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/jwks"
	"github.com/seed-e36e2130/auth/jwt"
)

// node runs a program with npm's jose until the test ends, and returns the first line of its
// output.
func node(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(testenv.Command(t, "node"), append([]string{"--input-type=module", "-e", program}, args...)...)
	cmd.Dir = testenv.NodeModule(t, "jose")
	var stderr logged
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe() // the program ends when this pipe is closed
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("node: %v\n%s", err, &stderr)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("node: %v\n%s", err, &stderr)
	}
	return strings.TrimSpace(line)
}

// nodeServer is the last part of each program: it starts the server and prints its URL.
const nodeServer = `
const server = http.createServer((request, response) => answer(request).then(
	([status, body]) => { response.writeHead(status, { "content-type": "application/json" }); response.end(body); },
	(err) => { response.writeHead(500); response.end(String(err)); }));
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => { origin = "http://127.0.0.1:" + server.address().port; console.log(origin); });
process.stdin.on("end", () => process.exit(0)).resume();
`

const nodeIssuer = `
import * as jose from "jose";
import http from "node:http";
let origin, keys = {}, count = 0;
async function rotate() {
	for (const alg of ["RS256", "PS256", "ES256", "ES384", "EdDSA"]) {
		const pair = await jose.generateKeyPair(alg);
		keys[alg] = { ...pair, kid: alg + "-" + ++count };
	}
}
await rotate();
async function answer(request) {
	const [, path, alg] = request.url.split("/");
	switch (path) {
	case ".well-known":
		return [200, JSON.stringify({ issuer: origin, jwks_uri: origin + "/jwks" })];
	case "jwks":
		return [200, JSON.stringify({ keys: await Promise.all(Object.entries(keys).map(async ([alg, key]) =>
			({ ...await jose.exportJWK(key.publicKey), kid: key.kid, alg, use: "sig" }))) })];
	case "token":
		return [200, await new jose.SignJWT({ scope: "read write", name: "Zoë" }).setSubject("u-1").setIssuer(origin).setAudience("api.test")
			.setIssuedAt().setExpirationTime("10m").setProtectedHeader({ alg, kid: keys[alg].kid, typ: "at+jwt" }).sign(keys[alg].privateKey)];
	case "rotate":
		await rotate();
		return [200, ""];
	}
	return [404, ""];
}
` + nodeServer

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != 200 {
		t.Fatalf("%s: %s %v %s", url, r.Status, err, b)
	}
	return string(b)
}

// A Verifier accepts the tokens of an issuer that npm's jose implements, also after a rotation.
func TestForeignIssuer(t *testing.T) {
	t.Parallel()
	origin := node(t, nodeIssuer)
	v, err := jwks.New(jwks.Config{
		Tokens:   jwt.VerifierConfig{Issuer: origin, Audience: audience},
		Cooldown: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{}
	for round := range 2 {
		for _, alg := range []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"} {
			token := get(t, origin+"/token/"+alg)
			if p := accepted(t, v, token); p.Subject() != "u-1" || !p.HasScope("write") {
				t.Errorf("%s: %v", alg, p.Claims())
			}
			if round == 0 {
				tokens[alg] = token
			}
		}
		if round == 0 {
			get(t, origin+"/rotate")
		}
	}
	for alg, token := range tokens {
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, auth.ErrUnknownKey) {
			t.Errorf("%s, signed by a withdrawn key: got %v, want ErrUnknownKey", alg, err)
		}
	}
}

// nodeService keeps a key set for half a second. For an unknown key, jose fetches again only after
// its cooldown of 30 s. So a key of a token that it accepts was published in time.
const nodeService = `
import * as jose from "jose";
import http from "node:http";
let origin;
const [url, issuer, audience] = process.argv.slice(1);
const keys = jose.createRemoteJWKSet(new URL(url), { cacheMaxAge: 500 });
async function answer(request) {
	const token = (request.headers.authorization ?? "").replace("Bearer ", "");
	try {
		const { payload } = await jose.jwtVerify(token, keys, { issuer, audience, typ: "at+jwt" });
		return [200, payload.sub];
	} catch (err) {
		return [401, err.code + ": " + err.message];
	}
}
` + nodeServer

// A service with npm's jose reads our keys from a URL while they rotate under load, in the steps
// that the documentation of KeyRing describes. No request fails. Each step waits until it is safe,
// however long that takes: until the service has read the published keys, and until no client holds
// a token of the old key.
func TestForeignServiceDuringRotation(t *testing.T) {
	t.Parallel()
	rotations, clients := 3, 16
	if testing.Short() {
		rotations = 1
	}
	algs := []string{jwt.EdDSA, jwt.ES256, jwt.RS256}
	generate := func(n int) jwt.Key {
		key, err := jwt.GenerateKey(algs[n%len(algs)])
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	signing := generate(0)
	ring, err := jwt.NewKeyRing(signing)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: issuerURL, Audience: audience, Keys: ring})
	if err != nil {
		t.Fatal(err)
	}
	var fetched atomic.Int64
	handler := ring.JWKSHandler()
	published := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched.Add(1)
		handler.ServeHTTP(w, r)
	}))
	defer published.Close()
	service := node(t, nodeService, published.URL, issuerURL, audience)

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	request := func(token string) (string, error) {
		r, err := http.NewRequest("GET", service, nil)
		if err != nil {
			return "", err
		}
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := client.Do(r)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return fmt.Sprintf("%d %s", res.StatusCode, b), err
	}
	var sent, failed atomic.Int64
	var eager, lazy atomic.Int64 // number of the rotation that clients of each kind follow
	var stop atomic.Bool
	held := make([]*atomic.Int64, clients) // rotation of the token of each client
	for n := range held {
		held[n] = new(atomic.Int64)
	}
	var load sync.WaitGroup
	for n := range clients {
		rotation := &eager
		if n%2 == 1 {
			rotation = &lazy
		}
		load.Go(func() {
			for !stop.Load() {
				now := rotation.Load()
				token, err := tokens.Issue(t.Context(), auth.Claims{Subject: "u-1"})
				if err != nil {
					t.Error(err)
					failed.Add(1)
					return
				}
				for held[n].Store(now); rotation.Load() == now; sent.Add(1) {
					if got, err := request(token); err != nil || got != "200 u-1" {
						if t.Errorf("got %s, %v, after %d requests", got, err, sent.Load()); failed.Add(1) >= 10 {
							return
						}
					}
				}
			}
		})
	}
	replace := func(first jwt.Key, others ...jwt.Key) {
		if err := ring.Replace(first, others...); err != nil {
			t.Error(err)
		}
	}
	waitUntil := func(done func() bool) {
		for !done() && failed.Load() == 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	waitUntilRead := func() { // the second request comes after the response to the first was read
		before := fetched.Load()
		waitUntil(func() bool { return fetched.Load() > before+1 })
	}
	for n := range rotations {
		next := generate(n + 1)
		replace(signing, next) // publish the new key before it signs
		waitUntilRead()
		replace(next, signing) // keep the old key for its last tokens
		now := eager.Add(1)
		waitUntilRead()
		lazy.Add(1)
		waitUntil(func() bool {
			return !slices.ContainsFunc(held, func(n *atomic.Int64) bool { return n.Load() < now })
		})
		replace(next)
		signing = next
		before := sent.Load()
		waitUntil(func() bool { return sent.Load() > before+int64(10*clients) })
	}
	stop.Store(true)
	eager.Add(1)
	lazy.Add(1)
	load.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d of %d requests failed", n, sent.Load())
	}
	t.Logf("%d requests, %d rotations, the set fetched %d times", sent.Load(), rotations, fetched.Load())

	// A token of an unknown key is refused, which proves that the service checks the key.
	stranger, err := jwt.NewKeyRing(generate(0))
	if err != nil {
		t.Fatal(err)
	}
	other, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: issuerURL, Audience: audience, Keys: stranger})
	if err != nil {
		t.Fatal(err)
	}
	token, err := other.Issue(t.Context(), auth.Claims{Subject: "u-1"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := request(token); err != nil || !strings.HasPrefix(got, "401 ERR_JWKS_NO_MATCHING_KEY") {
		t.Errorf("token of an unknown key: got %s, %v", got, err)
	}
}
