package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth/internal/freshness"
)

// ask makes one request, and returns the body of the response and how long it may be kept.
func (f *Fetcher) ask(ctx context.Context, t *target, keySet bool) ([]byte, time.Duration, error) {
	addresses, err := f.lookup(ctx, t)
	if err != nil {
		return nil, 0, err
	}
	client := &http.Client{
		Transport: &http.Transport{ // Proxy is nil: a proxy would resolve the name again
			// The context that a Transport dials with does not end with the request's: ctx does.
			DialContext: func(_ context.Context, _, _ string) (net.Conn, error) {
				return f.connect(ctx, addresses, t.port)
			},
			TLSClientConfig:        &tls.Config{RootCAs: f.roots, MinVersion: tls.VersionTLS12},
			DisableKeepAlives:      true,
			DisableCompression:     true, // a small body could become a large one
			MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url.String(), nil)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Accept", "application/json, application/*+json")
	req.Header.Set("User-Agent", "github.com/seed-e36e2130/auth (client documents)") // some hosts refuse requests without one
	res, err := client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer res.Body.Close()
	switch encoding := res.Header.Get("Content-Encoding"); {
	case res.StatusCode != http.StatusOK:
		return nil, 0, fmt.Errorf("status %d", res.StatusCode)
	case !isJSON(res.Header.Get("Content-Type")):
		return nil, 0, errors.New("the response is not application/json")
	case encoding != "" && !strings.EqualFold(encoding, "identity"):
		return nil, 0, errors.New("the response is encoded, though nothing of the kind was asked for")
	}
	limit := maxDocument
	if keySet {
		limit = maxKeySet
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, int64(limit)+1))
	switch {
	case err != nil:
		return nil, 0, err
	case len(body) > limit:
		return nil, 0, fmt.Errorf("the response has more than %d bytes", limit)
	}
	age := freshness.Of(res.Header)
	if age < 0 {
		age = defaultAge
	}
	return body, min(age, maxAge), nil
}

// connect connects to the first of some addresses that answers.
func (f *Fetcher) connect(ctx context.Context, addresses []netip.Addr, port string) (conn net.Conn, err error) {
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, errPort
	}
	for i, a := range addresses {
		free, ok := f.addresses.try(a.String())
		if !ok {
			err = ErrTooMany
			continue
		}
		try, cancel := ctx, context.CancelFunc(func() {})
		if deadline, ok := ctx.Deadline(); ok && i < len(addresses)-1 { // leave time for the others
			try, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(len(addresses)-i))
		}
		conn, err = f.dial(try, netip.AddrPortFrom(a, uint16(number)))
		cancel()
		if err == nil {
			if deadline, ok := ctx.Deadline(); ok {
				err = conn.SetDeadline(deadline) // also for a handshake that goes on behind a request
			}
			return &slotted{Conn: conn, release: free}, err
		}
		free()
	}
	return nil, err
}

// slotted is a connection that gives a slot back when it is closed, which may be after the request has ended.
type slotted struct {
	net.Conn
	once    sync.Once
	release func()
}

func (c *slotted) Close() error {
	c.once.Do(c.release)
	return c.Conn.Close()
}

// isJSON reports whether a media type is application/json, or a more specific one of JSON.
func isJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (t == "application/json" || strings.HasPrefix(t, "application/") && strings.HasSuffix(t, "+json"))
}
