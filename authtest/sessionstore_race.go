package authtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-e36e2130/auth"
)

// sessionRaceRules say what holds when many call at once.
func sessionRaceRules() []rule[auth.SessionStore] {
	return []rule[auth.SessionStore]{
		{name: "Race/Create", holds: "Of many who ask for one ID at once, one gets it and the others get ErrConflict.", check: checkRaceCreate},
		{name: "Race/Replace", holds: "Of many who replace one Version at once, one does and the others get ErrConflict.", check: checkRaceSwap},
		{name: "Race/Delete", holds: "Of many who delete one session at once, one does and the others get ErrSessionNotFound.", check: checkRaceDelete},
		{name: "Race/ReplaceDelete", holds: "A session deleted while others replace it stays deleted.", check: checkRaceReplaceDelete},
	}
}

func checkRaceCreate(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	session := func(i int) auth.Session {
		one := login(1, fmt.Sprintf("user-%d", i))
		one.State = fmt.Appendf(nil, "state %d", i)
		return one
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
	one := login(1, "alice")
	if err := createSessions(ctx, s, one); err != nil {
		return err
	}
	for range 4 {
		next := func(i int) auth.Session {
			next := one
			next.Version++
			next.State = fmt.Appendf(nil, "version %d by %d", next.Version, i)
			return next
		}
		winner, err := oneWins("ReplaceSession", together(func(i int) error { return s.ReplaceSession(ctx, one, next(i)) }), auth.ErrConflict)
		if err != nil {
			return err
		}
		one = next(winner)
		if err := keptSessions(ctx, s, one); err != nil {
			return err
		}
	}
	return nil
}

func checkRaceDelete(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	one, two := login(1, "alice"), login(2, "alice")
	if err := createSessions(ctx, s, one, two); err != nil {
		return err
	}
	if _, err := oneWins("DeleteSession", together(func(int) error { return s.DeleteSession(ctx, one.ID, later) }), auth.ErrSessionNotFound); err != nil {
		return err
	}
	if err := gone(ctx, s, one); err != nil {
		return err
	}
	return keptSessions(ctx, s, two)
}

func checkRaceReplaceDelete(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	for round := range 8 {
		one := login(round, "alice")
		if err := createSessions(ctx, s, one); err != nil {
			return err
		}
		errs := together(func(i int) error {
			if i == crowd/2 {
				return s.DeleteSession(ctx, one.ID, later)
			}
			next := one
			next.Version++
			err := s.ReplaceSession(ctx, one, next)
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
		if err := gone(ctx, s, one); err != nil {
			return err
		}
	}
	return nil
}

// sessionContextRules say that a context that has ended stops a call.
func sessionContextRules() []rule[auth.SessionStore] {
	return []rule[auth.SessionStore]{
		{name: "Context/Create", holds: "CreateSession under a context that has ended fails with the context's error and creates nothing.", check: checkContextCreateSession},
		{name: "Context/Read", holds: "Reading under a context that has ended fails with the context's error.", check: checkContextRead},
		{name: "Context/Replace", holds: "ReplaceSession under a context that has ended fails with the context's error and replaces nothing.", check: checkContextReplaceSession},
		{name: "Context/Delete", holds: "Deleting under a context that has ended fails with the context's error, deletes nothing and records nothing.", check: checkContextDelete},
	}
}

func checkContextCreateSession(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	one := login(1, "alice")
	if err := ended("CreateSession", func(ctx context.Context) error { return s.CreateSession(ctx, one) }); err != nil {
		return err
	}
	if err := absentSessions(ctx, s, one.ID); err != nil {
		return err
	}
	return createSessions(ctx, s, one)
}

func checkContextRead(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	if err := createSessions(ctx, s, login(1, "alice")); err != nil {
		return err
	}
	for n := range 2 { // one that is there, and one that is not
		one := login(1+n, "alice")
		if err := errors.Join(
			ended("Session", func(ctx context.Context) error { _, _, err := s.Session(ctx, one.ID); return err }),
			ended("Sessions", func(ctx context.Context) error { _, err := s.Sessions(ctx, one.UserID); return err }),
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
	one := login(1, "alice")
	if err := createSessions(ctx, s, one); err != nil {
		return err
	}
	next := one
	next.Version++
	next.LastUsedAt = one.LastUsedAt.Add(time.Hour)
	if err := ended("ReplaceSession", func(ctx context.Context) error { return s.ReplaceSession(ctx, one, next) }); err != nil {
		return err
	}
	return keptSessions(ctx, s, one)
}

func checkContextDelete(s auth.SessionStore) error {
	ctx, cancel := background()
	defer cancel()
	one := login(1, "alice")
	if err := createSessions(ctx, s, one); err != nil {
		return err
	}
	if err := errors.Join(
		ended("DeleteSession", func(ctx context.Context) error { return s.DeleteSession(ctx, one.ID, later) }),
		ended("DeleteUserSessions", func(ctx context.Context) error { return s.DeleteUserSessions(ctx, "alice", "", epoch, later) }),
	); err != nil {
		return err
	}
	if err := keptSessions(ctx, s, one); err != nil {
		return err
	}
	return holdsOnly(ctx, s)
}
