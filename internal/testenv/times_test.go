package testenv_test

import (
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/internal/testenv"
)

func TestAUC(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		x, y []time.Duration
		want float64
	}{
		{[]time.Duration{1, 2}, []time.Duration{3, 4}, 1},
		{[]time.Duration{4, 3}, []time.Duration{1, 2}, 0},
		{[]time.Duration{2, 2}, []time.Duration{2}, 0.5},
		{[]time.Duration{3, 1, 2}, []time.Duration{2, 4}, 0.75}, // (1.5 + 3) / 6
	} {
		if got := testenv.AUC(row.x, row.y); got != row.want {
			t.Errorf("AUC(%v, %v) is %v, want %v", row.x, row.y, got, row.want)
		}
	}
}
