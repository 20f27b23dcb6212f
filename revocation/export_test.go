package revocation

import "time"

// FollowBy is [Follow] with a wall clock, which a test can step.
func FollowBy(wall func(now time.Time) time.Time, feed Feed, cfg Config) (*List, error) {
	return follow(feed, cfg, wall)
}
