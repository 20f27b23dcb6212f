package auth

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Session is one login, from the first token until it ends. Its refresh tokens
// are not in it, nor anything that a token could be made of without the server's
// keys. Printed and logged it shows its ID and user alone.
type Session struct {
	ID         string    // 128 random bits: 22 characters of base64url; sid of its access tokens
	UserID     string    // never changes
	CreatedAt  time.Time // UTC, whole microseconds, as all times here; never changes
	LastUsedAt time.Time // when its tokens were last made anew
	ExpiresAt  time.Time // when it ends unless it is used before
	Device               // that it was last used from

	Version int64  `json:"-"` // counts replacements: see [SessionStore].ReplaceSession
	State   []byte `json:"-"` // the library's own, half of what makes a token: at most 512 bytes
}

// Device is where a session is used from, as the host sees it: facts for people
// to know their sessions by, and proof of nothing.
type Device struct {
	UserAgent string     // kept up to 256 bytes, without control characters
	IP        netip.Addr // of the client, not of a proxy; kept without zone

	// Known, where the host has it from the client, is a [Tokens].DeviceToken of an
	// earlier login. It is for the [Throttle], and kept in no session.
	Known DeviceToken `json:"-"`
}

// DeviceToken tells a [Throttle] that an account has logged in from a device
// before, and proves nothing else. Printed and logged it is not shown.
type DeviceToken string

// Format writes "[REDACTED]", whatever the verb.
func (t DeviceToken) Format(f fmt.State, _ rune) {
	if t != "" {
		io.WriteString(f, "[REDACTED]")
	}
}

// LogValue returns what Format writes.
func (t DeviceToken) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(t)) }

// SessionStore keeps sessions. There is no logic in it: it writes what it is
// given where one number is what was expected. Package authtest holds the suite
// that proves one right.
//
// Every method honours ctx and is safe for concurrent use, by any number of
// processes. What is returned is the caller's own copy. A store may forget a
// session whose ExpiresAt is past by an hour, and must in the end. An error that
// is not one of those named below is the world's, as in [UserStore].
type SessionStore interface {
	// CreateSession adds s. It returns [ErrConflict] if the ID is taken, and
	// then nothing has changed.
	CreateSession(ctx context.Context, s Session) error

	// Session returns the session as it was last written, never an older copy,
	// and the store's own time: replicas whose clocks differ measure sessions by
	// the one clock of the store they share. It returns [ErrSessionNotFound] if
	// there is none.
	Session(ctx context.Context, id string) (s Session, now time.Time, err error)

	// Sessions returns the sessions of a user in any order, with an empty State.
	Sessions(ctx context.Context, userID string) ([]Session, error)

	// ReplaceSession puts replacement, which has the ID, UserID and CreatedAt of
	// old, in the place of the session with that ID if its Version is
	// old.Version, in one atomic step. It returns [ErrConflict] if the Version
	// is another or there is no such session, and then nothing has changed.
	ReplaceSession(ctx context.Context, old, replacement Session) error

	// DeleteSession removes the session and, in the same atomic step, records
	// a [Revocation] of its ID and expiry. It returns [ErrSessionNotFound] if there is none (of concurrent calls exactly one
	// succeeds), and then nothing is recorded.
	DeleteSession(ctx context.Context, id string, expiry time.Time) error

	// DeleteUserSessions removes the sessions of a user, but for the one whose
	// ID is except, and, in the same atomic step, records a
	// [Revocation] of each ID and expiry; with an empty except, also one of
	// the user ID, issuedAt and expiry, whether there were sessions or not.
	DeleteUserSessions(ctx context.Context, userID, except string, issuedAt, expiry time.Time) error

	// RevokedSince calls each with every [Revocation] that was recorded after
	// cursor and whose Expiry is not past, in any order, and returns where to
	// go on; the empty cursor is the beginning. A revocation may come again,
	// but none is ever passed over: also not one whose transaction began before
	// the cursor was made and ended after.
	RevokedSince(ctx context.Context, cursor string, each func(Revocation)) (next string, err error)
}

// Revocation ends access tokens: those of one session, or those of a user that
// belong to no session.
type Revocation struct {
	SessionID string    // the session that ended; or
	UserID    string    // the user,
	IssuedAt  time.Time // whose tokens were issued (iat) in or before the second of this
	Expiry    time.Time // when all these tokens have expired and this may be forgotten
}

const maxUserAgent = 256

// clean returns d as it is kept.
func (d Device) clean() Device {
	ua := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, d.UserAgent[:min(len(d.UserAgent), 4*maxUserAgent)])
	for len(ua) > maxUserAgent {
		_, size := utf8.DecodeLastRuneInString(ua)
		ua = ua[:len(ua)-size]
	}
	return Device{UserAgent: ua, IP: d.IP.Unmap().WithZone("")}
}

// String returns the ID and the user.
func (s Session) String() string {
	return fmt.Sprintf("auth.Session(%s of %s)", s.ID, s.UserID)
}

// GoString is [Session.String].
func (s Session) GoString() string { return s.String() }

// Format writes what String returns, whatever the verb.
func (s Session) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// LogValue returns the ID and the user.
func (s Session) LogValue() slog.Value {
	return slog.GroupValue(slog.String("sid", s.ID), slog.String("sub", s.UserID))
}

// newSessionID returns 128 random bits as text.
func newSessionID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand
	return base64url.EncodeToString(b[:])
}
