package stream

import (
	"time"

	"github.com/seed-e36e2130/auth/cfgerr"
)

// maxOverrun is how long after its token has expired (exp) a stream may last, whatever its [Policy]. The
// revocation of a session is kept for 10 minutes after its last token has expired. A stream that lasted
// longer could outlive a revocation that nobody keeps any more. 5 of these minutes are left for clocks
// that differ.
const maxOverrun = 5 * time.Minute

// Policy says what happens to a stream whose token expires. A revocation ends a stream at once under
// every Policy. The zero Policy is [Cut].
type Policy struct {
	overrun time.Duration
	fault   error // the host's mistake: no stream begins
}

// Cut ends a stream when its token expires.
func Cut() Policy { return Policy{} }

// Grace ends a stream d after its token has expired, so that a client has time to renew it: see
// [Streams.Renew]. [Expired] tells the handler that the token has expired. d is from 1 second to 5
// minutes, and a stream ends at most 5 minutes after its token has expired by exp. With another d no
// stream begins: every request is answered 500, and the fault is logged.
func Grace(d time.Duration) Policy {
	if d < time.Second || d > maxOverrun {
		return Policy{fault: &cfgerr.Error{Field: "stream.Grace", Value: d.String(), Reason: "must be 1s to 5m"}}
	}
	return Policy{overrun: d}
}

// FinishAnswer lets the handler finish the answer that it is writing: [Expired] tells it that the token
// has expired, and it is to return when that answer is complete, without beginning another. The stream
// ends in any case 5 minutes after the token has expired by exp.
func FinishAnswer() Policy { return Policy{overrun: maxOverrun} }
