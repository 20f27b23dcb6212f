package passwords_test

import (
	"context"
	"log"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/passwords"
)

// The cost that takes about a quarter of a second on this machine, or the default
// where that is more. Hashes that were made at a lower one are replaced at the next
// login.
func ExampleBcrypt_Calibrate() {
	cost, took, err := passwords.Bcrypt{}.Calibrate(context.Background(), 250*time.Millisecond)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("bcrypt at cost %d takes %v", cost, took)
	hasher, err := passwords.NewBcrypt(max(cost, 12))
	if err != nil {
		log.Fatal(err)
	}
	_ = auth.Config{Hasher: hasher}
	// Output:
}
