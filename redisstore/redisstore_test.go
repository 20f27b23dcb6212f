package redisstore_test

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/redisstore"
)

func TestSessionStore(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	authtest.TestSessionStore(t, func(t *testing.T) auth.SessionStore {
		return newStore(t, client, prefix(t, client))
	})
}

func TestRecordStore(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	authtest.TestRecordStore(t, func(t *testing.T) auth.RecordStore {
		return newStore(t, client, prefix(t, client))
	})
}

// TestOnCluster has a node of a cluster check that the keys of each script lie in one slot.
func TestOnCluster(t *testing.T) {
	t.Parallel()
	node := start(t, "--cluster-enabled", "yes")
	admin := node.client()
	if err := admin.ClusterAddSlotsRange(bounded(t), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if info := admin.ClusterInfo(bounded(t)).Val(); !strings.Contains(info, "cluster_state:ok") {
			return errors.New(info)
		}
		return nil
	})
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{node.addr()}, ContextTimeoutEnabled: true, PoolSize: 16})
	t.Cleanup(func() { client.Close() })
	t.Run("Sessions", func(t *testing.T) {
		authtest.TestSessionStore(t, func(*testing.T) auth.SessionStore { return newStore(t, client, "t"+rand.Text()) })
	})
	t.Run("Users", func(t *testing.T) {
		authtest.TestAccountStore(t, func(*testing.T) authtest.Accounts { return newStore(t, client, "t"+rand.Text()) })
	})
	t.Run("Owners", func(t *testing.T) {
		testOwners(t, newStore(t, client, "t"+rand.Text()))
	})
	t.Run("Records", func(t *testing.T) {
		authtest.TestRecordStore(t, func(*testing.T) auth.RecordStore { return newStore(t, client, "t"+rand.Text()) })
	})
}

func TestNewFaults(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}) // New does not connect
	defer client.Close()
	for _, tt := range []struct {
		client redis.UniversalClient
		prefix string
		fields []string
	}{
		{client, "", nil},
		{client, "Shop-1_a", nil},
		{client, strings.Repeat("a", 64), nil},
		{nil, "", []string{"redisstore.New.client"}},
		{client, strings.Repeat("a", 65), []string{"redisstore.Config.Prefix"}},
		{client, "a:b", []string{"redisstore.Config.Prefix"}},
		{client, "a}b", []string{"redisstore.Config.Prefix"}},
		{client, "{a", []string{"redisstore.Config.Prefix"}},
		{client, "a b", []string{"redisstore.Config.Prefix"}},
		{client, "\u00e9", []string{"redisstore.Config.Prefix"}},
		{nil, "*", []string{"redisstore.New.client", "redisstore.Config.Prefix"}},
	} {
		s, err := redisstore.New(tt.client, redisstore.Config{Prefix: tt.prefix})
		var fields []string
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, err := range joined.Unwrap() {
				if fault, ok := errors.AsType[*auth.ConfigError](err); ok {
					fields = append(fields, fault.Field)
				}
			}
		}
		if strings.Join(fields, " ") != strings.Join(tt.fields, " ") || (s == nil) != (len(tt.fields) > 0) {
			t.Errorf("New with prefix %q: %v", tt.prefix, err)
		}
	}
}
