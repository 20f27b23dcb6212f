// Package clients_test runs OAuth clients of other projects against the endpoints of package
// authhttp.
package clients_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/throttle"
)

const (
	password   = "correct horse 😀"
	shop       = "the shop"                                // ID of a resource server
	shopSecret = "%: its secret, which is long enough + 1" // has characters that must be encoded

	shortLife = 2 * time.Second // lifetime of access tokens for clients that refresh by the clock
)

// server serves the endpoints.
type server struct {
	url       string
	refreshed atomic.Int64 // number of refreshes
}

// serve returns a server whose access tokens live for lifetime and not a moment longer.
func serve(t *testing.T, lifetime time.Duration) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{url: "http://" + listener.Addr().String()}
	key, err := jwt.GenerateKey(jwt.ES256)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	refreshKeys, err := secrets.NewRing(secrets.Generate())
	if err != nil {
		t.Fatal(err)
	}
	store := memstore.New()
	ended, err := revocation.Follow(store, revocation.Config{Bound: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ended.Close() })
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{
		Issuer: s.url, Audience: "api", Keys: keys, Lifetime: lifetime, Leeway: jwt.NoLeeway, Check: ended.Check,
	})
	if err != nil {
		t.Fatal(err)
	}
	limits, err := throttle.New(store, throttle.Config{})
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := auth.New(store, tokens, auth.Config{
		Hasher: authtest.FastHasher(t), Throttle: limits, Sessions: store, RefreshKeys: refreshKeys, Revoked: ended.Sync,
		Events: func(_ context.Context, e auth.Event) {
			if e.Kind == auth.EventRefresh {
				s.refreshed.Add(1)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := auth.NewMiddleware(accounts, auth.MiddlewareConfig{})
	if err != nil {
		t.Fatal(err)
	}
	servers, err := authhttp.NewResourceServers(map[string]string{shop: shopSecret})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	err = authhttp.Mount(mux, "/auth", accounts, guard, authhttp.MountConfig{
		Config: authhttp.Config{PasswordGrant: true}, Users: store, ResourceServers: servers, Keys: keys, Issuer: s.url, BaseURL: s.url,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := accounts.Register(t.Context(), "ada", password); err != nil {
		t.Fatal(err)
	}
	srv := &httptest.Server{Listener: listener, Config: &http.Server{Handler: mux}}
	srv.Start()
	t.Cleanup(srv.Close)
	return s
}

// TestOAuth2TokenSource checks that golang.org/x/oauth2 keeps calling for longer than two access
// tokens live, and refreshes by itself.
func TestOAuth2TokenSource(t *testing.T) {
	t.Parallel()
	s := serve(t, shortLife)
	conf := oauth2.Config{ClientID: "app", Endpoint: oauth2.Endpoint{TokenURL: s.url + "/auth/token"}}
	token, err := conf.PasswordCredentialsToken(t.Context(), "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	client := conf.Client(t.Context(), token)
	calls := 0
	for began := time.Now(); time.Since(began) < 5*time.Second || calls < 3; time.Sleep(200 * time.Millisecond) {
		called := time.Now()
		res, err := client.Get(s.url + "/auth/me") // gets a new token first: the client refreshes 10 s before expiry
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		switch {
		case res.StatusCode == 200:
			calls++
		case time.Since(called) < shortLife/2: // the token cannot have expired in transit
			t.Fatalf("call %d is answered %s", calls+1, res.Status)
		}
	}
	if n := s.refreshed.Load(); n < 2 {
		t.Errorf("%d calls with %d refreshes, want at least 2", calls, n)
	}

	_, err = conf.PasswordCredentialsToken(t.Context(), "ada", "wrong horse")
	stale := conf.TokenSource(t.Context(), &oauth2.Token{RefreshToken: "nobody's"})
	_, errStale := stale.Token()
	for what, err := range map[string]error{"a wrong password": err, "a wrong refresh token": errStale} {
		if refusal, ok := errors.AsType[*oauth2.RetrieveError](err); !ok || refusal.ErrorCode != "invalid_grant" || refusal.Response.StatusCode != 400 {
			t.Errorf("%s gives %v", what, err)
		}
	}
}

// report is the output of a client in another language.
type report struct {
	Calls   []int  `json:"calls"`   // statuses of /auth/me, the last one after the session has ended
	Refused string `json:"refused"` // error of a login with a wrong password
	After   string `json:"after"`   // error of a refresh after the revocation
	Active  []bool `json:"active"`  // result of introspection before the revocation and after it
	Issuer  string `json:"issuer"`  // issuer of the token that the client verified, or its error
}

func (s *server) check(t *testing.T, got report) {
	t.Helper()
	if !slices.Equal(got.Calls, []int{200, 200, 200, 401}) {
		t.Errorf("the calls are answered %v, want 200 three times, then 401", got.Calls)
	}
	if got.Refused != "invalid_grant" || got.After != "invalid_grant" || !slices.Equal(got.Active, []bool{true, false}) {
		t.Errorf("the client reports %+v", got)
	}
	if s.refreshed.Load() < 1 {
		t.Error("the client did not refresh")
	}
}

// input returns the standard input of a client in another language.
func (s *server) input() map[string]string {
	return map[string]string{"url": s.url, "username": "ada", "password": password, "server": shop, "secret": shopSecret}
}

// The session refreshes by itself when its token has expired. On a slow machine a token may expire
// in transit: then the script tries again with another one.
const requestsOAuthlib = `
import json, sys, time
from urllib.parse import quote_plus
import requests
from oauthlib.oauth2 import LegacyApplicationClient
from oauthlib.oauth2.rfc6749.errors import InvalidGrantError
from requests_oauthlib import OAuth2Session

job = json.load(sys.stdin)
base = job["url"] + "/auth"
def new_session():
    return OAuth2Session(client=LegacyApplicationClient("app"), auto_refresh_url=base + "/token",
                         auto_refresh_kwargs={"client_id": "app"}, token_updater=lambda token: None)
def log_in(session, password):
    session.fetch_token(base + "/token", username=job["username"], password=password, include_client_id=True)
def active(token):
    basic = (quote_plus(job["server"]), quote_plus(job["secret"]))
    return requests.post(base + "/introspect", data={"token": token}, auth=basic).json()["active"]
refused, after = "", ""
try:
    log_in(new_session(), "wrong horse")
except InvalidGrantError as e:
    refused = e.error
session = new_session()
started = time.time()
log_in(session, job["password"])
calls = []
while len(calls) < 3:
    status = session.get(base + "/me").status_code
    if status == 200 or time.time() - started < 1:
        calls.append(status)
    time.sleep(2.5)
    started = time.time()
while True:
    started = time.time()
    last = session.refresh_token(base + "/token")
    before = active(last["access_token"])
    if before or time.time() - started < 1:
        break
requests.post(base + "/revoke", data={"token": last["refresh_token"]}).raise_for_status()
found = [before, active(last["access_token"])]
calls.append(requests.get(base + "/me", headers={"Authorization": "Bearer " + last["access_token"]}).status_code)
try:
    session.refresh_token(base + "/token")
except InvalidGrantError as e:
    after = e.error
json.dump({"calls": calls, "refused": refused, "after": after, "active": found}, sys.stdout)
`

func TestRequestsOAuthlib(t *testing.T) {
	t.Parallel()
	python := testenv.Python(t, "requests_oauthlib")
	s := serve(t, shortLife)
	cmd := exec.CommandContext(t.Context(), python, "-c", requestsOAuthlib)
	cmd.Env = append(os.Environ(), "OAUTHLIB_INSECURE_TRANSPORT=1") // allows http
	var got report
	testenv.Ask(t, cmd, s.input(), &got)
	s.check(t, got)
}

// The client is configured with the issuer alone: it finds the endpoints in the metadata, and
// verifies an access token with the published keys.
const oauth4webapi = `
import { webcrypto } from "node:crypto";
import fs from "node:fs";
import * as oauth from "oauth4webapi";

globalThis.crypto ??= webcrypto;
const job = JSON.parse(fs.readFileSync(0, "utf8"));
const http = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(job.url);
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...http }));
const client = { client_id: "app" };
const login = async (password) => oauth.processGenericTokenEndpointResponse(as, client,
  await oauth.genericTokenEndpointRequest(as, client, oauth.None(), "password", { username: job.username, password }, http));
const refresh = async (token) => oauth.processRefreshTokenResponse(as, client,
  await oauth.refreshTokenGrantRequest(as, client, oauth.None(), token, http));
const errorOf = async (promise) => { try { await promise; return ""; } catch (e) { return e.error; } };
const me = new URL("/auth/me", issuer);
const call = async (token) => {
  try {
    return (await oauth.protectedResourceRequest(token, "GET", me, undefined, null, http)).status;
  } catch (e) {
    if (!(e instanceof oauth.WWWAuthenticateChallengeError)) throw e;
    return e.status;
  }
};
const server = { client_id: job.server };
const active = async (token) => (await oauth.processIntrospectionResponse(as, server,
  await oauth.introspectionRequest(as, server, oauth.ClientSecretBasic(job.secret), token, http))).active;

const refused = await errorOf(login("wrong horse"));
let tokens = await login(job.password);
const calls = [await call(tokens.access_token)];
for (let i = 0; i < 2; i++) {
  tokens = await refresh(tokens.refresh_token);
  calls.push(await call(tokens.access_token));
}
const request = new Request(me, { headers: { authorization: "Bearer " + tokens.access_token } });
const claims = await oauth.validateJwtAccessToken(as, request, "api", http).catch((e) => ({ error: e }));
const found = [await active(tokens.access_token)];
await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, oauth.None(), tokens.refresh_token, http));
found.push(await active(tokens.access_token));
calls.push(await call(tokens.access_token));
const after = await errorOf(refresh(tokens.refresh_token));
process.stdout.write(JSON.stringify({ calls, refused, after, active: found, issuer: String(claims.error ?? claims.iss) }));
`

func TestOAuth4WebAPI(t *testing.T) {
	t.Parallel()
	dir := testenv.NodeModule(t, "oauth4webapi")
	s := serve(t, 0) // the client refreshes whenever the script says so
	cmd := exec.CommandContext(t.Context(), testenv.Command(t, "node"), "--input-type=module", "-e", oauth4webapi)
	cmd.Dir = dir
	var got report
	testenv.Ask(t, cmd, s.input(), &got)
	s.check(t, got)
	if got.Issuer != s.url {
		t.Errorf("the issuer of the access token is %s, want %s", got.Issuer, s.url)
	}
}
