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

// feedRules say what the revocation feed holds.
func feedRules() []rule[auth.SessionStore] {
	return []rule[auth.SessionStore]{
		{name: "Feed/Empty", holds: "A feed begins empty, and creating or changing sessions records nothing.", check: checkFeedEmpty},
		{name: "Feed/Delete", holds: "A deleted session is in the feed, with its expiry; what was refused is not.", check: checkFeedDelete},
		{name: "Feed/User", holds: "With all sessions of a user each is in the feed, and so is the user, with times.", check: checkFeedUser},
		{name: "Feed/NoSessions", holds: "A user who has no sessions is in the feed all the same.", check: checkFeedNoSessions},
		{name: "Feed/Others", holds: "With the other sessions of a user each of them is in the feed, and the user is not.", check: checkFeedOthers},
		{name: "Feed/Cursor", holds: "From a cursor on, whatever was recorded after it was made is read.", check: checkFeedCursor},
		{name: "Feed/Many", holds: "However many there are, they are all read.", check: checkFeedMany},
		{name: "Feed/Concurrent", holds: "Who follows the feed misses nothing that many record at once.", check: checkFeedConcurrent},
	}
}

// later is when the revocations of a check expire.
var later = epoch.Add(time.Hour)

// read returns what is in the feed since cursor, each once, and the next cursor.
func read(ctx context.Context, s auth.SessionStore, cursor string) (map[auth.Revocation]bool, string, error) {
	found := make(map[auth.Revocation]bool)
	next, err := s.RevokedSince(ctx, cursor, func(r auth.Revocation) { found[r] = true })
	return found, next, answers("RevokedSince", err, nil)
}

// ofSession is the revocation of a session that expires later.
func ofSession(one auth.Session) auth.Revocation {
	return auth.Revocation{SessionID: one.ID, Expiry: later}
}

// holdsOnly returns an error unless the feed holds exactly want.
func holdsOnly(ctx context.Context, s auth.SessionStore, want ...auth.Revocation) error {
	got, _, err := read(ctx, s, "")
	if err != nil {
		return err
	}
	return sameRevocations(got, want...)
}

func sameRevocations(got map[auth.Revocation]bool, want ...auth.Revocation) error {
	// As they are compared: a session's has no time of issue.
	for r := range got {
		if r.SessionID != "" && !r.IssuedAt.IsZero() {
			delete(got, r)
			r.IssuedAt = time.Time{}
			got[r] = true
		}
	}
	for _, w := range want {
		if !got[w] {
			return fmt.Errorf("the feed does not hold %+v, but %+v", w, got)
		}
	}
	for r := range got {
		if !slices.Contains(want, r) {
			return fmt.Errorf("the feed holds %+v", r)
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
	one := login(1, "alice")
	if err := createSessions(ctx, s, one, login(2, "alice")); err != nil {
		return err
	}
	next := one
	next.Version++
	if err := replaced(ctx, s, one, next); err != nil {
		return err
	}
	return holdsOnly(ctx, s)
}

func checkFeedDelete(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	one, two, three := login(1, "alice"), login(2, "alice"), login(3, "bob")
	if err := createSessions(ctx, s, one, two, three); err != nil {
		return err
	}
	if err := answers("DeleteSession", s.DeleteSession(ctx, one.ID, later), nil); err != nil {
		return err
	}
	if err := holdsOnly(ctx, s, ofSession(one)); err != nil {
		return err
	}
	if err := answers("DeleteSession", s.DeleteSession(ctx, one.ID, later.Add(time.Hour)), auth.ErrSessionNotFound); err != nil {
		return err
	}
	if err := holdsOnly(ctx, s, ofSession(one)); err != nil {
		return err
	}
	third := auth.Revocation{SessionID: three.ID, Expiry: later.Add(time.Microsecond)}
	if err := answers("DeleteSession", s.DeleteSession(ctx, three.ID, third.Expiry), nil); err != nil {
		return err
	}
	return holdsOnly(ctx, s, ofSession(one), third)
}

func checkFeedUser(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	one, two, three := login(1, "alice"), login(2, "alice"), login(3, "bob")
	if err := createSessions(ctx, s, one, two, three); err != nil {
		return err
	}
	issued := epoch.Add(123456 * time.Microsecond)
	if err := answers("DeleteUserSessions", s.DeleteUserSessions(ctx, "alice", "", issued, later), nil); err != nil {
		return err
	}
	return holdsOnly(ctx, s, ofSession(one), ofSession(two), auth.Revocation{UserID: "alice", IssuedAt: issued, Expiry: later})
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
	one, two, three := login(1, "alice"), login(2, "alice"), login(3, "alice")
	if err := createSessions(ctx, s, one, two, three); err != nil {
		return err
	}
	if err := answers("DeleteUserSessions", s.DeleteUserSessions(ctx, "alice", two.ID, epoch, later), nil); err != nil {
		return err
	}
	return holdsOnly(ctx, s, ofSession(one), ofSession(three))
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
		one := login(i, "alice")
		if err := createSessions(ctx, s, one); err != nil {
			return err
		}
		if err := answers("DeleteSession", s.DeleteSession(ctx, one.ID, later), nil); err != nil {
			return err
		}
		deleted = append(deleted, ofSession(one))
		for n, cursor := range cursors {
			got, _, err := read(ctx, s, cursor)
			if err != nil {
				return err
			}
			for _, want := range deleted[n:] {
				if !got[want] {
					return fmt.Errorf("after cursor %q the feed does not hold %+v", cursor, want)
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
	var all []auth.Session
	var want []auth.Revocation
	for i := range crowd * each {
		all = append(all, login(i, "alice"))
		want = append(want, ofSession(all[i]))
	}
	if err := errors.Join(together(func(i int) error { return createSessions(ctx, s, all[i*each:(i+1)*each]...) })...); err != nil {
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
			return fmt.Errorf("of %d revocations the feed returned %d, and not %+v", len(want), len(got), w)
		}
	}
	_, _, err = read(ctx, s, cursor)
	return err
}

func checkFeedConcurrent(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	const each = 4
	var all []auth.Session
	for i := range crowd * each {
		all = append(all, login(i, fmt.Sprintf("user-%d", i%7)))
	}
	if err := createSessions(ctx, s, all...); err != nil {
		return err
	}
	found := make(map[auth.Revocation]bool)
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
			cursor, following = s.RevokedSince(ctx, cursor, func(r auth.Revocation) { found[r] = true })
		}
	})
	err := errors.Join(together(func(i int) error {
		for n := range each {
			if err := s.DeleteSession(ctx, all[i*each+n].ID, later); err != nil {
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
	for _, one := range all {
		want = append(want, ofSession(one))
	}
	return sameRevocations(found, want...)
}
