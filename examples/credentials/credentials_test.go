// Package credentials shows that one handler serves every kind of caller: it knows a [auth.Principal], and
// nothing of how the caller proved who they are. The test writes the table of docs/credentials.md:
//
//	go test ./examples/credentials -update
package credentials_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/apikey"
	"github.com/seed-e36e2130/auth/jwt"
)

var update = flag.Bool("update", false, "write the table into docs/credentials.md")

const (
	tableBegin = "<!-- The table is written by go test ./examples/credentials -update -->\n"
	tableEnd   = "<!-- The end of the table -->\n"
)

// row is one way to prove who calls.
type row struct {
	title string
	get   func(s *service) (credential string, names map[string]string, end func() error)
	ends  string // what end does, in words
}

var rows = []row{
	{"Login with a password", func(s *service) (string, map[string]string, func() error) {
		in := s.login("ada")
		return in.AccessToken, userOf(in.Principal), func() error {
			return s.accounts.EndSession(s.t.Context(), in.Principal.Subject(), in.Principal.SessionID())
		}
	}, "the session ends"},
	{"The same, refreshed", func(s *service) (string, map[string]string, func() error) {
		in := must(s.accounts.Refresh(s.t.Context(), s.login("ada").RefreshToken))
		return in.AccessToken, userOf(in.Principal), func() error { return s.accounts.Logout(s.t.Context(), in.RefreshToken) }
	}, "the user logs out"},
	{"Login with a second factor", func(s *service) (string, map[string]string, func() error) {
		code := s.enrol(s.login("ada").Principal)
		_, err := s.accounts.Login(s.t.Context(), "ada", "correct horse battery")
		required, ok := errors.AsType[*auth.MFARequiredError](err)
		if !ok {
			s.t.Fatalf("login with a second factor: %v", err)
		}
		in := must(s.accounts.LoginMFA(s.t.Context(), required.Token, code))
		return in.AccessToken, userOf(in.Principal), func() error { return s.accounts.Disable(s.t.Context(), in.Principal.Subject()) }
	}, "the account is disabled"},
	{"API key", func(s *service) (string, map[string]string, func() error) {
		in := s.login("ada")
		key, secret, err := s.keys.Create(s.t.Context(), in.Principal, apikey.Spec{Name: "deploy", Scopes: []string{read}})
		if err != nil {
			s.t.Fatal(err)
		}
		return string(secret), userOf(in.Principal), func() error { return s.keys.Delete(s.t.Context(), in.Principal.Subject(), key.ID) }
	}, "the key is deleted"},
	{"API key, rolled", func(s *service) (string, map[string]string, func() error) {
		in := s.login("ada")
		key, _, err := s.keys.Create(s.t.Context(), in.Principal, apikey.Spec{Name: "deploy", Scopes: []string{read}})
		if err != nil {
			s.t.Fatal(err)
		}
		_, secret, err := s.keys.Roll(s.t.Context(), in.Principal, key.ID, time.Hour)
		if err != nil {
			s.t.Fatal(err)
		}
		return string(secret), userOf(in.Principal), func() error {
			_, _, err := s.keys.Roll(s.t.Context(), in.Principal, key.ID, 0)
			return err
		}
	}, "the key is rolled again"},
	{"Token of another issuer", func(s *service) (string, map[string]string, func() error) {
		claims := map[string]any{"sub": "partner-7", "aud": audience, "client_id": "partner-app", "scope": read}
		return s.partner.token(s.t, "at+jwt", time.Minute, claims), nil, nil
	}, "it expires"},
	{"Token of a Kubernetes service account", func(s *service) (string, map[string]string, func() error) {
		account := map[string]any{"namespace": "prod", "serviceaccount": map[string]any{"name": "billing"}}
		claims := map[string]any{"sub": "system:serviceaccount:prod:billing", "aud": []string{audience}, "kubernetes.io": account}
		return s.cluster.token(s.t, "", time.Minute, claims), nil, nil
	}, "it expires"},
	{"Token of a user's agent", func(s *service) (string, map[string]string, func() error) {
		in := s.login("ada")
		agent := must(s.accounts.Delegate(s.t.Context(), in.Principal, jwt.Delegation{Actor: "agent-7", Scopes: []string{read}}))
		return agent.AccessToken, userOf(in.Principal), func() error {
			return s.accounts.EndSessions(s.t.Context(), in.Principal.Subject(), "")
		}
	}, "the user logs out everywhere"},
	{"App that logged in by OAuth, such as an MCP client", func(s *service) (string, map[string]string, func() error) {
		in := s.login("ada")
		token := s.authorize(in.Principal)
		grants, err := s.oauth.Grants(s.t.Context(), in.Principal.Subject())
		if err != nil || len(grants) != 1 {
			s.t.Fatalf("%d grants, %v", len(grants), err)
		}
		names := userOf(in.Principal)
		names[grants[0].ID] = "the grant"
		return token, names, func() error { return s.oauth.EndGrant(s.t.Context(), in.Principal.Subject(), grants[0].ID) }
	}, "the user disconnects the app"},
}

// userOf names what is different in each run.
func userOf(p *auth.Principal) map[string]string {
	return map[string]string{p.Subject(): "the user", p.SessionID(): "the login"}
}

// authorize lets an app log in: the request, the page that asks the user, and the exchange of the code.
func (s *service) authorize(user *auth.Principal) (token string) {
	s.t.Helper()
	s.browser = user
	mux := http.NewServeMux()
	if err := s.oauth.Mount(mux); err != nil {
		s.t.Fatal(err)
	}
	send := func(method, target, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(s.t.Context(), method, issuer+target, strings.NewReader(body))
		if method == "POST" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", issuer)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w
	}
	const verifier, redirect = "a verifier of PKCE that has at least 43 characters", "http://127.0.0.1:50007/callback"
	plain := strings.ReplaceAll(verifier, " ", "-")
	sum := sha256.Sum256([]byte(plain))
	page := send("GET", "/authorize?"+url.Values{
		"response_type": {"code"}, "client_id": {"agent-app"}, "redirect_uri": {redirect}, "scope": {read}, "resource": {audience},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}, "state": {"s"},
	}.Encode(), "")
	form := url.Values{"decision": {"allow"}}
	for _, field := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`).FindAllStringSubmatch(page.Body.String(), -1) {
		form.Set(field[1], field[2])
	}
	action := regexp.MustCompile(`action="([^"]*)"`).FindStringSubmatch(page.Body.String())
	if page.Code != 200 || action == nil {
		s.t.Fatalf("the page that asks: %d %s", page.Code, page.Body)
	}
	decided := send("POST", action[1], form.Encode())
	back, err := url.Parse(decided.Header().Get("Location"))
	if err != nil || !strings.HasPrefix(back.String(), redirect) {
		s.t.Fatalf("the decision: %d %s", decided.Code, decided.Header().Get("Location"))
	}
	exchanged := send("POST", "/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"agent-app"}, "redirect_uri": {redirect},
		"code": {back.Query().Get("code")}, "code_verifier": {plain},
	}.Encode())
	var tokens struct {
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(exchanged.Body.Bytes(), &tokens); err != nil || tokens.Access == "" {
		s.t.Fatalf("the exchange: %d %s", exchanged.Code, exchanged.Body)
	}
	return tokens.Access
}

// TestCredentials calls the one handler with each credential, ends it, and calls again. It holds the table of
// docs/credentials.md against what the handler saw.
func TestCredentials(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	table.WriteString("| Credential | Kind | Subject | Client | Scopes | Session | Actors | Methods | Refused once |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, row := range rows {
		s := newService(t)
		credential, names, end := row.get(s)
		if err := s.revoked.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		status, c := s.call(credential)
		if status != http.StatusOK {
			t.Errorf("%s: status %d", row.title, status)
			continue
		}
		named := func(id string) string {
			if name, ok := names[id]; ok {
				return name
			}
			return id
		}
		cell := func(list ...string) string {
			if text := strings.Join(list, " "); text != "" {
				return "`" + text + "`"
			}
			return "–"
		}
		kind := cell(string(c.Kind))
		if c.Kind == auth.KindUser {
			kind = "user"
		}
		subject, session := named(c.Subject), "–"
		if subject == c.Subject {
			subject = cell(subject)
		}
		if c.Session != "" {
			session = named(c.Session)
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", row.title, kind, subject, cell(c.ClientID), cell(c.Scopes...),
			session, cell(c.Actors...), cell(c.AMR...), row.ends)
		if strings.Contains(table.String(), "the login") && session == c.Session && c.Session != "" {
			t.Errorf("%s: unknown session %s", row.title, c.Session)
		}
		switch {
		case end == nil: // of another issuer, whose word holds until it expires
			if expired := s.expired(row.title); expired != http.StatusUnauthorized {
				t.Errorf("%s, expired: status %d", row.title, expired)
			}
		default:
			if err := end(); err != nil {
				t.Fatalf("%s: %v", row.title, err)
			}
			if err := s.revoked.Sync(t.Context()); err != nil { // what another replica does at least once in the bound
				t.Fatal(err)
			}
			if status, _ := s.call(credential); status != http.StatusUnauthorized {
				t.Errorf("%s: status %d although %s", row.title, status, row.ends)
			}
		}
		if status, _ := s.call(credential + "x"); status != http.StatusUnauthorized {
			t.Errorf("%s, altered: status %d", row.title, status)
		}
	}

	path := filepath.Join("..", "..", "docs", "credentials.md")
	text := string(must(os.ReadFile(path)))
	before, rest, begins := strings.Cut(text, tableBegin)
	old, after, ends := strings.Cut(rest, tableEnd)
	switch {
	case !begins || !ends:
		t.Fatal("docs/credentials.md has no table between its two comments")
	case old == table.String():
	case *update:
		if err := os.WriteFile(path, []byte(before+tableBegin+table.String()+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table of docs/credentials.md is not what the handler sees; go test ./examples/credentials -update writes it:\n%s", table.String())
	}
}

// expired returns the status of a request with a token of the same issuer that has expired.
func (s *service) expired(title string) int {
	s.t.Helper()
	if strings.Contains(title, "Kubernetes") {
		account := map[string]any{"namespace": "prod", "serviceaccount": map[string]any{"name": "billing"}}
		status, _ := s.call(s.cluster.token(s.t, "", -time.Hour, map[string]any{
			"sub": "system:serviceaccount:prod:billing", "aud": []string{audience}, "kubernetes.io": account,
		}))
		return status
	}
	status, _ := s.call(s.partner.token(s.t, "at+jwt", -time.Hour, map[string]any{"sub": "partner-7", "aud": audience}))
	return status
}
