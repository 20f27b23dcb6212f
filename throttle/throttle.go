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
	"strconv"
	"time"

	"github.com/seed-e36e2130/auth"
)

// Config is what [New] may be told. Its zero is safe.
type Config struct {
	// FreePerNetwork, FreePerAccount and FreePerDevice are how many attempts in a
	// row may fail before one has to wait: at an account from one network, from
	// anywhere, and from a device that is known. 0: 5, 30 and 10; 1 to 100.
	FreePerNetwork, FreePerAccount, FreePerDevice int

	// FirstDelay is how long the first attempt after those waits; each failure more
	// doubles it, up to MaxDelay. Failures are forgotten when a login succeeds, or
	// after MaxDelay for each of them. 0: 1 minute and 12 hours; 1 second to 7
	// days.
	FirstDelay, MaxDelay time.Duration

	// NetworkBurst is how many failures one network may have at once, whatever the
	// accounts, and NetworkEvery how long it takes for one more. 0: 100 and 10
	// seconds; 1 to 100,000 and 1 ms to 1 hour.
	NetworkBurst int
	NetworkEvery time.Duration

	// HardLock, if above 0, is how many failures in a row lock an account: nobody
	// logs in by its password but from a device that is known, until
	// [Throttle.Unlock]. It lets strangers lock accounts. 0: never; FreePerAccount to 1,000.
	HardLock int

	// DeviceLifetime is how long a device is known after its last login. 0: 180
	// days; 1 hour to 730 days.
	DeviceLifetime time.Duration
}

// Throttle is an [auth.Throttle]. Make one with [New]; it is immutable and safe for
// concurrent use.
type Throttle struct {
	store                         auth.RecordStore
	perNetwork, perAccount, known delays
	network                       rate
	device                        time.Duration
}

// New returns a throttle that counts in store, or every fault of cfg as an
// [*cfgerr.Error].
func New(store auth.RecordStore, cfg Config) (*Throttle, error) {
	var faults []error
	fault := func(field, value, reason string) {
		faults = append(faults, &auth.ConfigError{Field: field, Value: value, Reason: reason})
	}
	if store == nil {
		fault("throttle.New.store", "", "is required")
	}
	number := func(field string, value, otherwise, least, most int) int {
		if value != 0 && (value < least || value > most) {
			fault("throttle.Config."+field, strconv.Itoa(value), fmt.Sprintf("must be 0 or %d to %d", least, most))
		}
		return or(value, otherwise)
	}
	duration := func(field string, value, otherwise, least, most time.Duration) time.Duration {
		if value != 0 && (value < least || value > most) {
			fault("throttle.Config."+field, value.String(), fmt.Sprintf("must be 0 or %v to %v", least, most))
		}
		return or(value, otherwise)
	}
	const day = 24 * time.Hour
	first := duration("FirstDelay", cfg.FirstDelay, time.Minute, time.Second, 7*day)
	most := duration("MaxDelay", cfg.MaxDelay, 12*time.Hour, time.Second, 7*day)
	if most < first {
		fault("throttle.Config.MaxDelay", most.String(), "is shorter than FirstDelay")
	}
	t := &Throttle{
		store:      store,
		perNetwork: delays{free: number("FreePerNetwork", cfg.FreePerNetwork, 5, 1, 100), first: first, most: most},
		perAccount: delays{free: number("FreePerAccount", cfg.FreePerAccount, 30, 1, 100), first: first, most: most},
		known:      delays{free: number("FreePerDevice", cfg.FreePerDevice, 10, 1, 100), first: first, most: most},
		network: rate{
			burst: number("NetworkBurst", cfg.NetworkBurst, 100, 1, 100_000),
			every: duration("NetworkEvery", cfg.NetworkEvery, 10*time.Second, time.Millisecond, time.Hour),
		},
		device: duration("DeviceLifetime", cfg.DeviceLifetime, 180*day, time.Hour, 730*day),
	}
	t.perAccount.lock = number("HardLock", cfg.HardLock, 0, t.perAccount.free, 1000)
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return t, nil
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// count is one of the things that an attempt is counted under.
type count struct {
	key    string
	bucket bucket
}

// counts returns what an attempt is counted under, the one first that refuses most.
func (t *Throttle) counts(ctx context.Context, a auth.Attempt) (all []count, known bool, err error) {
	if known, err = t.isKnown(ctx, a); err != nil {
		return nil, false, err
	}
	at, name, perAccount := "", a.Username, t.perAccount
	if a.Target != "" { // no name that anybody types is counted with it
		at, name, perAccount.lock = "target.", a.Target, 0
	}
	if known {
		return []count{{key(at+"known", name, string(a.Device.Known)), t.known}}, true, nil
	}
	if ip := network(a.Device.IP); ip != "" {
		all = append(all,
			count{key(at+"pair", name, ip), t.perNetwork},
			count{key("network", ip), t.network})
	}
	return append(all, count{key(at+"account", name), perAccount}), false, nil
}

// undoTime bounds what is done for a client that may be gone.
const undoTime = 10 * time.Second

// Begin implements [auth.Throttle].
func (t *Throttle) Begin(ctx context.Context, a auth.Attempt) error {
	if t == nil || t.store == nil {
		return errZero
	}
	all, _, err := t.counts(ctx, a)
	for i := 0; err == nil && i < len(all); i++ {
		var wait time.Duration
		if wait, err = t.change(ctx, all[i], bucket.take); err == nil && wait > 0 {
			err = &auth.RetryError{Err: auth.ErrTooManyAttempts, After: max(wait, time.Second)}
		}
		if err != nil {
			after, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
			for _, taken := range all[:i] {
				_, undo := t.change(after, taken, bucket.giveBack)
				err = errors.Join(err, undo)
			}
			cancel()
		}
	}
	return err
}

// Undo implements [auth.Throttle].
func (t *Throttle) Undo(ctx context.Context, a auth.Attempt) error {
	if t == nil || t.store == nil {
		return errZero
	}
	all, _, err := t.counts(ctx, a)
	for _, c := range all {
		_, undo := t.change(ctx, c, bucket.giveBack)
		err = errors.Join(err, undo)
	}
	return err
}

// Succeed implements [auth.Throttle]. The failures before it are forgotten; those
// from elsewhere not if the device is known, for it says nothing of them.
func (t *Throttle) Succeed(ctx context.Context, a auth.Attempt) (auth.DeviceToken, error) {
	if t == nil || t.store == nil {
		return "", errZero
	}
	all, known, err := t.counts(ctx, a)
	if err != nil {
		return "", err
	}
	for _, c := range all {
		_, forget := t.change(ctx, c, bucket.succeed)
		err = errors.Join(err, forget)
	}
	if !known {
		a.Device.Known = auth.DeviceToken(rand.Text() + rand.Text()[:6]) // 160 bits
	}
	return a.Device.Known, errors.Join(err, t.remember(ctx, a))
}

// Unlock forgets the failures at an account from anywhere, and with them the lock
// of [Config].HardLock. Call it with the canonical name, when its owner has proven
// who they are in another way.
func (t *Throttle) Unlock(ctx context.Context, username string) error {
	if t == nil || t.store == nil {
		return errZero
	}
	_, err := t.change(ctx, count{key("account", username), t.perAccount}, bucket.succeed)
	return err
}

const knownLength = 32

// isKnown reports whether the account has logged in from the device before.
func (t *Throttle) isKnown(ctx context.Context, a auth.Attempt) (bool, error) {
	if len(a.Device.Known) != knownLength {
		return false, nil
	}
	r, _, err := t.store.Record(ctx, deviceKey(a))
	if err != nil {
		return false, fmt.Errorf("throttle: %w", err)
	}
	return r.Version != 0, nil
}

func deviceKey(a auth.Attempt) string { return key("device", a.Username, string(a.Device.Known)) }

// remember makes the device known, or known for longer.
func (t *Throttle) remember(ctx context.Context, a auth.Attempt) error {
	r, now, err := t.store.Record(ctx, deviceKey(a))
	if err == nil && r.ExpiresAt.Sub(now) < t.device*9/10 {
		r.Key, r.ExpiresAt = deviceKey(a), now.Add(t.device)
		err = t.store.ReplaceRecord(ctx, r.Renew(), r)
	}
	if err != nil && !errors.Is(err, auth.ErrConflict) { // by another login from there
		return fmt.Errorf("throttle: %w", err)
	}
	return nil
}

// tries bounds how often one change meets another's. Who fails as often is one of
// very many at the same count, and waits as they should.
const tries = 16

var errContended = &auth.RetryError{Err: auth.ErrTooManyAttempts, After: time.Second}

// change replaces a count by what does makes of it.
func (t *Throttle) change(ctx context.Context, c count, does func(bucket, state, time.Time) (state, time.Duration)) (wait time.Duration, err error) {
	for range tries {
		r, now, err := t.store.Record(ctx, c.key)
		if err != nil {
			return 0, fmt.Errorf("throttle: %w", err)
		}
		was := decode(r.Value)
		next, wait := does(c.bucket, was, now)
		switch {
		case next == was:
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

var errZero = errors.New("throttle: zero value is not usable, use New")

// key returns where something is counted: of one length, whatever the parts.
func key(what string, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_ = binary.Write(h, binary.BigEndian, uint64(len(p)))
		h.Write([]byte(p))
	}
	return "throttle:" + what + ":" + base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// network returns what counts as one: an IPv4 address, or the /64 of an IPv6
// address, which one customer has.
func network(ip netip.Addr) string {
	ip = ip.Unmap()
	if !ip.IsValid() {
		return ""
	}
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	p, _ := ip.WithZone("").Prefix(bits) // of no family are there fewer
	return p.String()
}
