package headtohead_test

import (
	"crypto/ed25519"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/bcrypt"
)

// row is a row of the table: a probe, or the heading of a section.
type row struct {
	section string
	title   string
	probe   func(t *testing.T, p *process) string
}

const (
	rowRegister      = "registers a user with a password"
	rowLogin         = "logs in"
	rowChallenge     = "`GET /profile` without a login"
	rowRefresh       = "a refresh keeps the user logged in"
	rowLogout        = "a copy of the access token or session, after a logout"
	rowLogoutRefresh = "a copy of the refresh token, after a logout"
	rowForgot        = "sets a new password by a link in a mail"
	rowNoStore       = "the answer to a login says `Cache-Control: no-store`"

	rowGuesses       = "of 50 wrong passwords from one address, answered alike"
	rowAfterGuesses  = "then the right password, from that address"
	rowOwner         = "then the right password, from another address"
	rowAnswers       = "10 wrong passwords tell whether the user exists"
	rowWork          = "hashes computed for a wrong password, and for an unknown user"
	rowForgotAnswers = "a request for a mail tells whether the user exists"

	rowCase    = "`Ada@…` logs in to the account of `ada@…`"
	rowCommon  = "`P@ssw0rd` as a new password"
	row73      = "a new password of 73 bytes"
	row72      = "a password of 72 bytes, entered with one more"
	rowLong    = "a new password of 10,000 bytes"
	rowUpgrade = "a stored bcrypt hash of cost 4, after a login"

	rowNone     = "a token with `alg: none`"
	rowOtherKey = "a token signed with another key"
	rowExpired  = "an expired token"
	rowNoExpiry = "a token without `exp`"
	rowAudience = "a token for another audience"
	rowIssuer   = "a token of another issuer"
	rowURL      = "a token in the URL"
	rowShortKey = "starts with an HMAC key of 6 bytes"

	rowTwoTabs    = "a refresh token, sent again by a second tab"
	rowStolen     = "a refresh token, sent again after 70 later ones"
	rowLogoutCSRF = "another site's form logs the user out"
	rowLoginCSRF  = "another site's form logs a browser in"

	rowResetTwice    = "a link in a mail, used twice"
	rowResetSessions = "other logins, after a new password by mail"
	rowResetHost     = "a forged `Host` header gets into the link of a mail"

	rowDownLogin = "a login while the store of users fails"
)

var rows = []row{
	{section: "The application"},
	{title: rowRegister, probe: func(t *testing.T, p *process) string {
		p.known(t, "ada")
		return yes(p.user(t, "ada").isIn(t))
	}},
	{title: rowLogin, probe: func(t *testing.T, p *process) string {
		if len(p.user(t, "ada").cookies) > 0 {
			return "yes, by cookies"
		}
		return "yes, by a token"
	}},
	{title: rowChallenge, probe: func(t *testing.T, p *process) string {
		got := p.browser().get(t, "/profile")
		if got.header.Get("WWW-Authenticate") == "" {
			return fmt.Sprintf("%d, no challenge", got.status)
		}
		return fmt.Sprintf("%d, with a challenge", got.status)
	}},
	{title: rowRefresh, probe: func(t *testing.T, p *process) string {
		b := p.user(t, "ada")
		if p.refresh(t, b).status != http.StatusOK || !b.isIn(t) {
			t.Fatal("a refresh does not continue the login")
		}
		return "yes"
	}},
	{title: rowLogout, probe: func(t *testing.T, p *process) string {
		b := p.user(t, "ada")
		thief := b.clone()
		delete(thief.cookies, "rm")
		if p.logout(t, b); b.isIn(t) {
			t.Fatal("a logout leaves the browser in")
		}
		return got(thief.isIn(t))
	}},
	{title: rowLogoutRefresh, probe: func(t *testing.T, p *process) string {
		b := p.user(t, "ada")
		thief := b.clone()
		p.logout(t, b)
		return got(p.refresh(t, thief).status == http.StatusOK)
	}},
	{title: rowForgot, probe: func(t *testing.T, p *process) string { return yes(p.recovery(t).done) }},
	{title: rowNoStore, probe: func(t *testing.T, p *process) string {
		p.known(t, "ada")
		reply := p.login(t, p.browser(), address("ada"), password)
		return yes(strings.Contains(reply.header.Get("Cache-Control"), "no-store"))
	}},

	{section: "Guessing"},
	{title: rowGuesses, probe: func(t *testing.T, p *process) string {
		p.known(t, "guess")
		attacker := p.browserAt("127.0.2.1")
		alike, first := 0, ""
		for i := range 50 {
			answer := p.wrong(t, attacker, address("guess"), i)
			if first == "" {
				first = answer
			}
			if answer != first {
				return fmt.Sprintf("%d, then %s", alike, answer[:3])
			}
			alike++
		}
		return fmt.Sprint(alike)
	}},
	{title: rowAfterGuesses, probe: func(t *testing.T, p *process) string {
		attacker := p.browserAt("127.0.2.1")
		p.login(t, attacker, address("guess"), password)
		return got(attacker.isIn(t))
	}},
	{title: rowOwner, probe: func(t *testing.T, p *process) string {
		owner := p.browser()
		p.login(t, owner, address("guess"), password)
		return got(owner.isIn(t))
	}},
	{title: rowAnswers, probe: func(t *testing.T, p *process) string {
		p.known(t, "known")
		known, unknown := p.browser(), p.browser()
		for i := range 10 {
			a, b := p.wrong(t, known, address("known"), i), p.wrong(t, unknown, address("nobody"), i)
			if a != strings.ReplaceAll(b, "nobody", "known") {
				return fmt.Sprintf("yes, answer %d", i+1)
			}
		}
		return "no"
	}},
	{title: rowWork, probe: func(t *testing.T, p *process) string {
		p.known(t, "ada")
		b := p.browser()
		before := p.hashed(t)
		p.wrong(t, b, address("ada"), 0)
		between := p.hashed(t)
		p.wrong(t, b, address("nobody"), 0)
		return fmt.Sprintf("%d and %d", between-before, p.hashed(t)-between)
	}},
	{title: rowForgotAnswers, probe: func(t *testing.T, p *process) string {
		p.recovery(t)
		known, unknown := p.forgot(t, p.browser(), address("mail")), p.forgot(t, p.browser(), address("nobody"))
		return yes(known.status != unknown.status || known.body != unknown.body || known.header.Get("Location") != unknown.header.Get("Location"))
	}},

	{section: "Passwords and names"},
	{title: rowCase, probe: func(t *testing.T, p *process) string {
		p.known(t, "ada")
		b := p.browser()
		p.login(t, b, "Ada@example.com", password)
		return yes(b.isIn(t))
	}},
	{title: rowCommon, probe: func(t *testing.T, p *process) string { return p.accepts(t, "common", "P@ssw0rd") }},
	{title: row73, probe: func(t *testing.T, p *process) string { return p.accepts(t, "seventythree", longPassword(73)) }},
	{title: row72, probe: func(t *testing.T, p *process) string {
		if answer := p.accepts(t, "seventytwo", longPassword(72)); answer != accepted {
			t.Fatalf("a password of 72 bytes is %s", answer)
		}
		b := p.browser()
		p.login(t, b, address("seventytwo"), longPassword(73))
		return got(b.isIn(t))
	}},
	{title: rowLong, probe: func(t *testing.T, p *process) string { return p.accepts(t, "long", longPassword(10_000)) }},
	{title: rowUpgrade, probe: func(t *testing.T, p *process) string {
		b := p.browser()
		if p.login(t, b, address("old"), password); !b.isIn(t) {
			t.Fatal("the old hash does not log in")
		}
		hash, err := os.ReadFile(filepath.Join(p.dir, "hash"))
		if err != nil {
			return "stays"
		}
		cost, err := bcrypt.Cost(hash)
		if err != nil {
			t.Fatal(err)
		}
		if cost == bcrypt.MinCost {
			return "stays"
		}
		return fmt.Sprintf("replaced, cost %d", cost)
	}},

	{section: "Tokens"},
	{title: rowNone, probe: func(t *testing.T, p *process) string {
		return p.forge(t, func(token *jwt.Token, _ jwt.MapClaims) any {
			token.Method, token.Header["alg"] = jwt.SigningMethodNone, "none"
			return jwt.UnsafeAllowNoneSignatureType
		})
	}},
	{title: rowOtherKey, probe: func(t *testing.T, p *process) string {
		var another any = []byte("another key of more than 32 bytes, as it should be")
		if _, asymmetric := p.key(t, p).(ed25519.PrivateKey); asymmetric {
			another = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
		}
		return p.forge(t, func(*jwt.Token, jwt.MapClaims) any { return another })
	}},
	{title: rowExpired, probe: func(t *testing.T, p *process) string {
		return p.forge(t, func(_ *jwt.Token, c jwt.MapClaims) any { c["exp"] = time.Now().Add(-time.Hour).Unix(); return nil })
	}},
	{title: rowNoExpiry, probe: func(t *testing.T, p *process) string {
		return p.forge(t, func(_ *jwt.Token, c jwt.MapClaims) any { delete(c, "exp"); return nil })
	}},
	{title: rowAudience, probe: func(t *testing.T, p *process) string {
		return p.forge(t, func(_ *jwt.Token, c jwt.MapClaims) any { c["aud"] = "another"; return nil })
	}},
	{title: rowIssuer, probe: func(t *testing.T, p *process) string {
		return p.forge(t, func(_ *jwt.Token, c jwt.MapClaims) any { c["iss"] = "https://another.example"; return nil })
	}},
	{title: rowURL, probe: func(t *testing.T, p *process) string {
		token := p.genuine(t)
		for _, name := range []string{"access_token", "token", "jwt"} {
			if p.browser().get(t, "/profile?"+name+"="+url.QueryEscape(token)).status == http.StatusOK {
				return "accepted, as `" + name + "`"
			}
		}
		return refused
	}},
	{title: rowShortKey, probe: func(t *testing.T, p *process) string {
		another := start(t, p.program, p.executables, func(dir string) string { return p.short(t, dir) })
		return yes(!another.hasEnded())
	}},

	{section: "Sessions and browsers"},
	{title: rowTwoTabs, probe: func(t *testing.T, p *process) string {
		b := p.user(t, "ada")
		second := b.clone()
		p.refresh(t, b)
		reply := p.refresh(t, second)
		if reply.status == http.StatusOK {
			return "the same answer"
		}
		return fmt.Sprint(reply.status)
	}},
	{title: rowStolen, probe: func(t *testing.T, p *process) string {
		b := p.user(t, "ada")
		thief := b.clone()
		for range 70 {
			if reply := p.refresh(t, b); reply.status != http.StatusOK {
				t.Fatalf("a refresh is answered %d", reply.status)
			}
		}
		if p.refresh(t, thief).status == http.StatusOK {
			return accepted
		}
		if p.refresh(t, b).status == http.StatusOK {
			return "refused; the login goes on"
		}
		return "refused; the login ends"
	}},
	{title: rowLogoutCSRF, probe: func(t *testing.T, p *process) string {
		b := p.user(t, "ada")
		keep := b.clone()
		b.cross = true
		reply := p.logout(t, b)
		if reply.status < 400 {
			return fmt.Sprintf("%d", reply.status)
		}
		if !keep.isIn(t) {
			t.Fatal("the logout was refused and done")
		}
		return fmt.Sprintf("no: %d", reply.status)
	}},
	{title: rowLoginCSRF, probe: func(t *testing.T, p *process) string {
		p.known(t, "ada")
		b := p.browser()
		b.cross = true
		reply := p.login(t, b, address("ada"), password)
		if b.cross = false; b.isIn(t) {
			return "yes"
		}
		return fmt.Sprintf("no: %d", reply.status)
	}},

	{section: "Mails"},
	{title: rowResetTwice, probe: func(t *testing.T, p *process) string { return got(p.recovery(t).twice) }},
	{title: rowResetSessions, probe: func(t *testing.T, p *process) string {
		if p.recovery(t).others {
			return "go on"
		}
		return "end"
	}},
	{title: rowResetHost, probe: func(t *testing.T, p *process) string {
		attacker := p.browser()
		attacker.host = "attacker.example"
		skip := len(p.output.text())
		if reply := p.forgot(t, attacker, address("mail")); reply.status >= 400 {
			return fmt.Sprintf("no: %d", reply.status)
		}
		p.mailed(t, skip)
		return yes(strings.Contains(p.output.text()[skip:], "//attacker.example"))
	}},

	{section: "Failures"},
	{title: rowDownLogin, probe: func(t *testing.T, p *process) string {
		p.known(t, "ada")
		write(t, filepath.Join(p.dir, "down"), "")
		reply := p.login(t, p.browser(), address("ada"), password)
		if err := os.Remove(filepath.Join(p.dir, "down")); err != nil {
			t.Fatal(err)
		}
		if reply.body == "" {
			return fmt.Sprintf("%d, an empty page", reply.status)
		}
		return fmt.Sprint(reply.status)
	}},
}

const (
	accepted = "accepted"
	refused  = "refused"
)

func got(in bool) string {
	if in {
		return accepted
	}
	return refused
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func address(name string) string { return name + "@example.com" }

// longPassword returns a password of n bytes.
func longPassword(n int) string { return strings.Repeat("Xy-7-long-", n/10+1)[:n] }

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

// isIn reports whether the program lets the browser in.
func (b *browser) isIn(t *testing.T) bool {
	t.Helper()
	got := b.clone().get(t, "/profile")
	return got.status == http.StatusOK && strings.Contains(got.body, "@example.com")
}

// known registers a user, the first time.
func (p *process) known(t *testing.T, name string) {
	t.Helper()
	if !p.users[name] {
		p.register(t, p.browser(), address(name), password)
		p.users[name] = true
	}
}

// user returns a browser where a user is logged in.
func (p *process) user(t *testing.T, name string) *browser {
	t.Helper()
	p.known(t, name)
	b := p.browser()
	b.remember = true
	if reply := p.login(t, b, address(name), password); !b.isIn(t) {
		t.Fatalf("%s: no login: %d %s", p.name, reply.status, reply.body)
	}
	return b
}

// wrong sends a wrong password and returns the answer.
func (p *process) wrong(t *testing.T, b *browser, username string, i int) string {
	t.Helper()
	reply := p.login(t, b, username, fmt.Sprintf("Wrong-Horse-%d-battery", i))
	return fmt.Sprintf("%d %s %s", reply.status, reply.header.Get("Location"), reply.body)
}

// accepts reports what becomes of a registration with this password.
func (p *process) accepts(t *testing.T, name, password string) string {
	t.Helper()
	reply := p.register(t, p.browser(), address(name), password)
	if reply.status >= 400 {
		return fmt.Sprintf("refused: %d", reply.status)
	}
	b := p.browser()
	if p.login(t, b, address(name), password); b.isIn(t) {
		return accepted
	}
	if reply.body == "" {
		return fmt.Sprintf("refused: %d, an empty page", reply.status)
	}
	return fmt.Sprintf("refused: %d", reply.status)
}

// recovered says what became of a forgotten password.
type recovered struct {
	done   bool // the link set another password
	others bool // a login from before is still good
	twice  bool // the link set yet another password
}

// recovery sets a new password by a link in a mail, the first time.
func (p *process) recovery(t *testing.T) recovered {
	t.Helper()
	if p.recovered != nil {
		return *p.recovered
	}
	p.recovered = new(recovered)
	before := p.user(t, "mail")
	skip := len(p.output.text())
	p.forgot(t, p.browser(), address("mail"))
	token := p.mailed(t, skip)
	p.reset(t, p.browser(), token, "Another-Horse-8-staple")
	p.recovered.others = before.isIn(t)
	b := p.browser()
	p.login(t, b, address("mail"), "Another-Horse-8-staple")
	p.recovered.done = b.isIn(t)
	p.reset(t, p.browser(), token, "Third-Horse-9-staple")
	b = p.browser()
	p.login(t, b, address("mail"), "Third-Horse-9-staple")
	p.recovered.twice = b.isIn(t)
	return *p.recovered
}

// genuine returns an access token of the program.
func (p *process) genuine(t *testing.T) string {
	t.Helper()
	if p.genuineToken == "" {
		p.genuineToken = p.token(p.user(t, "ada"))
	}
	return p.genuineToken
}

// forge sends an access token that differs from a genuine one by what change did to it, and reports what
// becomes of it. change returns the key that signs it; nil is that of the program.
func (p *process) forge(t *testing.T, change func(*jwt.Token, jwt.MapClaims) any) string {
	t.Helper()
	send := func(change func(*jwt.Token, jwt.MapClaims) any) reply {
		claims := jwt.MapClaims{}
		token, _, err := jwt.NewParser(jwt.WithJSONNumber()).ParseUnverified(p.genuine(t), claims)
		if err != nil {
			t.Fatal(err)
		}
		key := change(token, claims)
		if key == nil {
			key = p.key(t, p)
		}
		signed, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		b := p.browser()
		b.bearer = signed
		return b.get(t, "/profile")
	}
	if control := send(func(*jwt.Token, jwt.MapClaims) any { return nil }); control.status != http.StatusOK {
		t.Fatalf("a genuine token that the test has signed is answered %d: %s", control.status, control.body)
	}
	forged := send(change)
	if forged.status == http.StatusOK {
		return accepted
	}
	return fmt.Sprint(forged.status)
}
