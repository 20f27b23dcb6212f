package apikey_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/apikey"
	"github.com/seed-e36e2130/auth/internal/testkit"
	"github.com/seed-e36e2130/auth/memstore"
)

// Every typing error of one character, and every exchange of neighbours, is refused without a look at the store.
func TestTypingErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, apikey.Config{CacheTime: apikey.NoCache})
		_, key := f.create(apikey.Spec{})
		f.verifies(0, key, nil, "the key")
		var wrong []string
		for i := range key {
			for _, c := range "09AZaz_-. \x00é" {
				wrong = append(wrong, key[:i]+string(c)+key[i+1:])
			}
			wrong = append(wrong, key[:i], key[:i]+key[i+1:], key[:i]+key[i:i+1]+key[i:])
			if i > 0 {
				wrong = append(wrong, key[:i-1]+key[i:i+1]+key[i-1:i]+key[i+1:])
			}
		}
		wrong = append(wrong, key+"\n", " "+key, key+key, strings.ToUpper(key), strings.ToLower(key), key+strings.Repeat("a", 1<<20))
		f.store.reset()
		for _, w := range wrong {
			if w != key {
				f.verifies(0, w, auth.ErrInvalidToken, "a wrong key")
			}
		}
		if n := f.store.reads.Load(); n != 0 || len(wrong) < 1000 {
			t.Errorf("%d of %d wrong keys were looked up, want none", n, len(wrong))
		}
	})
}

// The checksum is CRC-32 in base 62, which programs of others can compute.
func TestChecksum(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "a", "123456789", strings.Repeat("myapp_live", 20)} {
		n, want := crc32.ChecksumIEEE([]byte(text)), ""
		for range 6 {
			want = string("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[n%62]) + want
			n /= 62
		}
		if got := apikey.Checksum(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestPattern(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, apikey.Config{})
		pattern := regexp.MustCompile(f.keys[0].Pattern())
		var all []string
		for range 20 {
			_, key := f.create(apikey.Spec{})
			all = append(all, key)
			if got := pattern.FindString("API_KEY='" + key + "' # do not commit"); got != key {
				t.Errorf("the pattern finds %q, want %q", got, key)
			}
			if !f.keys[0].Recognizes(key) {
				t.Errorf("%s is not recognized", key)
			}
		}
		slices.Sort(all)
		if len(slices.Compact(all)) != 20 || len(all[0]) != len("myapp_live")+77 {
			t.Errorf("got keys like %s", all[0])
		}
		for _, no := range []string{"", "myapp_live", "myapp_test_" + all[0][11:], "eyJhbGciOiJIUzI1NiJ9.e30.x"} {
			if f.keys[0].Recognizes(no) || pattern.MatchString(no) {
				t.Errorf("%q is recognized", no)
			}
		}
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	for _, prefix := range []string{"sk", "myapp_live", "a2_b3", "e2e", strings.Repeat("a", 32)} {
		if _, err := apikey.New(prefix, store, store, apikey.Config{}); err != nil {
			t.Errorf("%q: %v", prefix, err)
		}
	}
	for _, prefix := range []string{"", "a", "A", "my-app", "myapp_", "_myapp", "1app", "eyapp", "ewapp", "my.app", "ä", strings.Repeat("a", 33)} {
		_, err := apikey.New(prefix, store, store, apikey.Config{})
		if fields := testkit.FaultFields(err); !slices.Equal(fields, []string{"apikey.New.prefix"}) {
			t.Errorf("%q: got faults of %q", prefix, fields)
		}
	}
	_, err := apikey.New("", nil, nil, apikey.Config{
		PerUser: -1, MaxLifetime: time.Second, MaxOverlap: time.Second, CacheTime: time.Hour, CacheEntries: 1,
	})
	want := []string{
		"apikey.New.prefix", "apikey.New.users", "apikey.New.records", "apikey.Config.PerUser", "apikey.Config.MaxLifetime",
		"apikey.Config.MaxOverlap", "apikey.Config.CacheEntries", "apikey.Config.CacheTime",
	}
	if fields := testkit.FaultFields(err); !slices.Equal(fields, want) {
		t.Errorf("got faults of %q, want %q", fields, want)
	}
}

// No secret gets out but by a conversion, and no error and no record holds one.
func TestSecrets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, apikey.Config{})
		key, secret, err := f.keys[0].Create(t.Context(), f.ada, apikey.Spec{Name: "a"})
		is(t, err, nil, "Create")
		text, err := json.Marshal(map[string]any{"secret": secret, "key": key})
		is(t, err, nil, "Marshal")
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", secret, "key", key, "keys", fmt.Sprint(f.keys[0]))
		all := log.String() + string(text) + fmt.Sprintf("%v %s %q %x %d %+v %#v", secret, secret, secret, secret, secret, struct{ S apikey.Secret }{secret}, secret)
		records, err := f.store.Records(t.Context(), f.id)
		is(t, err, nil, "Records")
		for _, r := range records {
			all += r.Key + string(r.Value)
		}
		_, wrong := f.keys[0].Verify(t.Context(), changed(string(secret), 60))
		all += fmt.Sprint(wrong)
		hidden := string(secret)[len("myapp_live_")+27:]
		for i := range len(hidden) - 12 {
			if strings.Contains(all, hidden[i:i+12]) {
				t.Fatalf("a part of the secret is in %s", all)
			}
		}
		if !strings.Contains(all, "REDACTED") {
			t.Errorf("got %s", all)
		}
	})
}

// A record that cannot be read is an infrastructure failure.
func TestDamagedRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, apikey.Config{})
		_, secret := f.create(apikey.Spec{})
		records, err := f.store.Records(t.Context(), f.id)
		is(t, err, nil, "Records")
		r := records[0]
		r.Value = []byte("{")
		old := r.Renew()
		is(t, f.store.ReplaceRecord(t.Context(), old, r), nil, "ReplaceRecord")
		if p, err := f.keys[0].Verify(t.Context(), secret); p != nil || err == nil || errors.Is(err, auth.ErrInvalidToken) || auth.HTTPStatus(err) != 500 {
			t.Errorf("got %v and %v", p, err)
		}
	})
}

// A key in memory ends by the clock that says so first, so that neither a machine that was suspended nor a wall
// clock that steps keeps it.
func TestOver(t *testing.T) {
	t.Parallel()
	began := time.Now()
	wall := func(d time.Duration) time.Time { return began.Round(0).Add(d) } // without a monotonic reading
	for now, want := range map[time.Time]bool{
		began: false, began.Add(4 * time.Second): false, began.Add(5 * time.Second): true,
		wall(4 * time.Second): false, wall(time.Hour): true, wall(-time.Second): true,
	} {
		if got := apikey.Over(began, now, 5*time.Second); got != want {
			t.Errorf("%v later: got %t, want %t", now.Sub(began), got, want)
		}
	}
}
