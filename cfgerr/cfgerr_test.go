package cfgerr_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/cfgerr"
)

func TestFaultsFindsEach(t *testing.T) {
	t.Parallel()
	f := cfgerr.Faults{Prefix: "x.Config."}
	if f.Err() != nil {
		t.Fatalf("no fault was added: %v", f.Err())
	}
	other := errors.New("auth: another constructor's")
	f.Require("There", true)
	f.Require("Missing", false)
	f.Add("Name", "a\"b", "must not hold a quote")
	f.Join(nil)
	f.Join(other)
	f.Join(errors.Join(errors.New("first"), errors.New("second")))
	err := f.Err()
	const want = "auth: x.Config.Missing: is required\n" +
		"auth: x.Config.Name \"a\\\"b\": must not hold a quote\n" +
		"auth: another constructor's\nfirst\nsecond"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if one, ok := errors.AsType[*cfgerr.Error](err); !ok || one.Field != "x.Config.Missing" {
		t.Errorf("the first fault is %+v", one)
	}
	if list := err.(interface{ Unwrap() []error }).Unwrap(); len(list) != 5 {
		t.Errorf("%d faults, want 5 beside each other", len(list))
	}
	if !errors.Is(err, other) {
		t.Error("what was joined is not found by errors.Is")
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		value, want time.Duration
		fault       string
	}{
		{0, time.Minute, ""},
		{time.Second, time.Second, ""},
		{time.Hour, time.Hour, ""},
		{time.Second - 1, time.Minute, `auth: Life "999.999999ms": must be 0 or 1s to 1h0m0s`},
		{time.Hour + 1, time.Minute, `auth: Life "1h0m0.000000001s": must be 0 or 1s to 1h0m0s`},
		{-1, time.Minute, `auth: Life "-1ns": must be 0 or 1s to 1h0m0s`},
	} {
		var f cfgerr.Faults
		got := cfgerr.Within(&f, "Life", row.value, time.Minute, time.Second, time.Hour)
		fault := ""
		if err := f.Err(); err != nil {
			fault = strings.TrimSpace(err.Error())
		}
		if got != row.want || fault != row.fault {
			t.Errorf("%v: got %v with %q, want %v with %q", row.value, got, fault, row.want, row.fault)
		}
	}
}
