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
	a, _, _, err := r.claim(ctx, KindLogin, token)
	if err != nil {
		return auth.Tokens{}, err
	}
	return r.accounts.LoginUser(ctx, a.user, amr)
}

// LoginByCode returns the tokens of the account that a code was sent to, for the
// challenge it belongs to. There are five tries; each is counted before anything is
// compared. It returns [ErrInvalidToken] if challenge or code is not good, after the
// same work whether anything was sent or not, and what
// [auth.Authenticator.LoginUser] returns.
func (r *Recovery) LoginByCode(ctx context.Context, challenge, code string) (auth.Tokens, error) {
	if err := r.usable(); err != nil {
		return auth.Tokens{}, err
	}
	t, err := parseToken(challenge)
	if err != nil {
		return auth.Tokens{}, err
	}
	e, record, err := r.try(ctx, t)
	if err != nil {
		return auth.Tokens{}, err
	}
	if subtle.ConstantTimeCompare(e.Code, t.proof(KindCode, code)) != 1 {
		return auth.Tokens{}, ErrInvalidToken
	}
	a, err := r.stands(ctx, e)
	if err != nil {
		return auth.Tokens{}, err
	}
	switch err := r.records.DeleteRecord(ctx, record.Key, record.Version); {
	case errors.Is(err, auth.ErrConflict): // used, or tried by another: then it is tried again
		return auth.Tokens{}, ErrInvalidToken
	case err != nil:
		return auth.Tokens{}, fmt.Errorf("recovery: delete record: %w", err)
	}
	return r.accounts.LoginUser(ctx, a.user, amr)
}

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
		good := e.opens(t, KindCode) && e.Tries < maxTries
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
