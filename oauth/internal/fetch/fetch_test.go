package fetch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/oauth/internal/fetch"
)

func writeJSON(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.Write([]byte(body))
}

func TestConfig(t *testing.T) {
	t.Parallel()
	_, err := fetch.New(fetch.Config{Burst: -1, Every: time.Microsecond})
	var fault *cfgerr.Error
	if !errors.As(err, &fault) || len(err.(interface{ Unwrap() []error }).Unwrap()) != 2 {
		t.Errorf("got %v, want two faults", err)
	}
}

func TestURLs(t *testing.T) {
	t.Parallel()
	safe := newFetcher(t, nil, fetch.Config{})
	open := newFetcher(t, nil, fetch.Config{DangerouslyAllowLoopback: true})
	refuse := func(context.Context, string) ([]netip.Addr, error) {
		t.Error("a name was looked up")
		return nil, errors.New("no")
	}
	safe.Through(refuse, nil)
	open.Through(refuse, nil)
	for url, want := range map[string]string{ // by which of the two it is taken
		"https://client.example/client.json":             "both",
		"https://client.example/":                        "both",
		"https://client.example:443/a":                   "both",
		"https://client.example:8443/a":                  "both",
		"https://CLIENT.example/a?b=c/../d":              "both",
		"https://client.example./a...b/..c/.d":           "both",
		"https://client.example/a@b":                     "both",
		"https://client.example/a%20b":                   "both",
		"https://93.184.216.34/a":                        "both",
		"https://[2606:2800:220:1::34]/a":                "both",
		"https://10.1.2.3/a":                             "both", // the address is checked when it is fetched
		"https://client.example:8080/a":                  "open",
		"https://client.example:22/a":                    "open",
		"https://localhost:40123/a":                      "open",
		"":                                               "",
		"client.example/a":                               "",
		"http://client.example/a":                        "",
		"HTTPS://client.example/a":                       "",
		"ftp://client.example/a":                         "",
		"https:client.example/a":                         "",
		"https:///a":                                     "",
		"https://client.example":                         "",
		"https://client.example?a":                       "",
		"https://client.example/a#x":                     "",
		"https://client.example/a#":                      "",
		"https://client.example/a/../b":                  "",
		"https://client.example/./b":                     "",
		"https://client.example/..":                      "",
		"https://client.example/a/%2e%2E/b":              "",
		"https://client.example/a/.%2e":                  "",
		"https://client.example/a%2f..%2fb":              "",
		"https://user:pw@client.example/a":               "",
		"https://@client.example/a":                      "",
		"https://client.example:/a":                      "",
		"https://client.example:x/a":                     "",
		"https://client.example/a b":                     "",
		"https://client.example/a\n":                     "",
		`https://client.example\@evil.example/a`:         "",
		"https://client.ex\u00e4mple/a":                  "",
		"https://client%2eexample/a":                     "",
		"https://client.example/%zz":                     "",
		"https://client..example/a":                      "",
		"https://.example/a":                             "",
		"https://intranet/a":                             "",
		"https://2130706433/a":                           "",
		"https://127.1/a":                                "",
		"https://0x7f.0x0.0x0.0x1/a":                     "",
		"https://0177.0.0.01/a":                          "",
		"https://[::ffff:93.184.216.34]/a":               "",
		"https://[::ffff:5db8:d822]/a":                   "",
		"https://[fe80::1%25eth0]/a":                     "",
		"https://[::1/a":                                 "",
		"https://a.example/" + strings.Repeat("a", 1024): "",
	} {
		for name, f := range map[string]*fetch.Fetcher{"safe": safe, "open": open} {
			taken := want == "both" || want == name
			if err := f.Check(url); (err == nil) != taken {
				t.Errorf("%s: %q: got %v, want it to be taken: %t", name, url, err, taken)
			}
			if taken {
				continue
			}
			if _, err := get(t, f, url); !errors.Is(err, fetch.ErrURL) {
				t.Errorf("%s: %q: Get returned %v, want ErrURL", name, url, err)
			}
		}
	}
}

func TestDocument(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != "GET" || r.Header.Get("Accept-Encoding") != "" || r.Header.Get("Cookie") != "" || r.Header.Get("Referer") != "" {
				t.Errorf("%s with %v", r.Method, r.Header)
			}
			writeJSON(w, r.Host+" "+r.RequestURI)
		})
		w.name("client.example", "93.184.216.34")
		w.name("v6.example", "2606:2800:220:1::34 ::ffff:93.184.216.34")
		w.dead[netip.MustParseAddr("2606:2800:220:1::34")] = true
		f := newFetcher(t, w, fetch.Config{})
		for url, want := range map[string]string{
			"https://client.example/a%2Fb?c=%2F": "client.example /a%2Fb?c=%2F",
			"https://client.example:8443/a":      "client.example:8443 /a",
			"https://CLIENT.example/":            "CLIENT.example /",
			"https://93.184.216.34/a":            "93.184.216.34 /a",
			"https://v6.example/a":               "v6.example /a", // by the second address
		} {
			if got, err := get(t, f, url); err != nil || got != want {
				t.Errorf("%s: got %q, %v, want %q", url, got, err, want)
			}
		}
		for _, address := range w.connections() {
			if !strings.HasPrefix(address, "93.184.216.34:") && address != "[2606:2800:220:1::34]:443" {
				t.Errorf("connected to %s", address)
			}
		}
		if _, err := get(t, f, "https://unknown.example/a"); !errors.Is(err, fetch.ErrUnavailable) {
			t.Errorf("an unknown name: got %v", err)
		}
	})
}

// TestSpecialAddresses holds that nothing connects to an address that is not a public host's, written in a
// URL or found by a name, alone or beside a public one.
func TestSpecialAddresses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb(t, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, "{}") })
		f := newFetcher(t, w, fetch.Config{})
		special := strings.Fields(`
			0.0.0.0 0.1.2.3 10.1.2.3 100.64.1.1 100.127.255.255 127.0.0.1 127.9.9.9 169.254.169.254 172.16.5.5 172.31.255.255 192.0.0.8 192.0.0.170
			192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.168.77.1 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1
			224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
			:: ::1 ::2 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.1.2.3 64:ff9b::7f00:1 64:ff9b::a01:203 64:ff9b::5db8:d822 64:ff9b:1::1 100::1 100:0:0:1::1
			2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::1 2002:5db8:d822::1 2620:4f:8000::1 3ffe::1 3fff::1
			4000::1 5f00::1 fc00::1 fd00::1 fe80::1 fec0::1 ff02::1 ff0e::1
		`)
		for i, a := range special {
			name := fmt.Sprintf("n%d.example", i)
			w.name(name, a)
			w.name("before-"+name, "93.184.216.34 "+a)
			w.name("behind-"+name, a+" 2606:2800:220:1::34")
			urls := []string{"https://" + name + "/a", "https://before-" + name + "/a", "https://behind-" + name + "/a", "https://" + a + "/a"}
			if strings.Contains(a, ":") {
				urls[3] = "https://[" + a + "]/a"
			}
			for _, url := range urls {
				_, err := f.Get(t.Context(), fetch.Request{URL: url, Client: netip.AddrFrom4([4]byte{9, 9, 9, byte(i)})})
				if !errors.Is(err, fetch.ErrUnavailable) && !errors.Is(err, fetch.ErrURL) {
					t.Errorf("%s (%s): got %v", url, a, err)
				}
			}
		}
		if made := w.connections(); len(made) != 0 {
			t.Errorf("connected to %q", made)
		}
		// The counterpart: addresses beside the special ones.
		for i, a := range strings.Fields("1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 172.15.255.255 172.32.0.0 192.0.1.0 198.17.255.255 198.20.0.0 223.255.255.255 2001:200::1 2003::1 2606:2800:220:1::34 3ffd::1") {
			name := fmt.Sprintf("p%d.example", i)
			w.name(name, a)
			if _, err := get(t, f, "https://"+name+"/a"); err != nil {
				t.Errorf("%s: %v", a, err)
			}
		}
	})
}

// A name is resolved once, and what was checked is what is connected to.
func TestNamesAreResolvedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			writeJSON(w, "{}")
		})
		w.name("rebind.example", "93.184.216.34", "10.1.2.3", "93.184.216.34")
		f := newFetcher(t, w, fetch.Config{})
		for i, fails := range []bool{false, true, false} {
			if _, err := get(t, f, "https://rebind.example/a"); (err != nil) != fails {
				t.Errorf("fetch %d: got %v", i, err)
			}
		}
		if made := w.connections(); len(made) != 2 || made[0] != "93.184.216.34:443" || made[1] != made[0] {
			t.Errorf("connected to %q", made)
		}
		if n := w.lookups["rebind.example."]; n != 3 {
			t.Errorf("looked up %d times in 3 fetches", n)
		}
	})
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*web){
		"another host's":  func(w *web) { w.certFor = "another.example" },
		"nobody's":        func(w *web) { w.unsigned = true },
		"of an address":   func(w *web) { w.certFor = "93.184.216.34" },
		"the host's own":  func(*web) {},
		"of a pattern":    func(w *web) { w.certFor = "*.example" },
		"of a host below": func(w *web) { w.certFor = "*.client.example" },
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWeb(t, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, "{}") })
			w.name("client.example", "93.184.216.34")
			change(w)
			_, err := get(t, newFetcher(t, w, fetch.Config{}), "https://client.example/a")
			if good := name == "the host's own" || name == "of a pattern"; (err == nil) != good {
				t.Errorf("a certificate of %s: got %v", name, err)
			}
		})
	}
}

func TestResponses(t *testing.T) {
	t.Parallel()
	const limit = 5 << 10
	header := func(name, value, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set(name, value)
			w.Write([]byte(body))
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			if code >= 200 && code != 204 && code != 304 {
				w.Write([]byte("{}"))
			}
		}
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write([]byte("{}"))
	z.Close()
	for name, row := range map[string]struct {
		handler http.HandlerFunc
		good    bool
	}{
		"JSON":              {header("Content-Type", "application/json", "{}"), true},
		"JSON with charset": {header("Content-Type", "Application/JSON; charset=utf-8", "{}"), true},
		"a JSON of its own": {header("Content-Type", "application/oauth-client+json", "{}"), true},
		"identity":          {header("Content-Encoding", "identity", "{}"), true},
		"the largest":       {header("X-A", "b", strings.Repeat("x", limit)), true},
		"too large":         {header("X-A", "b", strings.Repeat("x", limit+1)), false},
		"HTML":              {header("Content-Type", "text/html", "{}"), false},
		"plain text":        {header("Content-Type", "text/plain", "{}"), false},
		"text/x+json":       {header("Content-Type", "text/x+json", "{}"), false},
		"no type":           {header("Content-Type", "", "{}"), false},
		"a broken type":     {header("Content-Type", "application/json;;=", "{}"), false},
		"gzip":              {header("Content-Encoding", "gzip", zipped.String()), false},
		"a long header":     {header("X-A", strings.Repeat("x", 20<<10), "{}"), false},
		"200":               {status(200), true},
		"201":               {status(201), false},
		"203":               {status(203), false},
		"204":               {status(204), false},
		"206":               {status(206), false},
		"304":               {status(304), false},
		"404":               {status(404), false},
		"503":               {status(503), false},
		"a large body without an end": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1024)); err != nil {
					return
				}
			}
		}, false},
		"a body that breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "10")
			w.Write([]byte("{}"))
		}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			var fetched atomic.Int64
			w := newWeb(t, func(w http.ResponseWriter, r *http.Request) {
				fetched.Add(1)
				row.handler(w, r)
			})
			w.name("client.example", "93.184.216.34")
			f := newFetcher(t, w, fetch.Config{})
			for range 2 {
				if body, err := get(t, f, "https://client.example/a"); row.good != (err == nil) || !row.good && (!errors.Is(err, fetch.ErrUnavailable) || body != "") {
					t.Errorf("%s: got %.20q, %v", name, body, err)
				}
			}
			if want := map[bool]int64{true: 1, false: 2}[row.good]; fetched.Load() != want {
				t.Errorf("%s: fetched %d times, want %d: a document is kept, a failure is not", name, fetched.Load(), want)
			}
		})
	}
}

func TestKeySetsMayBeLarger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		size := 64 << 10
		w := newWeb(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/jwk-set+json")
			w.Write(make([]byte, size))
		})
		w.name("client.example", "93.184.216.34")
		f := newFetcher(t, w, fetch.Config{})
		if _, err := f.Get(t.Context(), fetch.Request{URL: "https://client.example/a", KeySet: true}); err != nil {
			t.Error(err)
		}
		if _, err := get(t, f, "https://client.example/a"); err == nil {
			t.Error("a key set that is kept was returned as a document")
		}
		size++
		if _, err := f.Get(t.Context(), fetch.Request{URL: "https://client.example/b", KeySet: true}); err == nil {
			t.Error("more than 64 KiB were read")
		}
	})
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		synctest.Test(t, func(t *testing.T) {
			var second atomic.Int64
			w := newWeb(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/a" {
					second.Add(1)
				}
				w.Header().Set("Location", "https://client.example/b")
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				w.Write([]byte("{}"))
			})
			w.name("client.example", "93.184.216.34")
			if _, err := get(t, newFetcher(t, w, fetch.Config{}), "https://client.example/a"); !errors.Is(err, fetch.ErrUnavailable) || second.Load() != 0 {
				t.Errorf("%d: got %v, and %d requests for the other place", status, err, second.Load())
			}
		})
	}
}

// A host has three seconds for everything, whatever it is slow with.
func TestSlowHosts(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w *web){
		"an address that does not answer": func(w *web) { w.dead[netip.MustParseAddr("93.184.216.34")] = true },
		"a response that does not come": func(w *web) {
			w.server.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		},
		"a body by drips": func(w *web) {
			w.handler = func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				for r.Context().Err() == nil {
					w.Write([]byte(" "))
					w.(http.Flusher).Flush()
					time.Sleep(time.Second / 10)
				}
			}
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWeb(t, nil)
			w.name("client.example", "93.184.216.34")
			change(w)
			begun := time.Now()
			_, err := get(t, newFetcher(t, w, fetch.Config{}), "https://client.example/a")
			if took := time.Since(begun); !errors.Is(err, fetch.ErrUnavailable) || took != 3*time.Second {
				t.Errorf("%s: %v after %v", name, err, took)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // a resolver that does not answer
		f := newFetcher(t, nil, fetch.Config{})
		f.Through(func(ctx context.Context, _ string) ([]netip.Addr, error) { <-ctx.Done(); return nil, ctx.Err() }, nil)
		begun := time.Now()
		if _, err := get(t, f, "https://client.example/a"); !errors.Is(err, fetch.ErrUnavailable) || time.Since(begun) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

// A caller that ends does not end the fetch, which others may wait for.
func TestCallerEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fetched atomic.Int64
		w := newWeb(t, func(w http.ResponseWriter, _ *http.Request) {
			fetched.Add(1)
			time.Sleep(2 * time.Second)
			writeJSON(w, "{}")
		})
		w.name("client.example", "93.184.216.34")
		f := newFetcher(t, w, fetch.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.Get(ctx, fetch.Request{URL: "https://client.example/a"}); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, fetch.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		if _, err := get(t, f, "https://client.example/a"); err != nil || fetched.Load() != 1 {
			t.Errorf("got %v after %d fetches", err, fetched.Load())
		}
	})
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	var fetched atomic.Int64
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		writeJSON(w, "{}")
	}))
	defer server.Close()
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	url := server.URL + "/client.json"
	safe, err := fetch.New(fetch.Config{Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := get(t, safe, url); err == nil || fetched.Load() != 0 {
		t.Errorf("a loopback address: got %v after %d requests", err, fetched.Load())
	}
	open, err := fetch.New(fetch.Config{Roots: roots, DangerouslyAllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	if body, err := get(t, open, url); err != nil || body != "{}" || fetched.Load() != 1 {
		t.Errorf("got %q, %v after %d requests", body, err, fetched.Load())
	}
	for _, other := range []string{"https://10.1.2.3/a", "https://[fd00::1]/a", "https://169.254.169.254/a"} {
		if _, err := get(t, open, other); !errors.Is(err, fetch.ErrUnavailable) || !strings.Contains(err.Error(), "special-use") {
			t.Errorf("%s: got %v", other, err)
		}
	}
}

// A proxy would resolve the name a second time, and connect to wherever that leads.
func TestProxyOfTheEnvironment(t *testing.T) {
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer proxy.Close()
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	w := newWeb(t, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, "{}") })
	w.name("client.example", "93.184.216.34")
	if _, err := get(t, newFetcher(t, w, fetch.Config{}), "https://client.example/a"); err != nil || asked.Load() != 0 {
		t.Errorf("got %v, and %d requests to the proxy", err, asked.Load())
	}
	if made := w.connections(); len(made) != 1 || made[0] != "93.184.216.34:443" {
		t.Errorf("connected to %q", made)
	}
}
