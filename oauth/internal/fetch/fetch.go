// Package fetch gets documents of clients from the open net: Client ID Metadata Documents
// (draft-ietf-oauth-client-id-metadata-document) and the key sets that they name. Anybody can make the server
// fetch, from any address. So the package connects to no special-use address, follows no redirect, reads
// little, waits briefly, and counts what one network causes. See decision 0130.
package fetch

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/passwords"
)

// Bounds of one fetch.
const (
	maxDocument = 5 << 10  // bytes of a document ("Maximum Response Size" of the draft)
	maxKeySet   = 64 << 10 // bytes of a key set
	maxHeader   = 16 << 10
	timeout     = 3 * time.Second // for the name, the connection and the response together
	patience    = 3 * time.Second // for a slot before that
	maxTries    = 4               // addresses of one name that are tried
)

// Bounds on what runs at the same time. A request waits for the first two, and is refused at once at the
// others, which it would keep from the requests of others.
const (
	perHost    = 4
	perNetwork = 16
	perAddress = 16
	inAll      = 128
)

// Bounds on what is kept. Within them a response is kept as its headers say.
const (
	defaultAge = time.Minute // if the headers do not say
	maxAge     = time.Hour
	maxEntries = 1000
	maxBytes   = 4 << 20
)

// Config is what a [Fetcher] may be told. The zero Config is safe.
type Config struct {
	// Roots are the authorities that the certificates of hosts come from. nil: those of the system.
	Roots *x509.CertPool

	// Burst is how many fetches one network (an IPv4 address or the /64 of an IPv6 address) may cause at
	// once, and Every is the time after which it may cause one more. The /48 of an IPv6 address may cause
	// four times as many. 0: 120 and 1 s; otherwise 1 to 1,000,000, and 1 ms to 1 hour.
	Burst int
	Every time.Duration

	// DangerouslyAllowLoopback also fetches from loopback addresses, and from every port, for tests and
	// examples on one machine. Anybody can then have the server ask other programs of that machine.
	DangerouslyAllowLoopback bool
}

// Errors of [Fetcher.Get].
var (
	// ErrURL says that a URL is none that a document may have.
	ErrURL = errors.New("auth/oauth: this cannot be the address of a document")

	// ErrUnavailable says that a document could not be fetched. Its cause may tell of the server's own
	// network, so it belongs into a log alone.
	ErrUnavailable = errors.New("auth/oauth: the document could not be fetched")

	// ErrInvalid says that a document was fetched and its reader refused it. It wraps the reader's error.
	ErrInvalid = errors.New("auth/oauth: the document is invalid")

	// ErrTooMany says that a network has caused too many fetches, or that too many run. It comes in a
	// [*passwords.RetryError].
	ErrTooMany = errors.New("auth/oauth: too many documents are being fetched")
)

// Fetcher fetches documents, and keeps them as long as their headers say. It is safe for concurrent use, and
// needs no Close: only a fetch outlives a request, and it ends within 6 seconds.
type Fetcher struct {
	anyPort bool // and loopback
	roots   *x509.CertPool
	resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	dial    func(ctx context.Context, address netip.AddrPort) (net.Conn, error)

	rates     rates
	hosts     slots
	networks  slots
	addresses slots
	all       chan struct{}

	mu      sync.Mutex
	cache   cache
	flights map[key]*flight
}

// New returns a Fetcher, or every fault of cfg, joined, each a [*cfgerr.Error].
func New(cfg Config) (*Fetcher, error) {
	faults := cfgerr.Faults{Prefix: "fetch.Config."}
	burst := cfgerr.Within(&faults, "Burst", cfg.Burst, 120, 1, 1_000_000)
	every := cfgerr.Within(&faults, "Every", cfg.Every, time.Second, time.Millisecond, time.Hour)
	resolver := &net.Resolver{PreferGo: true} // it ends with the context
	f := &Fetcher{
		anyPort: cfg.DangerouslyAllowLoopback,
		roots:   cfg.Roots,
		resolve: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return resolver.LookupNetIP(ctx, "ip", host)
		},
		dial: func(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address.String())
		},
		rates: rates{burst: burst, every: every},
		hosts: slots{most: perHost}, networks: slots{most: perNetwork}, addresses: slots{most: perAddress},
		all:     make(chan struct{}, inAll),
		flights: map[key]*flight{},
	}
	return f, faults.Err()
}

// Request says what is fetched, and for whom.
type Request struct {
	URL    string     // https
	Client netip.Addr // address of the client that makes the server fetch; those without one are counted together
	KeySet bool       // a JWK set: it may have 64 KiB in the place of 5 KiB

	// Valid reads the document and returns an error if it is invalid; nil: none is. An invalid document
	// is not kept ("Metadata Caching" of the draft). Requests for one URL that come at the same time
	// share a fetch, and the Valid of one of them.
	Valid func(body []byte) error

	// NotBefore is the time before which a document that is kept must not have been fetched. Zero: any.
	NotBefore time.Time
}

// key is what documents are kept under.
type key struct {
	url    string
	keySet bool
}

// flight is a fetch that runs. done is closed when it has ended; body and err are set before.
type flight struct {
	begun time.Time
	done  chan struct{}
	body  []byte
	err   error
}

// Get returns a document. The bytes are shared: nobody may change them.
//
// It returns [ErrURL], [ErrUnavailable], [ErrInvalid], [ErrTooMany] in a [*passwords.RetryError], or the
// context's error if ctx ends first. The fetch itself goes on then, for other requests.
func (f *Fetcher) Get(ctx context.Context, r Request) ([]byte, error) {
	target, err := f.parse(r.URL)
	if err != nil {
		return nil, fmt.Errorf("%w: it %w", ErrURL, err)
	}
	k := key{r.URL, r.KeySet}
	f.mu.Lock()
	now := time.Now()
	if body, found := f.cache.get(k, now, r.NotBefore); found {
		f.mu.Unlock()
		return body, nil
	}
	running := f.flights[k]
	if running == nil || running.begun.Before(r.NotBefore) {
		if wait := f.rates.take(r.Client, now); wait > 0 {
			f.mu.Unlock()
			return nil, &passwords.RetryError{Err: ErrTooMany, After: max(wait, time.Second)}
		}
		running = &flight{begun: now, done: make(chan struct{})}
		f.flights[k] = running
		go f.run(k, running, target, r)
	}
	f.mu.Unlock()
	select {
	case <-running.done:
		return running.body, running.err
	case <-ctx.Done():
		return nil, fmt.Errorf("auth/oauth: wait for a document: %w", context.Cause(ctx))
	}
}

// run is the goroutine of a flight.
func (f *Fetcher) run(k key, fl *flight, target *target, r Request) {
	body, age, err := f.fetch(target, r)
	f.mu.Lock()
	if err == nil && age > 0 {
		f.cache.put(k, body, fl.begun, fl.begun.Add(age))
	}
	if f.flights[k] == fl {
		delete(f.flights, k)
	}
	f.mu.Unlock()
	fl.body, fl.err = body, err
	close(fl.done)
}

// fetch waits for its turn and fetches a document. age is how long it may be kept.
func (f *Fetcher) fetch(target *target, r Request) (body []byte, age time.Duration, err error) {
	busy := &passwords.RetryError{Err: ErrTooMany, After: timeout}
	waiting, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	// The slot of the host comes first: requests that wait for a slow host hold nothing that others need.
	release, ok := f.hosts.wait(waiting, target.host)
	if !ok {
		return nil, 0, busy
	}
	defer release()
	release, ok = f.networks.wait(waiting, network(r.Client, 64).String())
	if !ok {
		return nil, 0, busy
	}
	defer release()
	select {
	case f.all <- struct{}{}:
		defer func() { <-f.all }()
	default:
		return nil, 0, busy
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	body, age, err = f.ask(ctx, target, r.KeySet)
	switch {
	case errors.Is(err, ErrTooMany):
		return nil, 0, busy
	case err != nil:
		return nil, 0, fmt.Errorf("%w: %.200q: %w", ErrUnavailable, r.URL, err)
	case r.Valid == nil:
		return body, age, nil
	}
	if err := r.Valid(body); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return body, age, nil
}
