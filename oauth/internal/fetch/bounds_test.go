package fetch_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth/oauth/internal/fetch"
	"github.com/seed-e36e2130/auth/passwords"
)

// A document is kept as its headers say, an hour at most.
func TestCache(t *testing.T) {
	t.Parallel()
	for headers, want := range map[string]time.Duration{
		"Cache-Control: max-age=60":           time.Minute,
		"Cache-Control: max-age=86400":        time.Hour,
		"Cache-Control: max-age=60\nAge: 20":  40 * time.Second,
		"Cache-Control: no-store":             0,
		"Cache-Control: no-cache, max-age=60": 0,
		"Cache-Control: max-age=0":            0,
		"Expires: 0":                          0,
		"Expires: Sat, 01 Jan 2000 00:00:30 GMT\nDate: Sat, 01 Jan 2000 00:00:00 GMT": 30 * time.Second,
		"": time.Minute,
	} {
		synctest.Test(t, func(t *testing.T) {
			var fetched atomic.Int64
			w := newWeb(t, func(w http.ResponseWriter, _ *http.Request) {
				for line := range strings.Lines(headers) {
					name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
					w.Header().Set(name, value)
				}
				writeJSON(w, fmt.Sprint(fetched.Add(1)))
			})
			w.name("client.example", "93.184.216.34")
			f := newFetcher(t, w, fetch.Config{})
			expect := func(after time.Duration, body string) {
				t.Helper()
				time.Sleep(after)
				if got, err := get(t, f, "https://client.example/a"); err != nil || got != body {
					t.Errorf("%q, %v later: got %q, %v, want %q", headers, after, got, err, body)
				}
			}
			expect(0, "1")
			if want == 0 {
				expect(0, "2")
				return
			}
			expect(want-1, "1")
			expect(1, "2")
			if body, err := get(t, f, "https://client.example/b"); err != nil || body != "3" {
				t.Errorf("another address: got %q, %v", body, err)
			}
			entries, _, _, _ := f.Held()
			if entries != 2 {
				t.Errorf("%d documents are kept, want 2", entries)
			}
		})
	}
}

func TestInvalidDocumentsAreNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fetched atomic.Int64
		w := newWeb(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			writeJSON(w, fmt.Sprint(fetched.Add(1)))
		})
		w.name("client.example", "93.184.216.34")
		f := newFetcher(t, w, fetch.Config{})
		errWrong := errors.New("wrong")
		request := fetch.Request{URL: "https://client.example/a", Client: asker, Valid: func(body []byte) error {
			if string(body) == "1" {
				return errWrong
			}
			return nil
		}}
		if body, err := f.Get(t.Context(), request); !errors.Is(err, fetch.ErrInvalid) || !errors.Is(err, errWrong) || body != nil {
			t.Errorf("got %q, %v", body, err)
		}
		for range 2 {
			if body, err := f.Get(t.Context(), request); err != nil || string(body) != "2" {
				t.Errorf("got %q, %v", body, err)
			}
		}
		// A caller that wants a document of now does not get the one that is kept.
		time.Sleep(time.Second)
		request.NotBefore = time.Now()
		for range 2 {
			if body, err := f.Get(t.Context(), request); err != nil || string(body) != "3" {
				t.Errorf("not before now: got %q, %v", body, err)
			}
		}
	})
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	for _, size := range []int{2, 5 << 10} {
		synctest.Test(t, func(t *testing.T) {
			w := newWeb(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", "max-age=3600")
				writeJSON(w, strings.Repeat("x", size))
			})
			w.name("client.example", "93.184.216.34")
			f := newFetcher(t, w, fetch.Config{Burst: 100_000})
			var most, bytes int
			for i := range fetch.MaxEntries + 50 {
				for _, url := range []string{fmt.Sprintf("https://client.example/%d", i), "https://client.example/often"} {
					if _, err := get(t, f, url); err != nil {
						t.Fatal(err)
					}
				}
				entries, size, _, _ := f.Held()
				most, bytes = max(most, entries), max(bytes, size)
			}
			if most > fetch.MaxEntries || bytes > fetch.MaxBytes || most < 500 {
				t.Errorf("%d documents of %d bytes are kept", most, bytes)
			}
			before := len(w.connections())
			get(t, f, "https://client.example/often")
			if len(w.connections()) != before {
				t.Error("the document that is used most was forgotten")
			}
			get(t, f, "https://client.example/0")
			if len(w.connections()) == before {
				t.Error("the document that was not used for longest is still kept")
			}
		})
	}
}

// Requests for one document at the same time share a fetch.
func TestOneFetchForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fetched atomic.Int64
		w := newWeb(t, func(w http.ResponseWriter, _ *http.Request) {
			fetched.Add(1)
			time.Sleep(time.Second)
			w.Header().Set("Cache-Control", "no-store")
			writeJSON(w, "{}")
		})
		w.name("client.example", "93.184.216.34")
		f := newFetcher(t, w, fetch.Config{Burst: 1})
		var wait sync.WaitGroup
		for range 50 {
			wait.Go(func() {
				if _, err := get(t, f, "https://client.example/a"); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if fetched.Load() != 1 {
			t.Errorf("fetched %d times", fetched.Load())
		}
		if entries, _, flights, names := f.Held(); entries+flights != 0 {
			t.Errorf("%d documents, %d fetches and %d names are left", entries, flights, names)
		}
	})
}

func TestRates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWeb(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			writeJSON(w, "{}")
		})
		w.name("client.example", "93.184.216.34")
		f := newFetcher(t, w, fetch.Config{Burst: 3, Every: 2 * time.Second})
		ask := func(client string) error {
			var a netip.Addr
			if client != "" {
				a = netip.MustParseAddr(client)
			}
			_, err := f.Get(t.Context(), fetch.Request{URL: "https://client.example/a", Client: a})
			return err
		}
		exhaust := func(client string, n int) {
			t.Helper()
			for i := range n {
				if err := ask(client); err != nil {
					t.Errorf("%s: fetch %d: %v", client, i, err)
				}
			}
			before := len(w.connections())
			err := ask(client)
			var retry *passwords.RetryError
			if !errors.As(err, &retry) || !errors.Is(err, fetch.ErrTooMany) || retry.After <= 0 || retry.After > 2*time.Second {
				t.Errorf("%s: fetch %d: got %v, %+v", client, n, err, retry)
			}
			if len(w.connections()) != before {
				t.Errorf("%s: connected all the same", client)
			}
		}
		exhaust("198.51.100.1", 3)
		exhaust("198.51.100.2", 3)
		exhaust("", 3)
		exhaust("::ffff:198.51.100.3", 3)
		if ask("198.51.100.3") == nil {
			t.Error("another spelling of an address has fetches of its own")
		}
		exhaust("2001:db8:1:1::1", 3)
		if ask("2001:db8:1:1:ffff::2") == nil {
			t.Error("another address of a /64 has fetches of its own")
		}
		for i := 2; i <= 4; i++ {
			exhaust(fmt.Sprintf("2001:db8:1:%d::1", i), 3)
		}
		if ask("2001:db8:1:5::1") == nil {
			t.Error("a /48 caused more than four times as many fetches as a /64")
		}
		exhaust("2001:db8:2:1::1", 3)
		time.Sleep(2 * time.Second)
		exhaust("198.51.100.1", 1)
		time.Sleep(time.Hour)
		exhaust("198.51.100.1", 3)
	})
}

func TestNetworksAreBounded(t *testing.T) {
	t.Parallel()
	most := fetch.Counted(func(yield func(netip.Addr) bool) {
		for i := range uint64(3 * fetch.MaxNetworks) {
			var a [16]byte
			binary.BigEndian.PutUint64(a[:], 0x2001_0db8<<32+i<<16)
			if !yield(netip.AddrFrom16(a)) {
				return
			}
		}
	})
	if most > fetch.MaxNetworks || most < fetch.MaxNetworks/2 {
		t.Errorf("%d networks are counted at the same time", most)
	}
}

// hung is a net whose hosts do not answer before they are let go, but for those that begin with "good".
type hung struct {
	*web
	release chan struct{}
	running sync.Map // *atomic.Int64 by host
	most    sync.Map // int64 by host
	total   atomic.Int64
}

func newHung(t *testing.T) *hung {
	h := &hung{release: make(chan struct{})}
	h.web = newWeb(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Host, "good") {
			h.total.Add(1)
			n, _ := h.running.LoadOrStore(r.Host, new(atomic.Int64))
			h.most.Store(r.Host, max(h.mostOf(r.Host), n.(*atomic.Int64).Add(1)))
			<-h.release
			n.(*atomic.Int64).Add(-1)
			h.total.Add(-1)
		}
		w.Header().Set("Cache-Control", "no-store")
		writeJSON(w, "{}")
	})
	return h
}

func (h *hung) mostOf(host string) int64 {
	n, _ := h.most.LoadOrStore(host, int64(0))
	return n.(int64)
}

// ask fetches without waiting, and adds 1 to failed if that fails.
func ask(t *testing.T, f *fetch.Fetcher, wait *sync.WaitGroup, failed *atomic.Int64, client netip.Addr, url string) {
	wait.Go(func() {
		_, err := f.Get(t.Context(), fetch.Request{URL: url, Client: client})
		if err != nil && !errors.Is(err, fetch.ErrTooMany) && !errors.Is(err, fetch.ErrUnavailable) {
			t.Error(err)
		}
		if err != nil {
			failed.Add(1)
		}
	})
}

// address returns the nth address of a public block.
func address(n int) netip.Addr { return netip.AddrFrom4([4]byte{9, 9, byte(n >> 8), byte(n)}) }

// A host that does not answer keeps few fetches, and nobody waits for it but those who want its documents: not
// even the network that asks for them.
func TestSlowHostDelaysNobodyElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHung(t)
		h.name("slow.example", "93.184.216.34")
		h.name("good.example", "93.184.216.35")
		f := newFetcher(t, h.web, fetch.Config{})
		var wait sync.WaitGroup
		var failed atomic.Int64
		for i := range 60 {
			ask(t, f, &wait, &failed, asker, fmt.Sprintf("https://slow.example/%d", i))
			ask(t, f, &wait, &failed, address(i), fmt.Sprintf("https://slow.example/other/%d", i))
		}
		synctest.Wait()
		if n := h.mostOf("slow.example"); n != fetch.PerHost {
			t.Errorf("%d fetches of the slow host run, want %d", n, fetch.PerHost)
		}
		begun := time.Now()
		for i := range 20 {
			if _, err := get(t, f, fmt.Sprintf("https://good.example/%d", i)); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("the other host's documents came after %v", took)
		}
		wait.Wait()
		if took := time.Since(begun); took > 6*time.Second || failed.Load() != 120 {
			t.Errorf("%d of 120 requests ended after %v", failed.Load(), took)
		}
		close(h.release)
		synctest.Wait()
		if _, _, flights, names := f.Held(); flights+names != 0 {
			t.Errorf("%d fetches and %d names are left", flights, names)
		}
	})
}

// One network holds few of the slots, however many hosts it has that do not answer. Others are served.
func TestNetworkHoldsFewSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHung(t)
		h.name("good.example", "93.184.216.35")
		f := newFetcher(t, h.web, fetch.Config{Burst: 1000})
		var wait sync.WaitGroup
		var failed atomic.Int64
		for i := range 200 {
			name := fmt.Sprintf("slow%d.example", i)
			h.name(name, fmt.Sprintf("93.184.217.%d", i))
			ask(t, f, &wait, &failed, asker, "https://"+name+"/a")
		}
		synctest.Wait()
		if n := h.total.Load(); n != fetch.PerNetwork {
			t.Errorf("%d fetches run, want %d", n, fetch.PerNetwork)
		}
		if _, err := f.Get(t.Context(), fetch.Request{URL: "https://good.example/a", Client: address(1)}); err != nil {
			t.Errorf("another network: %v", err)
		}
		close(h.release)
		wait.Wait()
	})
}

// Many names of one machine are one machine: an attacker has as many as it likes.
func TestAddressHoldsFewSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHung(t)
		f := newFetcher(t, h.web, fetch.Config{})
		var wait sync.WaitGroup
		var failed atomic.Int64
		for i := range 100 {
			name := fmt.Sprintf("slow%d.example", i)
			h.name(name, "93.184.216.34")
			ask(t, f, &wait, &failed, address(i), "https://"+name+"/a")
		}
		synctest.Wait()
		if n := h.total.Load(); n != fetch.PerAddress || failed.Load() != 100-fetch.PerAddress {
			t.Errorf("%d fetches run and %d were refused, want %d", n, failed.Load(), fetch.PerAddress)
		}
		close(h.release)
		wait.Wait()
		synctest.Wait()
		if _, _, flights, names := f.Held(); flights+names != 0 {
			t.Errorf("%d fetches and %d names are left", flights, names)
		}
	})
}

func TestFetchesAreBoundedInAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHung(t)
		f := newFetcher(t, h.web, fetch.Config{})
		var wait sync.WaitGroup
		var failed atomic.Int64
		for i := range fetch.InAll + 50 {
			name := fmt.Sprintf("slow%d.example", i)
			h.name(name, fmt.Sprintf("93.184.217.%d", i))
			ask(t, f, &wait, &failed, address(i), "https://"+name+"/a")
		}
		synctest.Wait()
		if n := h.total.Load(); n != fetch.InAll || failed.Load() != 50 {
			t.Errorf("%d fetches run and %d were refused, want %d and 50", n, failed.Load(), fetch.InAll)
		}
		var retry *passwords.RetryError
		if _, err := f.Get(context.Background(), fetch.Request{URL: "https://slow0.example/b", Client: asker}); !errors.As(err, &retry) || retry.After != 3*time.Second {
			t.Errorf("got %v, want that the caller tries again in 3 s", err)
		}
		close(h.release)
		wait.Wait()
		synctest.Wait()
		if _, _, flights, names := f.Held(); flights+names != 0 {
			t.Errorf("%d fetches and %d names are left", flights, names)
		}
	})
}
