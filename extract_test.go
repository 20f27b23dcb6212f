package auth_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/seed-e36e2130/auth"
)

func TestBearerToken(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		fields []string
		want   string
		err    error
	}{
		"token":         {[]string{"Bearer abc.DEF-_~+/1="}, "abc.DEF-_~+/1=", nil},
		"lower case":    {[]string{"bearer abc"}, "abc", nil},
		"mixed case":    {[]string{"bEARER abc"}, "abc", nil},
		"many spaces":   {[]string{"Bearer     abc"}, "abc", nil},
		"absent":        {nil, "", auth.ErrNoCredentials},
		"empty":         {[]string{""}, "", auth.ErrNoCredentials},
		"other":         {[]string{"Basic YTpi"}, "", auth.ErrNoCredentials},
		"longer":        {[]string{"Bearers abc"}, "", auth.ErrNoCredentials},
		"joined":        {[]string{"BearereyJ.abc"}, "", auth.ErrNoCredentials},
		"shorter":       {[]string{"Beare abc"}, "", auth.ErrNoCredentials},
		"token alone":   {[]string{"abc.def.ghi"}, "", auth.ErrNoCredentials},
		"kelvin sign":   {[]string{"Bea\u212Aer abc"}, "", auth.ErrNoCredentials},
		"no token":      {[]string{"Bearer"}, "", auth.ErrInvalidRequest},
		"spaces alone":  {[]string{"Bearer   "}, "", auth.ErrInvalidRequest},
		"tab":           {[]string{"Bearer\tabc"}, "", auth.ErrInvalidRequest},
		"colon":         {[]string{"Bearer: abc"}, "", auth.ErrInvalidRequest},
		"equals":        {[]string{"Bearer=abc"}, "", auth.ErrInvalidRequest},
		"two words":     {[]string{"Bearer abc def"}, "", auth.ErrInvalidRequest},
		"trailing":      {[]string{"Bearer abc "}, "", auth.ErrInvalidRequest},
		"a list":        {[]string{"Bearer abc, Bearer def"}, "", auth.ErrInvalidRequest},
		"two fields":    {[]string{"Bearer abc", "Bearer abc"}, "", auth.ErrInvalidRequest},
		"and empty":     {[]string{"Bearer abc", ""}, "", auth.ErrInvalidRequest},
		"empty and":     {[]string{"", "Bearer abc"}, "", auth.ErrInvalidRequest},
		"and other":     {[]string{"Bearer abc", "Basic YTpi"}, "", auth.ErrInvalidRequest},
		"two of others": {[]string{"Basic YTpi", "Basic YTpi"}, "", auth.ErrInvalidRequest},
	} {
		r := &http.Request{Header: http.Header{"Authorization": row.fields}}
		if got, err := auth.BearerToken().Extract(r); got != row.want || !errors.Is(err, row.err) {
			t.Errorf("%s: %q gives %q, %v; want %q, %v", name, row.fields, got, err, row.want, row.err)
		}
	}
	if auth.BearerToken().Ambient() {
		t.Error("no browser adds an Authorization header by itself")
	}
}

// Another scheme is extracted by the same rules.
func TestAuthorizationScheme(t *testing.T) {
	t.Parallel()
	for field, row := range map[string]struct {
		want string
		err  error
	}{
		"Token abc.def": {"abc.def", nil}, "token abc": {"abc", nil}, "Bearer abc": {"", auth.ErrNoCredentials}, "Tokens abc": {"", auth.ErrNoCredentials},
		"Token": {"", auth.ErrInvalidRequest}, "Token a b": {"", auth.ErrInvalidRequest}, "Tok abc": {"", auth.ErrNoCredentials},
	} {
		r := &http.Request{Header: http.Header{"Authorization": {field}}}
		if got, err := auth.AuthorizationScheme("Token").Extract(r); got != row.want || !errors.Is(err, row.err) {
			t.Errorf("%q gives %q, %v; want %q, %v", field, got, err, row.want, row.err)
		}
	}
	if auth.AuthorizationScheme("Token").Ambient() {
		t.Error("no browser adds an Authorization header by itself")
	}
}

func TestCookieToken(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		fields []string
		want   string
		err    error
	}{
		"alone":           {[]string{"t=abc"}, "abc", nil},
		"among others":    {[]string{"a=1; t=abc; b=2"}, "abc", nil},
		"no space":        {[]string{"a=1;t=abc;b=2"}, "abc", nil},
		"in parts":        {[]string{"a=1", "t=abc"}, "abc", nil},
		"quoted":          {[]string{`t="abc"`}, "abc", nil},
		"with equals":     {[]string{"t=abc=="}, "abc==", nil},
		"absent":          {nil, "", auth.ErrNoCredentials},
		"others":          {[]string{"T=abc; tt=abc; xt=abc"}, "", auth.ErrNoCredentials},
		"inside":          {[]string{"a=t=abc"}, "", auth.ErrNoCredentials},
		"empty":           {[]string{"t="}, "", auth.ErrNoCredentials},
		"empty quoted":    {[]string{`t=""`}, "", auth.ErrNoCredentials},
		"no value":        {[]string{"t"}, "", auth.ErrNoCredentials},
		"two":             {[]string{"t=abc; t=def"}, "", auth.ErrInvalidRequest},
		"two the same":    {[]string{"t=abc; t=abc"}, "", auth.ErrInvalidRequest},
		"two, one empty":  {[]string{"t=; t=abc"}, "", auth.ErrInvalidRequest},
		"two fields":      {[]string{"t=abc", "t=def"}, "", auth.ErrInvalidRequest},
		"two, one broken": {[]string{"t=a\x7fb; t=abc"}, "", auth.ErrInvalidRequest}, // net/http would see one
		"broken":          {[]string{"t=a\x7fb"}, "a\x7fb", nil},                     // for the verifier to refuse: not absent
		"one quote":       {[]string{`t="abc`}, `"abc`, nil},
	} {
		r := &http.Request{Header: http.Header{"Cookie": row.fields}}
		if got, err := auth.Cookie("t").Extract(r); got != row.want || !errors.Is(err, row.err) {
			t.Errorf("%s: %q gives %q, %v; want %q, %v", name, row.fields, got, err, row.want, row.err)
		}
	}
}

// Credentials in two places are never a choice, and a cookie is not taken from a
// request that another origin caused.
func TestExtractors(t *testing.T) {
	t.Parallel()
	m := middleware(t, knows(t, map[string]auth.Claims{"ada": {Subject: "1"}}), auth.MiddlewareConfig{
		Extractors:     []auth.Extractor{auth.BearerToken(), auth.Cookie("t")},
		TrustedOrigins: []string{"https://app.test"},
	})
	const cookie, header, evil, cross = "Cookie: t=ada", ada, "Origin: https://evil.test", "Sec-Fetch-Site: cross-site"
	for name, row := range map[string]struct {
		method  string
		headers []string
		want    error
	}{
		"header":                  {"GET", []string{header}, nil},
		"cookie":                  {"GET", []string{cookie}, nil},
		"cookie and basic":        {"GET", []string{cookie, "Authorization: Basic YTpi"}, nil},
		"neither":                 {"GET", nil, auth.ErrNoCredentials},
		"both":                    {"GET", []string{header, cookie}, auth.ErrInvalidRequest},
		"cookie, malformed":       {"GET", []string{cookie, "Authorization: Bearer"}, auth.ErrInvalidRequest},
		"header, two cookies":     {"GET", []string{header, "Cookie: t=a; t=b"}, auth.ErrInvalidRequest},
		"header, empty cookie":    {"GET", []string{header, "Cookie: t="}, nil},
		"forged cookie":           {"GET", []string{"Cookie: t=eve"}, auth.ErrInvalidToken},
		"post, no browser":        {"POST", []string{cookie}, nil},
		"post, same origin":       {"POST", []string{cookie, "Sec-Fetch-Site: same-origin"}, nil},
		"post, host":              {"POST", []string{cookie, "Origin: http://api.test"}, nil},
		"post, trusted":           {"POST", []string{cookie, "Origin: https://app.test", cross}, nil},
		"post, same site":         {"POST", []string{cookie, "Sec-Fetch-Site: same-site"}, auth.ErrCrossOrigin},
		"post, cross site":        {"POST", []string{cookie, evil, cross}, auth.ErrCrossOrigin},
		"post, old browser":       {"POST", []string{cookie, evil}, auth.ErrCrossOrigin},
		"delete, cross site":      {"DELETE", []string{cookie, evil, cross}, auth.ErrCrossOrigin},
		"odd method, cross site":  {"get", []string{cookie, evil, cross}, auth.ErrCrossOrigin},
		"get, cross site":         {"GET", []string{cookie, evil, cross}, nil},
		"socket, cross site":      {"GET", []string{cookie, evil, "Connection: Upgrade", "Upgrade: websocket"}, auth.ErrCrossOrigin},
		"socket, same origin":     {"GET", []string{cookie, "Origin: http://api.test", "Connection: Upgrade", "Upgrade: websocket"}, nil},
		"header post, cross site": {"POST", []string{header, evil, cross}, nil},
		"forged, cross site":      {"POST", []string{"Cookie: t=eve", evil, cross}, auth.ErrCrossOrigin},
	} {
		for order, headers := range map[string][]string{"as written": row.headers, "reversed": reversed(row.headers)} {
			r := request(row.method, headers...)
			if _, err := m.Check(r); !errors.Is(err, row.want) {
				t.Errorf("%s, %s: %v, want %v", name, order, err, row.want)
			}
			if w := serve(m.Optional(whoami), request(row.method, headers...)); errors.Is(row.want, auth.ErrCrossOrigin) &&
				(w.Code != 403 || w.Header()["Www-Authenticate"] != nil) {
				t.Errorf("%s: answered %d %v, want 403 without a challenge", name, w.Code, w.Header())
			}
			if r.Method != row.method {
				t.Errorf("%s: the request's method is now %s", name, r.Method)
			}
		}
	}
}

func reversed(list []string) (out []string) {
	for i := len(list) - 1; i >= 0; i-- {
		out = append(out, list[i])
	}
	return out
}

// An Extractor of the host's that breaks its contract opens nothing.
type brokenExtractor struct{}

func (brokenExtractor) Extract(*http.Request) (string, error) { return "", nil }
func (brokenExtractor) Ambient() bool                         { return false }

func TestExtractorWithoutToken(t *testing.T) {
	t.Parallel()
	v := knows(t, map[string]auth.Claims{"": {Subject: "1"}})
	m := middleware(t, v, auth.MiddlewareConfig{Extractors: []auth.Extractor{brokenExtractor{}}})
	if w := serve(m.Optional(whoami), request("GET")); w.Code != 400 {
		t.Errorf("is answered %d, want 400", w.Code)
	}
}
