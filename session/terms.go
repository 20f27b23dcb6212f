package session

import (
	"context"
	"encoding/binary"
	"errors"
	"time"
)

// Terms are what one login asks for beside the [Config]. They are kept in its session, so every refresh
// has them, whichever replica serves it.
type Terms struct {
	// Idle and Lifetime bound the session as those of the Config do, and never further: it ends by
	// whichever is shorter. They are kept in whole seconds, and are at least 1 minute. 0: as the Config
	// says.
	Idle, Lifetime time.Duration

	// NonPersistent asks a browser to forget the tokens when it closes: cookies then have no Max-Age (RFC
	// 6265 section 4.1.2.2). Browsers that restore their tabs may keep such cookies, so bound the session
	// as well.
	NonPersistent bool
}

type termsKey struct{}

// WithTerms returns a context for a login that has these terms: see auth.WithSession.
func WithTerms(ctx context.Context, t Terms) context.Context {
	return context.WithValue(ctx, termsKey{}, t)
}

// TermsFromContext returns the terms of [WithTerms], or the zero Terms.
func TermsFromContext(ctx context.Context) Terms {
	t, _ := ctx.Value(termsKey{}).(Terms)
	return t
}

// With returns a Keeper whose sessions have these terms.
func (k *Keeper) With(t Terms) *Keeper {
	t.Idle, t.Lifetime = wholeSeconds(t.Idle), wholeSeconds(t.Lifetime)
	if t == k.terms {
		return k
	}
	bounded := *k
	bounded.terms = t
	if t.Idle > 0 {
		bounded.idle = min(k.idle, t.Idle)
	}
	if t.Lifetime > 0 {
		bounded.life = min(k.life, t.Lifetime)
	}
	return &bounded
}

// TermsOf returns the terms of a session of a user, or the zero Terms if the user has no such session.
func (k *Keeper) TermsOf(ctx context.Context, userID, sessionID string) (Terms, error) {
	if sessionID == "" {
		return Terms{}, nil
	}
	u, err := k.Find(ctx, userID, sessionID)
	switch {
	case errors.Is(err, ErrNotFound):
		return Terms{}, nil
	case err != nil:
		return Terms{}, err
	}
	return u.Terms(), nil
}

// wholeSeconds returns a bound as it is kept.
func wholeSeconds(bound time.Duration) time.Duration {
	if bound == 0 {
		return 0
	}
	return min(max(bound, minLife), maxLife).Truncate(time.Second)
}

// termBytes is the length of Terms in a state.
const termBytes = 4 + 4 + 1

func (t Terms) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(t.Idle/time.Second))
	b = binary.BigEndian.AppendUint32(b, uint32(t.Lifetime/time.Second))
	if t.NonPersistent {
		return append(b, 1)
	}
	return append(b, 0)
}

// decodeTerms reads what append wrote.
func decodeTerms(b []byte) (t Terms, err error) {
	if len(b) < termBytes || b[8] > 1 {
		return Terms{}, errState
	}
	return Terms{
		Idle:     time.Duration(binary.BigEndian.Uint32(b)) * time.Second,
		Lifetime: time.Duration(binary.BigEndian.Uint32(b[4:])) * time.Second, NonPersistent: b[8] == 1,
	}, nil
}
