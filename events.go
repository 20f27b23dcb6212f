package auth

import (
	"context"
	"log/slog"
)

// Event is something that happened, for audit logs and alarms. It holds no token,
// password or key.
type Event struct {
	Kind      EventKind
	UserID    string // empty: no user's
	SessionID string // empty: no session's
	KeyID     string // empty: no key's
	Device           // that it came from; zero: unknown, or from none
	Err       error  // what went wrong; nil: nothing
}

// EventKind names what happened.
type EventKind string

// The kinds of event.
const (
	EventRegistered    EventKind = "registered"     // an account was added
	EventLogin         EventKind = "login"          // a session began
	EventLoginFailed   EventKind = "login_failed"   // a password, or a code in a mail, proved nothing; Err says why, for no eyes but the operator's
	EventMFAFailed     EventKind = "mfa_failed"     // the code of a second factor was wrong
	EventMFAEnabled    EventKind = "mfa_enabled"    // an account got a second factor
	EventMFADisabled   EventKind = "mfa_disabled"   // its second factor was taken away
	EventMFARecovery   EventKind = "mfa_recovery"   // it got new recovery codes in the place of the older ones
	EventThrottled     EventKind = "throttled"      // a password or code was not looked at: there were too many attempts
	EventRehash        EventKind = "rehash"         // a stored hash was replaced by one of the current choice
	EventNewPassword   EventKind = "new_password"   // an account got another password
	EventRefresh       EventKind = "refresh"        // a session was used
	EventReuse         EventKind = "refresh_reuse"  // two held a session's refresh token: it has ended
	EventLogout        EventKind = "logout"         // a session ended by its own refresh token
	EventSessionEnded  EventKind = "session_ended"  // a session was ended
	EventSessionsEnded EventKind = "sessions_ended" // all sessions of a user were ended, but SessionID where it is set
	EventDisabled      EventKind = "disabled"       // an account was disabled, and its sessions ended
	EventEnabled       EventKind = "enabled"        // it was enabled again
	EventDeleted       EventKind = "deleted"        // an account was deleted
	EventKeyRotated    EventKind = "key_rotated"    // the keys of a ring were replaced by others; KeyID signs now, if any does
	EventFeedDown      EventKind = "feed_down"      // revocations were not read for longer than they may take
	EventFeedUp        EventKind = "feed_up"        // and now they were

	// Of package recovery. Err of what was asked for says why nothing was sent.
	EventResetAsked         EventKind = "reset_asked"          // a link to a new password was asked for
	EventResetUsed          EventKind = "reset_used"           // a link was used to choose a new password
	EventVerificationAsked  EventKind = "verification_asked"   // a link that proves an address was asked for
	EventAddressVerified    EventKind = "address_verified"     // an address was proven
	EventAddressChangeAsked EventKind = "address_change_asked" // another address was asked for
	EventAddressChanged     EventKind = "address_changed"      // it has taken the place of the old one
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
	if e.IP.IsValid() {
		text("ip", e.IP.String())
	}
	text("user_agent", e.UserAgent)
	if e.Err != nil {
		attrs = append(attrs, slog.Any("error", e.Err))
	}
	return slog.GroupValue(attrs...)
}

// LogEvents returns a [Config].Events that writes each event to l: at level Warn
// what an operator may have to act on (a refresh token that two held, a throttle,
// a hash that cannot be read, a feed that is down), all else at Info. nil: nowhere.
func LogEvents(l *slog.Logger) func(context.Context, Event) {
	if l == nil {
		l = slog.New(slog.DiscardHandler)
	}
	return func(ctx context.Context, e Event) {
		level := slog.LevelInfo
		switch {
		case e.Kind == EventReuse, e.Kind == EventThrottled, e.Kind == EventFeedDown, unreadable(e.Err):
			level = slog.LevelWarn
		}
		l.LogAttrs(ctx, level, "auth: "+string(e.Kind), e.LogValue().Group()...)
	}
}
