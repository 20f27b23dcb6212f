package authtest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// attack is a program under attack.
type attack struct {
	t       testing.TB
	cfg     AttackConfig
	host    string // in Origin
	server  *httptest.Server
	client  *http.Client
	ada     AttackLogin // user 0, the victim
	eve     AttackLogin // user 1, the attacker
	targets []*target
	scan    bool            // whether answers are looked at for text about the inside
	looked  map[string]bool // answers that were looked at

	kind   string // of the attack that is made
	faults []*fault
}

// target is a route, and how its credentials travel.
type target struct {
	route  AttackRoute
	byWay  map[way]answer // good answers to Ada, by the way her credentials travelled
	byEve  map[way]answer // good answers to Eve
	needs  map[int]bool   // Ada's cookies, whether the route needs them
	method string
}

// way is how credentials travel.
type way int

const (
	inHeader way = iota // Authorization
	inCookie
)

// fault is one finding.
type fault struct {
	key, sentence, request string
	count                  int
	kinds                  []string // of the attacks that showed it, and "internals" if the look at an answer did
}

// shot is a request that can be sent many times.
type shot struct {
	method, uri string
	header      http.Header
	body        []byte
	stream      io.Reader // in the place of body
	show        string    // what makes it an attack, for people
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string // at most 1 MiB
	err    error
}

func (a answer) letIn() bool { return a.err == nil && a.status >= 200 && a.status <= 299 }

const maxAnswer = 1 << 20

func newAttack(t testing.TB, handler http.Handler, cfg AttackConfig, scan bool) *attack {
	t.Helper()
	a := &attack{t: t, cfg: cfg, scan: scan, looked: map[string]bool{}, server: httptest.NewServer(served(handler))}
	t.Cleanup(a.server.Close)
	origin, _ := url.Parse(cfg.Origin) // cfg was checked
	a.host = origin.Host
	address := a.server.Listener.Addr().String()
	transport := &http.Transport{
		DisableCompression: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	a.client = &http.Client{
		Transport: transport, Timeout: 2 * time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	a.ada, a.eve = cfg.Login(t, 0), cfg.Login(t, 1)
	for _, route := range cfg.Routes {
		target := &target{route: route, byWay: map[way]answer{}, byEve: map[way]answer{}, needs: map[int]bool{}}
		var refused answer
		for _, w := range []way{inHeader, inCookie} {
			if w == inHeader && a.ada.Token == "" || w == inCookie && len(a.ada.Cookies) == 0 {
				continue
			}
			good := a.good(target, a.ada, w)
			target.method = good.method
			if got := a.send(good); got.letIn() {
				target.byWay[w] = got
			} else {
				refused = got
			}
			if got := a.send(a.good(target, a.eve, w)); got.letIn() {
				target.byEve[w] = got
			}
		}
		if len(target.byWay) == 0 {
			t.Fatalf("authtest: the good request %s is not let in: %s", route.Request(a.ada).URL.Path, refused)
		}
		a.targets = append(a.targets, target)
	}
	return a
}

// served returns the handler as a server with TLS serves it. After a panic the connection is closed, as
// servers do, but nothing is logged: send reports it with the request that caused it.
func served(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: r.Host}
		defer func() {
			if recover() != nil {
				panic(http.ErrAbortHandler)
			}
		}()
		handler.ServeHTTP(w, r)
	})
}

// stillWorks reports it if the attacks have locked the victim out.
func (a *attack) stillWorks() {
	for _, target := range a.targets {
		for w := range target.byWay {
			if got := a.send(a.good(target, a.ada, w)); !got.letIn() {
				a.report("locked-out", "After the attacks the victim's own request is refused, so that a stranger can lock a user out.", a.good(target, a.ada, w).showing("the answer %s", got))
			}
		}
	}
}

// bare returns the request of a route without credentials.
func (a *attack) bare(target *target, owner AttackLogin) shot {
	r := target.route.Request(owner)
	s := shot{method: r.Method, uri: r.URL.RequestURI(), header: r.Header.Clone()}
	if s.method == "" {
		s.method = http.MethodGet
	}
	if s.header == nil {
		s.header = http.Header{}
	}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			a.t.Fatalf("authtest: body of the request %s: %v", s.uri, err)
		}
		s.body = body
	}
	return s
}

// good returns the request of a route as the owner's own program makes it.
func (a *attack) good(target *target, owner AttackLogin, w way) shot {
	s := a.bare(target, owner).with(owner, w)
	maps.Copy(s.header, owner.Header)
	if w == inCookie {
		s.header.Set("Origin", a.cfg.Origin)
		s.header.Set("Sec-Fetch-Site", "same-origin")
	}
	return s
}

// with returns the shot with the credentials of a login.
func (s shot) with(login AttackLogin, w way) shot {
	if w == inHeader {
		return s.set("Authorization", login.authorization(login.Token))
	}
	return s.set("Cookie", cookies(login.Cookies))
}

// authorization returns the header Authorization with a token in the place of the login's.
func (login AttackLogin) authorization(token string) string {
	return cmp.Or(login.Scheme, "Bearer") + " " + token
}

func cookies(all []*http.Cookie) string {
	var pairs []string
	for _, c := range all {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// set returns the shot with another value of a header.
func (s shot) set(name, value string) shot { return s.setAll(name, value) }

// setAll returns the shot with a header line for each value.
func (s shot) setAll(name string, values ...string) shot {
	if s.header = s.header.Clone(); s.header == nil {
		s.header = http.Header{}
	}
	s.header[name] = values
	return s
}

// showing returns the shot with what makes it an attack.
func (s shot) showing(format string, args ...any) shot {
	s.show = format
	if len(args) > 0 {
		s.show = fmt.Sprintf(format, args...)
	}
	return s
}

// String describes the shot without a credential.
func (s shot) String() string {
	path, _, _ := strings.Cut(s.uri, "?")
	if s.show == "" {
		return s.method + " " + path
	}
	return s.method + " " + path + " with " + s.show
}

func (a answer) String() string {
	if a.err != nil {
		return a.err.Error()
	}
	return fmt.Sprintf("status %d", a.status)
}

// send sends a shot, and reports what no answer may be.
func (a *attack) send(s shot) answer {
	var body io.Reader
	if s.body != nil {
		body = bytes.NewReader(s.body)
	}
	if s.stream != nil {
		body = s.stream
	}
	r, err := http.NewRequest(s.method, a.server.URL, body)
	if err != nil {
		return answer{err: err}
	}
	path, query, _ := strings.Cut(s.uri, "?")
	r.URL = &url.URL{Scheme: "http", Host: a.host, Opaque: path, RawQuery: query}
	r.Header, r.Host = s.header.Clone(), a.host
	if r.Header == nil {
		r.Header = http.Header{}
	}
	res, err := a.client.Do(r)
	if err != nil {
		if isClosed(err) && s.stream == nil {
			a.report("closed", "The connection is closed without an answer, as after a panic: anybody can cause it.", s)
		}
		return answer{err: err}
	}
	defer res.Body.Close()
	got := answer{status: res.StatusCode, header: res.Header}
	if res.StatusCode != http.StatusSwitchingProtocols {
		text, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer)) // the status has come
		got.body = string(text)
	}
	a.look(s, got)
	return got
}

// isClosed reports whether a server has hung up before its answer.
func isClosed(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// report adds a fault that the attack which is made has shown, or counts it again. The key names it.
func (a *attack) report(key, sentence string, s shot) { a.reportBy(a.kind, key, sentence, s) }

func (a *attack) reportBy(kind, key, sentence string, s shot) {
	i := slices.IndexFunc(a.faults, func(f *fault) bool { return f.key == key })
	if i < 0 {
		i = len(a.faults)
		a.faults = append(a.faults, &fault{key: key, sentence: sentence, request: s.String()})
	}
	f := a.faults[i]
	if f.count++; !slices.Contains(f.kinds, kind) {
		f.kinds = append(f.kinds, kind)
	}
}

// String returns the sentence with the request that showed the fault.
func (f *fault) String() string {
	more := ""
	if f.count > 1 {
		more = fmt.Sprintf(", and %d more", f.count-1)
	}
	return fmt.Sprintf("%s\n\trequest: %s%s", f.sentence, f.request, more)
}

// mustRefuse sends a shot and reports it if it is let in.
func (a *attack) mustRefuse(key, sentence string, s shot) {
	if a.send(s).letIn() {
		a.report(key, sentence, s)
	}
}

// shows reports whether an answer is one to a user, whose good answer is known.
func (a *attack) shows(got, good answer, login AttackLogin) bool {
	if !got.letIn() {
		return false
	}
	if login.Mark != "" {
		return strings.Contains(got.body, login.Mark)
	}
	return got.body == good.body && got.body != ""
}
