package oauth_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-e36e2130/auth/oauth"
)

// TestMain makes the certificate of package httptest one of the system's.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		server := httptest.NewTLSServer(http.NotFoundHandler())
		defer server.Close()
		folder, err := os.MkdirTemp("", "oauth")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(folder)
		file := filepath.Join(folder, "roots.pem")
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
			panic(err)
		}
		os.Setenv("SSL_CERT_FILE", file)
		return m.Run()
	}())
}

// host serves one document.
type host struct {
	*httptest.Server
	status atomic.Int64
	body   atomic.Value // string; %s stands for the URL
	hits   atomic.Int64
	cache  string
}

func newHost(t *testing.T, members string) *host {
	t.Helper()
	h := &host{cache: "no-store"}
	h.status.Store(http.StatusOK)
	h.body.Store(`{"client_id":"%s",` + members + `}`)
	h.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.hits.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", h.cache)
		w.WriteHeader(int(h.status.Load()))
		fmt.Fprint(w, strings.ReplaceAll(h.body.Load().(string), "%s", h.id()))
	}))
	t.Cleanup(h.Close)
	h.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	return h
}

func (h *host) id() string { return h.URL + "/client.json" }

func withDocuments(cfg *oauth.Config) {
	cfg.Documents = oauth.Documents{On: true, DangerouslyAllowLoopback: true}
	cfg.Logger = slog.New(slog.DiscardHandler)
}

// A client logs in whose ID is the URL of its document; the page names the host, and the token the URL. While
// its host is down, its users go on, and nobody new logs in.
func TestDocument(t *testing.T) {
	t.Parallel()
	h := newHost(t, `"client_name":"Cloud App","redirect_uris":["https://app.example/cb","http://localhost/cb"]`)
	r := newServer(t, withDocuments)
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	page := text(t, r.do("GET", "/authorize?"+query("client_id", h.id()), "", "Cookie", cookie))
	if !strings.Contains(page, "Cloud App") || !strings.Contains(page, strings.TrimPrefix(h.URL, "https://")) {
		t.Errorf("the page: %s", page)
	}
	code := r.authorize(cookie, "client_id", h.id())
	a := r.redeem(code, "client_id", h.id())
	c, err := r.verify(a.Access, notes)
	if err != nil || c.ClientID != h.id() {
		t.Fatalf("%+v: %v", a, err)
	}
	h.status.Store(http.StatusInternalServerError)
	if a = r.refresh(a.Refresh, "client_id", h.id()); a.Status != http.StatusOK {
		t.Errorf("refresh while the host is down: %+v", a)
	}
	if resp := r.do("GET", "/authorize?"+query("client_id", h.id()), "", "Cookie", cookie); resp.StatusCode != http.StatusBadGateway {
		t.Errorf("authorize while the host is down: %d", resp.StatusCode)
	}
	h.status.Store(http.StatusOK)
	h.body.Store(`{"client_id":"%s","redirect_uris":["https://app.example/other"]}`)
	if resp := r.do("GET", "/authorize?"+query("client_id", h.id()), "", "Cookie", cookie); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a redirect URI that the document has no more: %d", resp.StatusCode)
	}
	h.body.Store(`{"client_id":"https://elsewhere.example/client.json","redirect_uris":["https://app.example/cb"]}`)
	if resp := r.do("GET", "/authorize?"+query("client_id", h.id()), "", "Cookie", cookie); resp.StatusCode != http.StatusBadRequest || resp.Header.Get("Location") != "" {
		t.Errorf("the document of another: %d", resp.StatusCode)
	}
	if a = r.refresh(a.Refresh, "client_id", h.id()); a.Error != "invalid_client" {
		t.Errorf("refresh of a client whose document is another's: %+v", a)
	}
}

// A consent is remembered if the https redirect is on the document's own host.
func TestDocumentConsent(t *testing.T) {
	t.Parallel()
	h := newHost(t, "")
	h.body.Store(`{"client_id":"%s","redirect_uris":["` + h.URL + `/cb","https://app.example/cb","http://localhost/cb"]}`)
	r := newServer(t, withDocuments)
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	for uri, asked := range map[string]bool{h.URL + "/cb": false, "https://app.example/cb": true, "http://localhost:4711/cb": true} {
		changes := []string{"client_id", h.id(), "redirect_uri", uri}
		r.redeem(r.authorize(cookie, changes...), "client_id", h.id())
		if got := r.shows(cookie, changes...); got != asked {
			t.Errorf("%s: asked again %t, want %t", uri, got, asked)
		}
	}
}

// Nobody who is not logged in makes the server fetch a document, and one network only so many.
func TestDocumentFetches(t *testing.T) {
	t.Parallel()
	h := newHost(t, `"redirect_uris":["https://app.example/cb"]`)
	r := newServer(t, func(cfg *oauth.Config) {
		withDocuments(cfg)
		cfg.Documents.PerMinute = 3
	})
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	for _, prompt := range []string{"-", "none"} {
		if resp := r.do("GET", "/authorize?"+query("client_id", h.id(), "prompt", prompt), ""); strings.HasPrefix(resp.Header.Get("Location"), "https://app") {
			t.Errorf("prompt %s: led to %s", prompt, resp.Header.Get("Location"))
		}
	}
	if n := h.hits.Load(); n != 0 {
		t.Errorf("%d fetches without a login", n)
	}
	last := 0
	for range 4 {
		last = r.do("GET", "/authorize?"+query("client_id", h.id()), "", "Cookie", cookie).StatusCode
	}
	if last != http.StatusTooManyRequests || h.hits.Load() != 3 {
		t.Errorf("the fourth fetch of one network: %d after %d fetches", last, h.hits.Load())
	}
	off := newServer(t, nil)
	off.user("ada@example.com")
	if resp := off.do("GET", "/authorize?"+query("client_id", h.id()), "", "Cookie", off.login("ada@example.com")); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("with documents off: %d", resp.StatusCode)
	}
}

// A document that is kept is not fetched again.
func TestDocumentIsKept(t *testing.T) {
	t.Parallel()
	h := newHost(t, `"redirect_uris":["https://app.example/cb"]`)
	h.cache = "max-age=600"
	r := newServer(t, withDocuments)
	r.user("ada@example.com")
	cookie := r.login("ada@example.com")
	var a answer
	for range 3 {
		a = r.redeem(r.authorize(cookie, "client_id", h.id()), "client_id", h.id())
	}
	if n := h.hits.Load(); n != 1 || a.Status != http.StatusOK {
		t.Errorf("%d fetches, last answer %+v", n, a)
	}
	var m map[string]any
	if err := json.NewDecoder(r.do("GET", "/.well-known/oauth-authorization-server", "").Body).Decode(&m); err != nil || m["client_id_metadata_document_supported"] != true {
		t.Errorf("metadata: %v, %v", m, err)
	}
}
