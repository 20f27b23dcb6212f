package freshness_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/internal/freshness"
)

func TestOf(t *testing.T) {
	t.Parallel()
	const date, later, earlier = "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:50:37 GMT", "Sun, 06 Nov 1994 08:48:37 GMT"
	for _, row := range []struct {
		header http.Header
		want   time.Duration
	}{
		{nil, -1},
		{http.Header{"Cache-Control": {"public"}}, -1},
		{http.Header{"Cache-Control": {"max-age=60"}}, time.Minute},
		{http.Header{"Cache-Control": {`Public, MAX-AGE="60"`}}, time.Minute},
		{http.Header{"Cache-Control": {"max-age=0"}}, 0},
		{http.Header{"Cache-Control": {"max-age=x"}}, -1},
		{http.Header{"Cache-Control": {"max-age=-1"}}, -1},
		{http.Header{"Cache-Control": {"private, max-age=60, s-maxage=30"}}, time.Minute},
		{http.Header{"Cache-Control": {"max-age=60", "no-cache"}}, 0},
		{http.Header{"Cache-Control": {"no-store, max-age=60"}}, 0},
		{http.Header{"Cache-Control": {"max-age=60"}, "Age": {"20"}}, 40 * time.Second},
		{http.Header{"Cache-Control": {"max-age=60"}, "Age": {"90"}}, 0},
		{http.Header{"Cache-Control": {"max-age=60"}, "Age": {"x"}}, time.Minute},
		{http.Header{"Cache-Control": {"max-age=60"}, "Expires": {"0"}}, time.Minute},
		{http.Header{"Expires": {"0"}}, 0},
		{http.Header{"Expires": {later}, "Date": {date}}, time.Minute},
		{http.Header{"Expires": {later}, "Date": {date}, "Age": {"59"}}, time.Second},
		{http.Header{"Expires": {earlier}, "Date": {date}}, 0},
		{http.Header{"Expires": {earlier}}, 0},
	} {
		if got := freshness.Of(row.header); got != row.want {
			t.Errorf("%v: got %v, want %v", row.header, got, row.want)
		}
	}
}
