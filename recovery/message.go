package recovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"
)

// Kind says what a [Message] is about.
type Kind string

// The kinds of message. The first five were requested and hold a secret. The others inform the owner
// of an account about what happened to it, and go to verified addresses alone.
const (
	KindReset  Kind = "reset"  // Link: reset the password
	KindVerify Kind = "verify" // Link: verify the address of the account
	KindChange Kind = "change" // Link: make this the address of the account
	KindLogin  Kind = "login"  // Link: log in; by RequestLogin also Code
	KindCode   Kind = "code"   // Code: log in

	KindPasswordReset   Kind = "password_reset"   // the password was reset by a link
	KindPasswordChanged Kind = "password_changed" // the password was changed by somebody who knew it
	KindFactorAdded     Kind = "factor_added"     // a second factor was added
	KindFactorRemoved   Kind = "factor_removed"   // the second factor was removed
	KindRecoveryCodes   Kind = "recovery_codes"   // the recovery codes were replaced
	KindChangeAsked     Kind = "change_asked"     // sent to the present address: a change of address was requested
	KindChanged         Kind = "address_changed"  // sent to the old address: another address has replaced it
	KindKeyCreated      Kind = "api_key_created"  // an API key was created
	KindKeyRolled       Kind = "api_key_rolled"   // an API key got another secret
	KindDeleted         Kind = "deleted"          // the account was deleted
	KindNewDevice       Kind = "new_device"       // a device logged in that the account had not logged in from
)

// Message is what a [Notifier] sends. Printed, logged or written as JSON it shows neither its secrets
// nor the address.
type Message struct {
	Kind   Kind
	UserID string
	To     string        // one address, fit for a mail header
	Link   string        // secret; empty: none
	Code   string        // secret, six digits; empty: none
	Life   time.Duration // how long Link or Code is valid

	Time time.Time  // notices: when it happened
	IP   netip.Addr // notices: address of the client that did it; the zero Addr: unknown
}

// Notifier sends messages. It is called from several goroutines at once, and must honour ctx. Its
// errors are logged, so they must not hold Link or Code.
type Notifier interface {
	Notify(ctx context.Context, m Message) error
}

// redacted returns the kind and the user.
func (m Message) redacted() string {
	return fmt.Sprintf("recovery.Message(%s for %s)", m.Kind, m.UserID)
}

// Format writes the kind and the user, whatever the verb.
func (m Message) Format(f fmt.State, _ rune) { io.WriteString(f, m.redacted()) }

// MarshalText returns the kind and the user.
func (m Message) MarshalText() ([]byte, error) { return []byte(m.redacted()), nil }

// LogValue returns the kind and the user.
func (m Message) LogValue() slog.Value { return slog.StringValue(m.redacted()) }

// DangerouslyLog returns a Notifier for development. It sends nothing: it writes each message to log,
// with the link or code that opens the account.
func DangerouslyLog(log *slog.Logger) Notifier { return logNotifier{log} }

type logNotifier struct{ log *slog.Logger }

var errNoLogger = errors.New("recovery: DangerouslyLog was given no logger")

func (n logNotifier) Notify(ctx context.Context, m Message) error {
	if n.log == nil {
		return errNoLogger
	}
	n.log.WarnContext(ctx, "recovery: message logged, not sent: for development only",
		"kind", m.Kind, "user", m.UserID, "to", m.To, "link", m.Link, "code", m.Code, "life", m.Life)
	return nil
}
