// Package clients_test runs OAuth clients that others wrote against the endpoints of
// package authhttp, over access tokens that live two seconds and not a moment more.
package clients_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authhttp"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/revocation"
)

const (
	password = "correct horse 😀"
	shop     = "the shop"                                // a resource server
	secret   = "%: its secret, which is long enough + 1" // with what has to be encoded
)

// server is the endpoints at a URL.
type server struct {
	url       string
	refreshed atomic.Int64 // events of the kind
}

func serve(t *testing.T) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{url: "http://" + listener.Addr().String()}
	store, signing, refreshing := auth.NewMemoryStore(), ring(t, "ES256"), ring(t, "HS256")
	ended, err := revocation.Follow(store, revocation.Config{Bound: 5 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ended.Close() })
	tokens, err := auth.NewJWTIssuer(auth.JWTConfig{
		Issuer: s.url, Audience: "api", Keys: signing, Check: ended.Check,
	})
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := auth.New(store, tokens, auth.Config{
		Hasher: authtest.FastHasher(t), Sessions: store, RefreshKeys: refreshing, Revoked: ended.Sync,
		Claims: func(_ context.Context, _ auth.User, c *auth.Claims) error {
			c.Custom = map[string]any{"client_id": "app"} // RFC 9068 section 2.2, for who has clients
			return nil
		},
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
	servers, err := authhttp.NewResourceServers(map[string]string{shop: secret})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	err = authhttp.Mount(mux, "/auth", accounts, guard, authhttp.MountConfig{
		Config: authhttp.Config{PasswordGrant: true}, Users: store, ResourceServers: servers, Keys: signing, Issuer: s.url, BaseURL: s.url,
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

func ring(t *testing.T, alg string) *auth.KeyRing {
	t.Helper()
	key, err := auth.GenerateKey(alg)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := auth.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// Go's own client goes on when its access tokens have expired, as it sees it, and asks
// for new ones by itself.
func TestOAuth2TokenSource(t *testing.T) {
	t.Parallel()
	s := serve(t)
	conf := oauth2.Config{ClientID: "app", Endpoint: oauth2.Endpoint{TokenURL: s.url + "/auth/token"}}
	token, err := conf.PasswordCredentialsToken(t.Context(), "ada", password)
	if err != nil {
		t.Fatal(err)
	}
	source := conf.TokenSource(t.Context(), token)
	client := oauth2.NewClient(t.Context(), source)
	for call := range int64(3) {
		if call > 0 { // what the source keeps is over
			if token, err = source.Token(); err != nil {
				t.Fatal(err)
			}
			token.Expiry = time.Now().Add(-time.Second)
		}
		res, err := client.Get(s.url + "/auth/me")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if n := s.refreshed.Load(); res.StatusCode != 200 || n != call {
			t.Errorf("call %d is answered %s, after %d refreshes", call, res.Status, n)
		}
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

// said is what a client of another language found.
type said struct {
	Calls   []int  `json:"calls"`   // statuses of /auth/me, the last one after the session has ended
	Refused string `json:"refused"` // the error of a wrong password
	After   string `json:"after"`   // the error of a refresh after revocation
	Active  []bool `json:"active"`  // by introspection, before and after
	Issuer  string `json:"issuer"`  // of an access token that it verified by itself, or why it did not
}

func (s *server) check(t *testing.T, got said) {
	t.Helper()
	n := len(got.Calls)
	for i, status := range got.Calls {
		if want := map[bool]int{true: 401, false: 200}[i == n-1]; status != want {
			t.Errorf("calls are answered %v", got.Calls)
		}
	}
	if n < 4 || got.Refused != "invalid_grant" || got.After != "invalid_grant" || len(got.Active) != 2 || !got.Active[0] || got.Active[1] {
		t.Errorf("it found %+v", got)
	}
	if s.refreshed.Load() < 1 {
		t.Error("it did not refresh")
	}
}

func (s *server) job() map[string]string {
	return map[string]string{"url": s.url, "username": "ada", "password": password, "server": shop, "secret": secret}
}

const requestsOAuthlib = `
import json, sys, time
from urllib.parse import quote_plus
import requests
from oauthlib.oauth2 import LegacyApplicationClient
from oauthlib.oauth2.rfc6749.errors import InvalidGrantError
from requests_oauthlib import OAuth2Session

job = json.load(sys.stdin)
base = job["url"] + "/auth"
def session():
    return OAuth2Session(client=LegacyApplicationClient("app"), auto_refresh_url=base + "/token",
                         auto_refresh_kwargs={"client_id": "app"}, token_updater=lambda token: None)
def active(token):
    basic = (quote_plus(job["server"]), quote_plus(job["secret"]))
    return requests.post(base + "/introspect", data={"token": token}, auth=basic).json()["active"]
one, refused, after = session(), "", ""
try:
    session().fetch_token(base + "/token", username=job["username"], password="wrong horse", include_client_id=True)
except InvalidGrantError as e:
    refused = e.error
one.fetch_token(base + "/token", username=job["username"], password=job["password"], include_client_id=True)
calls = []
for expired in (False, True, True):
    if expired:
        one.token = {**one.token, "expires_in": -30, "expires_at": time.time() - 30}
    calls.append(one.get(base + "/me").status_code)
last = one.token
found = [active(last["access_token"])]
requests.post(base + "/revoke", data={"token": last["refresh_token"]}).raise_for_status()
found.append(active(last["access_token"]))
calls.append(requests.get(base + "/me", headers={"Authorization": "Bearer " + last["access_token"]}).status_code)
try:
    one.refresh_token(base + "/token")
except InvalidGrantError as e:
    after = e.error
json.dump({"calls": calls, "refused": refused, "after": after, "active": found}, sys.stdout)
`

func TestRequestsOAuthlib(t *testing.T) {
	t.Parallel()
	python := testenv.Python(t, "requests_oauthlib")
	s := serve(t)
	cmd := exec.CommandContext(t.Context(), python, "-c", requestsOAuthlib)
	cmd.Env = append(os.Environ(), "OAUTHLIB_INSECURE_TRANSPORT=1") // http, to this machine
	var got said
	testenv.Ask(t, cmd, s.job(), &got)
	s.check(t, got)
}

// The client knows the issuer and nothing else: it finds the endpoints by the
// metadata, and checks an access token by the keys.
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
	s := serve(t)
	cmd := exec.CommandContext(t.Context(), testenv.Command(t, "node"), "--input-type=module", "-e", oauth4webapi)
	cmd.Dir = dir
	var got said
	testenv.Ask(t, cmd, s.job(), &got)
	s.check(t, got)
	if got.Issuer != s.url {
		t.Errorf("the access token is of %s, want %s", got.Issuer, s.url)
	}
}
