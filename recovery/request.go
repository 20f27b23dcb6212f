package recovery

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-e36e2130/auth"
)

// Limits of the messages of one kind to one address.
const (
	perDay   = 10
	interval = time.Minute
)

// Why a message is not sent, other than [auth.ErrUserNotFound] and [auth.ErrUserExists].
var (
	errTooMany     = errors.New("recovery: too many messages to this address")
	errVerified    = errors.New("recovery: the address is verified already")
	errNotVerified = errors.New("recovery: the address is not verified")
)

// requestEvent is the event of a request for a message of each kind.
var requestEvent = map[Kind]auth.EventKind{
	KindReset:  auth.EventResetAsked,
	KindVerify: auth.EventVerificationAsked,
	KindChange: auth.EventAddressChangeAsked,
	KindLogin:  auth.EventLoginAsked,
	KindCode:   auth.EventLoginAsked,
}

// RequestReset sends a link for [Recovery.Reset] if the address belongs to an account that is not
// disabled. As with all requests by address, nothing is sent within a minute of the last message of
// this kind to the address, and at most ten messages are sent in a day.
//
// It returns at once, and the same for every address, known or not: nil, [ErrInvalidAddress] if the
// text cannot be an address, or a [*auth.RetryError] of [auth.ErrBusy] if the queue is full.
func (r *Recovery) RequestReset(ctx context.Context, address string) error {
	return r.request(ctx, KindReset, address)
}

// RequestVerification sends a link for [Recovery.VerifyAddress] if the address belongs to an account
// and is not verified. Limits and errors are those of [Recovery.RequestReset].
func (r *Recovery) RequestVerification(ctx context.Context, address string) error {
	return r.request(ctx, KindVerify, address)
}

// RequestLoginLink sends a link for [Recovery.LoginByLink] if the address belongs to an account and is
// verified. Without that condition, an attacker who registers with the address of somebody else could
// share an account with its owner. Limits and errors are those of [Recovery.RequestReset].
func (r *Recovery) RequestLoginLink(ctx context.Context, address string) error {
	return r.request(ctx, KindLogin, address)
}

// RequestLoginCode sends a code of six digits and returns its challenge, for [Recovery.LoginByCode].
// Keep the challenge only where the user will enter the code, for example in a cookie of the browser.
// Offer to send another code after a minute: before that none would be sent, and its challenge would
// have no code. Conditions, limits and errors are those of [Recovery.RequestLoginLink].
func (r *Recovery) RequestLoginCode(ctx context.Context, address string) (challenge string, err error) {
	canonical, err := r.canonical(address)
	if err != nil {
		return "", err
	}
	t := newToken(addressDigest(canonical))
	if err := r.queue.add(ctx, func(ctx context.Context) { r.respond(ctx, KindCode, canonical, t) }); err != nil {
		return "", err
	}
	return t.text(), nil
}

// request queues the answer to a request for a link.
func (r *Recovery) request(ctx context.Context, kind Kind, address string) error {
	canonical, err := r.canonical(address)
	if err != nil {
		return err
	}
	return r.queue.add(ctx, func(ctx context.Context) { r.respond(ctx, kind, canonical, token{}) })
}

// respond sends what was requested for an address, if its account allows that, and reports the result.
func (r *Recovery) respond(ctx context.Context, kind Kind, address string, challenge token) {
	userID, err := r.addresses.UserByAddress(ctx, address)
	if err == nil {
		err = r.sendToUser(ctx, kind, userID, challenge)
	} else if !errors.Is(err, auth.ErrUserNotFound) {
		err = fmt.Errorf("recovery: look up address: %w", err)
	}
	if kind == KindCode && (isGone(err) || errors.Is(err, errNotVerified)) {
		failed := r.issueToNobody(ctx, address, challenge)
		if failed != nil && !errors.Is(failed, errTooMany) {
			r.config.Logger.ErrorContext(ctx, "recovery: the record of a challenge without a code was not written",
				"error", failed)
		}
	}
	r.report(ctx, kind, userID, err)
}

// issueToNobody stores a record for a challenge whose code is sent to nobody. Tries at it are counted,
// throttled and refused in the same time as tries at the challenge of a known address, so that they do
// not reveal which addresses are known.
func (r *Recovery) issueToNobody(ctx context.Context, address string, challenge token) error {
	if err := r.countMessage(ctx, KindCode, address, ""); err != nil {
		return err
	}
	unguessable := challenge.proof("nothing", rand.Text())
	noUser := []byte(rand.Text()) // has the length of an ID that package auth makes
	return r.issue(ctx, KindCode, challenge, entry{User: noUser, Nobody: true, State: unguessable, Code: unguessable})
}

// report emits the event of a request, and logs err if it is an infrastructure failure.
func (r *Recovery) report(ctx context.Context, kind Kind, userID string, err error) {
	switch {
	case err == nil, isGone(err), errors.Is(err, errTooMany), errors.Is(err, errVerified),
		errors.Is(err, errNotVerified), errors.Is(err, auth.ErrUserExists):
	default:
		r.config.Logger.ErrorContext(ctx, "recovery: a message was not sent", "kind", kind, "user", userID, "error", err)
	}
	if event, requested := requestEvent[kind]; requested {
		r.emit(ctx, event, userID, err)
	}
}

// sendToUser sends a message with a secret to the address of a user.
func (r *Recovery) sendToUser(ctx context.Context, kind Kind, userID string, challenge token) error {
	a, err := r.account(ctx, userID)
	switch {
	case err != nil:
		return err
	case a.address == "":
		return auth.ErrUserNotFound
	case kind == KindVerify && a.verified:
		return errVerified
	case (kind == KindLogin || kind == KindCode) && !a.verified:
		return errNotVerified
	}
	return r.send(ctx, kind, a, a.address, challenge)
}

// send issues a link or code and sends it. The address must be one that is stored, or that its user
// asked for, never the text by which the user was found.
func (r *Recovery) send(ctx context.Context, kind Kind, a account, to string, challenge token) error {
	if !sendable(to) {
		return fmt.Errorf("recovery: a message cannot be sent to the address of user %q", a.user)
	}
	if err := r.countMessage(ctx, kind, to, counterOwner(a, to)); err != nil {
		return err
	}
	m := Message{Kind: kind, UserID: a.user, To: to, Life: r.life(kind)}
	e := entry{User: []byte(a.user), State: a.state}
	t := challenge
	if kind == KindCode {
		var err error
		if m.Code, err = newCode(); err != nil {
			return err
		}
		e.Code = t.proof(kind, m.Code)
	} else {
		t = newToken(userDigest(a.user))
		m.Link = r.config.BaseURL + "/" + string(kind) + "?token=" + t.text()
	}
	if kind == KindChange {
		e.Address = to
	}
	if err := r.issue(ctx, kind, t, e); err != nil {
		return err
	}
	return r.notify(ctx, m)
}

// notify sends a message.
func (r *Recovery) notify(ctx context.Context, m Message) error {
	if err := r.notifier.Notify(ctx, m); err != nil {
		return fmt.Errorf("recovery: notify: %w", err)
	}
	return nil
}

// notifyLater queues a message about what has happened. That is done already, so a message that cannot
// be sent is no error of the caller.
func (r *Recovery) notifyLater(ctx context.Context, kind Kind, userID, to string) {
	if !sendable(to) {
		return
	}
	send := func(ctx context.Context) {
		r.report(ctx, kind, userID, r.notify(ctx, Message{Kind: kind, UserID: userID, To: to}))
	}
	if err := r.queue.add(ctx, send); err != nil {
		r.report(ctx, kind, userID, err)
	}
}

// counterOwner returns the Owner of the count of messages to an address: the user if it is the user's
// verified address, and otherwise nobody. A count that goes with its account could be reset by anyone
// who registers with the address, requests a message, and deletes the account.
func counterOwner(a account, to string) string {
	if a.verified && to == a.address {
		return a.user
	}
	return ""
}

// countMessage counts a message of a kind to an address. It returns errTooMany, and counts nothing, if
// there were too many.
func (r *Recovery) countMessage(ctx context.Context, kind Kind, to, owner string) error {
	record, now, err := r.load(ctx, key("sent."+kind, addressDigest(to)))
	if err != nil {
		return err
	}
	var times []int64 // microseconds since 1970
	if record.Version != 0 && json.Unmarshal(record.Value, &times) != nil {
		return fmt.Errorf("recovery: record %s is malformed", record.Key)
	}
	times = slices.DeleteFunc(times, func(sent int64) bool {
		age := now.Sub(time.UnixMicro(sent))
		return age >= 24*time.Hour || age < -interval // a time in the future: the clock was set back since
	})
	if n := len(times); n >= perDay || n > 0 && now.Sub(time.UnixMicro(times[n-1])) < interval {
		return errTooMany
	}
	record.Owner = owner
	_, err = r.write(ctx, record, append(times, now.UnixMicro()), now.Add(24*time.Hour))
	if errors.Is(err, auth.ErrConflict) {
		return errTooMany // a concurrent request has just counted a message
	}
	return err
}
