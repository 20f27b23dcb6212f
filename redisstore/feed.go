package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
)

const (
	chainDigits  = 32
	timeDigits   = 20
	feedAtOnce   = 1000 // revocations that one script reads
	feedRestarts = 8    // of one read
)

// digits returns a time in microseconds, as text that compares as it does.
func digits(t time.Time) string { return fmt.Sprintf("%0*d", timeDigits, max(t.UnixMicro(), 0)) }

// ofSessions returns what the revocation of a session begins with. Its ID is the
// rest.
func ofSessions(expiry time.Time) string { return digits(expiry) + "s" }

// ofUserID returns the revocation of a user.
func ofUserID(id string, issuedAt, expiry time.Time) string {
	return digits(expiry) + "u" + digits(issuedAt) + id
}

// parseRevocation returns what a member of the feed says after its chain.
func parseRevocation(text string) (r auth.Revocation, ok bool) {
	if len(text) <= timeDigits {
		return r, false
	}
	expiry, kind, rest := text[:timeDigits], text[timeDigits], text[timeDigits+1:]
	if r.Expiry, ok = parseDigits(expiry); !ok {
		return r, false
	}
	switch {
	case kind == 's':
		r.SessionID = rest
		return r, true
	case kind == 'u' && len(rest) >= timeDigits:
		r.UserID = rest[timeDigits:]
		r.IssuedAt, ok = parseDigits(rest[:timeDigits])
		return r, ok
	}
	return r, false
}

func parseDigits(text string) (time.Time, bool) {
	micros, err := strconv.ParseUint(text, 10, 63)
	return toTime(int64(micros)), err == nil
}

// position is where in the feed a reader is: behind the member with this number and
// chain. Its zero is the beginning.
type position struct {
	number uint64
	chain  string
}

func (p position) String() string {
	if p == (position{}) {
		return ""
	}
	return strconv.FormatUint(p.number, 10) + "." + p.chain
}

func parsePosition(cursor string) (p position, err error) {
	if cursor == "" {
		return position{}, nil
	}
	number, chain, _ := strings.Cut(cursor, ".")
	p.chain = chain
	if p.number, err = strconv.ParseUint(number, 10, 53); err != nil || len(chain) != chainDigits {
		return position{}, fmt.Errorf("auth: redis store: malformed cursor %q", cursor)
	}
	return p, nil
}

// RevokedSince implements [session.Store]. A cursor of a history that the server
// has lost is as good as the empty one.
func (s *Store) RevokedSince(ctx context.Context, cursor string, each func(auth.Revocation)) (string, error) {
	const doing = "read revocations"
	at, err := parsePosition(cursor)
	if err != nil {
		return cursor, err
	}
	for restarts := 0; restarts <= feedRestarts; {
		found, err := s.texts(ctx, doing, since, []string{s.feed}, at.number, at.chain, feedAtOnce)
		if err != nil {
			return cursor, err
		}
		now, err := clock(found)
		if err != nil {
			return cursor, err
		}
		from := at
		for members := found[2:]; len(members) >= 2; members = members[2:] {
			r, next, ok := parseMember(members[0], members[1])
			if !ok {
				return cursor, errors.New("auth: redis store: a revocation is damaged")
			}
			if next.number <= from.number {
				restarts++ // where at was there is nothing, or another history
				from = position{}
			}
			if at = next; now.Before(r.Expiry) {
				each(r)
			}
		}
		if len(found) < 2+2*feedAtOnce {
			return at.String(), nil
		}
	}
	return cursor, errors.New("auth: redis store: revocations changed faster than they were read")
}

// parseMember returns what a member of the feed says, and where it stands.
func parseMember(member, number string) (r auth.Revocation, at position, ok bool) {
	if len(member) < chainDigits {
		return r, at, false
	}
	at.chain = member[:chainDigits]
	var err error
	if at.number, err = strconv.ParseUint(number, 10, 53); err != nil {
		return r, at, false
	}
	r, ok = parseRevocation(member[chainDigits:])
	return r, at, ok
}

// Listen calls sync, as a rule the Sync of a revocation.List, whenever something
// was revoked, so that it is in effect here at once, and whenever it has connected
// again and may have missed something. It returns when ctx ends, with its error, or an
// [*cfgerr.Error] if sync is nil. The messages say nothing but that there is news: where they do not arrive, the list
// that reads the feed by itself is none the worse, so what sync returns is of no
// interest here.
func (s *Store) Listen(ctx context.Context, sync func(context.Context) error) error {
	if s == nil || s.client == nil {
		return errZero
	}
	if sync == nil {
		return &auth.ConfigError{Field: "redisstore.Listen.sync", Reason: "is nil"}
	}
	subscription := s.client.Subscribe(ctx, s.feed)
	defer subscription.Close()
	news := subscription.ChannelWithSubscriptions()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("auth: redis store: listen: %w", ctx.Err())
		case _, open := <-news:
			if !open {
				return errors.New("auth: redis store: listen: the client was closed")
			}
		}
		for len(news) > 0 {
			<-news // one read is enough for all of them
		}
		_ = sync(ctx)
	}
}
