package jwks_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwks"
	"github.com/seed-e36e2130/auth/jwt"
)

// claims are members of a token, or what changes in one; nil removes a claim, and "typ header" is the
// typ of its header.
type claims = map[string]any

// sends returns a token that a platform issues now, with the changes.
func (k testKey) sends(t *testing.T, typ any, all ...claims) string {
	t.Helper()
	now := time.Now().Unix()
	header, payload := claims{"alg": k.alg, "kid": k.kid, "typ": typ}, claims{"iat": now, "nbf": now, "exp": now + 3600}
	for _, c := range all {
		maps.Copy(payload, c)
	}
	if changed, ok := payload["typ header"]; ok {
		header["typ"] = changed
		delete(payload, "typ header")
	}
	for _, m := range []claims{header, payload} {
		maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	}
	return k.sign(t, header, payload)
}

// Tokens of workloads, in the form that the documentation of each platform shows, are accepted over a
// real JWK set, and give a Principal of the kind service. Those of other workloads are refused.
func TestWorkloads(t *testing.T) {
	t.Parallel()
	const audience, github = "https://api.example.com", "https://token.actions.githubusercontent.com"
	kubernetes := func(namespace, name string) claims {
		return claims{
			"sub": "system:serviceaccount:" + namespace + ":" + name,
			"kubernetes.io": claims{
				"namespace": namespace, "node": claims{"name": "n-1", "uid": "646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1"},
				"pod":            claims{"name": "billing-7d4b", "uid": "5e0bd49b-f040-43b0-99b7-22765a53f7f3"},
				"serviceaccount": claims{"name": name, "uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798"},
			},
		}
	}
	// Each platform's configuration is made for a server that publishes its metadata and keys.
	platforms := map[string]struct {
		cfg     func(server string) jwks.Config
		issuer  string // "": the server
		use     string // of the key in the set
		typ     any
		claims  claims
		accept  map[string]claims
		refuse  map[string]claims
		subject string
	}{
		"Kubernetes": {
			cfg: func(server string) jwks.Config {
				return jwks.Kubernetes(server, audience, "prod/billing", "tools/*")
			},
			use: "sig",
			claims: func() claims {
				c := kubernetes("prod", "billing")
				c["aud"], c["jti"] = []string{audience}, "aed34954-b33a-4142-b1ec-389d6bbb4936"
				return c
			}(),
			accept: map[string]claims{
				"another account of a namespace": kubernetes("tools", "anything"),
				"an external signer":             {"typ header": "JWT"},
			},
			refuse: map[string]claims{
				"another account":                kubernetes("prod", "web"),
				"another namespace":              kubernetes("dev", "billing"),
				"a namespace that begins so":     kubernetes("tools-2", "anything"),
				"another audience":               {"aud": []string{"https://kubernetes.default.svc"}},
				"another cluster":                {"iss": "https://oidc.eks.eu-west-1.amazonaws.com/id/OTHER"},
				"sub and kubernetes.io differ":   {"sub": "system:serviceaccount:prod:billing", "kubernetes.io": kubernetes("dev", "evil")["kubernetes.io"]},
				"an ID token of the same issuer": {"kubernetes.io": nil, "sub": "jane", "nonce": "x"},
				"two accounts that may call":     {"kubernetes.io": kubernetes("tools", "x")["kubernetes.io"]},
				"a name with a colon":            kubernetes("tools", "a:b"),
				"in the place of an account":     {"kubernetes.io": nil},
				"from a Secret": {
					"iss": "kubernetes/serviceaccount", "exp": nil, "aud": nil, "kubernetes.io": nil,
					"kubernetes.io/serviceaccount/namespace": "prod", "kubernetes.io/serviceaccount/service-account.name": "billing",
				},
				"without an expiry":         {"exp": nil},
				"more than one colon":       {"sub": "system:serviceaccount:prod:billing:x", "kubernetes.io": kubernetes("prod", "billing:x")["kubernetes.io"]},
				"kubernetes.io as a string": {"kubernetes.io": "prod/billing"},
			},
			subject: "system:serviceaccount:prod:billing",
		},
		"GitHub Actions": {
			cfg: func(server string) jwks.Config {
				cfg := jwks.GitHubActions("octo-org/octo-repo", audience, "refs/heads/main", "refs/tags/*")
				cfg.KeysURL = server + "/keys"
				return cfg
			},
			issuer: github, use: "sig", typ: "JWT",
			claims: claims{
				"jti": "example-id", "sub": "repo:octo-org/octo-repo:ref:refs/heads/main", "aud": audience, "ref": "refs/heads/main", "ref_type": "branch",
				"repository": "octo-org/octo-repo", "repository_owner": "octo-org", "repository_id": "74", "repository_owner_id": "65", "actor": "octocat",
				"actor_id": "12", "head_ref": "", "base_ref": "", "event_name": "push", "workflow": "ci", "run_id": "example-run-id", "runner_environment": "github-hosted",
				"job_workflow_ref": "octo-org/octo-repo/.github/workflows/ci.yml@refs/heads/main", "repository_visibility": "private", "sha": "example-sha",
			},
			accept: map[string]claims{
				"a tag":                       {"ref": "refs/tags/v1.2.3", "ref_type": "tag", "sub": "repo:octo-org/octo-repo:ref:refs/tags/v1.2.3"},
				"the new form of subjects":    {"sub": "repo:octo-org@65/octo-repo@74:ref:refs/heads/main"},
				"started by hand, in prod":    {"event_name": "workflow_dispatch", "environment": "prod", "sub": "repo:octo-org/octo-repo:environment:prod"},
				"a pull request that came in": {"event_name": "merge_group"},
			},
			refuse: map[string]claims{
				"a pull request":                   {"event_name": "pull_request", "ref": "refs/pull/7/merge", "head_ref": "evil", "base_ref": "main", "sub": "repo:octo-org/octo-repo:pull_request"},
				"a pull request that names main":   {"event_name": "pull_request", "sub": "repo:octo-org/octo-repo:pull_request"},
				"of a fork, by its owner":          {"repository": "evil-org/octo-repo", "repository_owner": "evil-org", "sub": "repo:evil-org/octo-repo:ref:refs/heads/main"},
				"of a fork, pull_request_target":   {"event_name": "pull_request_target", "head_ref": "evil", "base_ref": "main"},
				"another repository of the owner":  {"repository": "octo-org/octo-repo-2"},
				"a repository with the sub of our": {"repository": "evil-org/x", "sub": "repo:octo-org/octo-repo:ref:refs/heads/main"},
				"another branch":                   {"ref": "refs/heads/evil"},
				"a branch that begins so":          {"ref": "refs/heads/main-2"},
				"a branch named as a tag":          {"ref": "refs/heads/refs/tags/v1"},
				"all tags at once":                 {"ref": "refs/tags/"},
				"for somebody else":                {"aud": "https://github.com/octo-org"},
				"of another issuer":                {"iss": "https://gitlab.com"},
				"an ID token":                      {"repository": nil, "ref": nil, "event_name": nil, "sub": "octocat", "nonce": "x"},
				"no event":                         {"event_name": nil},
			},
			subject: "repo:octo-org/octo-repo:ref:refs/heads/main",
		},
		"GitLab CI": {
			cfg: func(server string) jwks.Config {
				return jwks.GitLabCI(server+"/", "my-group/my-project", audience)
			},
			use: "sig", typ: "JWT",
			claims: claims{
				"namespace_id": "72", "namespace_path": "my-group", "project_id": "20", "project_path": "my-group/my-project", "user_id": "1",
				"user_login": "sample-user", "user_email": "sample-user@example.com", "pipeline_id": "574", "pipeline_source": "push", "job_id": "302",
				"ref": "main", "ref_type": "branch", "ref_path": "refs/heads/main", "ref_protected": "true", "runner_id": 1, "runner_environment": "gitlab-hosted",
				"sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b", "aud": audience,
				"sub": "project_path:my-group/my-project:ref_type:branch:ref:main", "user_identities": []claims{{"provider": "github", "extern_uid": "2435223452345"}},
			},
			accept: map[string]claims{
				"a protected tag":    {"ref": "v1", "ref_type": "tag", "ref_path": "refs/tags/v1"},
				"several audiences":  {"aud": []string{audience, "https://vault.example.com"}},
				"started by a clock": {"pipeline_source": "schedule"},
			},
			refuse: map[string]claims{
				"a branch that is not protected":   {"ref_protected": "false", "ref": "evil", "ref_path": "refs/heads/evil"},
				"a merge request of a fork":        {"project_path": "evil/my-project", "pipeline_source": "merge_request_event", "job_project_path": "my-group/my-project"},
				"that run as the project's":        {"pipeline_source": "merge_request_event"},
				"another project":                  {"project_path": "my-group/other"},
				"a project below it":               {"project_path": "my-group/my-project/x"},
				"another audience":                 {"aud": "https://vault.example.com"},
				"the audience nobody asked for":    {"aud": nil},
				"another instance":                 {"iss": "https://gitlab.com"},
				"an ID token":                      {"project_path": nil, "ref_protected": nil, "ref_path": nil, "pipeline_source": nil, "sub": "1", "auth_time": 1, "sub_legacy": "x", "nonce": "y"},
				"ref_protected that is no text":    {"ref_protected": true},
				"an older token, without ref_path": {"ref_path": nil},
			},
			subject: "project_path:my-group/my-project:ref_type:branch:ref:main",
		},
		"SPIFFE": {
			cfg: func(server string) jwks.Config {
				return jwks.SPIFFE("example.org", server+"/keys", "spiffe://example.org/reports", "spiffe://example.org/ns/prod/*", "spiffe://example.org/web")
			},
			use:    "jwt-svid",
			claims: claims{"iss": nil, "aud": []string{"spiffe://example.org/reports"}, "sub": "spiffe://example.org/ns/prod/sa/billing"},
			accept: map[string]claims{
				"another workload": {"sub": "spiffe://example.org/web"},
				"with an issuer":   {"iss": "https://oidc.example.org"},
				"typ JWT":          {"typ header": "JWT"},
				"typ JOSE":         {"typ header": "JOSE"},
				"one audience":     {"aud": "spiffe://example.org/reports"},
			},
			refuse: map[string]claims{
				"another trust domain":              {"sub": "spiffe://example.com/ns/prod/sa/billing"},
				"a trust domain that begins so":     {"sub": "spiffe://example.org.evil.test/ns/prod/sa/billing"},
				"a trust domain below it":           {"sub": "spiffe://dev.example.org/ns/prod/sa/billing"},
				"another workload":                  {"sub": "spiffe://example.org/ns/dev/sa/billing"},
				"the trust domain itself":           {"sub": "spiffe://example.org"},
				"and a slash":                       {"sub": "spiffe://example.org/"},
				"a port":                            {"sub": "spiffe://example.org:443/ns/prod/sa/billing"},
				"a user":                            {"sub": "spiffe://evil@example.org/ns/prod/sa/billing"},
				"two dots":                          {"sub": "spiffe://example.org/ns/prod/../dev"},
				"an escape":                         {"sub": "spiffe://example.org/ns/prod/%2e%2e/dev"},
				"a query":                           {"sub": "spiffe://example.org/ns/prod/a?b"},
				"a segment that is empty":           {"sub": "spiffe://example.org/ns/prod//a"},
				"capitals":                          {"sub": "SPIFFE://EXAMPLE.ORG/ns/prod/sa/billing"},
				"another audience":                  {"aud": []string{"spiffe://example.org/payments"}},
				"no audience":                       {"aud": nil},
				"no expiry":                         {"exp": nil},
				"an ID token":                       {"sub": "jane", "iss": "https://id.example.com", "nonce": "x"},
				"an access token":                   {"typ header": "at+jwt"},
				"a subject that is no URL":          {"sub": "ns/prod/sa/billing"},
				"longer than the standard's bounds": {"sub": "spiffe://example.org/ns/prod/" + strings.Repeat("a", 2048)},
			},
			subject: "spiffe://example.org/ns/prod/sa/billing",
		},
	}
	for name, platform := range platforms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := newKey(t, "RS256", "kid-1")
			if platform.use == "jwt-svid" {
				key = newKey(t, "ES256", "kid-1") // SPIRE's default
			}
			set := setOf(t, key.jwk(claims{"use": platform.use, "alg": nil}), newKey(t, "ES256", "kid-2").jwk(claims{"use": "x509-svid", "x5c": []string{"MIIC"}}))
			i := newIssuer(t, "")
			server := httptest.NewServer(i)
			t.Cleanup(server.Close)
			i.answerMetadata(answer(string(marshal(t, claims{"issuer": server.URL, "jwks_uri": server.URL + "/keys"}))))
			i.answerSet(answer(set))
			v, err := jwks.New(platform.cfg(server.URL))
			if err != nil {
				t.Fatal(err)
			}
			base := claims{"iss": server.URL}
			if platform.issuer != "" {
				base["iss"] = platform.issuer
			}
			token := func(change claims) string { return key.sends(t, platform.typ, base, platform.claims, change) }
			p := accepted(t, v, token(nil))
			if p.Subject() != platform.subject || p.Kind() != jwt.KindService || p.Claims().Kind != jwt.KindService {
				t.Errorf("the token reads as %+v, of the kind %q", p.Claims(), p.Kind())
			}
			for name, change := range platform.accept {
				if _, err := v.Verify(t.Context(), token(change)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			for name, change := range platform.refuse {
				refused := token(change)
				for range 2 { // what was refused once is refused again
					if p, err := v.Verify(t.Context(), refused); !errors.Is(err, auth.ErrInvalidToken) {
						t.Errorf("%s: got %v, %v, want ErrInvalidToken", name, p, err)
					}
				}
			}
			if p, err := v.Verify(t.Context(), token(claims{"sub_profile": ""})); err != nil || p.Kind() != jwt.KindService {
				t.Errorf("a token that says it is a person's: got the kind %q, %v", p.Kind(), err)
			}
		})
	}
}

// What the functions for workloads refuse by default is accepted where the host says so.
func TestWorkloadSettings(t *testing.T) {
	t.Parallel()
	key := newKey(t, "EdDSA", "1")
	server := httptest.NewServer(answer(setOf(t, key.jwk())))
	t.Cleanup(server.Close)
	github := claims{"iss": "https://token.actions.githubusercontent.com", "aud": "a", "sub": "repo:o/r:pull_request", "repository": "o/r", "ref": "refs/heads/x", "event_name": "push"}
	gitlab := claims{"iss": "https://gitlab.com", "aud": "a", "sub": "x", "project_path": "g/p", "ref_path": "refs/heads/x", "ref_protected": "false", "pipeline_source": "push"}
	with := func(base, change claims) claims {
		all := maps.Clone(base)
		maps.Copy(all, change)
		return all
	}
	for name, row := range map[string]struct {
		cfg    jwks.Config
		change func(*jwks.Config)
		claims claims
		want   bool
	}{
		"GitHub, any branch":                       {cfg: jwks.GitHubActions("o/r", "a"), claims: github, want: true},
		"GitHub, no pull request":                  {cfg: jwks.GitHubActions("o/r", "a"), claims: with(github, claims{"ref": "refs/pull/1/merge", "event_name": "pull_request"})},
		"GitHub, named pull requests":              {cfg: jwks.GitHubActions("o/r", "a", "refs/pull/*"), claims: with(github, claims{"ref": "refs/pull/1/merge", "event_name": "pull_request"}), want: true},
		"GitHub, never pull_request_target":        {cfg: jwks.GitHubActions("o/r", "a", "refs/pull/*"), claims: with(github, claims{"ref": "refs/pull/1/merge", "event_name": "pull_request_target"})},
		"GitLab, protected":                        {cfg: jwks.GitLabCI("https://gitlab.com", "g/p", "a"), claims: gitlab},
		"GitLab, any branch":                       {cfg: jwks.GitLabCI("https://gitlab.com", "g/p", "a"), change: func(c *jwks.Config) { delete(c.Tokens.RequiredClaims, "ref_protected") }, claims: gitlab, want: true},
		"GitLab, another ref":                      {cfg: jwks.GitLabCI("https://gitlab.com", "g/p", "a", "refs/heads/main"), claims: with(gitlab, claims{"ref_protected": "true"})},
		"GitLab, this ref":                         {cfg: jwks.GitLabCI("https://gitlab.com", "g/p", "a", "refs/heads/*"), claims: with(gitlab, claims{"ref_protected": "true"}), want: true},
		"GitLab, merge requests":                   {cfg: jwks.GitLabCI("https://gitlab.com", "g/p", "a"), change: func(c *jwks.Config) { c.Tokens.RequiredClaims["pipeline_source"] = "merge_request_event" }, claims: with(gitlab, claims{"ref_protected": "true", "pipeline_source": "merge_request_event"}), want: true},
		"GitLab, merge requests, and no other job": {cfg: jwks.GitLabCI("https://gitlab.com", "g/p", "a"), change: func(c *jwks.Config) { c.Tokens.RequiredClaims["pipeline_source"] = "merge_request_event" }, claims: with(gitlab, claims{"ref_protected": "true"})},
	} {
		row.cfg.KeysURL = server.URL
		if row.change != nil {
			row.change(&row.cfg)
		}
		var asked atomic.Int32
		row.cfg.Tokens.Check = func(context.Context, *jwt.Principal) error { asked.Add(1); return nil }
		v, err := jwks.New(row.cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), key.sends(t, "JWT", row.claims)); (err == nil) != row.want {
			t.Errorf("%s: got %v", name, err)
		}
		if (asked.Load() == 1) != row.want {
			t.Errorf("%s: Check of the host was called %d times", name, asked.Load())
		}
	}
}

// The keys of a bundle verify JWT-SVIDs only if they are for them, a token of another trust domain
// causes no request, and an iss is demanded where the host names one.
func TestSPIFFEBundle(t *testing.T) {
	t.Parallel()
	svid, certificates, ed := newKey(t, "ES256", "svid"), newKey(t, "ES256", "x509"), newKey(t, "EdDSA", "ed")
	i := newIssuer(t, "")
	i.answerSet(answer(setOf(t, svid.jwk(claims{"use": "jwt-svid", "alg": nil}), certificates.jwk(claims{"use": "x509-svid", "alg": nil}), ed.jwk(claims{"use": "jwt-svid"}))))
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	cfg := jwks.SPIFFE("example.org", server.URL, "reports")
	cfg.Cooldown = 10 * time.Minute
	v, err := jwks.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ours := claims{"aud": "reports", "sub": "spiffe://example.org/web"}
	for range 3 {
		if p, err := v.Verify(t.Context(), svid.sends(t, nil, ours, claims{"sub": "spiffe://evil.test/web"})); !errors.Is(err, auth.ErrInvalidToken) || i.requests() != 0 {
			t.Errorf("another trust domain: got %v, %v after %d requests, want ErrInvalidToken after none", p, err, i.requests())
		}
	}
	accepted(t, v, svid.sends(t, nil, ours))
	for name, key := range map[string]testKey{"a key for X.509": certificates, "a key for EdDSA": ed} {
		if p, err := v.Verify(t.Context(), key.sends(t, nil, ours)); !errors.Is(err, auth.ErrUnknownKey) {
			t.Errorf("%s: got %v, %v, want ErrUnknownKey", name, p, err)
		}
	}
	cfg.Tokens.Issuer = "https://oidc.example.org"
	if v, err = jwks.New(cfg); err != nil || v.Issuer() != cfg.Tokens.Issuer {
		t.Fatalf("with an issuer: %v, %q", err, v.Issuer())
	}
	accepted(t, v, svid.sends(t, nil, ours, claims{"iss": cfg.Tokens.Issuer}))
	if p, err := v.Verify(t.Context(), svid.sends(t, nil, ours, claims{"iss": cfg.Tokens.Issuer, "sub": "spiffe://evil.test/web"})); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("with the issuer, another trust domain: got %v, %v, want ErrInvalidToken", p, err)
	}
	if p, err := v.Verify(t.Context(), svid.sends(t, nil, ours)); !errors.Is(err, auth.ErrInvalidToken) {
		t.Errorf("without the issuer: got %v, %v, want ErrInvalidToken", p, err)
	}

	only := newIssuer(t, "")
	only.answerSet(answer(setOf(t, ed.jwk(claims{"use": nil}))))
	none := jwks.SPIFFE("example.org", "https://example.org/bundle", "reports")
	none.Transport = only
	if v, err = jwks.New(none); err != nil {
		t.Fatal(err)
	}
	if p, err := v.Verify(t.Context(), ed.sends(t, nil, ours)); !errors.Is(err, jwt.ErrKeysUnavailable) {
		t.Errorf("a bundle with a key for EdDSA alone: got %v, %v, want ErrKeysUnavailable", p, err)
	}
}

// A cluster shows its keys to service accounts alone, over TLS with a certificate of its own.
func TestClusterTransport(t *testing.T) {
	t.Parallel()
	key := newKey(t, "RS256", "1")
	var requests, tokens atomic.Int32
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.URL.Path != "/openid/v1/jwks" || r.Header.Get("Authorization") != "Bearer pod-token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(setOf(t, key.jwk())))
	}))
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	const issuer = "https://kubernetes.default.svc.cluster.local"
	token := key.sends(t, nil, claims{
		"iss": issuer, "aud": []string{"api"}, "sub": "system:serviceaccount:prod:billing",
		"kubernetes.io": claims{"namespace": "prod", "serviceaccount": claims{"name": "billing", "uid": "x"}},
	})
	verifier := func(transport http.RoundTripper) *jwks.Verifier {
		cfg := jwks.Kubernetes(issuer, "api", "prod/*")
		cfg.KeysURL, cfg.Transport = server.URL+"/openid/v1/jwks", transport
		v, err := jwks.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	inPod, err := jwks.ClusterTransport(ca, func() (string, error) { tokens.Add(1); return "pod-token\n", nil })
	if err != nil {
		t.Fatal(err)
	}
	if p := accepted(t, verifier(inPod), token); p.Subject() != "system:serviceaccount:prod:billing" {
		t.Errorf("the token speaks for %s", p.Subject())
	}
	failing := errors.New("no such file")
	unread, err := jwks.ClusterTransport(ca, func() (string, error) { return "", failing })
	if err != nil {
		t.Fatal(err)
	}
	other, err := jwks.ClusterTransport(newCA(t), func() (string, error) { tokens.Add(1); return "pod-token", nil })
	if err != nil {
		t.Fatal(err)
	}
	before := requests.Load()
	for name, transport := range map[string]http.RoundTripper{"no certificate": nil, "a token that cannot be read": unread, "another authority": other} {
		if p, err := verifier(transport).Verify(t.Context(), token); !errors.Is(err, jwt.ErrKeysUnavailable) || requests.Load() != before {
			t.Errorf("%s: got %v, %v after %d requests, want ErrKeysUnavailable after none", name, p, err, requests.Load()-before)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/keys", nil)
	if err != nil {
		t.Fatal(err)
	}
	tokens.Store(0)
	if _, err := inPod.RoundTrip(r); err == nil || tokens.Load() != 0 {
		t.Errorf("without TLS: got %v after the token was read %d times", err, tokens.Load())
	}
	for name, make := range map[string]func() (http.RoundTripper, error){
		"no certificates": func() (http.RoundTripper, error) {
			return jwks.ClusterTransport([]byte("x"), func() (string, error) { return "", nil })
		},
		"no token": func() (http.RoundTripper, error) { return jwks.ClusterTransport(ca, nil) },
	} {
		if _, err := make(); err == nil || !strings.Contains(err.Error(), "jwks.ClusterTransport") {
			t.Errorf("%s: got %v, want a fault", name, err)
		}
	}
}

// A parameter that cannot be right is a fault that names the function.
func TestWorkloadFaults(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		cfg  jwks.Config
		want string // in the error; "": there is none
	}{
		"Kubernetes":                    {jwks.Kubernetes("https://kubernetes.default.svc.cluster.local", "a", "prod/*"), ""},
		"Kubernetes, everybody":         {jwks.Kubernetes("https://kubernetes.default.svc.cluster.local", "a"), "jwks.Kubernetes"},
		"Kubernetes, any namespace":     {jwks.Kubernetes("https://kubernetes.default.svc.cluster.local", "a", "*/*"), "jwks.Kubernetes"},
		"Kubernetes, a subject":         {jwks.Kubernetes("https://kubernetes.default.svc.cluster.local", "a", "system:serviceaccount:prod:x"), "jwks.Kubernetes"},
		"Kubernetes, no audience":       {jwks.Kubernetes("https://kubernetes.default.svc.cluster.local", "", "prod/*"), "Audience"},
		"Kubernetes, no URL":            {jwks.Kubernetes("kubernetes/serviceaccount", "a", "prod/*"), "Tokens.Issuer"},
		"GitHub, no audience":           {jwks.GitHubActions("o/r", ""), "Audience"},
		"GitHub, a branch's name":       {jwks.GitHubActions("o/r", "a", "main"), "jwks.GitHubActions"},
		"GitHub, a star":                {jwks.GitHubActions("o/r", "a", "refs/heads/main*"), "jwks.GitHubActions"},
		"GitHub, all refs":              {jwks.GitHubActions("o/r", "a", "refs/heads/"), "jwks.GitHubActions"},
		"GitLab":                        {jwks.GitLabCI("https://gitlab.com", "g/s/p", "a", "refs/heads/main"), ""},
		"GitLab, no audience":           {jwks.GitLabCI("https://gitlab.com", "g/p", ""), "Audience"},
		"GitLab, everybody":             {jwks.GitLabCI("https://gitlab.com", "", "a"), "jwks.GitLabCI"},
		"GitLab, a group":               {jwks.GitLabCI("https://gitlab.com", "g", "a"), "jwks.GitLabCI"},
		"GitLab, a URL":                 {jwks.GitLabCI("https://gitlab.com", "https://gitlab.com/g/p", "a"), "jwks.GitLabCI"},
		"GitLab, a branch's name":       {jwks.GitLabCI("https://gitlab.com", "g/p", "a", "main"), "jwks.GitLabCI"},
		"SPIFFE":                        {jwks.SPIFFE("example.org", "https://example.org/keys", "a"), ""},
		"SPIFFE, no audience":           {jwks.SPIFFE("example.org", "https://example.org/keys", ""), "Audience"},
		"SPIFFE, no domain":             {jwks.SPIFFE("", "https://example.org/keys", "a"), "jwks.SPIFFE"},
		"SPIFFE, an ID":                 {jwks.SPIFFE("spiffe://example.org", "https://example.org/keys", "a"), "jwks.SPIFFE"},
		"SPIFFE, no bundle":             {jwks.SPIFFE("example.org", "", "a"), "jwks.SPIFFE"},
		"SPIFFE, a bundle without TLS":  {jwks.SPIFFE("example.org", "http://example.org/keys", "a"), "KeysURL"},
		"SPIFFE, IDs of another domain": {jwks.SPIFFE("example.org", "https://example.org/keys", "a", "spiffe://example.com/x"), "jwks.SPIFFE"},
		"SPIFFE, a star":                {jwks.SPIFFE("example.org", "https://example.org/keys", "a", "spiffe://example.org/x*"), "jwks.SPIFFE"},
		"SPIFFE, every ID":              {jwks.SPIFFE("example.org", "https://example.org/keys", "a", "spiffe://example.org/*"), "jwks.SPIFFE"},
	} {
		_, err := jwks.New(row.cfg)
		switch _, isFault := errors.AsType[*auth.ConfigError](err); {
		case row.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case row.want != "" && (!isFault || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%s: got %v, want a ConfigError that holds %s", name, err, row.want)
		}
	}
}

// newCA returns the certificate of an authority that has issued none.
func newCA(t *testing.T) []byte {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
