package problem

// SampledLoggers returns how many samples are kept.
func SampledLoggers() int {
	sampled.mu.Lock()
	defer sampled.mu.Unlock()
	return len(sampled.byName)
}
