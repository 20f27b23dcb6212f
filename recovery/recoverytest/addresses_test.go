package recoverytest_test

import (
	"testing"

	"github.com/seed-e36e2130/auth/recovery"
	"github.com/seed-e36e2130/auth/recovery/recoverytest"
)

func TestMemoryAddresses(t *testing.T) {
	t.Parallel()
	recoverytest.TestAddresses(t, func(*testing.T) (recovery.Addresses, string, string) {
		return recovery.NewMemoryAddresses(), "u1", "u2"
	})
}
