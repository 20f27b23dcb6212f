package problem

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Log writes one Error line that says why r could not be decided, to [slog.Default] if logger is nil. It
// writes nothing if the request was cancelled because its client hung up.
//
// A kind is the error of a state that many requests meet at once, such as a full queue. Of one kind, a
// logger gets one line a second at most, and the next line says how many were left out. A nil kind
// means that every line is written.
func Log(logger *slog.Logger, r *http.Request, err, kind error) {
	gone := errors.Is(err, context.Canceled) && r.Context().Err() != nil
	if gone {
		return
	}
	if logger == nil {
		logger = slog.Default()
	}
	attrs := append(about(r), slog.Any("error", err))
	if kind != nil {
		write, leftOut := sampled.take(sample{logger, kind}, time.Now())
		if !write {
			return
		}
		if leftOut > 0 {
			attrs = append(attrs, slog.Int("left_out", leftOut))
		}
	}
	logger.LogAttrs(r.Context(), slog.LevelError, "auth: request not decided", attrs...)
}

// Refused writes one Debug line that says why r was refused, to [slog.Default] if logger is nil.
// crossOrigin says that the reason is where the request comes from; then the line names that.
func Refused(logger *slog.Logger, r *http.Request, err error, status int, crossOrigin bool) {
	if logger == nil {
		logger = slog.Default()
	}
	if !logger.Enabled(r.Context(), slog.LevelDebug) {
		return
	}
	attrs := append(about(r), slog.Int("status", status), slog.Any("error", err))
	if crossOrigin {
		attrs = append(attrs, slog.String("host", r.Host), slog.String("origin", r.Header.Get("Origin")))
	}
	logger.LogAttrs(r.Context(), slog.LevelDebug, "auth: request refused", attrs...)
}

// about names a request, without its query, which may hold a secret.
func about(r *http.Request) []slog.Attr {
	return []slog.Attr{slog.String("method", r.Method), slog.String("path", r.URL.Path)}
}

const (
	// sampleTime is how long one line of a kind stands for those that follow it.
	sampleTime = time.Second

	// sampleLife is how long a sample is kept that nothing was added to.
	sampleLife = time.Minute
)

// sample names the lines of which one is written.
type sample struct {
	logger *slog.Logger
	kind   error
}

type written struct {
	at      time.Time // when a line was written
	leftOut int       // lines that were left out since
}

// samples are the lines of all loggers that were written last. A program has few loggers and kinds.
type samples struct {
	mu     sync.Mutex
	byName map[sample]*written
}

var sampled = samples{byName: map[sample]*written{}}

// take reports whether a line is to be written now, and how many were left out before it.
func (s *samples) take(name sample, now time.Time) (write bool, leftOut int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.byName[name]
	if last == nil {
		for other, w := range s.byName {
			if now.Sub(w.at) > sampleLife {
				delete(s.byName, other)
			}
		}
		s.byName[name] = &written{at: now}
		return true, 0
	}
	if since := now.Sub(last.at); since >= 0 && since < sampleTime {
		last.leftOut++
		return false, 0
	}
	leftOut = last.leftOut
	*last = written{at: now}
	return true, leftOut
}
