package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
)

const (
	chainDigits  = 32
	timeDigits   = 20
	feedAtOnce   = 1000 // revocations that one script returns
	feedRestarts = 8    // times that one call may start again at the first revocation
)

// digits returns a time in microseconds, as text that sorts like the time.
func digits(t time.Time) string { return fmt.Sprintf("%0*d", timeDigits, max(t.UnixMicro(), 0)) }

// sessionRevocation returns what the revocation of a session begins with. The session's ID follows.
func sessionRevocation(expiry time.Time) string { return digits(expiry) + "s" }

// userRevocation returns the revocation of a user.
func userRevocation(id string, issuedAt, expiry time.Time) string {
	return digits(expiry) + "u" + digits(issuedAt) + id
}

// parseRevocation returns the revocation that follows the chain in a member of the feed.
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

// position is a place in the feed: after the member with this number and chain. Its zero value is
// the beginning.
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

// RevokedSince implements [auth.SessionStore]. A cursor whose place in the feed the server has lost
// counts as the empty cursor.
func (s *Store) RevokedSince(ctx context.Context, cursor string, each func(auth.Revocation)) (string, error) {
	const doing = "read revocations"
	pos, err := parsePosition(cursor)
	if err != nil {
		return cursor, err
	}
	for restarts := 0; restarts <= feedRestarts; {
		reply, err := s.query(ctx, doing, revokedSince, []string{s.feed}, pos.number, pos.chain, feedAtOnce)
		if err != nil {
			s.probeIdle(ctx)
			return cursor, err
		}
		now, err := serverTime(reply)
		if err != nil {
			return cursor, err
		}
		from := pos
		for members := reply[2:]; len(members) >= 2; members = members[2:] {
			r, next, ok := parseMember(members[0], members[1])
			if !ok {
				return cursor, errors.New("auth: redis store: a revocation is damaged")
			}
			if next.number <= from.number {
				restarts++ // the feed has another history than the one that pos belongs to
				from = position{}
			}
			if pos = next; now.Sub(r.Expiry) < clockSlack {
				each(r)
			}
		}
		if len(reply) < 2+2*feedAtOnce {
			return pos.String(), nil
		}
	}
	return cursor, errors.New("auth: redis store: the revocations changed faster than they were read")
}

// parseMember returns the revocation in a member of the feed, and the place after it.
func parseMember(member, number string) (r auth.Revocation, next position, ok bool) {
	if len(member) < chainDigits {
		return r, next, false
	}
	next.chain = member[:chainDigits]
	var err error
	if next.number, err = strconv.ParseUint(number, 10, 53); err != nil {
		return r, next, false
	}
	r, ok = parseRevocation(member[chainDigits:])
	return r, next, ok
}

// Listen calls sync, as a rule the Sync of a revocation.List, whenever something was revoked, so
// that the revocation takes effect in this process at once. It also calls sync after each new
// connection, because messages may have been missed. It returns when ctx ends, with its error, or
// when the client is closed. It returns an [*cfgerr.Error] if sync is nil.
//
// The messages are empty. A list that also reads the feed by itself loses nothing if they do not
// arrive, so Listen ignores what sync returns.
func (s *Store) Listen(ctx context.Context, sync func(context.Context) error) error {
	if sync == nil {
		return &cfgerr.Error{Field: "redisstore.Listen.sync", Reason: "is required"}
	}
	subscription := s.client.Subscribe(ctx, s.feed)
	defer subscription.Close()
	messages := subscription.ChannelWithSubscriptions()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("auth: redis store: listen: %w", ctx.Err())
		case _, open := <-messages:
			if !open {
				return errors.New("auth: redis store: listen: the client was closed")
			}
		}
		for len(messages) > 0 {
			<-messages // one call of sync serves all of them
		}
		_ = sync(ctx)
	}
}
