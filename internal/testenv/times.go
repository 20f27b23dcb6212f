package testenv

import (
	"slices"
	"testing"
	"time"
)

// HoldAlike compares the durations of each kind with those of the first kind, and reports the
// results as metrics of b: see [AUC]. If a kind has at least 2,000 durations, b fails unless its
// result is 0.48 to 0.52.
func HoldAlike(b *testing.B, kinds []string, took map[string][]time.Duration) {
	b.Helper()
	for _, kind := range kinds[1:] {
		auc, n := AUC(took[kinds[0]], took[kind]), len(took[kind])
		b.ReportMetric(auc, "auc-"+kind)
		if n >= 2000 && (auc < 0.48 || auc > 0.52) {
			b.Errorf("%s: the AUC of %d durations is %.4f, want 0.48 to 0.52", kind, n, auc)
		}
	}
}

// AUC returns the probability that a random element of y is greater than a random element of x,
// where a tie counts one half (the Mann-Whitney statistic). At 0.5, a duration does not reveal its
// kind.
func AUC(x, y []time.Duration) float64 {
	x = slices.Sorted(slices.Values(x))
	sum := 0
	for _, v := range y {
		below, _ := slices.BinarySearch(x, v)
		upTo, _ := slices.BinarySearch(x, v+1)
		sum += below + upTo
	}
	return float64(sum) / 2 / float64(len(x)) / float64(len(y))
}
