package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync"
	"time"
)

// discardTime bounds how long a call waits for the connections that it discards.
const discardTime = 500 * time.Millisecond

// discardIdle closes the idle connections of the pools, after a connection of the feed was silent. A network
// that forgets its connections forgets all of them, and each reader of a pool would have to wait for each.
// It does nothing for ctx if the caller has ended it, or on SQLite, where nothing is between the pool and
// the database.
func (s *Store) discardIdle(ctx context.Context) {
	if cause := context.Cause(ctx); cause == nil || cause == context.Canceled || s.dialect == SQLite {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTime)
	defer cancel()
	var pools sync.WaitGroup
	defer pools.Wait()
	if s.feedDB != s.db {
		pools.Go(func() { discardIdle(ctx, s.feedDB) })
	}
	discardIdle(ctx, s.db)
}

func discardIdle(ctx context.Context, pool *sql.DB) {
	var idle []*sql.Conn // held until all are taken, so that none is taken twice
	for range pool.Stats().Idle {
		if pool.Stats().Idle == 0 {
			break
		}
		conn, err := pool.Conn(ctx)
		if err != nil {
			break
		}
		idle = append(idle, conn)
	}
	for _, conn := range idle {
		// A driver may take its time to say goodbye on a dead connection.
		go func() { _ = conn.Raw(func(any) error { return driver.ErrBadConn }) }()
	}
}
