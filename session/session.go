// Package session holds a login that can be ended: the session, the contract of the store that
// keeps it, the form of its refresh tokens, and the rule of their rotation. Package auth composes
// it with accounts and access tokens; a host uses its types to write a [Store] or to show a user
// where they are logged in.
package session

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Session is one login, from its first token until it ends. It holds none of its refresh tokens,
// nor anything that a token can be made of without the server's secrets. Printed and logged it shows
// its ID and its user alone.
type Session struct {
	ID         string    // 128 random bits as 22 characters of base64url; the sid claim of its access tokens
	UserID     string    // never changes
	CreatedAt  time.Time // UTC, whole microseconds, as all times here; never changes
	LastUsedAt time.Time // time of the last renewal of its tokens
	ExpiresAt  time.Time // end of the session, unless it is used before
	Device               // device it was last used from

	Version int64  `json:"-"` // counts replacements: see [Store].ReplaceSession
	State   []byte `json:"-"` // state of the refresh tokens, for the library alone: at most 512 bytes
}

// Device describes where a session is used from, as the host sees it. It helps people to recognise
// their sessions and proves nothing.
type Device struct {
	UserAgent string     // kept up to 256 bytes, without control characters
	IP        netip.Addr // address of the client, not of a proxy; kept without zone

	// Known is the DeviceToken that an earlier login gave this client, if the client sent it. It is
	// for the throttle, and is kept in no session.
	Known DeviceToken `json:"-"`
}

// DeviceToken tells a throttle that an account has logged in from a device before, and proves
// nothing else. Printed and logged it is not shown.
type DeviceToken string

// Format writes "[REDACTED]", whatever the verb.
func (t DeviceToken) Format(f fmt.State, _ rune) {
	if t != "" {
		io.WriteString(f, "[REDACTED]")
	}
}

// LogValue returns what Format writes.
func (t DeviceToken) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(t)) }

// MarshalText returns what Format writes: convert a token that goes to the client to a string.
func (t DeviceToken) MarshalText() ([]byte, error) { return []byte(fmt.Sprint(t)), nil }

// Store keeps sessions. It contains no rules: it writes what it is given if one number is what the
// caller expects. Package authtest holds the suite that proves a Store right.
//
// Every method honours ctx and is safe for concurrent use, by any number of processes. What is
// returned is the caller's own copy. A Store may forget a session 25 hours after its ExpiresAt, and
// must forget it in the end. An error other than those named below means an infrastructure
// failure, such as a database that is down.
type Store interface {
	// CreateSession adds s. It returns [ErrConflict] if the ID is taken, and then nothing has
	// changed.
	CreateSession(ctx context.Context, s Session) error

	// Session returns the session as it was last written, never an older copy, and the store's own
	// time: replicas whose clocks differ measure sessions by the clock of the store they share. It
	// returns [ErrNotFound] if there is none.
	Session(ctx context.Context, id string) (s Session, now time.Time, err error)

	// Sessions returns the sessions of a user in any order, with an empty State.
	Sessions(ctx context.Context, userID string) ([]Session, error)

	// ReplaceSession puts replacement, which has the ID, UserID and CreatedAt of old, in the place
	// of the session with that ID if its Version is old.Version, in one atomic step. It returns
	// [ErrConflict] if the Version is another or there is no such session, and then nothing has
	// changed.
	ReplaceSession(ctx context.Context, old, replacement Session) error

	// DeleteSession removes the session and, in the same atomic step, records a [Revocation] of its
	// ID and expiry. It returns [ErrNotFound] if there is none (of concurrent calls exactly one
	// succeeds), and then nothing is recorded.
	DeleteSession(ctx context.Context, id string, expiry time.Time) error

	// DeleteUserSessions removes the sessions of a user, except the one whose ID is except, and, in
	// the same atomic step, records a [Revocation] of each ID and expiry. With an empty except it
	// also records one of the user ID, issuedAt and expiry, whether there were sessions or not.
	DeleteUserSessions(ctx context.Context, userID, except string, issuedAt, expiry time.Time) error

	// RevokedSince calls each with every [Revocation] that was recorded after cursor and whose
	// Expiry is not more than 24 hours past, in any order, and returns the cursor to continue from;
	// the empty cursor is the beginning. Expiry is by the clock of the caller that recorded it, which
	// may differ from the store's; 24 hours is how far. A revocation may come again, but none is ever passed over: not even one whose
	// transaction began before the cursor was made and ended after.
	RevokedSince(ctx context.Context, cursor string, each func(Revocation)) (next string, err error)
}

// Revocation ends access tokens before they expire: those of one session, or those of a user that
// belong to no session.
type Revocation struct {
	SessionID string    // the session that ended; or
	UserID    string    // the user
	IssuedAt  time.Time // used with UserID: tokens issued (iat) in this second or before are revoked
	Expiry    time.Time // time when all these tokens have expired, so that this may be forgotten
}

const maxUserAgent = 256

// Clean returns d as a session keeps it: shortened, without control characters and without Known.
func (d Device) Clean() Device {
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

// Format writes the ID and the user, whatever the verb.
func (s Session) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "session.Session(%s of %s)", s.ID, s.UserID)
}

// LogValue returns the ID and the user.
func (s Session) LogValue() slog.Value {
	return slog.GroupValue(slog.String("sid", s.ID), slog.String("sub", s.UserID))
}

// newID returns 128 random bits as text.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return base64url.EncodeToString(b[:])
}

var base64url = base64.RawURLEncoding
