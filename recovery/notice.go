package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-e36e2130/auth"
)

// noticeKinds are the kinds of message that inform owners of what happened to their accounts.
var noticeKinds = []Kind{
	KindPasswordReset, KindPasswordChanged, KindFactorAdded, KindFactorRemoved, KindRecoveryCodes,
	KindChangeAsked, KindChanged, KindDeleted, KindNewDevice, KindKeyCreated, KindKeyRolled,
}

// Bounds of the notices.
const (
	firstRetry = time.Second // delay after the first failure; each further failure doubles it
	lastRetry  = time.Hour   // greatest delay
	noticeLife = 24 * time.Hour

	// Of one kind an address gets so many notices in 24 hours, and then one an hour: nobody who changes
	// an account again and again fills the mailbox, and no later change goes unnoticed for long.
	noticesPerDay = 20
)

// Inform sends a notice about what has happened to an account to its address, if that is verified.
// Endpoints of [authhttp.Mount] call it. Call it after changes that you make by other means, such as
// [auth.Authenticator.SetPassword] or an enrolment of your own. The methods of a Recovery send the
// notices about what they do themselves.
//
// It returns before the notice is sent, which is tried for a day. Of one kind an address gets 20 notices
// in 24 hours, and after those one an hour. It returns an error if kind is no kind of notice.
//
// [authhttp.Mount]: https://pkg.go.dev/github.com/seed-e36e2130/auth/authhttp#Mount
func (r *Recovery) Inform(ctx context.Context, userID string, kind Kind) error {
	if !slices.Contains(noticeKinds, kind) {
		return fmt.Errorf("recovery: Inform: %q is no kind of notice", kind)
	}
	ctx = context.WithoutCancel(ctx) // it has happened: a client that hangs up does not hide it
	m := newNotice(ctx, kind, userID)
	if send, err := r.addressNotice(ctx, &m); send || err != nil {
		r.sendNotice(ctx, m)
	}
	return nil
}

// inform sends a notice to an address that has been proven. What it is about has happened already, so
// that it cannot be sent is no error of the caller. Requests for messages take no places of its queue.
func (r *Recovery) inform(ctx context.Context, kind Kind, userID, to string) {
	ctx = context.WithoutCancel(ctx)
	m := newNotice(ctx, kind, userID)
	if m.To = to; sendable(to) && r.countNotice(ctx, m) {
		r.sendNotice(ctx, m)
	}
}

func newNotice(ctx context.Context, kind Kind, userID string) Message {
	return Message{Kind: kind, UserID: userID, Time: time.Now(), IP: auth.DeviceFromContext(ctx).IP}
}

// addressNotice sets the recipient of a notice, and reports whether it may be sent.
func (r *Recovery) addressNotice(ctx context.Context, m *Message) (send bool, err error) {
	address, verified, err := r.addresses.Address(ctx, m.UserID)
	switch {
	case errors.Is(err, auth.ErrUserNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("recovery: load address: %w", err)
	case !verified || !sendable(address):
		return false, nil
	}
	m.To = address
	return r.countNotice(ctx, *m), nil
}

// sendNotice puts a notice into its queue, which tries to send it for a day. Without a recipient, which
// could not be loaded, that is tried as well.
func (r *Recovery) sendNotice(ctx context.Context, m Message) {
	end := time.Now().Add(noticeLife)
	attempt := func(ctx context.Context) error {
		if m.To == "" {
			if send, err := r.addressNotice(ctx, &m); !send {
				return err
			}
		}
		return r.notify(ctx, m)
	}
	var try func(ctx context.Context, delay time.Duration)
	try = func(ctx context.Context, delay time.Duration) {
		err := attempt(ctx)
		again := func(ctx context.Context) { try(ctx, min(2*delay, lastRetry)) }
		if err != nil && time.Now().Add(delay).Before(end) && r.notices.addAfter(ctx, delay, again) == nil {
			r.config.Logger.WarnContext(ctx, "recovery: a notice was not sent yet", "kind", m.Kind, "user", m.UserID, "error", err)
			return
		}
		r.report(ctx, m.Kind, m.UserID, err)
	}
	if err := r.notices.add(ctx, func(ctx context.Context) { try(ctx, firstRetry) }); err != nil {
		r.report(ctx, m.Kind, m.UserID, err)
	}
}

// countNotice counts a notice to its address and reports whether it may be sent. If that cannot be
// decided, it may. The notice about a deletion is not counted: there is one, and nothing is to be kept.
func (r *Recovery) countNotice(ctx context.Context, m Message) bool {
	if m.Kind == KindDeleted {
		return true
	}
	var err error
	for range 16 { // a conflict means that a concurrent call has just counted a notice
		var times []int64
		record, now, failed := r.load(ctx, key("told."+m.Kind, addressDigest(m.To)))
		if failed == nil {
			times, failed = sentTimes(record, now)
		}
		if err = failed; err != nil {
			break
		}
		if n := len(times); n >= noticesPerDay && now.Sub(time.UnixMicro(times[n-1])) < time.Hour {
			r.config.Logger.WarnContext(ctx, "recovery: a notice is not sent, because there were too many of its kind", "kind", m.Kind, "user", m.UserID)
			return false
		}
		times = append(times, now.UnixMicro())
		record.Owner = m.UserID
		_, err = r.write(ctx, record, times[max(len(times)-noticesPerDay, 0):], now.Add(24*time.Hour))
		if !errors.Is(err, auth.ErrConflict) {
			break
		}
	}
	if err != nil {
		r.config.Logger.WarnContext(ctx, "recovery: a notice was not counted", "kind", m.Kind, "user", m.UserID, "error", err)
	}
	return true
}
