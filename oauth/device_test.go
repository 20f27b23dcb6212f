package oauth_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/oauth"
)

// withDevices adds the public client tv and the confidential client box.
func withDevices(cfg *oauth.Config) {
	cfg.Device.On = true
	cfg.Clients = append(cfg.Clients,
		oauth.Client{ID: "tv", Name: "Television", Grants: []string{deviceGrant}},
		oauth.Client{ID: "box", Secret: secret, Grants: []string{deviceGrant}, Scopes: []string{"notes:read"}},
		oauth.Client{ID: "tv2", Grants: []string{deviceGrant}},
	)
}

// codes is what a device has got.
type codes struct {
	Status   int
	Header   http.Header
	Device   string `json:"device_code"`
	User     string `json:"user_code"`
	URI      string `json:"verification_uri"`
	Complete string `json:"verification_uri_complete"`
	Expires  int64  `json:"expires_in"`
	Interval int64
	Error    string
}

// begin asks for the codes of a device, with parameters as names and values.
func (r *replica) begin(headers []string, parameters ...string) codes {
	r.t.Helper()
	v := url.Values{"unknown": {"x"}}
	for i := 0; i < len(parameters); i += 2 {
		v.Add(parameters[i], parameters[i+1])
	}
	resp := r.do("POST", "/device_authorization", v.Encode(), headers...)
	c := codes{Status: resp.StatusCode, Header: resp.Header}
	if err := json.NewDecoder(resp.Body).Decode(&c); err != nil {
		r.t.Fatalf("the answer to the device is no JSON: %v", err)
	}
	return c
}

// poll asks whether the user of a device of the client tv has decided.
func (r *replica) poll(c codes, more ...string) answer {
	r.t.Helper()
	if !slices.Contains(more, "client_id") {
		more = append(more, "client_id", "tv")
	}
	return r.token(append([]string{"grant_type", deviceGrant, "device_code", c.Device}, more...)...)
}

// enter types a code in.
func (r *replica) enter(cookie, code string, headers ...string) *http.Response {
	r.t.Helper()
	return r.do("GET", "/device?user_code="+url.QueryEscape(code), "", append([]string{"Cookie", cookie}, headers...)...)
}

// asked returns what is hidden in the page that asks about a code.
func (r *replica) asked(cookie, code string) string {
	r.t.Helper()
	resp := r.enter(cookie, code)
	found := hidden.FindStringSubmatch(text(r.t, resp))
	if resp.StatusCode != http.StatusOK || found == nil {
		r.t.Fatalf("the page for devices: %d, want one that asks", resp.StatusCode)
	}
	return html.UnescapeString(found[1])
}

// answerDevice answers a page that asks, with further fields as names and values.
func (r *replica) answerDevice(cookie, request, decision string, headers []string, more ...string) *http.Response {
	r.t.Helper()
	v := url.Values{"request": {request}, "decision": {decision}}
	for i := 0; i < len(more); i += 2 {
		v.Add(more[i], more[i+1])
	}
	return r.do("POST", "/device/decision", v.Encode(), append([]string{"Cookie", cookie, "Origin", issuer, "Sec-Fetch-Site", "same-origin"}, headers...)...)
}

// A device shows a code; its user types it in on another replica, after a login, sees who asks for what, and
// allows it; the device gets tokens, which are good like any others, and its grant is a connected app.
func TestDeviceFlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, withDevices)
		r, second := w.replica(), w.replica()
		id := r.user("ada@example.com")
		c := r.begin(nil, "client_id", "tv", "scope", "notes:read notes:write", "resource", notes)
		if c.Status != http.StatusOK || c.URI != issuer+"/device" || c.Complete != c.URI+"?user_code="+c.User || c.Expires != 600 || c.Interval != 5 || c.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("the codes: %+v", c)
		}
		if !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(c.User) || len(c.Device) < 43 {
			t.Errorf("the codes are %q and %q", c.User, c.Device)
		}
		if a := r.poll(c); a.Status != http.StatusBadRequest || a.Error != "authorization_pending" {
			t.Errorf("before the decision: %+v", a)
		}
		resp := second.enter("", c.User)
		to, err := resp.Location()
		if err != nil || to.Path != "/login" {
			t.Fatalf("without a login: %d %v", resp.StatusCode, to)
		}
		if back, ok := second.server.ReturnTo(to.Query().Get("return_to")); !ok || back != "/device?user_code="+c.User {
			t.Errorf("the way back is %q", back)
		}
		cookie := second.login("ada@example.com")
		if page := text(t, second.do("GET", "/device", "", "Cookie", cookie)); !strings.Contains(page, `name="user_code"`) {
			t.Error("without a code, the page has no field for it")
		}
		resp = second.enter(cookie, c.User)
		page := text(t, resp)
		for _, want := range []string{"Television", c.User, "Read your notes", "Change your notes", "Notes", `class="warning"`, `value="allow"`, `value="deny"`} {
			if !strings.Contains(page, want) {
				t.Errorf("the page lacks %q", want)
			}
		}
		if h := resp.Header; !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") == "" {
			t.Errorf("headers %v", h)
		}
		if resp := second.answerDevice(cookie, second.asked(cookie, c.User), "allow", nil); resp.StatusCode != http.StatusOK || !strings.Contains(text(t, resp), "is connected") {
			t.Errorf("the decision: %d", resp.StatusCode)
		}
		time.Sleep(5 * time.Second)
		a := r.poll(c, "resource", notes)
		if a.Status != http.StatusOK || a.Scope != "notes:read notes:write" || a.Refresh == "" || a.Type != "Bearer" {
			t.Fatalf("after the decision: %+v", a)
		}
		claims, err := r.verify(a.Access, notes)
		if err != nil || claims.Subject != id || claims.ClientID != "tv" || claims.SessionID == "" || claims.AuthTime.IsZero() {
			t.Errorf("claims: %+v, %v", claims, err)
		}
		if next := second.refresh(a.Refresh, "client_id", "tv"); next.Status != http.StatusOK {
			t.Errorf("refresh: %+v", next)
		}
		if again := second.poll(c); again.Error != "invalid_grant" || again.Access != "" {
			t.Errorf("a second time: %+v", again)
		}
		grants, err := second.server.Grants(t.Context(), id)
		if err != nil || len(grants) != 1 || grants[0].ClientName != "Television" || grants[0].ID != claims.SessionID {
			t.Fatalf("grants: %+v, %v", grants, err)
		}
		if err := second.server.EndGrant(t.Context(), id, grants[0].ID); err != nil || !r.ended(a.Access) {
			t.Errorf("the end of the grant: %v, ended %t", err, r.ended(a.Access))
		}
		if !w.saw(oauth.EventGrantBegan) {
			t.Error("there was no event")
		}
	})
}

// The client is authenticated as at the token endpoint; scope and resource are checked at the start.
func TestDeviceStart(t *testing.T) {
	t.Parallel()
	r := newServer(t, withDevices)
	for name, row := range map[string]struct {
		headers, parameters []string
		status              int
		code                string
	}{
		"no client":                   {nil, nil, 401, "invalid_client"},
		"an unknown client":           {nil, []string{"client_id", "nobody"}, 401, "invalid_client"},
		"no secret":                   {nil, []string{"client_id", "box"}, 401, "invalid_client"},
		"a wrong secret":              {basic("box", secret+"x"), nil, 401, "invalid_client"},
		"a client without the grant":  {nil, []string{"client_id", "web"}, 400, "unauthorized_client"},
		"a foreign resource":          {nil, []string{"client_id", "tv", "resource", "https://evil.example"}, 400, "invalid_target"},
		"two resources":               {nil, []string{"client_id", "tv", "resource", notes, "resource", files}, 400, "invalid_target"},
		"a scope of another resource": {nil, []string{"client_id", "tv", "scope", "files:read"}, 400, "invalid_scope"},
		"a scope of other clients":    {basic("box", secret), []string{"scope", "notes:write"}, 400, "invalid_scope"},
		"scope twice":                 {nil, []string{"client_id", "tv", "scope", "notes:read", "scope", "notes:write"}, 400, "invalid_request"},
	} {
		if c := r.begin(row.headers, row.parameters...); c.Status != row.status || c.Error != row.code || c.Device != "" {
			t.Errorf("%s: %d %s, want %d %s", name, c.Status, c.Error, row.status, row.code)
		}
	}
	if c := r.begin(basic("box", secret)); c.Status != http.StatusOK {
		t.Errorf("a client with a secret: %+v", c)
	}
	if resp := r.do("GET", "/device_authorization?client_id=tv", ""); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", resp.StatusCode)
	}
}

// A device_code is good for its client alone, and whoever knows a user_code has no device_code. What does not
// fit leaves it good.
func TestDeviceCodeIsBound(t *testing.T) {
	t.Parallel()
	r := newServer(t, withDevices)
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	c, other := r.begin(nil, "client_id", "tv"), r.begin(nil, "client_id", "tv")
	_, code, _ := strings.Cut(c.Device, ".")
	secretPart, _, _ := strings.Cut(other.Device, ".")
	if resp := r.answerDevice(cookie, r.asked(cookie, c.User), "allow", nil); resp.StatusCode != http.StatusOK {
		t.Fatalf("the decision: %d", resp.StatusCode)
	}
	for name, row := range map[string]struct {
		device string
		more   []string
		code   string
	}{
		"nothing":                   {"", nil, "invalid_request"},
		"the user's code":           {c.User, nil, "invalid_grant"},
		"the user's code, bare":     {"." + code, nil, "invalid_grant"},
		"another device's secret":   {secretPart + "." + code, nil, "invalid_grant"},
		"an altered code":           {"A" + c.Device, nil, "invalid_grant"},
		"another client":            {c.Device, []string{"client_id", "tv2"}, "invalid_grant"},
		"a client without the sort": {c.Device, []string{"client_id", "web"}, "unauthorized_client"},
		"another resource":          {c.Device, []string{"resource", files}, "invalid_target"},
	} {
		if a := r.poll(codes{Device: row.device}, row.more...); a.Error != row.code || a.Access != "" {
			t.Errorf("%s: %d %s, want %s", name, a.Status, a.Error, row.code)
		}
	}
	if a := r.poll(c); a.Status != http.StatusOK {
		t.Errorf("after all that: %+v", a)
	}
	if a := r.poll(other); a.Error != "authorization_pending" {
		t.Errorf("the other device: %+v", a)
	}
}

// A user's code is read in any case, with or without hyphens and spaces, and nothing else is read as one.
func TestUserCodeForms(t *testing.T) {
	t.Parallel()
	r := newServer(t, func(cfg *oauth.Config) { withDevices(cfg); cfg.Limits.DeviceCodes = 1000 })
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	code := r.begin(nil, "client_id", "tv").User
	bare := strings.ReplaceAll(code, "-", "")
	for _, typed := range []string{code, strings.ToLower(code), bare, " " + bare[:2] + " " + bare[2:] + "\n"} {
		if resp := r.enter(cookie, typed); resp.StatusCode != http.StatusOK || !strings.Contains(text(t, resp), code) {
			t.Errorf("%q: %d", typed, resp.StatusCode)
		}
	}
	for _, typed := range []string{bare[:7], bare + "B", "A" + bare[1:], strings.Repeat("-", 60) + bare, "ſ" + bare[1:], "<script>"} {
		resp := r.enter(cookie, typed)
		if page := text(t, resp); resp.StatusCode != http.StatusNotFound || strings.Contains(page, "Television") || strings.Contains(page, "<script>") {
			t.Errorf("%q: %d", typed, resp.StatusCode)
		}
	}
	seen := map[string]bool{}
	for range 25 {
		seen[r.begin(nil, "client_id", "tv").User] = true
	}
	if len(seen) != 25 {
		t.Errorf("25 devices got %d codes", len(seen))
	}
}

// A code that was denied says so; one that has expired does so, too, at both ends; and neither can be decided
// again, nor can one that was allowed.
func TestDeviceEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newServer(t, withDevices)
		id := r.user("ada@example.com")
		cookie := r.login("ada@example.com")
		leadsNowhere := func(name string, c codes, request string) {
			t.Helper()
			if resp := r.enter(cookie, c.User); resp.StatusCode != http.StatusNotFound {
				t.Errorf("%s: the page: %d", name, resp.StatusCode)
			}
			if resp := r.answerDevice(cookie, request, "allow", nil); resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: a decision: %d", name, resp.StatusCode)
			}
		}
		denied := r.begin(nil, "client_id", "tv")
		request := r.asked(cookie, denied.User)
		if resp := r.answerDevice(cookie, request, "deny", nil); resp.StatusCode != http.StatusOK || !strings.Contains(text(t, resp), "is not connected") {
			t.Errorf("the decision: %d", resp.StatusCode)
		}
		leadsNowhere("denied", denied, request)
		if a := r.poll(denied); a.Error != "access_denied" || !r.saw(oauth.EventDenied) {
			t.Errorf("denied: %+v", a)
		}
		allowed := r.begin(nil, "client_id", "tv")
		request = r.asked(cookie, allowed.User)
		r.answerDevice(cookie, request, "allow", nil)
		leadsNowhere("allowed", allowed, request)
		if resp := r.answerDevice(cookie, request, "deny", nil); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("denied after it was allowed: %d", resp.StatusCode)
		}
		expired := r.begin(nil, "client_id", "tv")
		r.asked(cookie, expired.User)
		time.Sleep(10 * time.Minute)
		cookie = r.login("ada@example.com") // the first has expired as well
		for name, c := range map[string]codes{"expired": expired, "allowed, and expired": allowed} {
			if a := r.poll(c); a.Error != "expired_token" || a.Access != "" {
				t.Errorf("%s: %+v", name, a)
			}
		}
		if resp := r.enter(cookie, expired.User); resp.StatusCode != http.StatusNotFound {
			t.Errorf("expired: the page: %d", resp.StatusCode)
		}
		if list, err := r.server.Grants(t.Context(), id); err != nil || len(list) > 0 {
			t.Errorf("grants: %v, %v", list, err)
		}
		time.Sleep(2 * time.Hour)
		if a := r.poll(expired); a.Error != "invalid_grant" {
			t.Errorf("long after the end: %+v", a)
		}
	})
}

// A decision cannot be taken after the end of its code, though its page is still open.
func TestDeviceDecisionIsLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newServer(t, func(cfg *oauth.Config) { withDevices(cfg); cfg.Device.Life = time.Minute })
		r.user("ada@example.com")
		cookie := r.login("ada@example.com")
		c := r.begin(nil, "client_id", "tv")
		request := r.asked(cookie, c.User)
		time.Sleep(time.Minute)
		if resp := r.answerDevice(cookie, request, "allow", nil); c.Expires != 60 || resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%d, life %d", resp.StatusCode, c.Expires)
		}
	})
}

// A device that polls too early must wait 5 seconds longer each time; one that waits is served; one that does
// not listen leads to no further writes.
func TestSlowDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newServer(t, withDevices)
		c := r.begin(nil, "client_id", "tv")
		steps := []struct {
			after time.Duration
			code  string
		}{
			{0, "authorization_pending"}, {5 * time.Second, "authorization_pending"},
			{4 * time.Second, "slow_down"},             // 10 s from now on, since the last good poll
			{5 * time.Second, "slow_down"},             // 9 s after it: 15 s
			{6 * time.Second, "authorization_pending"}, // 15 s after it
			{14 * time.Second, "slow_down"}, {6 * time.Second, "authorization_pending"},
		}
		for i, step := range steps {
			time.Sleep(step.after)
			if a := r.poll(c); a.Error != step.code || a.Status != http.StatusBadRequest {
				t.Errorf("poll %d: %d %s, want %s", i, a.Status, a.Error, step.code)
			}
		}
		for range 20 {
			r.poll(c)
		}
		before := r.record(c)
		for range 20 {
			if a := r.poll(c); a.Error != "slow_down" {
				t.Errorf("a poll that comes at once: %+v", a)
			}
		}
		if r.record(c).Version != before.Version {
			t.Error("a device that does not listen is written down each time")
		}
		secret, code, _ := strings.Cut(c.Device, ".")
		if kept := before.Key + string(before.Value); strings.Contains(kept, code) || strings.Contains(kept, secret) {
			t.Error("the store has a code as it is")
		}
	})
}

// record returns what the store has of a device.
func (r *replica) record(c codes) auth.Record {
	r.t.Helper()
	_, code, _ := strings.Cut(c.Device, ".")
	sum := sha256.Sum256([]byte(code))
	record, _, err := r.store.Record(r.t.Context(), "oauth:device:"+base64.RawURLEncoding.EncodeToString(sum[:]))
	if err != nil || record.Version == 0 {
		r.t.Fatalf("there is no record of the device: %v", err)
	}
	return record
}

// The form is bound to the login that saw it: other sites, other users and other logins of the same user
// cannot send it, and no page decides without a decision.
func TestDeviceFormIsBound(t *testing.T) {
	t.Parallel()
	r := newServer(t, withDevices)
	r.user("ada@example.com")
	r.user("eve@example.com")
	cookie, again, eve := r.login("ada@example.com"), r.login("ada@example.com"), r.login("eve@example.com")
	c := r.begin(nil, "client_id", "tv")
	request, consent := r.asked(cookie, c.User), r.ask(cookie)
	for name, row := range map[string]struct {
		cookie, request, decision string
		headers                   []string
		status                    int
	}{
		"another site":             {cookie, request, "allow", []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403},
		"another user":             {eve, request, "allow", nil, 403},
		"another login":            {again, request, "allow", nil, 403},
		"nobody":                   {"", request, "allow", nil, 401},
		"no seal":                  {cookie, "", "allow", nil, 403},
		"an altered seal":          {cookie, request[:len(request)-4] + "AAAA", "allow", nil, 403},
		"the seal of another page": {cookie, consent, "allow", nil, 403},
		"no decision":              {cookie, request, "", nil, 400},
	} {
		if resp := r.answerDevice(row.cookie, row.request, row.decision, row.headers); resp.StatusCode != row.status {
			t.Errorf("%s: %d, want %d", name, resp.StatusCode, row.status)
		}
	}
	if resp := r.do("GET", "/device/decision?decision=allow&request="+request, "", "Cookie", cookie); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", resp.StatusCode)
	}
	if a := r.poll(c); a.Error != "authorization_pending" {
		t.Errorf("after all that: %+v", a)
	}
	if resp := r.answerDevice(cookie, request, "allow", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("the form itself: %d", resp.StatusCode)
	}
}

// The user may allow less than was asked for, and nothing is a denial.
func TestDeviceNarrowed(t *testing.T) {
	t.Parallel()
	r := newServer(t, withDevices)
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	for want, scopes := range map[string][]string{"notes:write": {"narrow", "1", "scope", "notes:write", "scope", "files:read"}, "": {"narrow", "1"}} {
		c := r.begin(nil, "client_id", "tv", "scope", "notes:read notes:write")
		r.answerDevice(cookie, r.asked(cookie, c.User), "allow", nil, scopes...)
		if a := r.poll(c); a.Scope != want || want == "" && a.Error != "access_denied" {
			t.Errorf("%v: %+v", scopes, a)
		}
	}
}

// Codes are tried seldom: by an account from many networks, and by a network with many accounts; and few are
// made.
func TestDeviceThrottled(t *testing.T) {
	t.Parallel()
	r := newServer(t, func(cfg *oauth.Config) { withDevices(cfg); cfg.Limits.DeviceCodes, cfg.Device.PerMinute = 5, 3 })
	var cookies []string
	for i := range 7 {
		name := fmt.Sprintf("u%d@example.com", i)
		r.user(name)
		cookies = append(cookies, r.login(name))
	}
	for what, from := range map[string]func(i int) *http.Response{
		"one account": func(i int) *http.Response {
			return r.enter(cookies[6], "BBBBBBBB", "Test-Ip", fmt.Sprintf("198.51.100.%d", i))
		},
		"one network": func(i int) *http.Response { return r.enter(cookies[i], "BBBBBBBB", "Test-Ip", "203.0.113.1") },
		"many of both": func(i int) *http.Response {
			return r.enter(cookies[i], "BBBBBBBB", "Test-Ip", fmt.Sprintf("192.0.2.%d", i+10))
		},
	} {
		for i := range 6 {
			want := http.StatusNotFound
			if i == 5 && what != "many of both" {
				want = http.StatusTooManyRequests
			}
			if resp := from(i); resp.StatusCode != want {
				t.Errorf("%s, try %d: %d, want %d", what, i, resp.StatusCode, want)
			}
		}
	}
	for i := range 4 {
		if c := r.begin(nil, "client_id", "tv"); (c.Status == http.StatusTooManyRequests) != (i == 3) || i == 3 && c.Header.Get("Retry-After") == "" {
			t.Errorf("device %d: %d", i, c.Status)
		}
	}
	others := 0
	for i := range 100 {
		if c := r.begin([]string{"Test-Ip", fmt.Sprintf("198.18.0.%d", i)}, "client_id", "tv"); c.Status == http.StatusOK {
			others++
		}
	}
	if others > 60 || others < 50 {
		t.Errorf("many networks got %d codes, want 20 times as many as one", others)
	}
}

// What ends the user's access between the decision and the poll keeps the device out.
func TestDeviceUserEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(r *replica, id, cookie string) error{
		"disabled":   func(r *replica, id, _ string) error { return r.accounts.Disable(context.Background(), id) },
		"deleted":    func(r *replica, id, _ string) error { return r.accounts.Delete(context.Background(), id) },
		"logged out": func(r *replica, id, _ string) error { return r.accounts.EndSessions(context.Background(), id, "") },
	} {
		r := newServer(t, withDevices)
		id := r.user("ada@example.com")
		cookie := r.login("ada@example.com")
		c := r.begin(nil, "client_id", "tv")
		r.answerDevice(cookie, r.asked(cookie, c.User), "allow", nil)
		if err := end(r, id, cookie); err != nil {
			t.Fatal(err)
		}
		if a := r.poll(c); a.Error != "invalid_grant" || a.Access != "" {
			t.Errorf("%s: %+v", name, a)
		}
		if records, err := r.store.Records(t.Context(), id); name == "deleted" && (err != nil || len(records) > 0) {
			t.Errorf("%s: %d records are left, %v", name, len(records), err)
		}
	}
}

// Of many polls at the same time one gets tokens, on whichever replica.
func TestDeviceCodeOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withDevices)
	replicas := []*replica{w.replica(), w.replica()}
	replicas[0].user("ada@example.com")
	cookie := replicas[0].login("ada@example.com")
	c := replicas[0].begin(nil, "client_id", "tv")
	replicas[0].answerDevice(cookie, replicas[0].asked(cookie, c.User), "allow", nil)
	var wait sync.WaitGroup
	got := make([]answer, 8)
	for i := range got {
		wait.Go(func() { got[i] = replicas[i%2].poll(c) })
	}
	wait.Wait()
	served := 0
	for _, a := range got {
		if a.Status == http.StatusOK {
			served++
		} else if a.Error != "invalid_grant" {
			t.Errorf("a poll: %+v", a)
		}
	}
	if served != 1 {
		t.Errorf("%d polls got tokens", served)
	}
}

// Clients that describe themselves get the grant if they name it, and are kept once a user has let one in.
func TestDeviceOfOtherClients(t *testing.T) {
	t.Parallel()
	r := newServer(t, func(cfg *oauth.Config) {
		withDevices(cfg)
		withDocuments(cfg)
		cfg.Register.PerHour = 10
	})
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	h := newHost(t, `"client_name":"Box","redirect_uris":["https://app.example/cb"],"grant_types":["authorization_code","`+deviceGrant+`"]`)
	registered := r.register(`{"client_name":"Box","token_endpoint_auth_method":"none","grant_types":["` + deviceGrant + `","refresh_token"]}`)
	if registered.Status != http.StatusCreated {
		t.Fatalf("registered: %+v", registered)
	}
	for _, id := range []string{h.id(), registered.ID} {
		c := r.begin(nil, "client_id", id)
		if page := text(t, r.enter(cookie, c.User)); !strings.Contains(page, "Box") || id == h.id() && !strings.Contains(page, strings.Split(id, "/")[2]) {
			t.Error("the page does not say who asks")
		}
		r.answerDevice(cookie, r.asked(cookie, c.User), "allow", nil)
		h.status.Store(http.StatusInternalServerError) // the device goes on: its user was asked
		if a := r.poll(c, "client_id", id); a.Status != http.StatusOK {
			t.Errorf("%s: %+v", id, a)
		}
		if c := r.begin(nil, "client_id", id); id == h.id() && c.Status != http.StatusServiceUnavailable {
			t.Errorf("a new device of a client that nobody knows now: %+v", c)
		}
	}
	without := r.register(`{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none"}`)
	if c := r.begin(nil, "client_id", without.ID); c.Error != "unauthorized_client" {
		t.Errorf("a client that has not named the grant: %+v", c)
	}
}

// The host's own pages get what they need.
func TestOwnDevicePage(t *testing.T) {
	t.Parallel()
	var pages []oauth.DevicePage
	r := newServer(t, func(cfg *oauth.Config) {
		withDevices(cfg)
		cfg.Account = func(context.Context, string) (string, error) { return "Ada", nil }
		cfg.Device.Page = func(_ http.ResponseWriter, _ *http.Request, p oauth.DevicePage) { pages = append(pages, p) }
	})
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	c := r.begin(nil, "client_id", "tv")
	r.do("GET", "/device", "", "Cookie", cookie)
	r.enter(cookie, "BBBBBBBB")
	r.enter(cookie, c.User)
	r.answerDevice(cookie, pages[2].Hidden["request"], "allow", nil)
	var steps []oauth.DeviceStep
	for _, p := range pages {
		steps = append(steps, p.Step)
	}
	if !slices.Equal(steps, []oauth.DeviceStep{oauth.DeviceEnter, oauth.DeviceEnter, oauth.DeviceDecide, oauth.DeviceAllowed}) || pages[0].Unknown || !pages[1].Unknown {
		t.Errorf("steps %v", steps)
	}
	if p := pages[2]; p.Code != c.User || p.Action != "/device/decision" || p.Account != "Ada" || p.ClientID != "tv" || p.ClientName != "Television" || p.Resource.URL != notes || len(p.Scopes) != 1 {
		t.Errorf("the page that asks: %+v", p)
	}
}

// With the store down, at whichever call, devices and their users get 503 and no answer about a code; and no
// code is good twice.
func TestDeviceOutage(t *testing.T) {
	t.Parallel()
	for n := range int64(6) {
		store := &failing{}
		r := newServer(t, func(cfg *oauth.Config) {
			withDevices(cfg)
			store.RecordStore = cfg.Records
			cfg.Records, cfg.Logger = store, slog.New(slog.DiscardHandler)
		})
		id := r.user("ada@example.com")
		cookie := r.login("ada@example.com")
		waits, allowed := r.begin(nil, "client_id", "tv"), r.begin(nil, "client_id", "tv")
		request := r.asked(cookie, waits.User)
		r.answerDevice(cookie, r.asked(cookie, allowed.User), "allow", nil)
		down := func(what string, do func() *http.Response) (succeeded bool) {
			t.Helper()
			store.left.Store(n)
			store.on.Store(true)
			defer store.on.Store(false)
			resp := do()
			body := text(t, resp)
			if resp.StatusCode == http.StatusOK || strings.Contains(body, "authorization_pending") { // the store failed too late to matter
				return true
			}
			if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || strings.Contains(body, "the store is down") {
				t.Errorf("%s, %d calls: %s", what, n, body)
			}
			return false
		}
		post := func(c codes) func() *http.Response {
			return func() *http.Response {
				return r.do("POST", "/token", url.Values{"grant_type": {deviceGrant}, "client_id": {"tv"}, "device_code": {c.Device}}.Encode())
			}
		}
		down("a new device", func() *http.Response { return r.do("POST", "/device_authorization", "client_id=tv") })
		down("a poll", post(waits))
		down("the page", func() *http.Response { return r.enter(cookie, waits.User) })
		down("the decision", func() *http.Response { return r.answerDevice(cookie, request, "allow", nil) })
		served := down("the poll that gets tokens", post(allowed))
		if again := r.poll(allowed); again.Status == http.StatusOK && (served || n > 1) {
			t.Errorf("%d calls: the code was good after it was used up", n)
		}
		if list, err := r.server.Grants(t.Context(), id); err != nil || len(list) > 1 {
			t.Errorf("%d calls: %d grants, %v", n, len(list), err)
		}
	}
}

// A client whose document asks for a proof gets nothing without one, though the document cannot be had.
func TestDeviceOfClientWithKey(t *testing.T) {
	t.Parallel()
	key := newSigner(t)
	r := newServer(t, func(cfg *oauth.Config) { withDevices(cfg); withDocuments(cfg) })
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	h := newHost(t, `"grant_types":["`+deviceGrant+`"],"token_endpoint_auth_method":"private_key_jwt","jwks":`+key.keySet())
	if c := r.begin(nil, "client_id", h.id()); c.Status != http.StatusUnauthorized {
		t.Errorf("without a proof: %+v", c)
	}
	c := r.begin(nil, key.assertion(t, h.id(), nil)...)
	r.answerDevice(cookie, r.asked(cookie, c.User), "allow", nil)
	h.status.Store(http.StatusInternalServerError)
	if a := r.poll(c, "client_id", h.id()); a.Status != http.StatusServiceUnavailable || a.Access != "" {
		t.Errorf("without the document, and without a proof: %+v", a)
	}
	h.status.Store(http.StatusOK)
	proof := append([]string{"grant_type", deviceGrant, "device_code", c.Device}, key.assertion(t, h.id(), nil)...)
	if a := r.token(proof...); a.Status != http.StatusOK {
		t.Errorf("with both: %+v", a)
	}
}

// A device that asks for more than a grant can hold is told so at the start, and not after its user has decided.
func TestDeviceAsksForTooMuch(t *testing.T) {
	t.Parallel()
	var scopes []string
	r := newServer(t, func(cfg *oauth.Config) {
		withDevices(cfg)
		for i := range 25 {
			name := fmt.Sprintf("%03d%s", i, strings.Repeat("x", 97))
			cfg.Resources[0].Scopes = append(cfg.Resources[0].Scopes, oauth.Scope{Name: name, Text: name})
			scopes = append(scopes, name)
		}
	})
	if c := r.begin(nil, "client_id", "tv", "scope", strings.Join(scopes, " ")); c.Error != "invalid_scope" {
		t.Errorf("25 long scopes: %+v", c)
	}
	if c := r.begin(nil, "client_id", "tv", "scope", strings.Join(scopes[:5], " ")); c.Status != http.StatusOK {
		t.Errorf("5 long scopes: %+v", c)
	}
}

// A page that was shown about one device decides nothing about another that has got the same code since.
func TestDeviceCodeComesAgain(t *testing.T) {
	t.Parallel()
	r := newServer(t, withDevices)
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	first, second := r.begin(nil, "client_id", "tv"), r.begin(nil, "client_id", "tv")
	request := r.asked(cookie, first.User)
	record, other := r.record(first), r.record(second)
	old := record.Renew()
	record.Value = other.Value
	if err := r.store.ReplaceRecord(t.Context(), old, record); err != nil {
		t.Fatal(err)
	}
	if resp := r.answerDevice(cookie, request, "allow", nil); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("the page about the first device: %d", resp.StatusCode)
	}
	if resp := r.answerDevice(cookie, r.asked(cookie, first.User), "allow", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("a page about the second: %d", resp.StatusCode)
	}
}

// The form is bound to its user, where logins have no sessions as well.
func TestDeviceFormWithoutSessions(t *testing.T) {
	t.Parallel()
	r := newServer(t, func(cfg *oauth.Config) {
		withDevices(cfg)
		cfg.User = func(req *http.Request) (*auth.Principal, error) {
			return jwt.NewPrincipal(auth.Claims{Subject: req.Header.Get("Cookie")})
		}
	})
	c := r.begin(nil, "client_id", "tv")
	request := r.asked("ada", c.User)
	for user, status := range map[string]int{"eve": http.StatusForbidden, "bob": http.StatusForbidden} {
		if resp := r.answerDevice(user, request, "allow", nil); resp.StatusCode != status {
			t.Errorf("%s: %d", user, resp.StatusCode)
		}
	}
	if resp := r.answerDevice("ada", request, "allow", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("ada: %d", resp.StatusCode)
	}
}

// A client that has registered itself is kept once a user has let a device of it in.
func TestDeviceKeepsItsClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newServer(t, func(cfg *oauth.Config) { withDevices(cfg); cfg.Register.PerHour = 10 })
		r.user("ada@example.com")
		cookie := r.login("ada@example.com")
		metadata := `{"token_endpoint_auth_method":"none","grant_types":["` + deviceGrant + `","refresh_token"]}`
		used, unused := r.register(metadata), r.register(metadata)
		c := r.begin(nil, "client_id", used.ID)
		r.answerDevice(cookie, r.asked(cookie, c.User), "allow", nil)
		a := r.poll(c, "client_id", used.ID)
		time.Sleep(48 * time.Hour)
		if again := r.refresh(a.Refresh, "client_id", used.ID); again.Status != http.StatusOK {
			t.Errorf("the client that was let in: %+v", again)
		}
		if c := r.begin(nil, "client_id", unused.ID); c.Error != "invalid_client" {
			t.Errorf("the client that was not: %+v", c)
		}
	})
}
