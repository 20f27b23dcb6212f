package recovery

// Occupied returns how many places are held, and how many jobs wait or run in the queues of look-ups
// and of messages.
func (r *Recovery) Occupied() (places, lookUps, sending int) {
	r.places.mu.Lock()
	defer r.places.mu.Unlock()
	return r.places.held, r.lookUps.jobs(), r.sending.jobs()
}

func (q *queue) jobs() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) + q.running
}
