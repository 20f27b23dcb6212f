package throttle

// Queues returns how many records are being changed.
func (t *Throttle) Queues() int {
	t.records.mu.Lock()
	defer t.records.mu.Unlock()
	return len(t.records.queues)
}
