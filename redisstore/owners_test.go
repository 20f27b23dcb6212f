package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/redisstore"
)

// write writes a record with a key and an owner where there is none, and returns it.
func write(t testing.TB, s *redisstore.Store, key, owner string, life time.Duration) auth.Record {
	t.Helper()
	r := auth.Record{Key: key, Owner: owner, Value: []byte("value of " + key)}
	if life != 0 {
		r.ExpiresAt = time.Now().Add(life).UTC().Truncate(time.Microsecond)
	}
	r.Renew()
	if err := s.ReplaceRecord(bounded(t), 0, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// wantRecords checks that Records returns exactly the records with these keys, and each as Record
// returns it.
func wantRecords(t testing.TB, s *redisstore.Store, owner string, keys ...string) {
	t.Helper()
	list, err := s.Records(bounded(t), owner)
	if err != nil {
		t.Errorf("Records of %q: %v", owner, err)
		return
	}
	var got []string
	for _, r := range list {
		got = append(got, r.Key)
		single, _, err := s.Record(bounded(t), r.Key)
		if err != nil || r.Owner != owner || single.Owner != owner || single.Version != r.Version || string(single.Value) != string(r.Value) || !single.ExpiresAt.Equal(r.ExpiresAt) {
			t.Errorf("Records of %q returned %+v, and Record %+v, %v", owner, r, single, err)
		}
	}
	slices.Sort(got)
	slices.Sort(keys)
	if !slices.Equal(got, keys) {
		t.Errorf("Records of %q returned %q, want %q", owner, got, keys)
	}
}

// wantNoRecord checks that there is no record with each of these keys.
func wantNoRecord(t testing.TB, s *redisstore.Store, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if r, _, err := s.Record(bounded(t), key); err != nil || r.Version != 0 || r.Key != "" || r.Owner != "" {
			t.Errorf("Record of %s returned %+v, %v, want none", key, r, err)
		}
	}
}

// testOwners checks Records and DeleteRecords with the records of several owners, who have odd IDs.
func testOwners(t *testing.T, s *redisstore.Store) {
	want := map[string][]string{}
	for i, owner := range oddIDs {
		for j := range 3 {
			r := write(t, s, fmt.Sprintf("k%d:{%d}", i, j), owner, time.Duration(j)*time.Hour)
			want[owner] = append(want[owner], r.Key)
		}
	}
	write(t, s, "without-owner", "", time.Hour)
	for owner, keys := range want {
		wantRecords(t, s, owner, keys...)
		wantRecords(t, s, owner+"x")
		wantRecords(t, s, owner[:len(owner)-1])
	}
	for i, owner := range oddIDs {
		if err := s.DeleteRecords(bounded(t), owner); err != nil {
			t.Errorf("DeleteRecords of %q: %v", owner, err)
		}
		wantNoRecord(t, s, want[owner]...)
		wantRecords(t, s, owner)
		if err := s.DeleteRecords(bounded(t), owner); err != nil {
			t.Errorf("DeleteRecords of %q, of whom there are none: %v", owner, err)
		}
		for _, other := range oddIDs[i+1:] {
			wantRecords(t, s, other, want[other]...)
		}
	}
	if r, _, err := s.Record(bounded(t), "without-owner"); err != nil || r.Version == 0 {
		t.Errorf("a record without an owner is gone: %v", err)
	}
}

func TestOwners(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	testOwners(t, s)
	if left := keys(t, client, p); len(left) != 1 {
		t.Errorf("the keys %q are left, want one", left)
	}
}

// TestManyRecords lists and deletes more records than one script does.
func TestManyRecords(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	var all []string
	for i := range 600 {
		all = append(all, write(t, s, fmt.Sprint("k", i), "ada", 0).Key)
	}
	list, err := s.Records(bounded(t), "ada")
	if err != nil || len(list) != len(all) {
		t.Errorf("%d records, %v, want %d", len(list), err, len(all))
	}
	if err := s.DeleteRecords(bounded(t), "ada"); err != nil {
		t.Error(err)
	}
	if left := keys(t, client, p); len(left) != 0 {
		t.Errorf("the keys %q are left", left)
	}
}

// TestOwnerChanges gives a record to other owners. Only the list of the current owner names it.
func TestOwnerChanges(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	r := write(t, s, "k", "ada", time.Hour)
	for _, owner := range []string{"bob", "bob", "", "eve", "ada"} {
		before := r.Owner
		r.Owner = owner
		old := r.Renew()
		if err := s.ReplaceRecord(bounded(t), r.Version, r); err != auth.ErrConflict {
			t.Errorf("ReplaceRecord of another version: %v, want ErrConflict", err)
		}
		if err := s.ReplaceRecord(bounded(t), 0, r); err != auth.ErrConflict {
			t.Errorf("ReplaceRecord where there is one: %v, want ErrConflict", err)
		}
		if err := s.ReplaceRecord(bounded(t), old, r); err != nil {
			t.Fatalf("ReplaceRecord with the owner %q: %v", owner, err)
		}
		if before != owner && before != "" {
			wantRecords(t, s, before)
			if err := s.DeleteRecords(bounded(t), before); err != nil {
				t.Error(err)
			}
		}
		if got, _, err := s.Record(bounded(t), "k"); err != nil || got.Version != r.Version || got.Owner != owner {
			t.Errorf("Record returned %+v, %v, want the owner %q", got, err, owner)
		}
		lists := 0
		if owner != "" {
			wantRecords(t, s, owner, "k")
			lists = 1
		}
		if all := keys(t, client, p); len(all) != 1+lists {
			t.Errorf("the record of %q takes the keys %q", owner, all)
		}
	}
	if err := s.DeleteRecord(bounded(t), "k", r.Version); err != nil {
		t.Error(err)
	}
	wantRecords(t, s, "ada")
	if left := keys(t, client, p); len(left) != 0 {
		t.Errorf("the keys %q are left", left)
	}
}

// listLives checks the time to live of the list of one owner; another may live forever.
func listLives(t testing.TB, client *redis.Client, prefix string, want time.Duration) {
	t.Helper()
	var lives []time.Duration
	for _, key := range keys(t, client, prefix) {
		if !strings.Contains(key, ":o:") {
			continue
		}
		life := client.PTTL(bounded(t), key).Val()
		if want == 0 && life == -1 || want != 0 && life <= want+time.Second && life > want-5*time.Minute {
			return
		}
		lives = append(lives, life)
	}
	t.Errorf("the lists live for %v, want one for %v", lives, want)
}

// TestOwnerListLives checks that a list lives exactly as long as its last record, and forgets those
// that have expired.
func TestOwnerListLives(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	longest := write(t, s, "longest", "ada", 3*time.Hour)
	write(t, s, "shorter", "ada", time.Hour)
	listLives(t, client, p, 3*time.Hour)
	forever := write(t, s, "forever", "ada", 0)
	listLives(t, client, p, 0)
	for i := range 50 {
		write(t, s, fmt.Sprint("expired", i), "ada", -time.Hour)
	}
	write(t, s, "another", "ada", time.Hour)
	for _, key := range keys(t, client, p) {
		if strings.Contains(key, ":o:") {
			if n := client.ZCard(bounded(t), key).Val(); n != 4 {
				t.Errorf("the list names %d records, want 4", n)
			}
		}
	}
	if err := s.DeleteRecord(bounded(t), forever.Key, forever.Version); err != nil {
		t.Error(err)
	}
	listLives(t, client, p, 3*time.Hour)
	longest.Owner = "bob"
	if err := s.ReplaceRecord(bounded(t), longest.Renew(), longest); err != nil {
		t.Error(err)
	}
	if err := s.DeleteRecords(bounded(t), "bob"); err != nil {
		t.Error(err)
	}
	listLives(t, client, p, time.Hour)
}

// TestOwnerListLost removes the list of an owner, as a server that evicts keys may. The records that
// it named are over, and come back one at a time, when they are written again.
func TestOwnerListLost(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	first, second := write(t, s, "first", "ada", 0), write(t, s, "second", "ada", time.Hour)
	write(t, s, "third", "ada", time.Hour)
	interruptedClient := connect(t, options(t))
	interruptedClient.AddHook(between{func() {
		for _, key := range keys(t, client, p) {
			if strings.Contains(key, ":o:") {
				if err := client.Del(bounded(t), key).Err(); err != nil {
					t.Error(err)
				}
			}
		}
	}})
	if list, err := newStore(t, interruptedClient, p).Records(bounded(t), "ada"); err != nil || len(list) != 0 {
		t.Errorf("Records, while the list is lost, returned %v, %v, want none", list, err)
	}
	wantRecords(t, s, "ada")
	wantNoRecord(t, s, "first", "second", "third")
	old := second.Renew()
	if err := s.ReplaceRecord(bounded(t), old, second); err != auth.ErrConflict {
		t.Errorf("ReplaceRecord: %v, want ErrConflict", err)
	}
	second.Owner = "bob"
	if err := s.ReplaceRecord(bounded(t), old, second); err != auth.ErrConflict {
		t.Errorf("ReplaceRecord with another owner: %v, want ErrConflict", err)
	}
	if err := s.DeleteRecord(bounded(t), first.Key, first.Version); err != auth.ErrConflict {
		t.Errorf("DeleteRecord: %v, want ErrConflict", err)
	}
	if err := s.DeleteRecords(bounded(t), "ada"); err != nil {
		t.Error(err)
	}
	first.Renew()
	first.Value = []byte("written again")
	if err := s.ReplaceRecord(bounded(t), 0, first); err != nil {
		t.Errorf("ReplaceRecord where there is none: %v", err)
	}
	if err := s.ReplaceRecord(bounded(t), 0, second); err != nil {
		t.Errorf("ReplaceRecord where there is none, with another owner: %v", err)
	}
	wantNoRecord(t, s, "third")
	wantRecords(t, s, "ada", "first")
	wantRecords(t, s, "bob", "second")
}

// TestOwnedRecordLost removes a record whose owner's list stays.
func TestOwnedRecordLost(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	lost := write(t, s, "lost", "ada", 0)
	write(t, s, "kept", "ada", 0)
	if err := client.Del(bounded(t), "{"+p+"}:r:lost").Err(); err != nil {
		t.Fatal(err)
	}
	wantNoRecord(t, s, "lost")
	wantRecords(t, s, "ada", "kept")
	if err := s.ReplaceRecord(bounded(t), lost.Version, lost); err != auth.ErrConflict {
		t.Errorf("ReplaceRecord: %v, want ErrConflict", err)
	}
	write(t, s, "lost", "bob", 0) // the entry in ada's list still names it
	wantRecords(t, s, "ada", "kept")
	if err := s.DeleteRecords(bounded(t), "ada"); err != nil {
		t.Error(err)
	}
	wantNoRecord(t, s, "kept")
	wantRecords(t, s, "bob", "lost")
	if all := keys(t, client, p); len(all) != 2 {
		t.Errorf("there are the keys %q, want one record and one list", all)
	}
}

// TestRecordsChangeMeanwhile changes records between the two steps of Records and of DeleteRecords.
func TestRecordsChangeMeanwhile(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	for _, deletes := range []bool{false, true} {
		replaced, moved, deleted := write(t, s, "replaced", "ada", 0), write(t, s, "moved", "ada", 0), write(t, s, "deleted", "ada", 0)
		arrives := write(t, s, "arrives", "bob", time.Hour)
		write(t, s, "kept", "ada", time.Hour)
		interruptedClient := connect(t, options(t))
		steps := 0
		interruptedClient.AddHook(between{func() {
			if steps++; steps > 1 {
				return
			}
			moved.Owner, arrives.Owner = "bob", "ada"
			for _, r := range []*auth.Record{&replaced, &moved, &arrives} {
				if err := s.ReplaceRecord(bounded(t), r.Renew(), *r); err != nil {
					t.Error(err)
				}
			}
			if err := s.DeleteRecord(bounded(t), deleted.Key, deleted.Version); err != nil {
				t.Error(err)
			}
			write(t, s, "created", "ada", time.Hour)
		}})
		interrupted := newStore(t, interruptedClient, p)
		if !deletes {
			list, err := interrupted.Records(bounded(t), "ada")
			got := map[string]int64{}
			for _, r := range list {
				got[r.Key] = r.Version
			}
			if err != nil || len(got) != 2 || got["replaced"] != replaced.Version || got["kept"] == 0 {
				t.Errorf("Records returned %v, %v, want the new version of replaced, and kept", got, err)
			}
			wantRecords(t, s, "ada", "replaced", "kept", "arrives", "created")
		} else {
			if err := interrupted.DeleteRecords(bounded(t), "ada"); err != nil {
				t.Error(err)
			}
			wantNoRecord(t, s, "replaced", "deleted", "kept")
			if err := s.ReplaceRecord(bounded(t), replaced.Version, replaced); err != auth.ErrConflict {
				t.Errorf("ReplaceRecord of a deleted version: %v, want ErrConflict", err)
			}
			wantRecords(t, s, "ada", "arrives", "created") // written after DeleteRecords had read the list
			listLives(t, client, p, time.Hour)
		}
		wantRecords(t, s, "bob", "moved")
		for _, owner := range []string{"ada", "bob"} {
			if err := s.DeleteRecords(bounded(t), owner); err != nil {
				t.Error(err)
			}
		}
		if left := keys(t, client, p); len(left) != 0 {
			t.Errorf("the keys %q are left", left)
		}
	}
}

// TestDeleteRecordsStops ends DeleteRecords before its last script, as the death of its process would.
// What is left is listed, and can be deleted.
func TestDeleteRecordsStops(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	for i := range 300 {
		write(t, s, fmt.Sprint("k", i), "ada", 0)
	}
	for stopAfter := 1; ; stopAfter++ {
		ctx, cancel := context.WithCancel(bounded(t))
		steps := 0
		stopping := connect(t, options(t))
		stopping.AddHook(between{func() {
			if steps++; steps == stopAfter {
				cancel()
			}
		}})
		err := newStore(t, stopping, p).DeleteRecords(ctx, "ada")
		cancel()
		left, failed := s.Records(bounded(t), "ada")
		if failed != nil {
			t.Fatal(failed)
		}
		exist := 0
		for i := range 300 {
			if r, _, err := s.Record(bounded(t), fmt.Sprint("k", i)); err != nil {
				t.Fatal(err)
			} else if r.Version != 0 {
				exist++
			}
		}
		if exist != len(left) {
			t.Errorf("after %d scripts, %d records exist and %d are listed", stopAfter, exist, len(left))
		}
		if err == nil {
			if exist != 0 {
				t.Errorf("DeleteRecords succeeded and left %d records", exist)
			}
			return
		}
	}
}

// TestOwnersReplyLost loses the reply to every command that concerns an owner, so that the client
// sends the command again.
func TestOwnersReplyLost(t *testing.T) {
	t.Parallel()
	opt := options(t)
	var lose atomic.Bool
	opt.PoolSize = 1
	opt.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return lossyConn{conn, &lose}, err
	}
	client := connect(t, opt)
	p := prefix(t, client)
	s := newStore(t, client, p)
	other := newStore(t, connect(t, options(t)), p)
	write(t, s, "first", "ada", 0) // gives the server the scripts
	if err := s.DeleteRecords(bounded(t), "ada"); err != nil {
		t.Fatal(err)
	}
	losing := func(f func() error) error {
		lose.Store(true)
		err := f()
		if lose.Load() {
			t.Error("no reply was lost")
		}
		return err
	}
	r := auth.Record{Key: "k", Owner: "ada", Version: 1}
	if err := losing(func() error { return s.ReplaceRecord(bounded(t), 0, r) }); err != nil {
		t.Errorf("ReplaceRecord where there is none: %v", err)
	}
	wantRecords(t, other, "ada", "k")
	r.Owner, r.Version = "bob", 2
	if err := losing(func() error { return s.ReplaceRecord(bounded(t), 1, r) }); err != nil {
		t.Errorf("ReplaceRecord with another owner: %v", err)
	}
	wantRecords(t, other, "ada")
	wantRecords(t, other, "bob", "k")
	if err := losing(func() error { return s.DeleteRecords(bounded(t), "bob") }); err != nil {
		t.Errorf("DeleteRecords: %v", err)
	}
	wantNoRecord(t, other, "k")
	if left := keys(t, client, p); len(left) != 0 {
		t.Errorf("the keys %q are left", left)
	}
}

// consistent checks that each record that exists is listed by its owner, and that no other is.
func consistent(t testing.TB, s *redisstore.Store, owners, keys []string) {
	t.Helper()
	exist := map[string][]string{}
	for _, key := range keys {
		r, _, err := s.Record(bounded(t), key)
		if err != nil {
			t.Error(err)
		}
		if r.Version != 0 {
			exist[r.Owner] = append(exist[r.Owner], key)
		}
	}
	for _, owner := range owners {
		wantRecords(t, s, owner, exist[owner]...)
	}
}

// churn writes, replaces, moves and deletes records of two owners until stop is closed. It counts the
// calls that succeed and those that fail.
func churn(t testing.TB, s *redisstore.Store, owners, keys []string, stop <-chan struct{}, succeeded, failed *atomic.Int64) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		r, _, err := s.Record(ctx, keys[mathrand.N(len(keys))])
		switch n := mathrand.N(10); {
		case err != nil:
		case n == 0:
			err = s.DeleteRecords(ctx, owners[mathrand.N(len(owners))])
		case n < 4 && r.Version != 0:
			err = s.DeleteRecord(ctx, r.Key, r.Version)
		default:
			if r.Version == 0 {
				r = auth.Record{Key: keys[mathrand.N(len(keys))]}
			}
			if n < 7 || r.Owner == "" {
				r.Owner = owners[mathrand.N(len(owners))]
			}
			err = s.ReplaceRecord(ctx, r.Renew(), r)
		}
		cancel()
		switch {
		case err == nil:
			succeeded.Add(1)
		case !errors.Is(err, auth.ErrConflict):
			if failed == nil {
				t.Error(err)
				return
			}
			failed.Add(1)
			time.Sleep(5 * time.Millisecond)
		}
	}
}

var (
	churnOwners = []string{"ada", "bob"}
	churnKeys   = []string{"a", "b", "c", "d", "e", "f"}
)

// TestOwnersConcurrently changes the records of two owners from many goroutines of two clients. No
// call fails, and in the end exactly the records that exist are listed.
func TestOwnersConcurrently(t *testing.T) {
	t.Parallel()
	stores := twoStores(t)
	for range 5 {
		stop := make(chan struct{})
		var succeeded atomic.Int64
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() { churn(t, stores[i%2], churnOwners, churnKeys, stop, &succeeded, nil) })
		}
		for n := 0; n < 100 || succeeded.Load() < 500 && !t.Failed(); n++ {
			before, err := stores[0].Records(bounded(t), "ada")
			if err := errors.Join(err, stores[0].DeleteRecords(bounded(t), "ada")); err != nil {
				t.Error(err)
			}
			for _, r := range before {
				if got, _, err := stores[1].Record(bounded(t), r.Key); err != nil || got.Version == r.Version {
					t.Errorf("after DeleteRecords there is still %+v, %v", got, err)
				}
			}
		}
		close(stop)
		wg.Wait()
		consistent(t, stores[1], churnOwners, churnKeys)
	}
	for _, owner := range churnOwners {
		if err := stores[0].DeleteRecords(bounded(t), owner); err != nil {
			t.Error(err)
		}
	}
	wantNoRecord(t, stores[1], churnKeys...)
}

// TestOwnersRestart kills and restarts a server that syncs every write to its file, while clients
// change the records of two owners. Afterwards exactly the records that exist are listed.
func TestOwnersRestart(t *testing.T) {
	t.Parallel()
	own := start(t, "--appendonly", "yes", "--appendfsync", "always")
	s := newStore(t, own.client(), "auth")
	noRetries := newStore(t, connect(t, patient(&redis.Options{Addr: own.addr(), ContextTimeoutEnabled: true, MaxRetries: -1})), "auth")
	var succeeded, failed atomic.Int64
	for n := 0; n < 20 || (succeeded.Load() < 100 || failed.Load() == 0) && n < 200; n++ {
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				churn(t, []*redisstore.Store{s, noRetries}[i%2], churnOwners, churnKeys, stop, &succeeded, &failed)
			})
		}
		time.Sleep(mathrand.N(100 * time.Millisecond))
		own.kill()
		own.run()
		close(stop)
		wg.Wait()
		consistent(t, s, churnOwners, churnKeys)
		for _, key := range keys(t, own.client(), "auth") {
			name, isRecord := strings.CutPrefix(key, "{auth}:r:")
			if r, _, err := s.Record(bounded(t), name); isRecord && (err != nil || r.Version == 0) {
				t.Errorf("Redis keeps %s, which is no record: %v", key, err)
			}
		}
	}
	if succeeded.Load() < 100 || failed.Load() == 0 {
		t.Errorf("%d calls succeeded, %d failed: the test means nothing", succeeded.Load(), failed.Load())
	}
	t.Logf("%d calls succeeded, %d failed", succeeded.Load(), failed.Load())
}

// TestOwnersEviction has a server evict the keys that were least recently used. Whatever it evicts,
// exactly the records that exist are listed, and DeleteRecords leaves none.
func TestOwnersEviction(t *testing.T) {
	t.Parallel()
	own := start(t, "--maxmemory", "5mb", "--maxmemory-policy", "allkeys-lru")
	client := own.client()
	s, err := redisstore.New(client, redisstore.Config{DangerouslyAllowEviction: true})
	if err != nil {
		t.Fatal(err)
	}
	const owners, each = 4000, 2
	all := map[string][]string{}
	for n := range owners * each {
		owner := fmt.Sprint("owner ", n/each)
		r := auth.Record{Key: fmt.Sprint("k", n), Owner: owner, Value: make([]byte, 512), Version: 1}
		if err := s.ReplaceRecord(bounded(t), 0, r); err != nil {
			t.Fatal(err)
		}
		all[owner] = append(all[owner], r.Key)
	}
	stored := map[string]bool{}
	for _, key := range keys(t, client, "auth") {
		stored[key] = true
	}
	kept, orphans := 0, 0
	for _, owner := range slices.Sorted(maps.Keys(all)) {
		listed, err := s.Records(bounded(t), owner)
		if err != nil {
			t.Fatal(err)
		}
		exist := 0
		for _, key := range all[owner] {
			r, _, err := s.Record(bounded(t), key)
			switch {
			case err != nil:
				t.Fatal(err)
			case r.Version != 0:
				exist++
			case stored["{auth}:r:"+key]:
				orphans++
			}
		}
		if exist != len(listed) {
			t.Errorf("%d records of %s exist, and %d are listed", exist, owner, len(listed))
		}
		if err := s.DeleteRecords(bounded(t), owner); err != nil {
			t.Fatal(err)
		}
		wantNoRecord(t, s, all[owner]...)
		kept += exist
	}
	if kept == 0 || kept == owners*each || orphans == 0 {
		t.Errorf("of %d records %d were kept, and %d without a list: the test means nothing", owners*each, kept, orphans)
	}
	t.Logf("of %d records %d were kept, and %d without a list", owners*each, kept, orphans)
}

// TestOwnersWrongType finds a key of another type, which another program has written, and changes
// nothing.
func TestOwnersWrongType(t *testing.T) {
	t.Parallel()
	client := connect(t, options(t))
	p := prefix(t, client)
	s := newStore(t, client, p)
	first, kept := write(t, s, "first", "ada", 0), write(t, s, "kept", "ada", 0)
	free := write(t, s, "free", "", 0)
	var lists []string
	for _, key := range keys(t, client, p) {
		if strings.Contains(key, ":o:") {
			lists = append(lists, key)
		}
	}
	for _, wrong := range append(lists, "{"+p+"}:r:kept") {
		if err := errors.Join(client.Rename(bounded(t), wrong, "{"+p+"}:saved").Err(), client.RPush(bounded(t), wrong, "x").Err()); err != nil {
			t.Fatal(err)
		}
		wantFailure(t, "DeleteRecords", s.DeleteRecords(bounded(t), "ada"))
		_, err := s.Records(bounded(t), "ada")
		wantFailure(t, "Records", err)
		next := kept
		next.Owner = "bob"
		wantFailure(t, "ReplaceRecord with another owner", s.ReplaceRecord(bounded(t), next.Renew(), next))
		wantFailure(t, "DeleteRecord", s.DeleteRecord(bounded(t), kept.Key, kept.Version))
		if strings.Contains(wrong, ":o:") {
			added, taken := auth.Record{Key: "added", Owner: "ada", Version: 1}, free
			wantFailure(t, "ReplaceRecord where there is none", s.ReplaceRecord(bounded(t), 0, added))
			taken.Owner = "ada"
			wantFailure(t, "ReplaceRecord of a record without an owner", s.ReplaceRecord(bounded(t), taken.Renew(), taken))
		}
		if err := errors.Join(client.Del(bounded(t), wrong).Err(), client.Rename(bounded(t), "{"+p+"}:saved", wrong).Err()); err != nil {
			t.Fatal(err)
		}
		wantNoRecord(t, s, "added")
		if r, _, err := s.Record(bounded(t), "free"); err != nil || r.Version != free.Version {
			t.Errorf("the record without an owner is %+v, %v, want %+v", r, err, free)
		}
		wantRecords(t, s, "ada", first.Key, kept.Key)
	}
}
