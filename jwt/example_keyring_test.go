package jwt_test

import (
	"context"
	"fmt"
	"log"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwt"
)

// The audit log records that keys were replaced.
func ExampleKeyRing_OnReplace() {
	var both [2]jwt.Key
	for i := range both {
		key, err := jwt.GenerateKey(jwt.EdDSA)
		if err != nil {
			log.Fatal(err)
		}
		if both[i], err = key.WithID(fmt.Sprintf("key-%d", i+1)); err != nil {
			log.Fatal(err)
		}
	}
	keys, err := jwt.NewKeyRing(both[0])
	if err != nil {
		log.Fatal(err)
	}
	audit := func(_ context.Context, e auth.Event) { fmt.Println(e.Kind, e.KeyID) } // auth.LogEvents writes to slog
	keys.OnReplace(func(ctx context.Context, keyID string) {
		audit(ctx, auth.Event{Kind: auth.EventKeyRotated, KeyID: keyID})
	})
	fmt.Println(keys.Replace(both[0])) // the same keys as before: no event
	fmt.Println(keys.Replace(both[1], both[0]))
	// Output:
	// <nil>
	// key_rotated key-2
	// <nil>
}
