package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwks"
)

func unavailable(t *testing.T, v auth.TokenVerifier, token string, after time.Duration) {
	t.Helper()
	p, err := v.Verify(context.Background(), token)
	if p != nil || !errors.Is(err, auth.ErrKeysUnavailable) || errors.Is(err, auth.ErrInvalidToken) || auth.HTTPStatus(err) != 503 {
		t.Fatalf("got %v, %v, want ErrKeysUnavailable and status 503", p, err)
	}
	var retry *auth.RetryError
	if !errors.As(err, &retry) || retry.After != after {
		t.Fatalf("%v: retry after %v, want %v", err, retry, after)
	}
}

func refused(t *testing.T, v auth.TokenVerifier, token string, want error) {
	t.Helper()
	if p, err := v.Verify(context.Background(), token); p != nil || !errors.Is(err, want) || errors.Is(err, auth.ErrKeysUnavailable) {
		t.Fatalf("got %v, %v, want %v", p, err, want)
	}
}

// A service starts while its issuer is down, and accepts tokens as soon as the issuer is back.
func TestStartWhileIssuerIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, "EdDSA", "1")
		i := newIssuer(t, issuerURL, key)
		metadata := i.metadata
		i.answerMetadata(status(503))
		v := i.verifier(t)
		if i.requests() != 0 {
			t.Error("New has fetched")
		}
		token := key.token(t, issuerURL)
		unavailable(t, v, token, 30*time.Second)
		time.Sleep(10 * time.Second)
		unavailable(t, v, token, 20*time.Second) // within the Cooldown, without a request
		if n := i.requests(); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
		i.answerMetadata(metadata)
		time.Sleep(20*time.Second - time.Millisecond)
		unavailable(t, v, token, time.Second)
		time.Sleep(time.Millisecond)
		accepted(t, v, token)
	})
}

// A request waits no longer than Timeout for an issuer that does not respond.
func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, "EdDSA", "1")
		i := newIssuer(t, issuerURL, key)
		i.answerSet(after(time.Hour, status(200)))
		for timeout, want := range map[time.Duration]time.Duration{0: 10 * time.Second, 2 * time.Second: 2 * time.Second} {
			v := i.verifier(t, func(cfg *jwks.Config) { cfg.Timeout = timeout })
			begun := time.Now()
			unavailable(t, v, key.token(t, issuerURL), 30*time.Second)
			if took := time.Since(begun); took != want {
				t.Errorf("Verify took %v, want %v", took, want)
			}
		}
	})
}

// Old keys are fetched again in the background, after the time that the response names.
func TestRefresh(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		header   []string
		refresh  time.Duration
		maxStale time.Duration
		want     time.Duration
	}{
		"no header":           {nil, 0, 0, 15 * time.Minute},
		"within the bounds":   {[]string{"Cache-Control", "public, max-age=600"}, 0, 0, 10 * time.Minute},
		"too short":           {[]string{"Cache-Control", "max-age=15"}, 0, 0, 5 * time.Minute},
		"too long":            {[]string{"Cache-Control", "max-age=86400"}, 0, 0, time.Hour},
		"longer than numbers": {[]string{"Cache-Control", "max-age=99999999999999999999"}, 0, 0, 15 * time.Minute},
		"negative":            {[]string{"Cache-Control", "max-age=-1"}, 0, 0, 15 * time.Minute},
		"no number":           {[]string{"Cache-Control", "max-age"}, 0, 0, 15 * time.Minute},
		"not to be kept":      {[]string{"Cache-Control", "max-age=600, No-Store"}, 0, 0, 5 * time.Minute},
		"to be asked again":   {[]string{"Cache-Control", "no-cache", "Cache-Control", "max-age=600"}, 0, 0, 5 * time.Minute},
		"set by the host":     {[]string{"Cache-Control", "max-age=600"}, time.Minute, 0, time.Minute},
		"half of MaxStale":    {nil, 0, 12 * time.Minute, 6 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				key := newKey(t, "EdDSA", "1")
				i := newIssuer(t, issuerURL)
				h := answer(setOf(t, key.jwk()), row.header...)
				i.answerSet(h)
				v := i.verifier(t, func(cfg *jwks.Config) { cfg.Refresh, cfg.MaxStale = row.refresh, row.maxStale })
				token := key.token(t, issuerURL)
				accepted(t, v, token)
				time.Sleep(row.want - time.Millisecond)
				accepted(t, v, token)
				if n := i.fetches(); n != 1 {
					t.Fatalf("%d fetches before %v", n, row.want)
				}

				i.answerSet(after(3*time.Second, h))
				time.Sleep(time.Millisecond)
				begun := time.Now()
				for range 10 {
					accepted(t, v, token)
				}
				if waited := time.Since(begun); waited != 0 {
					t.Errorf("requests waited %v, want no wait", waited)
				}
				time.Sleep(3 * time.Second)
				synctest.Wait()
				accepted(t, v, token)
				if n := i.fetches(); n != 2 {
					t.Errorf("%d fetches, want 2", n)
				}
			})
		})
	}
}

// A request that saw the keys before a fetch and wants newer ones after it does not fetch again.
func TestNoFetchAfterAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, "EdDSA", "1")
		i := newIssuer(t, issuerURL, key)
		slow := make(chan time.Duration, 1)
		v := i.verifier(t, func(cfg *jwks.Config) {
			cfg.Tokens.Check = func(context.Context, *auth.Principal) error {
				select {
				case d := <-slow:
					time.Sleep(d)
				default:
				}
				return nil
			}
		})
		token := key.token(t, issuerURL)
		accepted(t, v, token)
		time.Sleep(20 * time.Minute)
		slow <- time.Second
		var slowRequest sync.WaitGroup
		slowRequest.Go(func() {
			if _, err := v.Verify(context.Background(), token); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait() // now the slow request holds the old keys
		accepted(t, v, token)
		slowRequest.Wait()
		synctest.Wait()
		if n := i.fetches(); n != 2 {
			t.Errorf("%d fetches, want 2", n)
		}
	})
}

// After a time without requests, the first request waits for new keys, so that a key that was
// withdrawn meanwhile is not used.
func TestWithdrawnWhileIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		withdrawn, key := newKey(t, "EdDSA", "1"), newKey(t, "EdDSA", "2")
		i := newIssuer(t, issuerURL, withdrawn, key)
		v := i.verifier(t)
		token := withdrawn.token(t, issuerURL)
		accepted(t, v, token)
		i.publish(t, key)
		time.Sleep(30 * time.Minute)
		refused(t, v, token, auth.ErrUnknownKey)
	})
}

// While the issuer is down, its keys stay in use until MaxStale, no request waits, and a fetch is
// tried once per Cooldown.
func TestOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, "EdDSA", "1")
		i := newIssuer(t, issuerURL, key)
		v := i.verifier(t, func(cfg *jwks.Config) { cfg.MaxStale = 3 * time.Hour })
		token := key.token(t, issuerURL)
		accepted(t, v, token)
		i.answerSet(after(9*time.Second, status(500)))

		begun, waiting := time.Now(), time.Duration(0)
		for time.Since(begun) < 3*time.Hour-time.Second {
			now := time.Now()
			accepted(t, v, token)
			waiting += time.Since(now)
			time.Sleep(time.Second)
		}
		if waiting != 0 {
			t.Errorf("requests waited %v, want no wait", waiting)
		}
		// After 15 minutes there is one fetch every 39 s: 9 s until it fails, and the Cooldown.
		if n, most := i.fetches(), 1+int((3*time.Hour-15*time.Minute)/(39*time.Second)); n > most+1 || n < most/2 {
			t.Errorf("%d fetches, want about %d", n, most)
		}
		time.Sleep(2 * time.Second)
		if p, err := v.Verify(t.Context(), token); p != nil || !errors.Is(err, auth.ErrKeysUnavailable) {
			t.Errorf("keys older than MaxStale: got %v, %v, want ErrKeysUnavailable", p, err)
		}
		i.publish(t, key)
		time.Sleep(time.Minute)
		accepted(t, v, token)
	})
}

// If an outage begins during a time without requests, one request waits for Timeout.
func TestOutageWhileIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t, "EdDSA", "1")
		i := newIssuer(t, issuerURL, key)
		v := i.verifier(t)
		token := key.token(t, issuerURL)
		accepted(t, v, token)
		i.answerSet(after(time.Minute, status(200)))
		time.Sleep(10 * time.Hour)
		for _, want := range []time.Duration{10 * time.Second, 0, 0} {
			begun := time.Now()
			accepted(t, v, token)
			if waited := time.Since(begun); waited != want {
				t.Errorf("waited %v, want %v", waited, want)
			}
			time.Sleep(20 * time.Minute)
		}
	})
}

// The first token of a new key is accepted.
func TestNewKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first, second, third := newKey(t, "EdDSA", "1"), newKey(t, "ES256", "2"), newKey(t, "EdDSA", "3")
		i := newIssuer(t, issuerURL, first)
		v := i.verifier(t)
		accepted(t, v, first.token(t, issuerURL))
		i.publish(t, first, second)
		accepted(t, v, second.token(t, issuerURL))
		refused(t, v, third.token(t, issuerURL), auth.ErrUnknownKey) // within the Cooldown
		i.publish(t, third)
		time.Sleep(30 * time.Second)
		accepted(t, v, third.token(t, issuerURL))
		refused(t, v, first.token(t, issuerURL), auth.ErrUnknownKey)
		if n := i.fetches(); n != 3 {
			t.Errorf("%d fetches, want 3", n)
		}
	})
}

// A key that is published while a fetch runs, too late for this fetch, is found by a second one.
func TestNewKeyDuringFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first, second := newKey(t, "EdDSA", "1"), newKey(t, "EdDSA", "2")
		i := newIssuer(t, issuerURL, first)
		v := i.verifier(t)
		accepted(t, v, first.token(t, issuerURL))
		time.Sleep(16 * time.Minute)
		i.answerSet(after(5*time.Second, answer(setOf(t, first.jwk()))))
		accepted(t, v, first.token(t, issuerURL)) // starts the fetch
		time.Sleep(time.Second)
		i.publish(t, first, second)
		accepted(t, v, second.token(t, issuerURL))
	})
}

// A key that replaces another under the same ID, which an issuer should not do, is noticed at the
// next scheduled fetch.
func TestKeyReplacedUnderItsID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first, second := newKey(t, "EdDSA", "1"), newKey(t, "EdDSA", "1")
		i := newIssuer(t, issuerURL, first)
		v := i.verifier(t)
		accepted(t, v, first.token(t, issuerURL))
		i.publish(t, second)
		time.Sleep(15 * time.Minute)
		refused(t, v, second.token(t, issuerURL), auth.ErrInvalidToken)
		synctest.Wait()
		accepted(t, v, second.token(t, issuerURL))
		refused(t, v, first.token(t, issuerURL), auth.ErrInvalidToken)
	})
}

// However many tokens name unknown keys, they cause one fetch per Cooldown.
func TestFloodOfUnknownKeys(t *testing.T) {
	t.Parallel()
	for name, failing := range map[string]bool{"issuer up": false, "issuer down": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				key := newKey(t, "EdDSA", "1")
				i := newIssuer(t, issuerURL, key)
				v := i.verifier(t, func(cfg *jwks.Config) { cfg.Refresh = time.Hour })
				good := key.token(t, issuerURL)
				accepted(t, v, good)
				if failing {
					i.answerSet(status(500))
				}
				var flood []string
				for n := range 100 {
					flood = append(flood, testKey{"EdDSA", fmt.Sprint("unknown", n), key.signer}.token(t, issuerURL))
				}
				before := i.fetches()
				const minutes = 10
				var unexpected atomic.Int64 // number of unexpected errors
				for range minutes * 60 * 2 {
					var all sync.WaitGroup
					for _, token := range flood[:10] {
						all.Go(func() {
							want := auth.ErrUnknownKey
							if failing {
								want = auth.ErrKeysUnavailable
							}
							if _, err := v.Verify(context.Background(), token); !errors.Is(err, want) {
								unexpected.Add(1)
							}
						})
					}
					all.Wait()
					flood = append(flood[10:], flood[:10]...)
					time.Sleep(time.Second / 2)
					accepted(t, v, good)
				}
				if n := unexpected.Load(); n > 0 {
					t.Errorf("%d unexpected errors", n)
				}
				if n := i.fetches() - before; n > minutes*2 || n < minutes*2-1 {
					t.Errorf("%d fetches in %d minutes, want one every 30 s", n, minutes)
				}
			})
		})
	}
}

// A set with the same keys, in any order, does not replace the ring, so that the table of verified
// tokens stays. A changed set is logged.
func TestSameSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := newKey(t, "EdDSA", "1"), newKey(t, "EdDSA", "2")
		i := newIssuer(t, issuerURL, a, b)
		log := new(logged)
		v := i.verifier(t, func(cfg *jwks.Config) { cfg.Logger = log.logger() })
		changes := func(want int) {
			t.Helper()
			time.Sleep(20 * time.Minute)
			accepted(t, v, a.token(t, issuerURL))
			synctest.Wait()
			if n := strings.Count(log.String(), "keys changed"); n != want {
				t.Errorf("%d logged changes, want %d:\n%s", n, want, log)
			}
		}
		changes(1)
		i.publish(t, b, a)
		changes(1)
		i.publish(t, a)
		changes(2)
		if n := i.fetches(); n != 3 {
			t.Errorf("%d fetches, want 3", n)
		}
	})
}

// The issuer rotates its keys under load and signs with each new key at once. No token is refused.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	keys := []testKey{newKey(t, "EdDSA", "0")}
	i, v := served(t, func(cfg *jwks.Config) { cfg.Cooldown, cfg.Refresh = time.Second, time.Second }, keys...)
	var current atomic.Pointer[testKey]
	current.Store(&keys[0])

	done := make(chan struct{})
	var verified atomic.Int64
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := v.Verify(context.Background(), current.Load().token(t, i.url)); err != nil {
					t.Errorf("token refused after %d verified ones: %v", verified.Load(), err)
					return
				}
				verified.Add(1)
			}
		})
	}
	waitForMore := func() { // returns after 30 more tokens, the last of which were made after the call
		for before := verified.Load(); verified.Load() < before+30 && !t.Failed(); time.Sleep(time.Millisecond) {
		}
	}
	for n := range 3 {
		waitForMore()
		time.Sleep(1100 * time.Millisecond) // longer than the Cooldown, so that an unknown key may cause a fetch
		next := newKey(t, []string{"ES256", "EdDSA", "RS256"}[n], fmt.Sprint(n+1))
		keys = append(keys, next)
		i.publish(t, keys...)
		current.Store(&next)
	}
	waitForMore()
	close(done)
	load.Wait()
	t.Logf("%d tokens verified, %d fetches", verified.Load(), i.fetches())
}
