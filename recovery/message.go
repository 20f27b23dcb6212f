package recovery

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Kind says what a [Message] is about.
type Kind string

// The kinds of message. The first five hold a secret and were asked for; the rest
// tell the owner of an account what happened to it.
const (
	KindReset  Kind = "reset"  // Link: choose a new password
	KindVerify Kind = "verify" // Link: this address is mine
	KindChange Kind = "change" // Link: this is to be the address of the account
	KindLogin  Kind = "login"  // Link: log in
	KindCode   Kind = "code"   // Code: log in

	KindPasswordReset Kind = "password_reset"  // a link was used to choose a new password
	KindChangeAsked   Kind = "change_asked"    // to the present address: another was asked for
	KindChanged       Kind = "address_changed" // to the address that was: another has taken its place
	KindDeleted       Kind = "deleted"         // the account is gone
)

// Message is what a [Notifier] sends. Printed, logged or written as JSON it does not
// show what is secret, nor the address.
type Message struct {
	Kind   Kind
	UserID string
	To     string        // one address, fit for a header
	Link   string        // secret; empty: none
	Code   string        // secret: six digits; empty: none
	Life   time.Duration // of Link or Code
}

// Notifier sends messages. It is called from several goroutines at once, and must
// honour ctx. No error of it may hold Link or Code: it is logged.
type Notifier interface {
	Notify(ctx context.Context, m Message) error
}

// String returns kind and user.
func (m Message) String() string {
	return fmt.Sprintf("recovery.Message(%s for %s)", m.Kind, m.UserID)
}

// Format writes what String returns, whatever the verb.
func (m Message) Format(f fmt.State, _ rune) { io.WriteString(f, m.String()) }

// MarshalText returns what String returns.
func (m Message) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// LogValue returns what String returns.
func (m Message) LogValue() slog.Value { return slog.StringValue(m.String()) }

// DangerouslyLog returns a Notifier for development: it sends nothing, and writes
// each message into the log, with the link that opens the account.
func DangerouslyLog(log *slog.Logger) Notifier { return logNotifier{log} }

type logNotifier struct{ log *slog.Logger }

func (n logNotifier) Notify(ctx context.Context, m Message) error {
	if n.log == nil {
		return errZero
	}
	n.log.WarnContext(ctx, "recovery: not sent, for this is development",
		"kind", m.Kind, "user", m.UserID, "to", m.To, "link", m.Link, "code", m.Code, "life", m.Life)
	return nil
}
