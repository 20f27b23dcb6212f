package problem_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/seed-e36e2130/auth/internal/problem"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		code, detail, want string
	}{
		{"", "", `{"title":"Conflict","status":409,"code":"conflict"}` + "\n"},
		{"taken", `a "b" <c>`, `{"title":"Conflict","status":409,"code":"taken","detail":"a \"b\" \u003cc\u003e"}` + "\n"},
	} {
		w := httptest.NewRecorder()
		w.Header().Set("Retry-After", "1")
		problem.Write(w, 409, row.code, row.detail)
		if w.Code != 409 || w.Body.String() != row.want {
			t.Errorf("%d %s, want 409 %s", w.Code, w.Body, row.want)
		}
		for name, want := range map[string]string{"Content-Type": "application/problem+json", "Cache-Control": "no-store", "Retry-After": "1"} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Hour: "1", 0: "1", 1: "1", time.Second: "1", time.Second + 1: "2", 90 * time.Second: "90", 1<<63 - 1: "9223372037",
	} {
		if got := problem.RetryAfter(d); got != want {
			t.Errorf("RetryAfter(%v) is %s, want %s", d, got, want)
		}
	}
}
