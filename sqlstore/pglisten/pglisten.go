// Package pglisten makes a logout take effect on every replica at once where package sqlstore runs on
// PostgreSQL. It is a module of its own, because it needs the driver github.com/jackc/pgx/v5.
package pglisten

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/seed-e36e2130/auth/cfgerr"
)

const (
	reconnectAfter = time.Second // pause after a connection was lost
	closingTime    = time.Second // limit for closing a connection
)

// Listen calls sync, usually the Sync of a revocation.List, whenever a revocation was committed, so
// that it takes effect in this process at once. It also calls sync after each connect, because it may
// have missed notifications. Listen opens a connection of its own, and reconnects when it is lost. A
// notification says only that there are new revocations. If one is lost, the list still finds them
// when it next reads the feed, so Listen ignores the error of sync.
//
// The connection is a URL or a DSN as pgx takes it, and must lead to the server itself, because a
// pooler does not forward notifications. The channel is that of the store: see
// [sqlstore.Store.Channel].
//
// It returns the error of ctx when ctx ends, or at once a [*cfgerr.Error] for each fault of the
// parameters, joined.
//
// [sqlstore.Store.Channel]: https://pkg.go.dev/github.com/seed-e36e2130/auth/sqlstore#Store.Channel
func Listen(ctx context.Context, connection, channel string, sync func(context.Context) error) error {
	faults := cfgerr.Faults{Prefix: "pglisten.Listen."}
	config, err := pgx.ParseConfig(connection)
	if err != nil { // not part of the fault, because it may contain the password
		faults.Add("connection", "", "must be a URL or DSN of PostgreSQL")
	}
	if channel == "" {
		faults.Add("channel", "", "is required; the Channel of a store on another database is empty")
	}
	faults.Require("sync", sync != nil)
	if err := faults.Err(); err != nil {
		return err
	}
	news := make(chan struct{}, 1) // one call of sync reads all that is new
	stopped := make(chan struct{})
	defer func() { <-stopped }()
	go func() {
		defer close(stopped)
		syncOn(ctx, news, sync)
	}()
	for {
		_ = follow(ctx, config, channel, news)
		select {
		case <-ctx.Done():
			return fmt.Errorf("auth: pglisten: %w", ctx.Err())
		case <-time.After(reconnectAfter):
		}
	}
}

// syncOn calls sync for each item of news until ctx ends.
func syncOn(ctx context.Context, news <-chan struct{}, sync func(context.Context) error) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-news:
			_ = sync(ctx)
		}
	}
}

// follow listens on one connection until it is lost or ctx ends.
func follow(ctx context.Context, config *pgx.ConnConfig, channel string, news chan<- struct{}) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return err
	}
	for { // the first round is for revocations from before the connection
		select {
		case news <- struct{}{}:
		default:
		}
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}
