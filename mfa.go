package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"
)

// mfa is the amr (RFC 8176) and the acr of whoever proved more than one factor.
const mfa = "mfa"

// Bounds of a login that waits for its second factor.
const (
	mfaTime  = 5 * time.Minute
	mfaTries = 5
)

// SecondFactor is what users may have to prove besides their password; package totp
// holds one. It is safe for concurrent use.
type SecondFactor interface {
	// Required reports whether the user has a second factor to prove.
	Required(ctx context.Context, userID string) (bool, error)

	// Prove uses up the code of a user: of concurrent calls with one code at most
	// one succeeds. It returns how the code proves it, in words of RFC 8176 like
	// "otp", or [ErrInvalidCredentials].
	Prove(ctx context.Context, userID, code string) (amr []string, err error)
}

// MFARequiredError says that the password was right and a second factor is needed.
// Answer it with the token, for [Authenticator.LoginMFA]; however it is printed or
// logged, it shows no token.
type MFARequiredError struct {
	Token     string        // for this one login: 130 random bits
	ExpiresIn time.Duration // of Token
}

func (e *MFARequiredError) Error() string { return "auth: a second factor is needed" }

// Format writes the text of the error, whatever the verb.
func (e MFARequiredError) Format(f fmt.State, _ rune) { io.WriteString(f, e.Error()) }

// LogValue returns the text of the error.
func (e MFARequiredError) LogValue() slog.Value { return slog.StringValue(e.Error()) }

// MarshalJSON returns what an answer of a login tells: error, mfa_token and
// expires_in.
func (e *MFARequiredError) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Code      string `json:"error"`
		Token     string `json:"mfa_token"`
		ExpiresIn int64  `json:"expires_in"`
	}{"mfa_required", e.Token, int64(e.ExpiresIn / time.Second)})
}

// pending is a login that waits for its second factor, as its record keeps it.
type pending struct {
	UserID   string
	Password [sha256.Size]byte // the fingerprint, when the password was proven
	AMR      []string
	Tries    int
}

func mfaKey(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "mfa:" + base64url.EncodeToString(sum[:])
}

// admit begins a session for an account that has proven amr, once it has proven its
// second factor if it has one.
func (a *Authenticator) admit(ctx context.Context, u User, password string, amr []string) (Tokens, error) {
	if a.second == nil || slices.Contains(amr, mfa) {
		return a.begin(ctx, u, password, amr)
	}
	required, err := a.second.Required(ctx, u.ID)
	switch {
	case err != nil:
		return Tokens{}, fmt.Errorf("auth: second factor: %w", err)
	case !required:
		return a.begin(ctx, u, password, amr)
	}
	token := rand.Text()
	r, now, err := a.records.Record(ctx, mfaKey(token))
	if err != nil {
		return Tokens{}, fmt.Errorf("auth: load record: %w", err)
	}
	r.Key, r.ExpiresAt = mfaKey(token), toMicroseconds(now.Add(mfaTime))
	r.Value, _ = json.Marshal(pending{u.ID, fingerprintOf(u), amr, 0}) // strings and numbers: it cannot fail
	if err := a.records.ReplaceRecord(ctx, r.Renew(), r); err != nil {
		return Tokens{}, fmt.Errorf("auth: write record: %w", err)
	}
	return Tokens{}, &MFARequiredError{Token: token, ExpiresIn: mfaTime}
}

// LoginMFA goes on with the login that returned a [*MFARequiredError], whose Token
// it takes, and proves its second factor by a code. It returns
// [ErrInvalidCredentials] if the code is wrong, and from then on if the login is
// over: after 5 codes, 5 minutes, or a change of the password. Wrong codes count as
// failed logins.
func (a *Authenticator) LoginMFA(ctx context.Context, mfaToken, code string) (Tokens, error) {
	switch {
	case a.unusable():
		return Tokens{}, errUnusable
	case a.second == nil:
		return Tokens{}, errNoSecondFactor
	}
	r, login, err := a.pending(ctx, mfaToken)
	if err != nil {
		return Tokens{}, err
	}
	u, err := found(a.users.UserByID(ctx, login.UserID))
	if err != nil {
		return Tokens{}, err
	}
	password := fingerprintOf(u)
	if u.ID == "" || u.Disabled || subtle.ConstantTimeCompare(password[:], login.Password[:]) != 1 {
		return Tokens{}, ErrInvalidCredentials
	}
	return a.attempt(ctx, Attempt{Username: u.Username}, func() (Tokens, error) {
		login.Tries++ // before the code is looked at: codes that come at once are counted, too
		r.Value, _ = json.Marshal(login)
		if err := a.usePending(a.records.ReplaceRecord(ctx, r.Renew(), r)); err != nil {
			return Tokens{}, err
		}
		methods, err := a.proveSecond(ctx, u.ID, code)
		if err != nil {
			return Tokens{}, err
		}
		amr := union(login.AMR, methods, mfa)
		if err := checkMethods(amr); err != nil {
			return Tokens{}, err
		}
		if err := a.usePending(a.records.DeleteRecord(ctx, r.Key, r.Version)); err != nil {
			return Tokens{}, err
		}
		return a.begin(ctx, u, "", amr)
	})
}

var errNoSecondFactor = errors.New("auth: Config.SecondFactor is nil")

// pending returns the login that waits, and its record.
func (a *Authenticator) pending(ctx context.Context, token string) (r Record, login pending, err error) {
	if r, _, err = a.records.Record(ctx, mfaKey(token)); err != nil {
		return r, login, fmt.Errorf("auth: load record: %w", err)
	}
	if r.Version == 0 {
		return r, login, ErrInvalidCredentials
	}
	if err := json.Unmarshal(r.Value, &login); err != nil {
		return r, login, fmt.Errorf("auth: a login's record is damaged: %w", err)
	}
	if login.Tries >= mfaTries {
		return r, login, ErrInvalidCredentials
	}
	return r, login, nil
}

// usePending is the error of a change of a login that waits: another code may have
// come at the same time, and one of the two is enough.
func (a *Authenticator) usePending(err error) error {
	switch {
	case errors.Is(err, ErrConflict):
		return ErrInvalidCredentials
	case err != nil:
		return fmt.Errorf("auth: write record: %w", err)
	}
	return nil
}

// maxCode bounds what a second factor has to look at.
const maxCode = 128

func (a *Authenticator) proveSecond(ctx context.Context, userID, code string) (amr []string, err error) {
	err = ErrInvalidCredentials
	if code != "" && len(code) <= maxCode {
		amr, err = a.second.Prove(ctx, userID, code)
	}
	switch {
	case errors.Is(err, ErrInvalidCredentials):
		a.events(ctx, Event{Kind: EventMFAFailed, UserID: userID, Device: a.device, Err: ErrInvalidCredentials})
		return nil, ErrInvalidCredentials
	case err != nil:
		return nil, fmt.Errorf("auth: second factor: %w", err)
	}
	return amr, nil
}

// union returns a, then what of b is not in it, and last.
func union(a, b []string, last string) []string {
	all := slices.Clone(a)
	for _, m := range append(slices.Clone(b), last) {
		if !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	return all
}

// StepUp returns another access token for a caller who proves anew who they are:
// for routes behind [Middleware.RequireRecent] and [Middleware.RequireMFA]. It
// takes the password, or the code of a second factor with an empty password, or
// both. The token is of the caller's session and as long-lived as another, or, where
// that is of none, as the caller's; there is no refresh token with it, and what a
// refresh returns tells of the login again. It
// returns [ErrInvalidCredentials] if something that was given is wrong or nothing
// was, and [ErrInvalidGrant] if the session has ended.
func (a *Authenticator) StepUp(ctx context.Context, p *Principal, password, code string) (Tokens, error) {
	if a.unusable() {
		return Tokens{}, errUnusable
	}
	if p == nil || password == "" && (code == "" || a.second == nil) || !a.passwords.possible(password) {
		return Tokens{}, ErrInvalidCredentials
	}
	u, err := found(a.users.UserByID(ctx, p.Subject()))
	if err != nil {
		return Tokens{}, err
	}
	return a.attempt(ctx, Attempt{Username: u.Username}, func() (Tokens, error) {
		var amr []string
		if password != "" {
			if err := a.prove(ctx, u, password); err != nil {
				return Tokens{}, err
			}
			amr = []string{"pwd"}
		}
		if u.ID == "" || u.Disabled {
			return Tokens{}, ErrInvalidCredentials
		}
		if code != "" {
			if a.second == nil {
				return Tokens{}, ErrInvalidCredentials
			}
			methods, err := a.proveSecond(ctx, u.ID, code)
			if err != nil {
				return Tokens{}, err
			}
			if amr == nil { // one factor of its own, whatever the login was
				amr = methods
			} else {
				amr = union(amr, methods, mfa)
			}
		}
		part := a.part(ctx, u, amr)
		if part != nil && part != errPart {
			return Tokens{}, part
		}
		t, err := a.stepped(ctx, u, p, amr)
		if err != nil {
			return Tokens{}, err
		}
		return t, part
	})
}

// stepped makes the access token of a caller who has proven amr. Where no session
// ends it, it ends with the caller's: else a login with two factors could be had
// for one.
func (a *Authenticator) stepped(ctx context.Context, u User, p *Principal, amr []string) (Tokens, error) {
	if p.SessionID() != "" {
		return a.issueIn(ctx, u, p.SessionID(), amr)
	}
	end := p.Expiry()
	if soon := time.Now().Add(time.Second); !end.IsZero() && end.Before(soon) {
		end = soon
	}
	return a.issue(ctx, u, toMicroseconds(time.Now()), amr, "", end)
}

// issueIn makes an access token of a session, whose end will be the token's.
func (a *Authenticator) issueIn(ctx context.Context, u User, sessionID string, amr []string) (Tokens, error) {
	if err := a.sessionsMissing(); err != nil {
		return Tokens{}, err
	}
	for range refreshTries {
		s, now, err := a.sessions.store.Session(ctx, sessionID)
		switch {
		case errors.Is(err, ErrSessionNotFound) || err == nil && (s.UserID != u.ID || !a.sessions.lives(&s, now)):
			return Tokens{}, ErrInvalidGrant
		case err != nil:
			return Tokens{}, fmt.Errorf("auth: load session: %w", err)
		}
		r, err := decodeRotation(s.State)
		if err != nil {
			return Tokens{}, err
		}
		end := time.Now().Add(max(s.ExpiresAt.Sub(now), time.Second))
		t, err := a.issue(ctx, u, toMicroseconds(time.Now()), amr, s.ID, end)
		if err != nil {
			return Tokens{}, err
		}
		until := t.until(end)
		if until <= r.TokensUntil {
			return t, nil
		}
		replacement := s
		r.TokensUntil = until // the session's revocation has to outlive it
		replacement.State = r.encode()
		replacement.Version++
		switch err := a.sessions.store.ReplaceSession(ctx, s, replacement); {
		case err == nil:
			return t, nil
		case !errors.Is(err, ErrConflict):
			return Tokens{}, fmt.Errorf("auth: replace session: %w", err)
		}
	}
	return Tokens{}, &RetryError{Err: ErrBusy, After: time.Second}
}
