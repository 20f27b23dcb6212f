package totp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-e36e2130/auth"
)

// Marks knows which users have a second factor, apart from the records of the [Factor]. A record that is
// lost would otherwise read as if there had never been one, and the password alone would log in. Keep
// marks where an account is not lost without them: a boolean column in the table of users, or [MarksIn]
// the database.
//
// Every method honours ctx and is safe for concurrent use. Any error means an infrastructure failure.
type Marks interface {
	// Marked reports whether the user is marked. A user who does not exist is not.
	Marked(ctx context.Context, userID string) (bool, error)

	// Mark marks the user, or removes the mark. That nothing changes is no error.
	Mark(ctx context.Context, userID string, marked bool) error
}

// MarksIn returns Marks that are records of their own, each with its user as the owner. The store must
// not be the one of the [Factor], nor lose its records with that.
func MarksIn(records auth.RecordStore) Marks { return recordMarks{records} }

type recordMarks struct{ records auth.RecordStore }

func markKey(userID string) string { return "totp.mark:" + digest(userID) }

func (m recordMarks) Marked(ctx context.Context, userID string) (bool, error) {
	r, _, err := m.records.Record(ctx, markKey(userID))
	return r.Version != 0, err
}

func (m recordMarks) Mark(ctx context.Context, userID string, marked bool) error {
	for range tries {
		r, _, err := m.records.Record(ctx, markKey(userID))
		switch {
		case err != nil:
			return err
		case marked == (r.Version != 0):
			return nil
		case marked:
			r = auth.Record{Key: markKey(userID), Owner: userID, Value: []byte("1")}
			err = m.records.ReplaceRecord(ctx, r.Renew(), r)
		default:
			err = m.records.DeleteRecord(ctx, r.Key, r.Version)
		}
		if !errors.Is(err, auth.ErrConflict) {
			return err
		}
	}
	return &auth.RetryError{Err: auth.ErrBusy, After: time.Second}
}

// errLost says that a user is marked and has no record.
var errLost = errors.New("totp: the record of a user's second factor is lost; call Disable once the user is identified by other means")

// marked reports whether a user is marked. Without Marks nobody is.
func (f *Factor) marked(ctx context.Context, userID string) (bool, error) {
	if f.marks == nil {
		return false, nil
	}
	marked, err := f.marks.Marked(ctx, userID)
	if err != nil {
		return false, fmt.Errorf("totp: %w", err)
	}
	return marked, nil
}

// absent returns the error of a call that needs the record of a second factor, if there is none: errLost
// for a user who is marked, and otherwise the error that is given.
func (f *Factor) absent(ctx context.Context, userID string, otherwise error) error {
	marked, err := f.marked(ctx, userID)
	switch {
	case err != nil:
		return err
	case marked:
		return errLost
	}
	return otherwise
}

// mark marks a user whose record was just seen. It looks again afterwards, and Disable removes the mark
// before and after the record: so whichever of two concurrent calls is the last leaves no mark without a
// record.
func (f *Factor) mark(ctx context.Context, userID string) error {
	if f.marks == nil {
		return nil
	}
	if err := f.setMark(ctx, userID, true); err != nil {
		return err
	}
	s, err := f.state(ctx, userID)
	if err == nil && !s.Confirmed {
		err = f.setMark(ctx, userID, false)
	}
	return err
}

func (f *Factor) setMark(ctx context.Context, userID string, marked bool) error {
	if f.marks == nil {
		return nil
	}
	if err := f.marks.Mark(ctx, userID, marked); err != nil {
		return fmt.Errorf("totp: %w", err)
	}
	return nil
}

// markAgain marks a user who has just proven the second factor, if that was not done before: the records
// are older than the Marks, or Confirm was interrupted.
func (f *Factor) markAgain(ctx context.Context, userID string) error {
	if marked, err := f.marked(ctx, userID); err != nil || marked {
		return err
	}
	return f.mark(ctx, userID)
}

// markTime bounds the marking of a user whose client may have hung up.
const markTime = 10 * time.Second

// markConfirmed marks a user whose second factor has just been confirmed, and is on whatever it returns.
func (f *Factor) markConfirmed(ctx context.Context, userID string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), markTime)
	defer cancel()
	return f.mark(ctx, userID)
}
