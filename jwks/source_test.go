package jwks_test

import (
	"encoding/base64"
	"errors"
	"fmt"
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

// Responses that are not a usable key set: each counts as an outage, none is followed elsewhere,
// and no error repeats what the response said.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	key := newKey(t, "EdDSA", "1")
	good := setOf(t, key.jwk())
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		answer(good)(w, nil)
	}))
	t.Cleanup(other.Close)

	const secret = "SECRETSECRETSECRETSECRETSECRETSE"
	many := make([]any, 101)
	for n := range many {
		many[n] = key.jwk()
	}
	metadata := func(format string, args ...any) http.HandlerFunc { return answer(fmt.Sprintf(format, args...)) }
	type row struct {
		metadata, set http.HandlerFunc
		want          string // text of the error
	}
	rows := func(issuer string) map[string]row {
		redirect := func(code int, to string) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, code) }
		}
		return map[string]row{
			"status 500":              {nil, status(500), "status 500"},
			"status 404":              {nil, status(404), "status 404"},
			"status 201":              {nil, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(201); answer(good)(w, r) }, "status 201"},
			"redirect elsewhere":      {nil, redirect(302, other.URL), "status 302"},
			"redirect to itself":      {nil, redirect(301, issuer+"/other"), "status 301"},
			"redirect kept":           {nil, redirect(308, other.URL), "status 308"},
			"metadata redirect":       {redirect(302, other.URL), nil, "status 302"},
			"metadata status":         {status(401), nil, "status 401"},
			"empty":                   {nil, answer(""), "not a JWK set"},
			"HTML":                    {nil, answer("<html>" + secret), "not a JWK set"},
			"null":                    {nil, answer("null"), "not a JWK set"},
			"an array":                {nil, answer("[" + good + "]"), "not a JWK set"},
			"keys no array":           {nil, answer(`{"keys":{}}`), "not a JWK set"},
			"no keys":                 {nil, answer(`{"keys":[]}`), "no keys"},
			"keys under another name": {nil, answer(strings.Replace(good, `"keys"`, `"Keys"`, 1)), "no keys"},
			"keys twice":              {nil, answer(good[:len(good)-1] + "," + good[1:]), "duplicate"},
			"a member of a key twice": {nil, answer(strings.Replace(good, `"kid"`, `"alg":"EdDSA","kid"`, 1)), "duplicate"},
			"trailing bytes":          {nil, answer(good + "{}"), "not a JWK set"},
			"cut off":                 {nil, answer(good[:len(good)-2]), "not a JWK set"},
			"too deep":                {nil, answer(`{"keys":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`), "no usable key"},
			"too long":                {nil, answer(good + strings.Repeat(" ", 256<<10)), "more than 262144 bytes"},
			"endless":                 {nil, endless, "more than 262144 bytes"},
			"too many keys":           {nil, answer(setOf(t, many...)), "more than 100 keys"},
			"a body that ends early":  {nil, short(good), "unexpected EOF"},
			"no answer":               {nil, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
			"two keys of one ID":      {nil, answer(setOf(t, key.jwk(), newKey(t, "EdDSA", "1").jwk())), "two keys"},
			"secrets alone":           {nil, answer(setOf(t, map[string]any{"kty": "oct", "k": base64.RawURLEncoding.EncodeToString([]byte(secret)), "kid": "1"})), "published"},
			"keys not for signatures": {nil, answer(setOf(t, key.jwk(map[string]any{"use": "enc"}))), "no key for signatures"},
			"keys of unknown kinds":   {nil, answer(setOf(t, map[string]any{"kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA"})), "no key for signatures"},
			"broken keys alone":       {nil, answer(setOf(t, key.jwk(map[string]any{"x": "AAAA"}))), "no usable key"},
			"no objects":              {nil, answer(`{"keys":[1,"x",null]}`), "no usable key"},

			"metadata of another":    {metadata(`{"issuer":%q,"jwks_uri":%q}`, issuer+"/", issuer+"/keys"), nil, "names the issuer"},
			"metadata of none":       {metadata(`{"jwks_uri":%q}`, issuer+"/keys"), nil, "names the issuer"},
			"metadata with two":      {metadata(`{"issuer":%q,"issuer":%q,"jwks_uri":%q}`, issuer, issuer, issuer+"/keys"), nil, "duplicate"},
			"metadata of a template": {metadata(`{"issuer":"https://login.test/{tenantid}/v2.0","jwks_uri":%q}`, issuer+"/keys"), nil, "names the issuer"},
			"metadata without keys":  {metadata(`{"issuer":%q}`, issuer), nil, "jwks_uri"},
			"metadata, no JSON":      {metadata("issuer"), nil, "metadata"},
			"metadata too long":      {metadata(`{"issuer":%q,"jwks_uri":%q,"x":%q}`, issuer, issuer+"/keys", strings.Repeat("x", 64<<10)), nil, "more than 65536 bytes"},
			"keys of another host":   {metadata(`{"issuer":%q,"jwks_uri":%q}`, issuer, other.URL+"/keys"), nil, "KeyHosts"},
			"keys by another scheme": {metadata(`{"issuer":%q,"jwks_uri":"file:///etc/passwd"}`, issuer), nil, "jwks_uri"},
			"keys by plain http":     {metadata(`{"issuer":%q,"jwks_uri":"http://keys.test/keys"}`, issuer), nil, "must be https"},
			"keys with a password":   {metadata(`{"issuer":%q,"jwks_uri":%q}`, issuer, strings.Replace(issuer, "://", "://u:p@", 1)), nil, "user"},
			"keys of a relative URL": {metadata(`{"issuer":%q,"jwks_uri":"/keys"}`, issuer), nil, "https URL"},
			"keys of no string":      {metadata(`{"issuer":%q,"jwks_uri":[%q]}`, issuer, issuer+"/keys"), nil, "https URL"},
		}
	}
	for name := range rows("") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i, v := served(t, nil, key)
			r := rows(i.url)[name]
			if r.metadata != nil {
				i.answerMetadata(r.metadata)
			}
			if r.set != nil {
				i.answerSet(r.set)
			}
			p, err := v.Verify(t.Context(), key.token(t, i.url))
			if p != nil || !errors.Is(err, auth.ErrKeysUnavailable) || errors.Is(err, auth.ErrInvalidToken) {
				t.Fatalf("got %v, %v, want ErrKeysUnavailable", p, err)
			}
			if !strings.Contains(err.Error(), r.want) || !strings.Contains(err.Error(), i.url) {
				t.Errorf("the error %v does not mention %q and the issuer", err, r.want)
			}
			for _, leak := range []string{secret[:10], "no error may repeat", "<html"} {
				if strings.Contains(err.Error(), leak) {
					t.Errorf("the error %v repeats the response", err)
				}
			}
		})
	}
	t.Cleanup(func() {
		if n := elsewhere.Load(); n > 0 {
			t.Errorf("%d requests went to another host", n)
		}
	})
}

func endless(w http.ResponseWriter, r *http.Request) {
	for {
		if _, err := w.Write([]byte(strings.Repeat(" ", 4096))); err != nil {
			return
		}
	}
}

func short(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)+10))
		_, _ = w.Write([]byte(body))
	}
}

// After a bad response, the keys of the last good one stay in use.
func TestBadAnswerKeepsKeys(t *testing.T) {
	t.Parallel()
	key := newKey(t, "EdDSA", "1")
	i, v := served(t, func(cfg *jwks.Config) { cfg.Refresh, cfg.Cooldown = time.Second, time.Second }, key)
	token := key.token(t, i.url)
	accepted(t, v, token)
	for _, bad := range []http.HandlerFunc{status(500), answer("{}"), answer(setOf(t, key.jwk(), newKey(t, "EdDSA", "1").jwk()))} {
		i.answerSet(bad)
		before := i.fetches()
		for deadline := time.Now().Add(2 * time.Minute); i.fetches() == before && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			accepted(t, v, token)
		}
		if i.fetches() == before {
			t.Error("the keys were not fetched within 2 minutes")
		}
		accepted(t, v, token)
	}
}

func TestKeyHosts(t *testing.T) {
	t.Parallel()
	key := newKey(t, "EdDSA", "1")
	for name, row := range map[string]struct {
		keysURL string
		hosts   []string
		ok      bool
	}{
		"the issuer's":               {"https://issuer.test/keys", nil, true},
		"the issuer's with its port": {"https://Issuer.TEST:443/keys", nil, true},
		"the issuer's, another port": {"https://issuer.test:8443/keys", nil, false},
		"another":                    {"https://keys.test/keys", nil, false},
		"a subdomain":                {"https://keys.issuer.test/keys", nil, false},
		"allowed":                    {"https://keys.test/keys", []string{"x.test", "Keys.test"}, true},
		"allowed with a port":        {"https://keys.test:8443/keys", []string{"keys.test:8443"}, true},
		"allowed with another port":  {"https://keys.test:8443/keys", []string{"keys.test"}, false},
		"allowed, but http":          {"http://keys.test/keys", []string{"keys.test"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t, issuerURL, key)
			i.answerMetadata(answer(fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, issuerURL, row.keysURL)))
			v := i.verifier(t, func(cfg *jwks.Config) { cfg.KeyHosts = row.hosts })
			if p, err := v.Verify(t.Context(), key.token(t, issuerURL)); row.ok != (err == nil) || !row.ok && !errors.Is(err, auth.ErrKeysUnavailable) {
				t.Errorf("got %v, %v, want a verified token: %t", p, err, row.ok)
			}
			if n := i.fetches(); !row.ok && n != 0 {
				t.Errorf("%d requests for the JWK set, want none", n)
			}
		})
	}
}

// With a transport of the host, requests are the same: GET, no credentials, bounded in time.
func TestRequests(t *testing.T) {
	t.Parallel()
	key := newKey(t, "EdDSA", "1")
	i := newIssuer(t, issuerURL, key)
	var seen []string
	v := i.verifier(t, func(cfg *jwks.Config) {
		cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method != "GET" || !r.Close || r.Header.Get("Cookie") != "" || r.Header.Get("Authorization") != "" {
				t.Errorf("request %s %s, Close %t, with the header %v", r.Method, r.URL, r.Close, r.Header)
			}
			if _, bounded := r.Context().Deadline(); !bounded {
				t.Error("the request has no deadline")
			}
			seen = append(seen, r.URL.String())
			return i.RoundTrip(r)
		})
	})
	accepted(t, v, key.token(t, issuerURL))
	if want := "[" + issuerURL + "/.well-known/openid-configuration " + issuerURL + "/keys]"; fmt.Sprint(seen) != want {
		t.Errorf("requested %v, want %v", seen, want)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestConfig(t *testing.T) {
	t.Parallel()
	ring := new(jwt.KeyRing)
	sound := func() jwks.Config {
		return jwks.Config{Tokens: jwt.VerifierConfig{Issuer: issuerURL, Audience: audience}}
	}
	for name, row := range map[string]struct {
		change func(*jwks.Config)
		faults string // fields; "" none
	}{
		"sound":              {func(*jwks.Config) {}, ""},
		"the zero Config":    {func(c *jwks.Config) { *c = jwks.Config{} }, "jwt.VerifierConfig.Issuer jwt.VerifierConfig.Audience"},
		"keys of the host's": {func(c *jwks.Config) { c.Tokens.Keys = ring }, "Tokens.Keys"},
		"plain http":         {func(c *jwks.Config) { c.Tokens.Issuer = "http://issuer.test" }, "Tokens.Issuer"},
		"plain http, opted":  {func(c *jwks.Config) { c.Tokens.Issuer, c.DangerouslyPlainHTTP = "http://issuer.test", true }, ""},
		"http, this machine": {func(c *jwks.Config) { c.Tokens.Issuer = "http://localhost:8080/realms/a" }, ""},
		"http, IPv4":         {func(c *jwks.Config) { c.Tokens.Issuer = "http://127.0.0.1:8080" }, ""},
		"http, IPv6":         {func(c *jwks.Config) { c.Tokens.Issuer = "http://[::1]:8080" }, ""},
		"http, like local":   {func(c *jwks.Config) { c.Tokens.Issuer = "http://localhost.test" }, "Tokens.Issuer"},
		"http, like 127":     {func(c *jwks.Config) { c.Tokens.Issuer = "http://127.0.0.1.test" }, "Tokens.Issuer"},
		"no URL":             {func(c *jwks.Config) { c.Tokens.Issuer = "issuer" }, "Tokens.Issuer"},
		"no URL, but keys":   {func(c *jwks.Config) { c.Tokens.Issuer, c.KeysURL = "issuer", "https://issuer.test/keys" }, ""},
		"issuer with query":  {func(c *jwks.Config) { c.Tokens.Issuer += "?a=b" }, "Tokens.Issuer"},
		"issuer with mark":   {func(c *jwks.Config) { c.Tokens.Issuer += "?" }, "Tokens.Issuer"},
		"issuer, fragment":   {func(c *jwks.Config) { c.Tokens.Issuer += "#" }, "Tokens.Issuer"},
		"issuer, user":       {func(c *jwks.Config) { c.Tokens.Issuer = "https://u@issuer.test" }, "Tokens.Issuer"},
		"issuer too long":    {func(c *jwks.Config) { c.Tokens.Issuer += strings.Repeat("x", 2048) }, "jwt.VerifierConfig.Issuer Tokens.Issuer"},
		"keys by http":       {func(c *jwks.Config) { c.KeysURL = "http://issuer.test/keys" }, "KeysURL"},
		"keys by file":       {func(c *jwks.Config) { c.KeysURL = "file:///keys" }, "KeysURL"},
		"keys with query":    {func(c *jwks.Config) { c.KeysURL = "https://issuer.test/keys?appid=1" }, ""},
		"hosts":              {func(c *jwks.Config) { c.KeyHosts = []string{"a.test", "[::1]:1", "a.test:1"} }, ""},
		"no hosts":           {func(c *jwks.Config) { c.KeyHosts = []string{"", "https://a.test", "a.test/", "u@a.test"} }, "KeyHosts KeyHosts KeyHosts KeyHosts"},
		"algorithms":         {func(c *jwks.Config) { c.RSAAlgorithm = "PS512" }, ""},
		"no algorithm":       {func(c *jwks.Config) { c.RSAAlgorithm = "none" }, "RSAAlgorithm"},
		"not of RSA":         {func(c *jwks.Config) { c.RSAAlgorithm = "HS256" }, "RSAAlgorithm"},
		"durations at least": {func(c *jwks.Config) { c.Refresh, c.Cooldown, c.MaxStale, c.Timeout = 1e9, 1e9, 600e9, 1e9 }, ""},
		"durations at most": {func(c *jwks.Config) {
			c.Refresh, c.Cooldown, c.MaxStale, c.Timeout = 84*time.Hour, 600e9, 168*time.Hour, 60e9
		}, ""},
		"durations below": {func(c *jwks.Config) { c.Refresh, c.Cooldown, c.MaxStale, c.Timeout = 1e9-1, 1e9-1, 600e9-1, 1e9-1 }, "Cooldown MaxStale Timeout Refresh"},
		"durations above": {func(c *jwks.Config) {
			c.Refresh, c.Cooldown, c.MaxStale, c.Timeout = 84*time.Hour+1, 600e9+1, 168*time.Hour, 60e9+1
		}, "Cooldown Timeout Refresh"},
		"negative":        {func(c *jwks.Config) { c.Refresh, c.Cooldown, c.MaxStale, c.Timeout = -1, -1, -1, -1 }, "Cooldown MaxStale Timeout Refresh"},
		"rules of tokens": {func(c *jwks.Config) { c.Tokens.Leeway = time.Hour }, "jwt.VerifierConfig.Leeway"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := sound()
			row.change(&cfg)
			v, err := jwks.New(cfg)
			var fields []string
			for _, e := range flat(err) {
				var fault *auth.ConfigError
				if !errors.As(e, &fault) {
					t.Fatalf("%v is not a ConfigError", e)
				}
				fields = append(fields, strings.TrimPrefix(fault.Field, "jwks.Config."))
			}
			if got := strings.Join(fields, " "); got != row.faults || (v == nil) != (row.faults != "") {
				t.Errorf("faults %q, want %q", got, row.faults)
			}
		})
	}
}

// flat returns the errors that err joins.
func flat(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, flat(e)...)
		}
		return all
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
