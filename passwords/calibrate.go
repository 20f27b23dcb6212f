package passwords

import (
	"context"
	"math"
	"time"
)

// defaultCalibration is a time that a person at a login does not notice and a
// guesser does: what OWASP and RFC 9106 section 4 leave to each server.
const defaultCalibration = 250 * time.Millisecond

// Calibrate returns the cost for [NewBcrypt] whose time is nearest target (0:
// 250 ms) on this machine, and that time. It takes less than a second, for each
// cost takes twice the time of the one before. It returns ctx's error if ctx
// ends.
func (Bcrypt) Calibrate(ctx context.Context, target time.Duration) (cost int, took time.Duration, err error) {
	if took, err = hashTime(ctx, Bcrypt{minBcryptCost}); err != nil {
		return 0, 0, err
	}
	cost, took = bcryptCostFor(took, target)
	return cost, took, nil
}

// bcryptCostFor takes the next cost while its time is nearer the target by ratio.
func bcryptCostFor(took, target time.Duration) (int, time.Duration) {
	t := float64(calibrationTarget(target))
	cost := minBcryptCost
	for ; cost < maxBcryptCost && float64(took)*float64(2*took) < t*t; cost++ {
		took *= 2
	}
	return cost, took
}

// Calibrate returns the parameters for [NewArgon2id] whose time is nearest target
// (0: 250 ms) on this machine, and that time. Memory and lanes are the receiver's,
// as RFC 9106 section 4 says: first as much memory as the server has for each of
// the hashes that [Limit] lets be under way at once, then the passes. It takes a
// few seconds, or that of three hashes if one takes longer. It returns ctx's error
// if ctx ends.
func (a Argon2id) Calibrate(ctx context.Context, target time.Duration) (params string, took time.Duration, err error) {
	p := a.current()
	most := min(argon2MaxPasses, argon2MaxWork/p.memory)
	least := min(most, max(1, (argon2MinWork+p.memory-1)/p.memory))
	p.passes = least
	for range 3 { // the first pass takes longer than the others: the system hands out the memory
		if took, err = hashTime(ctx, Argon2id{p}); err != nil {
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

// hashTime returns the least time of up to three hashes: the one that was
// disturbed least. It makes no further one after half a second.
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
