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

// Limits of the messages of one kind to one address. A network, also an unknown one, gets the first
// message that it requests in an hour. Further ones come out of perDay, which all networks share, and
// not within an interval.
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
// disabled. As with all requests by address, the network of the device in ctx gets the first message
// of this kind to the address in an hour, whatever others have requested. Further ones are sent a
// minute apart, and while all networks together had fewer than ten in 24 hours.
//
// It returns at once, and the same for every address, known or not: nil, [ErrInvalidAddress] if the
// text cannot be an address, a [*auth.RetryError] of [auth.ErrTooManyAttempts] if the network made too
// many requests, or one of [auth.ErrBusy] if too many requests are waiting.
func (r *Recovery) RequestReset(ctx context.Context, address string) error {
	return r.request(ctx, KindReset, address)
}

// RequestVerification sends a link for [Recovery.VerifyAddress] if the address belongs to an account
// and is not verified. Limits and errors are those of [Recovery.RequestReset].
func (r *Recovery) RequestVerification(ctx context.Context, address string) error {
	return r.request(ctx, KindVerify, address)
}

// RequestLogin sends a message with a link for [Recovery.LoginByRequestedLink] and a code for
// [Recovery.LoginByCode], if the address belongs to an account and is verified. Without that condition,
// an attacker who registers with the address of somebody else could share an account with its owner.
// The link and the code work once together, and for the shorter of [Config].LinkLife and CodeLife.
//
// The link logs in only where browser is given again: a secret of the host's that only this browser has,
// in a cookie, of at least 22 random characters. The store keeps a digest of it. With an empty browser
// the challenge stands in for it, for clients without cookies, which keep that. The code needs the
// challenge. Limits and further errors are those of [Recovery.RequestReset].
func (r *Recovery) RequestLogin(ctx context.Context, browser, address string) (challenge string, err error) {
	if browser != "" && len(browser) < minBrowser {
		return "", errBrowser
	}
	canonical, err := r.canonical(address)
	if err != nil {
		return "", err
	}
	t := newToken(addressDigest(canonical))
	if browser == "" {
		browser = t.text()
	}
	return r.askChallenge(ctx, wanted{kind: KindLogin, address: canonical, challenge: t, browser: browserProof(browser)})
}

// minBrowser is the least length of a secret that identifies a browser: 128 bits in base64url.
const minBrowser = 22

var errBrowser = errors.New("recovery: RequestLogin: browser must be a random secret of 22 characters or more, or empty")

// RequestLoginLink sends a link for [Recovery.LoginByLink]. The link logs in whatever browser opens it,
// also that of a thief of the link, or of a victim whom an attacker sends a link to the attacker's own
// account: prefer [Recovery.RequestLogin]. Conditions, limits and errors are those of RequestLogin.
func (r *Recovery) RequestLoginLink(ctx context.Context, address string) error {
	return r.request(ctx, KindLogin, address)
}

// RequestLoginCode sends a code of six digits and returns its challenge, for [Recovery.LoginByCode].
// Keep the challenge only where the user will enter the code, for example in a cookie of the browser.
// Offer to send another code after a minute: before that none would be sent, and its challenge would
// have no code. A code that was sent stays valid when another is requested. Conditions, limits and
// errors are those of [Recovery.RequestLogin].
func (r *Recovery) RequestLoginCode(ctx context.Context, address string) (challenge string, err error) {
	canonical, err := r.canonical(address)
	if err != nil {
		return "", err
	}
	t := newToken(addressDigest(canonical))
	return r.askChallenge(ctx, wanted{kind: KindCode, address: canonical, challenge: t})
}

// askChallenge queues the answer to a request with a challenge, and returns that.
func (r *Recovery) askChallenge(ctx context.Context, w wanted) (challenge string, err error) {
	if err := r.ask(ctx, func(ctx context.Context) delivery { return r.respond(ctx, w) }); err != nil {
		return "", err
	}
	return w.challenge.text(), nil
}

// request queues the answer to a request for a link.
func (r *Recovery) request(ctx context.Context, kind Kind, address string) error {
	canonical, err := r.canonical(address)
	if err != nil {
		return err
	}
	return r.ask(ctx, func(ctx context.Context) delivery { return r.respond(ctx, wanted{kind: kind, address: canonical}) })
}

// wanted is a message that was requested.
type wanted struct {
	kind      Kind
	address   string // canonical form of what was requested
	challenge token  // of a login by RequestLogin or RequestLoginCode
	browser   []byte // RequestLogin: proof of the browser
	session   string // KindChange: ID of the session that requested it
}

// isChallenged reports whether the message has a code for a challenge.
func (w wanted) isChallenged() bool { return w.challenge != (token{}) }

// delivery is the outcome of a look-up: a message to be sent, or why none is sent.
type delivery struct {
	kind    Kind
	userID  string
	message Message
	err     error // why no message is sent; nil: message is sent
}

// ask counts a request from the network of the call, and queues its look-up. Each look-up is followed by
// one job of the sending queue, whether a message is sent or not, and the request holds its place until
// that job is done.
func (r *Recovery) ask(ctx context.Context, lookUp func(context.Context) delivery) error {
	network := networkOf(ctx)
	if err := r.places.take(network); err != nil {
		return err
	}
	err := r.countRequest(ctx)
	if err == nil {
		err = r.lookUps.add(ctx, func(ctx context.Context) {
			d := lookUp(ctx)
			deliver := func(ctx context.Context) {
				defer r.places.free(network)
				r.deliver(ctx, d)
			}
			if r.sending.add(ctx, deliver) != nil { // cannot be: Close ends the queue of look-ups first
				r.places.free(network)
			}
		})
	}
	if err != nil {
		r.places.free(network)
	}
	return err
}

// deliver sends a message, or lets the time of one pass, and reports the result.
func (r *Recovery) deliver(ctx context.Context, d delivery) {
	if d.err == nil {
		start := time.Now()
		d.err = r.notify(ctx, d.message)
		r.durations.add(time.Since(start))
	} else {
		r.durations.pass(ctx)
	}
	r.report(ctx, d.kind, d.userID, d.err)
}

// respond prepares what was requested for an address, if its account allows that. Known and unknown
// addresses take the same calls to the stores.
func (r *Recovery) respond(ctx context.Context, w wanted) delivery {
	a, declined, err := r.recipient(ctx, w.kind, w.address)
	if err != nil {
		return delivery{kind: w.kind, userID: a.user, err: err}
	}
	if declined != nil {
		return r.decline(ctx, w, a.user, declined)
	}
	return r.prepare(ctx, w, a, a.address)
}

// recipient returns the account with an address, and why it gets no message of this kind, if so.
func (r *Recovery) recipient(ctx context.Context, kind Kind, address string) (a account, declined, err error) {
	userID, err := r.addresses.UserByAddress(ctx, address)
	switch {
	case errors.Is(err, auth.ErrUserNotFound):
		// The reads of a known address. What they return means nothing: an ID of nobody may even be an
		// error, where IDs are numbers.
		_, _ = r.account(ctx, rand.Text())
		return account{}, auth.ErrUserNotFound, nil
	case err != nil:
		return account{}, nil, fmt.Errorf("recovery: look up address: %w", err)
	}
	a, err = r.account(ctx, userID)
	switch {
	case isGone(err):
		return a, err, nil
	case err != nil:
		return a, nil, err
	case a.address == "":
		return a, auth.ErrUserNotFound, nil
	case kind == KindVerify && a.verified:
		return a, errVerified, nil
	case (kind == KindLogin || kind == KindCode) && !a.verified:
		return a, errNotVerified, nil
	}
	return a, nil, nil
}

// decline does the work of prepare for a message that is not sent. A challenge gets a record: tries at
// it are counted, throttled and refused in the same time as tries at the challenge of a known address,
// so that they do not reveal which addresses are known.
func (r *Recovery) decline(ctx context.Context, w wanted, userID string, why error) delivery {
	err := r.countMessage(ctx, w.kind, w.address, "")
	switch {
	case err != nil:
	case w.isChallenged():
		unguessable := w.challenge.proof("nothing", rand.Text())
		noUser := []byte(rand.Text()) // has the length of an ID that package auth makes
		e := entry{User: noUser, Nobody: true, State: unguessable, Code: unguessable}
		if w.kind == KindLogin {
			e.Link, e.Browser = unguessable, w.browser
		}
		err = r.issue(ctx, w, w.challenge, e)
	default:
		err = r.writeSpareLink(ctx, w)
	}
	if err != nil && !errors.Is(err, errTooMany) {
		r.config.Logger.ErrorContext(ctx, "recovery: the record of a request without a message was not written", "error", err)
	}
	return delivery{kind: w.kind, userID: userID, err: why}
}

// writeSpareLink writes one of 256 spare records, as long as that of a link. No link matches them.
func (r *Recovery) writeSpareLink(ctx context.Context, w wanted) error {
	t := newToken([16]byte{})
	record, now, err := r.load(ctx, key("spare.link", [16]byte{t.secret[0]}))
	if err != nil {
		return err
	}
	unused := t.proof("spare", "")
	e := entry{User: []byte(rand.Text()), Proof: unused, State: unused}
	if w.kind == KindChange {
		e.Address, e.Session = w.address, w.session
	}
	_, err = r.write(ctx, record, e, now.Add(spareLife))
	if errors.Is(err, auth.ErrConflict) { // another request has just written it
		return nil
	}
	return err
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

// prepare issues a link or code and returns the message with it. The address must be one that is
// stored, or that its user asked for, never the text by which the user was found.
func (r *Recovery) prepare(ctx context.Context, w wanted, a account, to string) delivery {
	refuse := func(err error) delivery { return delivery{kind: w.kind, userID: a.user, err: err} }
	if !sendable(to) {
		return refuse(fmt.Errorf("recovery: a message cannot be sent to the address of user %q", a.user))
	}
	if err := r.countMessage(ctx, w.kind, to, counterOwner(a, to)); err != nil {
		return refuse(err)
	}
	m := Message{Kind: w.kind, UserID: a.user, To: to, Life: r.life(w)}
	e := entry{User: []byte(a.user), State: a.state, Browser: w.browser, Session: w.session}
	t := w.challenge
	if w.isChallenged() {
		var err error
		if m.Code, err = newCode(); err != nil {
			return refuse(err)
		}
		e.Code = t.proof(KindCode, m.Code)
	}
	if w.kind != KindCode {
		link := newToken(linkDigest(a.user, w.kind, networkOf(ctx)))
		if w.isChallenged() { // the link is kept in the record of the challenge
			link.id = t.recordID()
			e.Link = link.proof(w.kind, "")
		} else {
			t = link
		}
		m.Link = r.config.BaseURL + "/" + string(w.kind) + "?token=" + link.text()
	}
	if w.kind == KindChange {
		e.Address = to
	}
	if err := r.issue(ctx, w, t, e); err != nil {
		return refuse(err)
	}
	return delivery{kind: w.kind, userID: a.user, message: m}
}

// notify sends a message.
func (r *Recovery) notify(ctx context.Context, m Message) error {
	if err := r.notifier.Notify(ctx, m); err != nil {
		return fmt.Errorf("recovery: notify: %w", err)
	}
	return nil
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

// countMessage counts a message of a kind to an address, which the network of the call asked for. It
// returns errTooMany, and counts nothing, if there were too many.
func (r *Recovery) countMessage(ctx context.Context, kind Kind, to, owner string) error {
	own, now, err := r.load(ctx, key("from."+kind, digest("network to address", networkOf(ctx)+"\x00"+to)))
	if err != nil {
		return err
	}
	all, _, err := r.load(ctx, key("sent."+kind, addressDigest(to)))
	if err != nil {
		return err
	}
	last, err := sentTimes(own, now)
	if err != nil {
		return err
	}
	times, err := sentTimes(all, now)
	if err != nil {
		return err
	}
	if len(last) > 0 {
		since := now.Sub(time.UnixMicro(last[0]))
		if since < interval || len(times) >= perDay { // own expires after an hour
			return errTooMany
		}
	}
	own.Owner, all.Owner = owner, owner
	switch _, err = r.write(ctx, own, []int64{now.UnixMicro()}, now.Add(time.Hour)); {
	case errors.Is(err, auth.ErrConflict):
		return errTooMany // a concurrent request of the network has just counted a message
	case err != nil:
		return err
	}
	for range 16 { // a conflict means that a request of another network has just counted a message
		times = append(times, now.UnixMicro())
		_, err = r.write(ctx, all, times[max(len(times)-perDay, 0):], now.Add(24*time.Hour))
		if !errors.Is(err, auth.ErrConflict) {
			return err
		}
		if all, now, err = r.load(ctx, all.Key); err != nil {
			return err
		}
		if times, err = sentTimes(all, now); err != nil {
			return err
		}
		all.Owner = owner
	}
	return nil
}

// sentTimes returns the times of the messages in a record that still count, the oldest first, in
// microseconds since 1970.
func sentTimes(record auth.Record, now time.Time) (times []int64, err error) {
	if record.Version != 0 && json.Unmarshal(record.Value, &times) != nil {
		return nil, fmt.Errorf("recovery: record %s is malformed", record.Key)
	}
	return slices.DeleteFunc(times, func(sent int64) bool {
		age := now.Sub(time.UnixMicro(sent))
		return age >= 24*time.Hour || age < -interval // a time in the future: the clock was set back since
	}), nil
}
