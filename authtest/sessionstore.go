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

// TestSessionStore checks that the stores of a factory keep the contract of [auth.SessionStore].
// Then it checks that refresh tokens over such a store do what [auth.Authenticator.Refresh] says.
// Each rule calls factory for an empty store of its own.
func TestSessionStore(t *testing.T, factory func(t *testing.T) auth.SessionStore) {
	t.Helper()
	testRules(t, sessionStoreRules(), factory)
	testRules(t, refreshRules(), factory)
}

// sessionStoreRules returns the contract as rules.
func sessionStoreRules() []rule[auth.SessionStore] {
	return slices.Concat(loginRules(), valueRules(), swapRules(), endRules(), feedRules(), sessionRaceRules(), sessionContextRules())
}

// loginRules are the rules for creating and finding sessions.
func loginRules() []rule[auth.SessionStore] {
	return []rule[auth.SessionStore]{
		{name: "Create", holds: "A session that was created is found by its ID.", check: checkCreateSession},
		{name: "CreateTaken", holds: "CreateSession returns ErrConflict for an ID that is taken, and then nothing has changed.", check: checkCreateTaken},
		{name: "Unknown", holds: "For a session that does not exist, Session and DeleteSession return ErrSessionNotFound, and ReplaceSession returns ErrConflict.", check: checkUnknownSession},
		{name: "IDs", holds: "IDs are compared byte for byte.", check: checkSessionIDs},
		{name: "List", holds: "Sessions returns all sessions of a user and no others, without State.", check: checkList},
		{name: "UserIDs", holds: "User IDs are compared byte for byte.", check: checkUserIDs},
		{name: "Expired", holds: "A session that expired 24 hours ago is still found.", check: checkExpiredSession},
		{name: "Clock", holds: "Session returns the time of a running clock.", check: checkClock},
		{name: "Copies", holds: "The store keeps and returns copies.", check: checkSessionCopies},
	}
}

// epoch is the time at which the sessions of a check were created. It is far enough in the past to
// differ from the time of the clock.
var epoch = time.Now().Add(-10 * time.Minute).UTC().Truncate(time.Second)

// login returns the n-th session of a check, which belongs to the user.
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

// createSessions adds sessions. The store must accept each of them.
func createSessions(ctx context.Context, s auth.SessionStore, sessions ...auth.Session) error {
	for _, session := range sessions {
		if err := answers("CreateSession", s.CreateSession(ctx, session), nil); err != nil {
			return err
		}
	}
	return nil
}

// keptSessions returns an error unless each session is found with all fields as given.
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

// absentSessions returns an error if one of the IDs is found.
func absentSessions(ctx context.Context, s auth.SessionStore, ids ...string) error {
	for _, id := range ids {
		_, _, err := s.Session(ctx, id)
		if err := answers("Session of an ID that does not exist", err, auth.ErrSessionNotFound); err != nil {
			return err
		}
	}
	return nil
}

// listed returns an error unless Sessions returns exactly these sessions for the user. It ignores
// Version and State.
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
		i := slices.IndexFunc(got, func(session auth.Session) bool { return session.ID == w.ID })
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
	first, second := login(1, "alice"), login(2, "bob@example.com")
	second.Version = 7
	if err := createSessions(ctx, s, first, second); err != nil {
		return err
	}
	return keptSessions(ctx, s, first, second)
}

func checkCreateTaken(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	first := login(1, "alice")
	if err := createSessions(ctx, s, first); err != nil {
		return err
	}
	again, foreign := first, login(2, "bob")
	again.State, again.Version, again.ExpiresAt = []byte("other"), 9, first.ExpiresAt.Add(time.Hour)
	foreign.ID = first.ID
	for _, refused := range []auth.Session{first, again, foreign} {
		if err := answers("CreateSession of an ID that is taken", s.CreateSession(ctx, refused), auth.ErrConflict); err != nil {
			return err
		}
		if err := keptSessions(ctx, s, first); err != nil {
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
	for _, unknown := range []auth.Session{login(2, "alice"), login(3, "bob"), {ID: ""}} {
		if err := absentSessions(ctx, s, unknown.ID); err != nil {
			return err
		}
		if err := answers("DeleteSession", s.DeleteSession(ctx, unknown.ID, epoch.Add(time.Hour)), auth.ErrSessionNotFound); err != nil {
			return err
		}
		if err := answers("ReplaceSession", s.ReplaceSession(ctx, unknown, unknown), auth.ErrConflict); err != nil {
			return err
		}
		if err := absentSessions(ctx, s, unknown.ID); err != nil {
			return err
		}
	}
	return nil
}

func checkSessionIDs(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	var sessions []auth.Session
	for i, id := range []string{
		"aaaaaaaaaaaaaaaaaaaaaA", "AAAAAAAAAAAAAAAAAAAAAA", "aaaaaaaaaa_aaaaaaaaaaA", "aaaaaaaaaa-aaaaaaaaaaA",
		"0000000000000000000000", "000000000000000000000A", "--------------------_A", "_____________________w",
	} {
		session := login(i, "alice")
		session.ID = id
		if err := absentSessions(ctx, s, id); err != nil {
			return err
		}
		if err := createSessions(ctx, s, session); err != nil {
			return err
		}
		sessions = append(sessions, session)
	}
	if err := keptSessions(ctx, s, sessions...); err != nil {
		return err
	}
	for i := range sessions {
		if err := answers("DeleteSession", s.DeleteSession(ctx, sessions[i].ID, epoch.Add(time.Hour)), nil); err != nil {
			return err
		}
		if err := keptSessions(ctx, s, sessions[i+1:]...); err != nil {
			return err
		}
	}
	return nil
}

func checkList(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	first, second, third := login(1, "alice"), login(2, "alice"), login(3, "bob")
	for _, user := range []string{"alice", "bob", ""} {
		if err := listed(ctx, s, user); err != nil {
			return err
		}
	}
	if err := createSessions(ctx, s, first, second, third); err != nil {
		return err
	}
	if err := listed(ctx, s, "alice", first, second); err != nil {
		return err
	}
	if err := listed(ctx, s, "bob", third); err != nil {
		return err
	}
	sessions, err := s.Sessions(ctx, "alice")
	if err := answers("Sessions", err, nil); err != nil {
		return err
	}
	for _, session := range sessions {
		if len(session.State) > 0 {
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
	var sessions []auth.Session
	for i, user := range users {
		sessions = append(sessions, login(i, user))
	}
	if err := createSessions(ctx, s, sessions...); err != nil {
		return err
	}
	for i, user := range users {
		if err := listed(ctx, s, user, sessions[i]); err != nil {
			return err
		}
	}
	for i, user := range users {
		if err := answers("DeleteUserSessions", s.DeleteUserSessions(ctx, user, "", epoch, epoch.Add(time.Hour)), nil); err != nil {
			return err
		}
		if err := keptSessions(ctx, s, sessions[i+1:]...); err != nil {
			return err
		}
	}
	return nil
}

func checkExpiredSession(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	first := login(1, "alice")
	first.ExpiresAt = epoch.Add(10*time.Minute - 24*time.Hour)
	if err := createSessions(ctx, s, first); err != nil {
		return err
	}
	for i := range 8 {
		if err := createSessions(ctx, s, login(2+i, "bob")); err != nil {
			return err
		}
	}
	return keptSessions(ctx, s, first)
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
			return fmt.Errorf("Session returned the time %v, 20 ms after it returned %v", now, last)
		}
		if off := time.Since(now).Abs(); off > 5*time.Minute {
			return fmt.Errorf("Session returned the time %v, which differs from the clock of the test by %v", now, off)
		}
		last = now
	}
	return nil
}

func checkSessionCopies(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	first := login(1, "alice")
	passed := first
	passed.State = slices.Clone(first.State)
	if err := createSessions(ctx, s, passed); err != nil {
		return err
	}
	passed.State[0] ^= 1
	if err := keptSessions(ctx, s, first); err != nil {
		return err
	}
	got, _, err := s.Session(ctx, first.ID)
	if err := answers("Session", err, nil); err != nil {
		return err
	}
	got.State[0] ^= 1
	if err := keptSessions(ctx, s, first); err != nil {
		return err
	}
	next := first
	next.Version++
	passed = next
	passed.State = slices.Clone(next.State)
	if err := answers("ReplaceSession", s.ReplaceSession(ctx, first, passed), nil); err != nil {
		return err
	}
	passed.State[0] ^= 1
	return keptSessions(ctx, s, next)
}
