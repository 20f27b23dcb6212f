package drivertest

import (
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/internal/testenv"
)

// BenchmarkRefresh compares the rate of refreshes on PostgreSQL, by 16 clients at two replicas, with
// the rates that pgbench reaches by hand-written SQL on a table of the same shape and size: a read and
// a compare-and-swap of one row (cas), and the same with a read of the user, which a refresh also does
// (all). They run in turn, a few seconds each.
func BenchmarkRefresh(b *testing.B) {
	const clients, each, turns, turn = 16, 50, 3, 4 * time.Second
	pgbench, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	slices.Sort(pgbench)
	if len(pgbench) == 0 {
		pgbench = []string{testenv.Command(b, "pgbench")}
	}
	tt := targets[1]
	s, db, p := tt.store(b)
	replicas, _ := newReplicas(b, tt, p, 2, 16, longWindow)
	for i := range clients {
		create(b, s, user(fmt.Sprint(i+1), fmt.Sprint("user-", i)))
	}
	tokens := make([][]string, clients)
	for i := range tokens {
		for range each {
			got, err := replicas[0].LoginUser(bounded(b), fmt.Sprint(i+1), "pwd")
			if err != nil {
				b.Fatal(err)
			}
			tokens[i] = append(tokens[i], got.RefreshToken)
		}
	}
	_, _, q := tt.store(b) // prefix of the tables for pgbench
	exec(b, db, "INSERT INTO "+q+"users SELECT * FROM "+p+"users",
		"INSERT INTO "+q+"sessions (id, user_id, created_at, last_used_at, expires_at, user_agent, ip, version, state)"+
			" SELECT lpad(row_number() OVER ()::text, 22, '0'), user_id, created_at, last_used_at, expires_at, user_agent, ip, version, state FROM "+p+"sessions")
	const read = "SELECT id, user_id, created_at, last_used_at, expires_at, user_agent, ip, version, state, clock_timestamp()" +
		" FROM %[1]ssessions WHERE id = lpad(:n::text, 22, '0')\n\\gset\n"
	const readUser = "SELECT id AS u, username, password_hash, disabled, created_at AS c FROM %[1]susers WHERE id = :user_id::text;\n"
	const swap = "UPDATE %[1]ssessions SET last_used_at = :last_used_at::bigint + 1, expires_at = :expires_at::bigint + 1, user_agent = '', ip = '', version = :version::bigint + 1," +
		" state = :state::bytea WHERE id = lpad(:n::text, 22, '0') AND version = :version;\n"
	scripts := map[string]string{"cas": read + swap, "all": read + readUser + swap}
	for name, script := range scripts {
		path := filepath.Join(b.TempDir(), name)
		script = fmt.Sprintf("\\set n random(1, %d)\n", clients*each) + fmt.Sprintf(script, q)
		if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
			b.Fatal(err)
		}
		scripts[name] = path
	}
	source := tt.source(b)
	rates := make(map[string]float64)
	for b.Loop() {
		for range turns {
			rates["refresh"] = max(rates["refresh"], refreshRate(b, turn, tokens, func(client, n int, token string) string {
				return refreshed(b, replicas[(client+n)%2], token)
			}))
			for name, path := range scripts {
				out, err := osexec.Command(pgbench[len(pgbench)-1], "-n", "-M", "prepared", "-c", fmt.Sprint(clients), "-j", "2",
					"-T", fmt.Sprint(int(turn.Seconds())), "-f", path, source).CombinedOutput()
				tps := regexp.MustCompile(`tps = ([0-9.]+)`).FindSubmatch(out)
				if err != nil || tps == nil {
					b.Fatalf("pgbench: %v\n%s", err, out)
				}
				rate, _ := strconv.ParseFloat(string(tps[1]), 64)
				rates[name] = max(rates[name], rate)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(rates["refresh"], "refresh/s")
	b.ReportMetric(rates["refresh"]/rates["cas"], "×cas")
	b.ReportMetric(rates["refresh"]/rates["all"], "×all")
}

// refreshRate returns how many tokens the clients exchange in a second.
func refreshRate(b *testing.B, d time.Duration, tokens [][]string, refresh func(client, n int, token string) string) float64 {
	var done atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for client, own := range tokens {
		wg.Go(func() {
			for n := 0; time.Since(begin) < d; n++ {
				own[n%len(own)] = refresh(client, n, own[n%len(own)])
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(done.Load()) / time.Since(begin).Seconds()
}
