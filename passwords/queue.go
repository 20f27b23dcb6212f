package passwords

import (
	"container/list"
	"context"
)

// Caller says for whom a password is hashed. The queue of [Limit] goes by it.
type Caller struct {
	// Network is the network that the call comes from, in any spelling, such as an IPv4 address or
	// the /64 of an IPv6 address. Calls from unknown networks count as calls from one, "".
	Network string

	// Anonymous is for work that anybody may ask for in any number, such as a registration. It never
	// takes the slots that logins need.
	Anonymous bool
}

type callerKey struct{}

// WithCaller returns a context for calls of a [Hasher] on behalf of c. Without it a call is a login
// from an unknown network.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

func callerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// turn is the place of a call that waits.
type turn struct {
	network string
	round   uint64
	decided chan struct{} // closed when the call has a slot, or was refused
	refused error         // set before decided is closed
	place   *list.Element
}

// decide gives the call a slot or, with an error, refuses it.
func (t *turn) decide(refused error) {
	t.refused = refused
	close(t.decided)
}

// queue holds turns in the order in which they are served: by rounds, in each of which a network has
// one turn, and by arrival within a round.
type queue struct {
	places   int
	turns    list.List // of *turn
	round    uint64    // round of the turn that was served last
	networks map[string]*waiting
}

// waiting is what a queue knows of a network that has turns in it.
type waiting struct {
	turns int
	round uint64 // round of its last turn
}

func (q *queue) len() int { return q.turns.Len() }

// add returns a new turn for a network, or nil if the queue is full. Where it is full of turns of later
// rounds, the last of them is displaced.
func (q *queue) add(network string) (t, displaced *turn) {
	w := q.networks[network]
	t = &turn{network: network, round: q.round + 1, decided: make(chan struct{})}
	if w != nil {
		t.round = max(t.round, w.round+1)
	}
	if q.len() >= q.places {
		displaced = q.turns.Back().Value.(*turn)
		if displaced.round <= t.round {
			return nil, nil
		}
		q.remove(displaced)
	}
	if w == nil {
		if q.networks == nil {
			q.networks = map[string]*waiting{}
		}
		w = new(waiting)
		q.networks[network] = w
	}
	w.turns++
	w.round = t.round
	before := q.turns.Back()
	for before != nil && before.Value.(*turn).round > t.round {
		before = before.Prev()
	}
	if before == nil {
		t.place = q.turns.PushFront(t)
	} else {
		t.place = q.turns.InsertAfter(t, before)
	}
	return t, displaced
}

// next removes the turn that is served next.
func (q *queue) next() *turn {
	t := q.turns.Front().Value.(*turn)
	q.round = t.round
	q.remove(t)
	return t
}

// remove takes a turn out of the queue.
func (q *queue) remove(t *turn) {
	q.turns.Remove(t.place)
	w := q.networks[t.network]
	w.turns--
	if w.turns == 0 {
		delete(q.networks, t.network)
	} else if w.round == t.round {
		w.round--
	}
}
