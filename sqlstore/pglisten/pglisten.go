// Package pglisten brings a logout to every replica at once where package sqlstore
// is on PostgreSQL. It is a module of its own: it brings the driver
// github.com/jackc/pgx/v5.
package pglisten

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/seed-e36e2130/auth"
)

const (
	reconnectAfter = time.Second
	closingTime    = time.Second
)

// Listen calls sync, as a rule the Sync of a revocation.List, whenever something was
// revoked, so that it is in effect here at once, and whenever it has connected again
// and may have missed something. It has a connection of its own, which is made anew
// when it is lost. What is notified says nothing but that there is news: where that
// does not arrive, the list that reads the feed by itself is none the worse, so what
// sync returns is of no interest here.
//
// The connection is a URL or a DSN as pgx takes it, of the server itself: a pooler
// hands notifications to nobody. The channel is the store's: see
// [sqlstore.Store.Channel].
//
// It returns when ctx ends, with its error, or at once every fault of the parameters
// as an [*cfgerr.Error].
//
// [sqlstore.Store.Channel]: https://pkg.go.dev/github.com/seed-e36e2130/auth/sqlstore#Store.Channel
func Listen(ctx context.Context, connection, channel string, sync func(context.Context) error) error {
	var faults []error
	config, err := pgx.ParseConfig(connection)
	if err != nil { // which may show what it could not parse
		faults = append(faults, &auth.ConfigError{Field: "pglisten.Listen.connection", Reason: "is not a URL or DSN of PostgreSQL"})
	}
	if channel == "" {
		faults = append(faults, &auth.ConfigError{Field: "pglisten.Listen.channel", Reason: "is empty: that of a store on another database"})
	}
	if sync == nil {
		faults = append(faults, &auth.ConfigError{Field: "pglisten.Listen.sync", Reason: "is nil"})
	}
	if faults != nil {
		return errors.Join(faults...)
	}
	news := make(chan struct{}, 1) // one read is enough for all there is
	synced := make(chan struct{})
	defer func() { <-synced }()
	go func() {
		defer close(synced)
		for {
			select {
			case <-ctx.Done():
				return
			case <-news:
				_ = sync(ctx)
			}
		}
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
	for { // the first time for what came before the connection
		select {
		case news <- struct{}{}:
		default:
		}
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return err
		}
	}
}
