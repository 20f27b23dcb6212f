package throttle

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
)

// Config configures a [Throttle]. Its zero value is the safe choice.
type Config struct {
	// FreePerNetwork, FreePerAccount and FreePerDevice are how many attempts in a row may fail
	// without a delay: at an account from one network, at an account from anywhere, and at an account
	// from a known device. 0: 5, 30 and 10; from 1 to 100.
	FreePerNetwork, FreePerAccount, FreePerDevice int

	// FirstDelay is how long the first attempt after those must wait. Each further failure doubles
	// the delay, up to MaxDelay. Failures are forgotten when a login succeeds, or otherwise after
	// MaxDelay for each of them. 0: 1 minute and 12 hours; from 1 second to 7 days.
	FirstDelay, MaxDelay time.Duration

	// NetworkBurst is how many failures one network may have at once, whatever the accounts.
	// NetworkEvery is how long it takes until one more is allowed. 0: 100 and 10 seconds; from 1 to
	// 100,000 and from 1 ms to 1 hour.
	NetworkBurst int
	NetworkEvery time.Duration

	// HardLock, if not 0, is how many failures in a row lock an account. A locked account accepts its
	// password from known devices alone, until [Throttle.Unlock]. Strangers can then lock accounts.
	// 0: never; from FreePerAccount to 1,000.
	HardLock int

	// DeviceLifetime is how long a device stays known after its last login. 0: 180 days; from 1 hour
	// to 730 days.
	DeviceLifetime time.Duration
}

// Throttle is an [auth.Throttle]. It is immutable and safe for concurrent use. Make one with [New].
type Throttle struct {
	store          auth.RecordStore
	pair           delays // an account from one network
	account        delays // an account from anywhere
	device         delays // an account from a known device
	network        rate
	deviceLifetime time.Duration
}

// New returns a Throttle that counts in store, or every fault of the configuration as a
// [*cfgerr.Error].
func New(store auth.RecordStore, cfg Config) (*Throttle, error) {
	var faults cfgerr.Faults
	faults.Require("throttle.New.store", store != nil)
	faults.Prefix = "throttle.Config."

	const day = 24 * time.Hour
	firstDelay := cfgerr.Within(&faults, "FirstDelay", cfg.FirstDelay, time.Minute, time.Second, 7*day)
	maxDelay := cfgerr.Within(&faults, "MaxDelay", cfg.MaxDelay, 12*time.Hour, time.Second, 7*day)
	if maxDelay < firstDelay {
		faults.Add("MaxDelay", maxDelay.String(), "is shorter than FirstDelay")
	}
	limit := func(field string, value, byDefault int) delays {
		return delays{free: cfgerr.Within(&faults, field, value, byDefault, 1, 100), first: firstDelay, max: maxDelay}
	}
	t := &Throttle{
		store:   store,
		pair:    limit("FreePerNetwork", cfg.FreePerNetwork, 5),
		account: limit("FreePerAccount", cfg.FreePerAccount, 30),
		device:  limit("FreePerDevice", cfg.FreePerDevice, 10),
		network: rate{
			burst: cfgerr.Within(&faults, "NetworkBurst", cfg.NetworkBurst, 100, 1, 100_000),
			every: cfgerr.Within(&faults, "NetworkEvery", cfg.NetworkEvery, 10*time.Second, time.Millisecond, time.Hour),
		},
		deviceLifetime: cfgerr.Within(&faults, "DeviceLifetime", cfg.DeviceLifetime, 180*day, time.Hour, 730*day),
	}
	t.account.lock = cfgerr.Within(&faults, "HardLock", cfg.HardLock, 0, t.account.free, 1000)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return t, nil
}

// counter is one of the counts that an attempt is added to. Its record has no Owner: an attempt names a
// username, which may be nobody's, and no user ID.
type counter struct {
	key    string
	bucket bucket
}

// counters returns the counters of an attempt, the one that refuses most often first, and whether the
// attempt comes from a known device.
func (t *Throttle) counters(ctx context.Context, a auth.Attempt) (list []counter, known bool, err error) {
	if a.Username == "" && a.Target != "" { // about no account
		if ip := network(a.Device.IP); ip != "" {
			list = append(list, counter{key("network."+a.Target, ip), t.network})
		}
		return list, false, nil
	}
	if known, err = t.isKnown(ctx, a); err != nil {
		return nil, false, err
	}
	kind, name, account := "", a.Username, t.account
	if a.Target != "" { // the prefix keeps a target apart from a username with the same text
		kind, name, account.lock = "target.", a.Target, 0
	}
	if known {
		return []counter{{key(kind+"known", name, string(a.Device.Known)), t.device}}, true, nil
	}
	if ip := network(a.Device.IP); ip != "" {
		list = append(list,
			counter{key(kind+"pair", name, ip), t.pair},
			counter{key("network", ip), t.network})
	}
	return append(list, counter{key(kind+"account", name), account}), false, nil
}

// undoTime bounds the work for a client that may have hung up.
const undoTime = 10 * time.Second

// Begin implements [auth.Throttle].
func (t *Throttle) Begin(ctx context.Context, a auth.Attempt) error {
	counters, _, err := t.counters(ctx, a)
	if err != nil {
		return err
	}
	for i, c := range counters {
		wait, err := t.update(ctx, c, bucket.take)
		if err == nil && wait > 0 {
			err = &auth.RetryError{Err: auth.ErrTooManyAttempts, After: max(wait, time.Second)}
		}
		if err != nil {
			after, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
			defer cancel()
			return errors.Join(err, t.giveBack(after, counters[:i]))
		}
	}
	return nil
}

// Undo implements [auth.Throttle].
func (t *Throttle) Undo(ctx context.Context, a auth.Attempt) error {
	counters, _, err := t.counters(ctx, a)
	if err != nil {
		return err
	}
	return t.giveBack(ctx, counters)
}

// giveBack undoes the take of each counter.
func (t *Throttle) giveBack(ctx context.Context, counters []counter) (err error) {
	for _, c := range counters {
		_, failed := t.update(ctx, c, bucket.giveBack)
		err = errors.Join(err, failed)
	}
	return err
}

// Succeed implements [auth.Throttle]. It forgets the earlier failures at the account. A login from a
// known device says nothing about attempts from elsewhere, so it forgets those of the device alone.
func (t *Throttle) Succeed(ctx context.Context, a auth.Attempt) (auth.DeviceToken, error) {
	counters, known, err := t.counters(ctx, a)
	if err != nil {
		return "", err
	}
	for _, c := range counters {
		_, failed := t.update(ctx, c, bucket.succeed)
		err = errors.Join(err, failed)
	}
	if !known {
		a.Device.Known = newDeviceToken()
	}
	return a.Device.Known, errors.Join(err, t.remember(ctx, a))
}

// Unlock forgets the failures at an account from anywhere, and with them the lock of
// [Config].HardLock. Call it with the canonical username once the owner has proven their identity in
// another way.
func (t *Throttle) Unlock(ctx context.Context, username string) error {
	_, err := t.update(ctx, counter{key("account", username), t.account}, bucket.succeed)
	return err
}

const deviceTokenLength = 32

// newDeviceToken returns 160 random bits as text.
func newDeviceToken() auth.DeviceToken {
	return auth.DeviceToken(rand.Text() + rand.Text()[:deviceTokenLength-26])
}

// isKnown reports whether the account has logged in from the device before.
func (t *Throttle) isKnown(ctx context.Context, a auth.Attempt) (bool, error) {
	if len(a.Device.Known) != deviceTokenLength {
		return false, nil
	}
	r, _, err := t.store.Record(ctx, deviceKey(a))
	if err != nil {
		return false, fmt.Errorf("throttle: %w", err)
	}
	return r.Version != 0, nil
}

func deviceKey(a auth.Attempt) string { return key("device", a.Username, string(a.Device.Known)) }

// remember records the device of an attempt as known for DeviceLifetime from now. It writes only if a
// tenth of that time has passed since the last write.
func (t *Throttle) remember(ctx context.Context, a auth.Attempt) error {
	r, now, err := t.store.Record(ctx, deviceKey(a))
	if err == nil && r.ExpiresAt.Sub(now) < t.deviceLifetime*9/10 {
		r.Key, r.ExpiresAt = deviceKey(a), now.Add(t.deviceLifetime)
		err = t.store.ReplaceRecord(ctx, r.Renew(), r)
	}
	if err != nil && !errors.Is(err, auth.ErrConflict) { // a conflict is a concurrent login from the same device
		return fmt.Errorf("throttle: %w", err)
	}
	return nil
}

// maxConflicts bounds how often one update is repeated because another replaced the record first. A
// client that reaches the bound is one of very many at the same counter, and waits like the others.
const maxConflicts = 16

var errContended = &auth.RetryError{Err: auth.ErrTooManyAttempts, After: time.Second}

// step is a method of a bucket.
type step func(b bucket, s state, now time.Time) (next state, wait time.Duration)

// update applies a step of its bucket to a counter, by compare-and-swap. It returns the delay that the
// step asks for.
func (t *Throttle) update(ctx context.Context, c counter, apply step) (wait time.Duration, err error) {
	for range maxConflicts {
		r, now, err := t.store.Record(ctx, c.key)
		if err != nil {
			return 0, fmt.Errorf("throttle: %w", err)
		}
		stored := decode(r.Value)
		next, wait := apply(c.bucket, stored, now)
		switch {
		case next == stored:
			return wait, nil
		case next == (state{}):
			err = t.store.DeleteRecord(ctx, c.key, r.Version)
		default:
			r.Key, r.Value, r.ExpiresAt = c.key, next.encode(), c.bucket.end(next)
			err = t.store.ReplaceRecord(ctx, r.Renew(), r)
		}
		if err == nil {
			return wait, nil
		}
		if !errors.Is(err, auth.ErrConflict) {
			return 0, fmt.Errorf("throttle: %w", err)
		}
	}
	return 0, errContended
}

// key returns the key of a record. Its length depends on the kind alone, and it shows none of the
// parts.
func key(kind string, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_ = binary.Write(h, binary.BigEndian, uint64(len(p)))
		h.Write([]byte(p))
	}
	return "throttle:" + kind + ":" + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// network returns the network that an address is counted under: an IPv4 address itself, or the /64 of
// an IPv6 address, because one customer has all of that. It returns "" for the zero Addr.
func network(ip netip.Addr) string {
	ip = ip.Unmap()
	if !ip.IsValid() {
		return ""
	}
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	p, _ := ip.WithZone("").Prefix(bits) // cannot fail: both families have at least so many bits
	return p.String()
}
