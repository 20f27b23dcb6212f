package recovery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/internal/detach"
)

var errClosed = errors.New("recovery: closed")

// queue runs jobs apart from the calls that caused them. A worker ends when no job is waiting: an idle
// queue has no goroutine. The number of jobs has no bound here: see places.
type queue struct {
	workers int
	timeout time.Duration // bounds one job

	mu      sync.Mutex
	waiting []func()
	delayed map[*time.Timer]func() // jobs that wait for their time
	running int                    // number of workers
	closed  bool
	idle    chan struct{}   // closed once the queue is closed, no worker runs and no job is delayed
	ended   context.Context // ends when close stops waiting, and with it the jobs
	end     context.CancelFunc
}

func newQueue(workers int, timeout time.Duration) *queue {
	q := &queue{workers: workers, timeout: timeout, delayed: map[*time.Timer]func(){}, idle: make(chan struct{})}
	q.ended, q.end = context.WithCancel(context.Background())
	return q
}

// add adds a job, which runs with the values of ctx but does not end with it. It returns errClosed if
// the queue is closed.
func (q *queue) add(ctx context.Context, job func(context.Context)) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return errClosed
	}
	q.start(q.bounded(ctx, job))
	return nil
}

// addAfter adds a job that runs after a delay, or at once when the queue is closed. It returns
// errClosed if the queue is closed already. A job that waits for its time occupies no worker.
func (q *queue) addAfter(ctx context.Context, delay time.Duration, job func(context.Context)) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return errClosed
	}
	var timer *time.Timer
	timer = time.AfterFunc(delay, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if job, waits := q.delayed[timer]; waits {
			delete(q.delayed, timer)
			q.start(job)
		}
	})
	q.delayed[timer] = q.bounded(ctx, job)
	return nil
}

// bounded returns a job that ends with the queue or after its timeout.
func (q *queue) bounded(ctx context.Context, job func(context.Context)) func() {
	ctx = context.WithoutCancel(ctx)
	return func() {
		ctx, cancel := context.WithTimeout(ctx, q.timeout)
		defer cancel()
		defer context.AfterFunc(q.ended, cancel)()
		job(detach.Own(ctx))
	}
}

// start makes a job wait for a worker. The caller holds the lock.
func (q *queue) start(job func()) {
	q.waiting = append(q.waiting, job)
	if q.running < q.workers {
		q.running++
		go q.work()
	}
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
		for timer, job := range q.delayed {
			timer.Stop()
			delete(q.delayed, timer)
			q.start(job)
		}
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

// places bounds the requests that wait. A request holds one place, from the call until its message has
// been sent or, where none is sent, until the time of one has passed. So whether there is a place does
// not reveal which addresses are known.
type places struct {
	total, perNetwork int

	mu        sync.Mutex
	held      int
	byNetwork map[string]int // by network; without the requests whose network is unknown
}

func newPlaces(total int) *places {
	return &places{total: total, perNetwork: max(total/networkShare, 1), byNetwork: map[string]int{}}
}

// networkShare is the part of all places that one network can hold: a sixteenth.
const networkShare = 16

// take takes a place for a request from a network, or from an unknown one if network is empty. It
// returns a [*auth.RetryError] of [auth.ErrBusy] if there is none.
func (p *places) take(network string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held >= p.total || network != "" && p.byNetwork[network] >= p.perNetwork {
		return fmt.Errorf("recovery: queue: %w", &auth.RetryError{Err: auth.ErrBusy, After: time.Second})
	}
	p.held++
	if network != "" {
		p.byNetwork[network]++
	}
	return nil
}

// free gives a place back.
func (p *places) free(network string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held--
	if network == "" {
		return
	}
	if p.byNetwork[network]--; p.byNetwork[network] == 0 {
		delete(p.byNetwork, network)
	}
}

// durations keeps how long the last messages took to be sent.
type durations struct {
	mu   sync.Mutex
	last [64]time.Duration
	n    int // number of messages so far
}

func (d *durations) add(took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last[d.n%len(d.last)] = took
	d.n++
}

// pass waits for as long as one of the last messages took, chosen at random. It returns earlier if ctx
// ends.
func (d *durations) pass(ctx context.Context) {
	d.mu.Lock()
	var wait time.Duration
	if n := min(d.n, len(d.last)); n > 0 {
		wait = d.last[rand.IntN(n)]
	}
	d.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
