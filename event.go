package auth

import (
	"context"
	"errors"
	"log/slog"
)

// Event is something that happened, for audit logs and alarms. It holds no token, password or key.
type Event struct {
	Kind      EventKind
	UserID    string // empty: about no user
	SessionID string // empty: about no session
	KeyID     string // empty: about no key
	Actor     string // who acted for the user; empty: the user
	ClientID  string // client of the authorization server; empty: about none
	Role      string // role that was granted or taken, and after a space its organisation; empty: about none
	Device           // device the cause came from; zero: unknown, or no device
	Err       error  // what went wrong; nil: nothing
}

// EventKind names what happened.
type EventKind string

// The kinds of event.
const (
	EventRegistered    EventKind = "registered"     // an account was added
	EventLogin         EventKind = "login"          // a login succeeded; with sessions, SessionID began
	EventLoginFailed   EventKind = "login_failed"   // a password, or a code sent by mail, was wrong; Err says why, for the operator alone
	EventMFAFailed     EventKind = "mfa_failed"     // the code of a second factor was wrong
	EventMFAEnabled    EventKind = "mfa_enabled"    // an account got a second factor
	EventMFADisabled   EventKind = "mfa_disabled"   // the second factor of an account was removed
	EventMFARecovery   EventKind = "mfa_recovery"   // an account got new recovery codes, which replace its older ones
	EventThrottled     EventKind = "throttled"      // a password or code was not looked at, because there were too many attempts
	EventRehash        EventKind = "rehash"         // a stored hash was replaced by one of the current choice
	EventNewPassword   EventKind = "new_password"   // the password of an account was changed
	EventRefresh       EventKind = "refresh"        // a refresh token was used
	EventReuse         EventKind = "refresh_reuse"  // two parties held a session's refresh token, so the session was ended
	EventLogout        EventKind = "logout"         // a session was ended by its refresh token
	EventSessionEnded  EventKind = "session_ended"  // a session was ended by its ID, or because its account has another password hash
	EventSessionsEnded EventKind = "sessions_ended" // all sessions of a user were ended, except SessionID if it is set
	EventDisabled      EventKind = "disabled"       // an account was disabled, and its sessions ended
	EventEnabled       EventKind = "enabled"        // an account was enabled again
	EventDeleted       EventKind = "deleted"        // an account was deleted
	EventDelegated     EventKind = "delegated"      // Actor got a token by which it acts for the user
	EventKeyRotated    EventKind = "key_rotated"    // the host replaced the keys of a ring; KeyID signs now
	EventFeedDown      EventKind = "feed_down"      // revocations have not been read for longer than they may be unknown
	EventFeedUp        EventKind = "feed_up"        // revocations are read again

	// Events of package apikey, whose KeyID is that of the API key.
	EventAPIKeyCreated EventKind = "api_key_created" // a user created a key
	EventAPIKeyRolled  EventKind = "api_key_rolled"  // a key got another secret
	EventAPIKeyDeleted EventKind = "api_key_deleted" // a key was deleted

	// Events of package recovery. Where a mail was asked for, Err says why none was sent.
	EventResetAsked         EventKind = "reset_asked"          // a link to reset the password was asked for
	EventResetUsed          EventKind = "reset_used"           // a link was used to reset the password
	EventVerificationAsked  EventKind = "verification_asked"   // a link to verify an address was asked for
	EventAddressVerified    EventKind = "address_verified"     // an address was verified
	EventAddressChangeAsked EventKind = "address_change_asked" // a change of address was asked for
	EventAddressChanged     EventKind = "address_changed"      // the address of an account was changed
	EventLoginAsked         EventKind = "login_asked"          // a link or code to log in was asked for
)

// LogValue returns what is set.
func (e Event) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("event", string(e.Kind))}
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	text("sub", e.UserID)
	text("sid", e.SessionID)
	text("kid", e.KeyID)
	text("act", e.Actor)
	text("client_id", e.ClientID)
	text("role", e.Role)
	if e.IP.IsValid() {
		text("ip", e.IP.String())
	}
	text("user_agent", e.UserAgent)
	if e.Err != nil {
		attrs = append(attrs, slog.Any("error", e.Err))
	}
	return slog.GroupValue(attrs...)
}

// LogEvents returns a function for [Config].Events that writes each event to l. It writes what an
// operator may have to act on at level Warn: a reused refresh token, a throttled attempt, a hash
// that cannot be read, a feed of revocations that is down. It writes everything else at level Info.
// A nil l is [slog.Default].
func LogEvents(l *slog.Logger) func(context.Context, Event) {
	if l == nil {
		l = slog.Default()
	}
	return func(ctx context.Context, e Event) {
		level := slog.LevelInfo
		switch {
		case e.Kind == EventReuse, e.Kind == EventThrottled, e.Kind == EventFeedDown,
			errors.Is(e.Err, ErrUnknownHash), errors.Is(e.Err, ErrMalformedHash):
			level = slog.LevelWarn
		}
		l.LogAttrs(ctx, level, "auth: "+string(e.Kind), e.LogValue().Group()...)
	}
}
