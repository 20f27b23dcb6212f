package oauth_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/oauth"
)

// basic returns the header of a client that authenticates with Basic.
func basic(id, secret string) []string {
	pair := url.QueryEscape(id) + ":" + url.QueryEscape(secret)
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))}
}

// The client is authenticated before the code is touched, by the method that it is registered with.
func TestClientAuthentication(t *testing.T) {
	t.Parallel()
	r := newServer(t, nil)
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	for _, client := range []string{"secret", "post", "web"} {
		good := [][]string{basic("secret", secret), nil}
		code := r.authorize(cookie, "client_id", client)
		ask := func(headers []string, more ...string) answer {
			t.Helper()
			return r.tokenWith(headers, append([]string{"grant_type", "authorization_code", "code", code, "code_verifier", verifier}, more...)...)
		}
		type row struct {
			name    string
			headers []string
			more    []string
			code    string
		}
		rows := []row{
			{"nobody", nil, nil, "invalid_client"},
			{"a wrong secret", basic(client, secret+"x"), nil, "invalid_client"},
			{"a wrong secret in the body", nil, []string{"client_id", client, "client_secret", "x"}, "invalid_client"},
			{"another scheme", []string{"Authorization", "Bearer x"}, nil, "invalid_client"},
			{"an unknown client", basic("nobody", secret), nil, "invalid_client"},
			{"two ways", basic(client, secret), []string{"client_id", client, "client_secret", secret}, "invalid_request"},
			{"two names", basic(client, secret), []string{"client_id", "web2"}, "invalid_request"},
		}
		switch client {
		case "secret":
			rows = append(rows, row{"no secret", nil, []string{"client_id", client}, "invalid_client"},
				row{"an empty secret", basic(client, ""), nil, "invalid_client"},
				row{"another method", nil, []string{"client_id", client, "client_secret", secret}, "invalid_client"})
		case "post":
			rows = append(rows, row{"another method", basic(client, secret), nil, "invalid_client"})
		case "web":
			rows = append(rows, row{"a secret that it does not have", nil, []string{"client_id", client, "client_secret", secret}, "invalid_client"})
		}
		for _, row := range rows {
			a := ask(row.headers, row.more...)
			status := http.StatusUnauthorized
			if row.code == "invalid_request" {
				status = http.StatusBadRequest
			}
			if a.Status != status || a.Error != row.code || a.Access != "" {
				t.Errorf("%s, %s: %d %s", client, row.name, a.Status, a.Error)
			}
			if challenged := a.Header.Get("WWW-Authenticate") != ""; row.code == "invalid_client" && challenged != (row.headers != nil) {
				t.Errorf("%s, %s: challenge %q", client, row.name, a.Header.Get("WWW-Authenticate"))
			}
		}
		var a answer
		switch client {
		case "secret":
			a = ask(good[0])
		case "post":
			a = ask(nil, "client_id", client, "client_secret", secret)
		case "web": // golang.org/x/oauth2 sends an empty secret
			a = ask(basic(client, ""))
		}
		if a.Status != http.StatusOK {
			t.Errorf("%s: after all that %d %s", client, a.Status, a.Error)
		}
	}
}

// Wrong secrets of one client from one network are counted, and those of others are not hindered.
func TestWrongSecretsAreCounted(t *testing.T) {
	t.Parallel()
	r := newServer(t, nil)
	try := func(ip, secret string) int {
		headers := append(basic("secret", secret), "Test-Ip", ip)
		return r.tokenWith(headers, "grant_type", "refresh_token", "refresh_token", "x").Status
	}
	for range 20 {
		if status := try("198.51.100.7", "a wrong secret of 22 chars"); status != http.StatusUnauthorized {
			t.Fatalf("a wrong secret: %d", status)
		}
	}
	if status := try("198.51.100.7", secret); status != http.StatusTooManyRequests {
		t.Errorf("after 20 wrong ones: %d, want 429", status)
	}
	if status := try("203.0.113.9", secret); status != http.StatusBadRequest {
		t.Errorf("from another network: %d", status)
	}
}

// What is no request for tokens is refused as JSON.
func TestTokenRequests(t *testing.T) {
	t.Parallel()
	r := newServer(t, nil)
	form := url.Values{"client_id": {"web"}, "grant_type": {"authorization_code"}, "code": {"x"}, "code_verifier": {verifier}}
	for name, row := range map[string]struct {
		method, target, body, kind string
		status                     int
		code                       string
	}{
		"GET":          {"GET", "/token?" + form.Encode(), "", "", 405, "invalid_request"},
		"in the URL":   {"POST", "/token?" + form.Encode(), "x=y", "", 401, "invalid_client"},
		"JSON":         {"POST", "/token", `{"grant_type":"x"}`, "application/json", 400, "invalid_request"},
		"a charset":    {"POST", "/token", form.Encode(), "application/x-www-form-urlencoded; charset=UTF-8", 400, "invalid_grant"},
		"twice":        {"POST", "/token", form.Encode() + "&grant_type=x", "", 400, "invalid_request"},
		"broken":       {"POST", "/token", form.Encode() + "&y=%zz", "", 400, "invalid_request"},
		"too large":    {"POST", "/token", form.Encode() + "&y=" + strings.Repeat("y", 65<<10), "", 413, "invalid_request"},
		"no grant":     {"POST", "/token", "client_id=web", "", 400, "invalid_request"},
		"password":     {"POST", "/token", "client_id=web&grant_type=password&username=a&password=b", "", 400, "unsupported_grant_type"},
		"letter case":  {"POST", "/token", "client_id=web&grant_type=AUTHORIZATION_CODE&code=x", "", 400, "unsupported_grant_type"},
		"no code":      {"POST", "/token", "client_id=web&grant_type=authorization_code", "", 400, "invalid_request"},
		"empty code":   {"POST", "/token", "client_id=web&grant_type=authorization_code&code=&code_verifier=" + verifier, "", 400, "invalid_request"},
		"no token":     {"POST", "/token", "client_id=web&grant_type=refresh_token", "", 400, "invalid_request"},
		"unknown code": {"POST", "/token", form.Encode(), "", 400, "invalid_grant"},
	} {
		headers := []string{"Accept", "text/html"}
		if row.kind != "" {
			headers = append(headers, "Content-Type", row.kind)
		}
		resp := r.do(row.method, row.target, row.body, headers...)
		got := text(t, resp)
		if resp.StatusCode != row.status || !strings.Contains(got, `{"error":"`+row.code+`"`) || resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: got %s, want %d %s", name, got, row.status, row.code)
		}
		if resp.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: pages of other origins cannot read the answer", name)
		}
	}
}

// A code lives as long as is configured, a grant until it lay unused or has reached its end.
func TestLives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newServer(t, func(cfg *oauth.Config) {
			cfg.IdleLife, cfg.GrantLife, cfg.AccessLife = time.Hour, 150*time.Minute, 5*time.Minute
		})
		r.user("ada@example.com")
		cookie := r.login("ada@example.com")
		late, inTime := r.authorize(cookie), r.authorize(cookie)
		time.Sleep(59 * time.Second)
		a := r.redeem(inTime)
		if a.Status != http.StatusOK || a.Expires != 300 {
			t.Fatalf("after 59 s: %+v", a)
		}
		time.Sleep(time.Second)
		if late := r.redeem(late); late.Error != "invalid_grant" {
			t.Errorf("a code after 60 s: %+v", late)
		}
		unused := a.Refresh
		for range 2 {
			time.Sleep(59 * time.Minute)
			if a = r.refresh(a.Refresh); a.Status != http.StatusOK {
				t.Fatalf("a grant that is used each hour: %+v", a)
			}
		}
		time.Sleep(29 * time.Minute)
		if a = r.refresh(a.Refresh); a.Status != http.StatusOK || a.Expires > 180 {
			t.Errorf("near the end of the grant: %+v; the access token must end with it", a)
		}
		time.Sleep(5 * time.Minute)
		if a = r.refresh(a.Refresh); a.Error != "invalid_grant" {
			t.Errorf("after the end of the grant: %+v", a)
		}
		fresh := r.redeem(r.authorize(r.login("ada@example.com")))
		time.Sleep(time.Hour)
		if a := r.refresh(fresh.Refresh); a.Error != "invalid_grant" {
			t.Errorf("a grant that lay unused for an hour: %+v", a)
		}
		if a := r.refresh(unused); a.Error != "invalid_grant" {
			t.Errorf("an old token: %+v", a)
		}
	})
}

// Lives that are shortened hold for grants that there are.
func TestShorterLives(t *testing.T) {
	t.Parallel()
	for name, shorten := range map[string]func(*oauth.Config){
		"idle": func(cfg *oauth.Config) { cfg.IdleLife = time.Minute }, "end": func(cfg *oauth.Config) { cfg.GrantLife = time.Minute },
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			r := w.replica()
			r.user("ada@example.com")
			a := r.flow(r.login("ada@example.com"))
			w.change = shorten
			shorter := w.replica()
			time.Sleep(2 * time.Minute)
			if got := shorter.refresh(a.Refresh); got.Error != "invalid_grant" {
				t.Errorf("%s: %+v", name, got)
			}
			if got := r.refresh(a.Refresh); got.Status != http.StatusOK {
				t.Errorf("%s, where it was not shortened: %+v", name, got)
			}
		})
	}
}

// A refresh never widens, and what is refused leaves the token good.
func TestRefresh(t *testing.T) {
	t.Parallel()
	r := newServer(t, nil)
	r.user("ada@example.com")
	a := r.flow(r.login("ada@example.com"), "scope", "notes:read notes:write")
	altered := []byte(a.Refresh)
	altered[40] ^= 1
	for name, row := range map[string]struct {
		token string
		more  []string
		code  string
	}{
		"another scope":    {a.Refresh, []string{"scope", "notes:read files:read"}, "invalid_scope"},
		"another resource": {a.Refresh, []string{"resource", files}, "invalid_target"},
		"another client":   {a.Refresh, []string{"client_id", "other"}, "invalid_grant"},
		"altered":          {string(altered), nil, "invalid_grant"},
		"an access token":  {a.Access, nil, "invalid_grant"},
		"anything":         {"x", nil, "invalid_grant"},
	} {
		if got := r.refresh(row.token, row.more...); got.Status != http.StatusBadRequest || got.Error != row.code {
			t.Errorf("%s: %d %s", name, got.Status, got.Error)
		}
	}
	narrow := r.refresh(a.Refresh, "scope", "notes:write")
	if c, err := r.verify(narrow.Access, notes); err != nil || strings.Join(c.Scopes, " ") != "notes:write" || narrow.Scope != "notes:write" {
		t.Errorf("narrower: %+v, %v", narrow, err)
	}
	if whole := r.refresh(narrow.Refresh, "resource", notes); whole.Scope != "notes:read notes:write" {
		t.Errorf("the grant became narrower: %+v", whole)
	}
}

// Several processes with copies of one token are served; with Strict the grant ends.
func TestCopiedToken(t *testing.T) {
	t.Parallel()
	for strict, want := range map[bool]int{false: http.StatusOK, true: http.StatusBadRequest} {
		synctest.Test(t, func(t *testing.T) {
			r := newServer(t, func(cfg *oauth.Config) { cfg.Strict = strict })
			r.user("ada@example.com")
			a := r.flow(r.login("ada@example.com"))
			for range 3 {
				time.Sleep(time.Minute)
				one := r.refresh(a.Refresh)
				time.Sleep(time.Minute)
				if two := r.refresh(a.Refresh); two.Status != want {
					t.Fatalf("strict %t: the copy: %d %s", strict, two.Status, two.Error)
				}
				if strict {
					if r.refresh(one.Refresh).Error != "invalid_grant" || !r.ended(a.Access) || !r.saw(auth.EventReuse) {
						t.Error("the grant did not end")
					}
					return
				}
			}
			if !r.saw(oauth.EventRefreshForked) {
				t.Error("no event says that the lineage has forked")
			}
		})
	}
}

// A thief on another network is found, whoever comes first, and the grant ends with all tokens.
func TestThief(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newServer(t, nil)
		r.user("ada@example.com")
		a := r.flow(r.login("ada@example.com"))
		owner, thief := a.Refresh, a.Refresh
		for range 14 {
			time.Sleep(16 * time.Minute)
			for i, token := range []*string{&owner, &thief} {
				ip := []string{"192.0.2.1", "203.0.113.1"}[i]
				got := r.tokenWith([]string{"Test-Ip", ip}, "grant_type", "refresh_token", "client_id", "web", "refresh_token", *token)
				if got.Status != http.StatusOK {
					if !r.saw(auth.EventReuse) || !r.saw(oauth.EventRefreshConflict) || got.Error != "invalid_grant" {
						t.Errorf("refused: %+v", got)
					}
					if other := r.refresh(owner); other.Error != "invalid_grant" {
						t.Errorf("the owner's token: %+v", other)
					}
					return
				}
				*token = got.Refresh
			}
		}
		t.Error("the thief was never found")
	})
}

// Claims may add to a token, and cannot change whose it is and what it allows.
func TestClaims(t *testing.T) {
	t.Parallel()
	r := newServer(t, func(cfg *oauth.Config) {
		cfg.Claims = claimsOf
	})
	id := r.user("ada@example.com")
	c, err := r.verify(r.flow(r.login("ada@example.com")).Access, notes)
	if err != nil || c.Subject != id || c.Scopes[0] != "notes:read" || len(c.Roles) != 1 || c.ClientID != "web" {
		t.Errorf("claims: %+v, %v", c, err)
	}
}
