package recovery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth"
)

var errClosed = errors.New("recovery: closed")

// queue runs jobs beside the requests that caused them, so that no request takes
// longer for an address that is somebody's. A worker ends when there is nothing to
// do: an idle queue has no goroutine.
type queue struct {
	workers, places int
	timeout         time.Duration // of a job

	mu      sync.Mutex
	waiting []func()
	running int
	closed  bool
	idle    chan struct{}   // closed when it is closed and nothing runs
	ended   context.Context // when Close would not wait longer
	end     context.CancelFunc
}

func newQueue(workers, places int, timeout time.Duration) *queue {
	q := &queue{workers: workers, places: places, timeout: timeout, idle: make(chan struct{})}
	q.ended, q.end = context.WithCancel(context.Background())
	return q
}

// add has job run with the values of ctx, and not its end.
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
		job(ctx)
	})
	if q.running < q.workers {
		q.running++
		go q.work()
	}
	return nil
}

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

// close takes no more jobs and returns when those there are have been done. If ctx
// ends first, they are cut short.
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
