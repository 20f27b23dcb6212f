package authtest

import (
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
)

// login returns the request that logs the victim in.
func (a *attack) login() shot {
	return a.bare(&target{route: AttackRoute{Request: func(AttackLogin) *http.Request { return a.cfg.LoginRequest() }}}, a.ada)
}

// bodies sends broken bodies to the login, and to routes that take one. send reports a status of 500.
func (a *attack) bodies() {
	shots := []shot{}
	if a.cfg.LoginRequest != nil {
		shots = append(shots, a.login())
	}
	for _, target := range a.targets {
		for w := range target.byWay {
			if s := a.good(target, a.ada, w); len(s.body) > 0 {
				shots = append(shots, s)
			}
		}
	}
	broken := map[string]string{
		"no body": "", "half an object": `{"username":"a"`, "null": "null", "a number": "1", "a list": "[]", "a text": `"x"`,
		"a name twice": `{"username":"a","username":"b","password":"x"}`, "values of other types": `{"username":1,"password":{"a":[]}}`,
		"100,000 brackets": strings.Repeat("[", 100_000), "100,000 objects": strings.Repeat(`{"a":`, 100_000), "bytes that are no text": "{\"username\":\"\xff\xfe\",\"password\":\"\xc0\x80\"}",
		"an empty byte": `{"username":"a\u0000b","password":"x\u0000"}`, "half a surrogate": `{"username":"\ud800","password":"x"}`,
		"a number of 10,000 digits": `{"username":` + strings.Repeat("9", 10_000) + `}`, "broken escapes": "username=%zz&password=%", "10,000 parameters": strings.Repeat("a=b&", 10_000),
		"a semicolon": "username=a;password=b",
	}
	for _, s := range shots {
		for show, body := range broken {
			s := s
			s.body = []byte(body)
			a.send(s.showing("%s as its body", show))
		}
		for _, kind := range []string{"", "application/xml", "multipart/form-data", "multipart/form-data; boundary=", "application/json; charset=utf-16", ";", "text/plain"} {
			a.send(s.set("Content-Type", kind).showing("the content type %q", kind))
		}
		a.send(s.set("Content-Encoding", "gzip").showing("a body that is not compressed as it says"))
	}
}

// endless is a body that never ends before its bound, and counts what was read.
type endless struct {
	start io.Reader
	left  int64
	read  *atomic.Int64
}

func (e *endless) Read(p []byte) (int, error) {
	if n, err := e.start.Read(p); n > 0 || err != io.EOF {
		return n, err
	}
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), e.left))
	for i := range p[:n] {
		p[i] = 'a'
	}
	e.left -= int64(n)
	e.read.Add(int64(n))
	return n, nil
}

// huge is the size of a body that nobody needs to read to the end. It is more than the buffers of a
// connection hold.
const huge = 64 << 20

// oversized sends bodies of 64 MiB to whatever reads a body: the login, which anybody can call, and
// routes with the victim's credentials. A program that takes all of it lets a few clients fill its
// memory (CWE-770).
func (a *attack) oversized() {
	type subject struct {
		shot
		start string
	}
	var all []subject
	add := func(s shot) {
		start := `{"username":"`
		if strings.HasPrefix(s.header.Get("Content-Type"), "application/x-www-form-urlencoded") {
			start = "username="
		}
		all = append(all, subject{s, start})
	}
	if a.cfg.LoginRequest != nil {
		add(a.login())
	}
	for _, target := range a.targets {
		for w := range target.byWay {
			if s := a.good(target, a.ada, w); len(s.body) > 0 {
				add(s)
				break
			}
		}
	}
	for _, s := range all {
		var read atomic.Int64
		big := s.shot.showing("a body of %d MiB", huge>>20)
		big.body, big.stream = nil, &endless{start: strings.NewReader(s.start), left: huge, read: &read}
		a.send(big)
		if read.Load() >= huge {
			a.report("oversized", "A body of any size is read to its end, so that a few clients can fill the memory.", big)
		}
	}
}

// inside matches text that tells about the inside of a program (CWE-209).
var inside = regexp.MustCompile(`goroutine \d+ \[|\.go:\d+|panic: |runtime error: |/usr/local/go/|SQLSTATE|pq: |no such table|syntax error at or near|UNIQUE constraint failed|` +
	`Duplicate entry '|database is locked|dial (tcp|unix) |connection refused|Traceback \(most recent|\bat [\w.$]+\([\w]+\.java:\d+\)|redis: |crypto/(rsa|ecdsa|ed25519): |` +
	`-----BEGIN [A-Z ]*PRIVATE KEY|\$2[aby]\$\d\d\$|\$argon2id\$`)

// look reports what no answer may say or be.
func (a *attack) look(s shot, got answer) {
	if !a.scan {
		return
	}
	if got.status == http.StatusInternalServerError {
		a.reportBy("internals", "500", "A request is answered with status 500: the program did not expect it.", s)
	}
	text := got.body
	for _, name := range slices.Sorted(maps.Keys(got.header)) {
		if name != "Date" {
			text += "\n" + name + ": " + strings.Join(got.header[name], "\n")
		}
	}
	if a.looked[text] { // most refusals are the same
		return
	}
	a.looked[text] = true
	if inside.MatchString(text) {
		a.reportBy("internals", "internals", "An answer tells about the inside of the program: a stack, a path, an error of the database, a hash.", s)
	}
	if got.status >= 400 && a.ada.Token != "" && len(a.ada.Token) > 16 && strings.Contains(text, a.ada.Token) {
		a.reportBy("internals", "echo", "An error answer repeats a token.", s)
	}
}
