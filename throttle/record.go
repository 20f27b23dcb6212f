package throttle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth"
)

// A change returns the next value of a record, from the present value and the store's time. The value is
// nil to delete the record. It also returns when the value expires, and whether there is anything to
// write. It may be called several times.
type change func(value []byte, now time.Time) (next []byte, expires time.Time, write bool)

// remove is the change that deletes a record.
func remove([]byte, time.Time) ([]byte, time.Time, bool) { return nil, time.Time{}, true }

// records changes the records of a store. Within one process the calls for one record do not conflict
// with each other: while one call changes the record, those that arrive wait together, and one of them
// makes all their changes with the next compare-and-swap. So a call waits for two of them at most, however
// many calls there are, and never for those of another record. See decision 0119.
type records struct {
	store auth.RecordStore

	mu     sync.Mutex
	queues map[string]*queue // by key of the record; only those that a call is in
}

// queue is the calls that change one record at the moment.
type queue struct {
	calls   int           // guarded by records.mu
	waiting []*pending    // changes that no call has begun; guarded by records.mu
	turn    chan struct{} // holds an element while a call changes the record
}

// pending is a change that is to be made.
type pending struct {
	change change
	done   chan error
}

// changeTime bounds the work of a call that makes the changes of others too.
const changeTime = 10 * time.Second

// change makes a change of a record. If ctx ends while the change waits, it is not made. If ctx ends
// later, change returns once it is known what became of it.
func (r *records) change(ctx context.Context, key string, do change) error {
	own := &pending{do, make(chan error, 1)}
	q := r.enter(key, own)
	defer r.leave(key, q)
	select {
	case err := <-own.done: // another call has made the change
		return err
	case q.turn <- struct{}{}:
		r.changeAll(ctx, key, q)
	case <-ctx.Done():
		if r.withdraw(q, own) {
			return ctx.Err()
		}
	}
	return <-own.done
}

func (r *records) enter(key string, own *pending) *queue {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.queues[key]
	if q == nil {
		q = &queue{turn: make(chan struct{}, 1)}
		r.queues[key] = q
	}
	q.calls++
	q.waiting = append(q.waiting, own)
	return q
}

func (r *records) leave(key string, q *queue) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if q.calls--; q.calls == 0 {
		delete(r.queues, key)
	}
}

// withdraw takes a change out of the queue. It returns false if the change has been begun.
func (r *records) withdraw(q *queue, own *pending) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(q.waiting, own)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	return i >= 0
}

// changeAll makes all changes that wait, for a call that has the turn, and gives the turn up.
func (r *records) changeAll(ctx context.Context, key string, q *queue) {
	r.mu.Lock()
	all := q.waiting
	q.waiting = nil
	r.mu.Unlock()
	err := errors.New("throttle: the store panicked")
	defer func() { // also if the store panics
		for _, p := range all {
			p.done <- err
		}
		<-q.turn
	}()
	if len(all) > 1 { // neither the end of one call's context nor its values are for the others
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.Background(), changeTime)
		defer cancel()
	}
	if len(all) > 0 {
		err = r.swap(ctx, key, all)
	}
}

// maxConflicts bounds how often changes are repeated because another process replaced the record first.
// Their clients are some of very many at the same record, and wait like the others.
const maxConflicts = 16

var errContended = &auth.RetryError{Err: auth.ErrTooManyAttempts, After: time.Second}

// swap makes changes of a record, one after another, and replaces it by compare-and-swap.
func (r *records) swap(ctx context.Context, key string, all []*pending) error {
	for range maxConflicts {
		stored, now, err := r.store.Record(ctx, key)
		if err != nil {
			return fmt.Errorf("throttle: %w", err)
		}
		value, expires, write := stored.Value, time.Time{}, false
		for _, p := range all {
			if next, end, ok := p.change(value, now); ok {
				value, expires, write = next, end, true
			}
		}
		switch {
		case !write || value == nil && stored.Version == 0:
			return nil
		case value == nil:
			err = r.store.DeleteRecord(ctx, key, stored.Version)
		default:
			stored.Key, stored.Value, stored.ExpiresAt = key, value, expires
			err = r.store.ReplaceRecord(ctx, stored.Renew(), stored)
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, auth.ErrConflict) {
			return fmt.Errorf("throttle: %w", err)
		}
	}
	return errContended
}
