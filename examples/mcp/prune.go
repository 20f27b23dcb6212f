package main

import (
	"context"
	"log/slog"
	"time"
)

// pruneHourly removes what has expired from a database, each hour until ctx ends: codes, grants that nobody
// used, clients that registered and never came back.
func (s *server) pruneHourly(ctx context.Context) {
	if s.prune == nil {
		return
	}
	hourly := time.NewTicker(time.Hour)
	defer hourly.Stop()
	for {
		if err := s.prune(ctx); err != nil && ctx.Err() == nil {
			slog.Error("mcp: prune", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-hourly.C:
		}
	}
}
