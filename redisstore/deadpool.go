package redisstore

import (
	"context"
	"sync"
	"time"
)

// probeTime bounds how long a call waits for the connections that it probes.
const probeTime = 500 * time.Millisecond

// probeIdle sends a PING on each idle connection of the client at once, after one of its connections
// was silent. The client closes those that do not answer. A network that forgets its connections
// forgets all of them, and each reader would have to wait for each. It does nothing for ctx if the
// caller has ended it.
func (s *Store) probeIdle(ctx context.Context) {
	if cause := context.Cause(ctx); cause == nil || cause == context.Canceled {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTime)
	var probes sync.WaitGroup
	for range s.client.PoolStats().IdleConns {
		probes.Go(func() { _ = s.client.Ping(ctx).Err() })
	}
	answered := make(chan struct{})
	go func() {
		probes.Wait()
		cancel()
		close(answered)
	}()
	select {
	case <-answered:
	case <-ctx.Done(): // a connection that is still probed is not used for anything else
	}
}
