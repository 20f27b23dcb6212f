package redisstore_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
)

// network dials connections that can fall silent.
type network struct{ alive atomic.Int64 } // generation of the connections that answer

// silentConn accepts what is written and never answers, once its generation is over.
type silentConn struct {
	net.Conn
	network    *network
	generation int64
}

func (c *silentConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	for err == nil && c.network.alive.Load() != c.generation {
		n, err = c.Conn.Read(b) // the answer is lost
	}
	return n, err
}

// TestSilentPool has ten connections of a client fall silent, as after a firewall has forgotten them.
// One read of the feed fails, and the next one is answered.
func TestSilentPool(t *testing.T) {
	t.Parallel()
	for _, honoursContext := range []bool{true, false} {
		link := new(network)
		opt := options(t)
		opt.ContextTimeoutEnabled = honoursContext
		opt.PoolSize, opt.Dialer = 32, link.dial
		client := connect(t, opt)
		s := newStore(t, client, prefix(t, connect(t, options(t))))
		reads(t, s, "")
		conns := make([]*redis.Conn, 10)
		for i := range conns {
			conns[i] = client.Conn()
			if err := conns[i].Ping(bounded(t)).Err(); err != nil {
				t.Fatal(err)
			}
		}
		for _, conn := range conns {
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if idle := client.PoolStats().IdleConns; idle < 10 {
			t.Fatalf("%d connections are idle, want 10", idle)
		}

		link.alive.Add(1)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, err := s.RevokedSince(ctx, "", func(auth.Revocation) {}); err == nil {
			t.Error("a read on a silent connection succeeded")
		}
		cancel()
		// A connection that is silent would keep the client waiting for a minute.
		ctx, cancel = context.WithTimeout(t.Context(), 50*time.Second)
		if _, err := s.RevokedSince(ctx, "", func(auth.Revocation) {}); err != nil {
			t.Errorf("honours context: %t: the second read: %v", honoursContext, err)
		}
		cancel()
	}
}

func (n *network) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &silentConn{conn, n, n.alive.Load()}, nil
}
