// Package totp is a second factor: codes of six digits from an authenticator app
// (RFC 6238), and recovery codes for when the app is gone. It is an
// [auth.SecondFactor] on any [auth.RecordStore]:
//
//	second, err := totp.New(store, key, totp.Config{Issuer: "Example"})
//	accounts, err := auth.New(users, tokens, auth.Config{SecondFactor: second, Records: store, Throttle: slow})
//
// where slow is of package throttle. A user who is logged in asks for it by Enroll,
// shows the URL to the app as a QR code, and switches it on by Confirm with a first
// code. From then on [auth.Authenticator].Login returns an [*auth.MFARequiredError]
// and LoginMFA takes a code. Codes are good once: a second use is refused, in the
// same half minute, too.
//
// Secrets are kept under AES-256-GCM, for they cannot be hashed; recovery codes are.
package totp

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/seed-e36e2130/auth"
)

// What a caller's input can cause, for use with [errors.Is]. Both are
// [session.ErrConflict], too: for [auth.HTTPStatus] 409.
var (
	ErrEnrolled    error = conflict("totp: there is a second factor already") // Disable it first
	ErrNotEnrolled error = conflict("totp: there is no second factor")
)

type conflict string

func (c conflict) Error() string { return string(c) }

func (conflict) Is(target error) bool { return target == auth.ErrConflict }

// Config is what [New] may be told.
type Config struct {
	// Issuer is the name of the service that apps show beside the account.
	// Required; at most 64 characters without ':'.
	Issuer string

	// OlderKeys still open what an earlier key has sealed. It is sealed with the
	// current one when it changes next.
	OlderKeys [][]byte

	// Events receives [auth.EventMFAEnabled], [auth.EventMFADisabled] and
	// [auth.EventMFARecovery], as [auth.Config].Events does: a host tells its user by
	// another way. nil: nobody is told.
	Events func(ctx context.Context, e auth.Event)
}

// Factor is an [auth.SecondFactor]. Make one with [New]; it is immutable and safe
// for concurrent use.
type Factor struct {
	records auth.RecordStore
	issuer  string
	keys    []key // the first seals
	events  func(context.Context, auth.Event)
}

const (
	period        = 30 // seconds, RFC 6238 section 5.2
	skew          = 1  // periods before and after, for clocks that differ
	secretBytes   = 20 // RFC 4226 section 4, R6
	recoveryCodes = 10
	enrolTime     = 15 * time.Minute // between Enroll and Confirm
	tries         = 8                // at a record that others change at the same time
)

// New returns a second factor whose secrets are sealed with key: 32 random bytes
// that the database does not have. It returns every fault as an
// [*cfgerr.Error].
func New(records auth.RecordStore, key []byte, cfg Config) (*Factor, error) {
	var faults []error
	fault := func(field, value, reason string) {
		faults = append(faults, &auth.ConfigError{Field: field, Value: value, Reason: reason})
	}
	if records == nil {
		fault("totp.New.records", "", "is required")
	}
	if cfg.Issuer == "" || len([]rune(cfg.Issuer)) > 64 || strings.Contains(cfg.Issuer, ":") {
		fault("totp.Config.Issuer", cfg.Issuer, "must be 1 to 64 characters without ':'")
	}
	f := &Factor{records: records, issuer: cfg.Issuer, events: cfg.Events}
	if f.events == nil {
		f.events = func(context.Context, auth.Event) {}
	}
	for i, material := range append([][]byte{key}, cfg.OlderKeys...) {
		k, ok := newKey(material)
		if !ok {
			field := "totp.New.key"
			if i > 0 {
				field = "totp.Config.OlderKeys"
			}
			fault(field, "", "must be 32 random bytes")
		}
		f.keys = append(f.keys, k)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return f, nil
}

// Enrollment is what an app needs to know. It is a secret: show it to its user
// alone, once. However it is printed or logged, it shows nothing; as JSON it is the
// answer to its user.
type Enrollment struct {
	Secret string // in base32, for users who type it
	URL    string // otpauth://…, for a QR code
}

// Format writes "[REDACTED]", whatever the verb.
func (Enrollment) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("totp.Enrollment([REDACTED])")) }

// LogValue returns what Format writes.
func (e Enrollment) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(e)) }

// state is what the record of a user holds.
type state struct {
	Sealed    []byte
	Confirmed bool
	Step      int64    // of the last code that was used
	Recovery  [][]byte // SHA-256 of the recovery codes that were not
}

// Enroll begins: it makes a secret for a user, whom apps show as account. It takes
// effect by Confirm, within 15 minutes. It returns [ErrEnrolled] if the user has a
// second factor.
func (f *Factor) Enroll(ctx context.Context, userID, account string) (Enrollment, error) {
	account = strings.ReplaceAll(account, ":", "") // it would end the issuer's name
	generated, err := totp.Generate(totp.GenerateOpts{Issuer: f.issuer, AccountName: account, SecretSize: secretBytes, Rand: rand.Reader})
	if err != nil {
		return Enrollment{}, fmt.Errorf("totp: %w", err)
	}
	err = f.change(ctx, userID, func(s *state, r *auth.Record, now time.Time) error {
		if s.Confirmed {
			return ErrEnrolled
		}
		*s = state{Sealed: f.keys[0].seal(userID, generated.Secret())}
		r.ExpiresAt = now.Add(enrolTime)
		return nil
	})
	if err != nil {
		return Enrollment{}, err
	}
	return Enrollment{Secret: generated.Secret(), URL: generated.URL()}, nil
}

// Begin is Enroll whose results are the fields of its [Enrollment]: as package authhttp
// asks for them, which knows no type of this package.
func (f *Factor) Begin(ctx context.Context, userID, account string) (secret, url string, err error) {
	e, err := f.Enroll(ctx, userID, account)
	return e.Secret, e.URL, err
}

// Confirm switches the second factor on, once the user has a code of it, and
// returns their recovery codes: to be shown once, and kept by the user. It returns
// [ErrNotEnrolled] if there was no Enroll, [ErrEnrolled] if it is on already, and
// [auth.ErrInvalidCredentials] if the code is wrong.
func (f *Factor) Confirm(ctx context.Context, userID, code string) (recovery []string, err error) {
	err = f.change(ctx, userID, func(s *state, r *auth.Record, now time.Time) error {
		switch {
		case s.Sealed == nil:
			return ErrNotEnrolled
		case s.Confirmed:
			return ErrEnrolled
		}
		if err := f.use(s, userID, code, now); err != nil {
			return err
		}
		s.Confirmed, r.ExpiresAt = true, time.Time{}
		recovery = s.renewRecovery()
		return nil
	})
	if err != nil {
		return nil, err
	}
	f.events(ctx, auth.Event{Kind: auth.EventMFAEnabled, UserID: userID})
	return recovery, nil
}

// RecoveryCodes returns new recovery codes in the place of all older ones. It
// returns [ErrNotEnrolled] if the user has no second factor. Ask for a code of it
// first.
func (f *Factor) RecoveryCodes(ctx context.Context, userID string) (recovery []string, err error) {
	err = f.change(ctx, userID, func(s *state, _ *auth.Record, _ time.Time) error {
		if !s.Confirmed {
			return ErrNotEnrolled
		}
		recovery = s.renewRecovery()
		return nil
	})
	if err != nil {
		return nil, err
	}
	f.events(ctx, auth.Event{Kind: auth.EventMFARecovery, UserID: userID})
	return recovery, nil
}

// Disable takes the second factor away, whether there is one or not. Ask for a code
// of it first, or see otherwise that it is the user's wish; and call it when the
// account is deleted.
func (f *Factor) Disable(ctx context.Context, userID string) error {
	was := false
	err := f.change(ctx, userID, func(s *state, _ *auth.Record, _ time.Time) error {
		was = s.Confirmed
		*s = state{}
		return nil
	})
	if err == nil && was {
		f.events(ctx, auth.Event{Kind: auth.EventMFADisabled, UserID: userID})
	}
	return err
}

// Status returns whether the second factor of a user is on, and how many recovery
// codes are left.
func (f *Factor) Status(ctx context.Context, userID string) (enabled bool, recoveryLeft int, err error) {
	if f == nil || f.records == nil {
		return false, 0, errZero
	}
	r, _, err := f.records.Record(ctx, recordKey(userID))
	if err != nil {
		return false, 0, fmt.Errorf("totp: %w", err)
	}
	s, err := decode(r)
	return s.Confirmed, len(s.Recovery), err
}

// Required implements [auth.SecondFactor].
func (f *Factor) Required(ctx context.Context, userID string) (bool, error) {
	enabled, _, err := f.Status(ctx, userID)
	return enabled, err
}

// Prove implements [auth.SecondFactor]: code is one of the app's, or a recovery
// code. Spaces and hyphens in it do not count.
func (f *Factor) Prove(ctx context.Context, userID, code string) ([]string, error) {
	err := f.change(ctx, userID, func(s *state, _ *auth.Record, now time.Time) error {
		if !s.Confirmed {
			return auth.ErrInvalidCredentials
		}
		return f.use(s, userID, code, now)
	})
	if err != nil {
		return nil, err
	}
	return []string{"otp"}, nil
}

var separators = strings.NewReplacer(" ", "", "-", "")

// use marks a code as used, or returns [auth.ErrInvalidCredentials].
func (f *Factor) use(s *state, userID, code string, now time.Time) error {
	code = strings.ToUpper(separators.Replace(code))
	if len(code) != otp.DigitsSix.Length() {
		sum := sha256.Sum256([]byte(code))
		i := slices.IndexFunc(s.Recovery, func(kept []byte) bool { return subtle.ConstantTimeCompare(kept, sum[:]) == 1 })
		if i < 0 {
			return auth.ErrInvalidCredentials
		}
		s.Recovery = slices.Delete(s.Recovery, i, i+1)
		return nil
	}
	secret, k, err := f.open(userID, s.Sealed)
	if err != nil {
		return err
	}
	current := now.Unix() / period
	for step := current - skew; step <= current+skew; step++ {
		want, err := hotp.GenerateCodeCustom(secret, uint64(step), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return fmt.Errorf("totp: %w", err)
		}
		// RFC 6238 section 5.2: the second attempt of a code is refused, and so is
		// what came before it.
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && step > s.Step {
			s.Step = step
			if k != &f.keys[0] {
				s.Sealed = f.keys[0].seal(userID, secret)
			}
			return nil
		}
	}
	return auth.ErrInvalidCredentials
}

// renewRecovery returns new recovery codes, of 80 random bits each.
func (s *state) renewRecovery() (codes []string) {
	s.Recovery = nil
	for range recoveryCodes {
		code := rand.Text()[:16]
		sum := sha256.Sum256([]byte(code))
		s.Recovery = append(s.Recovery, sum[:])
		codes = append(codes, code[:4]+"-"+code[4:8]+"-"+code[8:12]+"-"+code[12:])
	}
	return codes
}

var (
	errZero    = errors.New("totp: zero value is not usable, use New")
	errRecord  = errors.New("totp: a user's record is damaged")
	errUnknown = errors.New("totp: a user's secret was sealed with a key that is not here, or is damaged")
)

func recordKey(userID string) string {
	sum := sha256.Sum256([]byte(userID))
	return "totp:" + base64.RawURLEncoding.EncodeToString(sum[:])
}

func decode(r auth.Record) (s state, err error) {
	if r.Version == 0 {
		return s, nil
	}
	if json.Unmarshal(r.Value, &s) != nil {
		return state{}, errRecord
	}
	return s, nil
}

// change replaces the state of a user by what does makes of it.
func (f *Factor) change(ctx context.Context, userID string, does func(*state, *auth.Record, time.Time) error) error {
	if f == nil || f.records == nil {
		return errZero
	}
	for range tries {
		r, now, err := f.records.Record(ctx, recordKey(userID))
		if err != nil {
			return fmt.Errorf("totp: %w", err)
		}
		s, err := decode(r)
		if err != nil {
			return err
		}
		if err := does(&s, &r, now); err != nil {
			return err
		}
		switch {
		case s.Sealed != nil:
			r.Key = recordKey(userID)
			r.Value, _ = json.Marshal(s) // bytes and numbers: it cannot fail
			err = f.records.ReplaceRecord(ctx, r.Renew(), r)
		case r.Version != 0:
			err = f.records.DeleteRecord(ctx, r.Key, r.Version)
		}
		if err == nil {
			return nil
		}
		if !errors.Is(err, auth.ErrConflict) {
			return fmt.Errorf("totp: %w", err)
		}
	}
	return &auth.RetryError{Err: auth.ErrBusy, After: time.Second}
}
