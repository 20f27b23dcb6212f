// Command mcp is a server of the Model Context Protocol whose tools act for the people who log in: two
// protected resources, each with metadata of its own, scopes, and streams that end with the login.
//
//	go run ./examples/mcp -user='ada=correct horse battery staple' -register=20
//
// It is its own authorization server: the line that it prints adds it to Claude Code, which then logs in.
//
// It keeps accounts, sessions and keys in a folder (-data), or accounts and sessions in PostgreSQL or Redis.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mcp:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	opts, err := parse(args)
	if err != nil {
		return err
	}
	s, err := open(ctx, opts)
	if err != nil {
		return err
	}
	defer s.close()
	handler, err := s.handler()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", opts.addr)
	if err != nil {
		return err
	}
	slog.Info("mcp: listening", "addr", listener.Addr().String(), "resource", s.notes.url)
	fmt.Println("To log in from Claude Code, run: claude mcp add --transport http notes", s.notes.url)
	pruning, stop := context.WithCancel(ctx)
	pruned := make(chan struct{})
	go func() { defer close(pruned); s.pruneHourly(pruning) }()
	defer func() { stop(); <-pruned }() // before the database is closed
	return serve(ctx, listener, handler)
}

// handler returns everything that the program serves.
func (s *server) handler() (http.Handler, error) {
	mux := http.NewServeMux()
	for _, mount := range []func(*http.ServeMux) error{s.mountResources, s.mountAuthorization} {
		if err := mount(mux); err != nil {
			return nil, err
		}
	}
	return mux, nil
}

// serve serves until ctx ends. Open streams then have a second to end.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	web := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		// No WriteTimeout: an event stream takes as long as its tool does.
	}
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := web.Shutdown(last); errors.Is(err, context.DeadlineExceeded) {
		return web.Close()
	} else if err != nil {
		return err
	}
	return nil
}
