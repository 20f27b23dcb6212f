package throttle_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/throttle"
)

// measured is a RecordStore that notes how many records the account has and how large they are. It
// leaves out the records of networks, which belong to no account.
type measured struct {
	auth.RecordStore
	live          map[string]bool
	most, largest int
}

func (m *measured) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	kind, _, _ := strings.Cut(strings.TrimPrefix(r.Key, "throttle:"), ":")
	if kind != "network" && kind != "site" {
		m.live[r.Key] = true
		m.most, m.largest = max(m.most, len(m.live)), max(m.largest, len(r.Value))
	}
	return m.RecordStore.ReplaceRecord(ctx, old, r)
}

func (m *measured) DeleteRecord(ctx context.Context, key string, version int64) error {
	delete(m.live, key)
	return m.RecordStore.DeleteRecord(ctx, key, version)
}

// lockout is what a simulated attack on one account came to.
type lockout struct {
	guesses    int           // most guesses in any 30 days, from all networks
	byNetwork  int           // most guesses in any 30 days, from one network
	in, tries  int           // logins of the owner, and tries, each from another new device
	longest    time.Duration // longest time without a login
	knownTries int           // tries of the owner from a known device
	known      int           // refused ones of those
	mails      int           // links in a mail that the owner used, each on another new device
	mailed     int           // refused tries from those devices
	records    int
	recordSize int
}

const (
	simulated = 62 * 24 * time.Hour
	tick      = 30 * time.Minute
)

// most returns the greatest number of times, in ascending order, within any 30 days.
func most(times []time.Time) (n int) {
	begin := 0
	for i := range times {
		for times[i].Sub(times[begin]) > 30*24*time.Hour {
			begin++
		}
		n = max(n, i-begin+1)
	}
	return n
}

// address returns the i-th address of a kind of networks.
func address(kind string, i int) netip.Addr {
	if kind == "IPv6 /48" { // another /64 each time
		return netip.MustParseAddr(fmt.Sprintf("2001:db8:%x:%x::1", i, time.Now().Unix()/1800&0xffff))
	}
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// simulate lets strangers on a number of networks guess at one account, while its owner logs in every
// half hour, always after the strangers. Of impatient strangers at most 15 networks come each time,
// by turns, and each goes on until it is refused. Patient strangers come every three days, each network
// with one guess.
func simulate(t *testing.T, networks int, kind string, patient bool) (out lockout) {
	t.Helper()
	store := &measured{RecordStore: memstore.New(), live: make(map[string]bool)}
	limits := newThrottle(t, store, throttle.Config{})
	ctx := t.Context()
	enter := func(a auth.Attempt) (auth.DeviceToken, bool) {
		if begins(t, limits, a) > 0 {
			return "", false
		}
		token, err := limits.Succeed(ctx, a)
		if err != nil || token == "" {
			t.Fatal(err)
		}
		return token, true
	}
	owner := from("ada", "192.0.2.1")
	known := auth.Attempt{Username: "ada", Device: auth.Device{IP: address(kind, 0)}} // on an attacking network
	known.Device.Known, _ = enter(known)

	var all []time.Time
	each := make([][]time.Time, networks)
	guess := func(i int) bool {
		if begins(t, limits, auth.Attempt{Username: "ada", Device: auth.Device{IP: address(kind, i)}}) > 0 {
			return false
		}
		all = append(all, time.Now())
		each[i] = append(each[i], time.Now())
		return true
	}
	last, turn := time.Now(), 0
	const rounds = int(3 * 24 * time.Hour / tick)
	for round := range int(simulated / tick) {
		if patient {
			for i := round % rounds; i < networks; i += rounds {
				guess(i)
			}
		} else {
			for range min(networks, 15) {
				for guess(turn % networks) {
				}
				turn++
			}
		}
		out.tries++
		if _, ok := enter(owner); ok {
			out.in++
			last = time.Now()
		}
		out.longest = max(out.longest, time.Since(last))
		if round%2 == 0 {
			out.knownTries++
			if _, ok := enter(known); !ok {
				out.known++
			}
		}
		if round%48 == 47 { // once a day, by a link in a mail
			mailed := auth.Attempt{Username: "ada", Device: auth.Device{IP: address(kind, 0)}, Proven: true}
			mailed.Device.Known, _ = enter(mailed)
			mailed.Proven = false
			out.mails++
			if _, ok := enter(mailed); !ok {
				out.mailed++
			}
		}
		time.Sleep(tick)
	}
	out.guesses = most(all)
	for _, times := range each {
		out.byNetwork = max(out.byNetwork, most(times))
	}
	out.records, out.recordSize = store.most, store.largest
	return out
}

// Strangers on few networks keep no owner out. Strangers on many networks keep out only those who use
// neither a known device nor a link in a mail. The table of docs/security/lockout.md shows the results.
func TestLockout(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	for _, row := range []struct {
		networks int
		kind     string
	}{{1, "IPv4"}, {8, "IPv4"}, {8, "IPv6 /48"}, {100, "IPv4"}, {10_000, "IPv4"}} {
		for _, patience := range []string{"impatient", "patient"} {
			name := fmt.Sprintf("%d × %s, %s", row.networks, row.kind, patience)
			var out lockout
			synctest.Test(t, func(t *testing.T) { out = simulate(t, row.networks, row.kind, patience == "patient") })
			if out.guesses > 100 || out.byNetwork > 10 {
				t.Errorf("%s: %d guesses in 30 days, %d of them from one network, want at most 100 and 10", name, out.guesses, out.byNetwork)
			}
			if row.networks <= 8 && out.longest > time.Hour {
				t.Errorf("%s: an owner on another network was kept out for %v, want at most an hour", name, out.longest)
			}
			if out.known > 0 || out.mailed > 0 {
				t.Errorf("%s: %d tries from a known device and %d after a link in a mail were refused, want none", name, out.known, out.mailed)
			}
			// Up to 64 devices and their list, failures, and failures of a known device while it tries.
			if out.records > 67 || out.recordSize > 4096 {
				t.Errorf("%s: the account has %d records, the largest of %d bytes, want 67 of at most 4,096", name, out.records, out.recordSize)
			}
			fmt.Fprintf(&table, "| %s | %d | %d | %d of %d | %d of %d | %d of %d | %d, of at most %d |\n", name, out.guesses, out.byNetwork,
				out.in, out.tries, out.knownTries-out.known, out.knownTries, out.mails-out.mailed, out.mails, out.records, out.recordSize)
		}
	}
	page, err := os.ReadFile("../docs/security/lockout.md")
	if err != nil || !strings.Contains(string(page), table.String()) {
		t.Errorf("docs/security/lockout.md does not have this table (%v):\n%s", err, table.String())
	}
}
