package authtest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/cfgerr"
)

// AttackConfig says what [Attack] must know about a program.
type AttackConfig struct {
	// Login returns credentials of a new login of the user 0 or the user 1, whom it may create. Each
	// call returns other credentials. Required.
	Login func(t testing.TB, user int) AttackLogin

	// Routes are protected routes, whose requests can be sent many times. At least one is required.
	Routes []AttackRoute

	// Origin is the origin that browsers know the program by. "": "https://app.test".
	Origin string

	// AllowedOrigins are other origins whose pages may use the program, and are not reported.
	AllowedOrigins []string

	// LoginRequest returns a request that logs user 0 in. nil: the login is not attacked.
	LoginRequest func() *http.Request

	// KeysPath is the path of the published JWK set, such as "/.well-known/jwks.json". Tokens are then
	// signed with the public key as if it were a secret. "": there is none.
	KeysPath string

	// SigningKey is the key that signs the tokens: a secret of HS256 as []byte, or an Ed25519, ECDSA
	// P-256 or RSA key as a crypto.Signer. Genuine tokens that nobody may accept are then sent: expired,
	// of another issuer, for another audience. nil: they are not.
	SigningKey any
}

// AttackRoute is a protected route.
type AttackRoute struct {
	// Request returns a request that is answered with a status of 200 to 299 when the credentials of
	// owner are added. It has no credentials itself. Its host is not looked at.
	Request func(owner AttackLogin) *http.Request

	// Owned says that nobody but the owner may make this request: it is about something of theirs that
	// it names, such as a session or a file.
	Owned bool
}

// AttackLogin is what a login gave to a user. It has a Token or Cookies, or both.
type AttackLogin struct {
	Token   string         // sent in the header Authorization
	Scheme  string         // of the header Authorization. "": Bearer
	Cookies []*http.Cookie // as the program set them

	// Header is what the user's own programs send beside the credentials and others do not know, such
	// as a session ID of a protocol or a token against forged requests.
	Header http.Header

	// Mark is a text that stands in the answers to this user and to no other, such as the username. "":
	// two answers show the same user if they are the same.
	Mark string

	ID string // the user's ID or username, which attackers know, for headers that name a user. "": Mark
}

// attackKinds are the kinds of attacks, in the order in which they are made.
var attackKinds = []struct {
	name string
	run  func(*attack)
}{
	{"anonymous", (*attack).anonymous},
	{"unsigned", (*attack).unsigned},
	{"public-key", (*attack).publicKey},
	{"guessed-key", (*attack).guessedKey},
	{"key-id", (*attack).keyID},
	{"brought-key", (*attack).broughtKey},
	{"altered", (*attack).altered},
	{"spelling", (*attack).spelling},
	{"genuine", (*attack).genuine},
	{"headers", (*attack).headers},
	{"credentials", (*attack).credentials},
	{"query", (*attack).query},
	{"paths", (*attack).paths},
	{"csrf", (*attack).csrf},
	{"websocket", (*attack).webSocket},
	{"cors", (*attack).cors},
	{"tossing", (*attack).tossing},
	{"swap", (*attack).swap},
	{"caching", (*attack).caching},
	{"bodies", (*attack).bodies},
	{"oversized", (*attack).oversized},
}

// Attack sends to a handler, as a host has mounted it, what attackers send: forged and altered tokens,
// genuine tokens for others, headers that proxies set, requests that pages of other sites make, cookies
// of two users, a session of one user with a token of another, tokens in the URL, broken and huge
// bodies. It reports each fault once, with a sentence and the request that showed it, and fails the
// test. Credentials are not printed.
//
// The handler is served on a loopback address, and sees its requests as if they came over TLS. The attacks take about a thousand requests for
// each route; they guess no passwords. Every answer is looked at for text that tells about the inside of
// the program, and a status of 500 or a connection that is closed without an answer is a fault.
//
// What is not found is not proven to be absent. The test ends at once if cfg is incomplete or a good
// request is refused.
func Attack(t *testing.T, handler http.Handler, cfg AttackConfig) {
	t.Helper()
	for _, fault := range findings(t, handler, cfg, nil) {
		t.Error(fault)
	}
}

// findings returns the faults that all kinds of attacks show, but those that are left out.
func findings(t testing.TB, handler http.Handler, cfg AttackConfig, without map[string]bool) []*fault {
	t.Helper()
	if err := cfg.check(handler); err != nil {
		t.Fatal(err)
	}
	a := newAttack(t, handler, cfg, !without["internals"])
	for _, kind := range attackKinds {
		if !without[kind.name] {
			a.kind = kind.name
			kind.run(a)
		}
	}
	a.stillWorks()
	return a.faults
}

// check returns the faults of cfg, and sets what is not set.
func (cfg *AttackConfig) check(handler http.Handler) error {
	faults := cfgerr.Faults{Prefix: "authtest.AttackConfig."}
	faults.Require("Login", cfg.Login != nil)
	if handler == nil {
		faults.Add("handler", "", "is nil")
	}
	if len(cfg.Routes) == 0 {
		faults.Add("Routes", "", "is empty: name a protected route")
	}
	for i, route := range cfg.Routes {
		faults.Require(fmt.Sprintf("Routes[%d].Request", i), route.Request != nil)
	}
	if cfg.Origin == "" {
		cfg.Origin = "https://app.test"
	}
	if u, err := url.Parse(cfg.Origin); err != nil || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		faults.Add("Origin", cfg.Origin, "must be an origin, as in https://app.example.com")
	}
	if cfg.SigningKey != nil {
		if _, err := newSigner(cfg.SigningKey); err != nil {
			faults.Add("SigningKey", "", err.Error())
		}
	}
	return faults.Err()
}
