package recovery

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/seed-e36e2130/auth"
)

// maxTries is how many codes may be tried for one challenge.
const maxTries = 5

// amr is the authentication method (RFC 8176) of a login by a link or a code: a one-time password.
const amr = "otp"

// ErrOtherBrowser is returned for a login link that another browser requested. It wraps
// [auth.ErrInvalidCredentials].
var ErrOtherBrowser = fmt.Errorf("recovery: the link was requested in another browser: %w", auth.ErrInvalidCredentials)

// LoginByRequestedLink returns the tokens of the account that a link of [Recovery.RequestLogin] was sent
// to, in the browser that requested it: browser is what it was there, or the challenge. It returns
// [ErrOtherBrowser] in every other browser, where the page should say that the user must open the link,
// or type the code of the same message, in the browser that requested it. The link can still be used
// there. It returns [ErrInvalidToken] if the link is not valid, and the errors of
// [auth.Authenticator.LoginUser].
func (r *Recovery) LoginByRequestedLink(ctx context.Context, browser, link string) (auth.Tokens, error) {
	t, err := parseToken(link)
	if err != nil {
		return auth.Tokens{}, err
	}
	record, _, err := r.load(ctx, key(KindCode, t.id))
	if err != nil {
		return auth.Tokens{}, err
	}
	e := readEntry(record)
	if subtle.ConstantTimeCompare(e.Link, t.proof(KindLogin, "")) != 1 {
		return auth.Tokens{}, ErrInvalidToken
	}
	a, err := r.stillValid(ctx, e)
	if err != nil {
		return auth.Tokens{}, err
	}
	if subtle.ConstantTimeCompare(e.Browser, browserProof(browser)) != 1 {
		return auth.Tokens{}, ErrOtherBrowser
	}
	giveBack, err := r.consume(ctx, record)
	if err != nil {
		return auth.Tokens{}, err
	}
	return r.login(ctx, a.user, giveBack)
}

// LoginByLink returns the tokens of the account that a link of [Recovery.RequestLoginLink] was sent to,
// in any browser. It returns [ErrInvalidToken] if the link is not valid, and the errors of
// [auth.Authenticator.LoginUser].
func (r *Recovery) LoginByLink(ctx context.Context, token string) (auth.Tokens, error) {
	a, _, giveBack, err := r.claim(ctx, KindLogin, token, nil)
	if err != nil {
		return auth.Tokens{}, err
	}
	return r.login(ctx, a.user, giveBack)
}

// login logs a user in whose link has been used up. If that is not decided, the link is given back.
func (r *Recovery) login(ctx context.Context, userID string, giveBack func()) (auth.Tokens, error) {
	tokens, err := r.accounts.LoginUser(ctx, userID, amr)
	if undecided(err) {
		giveBack()
	}
	return tokens, err
}

// undecided reports whether a login neither succeeded, nor was refused, nor waits for a second factor.
// The link or code can be used again then.
func undecided(err error) bool {
	_, pending := errors.AsType[*auth.MFARequiredError](err)
	return err != nil && !pending && !errors.Is(err, auth.ErrInvalidCredentials)
}

// LoginByCode returns the tokens of the account that a code was sent to, for the challenge of
// [Recovery.RequestLoginCode] or [Recovery.RequestLogin]. A
// challenge allows five tries, and each is counted before the code is compared. With an
// [auth.Throttle], wrong codes also count as failed logins, for all codes that are sent to the address.
//
// It returns [ErrInvalidToken] if the challenge or the code is not valid, and the errors of
// [auth.Authenticator.LoginUserIf]. It does the same work, and allows as many tries, whether a code
// was sent or not.
func (r *Recovery) LoginByCode(ctx context.Context, challenge, code string) (auth.Tokens, error) {
	t, err := parseToken(challenge)
	if err != nil {
		return auth.Tokens{}, err
	}
	record, _, err := r.load(ctx, t.key(KindCode))
	if err != nil {
		return auth.Tokens{}, err
	}
	e := readEntry(record)
	if !e.hasTries(t) {
		// Anyone can make up a challenge for an address. It must not count as a failure there.
		_, _, err := r.countTry(ctx, t)
		return auth.Tokens{}, err
	}
	userID := string(e.User)
	if e.Nobody {
		userID = ""
	}
	giveBack := func() {}
	tokens, err := r.accounts.LoginUserIf(ctx, userID, key(KindCode, t.id), func(ctx context.Context) (err error) {
		giveBack, err = r.proveCode(ctx, t, code)
		return err
	}, amr)
	if undecided(err) {
		giveBack()
	}
	return tokens, err
}

// proveCode counts a try and uses the challenge up if code is right. giveBack makes it valid again.
func (r *Recovery) proveCode(ctx context.Context, t token, code string) (giveBack func(), err error) {
	refuse := func(err error) (func(), error) { return func() {}, err }
	e, record, err := r.countTry(ctx, t)
	if err != nil {
		return refuse(err)
	}
	if subtle.ConstantTimeCompare(e.Code, t.proof(KindCode, code)) != 1 {
		return refuse(ErrInvalidToken)
	}
	if _, err := r.stillValid(ctx, e); err != nil {
		return refuse(err)
	}
	return r.consume(ctx, record)
}

// hasTries reports whether the entry was issued for the challenge t and has tries left.
func (e entry) hasTries(t token) bool { return e.matches(t, KindCode) && e.Tries < maxTries }

// countTry counts a try for a challenge and returns its entry and record. If the challenge is unknown
// or has no tries left, it returns [ErrInvalidToken], after the same work on a spare record. There are
// 256 spare records. They belong to nobody, and no challenge matches them.
func (r *Recovery) countTry(ctx context.Context, t token) (entry, auth.Record, error) {
	for range 2 * maxTries { // a conflict means that a concurrent call has counted a try or used the code
		record, now, err := r.load(ctx, t.key(KindCode))
		if err != nil {
			return entry{}, auth.Record{}, err
		}
		spare, _, err := r.load(ctx, spareKey(t.id[0]))
		if err != nil {
			return entry{}, auth.Record{}, err
		}
		if record.Version == 0 {
			record = spare // decoding it takes as long as decoding the record of a challenge
		}
		e := readEntry(record)
		valid := e.hasTries(t)
		if !valid {
			e, record = spareEntry(t), spare
			record.ExpiresAt = now.Add(spareLife)
		}
		e.Tries++
		record, err = r.write(ctx, record, e, record.ExpiresAt)
		switch conflict := errors.Is(err, auth.ErrConflict); {
		case err != nil && !conflict:
			return entry{}, auth.Record{}, err
		case !valid:
			return entry{}, auth.Record{}, ErrInvalidToken
		case err == nil:
			return e, record, nil
		}
	}
	busy := &auth.RetryError{Err: auth.ErrBusy, After: time.Second}
	return entry{}, auth.Record{}, fmt.Errorf("recovery: try code: %w", busy)
}

const spareLife = 24 * time.Hour

// spareKey returns the key of the i-th spare record.
func spareKey(i byte) string { return key("spare", [16]byte{i}) }

// spareEntry returns the entry of a spare record, as long as that of a challenge.
func spareEntry(t token) entry {
	unused := t.proof("spare", "")
	return entry{User: unused, Proof: unused, State: unused, Code: unused}
}
