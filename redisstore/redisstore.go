package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
)

// Config is what a [Store] can be told.
type Config struct {
	// Prefix begins the name of every key and of the channel. Empty: "auth".
	// ASCII letters, digits, hyphens and underscores, at most 64. Stores with
	// different prefixes know nothing of each other.
	Prefix string
}

// Store is an [session.Store] and an [auth.RecordStore] on Redis. User IDs have
// at most 255 bytes.
//
// An error that is none of the contract's, the end of a context included, leaves
// it open whether a change was made: the answer of a server can be lost after the
// deed. A command that the client sends again, because the connection broke, makes
// its change once; if what was sent again is a DeleteSession or DeleteRecord, the
// answer is that there is none.
type Store struct {
	client  redis.UniversalClient
	prefix  string // of the keys of sessions, with the hash tag that puts them in one slot
	feed    string // the key, and the name of the channel
	records string // prefix of the keys of records
}

var _ auth.SessionStore = (*Store)(nil)

// New returns a store on the server that client talks to, which stays the caller's
// to set up and to close. It does not connect. The client must talk to primaries
// alone: what a replica answers may be old. A cluster's client does, also with
// ReadOnly, for every call is a script. Set ContextTimeoutEnabled, so that no command
// goes on long after its context.
func New(client redis.UniversalClient, cfg Config) (*Store, error) {
	var faults []error
	if client == nil {
		faults = append(faults, &auth.ConfigError{Field: "redisstore.New.client", Reason: "is nil"})
	}
	if cfg.Prefix == "" {
		cfg.Prefix = "auth"
	}
	if len(cfg.Prefix) > 64 || strings.Trim(cfg.Prefix, letters) != "" {
		faults = append(faults, &auth.ConfigError{Field: "redisstore.Config.Prefix", Value: cfg.Prefix, Reason: "must be ASCII letters, digits, hyphens and underscores, at most 64"})
	}
	if faults != nil {
		return nil, errors.Join(faults...)
	}
	prefix := "{" + cfg.Prefix + "}:"
	return &Store{client: client, prefix: prefix, feed: prefix + "feed", records: cfg.Prefix + ":r:"}, nil
}

// letters are those of base64url.
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

var errZero = errors.New("auth: redis store: zero value is not usable, use New")

// run runs a script, which is known to the server or else sent to it. It returns
// when ctx ends, whatever the server and the client are waiting for.
func (s *Store) run(ctx context.Context, doing string, script *redis.Script, keys []string, args ...any) (any, error) {
	if s == nil || s.client == nil {
		return nil, errZero
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("auth: redis store: %s: %w", doing, err)
	}
	type answer struct {
		value any
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		value, err := script.Run(ctx, s.client, keys, args...).Result()
		answered <- answer{value, err}
	}()
	select {
	case a := <-answered:
		if a.err == nil {
			return a.value, nil
		}
		if over := ctx.Err(); over != nil && !errors.Is(a.err, over) {
			return nil, fmt.Errorf("auth: redis store: %s: %w: %w", doing, over, a.err)
		}
		return nil, fmt.Errorf("auth: redis store: %s: %w", doing, a.err)
	case <-ctx.Done():
		return nil, fmt.Errorf("auth: redis store: %s: %w", doing, ctx.Err())
	}
}

// done runs a script that says whether it did what it was asked.
func (s *Store) done(ctx context.Context, doing string, script *redis.Script, keys []string, args ...any) (bool, error) {
	value, err := s.run(ctx, doing, script, keys, args...)
	if err != nil {
		return false, err
	}
	did, ok := value.(int64)
	if !ok {
		return false, errAnswer(doing)
	}
	return did == 1, nil
}

// texts runs a script that returns a list, with "" for what is not there.
func (s *Store) texts(ctx context.Context, doing string, script *redis.Script, keys []string, args ...any) ([]string, error) {
	value, err := s.run(ctx, doing, script, keys, args...)
	if err != nil {
		return nil, err
	}
	list, ok := value.([]any)
	if !ok {
		return nil, errAnswer(doing)
	}
	texts := make([]string, len(list))
	for i, one := range list {
		if texts[i], ok = one.(string); !ok && one != nil {
			return nil, errAnswer(doing)
		}
	}
	return texts, nil
}

func errAnswer(doing string) error {
	return fmt.Errorf("auth: redis store: %s: the answer is not one of this script's", doing)
}
