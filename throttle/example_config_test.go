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

// slowed returns the throttle that cfg describes. An Authenticator asks its
// Begin before it looks at a password, as the examples do.
func slowed(cfg throttle.Config) *throttle.Throttle {
	slow, err := throttle.New(memstore.New(), cfg)
	if err != nil {
		log.Fatal(err)
	}
	return slow
}

// Three guesses, and then an hour until the next: for who guesses, and for nobody
// else.
func ExampleConfig_freePerNetwork() {
	slow := slowed(throttle.Config{FreePerNetwork: 3, FirstDelay: time.Hour, MaxDelay: 24 * time.Hour})
	for range 4 {
		err := slow.Begin(context.Background(), from("ada", "203.0.113.9"))
		if wait, ok := errors.AsType[*auth.RetryError](err); ok {
			fmt.Println("in", wait.After.Round(time.Minute))
			continue
		}
		fmt.Println(err)
	}
	fmt.Println(slow.Begin(context.Background(), from("ada", "192.0.2.1")))
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// in 1h0m0s
	// <nil>
}

// Guesses at one account from everywhere.
func ExampleConfig_freePerAccount() {
	slow := slowed(throttle.Config{FreePerAccount: 2})
	for _, ip := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3"} {
		fmt.Println(slow.Begin(context.Background(), from("ada", ip)))
	}
	// Output:
	// <nil>
	// <nil>
	// auth: too many attempts
}

// One password tried on everybody: what a network may get wrong in all, and when
// once more.
func ExampleConfig_networkBurst() {
	slow := slowed(throttle.Config{NetworkBurst: 2, NetworkEvery: time.Hour}) // an office needs more
	for _, name := range []string{"ada", "grace", "joan"} {
		err := slow.Begin(context.Background(), from(name, "203.0.113.9"))
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

// A device that has logged in before has tries of its own: strangers do not use them
// up, and whoever stole the device does not get more than these.
func ExampleConfig_freePerDevice() {
	slow := slowed(throttle.Config{FreePerAccount: 1, FreePerDevice: 2, DeviceLifetime: 30 * 24 * time.Hour})
	ctx := context.Background()
	known := from("ada", "192.0.2.1")
	var err error
	if known.Device.Known, err = slow.Succeed(ctx, known); err != nil { // Tokens.DeviceToken of a login
		log.Fatal(err)
	}
	for range 2 {
		fmt.Println("stranger:", slow.Begin(ctx, from("ada", "203.0.113.9")))
	}
	for range 3 {
		fmt.Println("device:", slow.Begin(ctx, known))
	}
	// Output:
	// stranger: <nil>
	// stranger: auth: too many attempts
	// device: <nil>
	// device: <nil>
	// device: auth: too many attempts
}

// An account that is locked until its owner has shown who they are, where a rule asks
// for that.
func ExampleConfig_hardLock() {
	slow := slowed(throttle.Config{FreePerAccount: 3, HardLock: 3})
	ctx := context.Background()
	for _, ip := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3"} {
		if err := slow.Begin(ctx, from("ada", ip)); err != nil {
			log.Fatal(err)
		}
	}
	err := slow.Begin(ctx, from("ada", "192.0.2.1"))
	if wait, ok := errors.AsType[*auth.RetryError](err); ok {
		fmt.Println(wait.After) // the same tomorrow
	}
	fmt.Println(slow.Unlock(ctx, "ada"))
	fmt.Println(slow.Begin(ctx, from("ada", "192.0.2.1")))
	// Output:
	// 24h0m0s
	// <nil>
	// <nil>
}
