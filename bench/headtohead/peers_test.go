package headtohead_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// program is one of the programs that are compared.
type program struct {
	name   string // as the table has it
	folder string
	module string // whose version the table has; empty: this repository

	// host are the rows of what the library leaves to the host: the program has the least that its
	// documentation shows, or nothing, and the row is not probed.
	host []string
	// none are the rows of what the program has no use for.
	none []string
	// notes follow what a probe has found.
	notes map[string]string

	register func(t *testing.T, b *browser, username, password string) reply
	login    func(t *testing.T, b *browser, username, password string) reply
	refresh  func(t *testing.T, b *browser) reply
	logout   func(t *testing.T, b *browser) reply
	forgot   func(t *testing.T, b *browser, username string) reply
	reset    func(t *testing.T, b *browser, token, password string) reply

	token func(b *browser) string                     // access token of a browser
	key   func(t *testing.T, p *process) any          // key that signs the tokens
	short func(t *testing.T, dir string) (key string) // makes the key one of six bytes
}

// passwordRows are the rows about accounts, which a library of tokens does not have.
var passwordRows = []string{
	rowRegister, rowForgot, rowGuesses, rowAfterGuesses, rowOwner, rowAnswers, rowWork, rowCase, rowCommon, row73, row72, rowLong,
	rowUpgrade, rowResetTwice, rowResetSessions, rowResetHost, rowForgotAnswers,
}

var programs = []*program{
	{
		name: "auth", folder: "auth",
		register: func(t *testing.T, b *browser, username, password string) reply {
			return b.postJSON(t, "/auth/register", map[string]string{"username": username, "password": password})
		},
		login: func(t *testing.T, b *browser, username, password string) reply {
			return b.post(t, "/auth/login", url.Values{"username": {username}, "password": {password}})
		},
		refresh: func(t *testing.T, b *browser) reply { return b.do(t, "POST", "/auth/refresh", "", "") },
		logout:  func(t *testing.T, b *browser) reply { return b.do(t, "POST", "/auth/logout", "", "") },
		forgot: func(t *testing.T, b *browser, username string) reply {
			return b.postJSON(t, "/auth/password/forgot", map[string]string{"address": username})
		},
		reset: func(t *testing.T, b *browser, token, password string) reply {
			return b.postJSON(t, "/auth/password/reset", map[string]string{"token": token, "new_password": password})
		},
		token: func(b *browser) string { return b.cookies["__Host-access"].Value },
		key: func(t *testing.T, p *process) any {
			var key struct{ D string }
			if err := json.Unmarshal([]byte(read(t, filepath.Join(p.dir, "keys", "auth.key"))), &key); err != nil {
				t.Fatal(err)
			}
			seed, err := base64.RawURLEncoding.DecodeString(key.D)
			if err != nil {
				t.Fatal(err)
			}
			return ed25519.NewKeyFromSeed(seed)
		},
		short: func(t *testing.T, dir string) string {
			mkdir(t, filepath.Join(dir, "keys"))
			write(t, filepath.Join(dir, "keys", "auth.key"), `{"kty":"oct","alg":"HS256","k":"c2VjcmV0"}`)
			return ""
		},
	},
	{
		name: "go-chi/jwtauth", folder: "jwtauth", module: "github.com/go-chi/jwtauth/v5",
		host: append([]string{
			rowLogin, rowRefresh, rowLogout, rowLogoutRefresh, rowTwoTabs, rowStolen, rowLogoutCSRF, rowLoginCSRF, rowNoStore, rowDownLogin,
		}, passwordRows...),
		register: func(t *testing.T, b *browser, username, password string) reply {
			return b.post(t, "/register", url.Values{"username": {username}, "password": {password}})
		},
		login: func(t *testing.T, b *browser, username, password string) reply {
			got := b.post(t, "/login", url.Values{"username": {username}, "password": {password}})
			var body struct {
				AccessToken string `json:"access_token"`
			}
			if got.status == 200 && json.Unmarshal([]byte(got.body), &body) == nil {
				b.bearer = body.AccessToken
			}
			return got
		},
		token: func(b *browser) string { return b.bearer },
		key:   func(*testing.T, *process) any { return []byte(secret) },
		short: func(*testing.T, string) string { return "secret" },
	},
	{
		name: "gin-jwt", folder: "ginjwt", module: "github.com/appleboy/gin-jwt/v3",
		host: passwordRows,
		notes: map[string]string{
			rowLogin:     "; the host checks the password",
			rowURL:       ", because the quick start says so",
			rowDownLogin: ", as for every error of the host's function",
		},
		register: func(t *testing.T, b *browser, username, password string) reply {
			return b.post(t, "/register", url.Values{"username": {username}, "password": {password}})
		},
		login: func(t *testing.T, b *browser, username, password string) reply {
			return b.post(t, "/login", url.Values{"username": {username}, "password": {password}})
		},
		refresh: func(t *testing.T, b *browser) reply { return b.post(t, "/refresh", nil) },
		logout:  func(t *testing.T, b *browser) reply { return b.post(t, "/logout", nil) },
		token:   func(b *browser) string { return b.cookies["jwt"].Value },
		key:     func(*testing.T, *process) any { return []byte(secret) },
		short:   func(*testing.T, string) string { return "secret" },
	},
	{
		name: "authboss", folder: "authboss", module: "github.com/volatiletech/authboss/v3",
		host: []string{rowShortKey},
		notes: map[string]string{
			rowRefresh: ", by a remember-me cookie",
			rowLogout:  ", the cookie holds the session",
		},
		none: []string{rowNone, rowOtherKey, rowExpired, rowNoExpiry, rowAudience, rowIssuer, rowURL},
		register: func(t *testing.T, b *browser, username, password string) reply {
			return b.form(t, "/auth/register", url.Values{"email": {username}, "password": {password}, "confirm_password": {password}})
		},
		login: func(t *testing.T, b *browser, username, password string) reply {
			fields := url.Values{"email": {username}, "password": {password}}
			if b.remember {
				fields.Set("rm", "true")
			}
			return b.form(t, "/auth/login", fields)
		},
		refresh: func(t *testing.T, b *browser) reply { // remember me: a new session
			delete(b.cookies, "headtohead")
			return b.get(t, "/profile")
		},
		logout: func(t *testing.T, b *browser) reply { return b.form(t, "/auth/logout", nil) },
		forgot: func(t *testing.T, b *browser, username string) reply {
			return b.form(t, "/auth/recover", url.Values{"email": {username}})
		},
		reset: func(t *testing.T, b *browser, token, password string) reply {
			return b.form(t, "/auth/recover/end", url.Values{"token": {token}, "password": {password}, "confirm_password": {password}})
		},
	},
}

var csrfToken = regexp.MustCompile(`name="csrf_token" value="([^"]*)"`)

// form loads a page of authboss for its token against CSRF, and sends its form.
func (b *browser) form(t *testing.T, path string, form url.Values) reply {
	t.Helper()
	sent := url.Values{}
	if !b.cross { // another site cannot read the token
		page := b.get(t, "/auth/login")
		if m := csrfToken.FindStringSubmatch(page.body); m != nil {
			sent.Set("csrf_token", strings.NewReplacer("&#43;", "+", "&#61;", "=", "&#34;", `"`).Replace(m[1]))
		}
	}
	for name, values := range form {
		sent[name] = values
	}
	got := b.post(t, path, sent)
	got.body = csrfToken.ReplaceAllString(got.body, "")
	return got
}

var mailedToken = regexp.MustCompile(`https?://[^ "<]*[?&]token=([^ "&<\r\n]+)`)

// mailed waits for a mail after the first skip bytes of the program's output, and returns the token of
// its link.
func (p *process) mailed(t *testing.T, skip int) string {
	t.Helper()
	token, err := url.QueryUnescape(p.output.next(skip, mailedToken))
	if err != nil || token == "" {
		t.Fatalf("%s sent no mail with a link: %v", p.name, err)
	}
	return token
}
