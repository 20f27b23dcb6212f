package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/throttle"
)

// newLimits returns the throttle that cfg describes. An Authenticator calls its Begin before it checks
// a password, as the examples do.
func newLimits(cfg throttle.Config) *throttle.Throttle {
	limits, err := throttle.New(memstore.New(), cfg)
	if err != nil {
		log.Fatal(err)
	}
	return limits
}

// A network has three guesses at an account and must then wait an hour. Other networks are not
// affected.
func ExampleConfig_freePerNetwork() {
	limits := newLimits(throttle.Config{FreePerNetwork: 3, FirstDelay: time.Hour, MaxDelay: 24 * time.Hour})
	for range 4 {
		err := limits.Begin(context.Background(), from("ada", "203.0.113.9"))
		if wait, ok := errors.AsType[*auth.RetryError](err); ok {
			fmt.Println("in", wait.After.Round(time.Minute))
			continue
		}
		fmt.Println(err)
	}
	fmt.Println(limits.Begin(context.Background(), from("ada", "192.0.2.1")))
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// in 1h0m0s
	// <nil>
}

// An account allows two guesses in 30 days, from however many addresses.
func ExampleConfig_maxPerAccount() {
	limits := newLimits(throttle.Config{MaxPerAccount: 2})
	for _, ip := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3"} {
		fmt.Println(limits.Begin(context.Background(), from("ada", ip)))
	}
	// Output:
	// <nil>
	// <nil>
	// auth: too many attempts
}

// One network may use up three of the guesses that an account allows. It has no others for 30 days.
func ExampleConfig_maxPerNetwork() {
	limits := newLimits(throttle.Config{MaxPerNetwork: 3})
	for range 4 {
		err := limits.Begin(context.Background(), from("ada", "203.0.113.9"))
		if wait, ok := errors.AsType[*auth.RetryError](err); ok {
			fmt.Println("in", wait.After.Round(24*time.Hour))
			continue
		}
		fmt.Println(err)
	}
	fmt.Println(limits.Begin(context.Background(), from("ada", "192.0.2.1")))
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// in 720h0m0s
	// <nil>
}

// A network that tries one password on many accounts may fail twice, and once more after an hour.
func ExampleConfig_networkBurst() {
	limits := newLimits(throttle.Config{NetworkBurst: 2, NetworkEvery: time.Hour}) // too few for an office
	for _, name := range []string{"ada", "grace", "joan"} {
		err := limits.Begin(context.Background(), from(name, "203.0.113.9"))
		if wait, ok := errors.AsType[*auth.RetryError](err); ok {
			fmt.Println(name, "in", wait.After.Round(time.Minute))
			continue
		}
		fmt.Println(name, err)
	}
	// Output:
	// ada <nil>
	// grace <nil>
	// joan in 1h0m0s
}

// A device that has logged in before has attempts of its own. Strangers do not use them up, and a
// thief who has the device gets no more than these.
func ExampleConfig_freePerDevice() {
	limits := newLimits(throttle.Config{MaxPerAccount: 1, FreePerDevice: 2, DeviceLifetime: 30 * 24 * time.Hour})
	ctx := context.Background()
	known := from("ada", "192.0.2.1")
	var err error
	if known.Device.Known, err = limits.Succeed(ctx, known); err != nil { // a login returns it as Tokens.DeviceToken
		log.Fatal(err)
	}
	for range 2 {
		fmt.Println("stranger:", limits.Begin(ctx, from("ada", "203.0.113.9")))
	}
	for range 3 {
		fmt.Println("device:", limits.Begin(ctx, known))
	}
	// Output:
	// stranger: <nil>
	// stranger: auth: too many attempts
	// device: <nil>
	// device: <nil>
	// device: auth: too many attempts
}

// An account is locked until its owner has proven their identity in another way, where a policy
// requires that.
func ExampleConfig_hardLock() {
	limits := newLimits(throttle.Config{MaxPerNetwork: 3, HardLock: 3})
	ctx := context.Background()
	for _, ip := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3"} {
		if err := limits.Begin(ctx, from("ada", ip)); err != nil {
			log.Fatal(err)
		}
	}
	err := limits.Begin(ctx, from("ada", "192.0.2.1"))
	if wait, ok := errors.AsType[*auth.RetryError](err); ok {
		fmt.Println(wait.After) // no delay unlocks it
	}
	fmt.Println(limits.Unlock(ctx, "ada"))
	fmt.Println(limits.Begin(ctx, from("ada", "192.0.2.1")))
	// Output:
	// 24h0m0s
	// <nil>
	// <nil>
}
