package sqlstore

import (
	"context"
	"time"
)

// pruneBatch is how many rows one statement of Prune deletes.
const pruneBatch = 1000

// clockSlack is how far the clocks of two servers may differ, or one clock step, before a revocation
// is forgotten too early. See decision 0102.
const clockSlack = 24 * time.Hour

// pruneAfter is how long Prune keeps expired rows. What the clock of this server takes for expired may
// be in force by another clock, or by this one when it has been set right.
const pruneAfter = time.Hour + clockSlack

// pruneStatements delete expired rows.
type pruneStatements struct {
	now      *statement
	sessions *statement
	feed     *statement
	records  *statement
	roles    *statement
}

func newPruneStatements(d Dialect, prefix string) pruneStatements {
	return pruneStatements{
		now:      newStatement(d, prefix, "SELECT {now}"),
		sessions: newStatement(d, prefix, d.deleteSome("sessions", "id", "expires_at < ? AND expires_day <= ?")),
		feed:     newStatement(d, prefix, d.deleteSome("revocations", "batch, session_id", "expires_at < ?")),
		records:  newStatement(d, prefix, d.deleteSome("records", "id", "expires_at < ? AND expires_hour <= ?")),
		roles:    newStatement(d, prefix, d.deleteSome("roles", "user_id, org, role", "ends_at < ?")),
	}
}

// Prune deletes rows that expired more than 25 hours ago, a thousand at a time, so that other calls
// do not wait long for it. Call it about once an hour, on one replica or on all. If it returns an
// error, some rows may have been deleted.
func (s *Store) Prune(ctx context.Context) error {
	const doing = "prune"
	if err := ctx.Err(); err != nil {
		return failed(ctx, doing, err)
	}
	var now int64
	if err := s.row(ctx, s.prune.now, nil, &now); err != nil {
		return failed(ctx, doing, err)
	}
	before := now - pruneAfter.Microseconds()
	const hour, day = time.Hour, 24 * time.Hour
	for _, step := range []struct {
		q    *statement
		args []any
	}{
		{s.prune.sessions, []any{before, before / day.Microseconds()}},
		{s.prune.feed, []any{before}},
		{s.prune.records, []any{before, before / hour.Microseconds()}},
		{s.prune.roles, []any{before}},
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
