package authtest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
)

// valueRules say that what is in a session comes back as it went in.
func valueRules() []rule[auth.SessionStore] {
	return []rule[auth.SessionStore]{
		{name: "Values/Times", holds: "Times come back in UTC and to the microsecond.", check: checkSessionTimes},
		{name: "Values/Device", holds: "User agent and IP come back as they were, unknown ones too.", check: checkDevices},
		{name: "Values/State", holds: "State comes back byte for byte, up to 512 bytes.", check: checkStates},
		{name: "Values/Version", holds: "Version is a whole number of 63 bits.", check: checkVersions},
	}
}

// swapRules say what the compare-and-swap of a session means.
func swapRules() []rule[auth.SessionStore] {
	return []rule[auth.SessionStore]{
		{name: "Replace", holds: "ReplaceSession sets what can change of one session, and nothing of others.", check: checkReplaceSession},
		{name: "ReplaceConflict", holds: "If the stored Version is another, it is ErrConflict, and nothing has changed.", check: checkReplaceSessionConflict},
	}
}

// endRules say what ending sessions means.
func endRules() []rule[auth.SessionStore] {
	return []rule[auth.SessionStore]{
		{name: "Delete", holds: "A deleted session is gone, and no other.", check: checkDeleteSession},
		{name: "DeleteUser", holds: "DeleteUserSessions removes every session of the user, and of nobody else.", check: checkDeleteUser},
		{name: "DeleteOthers", holds: "DeleteUserSessions spares the one that it is told to.", check: checkDeleteOthers},
	}
}

// replaced expects ReplaceSession to succeed.
func replaced(ctx context.Context, s auth.SessionStore, old, replacement auth.Session) error {
	return answers("ReplaceSession", s.ReplaceSession(ctx, old, replacement), nil)
}

// roundTrips stores each variant of a session, by CreateSession and by
// ReplaceSession, and expects it back.
func roundTrips(s auth.SessionStore, variants int, vary func(i int, one *auth.Session)) error {
	ctx, cancel := background()
	defer cancel()
	other := login(999, "bob")
	if err := createSessions(ctx, s, other); err != nil {
		return err
	}
	for i := range variants {
		one := login(i, "alice")
		vary(i, &one)
		if err := createSessions(ctx, s, one); err != nil {
			return err
		}
		if err := keptSessions(ctx, s, one); err != nil {
			return err
		}
		next := other
		next.Version++
		vary(i, &next)
		if err := replaced(ctx, s, other, next); err != nil {
			return err
		}
		if err := keptSessions(ctx, s, next); err != nil {
			return err
		}
		other = next
	}
	return nil
}

func checkSessionTimes(s auth.SessionStore) error {
	offsets := []time.Duration{time.Microsecond, 999999 * time.Microsecond, 500 * time.Millisecond, 0}
	if err := roundTrips(s, len(offsets), func(i int, one *auth.Session) {
		one.LastUsedAt = one.CreatedAt.Add(30*24*time.Hour + offsets[i])
		one.ExpiresAt = one.CreatedAt.Add(20*365*24*time.Hour + offsets[i]) // past 2038
	}); err != nil {
		return err
	}
	ctx, cancel := background()
	defer cancel()
	one, _, err := s.Session(ctx, login(0, "").ID)
	if err := answers("Session", err, nil); err != nil {
		return err
	}
	for _, t := range []time.Time{one.CreatedAt, one.LastUsedAt, one.ExpiresAt} {
		if t.Location() != time.UTC {
			return fmt.Errorf("Session returned the time %v, want UTC", t)
		}
	}
	return nil
}

func checkDevices(s auth.SessionStore) error {
	devices := []auth.Device{
		{},
		{UserAgent: "curl/8.14.1"},
		{IP: netip.MustParseAddr("2001:db8::1")},
		{UserAgent: strings.Repeat("\U0001f600", 64), IP: netip.MustParseAddr("2001:db8:1111:2222:3333:4444:5555:6666")},
		{UserAgent: `'; DROP TABLE sessions; -- \ " % _ `, IP: netip.MustParseAddr("255.255.255.255")},
		{UserAgent: strings.Repeat("a", 256), IP: netip.MustParseAddr("0.0.0.0")},
	}
	return roundTrips(s, len(devices), func(i int, one *auth.Session) { one.Device = devices[i] })
}

func checkStates(s auth.SessionStore) error {
	every := make([]byte, 512)
	for i := range every {
		every[i] = byte(i)
	}
	states := [][]byte{nil, {0}, []byte("text "), every[:256], every, []byte("\xff\xfe'\\x00"), make([]byte, 512)}
	return roundTrips(s, len(states), func(i int, one *auth.Session) { one.State = states[i] })
}

func checkVersions(s auth.SessionStore) error {
	versions := []int64{1, 1 << 31, 1 << 53, 1<<53 + 1, 1<<63 - 1}
	return roundTrips(s, len(versions), func(i int, one *auth.Session) { one.Version = versions[i] })
}

func checkReplaceSession(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	one, two, three := login(1, "alice"), login(2, "alice"), login(3, "bob")
	if err := createSessions(ctx, s, one, two, three); err != nil {
		return err
	}
	for i := range 3 {
		next := one
		next.LastUsedAt, next.ExpiresAt = one.LastUsedAt.Add(time.Hour), one.ExpiresAt.Add(time.Hour)
		next.Device = auth.Device{UserAgent: fmt.Sprintf("agent %d", i), IP: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})}
		next.Version++
		next.State = fmt.Appendf(nil, "state %d", i)
		if err := replaced(ctx, s, one, next); err != nil {
			return err
		}
		one = next
		if err := keptSessions(ctx, s, one, two, three); err != nil {
			return err
		}
	}
	if err := listed(ctx, s, "alice", one, two); err != nil {
		return err
	}
	return listed(ctx, s, "bob", three)
}

func checkReplaceSessionConflict(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	one := login(1, "alice")
	one.Version = 5
	if err := createSessions(ctx, s, one, login(2, "alice")); err != nil {
		return err
	}
	for _, version := range []int64{0, 4, 6, 1 << 40} {
		// Only the Version counts: also if all else is as it is stored, and if the
		// replacement has the Version that is stored.
		old, next := one, one
		old.Version, next.Version = version, version+1
		next.State, next.LastUsedAt = []byte("other"), one.LastUsedAt.Add(time.Hour)
		for _, replacement := range []auth.Session{next, one} {
			if err := answers("ReplaceSession of another Version", s.ReplaceSession(ctx, old, replacement), auth.ErrConflict); err != nil {
				return err
			}
			if err := keptSessions(ctx, s, one); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkDeleteSession(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	one, two, three := login(1, "alice"), login(2, "alice"), login(3, "bob")
	if err := createSessions(ctx, s, one, two, three); err != nil {
		return err
	}
	if err := answers("DeleteSession", s.DeleteSession(ctx, one.ID, epoch.Add(time.Hour)), nil); err != nil {
		return err
	}
	if err := gone(ctx, s, one); err != nil {
		return err
	}
	if err := keptSessions(ctx, s, two, three); err != nil {
		return err
	}
	return listed(ctx, s, "alice", two)
}

// gone returns an error unless the session is not there for any method, nor to be
// brought back.
func gone(ctx context.Context, s auth.SessionStore, one auth.Session) error {
	next := one
	next.Version++
	return errors.Join(
		absentSessions(ctx, s, one.ID),
		answers("ReplaceSession of one that was deleted", s.ReplaceSession(ctx, one, next), auth.ErrConflict),
		answers("DeleteSession of one that was deleted", s.DeleteSession(ctx, one.ID, epoch.Add(time.Hour)), auth.ErrSessionNotFound),
		absentSessions(ctx, s, one.ID),
	)
}

func checkDeleteUser(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	one, two, three := login(1, "alice"), login(2, "alice"), login(3, "bob")
	if err := createSessions(ctx, s, one, two, three); err != nil {
		return err
	}
	for range 2 { // the second time there are none
		if err := answers("DeleteUserSessions", s.DeleteUserSessions(ctx, "alice", "", epoch, epoch.Add(time.Hour)), nil); err != nil {
			return err
		}
		if err := errors.Join(gone(ctx, s, one), gone(ctx, s, two), listed(ctx, s, "alice"), keptSessions(ctx, s, three), listed(ctx, s, "bob", three)); err != nil {
			return err
		}
	}
	// New ones are not held back.
	four := login(4, "alice")
	if err := createSessions(ctx, s, four); err != nil {
		return err
	}
	return errors.Join(keptSessions(ctx, s, four), listed(ctx, s, "alice", four))
}

func checkDeleteOthers(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	one, two, three, four := login(1, "alice"), login(2, "alice"), login(3, "alice"), login(4, "bob")
	if err := createSessions(ctx, s, one, two, three, four); err != nil {
		return err
	}
	if err := answers("DeleteUserSessions", s.DeleteUserSessions(ctx, "alice", two.ID, epoch, epoch.Add(time.Hour)), nil); err != nil {
		return err
	}
	if err := errors.Join(gone(ctx, s, one), gone(ctx, s, three), keptSessions(ctx, s, two, four), listed(ctx, s, "alice", two)); err != nil {
		return err
	}
	// To spare a session that is another's, or none, spares none.
	for _, except := range []string{four.ID, one.ID} {
		if err := answers("DeleteUserSessions", s.DeleteUserSessions(ctx, "alice", except, epoch, epoch.Add(time.Hour)), nil); err != nil {
			return err
		}
		if err := errors.Join(listed(ctx, s, "alice"), keptSessions(ctx, s, four)); err != nil {
			return err
		}
	}
	return nil
}
