package passwords

import (
	"context"
	"math"
	"time"
)

// defaultCalibration is a time that a person who logs in does not notice and that slows down
// guessing. OWASP and RFC 9106 section 4 leave the choice to each server.
const defaultCalibration = 250 * time.Millisecond

// Calibrate returns the cost for [NewBcrypt] whose time is nearest to target (0: 250 ms) on this
// machine, and that time. It takes less than a second: it measures the lowest cost, and each further
// cost takes twice the time of the one before. It returns ctx's error if ctx ends.
func (Bcrypt) Calibrate(ctx context.Context, target time.Duration) (cost int, took time.Duration, err error) {
	if took, err = hashTime(ctx, Bcrypt{minBcryptCost}); err != nil {
		return 0, 0, err
	}
	cost, took = bcryptCostFor(took, target)
	return cost, took, nil
}

// bcryptCostFor takes the next cost as long as its time is nearer to the target by ratio.
func bcryptCostFor(took, target time.Duration) (int, time.Duration) {
	t := float64(calibrationTarget(target))
	cost := minBcryptCost
	for ; cost < maxBcryptCost && float64(took)*float64(2*took) < t*t; cost++ {
		took *= 2
	}
	return cost, took
}

// Calibrate returns the parameters for [NewArgon2id] whose time is nearest to target (0: 250 ms) on
// this machine, and that time. Memory and lanes are those of a: RFC 9106 section 4 says to choose the
// memory first, as much as the server has for each hash that [Limit] allows at once, and then the
// passes. It takes a few seconds, or the time of three hashes if that is longer. It returns ctx's
// error if ctx ends.
func (a Argon2id) Calibrate(ctx context.Context, target time.Duration) (params string, took time.Duration, err error) {
	p := a.current()
	most := min(argon2MaxPasses, argon2MaxWork/p.memory)
	least := min(most, max(1, (argon2MinWork+p.memory-1)/p.memory))
	p.passes = least
	for range 3 { // the first pass takes longer, because the system allocates the memory
		if took, err = hashTime(ctx, Argon2id{params: p}); err != nil {
			return "", 0, err
		}
		fit := math.Round(float64(p.passes) * float64(calibrationTarget(target)) / float64(took))
		passes := min(most, max(least, int(min(fit, argon2MaxPasses))))
		if passes == p.passes {
			break
		}
		took = took * time.Duration(passes) / time.Duration(p.passes)
		p.passes = passes
	}
	return p.String(), took, nil
}

// hashTime returns the shortest time of up to three hashes, which was disturbed least. After half a
// second it makes no further hash.
func hashTime(ctx context.Context, h Hasher) (least time.Duration, err error) {
	begin := time.Now()
	for run := 0; run == 0 || run < 3 && time.Since(begin) < time.Second/2; run++ {
		start := time.Now()
		if _, err := h.Hash(ctx, "a password to measure by"); err != nil {
			return 0, err
		}
		if took := max(1, time.Since(start)); least == 0 || took < least {
			least = took
		}
	}
	return least, nil
}

func calibrationTarget(target time.Duration) time.Duration {
	if target <= 0 {
		return defaultCalibration
	}
	return target
}
