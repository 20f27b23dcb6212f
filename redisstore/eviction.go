package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// recheckEviction is how long the answer to the question is used whether the server evicts keys. An
// administrator can change it while the server runs.
const recheckEviction = 10 * time.Minute

// The reasons why a server is refused. A key that was evicted reads like one that never was: a user
// without the record of a second factor has none, and a token that nobody revoked is good.
var (
	errEvicts  = errors.New("the server may evict keys, and with them second factors, counts of failures and revocations; set maxmemory-policy to noeviction, or Config.DangerouslyAllowEviction")
	errSecrecy = errors.New("the server does not say whether it evicts keys; allow the command INFO, or set Config.DangerouslyAllowEviction")
)

// evictionCheck remembers when the server was last seen not to evict keys.
type evictionCheck struct {
	allowed bool // whether the host accepts eviction
	next    atomic.Pointer[time.Time]
}

// checkEviction returns an error unless the server keeps what it was given. It asks the server once
// in recheckEviction. See decision 0094.
func (s *Store) checkEviction(ctx context.Context) error {
	if s.eviction.allowed {
		return nil
	}
	next := s.eviction.next.Load()
	if next != nil && time.Now().Before(*next) {
		return nil
	}
	memory, err := s.memory(ctx)
	switch {
	case redis.HasErrorPrefix(err, "NOPERM"), redis.HasErrorPrefix(err, "ERR unknown command"):
		return fmt.Errorf("%w: %w", errSecrecy, err)
	case err != nil && next != nil:
		return nil // the command that follows reports what is wrong
	case err != nil:
		return err
	}
	policy, limit := memory["maxmemory_policy"], memory["maxmemory"]
	switch {
	case policy == "":
		return errSecrecy
	case policy != "noeviction" && limit != "0":
		return errEvicts
	}
	again := time.Now().Add(recheckEviction)
	s.eviction.next.Store(&again)
	return nil
}

// memory returns what the server that holds the keys says of its memory, by name.
func (s *Store) memory(ctx context.Context) (map[string]string, error) {
	var server interface {
		Info(ctx context.Context, section ...string) *redis.StringCmd
	} = s.client
	if cluster, ok := s.client.(interface {
		MasterForKey(ctx context.Context, key string) (*redis.Client, error)
	}); ok {
		master, err := cluster.MasterForKey(ctx, s.feed)
		if err != nil {
			return nil, err
		}
		server = master
	}
	text, err := server.Info(ctx, "memory").Result()
	if err != nil {
		return nil, err
	}
	values := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			values[name] = value
		}
	}
	return values, nil
}
