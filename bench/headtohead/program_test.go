package headtohead_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	_ "github.com/seed-e36e2130/auth/authkit" // a change of the library makes go test run this test again
	"github.com/seed-e36e2130/auth/internal/testenv"
)

// password satisfies the rules of every program.
const password = "Correct-Horse-7-battery"

// secret signs the tokens of the programs that take their key from the environment.
const secret = "cGVlcnMgYXJlIHNpZ25lZCB3aXRoIHRoaXM-"

// hooks let the test observe what HTTP does not show: they make a store fail, seed an old password hash, and
// count hashes. The hooks of a folder are edits of its files, and one more file, which testdata holds under
// the name of the folder. The folders themselves stay as they are.
var hooks = map[string][]edit{
	"auth": {
		{"main.go", "import (", "import (\n\t\"github.com/seed-e36e2130/auth/passwords\""},
		{"main.go", "store := memstore.New()", "store := hook(memstore.New())"},
		{"main.go", "authkit.Config{", "authkit.Config{\n\t\tAccounts: auth.Config{Hasher: counted{passwords.Bcrypt{}}},"},
	},
	"accounts": {
		{"accounts.go", "password string) error {\n\ta.mu.Lock()", "password string) error {\n\tif err := down(); err != nil {\n\t\treturn err\n\t}\n\ta.mu.Lock()"},
	},
	"authboss": {
		{"main.go", "mux := chi.NewRouter()", "ab.Config.Core.Hasher = counted{ab.Config.Core.Hasher}\n\tmux := chi.NewRouter()"},
		{"storer.go", "u, ok := m.users[key]", "if err := down(); err != nil {\n\t\treturn nil, err\n\t}\n\tu, ok := m.users[key]"},
		{"storer.go", "users: map[string]User{}", "users: seed()"},
		{"storer.go", "Save(_ context.Context, user authboss.User) error {", "Save(_ context.Context, user authboss.User) error {\n\tsaved(user.(*User))"},
	},
}

// edit replaces text that a file has once.
type edit struct{ file, old, replacement string }

// build builds the programs with the hooks and returns the folder of the executables.
func build(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	replace := map[string]string{}
	for name, edits := range hooks {
		replace[filepath.Join(here, name, "hook.go")] = filepath.Join(here, "testdata", name+".go")
		texts := map[string]string{}
		for _, e := range edits {
			path := filepath.Join(here, name, e.file)
			if texts[path] == "" {
				texts[path] = read(t, path)
			}
			if strings.Count(texts[path], e.old) != 1 {
				t.Fatalf("%s has %q %d times, want once", path, e.old, strings.Count(texts[path], e.old))
			}
			texts[path] = strings.Replace(texts[path], e.old, e.replacement, 1)
		}
		for path, text := range texts {
			changed := filepath.Join(dir, name+"_"+filepath.Base(path))
			write(t, changed, text)
			replace[path] = changed
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	write(t, file, string(overlay))
	args := []string{"build", "-overlay", file, "-o", dir}
	for _, p := range programs {
		args = append(args, "./"+p.folder)
	}
	if out, err := exec.Command(testenv.Command(t, "go"), args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// process is a running program.
type process struct {
	*program
	dir      string // working directory
	url      string
	exited   chan struct{}
	output   output
	browsers int // that were made

	executables  string          // folder of the executables
	users        map[string]bool // that are registered
	recovered    *recovered
	genuineToken string
}

// start starts a program in a new directory, which prepare may fill, and waits until it listens or has
// ended.
func start(t *testing.T, p *program, executables string, prepare func(dir string) (key string)) *process {
	t.Helper()
	old, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	proc := &process{program: p, dir: t.TempDir(), executables: executables, users: map[string]bool{}, exited: make(chan struct{})}
	proc.output.changed = sync.NewCond(&proc.output.mu)
	key := secret
	if prepare != nil {
		key = prepare(proc.dir)
	}
	// On an address of its own, no other process takes the port before the program does.
	pid := os.Getpid()
	free, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 64+pid>>16&63, pid>>8&255, pid&255))
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	proc.url = "http://" + addr
	cmd := exec.Command(filepath.Join(executables, p.folder))
	cmd.Dir, cmd.Stdout, cmd.Stderr = proc.dir, &proc.output, &proc.output
	cmd.Env = append(os.Environ(), "ADDR="+addr, "JWT_SECRET="+key, "HEADTOHEAD_OLD="+string(old))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(proc.exited)
		proc.output.end()
	}()
	if deadline, ok := t.Deadline(); ok { // a wait for output fails with its own message
		time.AfterFunc(time.Until(deadline)-10*time.Second, proc.output.end)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-proc.exited
		if t.Failed() {
			written := proc.output.text()
			t.Logf("the last of what %s wrote:\n%s", p.name, written[max(0, len(written)-4000):])
		}
	})
	for {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			return proc
		}
		select {
		case <-proc.exited:
			return proc
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// hasEnded reports whether the program has ended.
func (p *process) hasEnded() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// hashed returns how many bcrypt hashes the program has computed so far.
func (p *process) hashed(t *testing.T) int {
	t.Helper()
	return len(read(t, filepath.Join(p.dir, "hashed")))
}

// output is what a program writes. Readers can wait for more.
type output struct {
	mu      sync.Mutex
	changed *sync.Cond
	written bytes.Buffer
	ended   bool
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.changed.Broadcast()
	return o.written.Write(b)
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.written.String()
}

func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	o.changed.Broadcast()
}

// next waits for text that matches after the first skip bytes, and returns its first group, or "" if there
// will be none.
func (o *output) next(skip int, expr *regexp.Regexp) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		if match := expr.FindStringSubmatch(o.written.String()[skip:]); match != nil {
			return match[1]
		}
		if o.ended {
			return ""
		}
		o.changed.Wait()
	}
}

// browser sends requests as a browser does: with its cookies, and with the origin of the page.
type browser struct {
	url     string
	client  *http.Client
	cookies map[string]*http.Cookie
	bearer  string // sent as a bearer token
	host    string // sent as Host; empty: that of the URL
	cross   bool   // the page that sends is another site's

	remember bool // asks authboss to remember a login beyond its session
}

// browserAt returns a browser with this address, which is one of 127.0.0.0/8.
func (p *process) browserAt(ip string) *browser {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	return &browser{
		url: p.url, cookies: map[string]*http.Cookie{},
		client: &http.Client{
			Transport:     &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// browser returns a browser with an address of its own.
func (p *process) browser() *browser {
	p.browsers++
	return p.browserAt(fmt.Sprintf("127.0.1.%d", p.browsers))
}

// clone returns a browser that has stolen what b keeps.
func (b *browser) clone() *browser {
	stolen := *b
	stolen.cookies = maps.Clone(b.cookies)
	return &stolen
}

// reply is a response.
type reply struct {
	status int
	header http.Header
	body   string
}

func (b *browser) get(t *testing.T, path string) reply { return b.do(t, "GET", path, "", "") }

func (b *browser) post(t *testing.T, path string, form url.Values) reply {
	return b.do(t, "POST", path, "application/x-www-form-urlencoded", form.Encode())
}

func (b *browser) postJSON(t *testing.T, path string, members map[string]string) reply {
	body, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return b.do(t, "POST", path, "application/json", string(body))
}

func (b *browser) do(t *testing.T, method, path, contentType, body string) (got reply) {
	t.Helper()
	r, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Origin", b.url)
	if b.cross {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Origin", "https://attacker.example")
	}
	r.Host = b.host
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if b.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+b.bearer)
	}
	for _, c := range b.cookies {
		// A cookie without the attribute is sent by some browsers.
		if !b.cross || c.SameSite != http.SameSiteStrictMode && c.SameSite != http.SameSiteLaxMode {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
	response, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	for _, c := range response.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c
		}
	}
	return reply{response.StatusCode, response.Header, text.String()}
}
