package oauth_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/oauth"
	"github.com/seed-e36e2130/auth/secrets"
)

const (
	issuer   = "https://auth.example"
	notes    = issuer + "/mcp"
	files    = issuer + "/files"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	callback = "https://app.example/cb"
	secret   = "s3cret+of/confidential:app%20=="
	password = "correct horse battery staple"
)

// world is what replicas share.
type world struct {
	t      *testing.T
	store  *memstore.Store
	keys   *jwt.KeyRing
	ring   *secrets.Ring
	mu     sync.Mutex
	events []auth.EventKind
	change func(*oauth.Config)
}

func newWorld(t *testing.T, change func(*oauth.Config)) *world {
	t.Helper()
	return &world{
		t: t, store: memstore.New(), keys: testkit.RingOf(t, testkit.Generated(t, jwt.ES256)), ring: testkit.Secrets(t), change: change,
	}
}

// replica is one server, with its accounts.
type replica struct {
	*world
	accounts *auth.Authenticator
	issuer   *jwt.Issuer
	server   *oauth.Server
	mux      *http.ServeMux
}

func (w *world) replica() *replica {
	w.t.Helper()
	r := &replica{world: w, mux: http.NewServeMux()}
	var err error
	if r.issuer, err = jwt.NewIssuer(jwt.IssuerConfig{Issuer: issuer, Audience: issuer, Resources: []string{notes, files}, Keys: w.keys}); err != nil {
		w.t.Fatal(err)
	}
	r.accounts, err = auth.New(w.store, r.issuer, auth.Config{
		Hasher: testkit.LowCostBcrypt(4), Sessions: w.store, RefreshKeys: w.ring, Records: w.store, Accounts: w.store,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	cfg := r.config()
	if w.change != nil {
		w.change(&cfg)
	}
	if r.server, err = oauth.New(r.accounts, cfg); err != nil {
		w.t.Fatal(err)
	}
	if err := r.server.Mount(r.mux); err != nil {
		w.t.Fatal(err)
	}
	return r
}

func newServer(t *testing.T, change func(*oauth.Config)) *replica {
	t.Helper()
	return newWorld(t, change).replica()
}

func (r *replica) config() oauth.Config {
	return oauth.Config{
		Issuer: issuer, Tokens: r.issuer, Keys: r.keys, Records: r.store, Sessions: r.store, Secrets: r.ring,
		Resources: []oauth.Resource{
			{URL: notes, Name: "Notes", Scopes: []oauth.Scope{{Name: "notes:read", Text: "Read your notes"}, {Name: "notes:write", Text: "Change your notes"}}},
			{URL: files, Name: "Files", Scopes: []oauth.Scope{{Name: "files:read", Text: "Read your files"}}},
		},
		LoginURL: "/login",
		User: func(req *http.Request) (*auth.Principal, error) {
			cookie, err := req.Cookie("login")
			if err != nil {
				return nil, auth.ErrNoCredentials
			}
			return r.issuer.Verify(req.Context(), cookie.Value)
		},
		Clients: []oauth.Client{
			{ID: "web", Name: "Web App", RedirectURIs: []string{callback}},
			{ID: "other", RedirectURIs: []string{"https://other.example/cb"}},
			{ID: "native", Name: "Native App", RedirectURIs: []string{"http://127.0.0.1/cb", "http://localhost/cb", "cursor://host.app/cb"}},
			{ID: "secret", Name: "Secret App", RedirectURIs: []string{callback, callback + "/second"}, Secret: secret},
			{ID: "post", RedirectURIs: []string{callback}, Secret: secret, AuthMethod: "client_secret_post", AlwaysAsk: true, Scopes: []string{"notes:read"}},
			{ID: "api", RedirectURIs: []string{callback}, Secret: secret, Introspects: notes},
		},
		ClientIP: func(req *http.Request) netip.Addr {
			ip, err := netip.ParseAddr(req.Header.Get("Test-Ip"))
			if err != nil {
				return netip.MustParseAddr("192.0.2.1")
			}
			return ip
		},
		Events: func(_ context.Context, e auth.Event) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.events = append(r.events, e.Kind)
		},
	}
}

func (w *world) saw(kind auth.EventKind) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.events, kind)
}

// do sends a request with headers, given as names and values.
func (r *replica) do(method, target, body string, headers ...string) *http.Response {
	r.t.Helper()
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	r.mux.ServeHTTP(w, req)
	return w.Result()
}

func text(t *testing.T, resp *http.Response) string {
	t.Helper()
	var b strings.Builder
	if err := resp.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// user registers an account and returns its ID.
func (r *replica) user(name string) string {
	r.t.Helper()
	u, err := r.accounts.Register(r.t.Context(), name, password)
	if err != nil {
		r.t.Fatal(err)
	}
	return u.ID
}

// login returns the cookie of a browser in which the user has logged in.
func (r *replica) login(name string) string {
	r.t.Helper()
	tokens, err := r.accounts.Login(r.t.Context(), name, password)
	if err != nil {
		r.t.Fatal(err)
	}
	return "login=" + tokens.AccessToken
}

// query returns an authorization request of the client web, with changes as names and values. A value of
// "-" leaves the parameter out.
func query(changes ...string) string {
	sum := sha256.Sum256([]byte(verifier))
	v := url.Values{
		"response_type": {"code"}, "client_id": {"web"}, "redirect_uri": {callback}, "scope": {"notes:read"}, "state": {"a state"},
		"resource": {notes}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(changes); i += 2 {
		if changes[i+1] == "-" {
			v.Del(changes[i])
		} else {
			v.Set(changes[i], changes[i+1])
		}
	}
	return v.Encode()
}

var hidden = regexp.MustCompile(`name="request" value="([^"]+)"`)

// ask opens the page that asks, and returns what is hidden in its form.
func (r *replica) ask(cookie string, changes ...string) string {
	r.t.Helper()
	resp := r.do("GET", "/authorize?"+query(changes...), "", "Cookie", cookie)
	found := hidden.FindStringSubmatch(text(r.t, resp))
	if resp.StatusCode != http.StatusOK || found == nil {
		r.t.Fatalf("authorize: %d %s, want the page that asks", resp.StatusCode, resp.Header.Get("Location"))
	}
	return html.UnescapeString(found[1])
}

// decide answers a page.
func (r *replica) decide(cookie, request, decision string, headers ...string) *http.Response {
	r.t.Helper()
	headers = append([]string{"Cookie", cookie, "Origin", issuer, "Sec-Fetch-Site", "same-origin"}, headers...)
	return r.do("POST", "/authorize/decision", url.Values{"request": {request}, "decision": {decision}}.Encode(), headers...)
}

// code returns the code of an answer.
func (r *replica) code(resp *http.Response) string {
	r.t.Helper()
	to, err := resp.Location()
	if err != nil || to.Query().Get("code") == "" {
		r.t.Fatalf("the answer is %d %s, want a code", resp.StatusCode, resp.Header.Get("Location"))
	}
	return to.Query().Get("code")
}

// authorize returns the code of a request that the user allows.
func (r *replica) authorize(cookie string, changes ...string) string {
	r.t.Helper()
	return r.code(r.decide(cookie, r.ask(cookie, changes...), "allow"))
}

// answer is what the token endpoint has answered.
type answer struct {
	Status  int
	Header  http.Header
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	Type    string `json:"token_type"`
	Expires int64  `json:"expires_in"`
	Scope   string
	Issued  string `json:"issued_token_type"`
	Error   string
}

// token calls the token endpoint with a form, given as names and values.
func (r *replica) token(parameters ...string) answer {
	r.t.Helper()
	return r.tokenWith(nil, parameters...)
}

func (r *replica) tokenWith(headers []string, parameters ...string) answer {
	r.t.Helper()
	v := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		v.Add(parameters[i], parameters[i+1])
	}
	resp := r.do("POST", "/token", v.Encode(), headers...)
	a := answer{Status: resp.StatusCode, Header: resp.Header}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		r.t.Fatalf("the answer of the token endpoint is no JSON: %v", err)
	}
	return a
}

// redeem exchanges a code of the client web, with further parameters.
func (r *replica) redeem(code string, more ...string) answer {
	r.t.Helper()
	if !slices.Contains(more, "client_id") {
		more = append(more, "client_id", "web")
	}
	return r.token(append([]string{"grant_type", "authorization_code", "code", code, "code_verifier", verifier}, more...)...)
}

// refresh uses a refresh token of the client web.
func (r *replica) refresh(token string, more ...string) answer {
	r.t.Helper()
	if !slices.Contains(more, "client_id") {
		more = append(more, "client_id", "web")
	}
	return r.token(append([]string{"grant_type", "refresh_token", "refresh_token", token}, more...)...)
}

// flow logs the client web in.
func (r *replica) flow(cookie string, changes ...string) answer {
	r.t.Helper()
	a := r.redeem(r.authorize(cookie, changes...))
	if a.Status != http.StatusOK {
		r.t.Fatalf("the token endpoint answered %d %s", a.Status, a.Error)
	}
	return a
}

// verify returns the claims of an access token for a resource.
func (r *replica) verify(token, resource string) (auth.Claims, error) {
	r.t.Helper()
	v, err := r.issuer.VerifierFor(resource)
	if err != nil {
		r.t.Fatal(err)
	}
	p, err := v.Verify(r.t.Context(), token)
	if err != nil {
		return auth.Claims{}, err
	}
	return p.Claims(), nil
}

// ended reports whether the store has revoked the session of an access token.
func (r *replica) ended(token string) bool {
	r.t.Helper()
	c, err := r.verify(token, notes)
	if err != nil {
		r.t.Fatal(err)
	}
	found := false
	if _, err := r.store.RevokedSince(r.t.Context(), "", func(rev auth.Revocation) { found = found || rev.SessionID == c.SessionID }); err != nil {
		r.t.Fatal(err)
	}
	return found
}
