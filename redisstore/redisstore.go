package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
)

// Config configures a [Store]. Its zero value is ready for use.
type Config struct {
	// Prefix begins the name of every key and of the channel. Stores with different prefixes share
	// nothing, even on one server. Empty: "auth"; at most 64 ASCII letters, digits, hyphens and
	// underscores.
	Prefix string

	// DangerouslyAllowEviction accepts a server whose maxmemory-policy is not noeviction, or that
	// does not say what it is. What was evicted reads as if it had never been: an account has no
	// second factor, no guess has failed, no token is revoked. Without it every call returns an
	// error on such a server. The server is asked at the first call and every 10 minutes.
	DangerouslyAllowEviction bool
}

// Store is an [auth.SessionStore] and an [auth.RecordStore] on Redis, and an [auth.UserStore] and
// [auth.AccountStore] for hosts that have no database. Make one with [New]. User IDs and the owners of
// records have at most 255 bytes.
//
// After an error that is none of the contracts' own, the end of a context included, a change
// may or may not have been made: the server's reply can be lost after the change. If the connection
// breaks, the client sends a command again. Such a command makes its change once and answers as the
// first one, but for these: a second DeleteRecord answers that there is none, and a second
// ReplaceRecord of version 0 or CreateUser writes again if the record or the user was deleted in
// between.
type Store struct {
	client redis.UniversalClient
	prefix string // begins every key, with the hash tag that puts all keys into one slot
	feed   string // key of the feed of revocations, and name of the channel

	eviction evictionCheck
}

var (
	_ auth.SessionStore = (*Store)(nil)
	_ auth.RecordStore  = (*Store)(nil)
	_ auth.UserStore    = (*Store)(nil)
	_ auth.AccountStore = (*Store)(nil)
)

// New returns a Store on the server that client is connected to. It does not connect. The caller
// sets up the client and closes it.
//
// The client must talk to primaries only, because a replica may answer with old values. A cluster
// client does so even with ReadOnly, since every call is a script. Set ContextTimeoutEnabled, so
// that no command goes on long after its context has ended.
//
// It returns a [*cfgerr.Error] for each fault, joined.
func New(client redis.UniversalClient, cfg Config) (*Store, error) {
	faults := cfgerr.Faults{Prefix: "redisstore."}
	faults.Require("New.client", client != nil)
	if cfg.Prefix == "" {
		cfg.Prefix = "auth"
	}
	if len(cfg.Prefix) > 64 || strings.Trim(cfg.Prefix, letters) != "" {
		faults.Add("Config.Prefix", cfg.Prefix, "must be at most 64 ASCII letters, digits, hyphens and underscores")
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	prefix := "{" + cfg.Prefix + "}:"
	return &Store{client: client, prefix: prefix, feed: prefix + "feed", eviction: evictionCheck{allowed: cfg.DangerouslyAllowEviction}}, nil
}

// letters are the characters of base64url.
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// run runs a script, which it sends to the server if the server does not have it yet. It returns
// when ctx ends, whatever the server and the client are waiting for.
func (s *Store) run(ctx context.Context, doing string, script *redis.Script, keys []string, args ...any) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("auth: redis store: %s: %w", doing, err)
	}
	type reply struct {
		value any
		err   error
	}
	replied := make(chan reply, 1)
	go func() {
		if err := s.checkEviction(ctx); err != nil {
			replied <- reply{nil, err}
			return
		}
		value, err := script.Run(ctx, s.client, keys, args...).Result()
		replied <- reply{value, err}
	}()
	select {
	case r := <-replied:
		if r.err == nil {
			return r.value, nil
		}
		if ended := ctx.Err(); ended != nil && !errors.Is(r.err, ended) {
			return nil, fmt.Errorf("auth: redis store: %s: %w: %w", doing, ended, r.err)
		}
		return nil, fmt.Errorf("auth: redis store: %s: %w", doing, r.err)
	case <-ctx.Done():
		return nil, fmt.Errorf("auth: redis store: %s: %w", doing, ctx.Err())
	}
}

// apply runs a script that returns 1 if it has made its change, and 0 if it has not.
func (s *Store) apply(ctx context.Context, doing string, script *redis.Script, keys []string, args ...any) (bool, error) {
	value, err := s.run(ctx, doing, script, keys, args...)
	if err != nil {
		return false, err
	}
	applied, ok := value.(int64)
	if !ok {
		return false, errReply(doing)
	}
	return applied == 1, nil
}

// query runs a script that returns a list of strings. An element that is nil becomes "".
func (s *Store) query(ctx context.Context, doing string, script *redis.Script, keys []string, args ...any) ([]string, error) {
	value, err := s.run(ctx, doing, script, keys, args...)
	if err != nil {
		return nil, err
	}
	elements, ok := value.([]any)
	if !ok {
		return nil, errReply(doing)
	}
	list := make([]string, len(elements))
	for i, element := range elements {
		if list[i], ok = element.(string); !ok && element != nil {
			return nil, errReply(doing)
		}
	}
	return list, nil
}

func errReply(doing string) error {
	return fmt.Errorf("auth: redis store: %s: the server's reply has an unexpected form", doing)
}
