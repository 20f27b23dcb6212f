package authtest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth"
)

// TestSessionStore checks that the stores a factory makes keep the contract of
// [session.Store], and then that refresh tokens over them do what
// [auth.Authenticator.Refresh] says. Each rule calls factory for an empty store of
// its own.
func TestSessionStore(t *testing.T, factory func(t *testing.T) auth.SessionStore) {
	t.Helper()
	testRules(t, sessionStoreRules(), factory)
	testRules(t, refreshRules(), factory)
}

// sessionStoreRules is the contract, one rule a sentence.
func sessionStoreRules() []rule[auth.SessionStore] {
	return slices.Concat(loginRules(), valueRules(), swapRules(), endRules(), feedRules(), sessionRaceRules(), sessionContextRules())
}

// loginRules say what creating and finding sessions means.
func loginRules() []rule[auth.SessionStore] {
	return []rule[auth.SessionStore]{
		{name: "Create", holds: "A session that was created is found by its ID.", check: checkCreateSession},
		{name: "CreateTaken", holds: "An ID that is taken is ErrConflict, and nothing has changed.", check: checkCreateTaken},
		{name: "Unknown", holds: "A session that does not exist is ErrSessionNotFound to Session and DeleteSession, and ErrConflict to ReplaceSession.", check: checkUnknownSession},
		{name: "IDs", holds: "IDs are compared byte for byte.", check: checkSessionIDs},
		{name: "List", holds: "Sessions returns all of a user, of nobody else, without State.", check: checkList},
		{name: "UserIDs", holds: "User IDs are compared byte for byte.", check: checkUserIDs},
		{name: "Expired", holds: "A session that has expired half an hour ago is still there.", check: checkExpiredSession},
		{name: "Clock", holds: "Session returns the time by a clock that goes.", check: checkClock},
		{name: "Copies", holds: "What is passed in or returned is a copy.", check: checkSessionCopies},
	}
}

// epoch is when the sessions of a check were made: long enough ago to tell their
// times from the clock's.
var epoch = time.Now().Add(-10 * time.Minute).UTC().Truncate(time.Second)

// login returns the n-th session of a check, of the user.
func login(n int, userID string) auth.Session {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:], 0x9e3779b97f4a7c15*uint64(n))
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return auth.Session{
		ID: base64.RawURLEncoding.EncodeToString(id[:]), UserID: userID,
		CreatedAt: epoch, LastUsedAt: epoch.Add(time.Second), ExpiresAt: epoch.Add(14 * 24 * time.Hour),
		Device: auth.Device{UserAgent: "Mozilla/5.0 (X11; Linux x86_64)", IP: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})},
		State:  fmt.Appendf(nil, "state of session %d", n),
	}
}

// createSessions adds sessions, each of which must be accepted.
func createSessions(ctx context.Context, s auth.SessionStore, sessions ...auth.Session) error {
	for _, one := range sessions {
		if err := answers("CreateSession", s.CreateSession(ctx, one), nil); err != nil {
			return err
		}
	}
	return nil
}

// keptSessions returns an error unless each session is found as it is given.
func keptSessions(ctx context.Context, s auth.SessionStore, sessions ...auth.Session) error {
	for _, want := range sessions {
		got, _, err := s.Session(ctx, want.ID)
		if err := answers("Session", err, nil); err != nil {
			return err
		}
		if err := sameSession("Session", got, want); err != nil {
			return err
		}
	}
	return nil
}

// sameSession returns an error unless a call returned want.
func sameSession(call string, got, want auth.Session) error {
	for _, field := range []struct {
		name      string
		same      bool
		got, want any
	}{
		{"ID", got.ID == want.ID, got.ID, want.ID},
		{"UserID", got.UserID == want.UserID, name(got.UserID), name(want.UserID)},
		{"CreatedAt", got.CreatedAt.Equal(want.CreatedAt), got.CreatedAt, want.CreatedAt},
		{"LastUsedAt", got.LastUsedAt.Equal(want.LastUsedAt), got.LastUsedAt, want.LastUsedAt},
		{"ExpiresAt", got.ExpiresAt.Equal(want.ExpiresAt), got.ExpiresAt, want.ExpiresAt},
		{"UserAgent", got.UserAgent == want.UserAgent, name(got.UserAgent), name(want.UserAgent)},
		{"IP", got.IP == want.IP, got.IP, want.IP},
		{"Version", got.Version == want.Version, got.Version, want.Version},
		{"State", bytes.Equal(got.State, want.State), fmt.Sprintf("%x", []byte(got.State)), fmt.Sprintf("%x", []byte(want.State))},
	} {
		if !field.same {
			return fmt.Errorf("%s returned %s %v, want %v", call, field.name, field.got, field.want)
		}
	}
	return nil
}

// absentSessions returns an error unless none of the IDs is found.
func absentSessions(ctx context.Context, s auth.SessionStore, ids ...string) error {
	for _, id := range ids {
		_, _, err := s.Session(ctx, id)
		if err := answers("Session of one who is not there", err, auth.ErrSessionNotFound); err != nil {
			return err
		}
	}
	return nil
}

// listed returns an error unless Sessions returns exactly these for the user,
// whatever their Version and State.
func listed(ctx context.Context, s auth.SessionStore, userID string, want ...auth.Session) error {
	call := "Sessions of " + name(userID)
	got, err := s.Sessions(ctx, userID)
	if err := answers(call, err, nil); err != nil {
		return err
	}
	if len(got) != len(want) {
		return fmt.Errorf("%s returned %d sessions, want %d", call, len(got), len(want))
	}
	for _, w := range want {
		i := slices.IndexFunc(got, func(one auth.Session) bool { return one.ID == w.ID })
		if i < 0 {
			return fmt.Errorf("%s did not return session %s", call, w.ID)
		}
		w.State, w.Version = got[i].State, got[i].Version
		if err := sameSession(call, got[i], w); err != nil {
			return err
		}
	}
	return nil
}

func checkCreateSession(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	one, two := login(1, "alice"), login(2, "bob@example.com")
	two.Version = 7
	if err := createSessions(ctx, s, one, two); err != nil {
		return err
	}
	return keptSessions(ctx, s, one, two)
}

func checkCreateTaken(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	one := login(1, "alice")
	if err := createSessions(ctx, s, one); err != nil {
		return err
	}
	again, foreign := one, login(2, "bob")
	again.State, again.Version, again.ExpiresAt = []byte("other"), 9, one.ExpiresAt.Add(time.Hour)
	foreign.ID = one.ID
	for _, refused := range []auth.Session{one, again, foreign} {
		if err := answers("CreateSession of an ID that is taken", s.CreateSession(ctx, refused), auth.ErrConflict); err != nil {
			return err
		}
		if err := keptSessions(ctx, s, one); err != nil {
			return err
		}
	}
	return nil
}

func checkUnknownSession(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	if err := createSessions(ctx, s, login(1, "alice")); err != nil {
		return err
	}
	for _, one := range []auth.Session{login(2, "alice"), login(3, "bob"), {ID: ""}} {
		if err := absentSessions(ctx, s, one.ID); err != nil {
			return err
		}
		if err := answers("DeleteSession", s.DeleteSession(ctx, one.ID, epoch.Add(time.Hour)), auth.ErrSessionNotFound); err != nil {
			return err
		}
		if err := answers("ReplaceSession", s.ReplaceSession(ctx, one, one), auth.ErrConflict); err != nil {
			return err
		}
		if err := absentSessions(ctx, s, one.ID); err != nil {
			return err
		}
	}
	return nil
}

func checkSessionIDs(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	var all []auth.Session
	for i, id := range []string{
		"aaaaaaaaaaaaaaaaaaaaaA", "AAAAAAAAAAAAAAAAAAAAAA", "aaaaaaaaaa_aaaaaaaaaaA", "aaaaaaaaaa-aaaaaaaaaaA",
		"0000000000000000000000", "000000000000000000000A", "--------------------_A", "_____________________w",
	} {
		one := login(i, "alice")
		one.ID = id
		if err := absentSessions(ctx, s, id); err != nil {
			return err
		}
		if err := createSessions(ctx, s, one); err != nil {
			return err
		}
		all = append(all, one)
	}
	if err := keptSessions(ctx, s, all...); err != nil {
		return err
	}
	for i := range all {
		if err := answers("DeleteSession", s.DeleteSession(ctx, all[i].ID, epoch.Add(time.Hour)), nil); err != nil {
			return err
		}
		if err := keptSessions(ctx, s, all[i+1:]...); err != nil {
			return err
		}
	}
	return nil
}

func checkList(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	one, two, three := login(1, "alice"), login(2, "alice"), login(3, "bob")
	for _, user := range []string{"alice", "bob", ""} {
		if err := listed(ctx, s, user); err != nil {
			return err
		}
	}
	if err := createSessions(ctx, s, one, two, three); err != nil {
		return err
	}
	if err := listed(ctx, s, "alice", one, two); err != nil {
		return err
	}
	if err := listed(ctx, s, "bob", three); err != nil {
		return err
	}
	all, err := s.Sessions(ctx, "alice")
	if err := answers("Sessions", err, nil); err != nil {
		return err
	}
	for _, one := range all {
		if len(one.State) > 0 {
			return errors.New("Sessions returned a session with State")
		}
	}
	return listed(ctx, s, "carol")
}

func checkUserIDs(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	users := []string{
		"id", "ID", "id ", " id", "i%", "i_", "1", "01", "1.0", "jos\u00e9", "jose\u0301", "jose",
		"\U0001f600", "\U0001f603", "id'; DROP TABLE sessions; --", `i\d`, "i:d", "i:*", "{id}", "i\nd",
	}
	var all []auth.Session
	for i, user := range users {
		all = append(all, login(i, user))
	}
	if err := createSessions(ctx, s, all...); err != nil {
		return err
	}
	for i, user := range users {
		if err := listed(ctx, s, user, all[i]); err != nil {
			return err
		}
	}
	for i, user := range users {
		if err := answers("DeleteUserSessions", s.DeleteUserSessions(ctx, user, "", epoch, epoch.Add(time.Hour)), nil); err != nil {
			return err
		}
		if err := keptSessions(ctx, s, all[i+1:]...); err != nil {
			return err
		}
	}
	return nil
}

func checkExpiredSession(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	one := login(1, "alice")
	one.ExpiresAt = epoch.Add(-20 * time.Minute) // half an hour ago
	if err := createSessions(ctx, s, one); err != nil {
		return err
	}
	for i := range 8 {
		if err := createSessions(ctx, s, login(2+i, "bob")); err != nil {
			return err
		}
	}
	return keptSessions(ctx, s, one)
}

func checkClock(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	if err := createSessions(ctx, s, login(1, "alice")); err != nil {
		return err
	}
	var last time.Time
	for range 3 {
		time.Sleep(20 * time.Millisecond)
		_, now, err := s.Session(ctx, login(1, "").ID)
		if err := answers("Session", err, nil); err != nil {
			return err
		}
		if !now.After(last) {
			return fmt.Errorf("Session returned the time %v, 20 ms after it had returned %v", now, last)
		}
		if off := time.Since(now).Abs(); off > 5*time.Minute {
			return fmt.Errorf("Session returned the time %v, which is %v off", now, off)
		}
		last = now
	}
	return nil
}

func checkSessionCopies(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	one := login(1, "alice")
	passed := one
	passed.State = slices.Clone(one.State)
	if err := createSessions(ctx, s, passed); err != nil {
		return err
	}
	passed.State[0] ^= 1
	if err := keptSessions(ctx, s, one); err != nil {
		return err
	}
	got, _, err := s.Session(ctx, one.ID)
	if err := answers("Session", err, nil); err != nil {
		return err
	}
	got.State[0] ^= 1
	if err := keptSessions(ctx, s, one); err != nil {
		return err
	}
	next := one
	next.Version++
	passed = next
	passed.State = slices.Clone(next.State)
	if err := answers("ReplaceSession", s.ReplaceSession(ctx, one, passed), nil); err != nil {
		return err
	}
	passed.State[0] ^= 1
	return keptSessions(ctx, s, next)
}
