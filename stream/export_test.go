package stream

import "time"

// CheckAll asks about every stream, as the goroutine of s does.
func (s *Streams) CheckAll() { s.checkAll(time.Now(), make(chan struct{}, 1)) }
