package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/sqlstore"
)

// network is a PostgreSQL with an empty feed, whose connections can fall silent.
type network struct {
	mu    sync.Mutex
	alive int  // generation of the connections that are answered
	down  bool // nobody is answered
}

// drop makes every connection silent; with down, new ones as well.
func (n *network) drop(down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.alive++
	n.down = down
}

func (n *network) state() (alive int, down bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.alive, n.down
}

func (n *network) Driver() driver.Driver { return nil }

// Connect waits until ctx ends while the network is down, even if the network comes back.
func (n *network) Connect(ctx context.Context) (driver.Conn, error) {
	alive, down := n.state()
	if down {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &networkConn{network: n, generation: alive}, nil
}

type networkConn struct {
	network    *network
	generation int
	broken     bool
}

func (c *networkConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not prepared") }
func (c *networkConn) Begin() (driver.Tx, error)           { return nil, errors.New("no transactions") }
func (c *networkConn) Close() error                        { return nil }
func (c *networkConn) IsValid() bool                       { return !c.broken }

func (c *networkConn) QueryContext(ctx context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	if alive, down := c.network.state(); down || alive != c.generation {
		<-ctx.Done()
		c.broken = true
		return nil, ctx.Err()
	}
	if strings.Contains(query, "txid_snapshot") {
		return &feedRows{rows: [][]driver.Value{{int64(1), "server"}}, columns: 2}, nil
	}
	return &feedRows{columns: 4}, nil
}

// feedRows are the rows of an answer.
type feedRows struct {
	rows    [][]driver.Value
	columns int
}

func (r *feedRows) Columns() []string { return make([]string, r.columns) }
func (r *feedRows) Close() error      { return nil }

func (r *feedRows) Next(dest []driver.Value) error {
	if len(r.rows) == 0 {
		return io.EOF
	}
	copy(dest, r.rows[0])
	r.rows = r.rows[1:]
	return nil
}

// TestSilentPool has ten connections of a pool fall silent, as after a firewall has forgotten them,
// with and without an outage. A revocation list knows its feed again within twice its bound after the
// database answers new connections. The pool then holds none of the silent ones, also if the feed has
// another pool.
func TestSilentPool(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		outage time.Duration
		feedDB bool
	}{
		"no outage": {0, false}, "a short outage": {7 * time.Second, false}, "a long outage": {20 * time.Second, false},
		"no outage, two pools": {0, true}, "a long outage, two pools": {20 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const bound = 5 * time.Second
				pg := new(network)
				db := sql.OpenDB(pg)
				defer db.Close()
				db.SetMaxIdleConns(10)
				fill(t, db, 10)
				var cfg sqlstore.Config
				if row.feedDB {
					cfg.FeedDB = sql.OpenDB(pg)
					defer cfg.FeedDB.Close()
				}
				s, err := sqlstore.New(db, sqlstore.PostgreSQL, cfg)
				if err != nil {
					t.Fatal(err)
				}
				list, err := revocation.Follow(s, revocation.Config{Bound: bound})
				if err != nil {
					t.Fatal(err)
				}
				defer list.Close()
				if err := list.Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
				p, err := jwt.NewPrincipal(jwt.Claims{Subject: "ada", SessionID: "s", Expiry: time.Now().Add(time.Hour)})
				if err != nil {
					t.Fatal(err)
				}

				pg.drop(row.outage > 0)
				time.Sleep(row.outage)
				wasDown := list.Check(t.Context(), p) != nil // it may be up again as soon as the database answers
				if row.outage > 0 {
					pg.drop(false)
				}
				back := time.Now()
				for time.Since(back) < 2*time.Minute {
					time.Sleep(100 * time.Millisecond)
					if list.Check(t.Context(), p) == nil {
						if wasDown || time.Since(back) > 2*bound {
							break
						}
						continue
					}
					wasDown = true
				}
				if took := time.Since(back); !wasDown || took > 2*bound {
					t.Errorf("the list was down: %t; it took %v from when the database answered, want %v or less", wasDown, took, 2*bound)
				}
				if n := db.Stats().Idle; row.feedDB && n > 0 {
					t.Errorf("the pool holds %d silent connections", n)
				}
			})
		})
	}
}

// fill has the pool hold n idle connections.
func fill(t *testing.T, db *sql.DB, n int) {
	t.Helper()
	var conns []*sql.Conn
	for range n {
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
