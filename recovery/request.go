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

// How many messages of one kind go to one address.
const (
	perDay   = 10
	interval = time.Minute
)

var (
	errRate     = errors.New("recovery: too many messages to this address")
	errVerified = errors.New("recovery: the address is verified")
	errNotYet   = errors.New("recovery: the address is not verified")
)

// asked is the event of a request.
var asked = map[Kind]auth.EventKind{
	KindReset:  auth.EventResetAsked,
	KindVerify: auth.EventVerificationAsked,
	KindChange: auth.EventAddressChangeAsked,
	KindLogin:  auth.EventLoginAsked,
	KindCode:   auth.EventLoginAsked,
}

// RequestReset sends a link for [Recovery.Reset] if the address is that of an
// account that is enabled. Like the other requests by an address, it sends nothing
// within a minute after the last message of its kind to that address, nor an
// eleventh in a day; it returns at once and the same whoever the address is of, if
// of anybody: nil, [ErrInvalidAddress] if it cannot be one, or an [*passwords.RetryError]
// if the queue is full.
func (r *Recovery) RequestReset(ctx context.Context, address string) error {
	return r.request(ctx, KindReset, address)
}

// RequestVerification sends a link for [Recovery.VerifyAddress] if the address is
// that of an account and not verified. See [Recovery.RequestReset].
func (r *Recovery) RequestVerification(ctx context.Context, address string) error {
	return r.request(ctx, KindVerify, address)
}

// RequestLoginLink sends a link for [Recovery.LoginByLink] if the address is that of
// an account, and verified: who registered with another's address must not find
// themselves in one account with its owner. See [Recovery.RequestReset].
func (r *Recovery) RequestLoginLink(ctx context.Context, address string) error {
	return r.request(ctx, KindLogin, address)
}

// RequestLoginCode sends a code of six digits and returns the challenge that it
// belongs to, for [Recovery.LoginByCode]: keep it where the code will be typed, and
// nowhere else. Offer to send another code after a minute; until then it would not
// be sent, and its challenge has no code. Conditions, answers and times are those of
// [Recovery.RequestLoginLink].
func (r *Recovery) RequestLoginCode(ctx context.Context, address string) (challenge string, err error) {
	if err := r.usable(); err != nil {
		return "", err
	}
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

func (r *Recovery) request(ctx context.Context, kind Kind, address string) error {
	if err := r.usable(); err != nil {
		return err
	}
	canonical, err := r.canonical(address)
	if err != nil {
		return err
	}
	return r.queue.add(ctx, func(ctx context.Context) { r.respond(ctx, kind, canonical, token{}) })
}

// respond does what a request asked for, and says what came of it.
func (r *Recovery) respond(ctx context.Context, kind Kind, address string, challenge token) {
	userID, err := r.addresses.UserByAddress(ctx, address)
	if err == nil {
		err = r.sendTo(ctx, kind, userID, challenge)
	} else if !errors.Is(err, auth.ErrUserNotFound) {
		err = fmt.Errorf("recovery: look up address: %w", err)
	}
	if kind == KindCode && (isGone(err) || errors.Is(err, errNotYet)) {
		if failed := r.pretend(ctx, address, challenge); failed != nil && !errors.Is(failed, errRate) {
			r.config.Logger.ErrorContext(ctx, "recovery: a challenge without a code was not written", "error", failed)
		}
	}
	r.done(ctx, kind, userID, err)
}

// pretend writes what send would for a challenge, with nobody's account and a code that
// nobody has: tries at it are counted, and refused, as those at others are.
func (r *Recovery) pretend(ctx context.Context, address string, challenge token) error {
	if err := r.count(ctx, KindCode, address); err != nil {
		return err
	}
	nothing := challenge.proof("nothing", rand.Text())
	filler := []byte(rand.Text()) // as long as an ID, which no table of users has to be asked for
	return r.issue(ctx, KindCode, challenge, entry{User: filler, Nobody: true, State: nothing, Code: nothing})
}

// done tells the host, and its operator if something broke.
func (r *Recovery) done(ctx context.Context, kind Kind, userID string, err error) {
	switch {
	case err == nil, isGone(err), errors.Is(err, errRate), errors.Is(err, errVerified), errors.Is(err, errNotYet), errors.Is(err, auth.ErrUserExists):
	default:
		r.config.Logger.ErrorContext(ctx, "recovery: a message was not sent", "kind", kind, "user", userID, "error", err)
	}
	if event, is := asked[kind]; is {
		r.tell(ctx, event, userID, err)
	}
}

// sendTo sends a message with a secret to the address of an account.
func (r *Recovery) sendTo(ctx context.Context, kind Kind, userID string, challenge token) error {
	a, err := r.account(ctx, userID)
	switch {
	case err != nil:
		return err
	case a.address == "":
		return auth.ErrUserNotFound
	case kind == KindVerify && a.verified:
		return errVerified
	case (kind == KindLogin || kind == KindCode) && !a.verified:
		return errNotYet
	}
	return r.send(ctx, kind, a, a.address, challenge)
}

// send makes a secret and sends it: to the address that is stored, whatever was
// typed to find it.
func (r *Recovery) send(ctx context.Context, kind Kind, a account, to string, challenge token) error {
	if !sendable(to) {
		return fmt.Errorf("recovery: the address of user %q cannot be sent to", a.user)
	}
	if err := r.count(ctx, kind, to); err != nil {
		return err
	}
	m := Message{Kind: kind, UserID: a.user, To: to, Life: r.life(kind)}
	e := entry{User: []byte(a.user), State: a.state}
	t := challenge
	switch kind {
	case KindCode:
		var err error
		if m.Code, err = newCode(); err != nil {
			return err
		}
		e.Code = t.proof(kind, m.Code)
	case KindChange:
		e.Address = to
		fallthrough
	default:
		t = newToken(userDigest(a.user))
		m.Link = r.config.BaseURL + "/" + string(kind) + "?token=" + t.text()
	}
	if err := r.issue(ctx, kind, t, e); err != nil {
		return err
	}
	return r.notify(ctx, m)
}

func (r *Recovery) notify(ctx context.Context, m Message) error {
	if err := r.notifier.Notify(ctx, m); err != nil {
		return fmt.Errorf("recovery: notify: %w", err)
	}
	return nil
}

// notice queues a message that tells what has happened. It has: nothing fails
// because nobody could be told.
func (r *Recovery) notice(ctx context.Context, kind Kind, userID, to string) {
	if !sendable(to) {
		return
	}
	send := func(ctx context.Context) {
		r.done(ctx, kind, userID, r.notify(ctx, Message{Kind: kind, UserID: userID, To: to}))
	}
	if err := r.queue.add(ctx, send); err != nil {
		r.done(ctx, kind, userID, err)
	}
}

// count returns errRate if there were too many messages of a kind to an address,
// and otherwise counts one.
func (r *Recovery) count(ctx context.Context, kind Kind, to string) error {
	key := key("sent."+kind, addressDigest(to))
	record, now, err := r.records.Record(ctx, key)
	if err != nil {
		return fmt.Errorf("recovery: load record: %w", err)
	}
	var times []int64 // in microseconds
	if record.Version != 0 && json.Unmarshal(record.Value, &times) != nil {
		return fmt.Errorf("recovery: record %s is malformed", key)
	}
	times = slices.DeleteFunc(times, func(sent int64) bool {
		age := now.Sub(time.UnixMicro(sent))
		return age >= 24*time.Hour || age < -interval // the clock was wrong then, and was set back
	})
	if n := len(times); n >= perDay || n > 0 && now.Sub(time.UnixMicro(times[n-1])) < interval {
		return errRate
	}
	record.Key = key
	_, err = r.write(ctx, record, append(times, now.UnixMicro()), now.Add(24*time.Hour))
	if errors.Is(err, auth.ErrConflict) {
		return errRate // another has just counted
	}
	return err
}
