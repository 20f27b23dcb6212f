// Command stream runs two replicas of a service that streams answers, as a language model does: here the
// words are made up by a few lines of Go. When the user logs out at one replica, the answer at the other
// stops in the middle of a sentence. The program prints the curl commands to type next.
//
// Both replicas stand on one SQLite file. -dsn puts them on a PostgreSQL, which replicas on several
// machines can share; -addr1 "" or -addr2 "" then leaves one of
// them to another process.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authkit"
	"github.com/seed-e36e2130/auth/revocation"
	"github.com/seed-e36e2130/auth/sqlstore"
	"github.com/seed-e36e2130/auth/sqlstore/sqlite"
	"github.com/seed-e36e2130/auth/stream"
)

// settings are the flags of the program.
type settings struct {
	addr1, addr2 string // addresses of the replicas; "": this replica is not run
	data         string
	dsn, prefix  string
	bound        time.Duration
	pace         time.Duration
}

func main() {
	var cfg settings
	flag.StringVar(&cfg.addr1, "addr1", "localhost:8085", "address of replica 1; empty: another process runs it")
	flag.StringVar(&cfg.addr2, "addr2", "localhost:8086", "address of replica 2; empty: another process runs it")
	flag.StringVar(&cfg.data, "data", filepath.Join("data", "stream"), "folder of the keys and of the SQLite file, created if it is missing")
	flag.StringVar(&cfg.dsn, "dsn", "", "URL of a PostgreSQL database; empty: SQLite")
	flag.StringVar(&cfg.prefix, "prefix", "stream_", "prefix of the names of the tables in PostgreSQL")
	flag.DurationVar(&cfg.bound, "bound", 5*time.Second, "time after which a logout must have ended streams at every replica")
	flag.DurationVar(&cfg.pace, "pace", 200*time.Millisecond, "time between two words")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, os.Stdout, cfg); err != nil {
		log.Fatal("stream: ", err)
	}
}

// run runs the replicas until ctx ends.
func run(ctx context.Context, out io.Writer, cfg settings) error {
	if err := os.MkdirAll(cfg.data, 0o700); err != nil {
		return err
	}
	var urls []string
	for _, addr := range []string{cfg.addr1, cfg.addr2} {
		if addr == "" {
			continue
		}
		r, err := start(ctx, cfg, addr)
		if err != nil {
			return err
		}
		defer r.close()
		urls = append(urls, r.url)
	}
	if len(urls) == 0 {
		return errors.New("there is no replica to run: give -addr1 or -addr2")
	}
	fmt.Fprintf(out, next, urls[0], urls[len(urls)-1])
	<-ctx.Done()
	return nil
}

// replica stands for a process on a machine of its own.
type replica struct {
	url   string
	close func()
}

func start(ctx context.Context, cfg settings, addr string) (*replica, error) {
	store, closeStore, err := openStore(ctx, cfg)
	if err != nil {
		return nil, err
	}
	app, err := authkit.Open(ctx, authkit.All(store), authkit.Config{
		Issuer: "https://stream.example", KeyFolder: cfg.data, Revocation: revocation.Config{Bound: cfg.bound},
	})
	if err != nil {
		closeStore()
		return nil, err
	}
	handler, err := routes(app, store, cfg.pace)
	if err == nil {
		var listener net.Listener
		if listener, err = net.Listen("tcp", addr); err == nil {
			// ReadTimeout and WriteTimeout are left out, because they would end the streams.
			server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute}
			go server.Serve(listener)
			return &replica{"http://" + listener.Addr().String(), func() {
				app.Close(context.Background()) // ends the streams, so that nothing waits for them
				server.Close()
				closeStore()
			}}, nil
		}
	}
	app.Close(context.Background())
	closeStore()
	return nil, err
}

// openStore opens the store of one replica, with connections of its own.
func openStore(ctx context.Context, cfg settings) (authkit.Store, func(), error) {
	if cfg.dsn == "" {
		store, err := sqlite.Open(ctx, filepath.Join(cfg.data, "users.db"), sqlstore.Config{})
		if err != nil {
			return nil, nil, err
		}
		return store, func() { store.Close() }, nil
	}
	db, err := sql.Open("pgx", cfg.dsn)
	if err != nil {
		return nil, nil, err
	}
	feed, err := sql.Open("pgx", cfg.dsn)
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(16)
	feed.SetMaxOpenConns(1) // reads revocations, also while all connections of db are in use
	closeAll := func() { feed.Close(); db.Close() }
	store, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Config{TablePrefix: cfg.prefix, FeedDB: feed})
	if err == nil {
		err = store.Migrate(ctx)
	}
	if err != nil {
		closeAll()
		return nil, nil, err
	}
	return store, closeAll, nil
}

// routes returns the endpoints of the library and the stream. A page opens the stream by a ticket, because
// an EventSource cannot send an Authorization header.
func routes(app *authkit.App, store authkit.Store, pace time.Duration) (http.Handler, error) {
	tickets, err := stream.NewTickets(app.Accounts, store, stream.TicketConfig{})
	if err != nil {
		return nil, err
	}
	guard, err := auth.NewMiddleware(tickets, auth.MiddlewareConfig{
		Extractors: []auth.Extractor{auth.BearerToken(), tickets.Extractor()},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", app.Handler())
	mux.Handle("GET /answers", guard.Require(app.Streams.Wrap(stream.FinishAnswer())(answers(pace))))
	mux.Handle("POST /tickets", tickets.Handler(app.Middleware))
	mux.Handle("POST /renew", app.Require(app.Streams.RenewHandler()))
	return tickets.Strip(mux), nil // before everything that might log a URL
}

// next says what to type next.
const next = `Ready. Replica 1 is %[1]s, replica 2 is %[2]s. Type this in another terminal:

curl -s %[1]s/auth/register -H 'Content-Type: application/json' -d '{"username":"ada","password":"correct horse battery"}'
TOKEN=$(curl -s %[1]s/auth/login -d username=ada -d 'password=correct horse battery' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
curl -sN '%[2]s/answers?question=why' -H "Authorization: Bearer $TOKEN" & STREAM=$!
sleep 3
curl -s -X POST %[1]s/auth/logout -H "Authorization: Bearer $TOKEN"
wait $STREAM   # the answer at replica 2 stops, and its last event says why
`
