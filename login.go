package auth

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth/internal/clock"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/session"
)

// Login returns the tokens of the account with this name and password. It returns
// [ErrInvalidCredentials] if there is no such account, if the password is wrong, or if the account
// is disabled or has no password or an unreadable hash. Each takes the same hashing, so neither the
// answer nor its time says which. It returns a [*MFARequiredError] if the password was right and the
// account has a second factor: [Authenticator.LoginMFA] continues then. It returns a [*RetryError]
// of [ErrTooManyAttempts] if the [Throttle] refuses the attempt.
//
// A stored hash that is weaker than the current choice is replaced. If that fails, the login goes
// on.
func (a *Authenticator) Login(ctx context.Context, username, password string) (Tokens, error) {
	if !a.passwords.Possible(password) {
		return Tokens{}, a.failed(ctx, "", ErrMismatch)
	}
	var u User
	name, err := a.usernames.Canonical(username)
	if err != nil {
		name = username // no account has it
	} else if u, err = a.userByName(ctx, name); err != nil {
		return Tokens{}, err
	}
	// A store may take several names for one account: its own is the one to count attempts at.
	return a.attempt(ctx, Attempt{Username: cmp.Or(u.Username, name)}, func() (Tokens, error) {
		return a.authenticate(ctx, u, password, func(u User) (Tokens, error) {
			u, err := a.recheck(ctx, u)
			if err != nil {
				return Tokens{}, err
			}
			return a.admit(ctx, u, []string{"pwd"})
		})
	})
}

// LoginUser returns the tokens of an account that has proven its identity to the host: by a link in
// a mail, a passkey, a token of another issuer. amr says how, in at least one word of RFC 8176, at
// most 128 bytes in all, with "mfa" among them if that was more than one factor. No [Throttle]
// refuses it; where there is one, the device is known from then on, as after Login. It returns
// [ErrInvalidCredentials] if there is no such account or it is disabled, and a [*MFARequiredError],
// as Login does, if the account has a second factor and amr does not say "mfa".
func (a *Authenticator) LoginUser(ctx context.Context, userID string, amr ...string) (Tokens, error) {
	if err := checkMethods(amr); err != nil {
		return Tokens{}, err
	}
	u, err := a.userByID(ctx, userID)
	if err != nil {
		return Tokens{}, err
	}
	t, err := a.admitUser(ctx, u, amr)
	if err == nil && a.throttle != nil {
		t.DeviceToken = a.markDeviceKnown(ctx, u)
		t.NewDevice = isNew(knownDevice(ctx), t.DeviceToken)
	}
	return t, err
}

// MarkDeviceKnown makes the device of the call known for an account that has proven its identity to
// the host without logging in, as a password reset by a link in a mail does. It returns what
// [Device].Known holds from then on: strangers who guess at the account do not keep that device out.
// It returns "" without a [Throttle], and [ErrInvalidCredentials] if there is no such account or it is
// disabled.
func (a *Authenticator) MarkDeviceKnown(ctx context.Context, userID string) (DeviceToken, error) {
	u, err := a.userByID(ctx, userID)
	switch {
	case err != nil:
		return "", err
	case u.ID == "" || u.Disabled:
		return "", ErrInvalidCredentials
	}
	return a.markDeviceKnown(ctx, u), nil
}

// LoginUserIf is [Authenticator.LoginUser] for an identity that is proven by something that can be
// guessed, such as a code in a mail. It asks the [Throttle], calls proven, and logs in if that
// returns nil. An [ErrInvalidCredentials] of proven counts as a failure at target, the host's name
// for what is guessed (see [Attempt]); another error does not count. Where the throttle refuses, it
// returns a [*RetryError] of [ErrTooManyAttempts] and does not call proven. It treats an empty
// userID, which is nobody's, like others.
func (a *Authenticator) LoginUserIf(ctx context.Context, userID, target string, proven func(context.Context) error, amr ...string) (Tokens, error) {
	if err := checkMethods(amr); err != nil {
		return Tokens{}, err
	}
	var u User
	var err error
	if userID != "" {
		u, err = a.userByID(ctx, userID)
	} else {
		// Query anyway, so that an unknown user takes as long as a known one; by username, because
		// that column is always text while IDs may be integers or UUIDs.
		_, err = a.userByName(ctx, target)
	}
	if err != nil {
		return Tokens{}, err
	}
	at := Attempt{Username: u.Username, Target: target}
	if u.ID == "" {
		at.Username = target
	}
	return a.attempt(ctx, at, func() (Tokens, error) {
		if err := proven(ctx); err != nil {
			if errors.Is(err, ErrInvalidCredentials) {
				_ = a.failed(ctx, u.ID, err)
			}
			return Tokens{}, err
		}
		return a.admitUser(ctx, u, amr)
	})
}

func (a *Authenticator) admitUser(ctx context.Context, u User, amr []string) (Tokens, error) {
	if u.ID == "" || u.Disabled {
		return Tokens{}, ErrInvalidCredentials
	}
	return a.admit(ctx, u, slices.Clone(amr))
}

// checkMethods returns an error unless a session can keep amr.
func checkMethods(amr []string) error {
	if len(amr) == 0 || len(strings.Join(amr, " ")) > session.MaxMethods || slices.ContainsFunc(amr, func(m string) bool { return !jwt.IsScope(m) }) {
		return fmt.Errorf("auth: amr %q: must be at least one word, and at most %d bytes in all", amr, session.MaxMethods)
	}
	return nil
}

// Bounds of a login that waits for its second factor.
const (
	pendingTime  = 5 * time.Minute
	pendingTries = 5
)

// pendingLogin is a login that waits for its second factor, as its record keeps it.
type pendingLogin struct {
	UserID   string
	Password [sha256.Size]byte // fingerprint of the password hash when the password was proven
	AMR      []string
	Tries    int
	Terms    session.Terms
}

func pendingKey(token string) string {
	sum := sha256.Sum256([]byte(token))
	return "mfa:" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// admit begins a session for an account that has proven amr. If the account has a second factor
// that amr does not prove, it stores the login and returns a [*MFARequiredError]. See decisions 0059
// and 0060.
func (a *Authenticator) admit(ctx context.Context, u User, amr []string) (Tokens, error) {
	due, err := a.factorDue(ctx, u.ID, amr)
	switch {
	case err != nil:
		return Tokens{}, err
	case !due:
		return a.begin(ctx, u, amr)
	}
	token := rand.Text()
	r, now, err := a.records.Record(ctx, pendingKey(token))
	if err != nil {
		return Tokens{}, fmt.Errorf("auth: load record: %w", err)
	}
	r.Key, r.Owner, r.ExpiresAt = pendingKey(token), u.ID, clock.Microseconds(now.Add(pendingTime))
	r.Value, _ = json.Marshal(pendingLogin{u.ID, fingerprintOf(u), amr, 0, session.TermsFromContext(ctx)}) // cannot fail: strings and numbers
	if err := a.records.ReplaceRecord(ctx, r.Renew(), r); err != nil {
		return Tokens{}, fmt.Errorf("auth: write record: %w", err)
	}
	return Tokens{}, &MFARequiredError{Token: token, ExpiresIn: pendingTime}
}

// LoginMFA continues the login that returned a [*MFARequiredError], whose Token it takes, and proves
// its second factor by a code. It returns [ErrInvalidCredentials] if the code is wrong, and from then
// on if the login is over: after 5 codes, 5 minutes, or a change of the password. Wrong codes count
// as failures at the second factor, apart from those at the password: strangers cannot use up the
// attempts of an owner who has proven the password.
func (a *Authenticator) LoginMFA(ctx context.Context, mfaToken, code string) (Tokens, error) {
	if a.second == nil {
		return Tokens{}, errNoSecondFactor
	}
	r, login, err := a.pending(ctx, mfaToken)
	if err != nil {
		return Tokens{}, err
	}
	u, err := a.userByID(ctx, login.UserID)
	if err != nil {
		return Tokens{}, err
	}
	password := fingerprintOf(u)
	if u.ID == "" || u.Disabled || subtle.ConstantTimeCompare(password[:], login.Password[:]) != 1 {
		return Tokens{}, ErrInvalidCredentials
	}
	return a.attempt(ctx, secondFactorOf(u), func() (Tokens, error) {
		login.Tries++ // before the code is looked at, so that concurrent codes are counted, too
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
		return a.begin(WithSession(ctx, login.Terms), u, amr)
	})
}

// secondFactorOf returns an attempt at the second factor of an account.
func secondFactorOf(u User) Attempt { return Attempt{Username: u.Username, Target: "mfa " + u.ID} }

var errNoSecondFactor = errors.New("auth: Config.SecondFactor is nil")

// pending returns the login that waits, and its record.
func (a *Authenticator) pending(ctx context.Context, token string) (r Record, login pendingLogin, err error) {
	if r, _, err = a.records.Record(ctx, pendingKey(token)); err != nil {
		return r, login, fmt.Errorf("auth: load record: %w", err)
	}
	if r.Version == 0 {
		return r, login, ErrInvalidCredentials
	}
	if err := json.Unmarshal(r.Value, &login); err != nil {
		return r, login, fmt.Errorf("auth: the record of a login is damaged: %w", err)
	}
	if login.Tries >= pendingTries {
		return r, login, ErrInvalidCredentials
	}
	return r, login, nil
}

// usePending returns the error of a change of a login that waits. After a conflict it is
// [ErrInvalidCredentials]: of two concurrent codes only one may continue the login.
func (a *Authenticator) usePending(err error) error {
	switch {
	case errors.Is(err, ErrConflict):
		return ErrInvalidCredentials
	case err != nil:
		return fmt.Errorf("auth: write record: %w", err)
	}
	return nil
}

// maxCode bounds the code of a second factor, in bytes.
const maxCode = 128

func (a *Authenticator) proveSecond(ctx context.Context, userID, code string) (amr []string, err error) {
	err = ErrInvalidCredentials
	if code != "" && len(code) <= maxCode {
		amr, err = a.second.Prove(ctx, userID, code)
	}
	switch {
	case errors.Is(err, ErrInvalidCredentials):
		a.events(ctx, Event{Kind: EventMFAFailed, UserID: userID, Device: DeviceFromContext(ctx), Err: ErrInvalidCredentials})
		return nil, ErrInvalidCredentials
	case err != nil:
		return nil, fmt.Errorf("auth: second factor: %w", err)
	}
	return amr, nil
}

// union returns a, then the words of b that are not in it, and last.
func union(a, b []string, last string) []string {
	all := slices.Clone(a)
	for _, m := range append(slices.Clone(b), last) {
		if !slices.Contains(all, m) {
			all = append(all, m)
		}
	}
	return all
}

// StepUp returns another access token for a caller who proves their identity again, for routes
// behind [Middleware.RequireRecent] and [Middleware.RequireMFA]. It takes the password, or the code
// of a second factor with an empty password, or both. The token belongs to the caller's session and
// lives as long as any other; where the caller has no session, it expires when the caller's token
// does. There is no refresh token with it, and the tokens of the next refresh carry the time and
// methods of the login again.
//
// It returns [ErrInvalidCredentials] if what was given is wrong or nothing was given, and
// [ErrInvalidGrant] if the session has ended.
func (a *Authenticator) StepUp(ctx context.Context, p *Principal, password, code string) (Tokens, error) {
	if p == nil || password == "" && (code == "" || a.second == nil) || !a.passwords.Possible(password) {
		return Tokens{}, ErrInvalidCredentials
	}
	u, err := a.userByID(ctx, p.Subject())
	if err != nil {
		return Tokens{}, err
	}
	if password == "" {
		return a.attempt(ctx, secondFactorOf(u), func() (Tokens, error) { return a.stepUpByCode(ctx, u, p, nil, code) })
	}
	return a.attempt(ctx, Attempt{Username: u.Username}, func() (Tokens, error) {
		if err := a.prove(ctx, u, password); err != nil {
			return Tokens{}, err
		}
		amr := []string{"pwd"}
		switch {
		case code == "":
			return a.stepUp(ctx, u, p, amr)
		case a.second == nil:
			return Tokens{}, ErrInvalidCredentials
		}
		t, err := a.attempt(ctx, secondFactorOf(u), func() (Tokens, error) { return a.stepUpByCode(ctx, u, p, amr, code) })
		return t, &decided{err}
	})
}

// stepUpByCode proves the code of a second factor, after the methods that were proven already.
func (a *Authenticator) stepUpByCode(ctx context.Context, u User, p *Principal, proven []string, code string) (Tokens, error) {
	if u.ID == "" || u.Disabled {
		return Tokens{}, ErrInvalidCredentials
	}
	methods, err := a.proveSecond(ctx, u.ID, code)
	if err != nil {
		return Tokens{}, err
	}
	if proven != nil { // otherwise one factor alone, whatever the login was
		methods = union(proven, methods, mfa)
	}
	return a.stepUp(ctx, u, p, methods)
}

// stepUp issues the token of a caller who has proven amr. It returns errSecondFactorDue with it where
// the attempt must forgive no failures.
func (a *Authenticator) stepUp(ctx context.Context, u User, p *Principal, amr []string) (Tokens, error) {
	due := a.secondFactorDue(ctx, u, amr)
	if due != nil && due != errSecondFactorDue {
		return Tokens{}, due
	}
	t, err := a.issueAgain(ctx, u, p, amr)
	if err != nil {
		return Tokens{}, err
	}
	return t, due
}

// issueAgain issues the access token of a caller who has proven amr. Without a session the token
// must not outlive the caller's: one factor would otherwise prolong a login that took two.
func (a *Authenticator) issueAgain(ctx context.Context, u User, p *Principal, amr []string) (Tokens, error) {
	if p.SessionID() != "" {
		return a.issueInSession(ctx, u, p.SessionID(), amr)
	}
	end := p.Expiry()
	if soon := time.Now().Add(time.Second); !end.IsZero() && end.Before(soon) {
		end = soon
	}
	return a.issue(ctx, grant{user: u, authTime: clock.Microseconds(time.Now()), amr: amr, end: end})
}
