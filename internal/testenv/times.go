package testenv

import (
	"slices"
	"testing"
	"time"
)

// HoldAlike reports, as metrics of b, what the times of each later kind tell from
// those of the first: see [AUC]. With 2,000 of a kind and more it fails b beyond 0.48
// to 0.52.
func HoldAlike(b *testing.B, kinds []string, took map[string][]time.Duration) {
	b.Helper()
	for _, kind := range kinds[1:] {
		p, n := AUC(took[kinds[0]], took[kind]), len(took[kind])
		b.ReportMetric(p, "auc-"+kind)
		if n >= 2000 && (p < 0.48 || p > 0.52) {
			b.Errorf("%s: an AUC of %.4f from %d", kind, p, n)
		}
	}
}

// AUC returns the chance that one of y is greater than one of x, ties half: the
// Mann-Whitney statistic.
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
