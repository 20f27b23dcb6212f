package passwords_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth/passwords"
)

// TestCalibrate asks for times that are far apart, where time stands still while a
// hash is made: whatever is measured took a nanosecond.
func TestCalibrate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testCalibrate)
}

func testCalibrate(t *testing.T) {
	least, took, err := passwords.Bcrypt{}.Calibrate(t.Context(), 1)
	if err != nil || least != 10 || took != 1 {
		t.Errorf("bcrypt for a nanosecond: cost %d, %v, %v", least, took, err)
	}
	// Cost 10 is measured and the others are inferred, for each takes twice the time of the one before.
	most, slow, err := passwords.Bcrypt{}.Calibrate(t.Context(), time.Hour)
	if err != nil || most != 15 || slow != 32*took {
		t.Errorf("bcrypt for an hour: cost %d, %v, %v", most, slow, err)
	}

	for target, want := range map[time.Duration]string{1: "m=19456,t=2,p=1", time.Hour: "m=19456,t=20,p=1"} {
		params, took, err := passwords.Argon2id{}.Calibrate(t.Context(), target)
		if err != nil || params != want || took != 1 {
			t.Errorf("Argon2id for %v: %s, %v, %v", target, params, took, err)
		}
		if _, err := passwords.NewArgon2id(params); err != nil {
			t.Errorf("NewArgon2id refuses what Calibrate returned: %v", err)
		}
	}
}

// TestCalibrateNearest: the answer is the nearest, not the first that is above.
func TestCalibrateNearest(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		cost10, target time.Duration
		want           int
	}{
		{60, 250, 12}, {60, 60, 10}, {60, 1, 10}, {60, 84, 10}, {60, 86, 11}, {60, 240, 12}, {60, 350, 13}, {60, 1e6, 15},
		{300, 250, 10}, {1, 0, 15}, // nanoseconds, against the default of 250 ms
	} {
		if got, took := passwords.BcryptCostFor(row.cost10, row.target); got != row.want || took != row.cost10<<(got-10) {
			t.Errorf("where cost 10 takes %d and %d is wanted: %d, %d, want %d", row.cost10, row.target, got, took, row.want)
		}
	}
}

func TestCalibrateContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := (passwords.Bcrypt{}).Calibrate(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("bcrypt: %v", err)
	}
	if _, _, err := (passwords.Argon2id{}).Calibrate(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("Argon2id: %v", err)
	}
}
