package throttle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
)

// Config configures a [Throttle]. Its zero value is the safe choice.
type Config struct {
	// MaxPerAccount and MaxPerNetwork are how many attempts at an account may fail in any 30 days:
	// from all networks together, and from one network. A network then waits until its oldest failure
	// is 30 days old. A login that succeeds is no failure, but forgives none here. 0: 100, and a tenth
	// of MaxPerAccount; from 1 to 100, and from 1 to MaxPerAccount.
	MaxPerAccount, MaxPerNetwork int

	// FreePerNetwork and FreePerDevice are how many attempts in a row may fail without a delay: at an
	// account from one network, and at an account from a known device. 0: 5 and 10; from 1 to 100.
	FreePerNetwork, FreePerDevice int

	// FirstDelay is how long the first attempt after those must wait. Each further failure doubles
	// the delay, up to MaxDelay. A login from the network or device that succeeds ends the delay; for
	// a device also MaxDelay for each failure does. 0: 1 minute and 12 hours; from 1 second to 7 days.
	FirstDelay, MaxDelay time.Duration

	// NetworkBurst is how many failures one network may have at once, whatever the accounts.
	// NetworkEvery is how long it takes until one more is allowed. The /48 of an IPv6 address may have
	// four times as many. 0: 100 and 1 minute; from 1 to 100,000 and from 1 ms to 1 hour.
	NetworkBurst int
	NetworkEvery time.Duration

	// HardLock, if not 0, is how many failures in a row lock an account. A locked account accepts its
	// password from known devices alone, until [Throttle.Unlock]. Strangers can then lock accounts.
	// 0: never; from MaxPerNetwork to 1,000.
	HardLock int

	// DeviceLifetime is how long a device stays known after its last login. 0: 180 days; from 1 hour
	// to 730 days.
	DeviceLifetime time.Duration
}

// Throttle is an [auth.Throttle]. It is safe for concurrent use. Make one with [New].
type Throttle struct {
	records        *records
	account        budget // an account from devices that are not known
	device         delays // an account from a known device
	network        rate   // an IPv4 address or an IPv6 /64, whatever the accounts
	site           rate   // an IPv6 /48, whatever the accounts
	deviceLifetime time.Duration
}

// sitesAsNetworks is how many times the failures of a /64 the /48 around it may have.
const sitesAsNetworks = 4

// New returns a Throttle that counts in store, or every fault of the configuration as a
// [*cfgerr.Error]. Attempts that change one record at the same time are counted with one call of the
// store. Its context has no values, and ends after 10 seconds.
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
	perAccount := cfgerr.Within(&faults, "MaxPerAccount", cfg.MaxPerAccount, 100, 1, maxFailures)
	perNetwork := cfgerr.Within(&faults, "MaxPerNetwork", cfg.MaxPerNetwork, max(perAccount/10, 1), 1, max(perAccount, 1))
	t := &Throttle{
		records: &records{store: store, queues: make(map[string]*queue)},
		account: budget{
			perAccount: perAccount,
			perNetwork: perNetwork,
			delays:     limit("FreePerNetwork", cfg.FreePerNetwork, 5),
			lock:       cfgerr.Within(&faults, "HardLock", cfg.HardLock, 0, perNetwork, 1000),
		},
		device: limit("FreePerDevice", cfg.FreePerDevice, 10),
		network: rate{
			burst: cfgerr.Within(&faults, "NetworkBurst", cfg.NetworkBurst, 100, 1, 100_000),
			every: cfgerr.Within(&faults, "NetworkEvery", cfg.NetworkEvery, time.Minute, time.Millisecond, time.Hour),
		},
		deviceLifetime: cfgerr.Within(&faults, "DeviceLifetime", cfg.DeviceLifetime, 180*day, time.Hour, 730*day),
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	t.site = rate{burst: sitesAsNetworks * t.network.burst, every: t.network.every / sitesAsNetworks}
	return t, nil
}

// undoTime bounds the work for a client that may have hung up.
const undoTime = 10 * time.Second

// Begin implements [auth.Throttle].
func (t *Throttle) Begin(ctx context.Context, a auth.Attempt) error {
	if a.Proven {
		return nil
	}
	c, err := t.countsOf(ctx, a)
	switch {
	case err != nil:
		return err
	case c.known:
		wait, err := t.update(ctx, c.device, bucket.take)
		return refuse(wait, err)
	}
	if c.account == "" {
		return t.takeNetworks(ctx, c)
	}
	// The account is looked at first and counted last: a network that has no attempts left there
	// reads one record, and writes none.
	wait, sharedOut, err := t.updateAccount(ctx, c, budget.look)
	if err != nil || wait > 0 && !sharedOut {
		return refuse(wait, err)
	}
	if err := t.takeNetworks(ctx, c); err != nil {
		return err
	}
	if wait > 0 { // because of all networks together: trying again is not free for any of them
		return refuse(wait, nil)
	}
	wait, sharedOut, err = t.updateAccount(ctx, c, budget.take)
	if err := refuse(wait, err); err != nil {
		if !sharedOut {
			err = errors.Join(err, t.giveBack(ctx, c.networks))
		}
		return err
	}
	return nil
}

// takeNetworks counts an attempt for each of its networks, or for none if one refuses it.
func (t *Throttle) takeNetworks(ctx context.Context, c counts) error {
	for i, n := range c.networks {
		wait, err := t.update(ctx, n, bucket.take)
		if err := refuse(wait, err); err != nil {
			return errors.Join(err, t.giveBack(ctx, c.networks[:i]))
		}
	}
	return nil
}

// refuse returns the error of an attempt that has to wait, or failed.
func refuse(wait time.Duration, failed error) error {
	if failed == nil && wait > 0 {
		return &auth.RetryError{Err: auth.ErrTooManyAttempts, After: max(wait, time.Second)}
	}
	return failed
}

// Undo implements [auth.Throttle].
func (t *Throttle) Undo(ctx context.Context, a auth.Attempt) error {
	if a.Proven {
		return nil
	}
	c, err := t.countsOf(ctx, a)
	switch {
	case err != nil:
		return err
	case c.known:
		return t.giveBack(ctx, []counter{c.device})
	case c.account == "":
		return t.giveBack(ctx, c.networks)
	}
	_, _, err = t.updateAccount(ctx, c, budget.giveBack)
	return errors.Join(err, t.giveBack(ctx, c.networks))
}

// giveBack undoes the take of each counter, also for a client that has hung up.
func (t *Throttle) giveBack(ctx context.Context, counters []counter) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	for _, c := range counters {
		_, failed := t.update(ctx, c, bucket.giveBack)
		err = errors.Join(err, failed)
	}
	return err
}

// Succeed implements [auth.Throttle]. The attempt no longer counts, and the network of the device is no
// longer delayed by its earlier failures at the account. They still count: a login of the owner gives
// strangers no more guesses. A login from a known device forgets the failures of that
// device alone. A success at a target is one at the account, too.
func (t *Throttle) Succeed(ctx context.Context, a auth.Attempt) (auth.DeviceToken, error) {
	c, err := t.countsOf(ctx, a)
	if err != nil {
		return "", err
	}
	if c.account == "" && !c.known {
		return "", t.giveBack(ctx, c.networks)
	}
	if a.Proven || a.Target != "" {
		err = t.forgive(ctx, a, c)
	}
	switch {
	case a.Proven: // Begin has counted nothing
	case c.known:
		_, failed := t.update(ctx, c.device, bucket.succeed)
		err = errors.Join(err, failed)
	default:
		_, _, failed := t.updateAccount(ctx, c, budget.succeed)
		err = errors.Join(err, failed, t.giveBack(ctx, c.networks))
	}
	if !c.known {
		a.Device.Known = newDeviceToken()
	}
	token, failed := t.remember(ctx, a)
	return token, errors.Join(err, failed)
}

// forgive forgets the failures at the account itself from the device of an attempt, or from its network,
// and those at its target.
func (t *Throttle) forgive(ctx context.Context, a auth.Attempt, c counts) error {
	var failed error
	if a.Proven && a.Target != "" {
		failed = t.forgiveOne(ctx, c)
	}
	a.Target = ""
	c, err := t.countsOf(ctx, a)
	if err != nil {
		return errors.Join(failed, err)
	}
	return errors.Join(failed, t.forgiveOne(ctx, c))
}

func (t *Throttle) forgiveOne(ctx context.Context, c counts) (err error) {
	switch {
	case c.known:
		_, err = t.update(ctx, c.device, bucket.succeed)
	case c.network != 0:
		_, _, err = t.updateAccount(ctx, c, budget.forgive)
	}
	return err
}

// Unlock forgets the failures at the password of an account from devices that are not known, and with
// them the lock of [Config].HardLock. Call it with the canonical username once the owner has proven
// their identity in another way.
func (t *Throttle) Unlock(ctx context.Context, username string) error {
	_, _, err := t.updateAccount(ctx, counts{account: key("account", username), budget: t.account}, budget.forget)
	return err
}

// Forget implements [auth.Throttle]: [auth.Authenticator.Delete] calls it. A host that deletes accounts
// by other means calls it with the canonical username.
func (t *Throttle) Forget(ctx context.Context, username string, targets ...string) error {
	devices := key("devices", username)
	r, now, err := t.records.store.Record(ctx, devices)
	if err != nil {
		return fmt.Errorf("throttle: %w", err)
	}
	keys := []string{key("account", username)}
	for _, target := range targets {
		keys = append(keys, key("target.account", target))
	}
	for _, d := range t.decodeDevices(r.Value, now) {
		keys = append(keys, deviceKey(d.digest), knownKey("", username, d.digest))
		for _, target := range targets {
			keys = append(keys, knownKey("target.", target, d.digest))
		}
	}
	for _, k := range append(keys, devices) { // the list last, so that a failure can be repeated
		if err := t.records.change(ctx, k, remove); err != nil {
			return err
		}
	}
	return nil
}
