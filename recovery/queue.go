package recovery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/detach"
)

var errClosed = errors.New("recovery: closed")

// queue runs jobs apart from the requests that caused them, so that a request for a known address
// takes no longer than others. A worker ends when no job is waiting: an idle queue has no goroutine.
type queue struct {
	workers, places int
	timeout         time.Duration // bounds one job

	mu      sync.Mutex
	waiting []func()
	running int // number of workers
	closed  bool
	idle    chan struct{}   // closed once the queue is closed and no worker runs
	ended   context.Context // ends when close stops waiting, and with it the jobs
	end     context.CancelFunc
}

func newQueue(workers, places int, timeout time.Duration) *queue {
	q := &queue{workers: workers, places: places, timeout: timeout, idle: make(chan struct{})}
	q.ended, q.end = context.WithCancel(context.Background())
	return q
}

// add adds a job, which runs with the values of ctx but does not end with it. It returns a
// [*auth.RetryError] of [auth.ErrBusy] if the queue is full.
func (q *queue) add(ctx context.Context, job func(context.Context)) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return errClosed
	case len(q.waiting) >= q.places:
		return fmt.Errorf("recovery: queue: %w", &auth.RetryError{Err: auth.ErrBusy, After: time.Second})
	}
	ctx = context.WithoutCancel(ctx)
	q.waiting = append(q.waiting, func() {
		ctx, cancel := context.WithTimeout(ctx, q.timeout)
		defer cancel()
		defer context.AfterFunc(q.ended, cancel)()
		job(detach.Own(ctx))
	})
	if q.running < q.workers {
		q.running++
		go q.work()
	}
	return nil
}

// work runs jobs until none is waiting.
func (q *queue) work() {
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			q.running--
			if q.closed && q.running == 0 {
				close(q.idle)
			}
			q.mu.Unlock()
			return
		}
		job := q.waiting[0]
		q.waiting = q.waiting[1:]
		q.mu.Unlock()
		job()
	}
}

// close accepts no more jobs and returns when the jobs that were added have been done. If ctx ends
// first, it ends their contexts and returns an error.
func (q *queue) close(ctx context.Context) error {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		if q.running == 0 {
			close(q.idle)
		}
	}
	q.mu.Unlock()
	select {
	case <-q.idle:
		return nil
	case <-ctx.Done():
		q.end()
		return fmt.Errorf("recovery: close: %w", ctx.Err())
	}
}
