package fetch_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/oauth/internal/fetch"
)

// authority signs the certificates of hosts, for a century, so that the time of a bubble is within it.
type authority struct {
	key   *ecdsa.PrivateKey
	cert  *x509.Certificate
	roots *x509.CertPool
	certs sync.Map // tls.Certificate by host
}

var theAuthority = sync.OnceValue(newAuthority)

func newAuthority() *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	a := &authority{key: key, roots: x509.NewCertPool()}
	a.cert = a.sign(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, &key.PublicKey, nil)
	a.roots.AddCert(a.cert)
	return a
}

func (a *authority) sign(template *x509.Certificate, public *ecdsa.PublicKey, parent *x509.Certificate) *x509.Certificate {
	template.SerialNumber = big.NewInt(1)
	template.NotBefore, template.NotAfter = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cert
}

// certificate returns the certificate of a host: for its name, or of its address.
func (a *authority) certificate(host string) tls.Certificate {
	if c, found := a.certs.Load(host); found {
		return c.(tls.Certificate)
	}
	template := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	c := tls.Certificate{Certificate: [][]byte{a.sign(template, &a.key.PublicKey, a.cert).Raw}, PrivateKey: a.key}
	a.certs.Store(host, c)
	return c
}

// web is a net in memory: names, and hosts behind every address, which have certificates for the names that
// they are asked for.
type web struct {
	handler http.HandlerFunc
	server  *http.Server
	conns   chan net.Conn
	closed  chan struct{}

	mu       sync.Mutex
	names    map[string][][]netip.Addr // by name, with a dot at its end: what look-ups return, one after another
	lookups  map[string]int
	dialled  []string // addresses with ports
	pipes    []net.Conn
	certFor  string // name of each certificate; empty: the one that is asked for
	unsigned bool
	dead     map[netip.Addr]bool // addresses that do not answer
}

func newWeb(t *testing.T, handler http.HandlerFunc) *web {
	w := &web{handler: handler, conns: make(chan net.Conn), closed: make(chan struct{}), names: map[string][][]netip.Addr{}, lookups: map[string]int{}, dead: map[netip.Addr]bool{}}
	var running sync.WaitGroup
	w.server = &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		running.Add(1)
		defer running.Done()
		w.handler(rw, r)
	}), ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		w.server.Serve(tls.NewListener(w, &tls.Config{GetCertificate: w.certificate}))
	}()
	t.Cleanup(func() {
		w.server.Close()
		for _, pipe := range w.pipes {
			pipe.Close()
		}
		<-served
		running.Wait()
	})
	return w
}

func (w *web) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := hello.ServerName
	if name == "" {
		name, _, _ = net.SplitHostPort(hello.Conn.LocalAddr().String())
	}
	if w.certFor != "" {
		name = w.certFor
	}
	c := theAuthority().certificate(name)
	if w.unsigned {
		c = newAuthority().certificate(name)
	}
	return &c, nil
}

// Accept, Close and Addr make w a listener.
func (w *web) Accept() (net.Conn, error) {
	select {
	case conn := <-w.conns:
		return conn, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *web) Close() error {
	select {
	case <-w.closed:
	default:
		close(w.closed)
	}
	return nil
}

func (w *web) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(93, 184, 216, 34), Port: 443} }

func (w *web) resolve(_ context.Context, name string) ([]netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	answers := w.names[name]
	if len(answers) == 0 {
		return nil, errors.New("no such host")
	}
	n := w.lookups[name]
	w.lookups[name]++
	return slices.Clone(answers[min(n, len(answers)-1)]), nil
}

// end is one end of a connection in memory. As the system does for TCP, it buffers what is written, delivers it
// after Close, and reads what comes after Close for nobody.
type end struct {
	net.Conn
	address netip.AddrPort
	queue   chan []byte
	once    sync.Once
}

func newEnd(pipe net.Conn, address netip.AddrPort) *end {
	e := &end{Conn: pipe, address: address, queue: make(chan []byte, 1000)}
	go func() {
		defer pipe.Close()
		for b := range e.queue {
			if _, err := pipe.Write(b); err != nil {
				return
			}
		}
	}()
	return e
}

func (e *end) Write(b []byte) (n int, err error) {
	defer func() {
		if recover() != nil { // the queue is closed
			n, err = 0, net.ErrClosed
		}
	}()
	e.queue <- slices.Clone(b)
	return len(b), nil
}

func (e *end) Close() error {
	e.once.Do(func() {
		close(e.queue)
		e.Conn.SetReadDeadline(time.Time{})
		go io.Copy(io.Discard, e.Conn)
	})
	return nil
}

func (e *end) SetDeadline(t time.Time) error    { return e.Conn.SetReadDeadline(t) }
func (e *end) SetWriteDeadline(time.Time) error { return nil }
func (e *end) LocalAddr() net.Addr              { return net.TCPAddrFromAddrPort(e.address) }

func (w *web) dial(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
	w.mu.Lock()
	w.dialled = append(w.dialled, address.String())
	dead := w.dead[address.Addr()]
	w.mu.Unlock()
	if dead {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	ours, theirs := net.Pipe()
	w.mu.Lock()
	w.pipes = append(w.pipes, ours, theirs)
	w.mu.Unlock()
	select {
	case w.conns <- newEnd(theirs, address):
		return newEnd(ours, address), nil
	case <-w.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// name gives a name addresses, one list for each look-up.
func (w *web) name(name string, answers ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, answer := range answers {
		var list []netip.Addr
		for _, a := range strings.Fields(answer) {
			list = append(list, netip.MustParseAddr(a))
		}
		w.names[name+"."] = append(w.names[name+"."], list)
	}
}

// connections returns the addresses that were dialled.
func (w *web) connections() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.dialled)
}

// newFetcher returns a Fetcher that sees no net but w.
func newFetcher(t *testing.T, w *web, cfg fetch.Config) *fetch.Fetcher {
	t.Helper()
	cfg.Roots = theAuthority().roots
	f, err := fetch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if w != nil {
		f.Through(w.resolve, w.dial)
	}
	return f
}

// asker is the client of most requests.
var asker = netip.MustParseAddr("198.51.100.7")

// get fetches a document for asker.
func get(t *testing.T, f *fetch.Fetcher, url string) (string, error) {
	t.Helper()
	body, err := f.Get(t.Context(), fetch.Request{URL: url, Client: asker})
	return string(body), err
}
