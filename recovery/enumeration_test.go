package recovery_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/recovery"
)

// BenchmarkEnumerationCodes measures whether the time of a wrong code reveals if its address is known,
// as BenchmarkEnumeration of package auth does for usernames. It reports the AUC of each kind of address
// against known ones: 0.5 means that the times do not tell them apart. known-again is the noise of the
// machine. With 2,000 tries or more it fails outside of 0.48 to 0.52. Run it on a quiet machine:
//
//	go test -run '^$' -bench Enumeration -benchtime 4000x ./recovery
func BenchmarkEnumerationCodes(b *testing.B) {
	f := newFixture(b, recovery.Config{}, nil)
	kinds := []string{"known", "unknown", "unverified", "known-again"}
	challenges := map[string][]string{}
	order := slices.Clone(kinds)
	shuffle := func(s []string) { rand.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] }) }
	for range (b.N + 3) / 4 { // a challenge has five tries; the fifth is not used
		shuffle(order)
		for _, kind := range order {
			address := fmt.Sprintf("%032x@example.com", rand.Uint64())
			if kind != "unknown" {
				f.user(address, kind != "unverified")
			}
			for {
				challenge, err := f.recovery.RequestLoginCode(b.Context(), address)
				if errors.Is(err, auth.ErrBusy) {
					time.Sleep(time.Millisecond)
					continue
				}
				if err != nil {
					b.Fatal(err)
				}
				challenges[kind] = append(challenges[kind], challenge)
				break
			}
		}
	}
	if err := f.recovery.Close(b.Context()); err != nil { // waits until all records are written
		b.Fatal(err)
	}
	for _, kind := range kinds {
		challenges[kind] = slices.Repeat(challenges[kind], 4)
		shuffle(challenges[kind])
	}
	took := map[string][]time.Duration{}
	b.ResetTimer()
	for i := range b.N {
		shuffle(order)
		for _, kind := range order {
			challenge := challenges[kind][i]
			start := time.Now()
			_, err := f.recovery.LoginByCode(b.Context(), challenge, "no code")
			took[kind] = append(took[kind], time.Since(start))
			if !errors.Is(err, recovery.ErrInvalidToken) {
				b.Fatalf("%s: %v", kind, err)
			}
		}
	}
	testenv.HoldAlike(b, kinds, took)
}

// BenchmarkEnumerationRequests measures whether the time of a request for a message reveals if its
// address is known, as [BenchmarkEnumerationCodes] does for codes: while the queues are idle, half full
// and full.
func BenchmarkEnumerationRequests(b *testing.B) {
	const places = 65_536
	for state, waiting := range map[string]int{"idle": 0, "half": places / 2, "full": 2 * places} {
		b.Run(state, func(b *testing.B) {
			f := newFixture(b, recovery.Config{}, nil)
			kinds := []string{"known", "unknown", "unverified", "known-again"}
			addresses := map[string][]string{} // all of one length
			for i, kind := range kinds {
				for n := range 1000 {
					address := fmt.Sprintf("%d%03d@example.com", i, n)
					addresses[kind] = append(addresses[kind], address)
					if kind != "unknown" {
						f.user(address, kind != "unverified")
					}
				}
			}
			hold := &holding{outbox: f.outbox}
			if waiting > 0 {
				hold.until = make(chan struct{})
			}
			r, err := recovery.New(f.accounts, f.addresses, f.records, hold, recovery.Config{
				BaseURL: "https://app.example.com", Queue: places, Workers: 1, NetworkBurst: 100_000, NetworkEvery: time.Millisecond,
			})
			if err != nil {
				b.Fatal(err)
			}
			request := func(i int, address string) error {
				return r.RequestReset(auth.WithDevice(b.Context(), network(i%256)), address)
			}
			for i := range waiting {
				err := request(i, addresses["known"][0])
				if errors.Is(err, auth.ErrBusy) {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			took := map[string][]time.Duration{}
			order := slices.Clone(kinds)
			for i := range b.N {
				rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
				for _, kind := range order {
					address := addresses[kind][i%1000]
					start := time.Now()
					err := request(i, address)
					took[kind] = append(took[kind], time.Since(start))
					if err != nil && !errors.Is(err, auth.ErrBusy) {
						b.Fatal(err)
					}
					for waiting == 0 {
						if places, _, _ := r.Occupied(); places == 0 {
							break
						}
						runtime.Gosched()
					}
				}
			}
			ended, cancel := context.WithCancel(context.Background())
			if waiting > 0 {
				cancel()
			}
			_ = r.Close(ended)
			cancel()
			testenv.HoldAlike(b, kinds, took)
		})
	}
}

// holding is a Notifier that holds each message until its context ends or the channel is closed.
type holding struct {
	*outbox
	until chan struct{} // nil: messages are not held
}

func (h *holding) Notify(ctx context.Context, m recovery.Message) error {
	if h.until != nil {
		select {
		case <-h.until:
		case <-ctx.Done():
		}
	}
	return h.outbox.Notify(ctx, m)
}
