package recovery

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/seed-e36e2130/auth"
)

// maxTries is how many codes may be tried for one that was sent.
const maxTries = 5

// amr is how who uses a link or a code has proven themselves: by something that was
// sent and works once (RFC 8176).
const amr = "otp"

// LoginByLink returns the tokens of the account that a link was sent to. It returns
// [ErrInvalidToken] if the link is not good, and what [auth.Authenticator.LoginUser]
// returns.
func (r *Recovery) LoginByLink(ctx context.Context, token string) (auth.Tokens, error) {
	if err := r.usable(); err != nil {
		return auth.Tokens{}, err
	}
	a, _, giveBack, err := r.claim(ctx, KindLogin, token)
	if err != nil {
		return auth.Tokens{}, err
	}
	tokens, err := r.accounts.LoginUser(ctx, a.user, amr)
	if undecided(err) {
		giveBack()
	}
	return tokens, err
}

// undecided reports whether a login ended neither way: what was proven is good for
// another.
func undecided(err error) bool {
	_, goesOn := errors.AsType[*auth.MFARequiredError](err)
	return err != nil && !goesOn && !errors.Is(err, auth.ErrInvalidCredentials)
}

// LoginByCode returns the tokens of the account that a code was sent to, for the
// challenge it belongs to. There are five tries; each is counted before anything is
// compared. They count as failed logins do, for all codes that are sent to the address,
// where there is an [auth.Throttle]. It returns [ErrInvalidToken] if challenge or code
// is not good, and what [auth.Authenticator.LoginUserIf] returns: after the same work
// and as often whether anything was sent or not.
func (r *Recovery) LoginByCode(ctx context.Context, challenge, code string) (auth.Tokens, error) {
	if err := r.usable(); err != nil {
		return auth.Tokens{}, err
	}
	t, err := parseToken(challenge)
	if err != nil {
		return auth.Tokens{}, err
	}
	e, _, _, err := r.load(ctx, key(KindCode, t.id))
	if err != nil {
		return auth.Tokens{}, err
	}
	if !e.tryable(t) {
		// Strangers can make a challenge up for every address: it is no try at its codes.
		_, _, err := r.try(ctx, t)
		return auth.Tokens{}, err
	}
	userID := string(e.User)
	if e.Nobody {
		userID = ""
	}
	giveBack := func() {}
	tokens, err := r.accounts.LoginUserIf(ctx, userID, key(KindCode, t.id), func(ctx context.Context) (err error) {
		giveBack, err = r.useCode(ctx, t, code)
		return err
	}, amr)
	if undecided(err) {
		giveBack()
	}
	return tokens, err
}

// useCode uses a code up, and returns what undoes that, which may be nothing.
func (r *Recovery) useCode(ctx context.Context, t token, code string) (giveBack func(), err error) {
	refuse := func(err error) (func(), error) { return func() {}, err }
	e, record, err := r.try(ctx, t)
	if err != nil {
		return refuse(err)
	}
	if subtle.ConstantTimeCompare(e.Code, t.proof(KindCode, code)) != 1 {
		return refuse(ErrInvalidToken)
	}
	if _, err := r.stands(ctx, e); err != nil {
		return refuse(err)
	}
	return r.use(ctx, record)
}

// tryable reports whether there are tries left for the challenge t.
func (e entry) tryable(t token) bool { return e.opens(t, KindCode) && e.Tries < maxTries }

// try counts a try for a challenge and returns what it is for. Where there is
// nothing to try, it does the same to a record that is of no use, one of 256.
func (r *Recovery) try(ctx context.Context, t token) (entry, auth.Record, error) {
	spare := key("spare", [16]byte{t.id[0]})
	for range 2 * maxTries { // each conflict is another's try, or use
		record, now, err := r.records.Record(ctx, key(KindCode, t.id))
		if err != nil {
			return entry{}, auth.Record{}, fmt.Errorf("recovery: load record: %w", err)
		}
		decoy, _, err := r.records.Record(ctx, spare)
		if err != nil {
			return entry{}, auth.Record{}, fmt.Errorf("recovery: load record: %w", err)
		}
		if record.Version == 0 {
			record = decoy // which opens to nobody: reading it takes time, too
		}
		e := readEntry(record)
		good := e.tryable(t)
		if !good {
			nothing := t.proof("spare", "")
			e, record = entry{User: nothing, Proof: nothing, State: nothing, Code: nothing}, decoy
			record.Key, record.ExpiresAt = spare, now.Add(24*time.Hour)
		}
		e.Tries++
		record, err = r.write(ctx, record, e, record.ExpiresAt)
		switch conflict := errors.Is(err, auth.ErrConflict); {
		case err != nil && !conflict:
			return entry{}, auth.Record{}, err
		case !good:
			return entry{}, auth.Record{}, ErrInvalidToken
		case err == nil:
			return e, record, nil
		}
	}
	return entry{}, auth.Record{}, fmt.Errorf("recovery: try code: %w", &auth.RetryError{Err: auth.ErrBusy, After: time.Second})
}
