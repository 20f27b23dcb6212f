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

// valueRules are the rules that the fields of a session come back unchanged.
func valueRules() []rule[auth.SessionStore] {
	return []rule[auth.SessionStore]{
		{name: "Values/Times", holds: "Times come back in UTC and to the microsecond.", check: checkSessionTimes},
		{name: "Values/Device", holds: "User agent and IP come back unchanged, even if they are unknown.", check: checkDevices},
		{name: "Values/State", holds: "State comes back byte for byte, up to 512 bytes.", check: checkStates},
		{name: "Values/Version", holds: "Version is an integer of 63 bits.", check: checkVersions},
	}
}

// swapRules are the rules for the compare-and-swap of a session.
func swapRules() []rule[auth.SessionStore] {
	return []rule[auth.SessionStore]{
		{name: "Replace", holds: "ReplaceSession sets the fields of one session that may change, and changes no other session.", check: checkReplaceSession},
		{name: "ReplaceConflict", holds: "ReplaceSession returns ErrConflict if the stored Version is another, and then nothing has changed.", check: checkReplaceSessionConflict},
	}
}

// endRules are the rules for ending sessions.
func endRules() []rule[auth.SessionStore] {
	return []rule[auth.SessionStore]{
		{name: "Delete", holds: "DeleteSession removes one session and no other.", check: checkDeleteSession},
		{name: "DeleteUser", holds: "DeleteUserSessions removes all sessions of the user and no others.", check: checkDeleteUser},
		{name: "DeleteOthers", holds: "DeleteUserSessions keeps the session whose ID is except.", check: checkDeleteOthers},
	}
}

// replaced expects ReplaceSession to succeed.
func replaced(ctx context.Context, s auth.SessionStore, old, replacement auth.Session) error {
	return answers("ReplaceSession", s.ReplaceSession(ctx, old, replacement), nil)
}

// roundTrips stores each variant of a session, by CreateSession and by ReplaceSession, and expects
// that it comes back unchanged.
func roundTrips(s auth.SessionStore, variants int, vary func(i int, session *auth.Session)) error {
	ctx, cancel := background()
	defer cancel()
	other := login(999, "bob")
	if err := createSessions(ctx, s, other); err != nil {
		return err
	}
	for i := range variants {
		created := login(i, "alice")
		vary(i, &created)
		if err := createSessions(ctx, s, created); err != nil {
			return err
		}
		if err := keptSessions(ctx, s, created); err != nil {
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
	if err := roundTrips(s, len(offsets), func(i int, session *auth.Session) {
		session.LastUsedAt = session.CreatedAt.Add(30*24*time.Hour + offsets[i])
		session.ExpiresAt = session.CreatedAt.Add(20*365*24*time.Hour + offsets[i]) // later than 2038
	}); err != nil {
		return err
	}
	ctx, cancel := background()
	defer cancel()
	first, _, err := s.Session(ctx, login(0, "").ID)
	if err := answers("Session", err, nil); err != nil {
		return err
	}
	for _, t := range []time.Time{first.CreatedAt, first.LastUsedAt, first.ExpiresAt} {
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
	return roundTrips(s, len(devices), func(i int, session *auth.Session) { session.Device = devices[i] })
}

func checkStates(s auth.SessionStore) error {
	every := make([]byte, 512)
	for i := range every {
		every[i] = byte(i)
	}
	states := [][]byte{nil, {0}, []byte("text "), every[:256], every, []byte("\xff\xfe'\\x00"), make([]byte, 512)}
	return roundTrips(s, len(states), func(i int, session *auth.Session) { session.State = states[i] })
}

func checkVersions(s auth.SessionStore) error {
	versions := []int64{1, 1 << 31, 1 << 53, 1<<53 + 1, 1<<63 - 1}
	return roundTrips(s, len(versions), func(i int, session *auth.Session) { session.Version = versions[i] })
}

func checkReplaceSession(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	first, second, third := login(1, "alice"), login(2, "alice"), login(3, "bob")
	if err := createSessions(ctx, s, first, second, third); err != nil {
		return err
	}
	for i := range 3 {
		next := first
		next.LastUsedAt, next.ExpiresAt = first.LastUsedAt.Add(time.Hour), first.ExpiresAt.Add(time.Hour)
		next.Device = auth.Device{UserAgent: fmt.Sprintf("agent %d", i), IP: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})}
		next.Version++
		next.State = fmt.Appendf(nil, "state %d", i)
		if err := replaced(ctx, s, first, next); err != nil {
			return err
		}
		first = next
		if err := keptSessions(ctx, s, first, second, third); err != nil {
			return err
		}
	}
	if err := listed(ctx, s, "alice", first, second); err != nil {
		return err
	}
	return listed(ctx, s, "bob", third)
}

func checkReplaceSessionConflict(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	first := login(1, "alice")
	first.Version = 5
	if err := createSessions(ctx, s, first, login(2, "alice")); err != nil {
		return err
	}
	for _, version := range []int64{0, 4, 6, 1 << 40} {
		// Only the Version of old counts. It is a conflict even if all other fields are as stored,
		// and if the replacement has the stored Version.
		old, next := first, first
		old.Version, next.Version = version, version+1
		next.State, next.LastUsedAt = []byte("other"), first.LastUsedAt.Add(time.Hour)
		for _, replacement := range []auth.Session{next, first} {
			if err := answers("ReplaceSession with another Version", s.ReplaceSession(ctx, old, replacement), auth.ErrConflict); err != nil {
				return err
			}
			if err := keptSessions(ctx, s, first); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkDeleteSession(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	first, second, third := login(1, "alice"), login(2, "alice"), login(3, "bob")
	if err := createSessions(ctx, s, first, second, third); err != nil {
		return err
	}
	if err := answers("DeleteSession", s.DeleteSession(ctx, first.ID, epoch.Add(time.Hour)), nil); err != nil {
		return err
	}
	if err := gone(ctx, s, first); err != nil {
		return err
	}
	if err := keptSessions(ctx, s, second, third); err != nil {
		return err
	}
	return listed(ctx, s, "alice", second)
}

// gone returns an error if a method finds the session, or if ReplaceSession brings it back.
func gone(ctx context.Context, s auth.SessionStore, session auth.Session) error {
	next := session
	next.Version++
	return errors.Join(
		absentSessions(ctx, s, session.ID),
		answers("ReplaceSession of a deleted session", s.ReplaceSession(ctx, session, next), auth.ErrConflict),
		answers("DeleteSession of a deleted session", s.DeleteSession(ctx, session.ID, epoch.Add(time.Hour)), auth.ErrSessionNotFound),
		absentSessions(ctx, s, session.ID),
	)
}

func checkDeleteUser(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	first, second, third := login(1, "alice"), login(2, "alice"), login(3, "bob")
	if err := createSessions(ctx, s, first, second, third); err != nil {
		return err
	}
	for range 2 { // the second call finds no sessions
		if err := answers("DeleteUserSessions", s.DeleteUserSessions(ctx, "alice", "", epoch, epoch.Add(time.Hour)), nil); err != nil {
			return err
		}
		if err := errors.Join(gone(ctx, s, first), gone(ctx, s, second), listed(ctx, s, "alice"), keptSessions(ctx, s, third), listed(ctx, s, "bob", third)); err != nil {
			return err
		}
	}
	// The user can have new sessions.
	fourth := login(4, "alice")
	if err := createSessions(ctx, s, fourth); err != nil {
		return err
	}
	return errors.Join(keptSessions(ctx, s, fourth), listed(ctx, s, "alice", fourth))
}

func checkDeleteOthers(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	first, second, third, fourth := login(1, "alice"), login(2, "alice"), login(3, "alice"), login(4, "bob")
	if err := createSessions(ctx, s, first, second, third, fourth); err != nil {
		return err
	}
	if err := answers("DeleteUserSessions", s.DeleteUserSessions(ctx, "alice", second.ID, epoch, epoch.Add(time.Hour)), nil); err != nil {
		return err
	}
	if err := errors.Join(gone(ctx, s, first), gone(ctx, s, third), keptSessions(ctx, s, second, fourth), listed(ctx, s, "alice", second)); err != nil {
		return err
	}
	// An except that is another user's session, or no session, keeps none.
	for _, except := range []string{fourth.ID, first.ID} {
		if err := answers("DeleteUserSessions", s.DeleteUserSessions(ctx, "alice", except, epoch, epoch.Add(time.Hour)), nil); err != nil {
			return err
		}
		if err := errors.Join(listed(ctx, s, "alice"), keptSessions(ctx, s, fourth)); err != nil {
			return err
		}
	}
	return nil
}
