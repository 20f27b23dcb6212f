package drivertest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// counted is a connector that counts the connections that it was asked for, and those that were given
// up because the context of the request had ended.
type counted struct {
	driver.Connector
	dialled, cancelled atomic.Int64
}

func (c *counted) Connect(ctx context.Context) (driver.Conn, error) {
	c.dialled.Add(1)
	conn, err := c.Connector.Connect(ctx)
	if err != nil && ctx.Err() != nil {
		c.cancelled.Add(1)
	}
	return conn, err
}

// counted returns an empty store whose connections are counted.
func (tt target) counted(t testing.TB) (*sqlstore.Store, *counted) {
	t.Helper()
	source := tt.source(t)
	db := open(t, tt.driver, source)
	p := prefix(t, db)
	opener, ok := db.Driver().(driver.DriverContext)
	if !ok {
		opener = openerOf{db.Driver()}
	}
	connector, err := opener.OpenConnector(source)
	if err != nil {
		t.Fatal(err)
	}
	c := &counted{Connector: connector}
	pool := sql.OpenDB(c)
	pool.SetMaxOpenConns(16) // and 2 idle ones, the default: connections are opened and closed all the time
	t.Cleanup(func() { pool.Close() })
	s, err := sqlstore.New(pool, tt.dialect, sqlstore.Config{TablePrefix: p})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(bounded(t)); err != nil {
		t.Fatal(err)
	}
	return s, c
}

// openerOf opens connections of a driver that has no connectors.
type openerOf struct{ driver driver.Driver }

func (o openerOf) OpenConnector(name string) (driver.Connector, error) {
	return dsnConnector{o.driver, name}, nil
}

type dsnConnector struct {
	driver driver.Driver
	name   string
}

func (c dsnConnector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.name) }
func (c dsnConnector) Driver() driver.Driver                        { return c.driver }

// knock sends a login or a refresh with made-up values over a connection of its own. If hangUp is set it
// does not wait for the answer.
func (s service) knock(t testing.TB, n int, hangUp bool) {
	t.Helper()
	path, body := "/login", fmt.Sprintf(`{"username":"nobody-%d","password":"wrong password"}`, n)
	if n%2 == 1 {
		path, body = "/refresh", fmt.Sprintf(`{"refresh_token":"%s"}`, strings.Repeat("A", 64))
	}
	server, err := url.Parse(s.url)
	if err != nil {
		t.Error(err)
		return
	}
	conn, err := net.Dial("tcp", server.Host)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, server.Host, len(body), body)
	if err == nil && !hangUp {
		_, err = io.Copy(io.Discard, conn)
	}
	if err != nil {
		t.Error(err)
	}
}

// Clients that hang up right after sending cancel no connection that a database is being asked for, and
// nobody else is answered 503.
func TestHungUpClients(t *testing.T) {
	each(t, targets, func(t *testing.T, tt target) {
		s, connections := tt.counted(t)
		var undecided atomic.Int64
		server := newService(t, s, newKeys(t), revocation.Config{}, nil, func(path string, status int) {
			if path == "/profile" && status != http.StatusOK {
				undecided.Add(1)
			}
		})
		create(t, s, user("1", "ada"))
		tokens, err := server.auth.LoginUser(bounded(t), "1", "pwd")
		if err != nil {
			t.Fatal(err)
		}
		var clients sync.WaitGroup
		for client := range 10 {
			clients.Go(func() {
				for n := range 30 {
					server.knock(t, 30*client+n, true)
				}
			})
		}
		for range 50 {
			server.profile(t, tokens.AccessToken)
			time.Sleep(5 * time.Millisecond)
		}
		clients.Wait()
		if n := connections.cancelled.Load(); n > 0 {
			t.Errorf("%d of %d connections were given up half-way, want none", n, connections.dialled.Load())
		}
		if n := undecided.Load(); n > 0 {
			t.Errorf("%d of 50 requests of others were refused, want none", n)
		}
	})
}

// BenchmarkHungUpClients sends 300 logins and refreshes a second, with made-up values, of clients that
// wait for the answer and then of clients that hang up. Its metrics are the 99th percentile of the time
// that GET /me takes meanwhile, which reads the account, in milliseconds; the ratio of both; and the
// number of refusals. Run it with -benchtime 1x.
func BenchmarkHungUpClients(b *testing.B) {
	const rate, during = 300, 6 * time.Second
	for _, tt := range targets {
		b.Run(tt.name, func(b *testing.B) {
			s, _ := tt.counted(b)
			var refused atomic.Int64
			server := newService(b, s, newKeys(b), revocation.Config{}, nil, func(path string, status int) {
				if path == "/me" && status != http.StatusOK {
					refused.Add(1)
				}
			})
			create(b, s, user("1", "ada"))
			tokens, err := server.auth.LoginUser(bounded(b), "1", "pwd")
			if err != nil {
				b.Fatal(err)
			}
			p99 := map[bool]time.Duration{}
			for b.Loop() {
				for _, hangUp := range []bool{false, true} {
					var clients sync.WaitGroup
					stop := make(chan struct{})
					clients.Go(func() {
						tick := time.NewTicker(time.Second / rate)
						defer tick.Stop()
						for n := 0; ; n++ {
							select {
							case <-stop:
								return
							case <-tick.C:
								clients.Go(func() { server.knock(b, n, hangUp) })
							}
						}
					})
					var took []time.Duration
					for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
						start := time.Now()
						r, err := http.NewRequest("GET", server.url+"/me", nil)
						if err != nil {
							b.Fatal(err)
						}
						r.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
						res, err := http.DefaultClient.Do(r)
						if err != nil {
							b.Fatal(err)
						}
						_, _ = io.Copy(io.Discard, res.Body)
						res.Body.Close()
						took = append(took, time.Since(start))
					}
					close(stop)
					clients.Wait()
					slices.Sort(took)
					p99[hangUp] = took[len(took)*99/100]
				}
			}
			ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
			b.ReportMetric(ms(p99[false]), "answered-p99-ms")
			b.ReportMetric(ms(p99[true]), "hung-up-p99-ms")
			b.ReportMetric(float64(p99[true])/float64(p99[false]), "ratio")
			b.ReportMetric(float64(refused.Load()), "refused")
			b.ReportMetric(0, "ns/op")
		})
	}
}
