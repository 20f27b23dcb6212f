package passwords_test

import (
	"context"
	"fmt"
	"log"
	"sync"

	"github.com/seed-e36e2130/auth/passwords"
)

// measured is a Hasher that knows how many of its hashes were under way at once.
type measured struct {
	passwords.Hasher
	mu        sync.Mutex
	now, most int
}

func (m *measured) Hash(ctx context.Context, password string) (string, error) {
	m.count(1)
	defer m.count(-1)
	return m.Hasher.Hash(ctx, password)
}

func (m *measured) count(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now += n
	m.most = max(m.most, m.now)
}

// Two processors for passwords, however many register or log in: the rest wait in
// turn. It goes into Config.Hasher.
func ExampleLimit() {
	bcrypt, err := passwords.NewBcrypt(10)
	if err != nil {
		log.Fatal(err)
	}
	hasher := &measured{Hasher: bcrypt}
	limited := passwords.Limit(hasher, 2)
	var callers sync.WaitGroup
	for range 6 {
		callers.Go(func() {
			if _, err := limited.Hash(context.Background(), "correct horse battery"); err != nil {
				log.Fatal(err)
			}
		})
	}
	callers.Wait()
	fmt.Println(hasher.most <= 2)
	// Output: true
}
