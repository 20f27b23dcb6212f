package authtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-e36e2130/auth"
)

// sessionRaceRules are the rules for concurrent calls.
func sessionRaceRules() []rule[auth.SessionStore] {
	return []rule[auth.SessionStore]{
		{name: "Race/Create", holds: "Of concurrent calls of CreateSession with one ID, exactly one succeeds and the others return ErrConflict.", check: checkRaceCreate},
		{name: "Race/Replace", holds: "Of concurrent calls that replace one Version, exactly one succeeds and the others return ErrConflict.", check: checkRaceSwap},
		{name: "Race/Delete", holds: "Of concurrent calls that delete one session, exactly one succeeds and the others return ErrSessionNotFound.", check: checkRaceDelete},
		{name: "Race/ReplaceDelete", holds: "A session that is deleted while other calls replace it stays deleted.", check: checkRaceReplaceDelete},
	}
}

func checkRaceCreate(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	session := func(i int) auth.Session {
		session := login(1, fmt.Sprintf("user-%d", i))
		session.State = fmt.Appendf(nil, "state %d", i)
		return session
	}
	winner, err := oneWins("CreateSession", together(func(i int) error { return s.CreateSession(ctx, session(i)) }), auth.ErrConflict)
	if err != nil {
		return err
	}
	return keptSessions(ctx, s, session(winner))
}

func checkRaceSwap(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	first := login(1, "alice")
	if err := createSessions(ctx, s, first); err != nil {
		return err
	}
	for range 4 {
		next := func(i int) auth.Session {
			next := first
			next.Version++
			next.State = fmt.Appendf(nil, "version %d by %d", next.Version, i)
			return next
		}
		winner, err := oneWins("ReplaceSession", together(func(i int) error { return s.ReplaceSession(ctx, first, next(i)) }), auth.ErrConflict)
		if err != nil {
			return err
		}
		first = next(winner)
		if err := keptSessions(ctx, s, first); err != nil {
			return err
		}
	}
	return nil
}

func checkRaceDelete(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	first, second := login(1, "alice"), login(2, "alice")
	if err := createSessions(ctx, s, first, second); err != nil {
		return err
	}
	if _, err := oneWins("DeleteSession", together(func(int) error { return s.DeleteSession(ctx, first.ID, later) }), auth.ErrSessionNotFound); err != nil {
		return err
	}
	if err := gone(ctx, s, first); err != nil {
		return err
	}
	return keptSessions(ctx, s, second)
}

func checkRaceReplaceDelete(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	for round := range 8 {
		first := login(round, "alice")
		if err := createSessions(ctx, s, first); err != nil {
			return err
		}
		errs := together(func(i int) error {
			if i == crowd/2 {
				return s.DeleteSession(ctx, first.ID, later)
			}
			next := first
			next.Version++
			err := s.ReplaceSession(ctx, first, next)
			if errors.Is(err, auth.ErrConflict) {
				return nil
			}
			return err
		})
		for _, err := range errs {
			if err := answers("ReplaceSession or DeleteSession", err, nil); err != nil {
				return err
			}
		}
		if err := gone(ctx, s, first); err != nil {
			return err
		}
	}
	return nil
}

// sessionContextRules are the rules for calls with a context that has ended.
func sessionContextRules() []rule[auth.SessionStore] {
	return []rule[auth.SessionStore]{
		{name: "Context/Create", holds: "CreateSession with a context that has ended returns the context's error and creates nothing.", check: checkContextCreateSession},
		{name: "Context/Read", holds: "With a context that has ended, the reading methods return the context's error.", check: checkContextRead},
		{name: "Context/Replace", holds: "ReplaceSession with a context that has ended returns the context's error and replaces nothing.", check: checkContextReplaceSession},
		{name: "Context/Delete", holds: "With a context that has ended, the deleting methods return the context's error, delete nothing and record nothing.", check: checkContextDelete},
	}
}

func checkContextCreateSession(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	first := login(1, "alice")
	if err := ended("CreateSession", func(ctx context.Context) error { return s.CreateSession(ctx, first) }); err != nil {
		return err
	}
	if err := absentSessions(ctx, s, first.ID); err != nil {
		return err
	}
	return createSessions(ctx, s, first)
}

func checkContextRead(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	if err := createSessions(ctx, s, login(1, "alice")); err != nil {
		return err
	}
	for n := range 2 { // a session that exists, and one that does not
		session := login(1+n, "alice")
		if err := errors.Join(
			ended("Session", func(ctx context.Context) error { _, _, err := s.Session(ctx, session.ID); return err }),
			ended("Sessions", func(ctx context.Context) error { _, err := s.Sessions(ctx, session.UserID); return err }),
			ended("RevokedSince", func(ctx context.Context) error {
				_, err := s.RevokedSince(ctx, "", func(auth.Revocation) {})
				return err
			}),
		); err != nil {
			return err
		}
	}
	return nil
}

func checkContextReplaceSession(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	first := login(1, "alice")
	if err := createSessions(ctx, s, first); err != nil {
		return err
	}
	next := first
	next.Version++
	next.LastUsedAt = first.LastUsedAt.Add(time.Hour)
	if err := ended("ReplaceSession", func(ctx context.Context) error { return s.ReplaceSession(ctx, first, next) }); err != nil {
		return err
	}
	return keptSessions(ctx, s, first)
}

func checkContextDelete(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	first := login(1, "alice")
	if err := createSessions(ctx, s, first); err != nil {
		return err
	}
	if err := errors.Join(
		ended("DeleteSession", func(ctx context.Context) error { return s.DeleteSession(ctx, first.ID, later) }),
		ended("DeleteUserSessions", func(ctx context.Context) error { return s.DeleteUserSessions(ctx, "alice", "", epoch, later) }),
	); err != nil {
		return err
	}
	if err := keptSessions(ctx, s, first); err != nil {
		return err
	}
	return holdsOnly(ctx, s)
}
