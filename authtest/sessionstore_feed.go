package authtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth"
)

// feedRules are the rules for the revocation feed.
func feedRules() []rule[auth.SessionStore] {
	return []rule[auth.SessionStore]{
		{name: "Feed/Empty", holds: "A new feed is empty, and creating or changing sessions records nothing.", check: checkFeedEmpty},
		{name: "Feed/Delete", holds: "DeleteSession records the session with its expiry, and records nothing if it fails.", check: checkFeedDelete},
		{name: "Feed/User", holds: "DeleteUserSessions of all sessions records each of them, and the user with both times.", check: checkFeedUser},
		{name: "Feed/NoSessions", holds: "DeleteUserSessions records a user who has no sessions.", check: checkFeedNoSessions},
		{name: "Feed/Others", holds: "DeleteUserSessions with except records each session that it removes, and not the user.", check: checkFeedOthers},
		{name: "Feed/Cursor", holds: "With a cursor, RevokedSince returns all revocations that were recorded after the cursor was returned.", check: checkFeedCursor},
		{name: "Feed/Many", holds: "RevokedSince returns all revocations, even if there are many.", check: checkFeedMany},
		{name: "Feed/Expired", holds: "RevokedSince returns a revocation whose expiry is 23 hours past: the clock that it was measured by may be another.", check: checkFeedExpired},
		{name: "Feed/Concurrent", holds: "A reader that follows the feed misses no revocation of concurrent calls.", check: checkFeedConcurrent},
	}
}

// later is the expiry of the revocations in a check.
var later = epoch.Add(time.Hour)

// read returns the revocations since cursor, without duplicates, and the next cursor.
func read(ctx context.Context, s auth.SessionStore, cursor string) (map[auth.Revocation]bool, string, error) {
	revocations := make(map[auth.Revocation]bool)
	next, err := s.RevokedSince(ctx, cursor, func(r auth.Revocation) { revocations[r] = true })
	return revocations, next, answers("RevokedSince", err, nil)
}

// ofSession returns the revocation of a session, with the expiry later.
func ofSession(session auth.Session) auth.Revocation {
	return auth.Revocation{SessionID: session.ID, Expiry: later}
}

// holdsOnly returns an error unless the feed has exactly these revocations.
func holdsOnly(ctx context.Context, s auth.SessionStore, want ...auth.Revocation) error {
	got, _, err := read(ctx, s, "")
	if err != nil {
		return err
	}
	return sameRevocations(got, want...)
}

// sameRevocations returns an error unless got has exactly these revocations.
func sameRevocations(got map[auth.Revocation]bool, want ...auth.Revocation) error {
	// The time of issue in the revocation of a session is ignored.
	for r := range got {
		if r.SessionID != "" && !r.IssuedAt.IsZero() {
			delete(got, r)
			r.IssuedAt = time.Time{}
			got[r] = true
		}
	}
	for _, w := range want {
		if !got[w] {
			return fmt.Errorf("the feed does not have %+v, but %+v", w, got)
		}
	}
	for r := range got {
		if !slices.Contains(want, r) {
			return fmt.Errorf("the feed has %+v, which was not recorded", r)
		}
	}
	return nil
}

func checkFeedEmpty(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	if err := holdsOnly(ctx, s); err != nil {
		return err
	}
	first := login(1, "alice")
	if err := createSessions(ctx, s, first, login(2, "alice")); err != nil {
		return err
	}
	next := first
	next.Version++
	if err := replaced(ctx, s, first, next); err != nil {
		return err
	}
	return holdsOnly(ctx, s)
}

func checkFeedDelete(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	first, second, third := login(1, "alice"), login(2, "alice"), login(3, "bob")
	if err := createSessions(ctx, s, first, second, third); err != nil {
		return err
	}
	if err := answers("DeleteSession", s.DeleteSession(ctx, first.ID, later), nil); err != nil {
		return err
	}
	if err := holdsOnly(ctx, s, ofSession(first)); err != nil {
		return err
	}
	if err := answers("DeleteSession", s.DeleteSession(ctx, first.ID, later.Add(time.Hour)), auth.ErrSessionNotFound); err != nil {
		return err
	}
	if err := holdsOnly(ctx, s, ofSession(first)); err != nil {
		return err
	}
	last := auth.Revocation{SessionID: third.ID, Expiry: later.Add(time.Microsecond)}
	if err := answers("DeleteSession", s.DeleteSession(ctx, third.ID, last.Expiry), nil); err != nil {
		return err
	}
	return holdsOnly(ctx, s, ofSession(first), last)
}

// checkFeedExpired records many revocations, so that a store that forgets as it records does so.
func checkFeedExpired(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	issued, expiry := epoch.Add(-48*time.Hour), epoch.Add(-23*time.Hour)
	var want []auth.Revocation
	for i := range 50 {
		ended, all := login(2*i+1, fmt.Sprint("user ", i)), login(2*i+2, fmt.Sprint("user ", i))
		if err := createSessions(ctx, s, ended, all); err != nil {
			return err
		}
		if err := answers("DeleteSession", s.DeleteSession(ctx, ended.ID, expiry), nil); err != nil {
			return err
		}
		if err := answers("DeleteUserSessions", s.DeleteUserSessions(ctx, all.UserID, "", issued, expiry), nil); err != nil {
			return err
		}
		want = append(want, auth.Revocation{SessionID: ended.ID, Expiry: expiry}, auth.Revocation{SessionID: all.ID, Expiry: expiry},
			auth.Revocation{UserID: all.UserID, IssuedAt: issued, Expiry: expiry})
	}
	return holdsOnly(ctx, s, want...)
}

func checkFeedUser(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	first, second, third := login(1, "alice"), login(2, "alice"), login(3, "bob")
	if err := createSessions(ctx, s, first, second, third); err != nil {
		return err
	}
	issued := epoch.Add(123456 * time.Microsecond)
	if err := answers("DeleteUserSessions", s.DeleteUserSessions(ctx, "alice", "", issued, later), nil); err != nil {
		return err
	}
	return holdsOnly(ctx, s, ofSession(first), ofSession(second), auth.Revocation{UserID: "alice", IssuedAt: issued, Expiry: later})
}

func checkFeedNoSessions(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	var want []auth.Revocation
	for i, user := range []string{"alice", "ALICE", "jos\u00e9"} {
		r := auth.Revocation{UserID: user, IssuedAt: epoch.Add(time.Duration(i) * time.Second), Expiry: later.Add(time.Duration(i) * time.Second)}
		if err := answers("DeleteUserSessions", s.DeleteUserSessions(ctx, user, "", r.IssuedAt, r.Expiry), nil); err != nil {
			return err
		}
		want = append(want, r)
	}
	return holdsOnly(ctx, s, want...)
}

func checkFeedOthers(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	first, second, third := login(1, "alice"), login(2, "alice"), login(3, "alice")
	if err := createSessions(ctx, s, first, second, third); err != nil {
		return err
	}
	if err := answers("DeleteUserSessions", s.DeleteUserSessions(ctx, "alice", second.ID, epoch, later), nil); err != nil {
		return err
	}
	return holdsOnly(ctx, s, ofSession(first), ofSession(third))
}

func checkFeedCursor(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	var cursors []string
	var deleted []auth.Revocation
	for i := range 6 {
		_, cursor, err := read(ctx, s, "")
		if err != nil {
			return err
		}
		cursors = append(cursors, cursor)
		session := login(i, "alice")
		if err := createSessions(ctx, s, session); err != nil {
			return err
		}
		if err := answers("DeleteSession", s.DeleteSession(ctx, session.ID, later), nil); err != nil {
			return err
		}
		deleted = append(deleted, ofSession(session))
		for n, cursor := range cursors {
			got, _, err := read(ctx, s, cursor)
			if err != nil {
				return err
			}
			for _, want := range deleted[n:] {
				if !got[want] {
					return fmt.Errorf("after the cursor %q, the feed does not have %+v", cursor, want)
				}
			}
		}
	}
	return nil
}

func checkFeedMany(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	const each = 17
	var sessions []auth.Session
	var want []auth.Revocation
	for i := range crowd * each {
		sessions = append(sessions, login(i, "alice"))
		want = append(want, ofSession(sessions[i]))
	}
	if err := errors.Join(together(func(i int) error { return createSessions(ctx, s, sessions[i*each:(i+1)*each]...) })...); err != nil {
		return err
	}
	if err := answers("DeleteUserSessions", s.DeleteUserSessions(ctx, "alice", "", epoch, later), nil); err != nil {
		return err
	}
	got, cursor, err := read(ctx, s, "")
	if err != nil {
		return err
	}
	for _, w := range want {
		if !got[w] {
			return fmt.Errorf("of %d revocations, the feed returned %d, without %+v", len(want), len(got), w)
		}
	}
	_, _, err = read(ctx, s, cursor)
	return err
}

func checkFeedConcurrent(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	const each = 4
	var sessions []auth.Session
	for i := range crowd * each {
		sessions = append(sessions, login(i, fmt.Sprintf("user-%d", i%7)))
	}
	if err := createSessions(ctx, s, sessions...); err != nil {
		return err
	}
	revocations := make(map[auth.Revocation]bool)
	stop := make(chan struct{})
	var following error
	var reader sync.WaitGroup
	reader.Go(func() {
		for cursor, last := "", false; !last && following == nil; {
			select {
			case <-stop:
				last = true
			case <-time.After(time.Millisecond):
			}
			cursor, following = s.RevokedSince(ctx, cursor, func(r auth.Revocation) { revocations[r] = true })
		}
	})
	err := errors.Join(together(func(i int) error {
		for n := range each {
			if err := s.DeleteSession(ctx, sessions[i*each+n].ID, later); err != nil {
				return answers("DeleteSession", err, nil)
			}
		}
		return nil
	})...)
	close(stop)
	reader.Wait()
	if err := errors.Join(err, answers("RevokedSince", following, nil)); err != nil {
		return err
	}
	var want []auth.Revocation
	for _, session := range sessions {
		want = append(want, ofSession(session))
	}
	return sameRevocations(revocations, want...)
}
