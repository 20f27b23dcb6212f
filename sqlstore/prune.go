package sqlstore

import (
	"context"
	"time"
)

// pruneBatch is how many rows one statement of Prune deletes.
const pruneBatch = 1000

// forgetAfter is how long ago what is pruned has expired.
const forgetAfter = time.Hour

// pruneStatements are what a store says to forget what has expired.
type pruneStatements struct {
	now      *statement
	sessions *statement
	feed     *statement
	records  *statement
}

func newPruneStatements(d Dialect, prefix string) pruneStatements {
	return pruneStatements{
		now:      newStatement(d, prefix, "SELECT {now}"),
		sessions: newStatement(d, prefix, d.deleteSome("sessions", "id", "expires_at < ? AND expires_day <= ?")),
		feed:     newStatement(d, prefix, d.deleteSome("revocations", "batch, session_id", "expires_at < ?")),
		records:  newStatement(d, prefix, d.deleteSome("records", "id", "expires_at < ? AND expires_hour <= ?")),
	}
}

// Prune deletes what has expired more than an hour ago, a thousand rows at a time,
// so that nobody waits for it long. Call it about once an hour, on any replica or on
// all. What was deleted before ctx ended, or a statement failed, stays deleted.
func (s *Store) Prune(ctx context.Context) error {
	const doing = "prune"
	if err := ctx.Err(); err != nil {
		return failed(ctx, doing, err)
	}
	var now int64
	if err := s.row(ctx, s.prune.now, nil, &now); err != nil {
		return failed(ctx, doing, err)
	}
	before := now - forgetAfter.Microseconds()
	const hour, day = time.Hour, 24 * time.Hour
	for _, step := range []struct {
		q    *statement
		args []any
	}{
		{s.prune.sessions, []any{before, before / day.Microseconds()}},
		{s.prune.feed, []any{before}},
		{s.prune.records, []any{before, before / hour.Microseconds()}},
	} {
		if s.dialect != MySQL {
			step.args = append(step.args, step.args...) // see deleteSome
		}
		for more := true; more; {
			deleted, err := s.exec(ctx, step.q, step.args...)
			if err != nil {
				return failed(ctx, doing, err)
			}
			more = deleted == pruneBatch
		}
	}
	return nil
}
