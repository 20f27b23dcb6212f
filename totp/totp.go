// Package totp is a second factor: six-digit codes from an authenticator app (RFC 6238), and
// recovery codes for users who have lost the app. It is an [auth.SecondFactor] on any
// [auth.RecordStore]:
//
//	factor, err := totp.New(store, keys, totp.Config{Issuer: "Example"})
//	accounts, err := auth.New(users, tokens, auth.Config{SecondFactor: factor, Records: store, Throttle: limits})
//
// Here limits is a throttle of package throttle. Enroll creates a secret for a user who is logged
// in; show its URL as a QR code, which the user scans with the app. Confirm switches the second
// factor on, with a first code. From then on [auth.Authenticator.Login] returns an
// [*auth.MFARequiredError], and LoginMFA takes a code. Each code works once: it is refused when it
// is used again, even in the same half minute.
//
// The server must be able to read a secret, so it is sealed with AES-256-GCM. Recovery codes have 120
// random bits and are hashed.
//
// A record that is lost reads as if the user had no second factor. So keep the records in the database
// of the users, or set [Config].Marks.
package totp

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/secrets"
)

// Errors that a caller's input can cause, for use with [errors.Is]. Both are also [auth.ErrConflict],
// for which [auth.HTTPStatus] returns 409.
var (
	ErrEnrolled    error = conflict("totp: the user already has a second factor; disable it first")
	ErrNotEnrolled error = conflict("totp: the user has no second factor")
)

type conflict string

func (c conflict) Error() string { return string(c) }

func (conflict) Is(target error) bool { return target == auth.ErrConflict }

// Config configures a [Factor].
type Config struct {
	// Issuer is the name of the service, which apps show beside the account. Required; at most 64
	// characters without ':'.
	Issuer string

	// Skew is how many steps of 30 seconds before and after the current one still count, for clocks
	// that differ and users who type slowly: a code is good for as many times 30 seconds longer, on
	// both sides. 0 means 1, as RFC 6238 section 5.2 recommends; [NoSkew] means none; at most 1. Each
	// code counts once, whatever the setting.
	Skew int

	// Marks knows which users have a second factor, apart from the records. Give it where the records may
	// be lost and the users are not, as with records in Redis: a login is then refused if the user is
	// marked and the record is gone, until Disable. nil: a user without a record has no second factor.
	Marks Marks

	// Events receives [auth.EventMFAEnabled], [auth.EventMFADisabled] and [auth.EventMFARecovery],
	// under the rules of [auth.Config].Events. The endpoints of package authhttp's Mount notify the user;
	// where you call the methods yourself, do so by the method Inform of a recovery.Recovery. The Err of
	// EventMFAEnabled says that Marks failed: then the next code that the user proves marks the user. nil:
	// there are no events.
	Events func(ctx context.Context, e auth.Event)
}

// NoSkew as a Skew accepts the code of the current step alone, so that no code is good for longer than
// 30 seconds (OWASP ASVS 5.0, 6.5.5). The clocks of server and app must then agree to a few seconds.
const NoSkew = -1

// Factor is an [auth.SecondFactor]. Make one with [New]. It never changes and is safe for concurrent
// use.
type Factor struct {
	records auth.RecordStore
	keys    *secrets.Ring
	issuer  string
	skew    int64 // steps before and after the current one
	marks   Marks // nil: none
	events  func(context.Context, auth.Event)
}

const (
	period        = 30 // seconds of a step: RFC 6238 section 5.2
	secretBytes   = 20 // RFC 4226 section 4, R6
	recoveryCodes = 10
	recoveryChars = 24               // of 5 bits each: NIST SP 800-63B-4 section 3.1.2.2 asks for 112 bits where the hash has no salt
	enrolTime     = 15 * time.Minute // time between Enroll and Confirm
	tries         = 8                // attempts at a record that other calls change at the same time
)

// New returns a second factor. The keys seal the secrets of users, so keep them outside the database.
// They are the same on all replicas. The current key seals, and every key of the ring opens what it
// has sealed. A secret that was sealed with an older key is sealed again when its user next uses a
// code of the app: keep the older key until all users have done so, for without its key a secret
// is lost.
//
// It returns a [*cfgerr.Error] for each fault, joined.
func New(records auth.RecordStore, keys *secrets.Ring, cfg Config) (*Factor, error) {
	faults := cfgerr.Faults{Prefix: "totp."}
	faults.Require("New.records", records != nil)
	faults.Require("New.keys", keys != nil && len(keys.Keys()) > 0)
	if cfg.Issuer == "" || len([]rune(cfg.Issuer)) > 64 || strings.Contains(cfg.Issuer, ":") {
		faults.Add("Config.Issuer", cfg.Issuer, "must be 1 to 64 characters without ':'")
	}
	skew := int64(1)
	switch cfg.Skew {
	case 0, 1:
	case NoSkew:
		skew = 0
	default:
		faults.Add("Config.Skew", fmt.Sprint(cfg.Skew), "must be 0, 1 or NoSkew")
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	f := &Factor{records: records, keys: keys, issuer: cfg.Issuer, skew: skew, marks: cfg.Marks, events: cfg.Events}
	if f.events == nil {
		f.events = func(context.Context, auth.Event) {}
	}
	return f, nil
}

// Enrollment is what an app needs to compute codes. It is a secret: show it once, to its user only.
// Printed or logged, it shows nothing. As JSON it is the response to its user.
type Enrollment struct {
	Secret string // base32, for users who type it
	URL    string // otpauth://…, for a QR code
}

// Format writes "totp.Enrollment([REDACTED])", whatever the verb.
func (Enrollment) Format(f fmt.State, _ rune) { io.WriteString(f, "totp.Enrollment([REDACTED])") }

// LogValue returns what Format writes.
func (e Enrollment) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(e)) }

// state is the content of a user's record.
type state struct {
	Sealed    []byte
	Confirmed bool
	Step      int64    // step of the newest code that was used
	Recovery  [][]byte // SHA-256 of each unused recovery code
}

// Enroll creates a secret for a user. Apps show account as the name of the user's account. The secret
// takes effect with Confirm, within 15 minutes; until then, another Enroll replaces it. It returns
// [ErrEnrolled] if the user has a second factor, also if its record is lost.
func (f *Factor) Enroll(ctx context.Context, userID, account string) (Enrollment, error) {
	if enabled, _, err := f.Status(ctx, userID); err != nil || enabled {
		return Enrollment{}, cmp.Or(err, ErrEnrolled)
	}
	account = strings.ReplaceAll(account, ":", "") // a colon separates the issuer from the account
	generated, err := totp.Generate(totp.GenerateOpts{Issuer: f.issuer, AccountName: account, SecretSize: secretBytes, Rand: rand.Reader})
	if err != nil {
		return Enrollment{}, fmt.Errorf("totp: %w", err)
	}
	sealed, err := f.seal(userID, generated.Secret())
	if err != nil {
		return Enrollment{}, err
	}
	err = f.change(ctx, userID, func(s *state, r *auth.Record, now time.Time) error {
		if s.Confirmed {
			return ErrEnrolled
		}
		*s = state{Sealed: sealed}
		r.ExpiresAt = now.Add(enrolTime)
		return nil
	})
	if err != nil {
		return Enrollment{}, err
	}
	return Enrollment{Secret: generated.Secret(), URL: generated.URL()}, nil
}

// Begin is Enroll with the fields of its [Enrollment] as results. Package authhttp calls it, which
// imports no type of this package.
func (f *Factor) Begin(ctx context.Context, userID, account string) (secret, url string, err error) {
	e, err := f.Enroll(ctx, userID, account)
	return e.Secret, e.URL, err
}

// Confirm switches the second factor on, once the user has a code of the app. It returns the user's
// recovery codes: show them once, for the user to keep. It returns [ErrNotEnrolled] if there was no
// Enroll, [ErrEnrolled] if the second factor is on already, and [auth.ErrInvalidCredentials] if the
// code is wrong.
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
	f.events(ctx, auth.Event{Kind: auth.EventMFAEnabled, UserID: userID, Err: f.markConfirmed(ctx, userID)})
	return recovery, nil
}

// RecoveryCodes returns new recovery codes, which replace all earlier ones. Ask the user for a code of
// the second factor first. It returns [ErrNotEnrolled] if the user has no second factor.
func (f *Factor) RecoveryCodes(ctx context.Context, userID string) (recovery []string, err error) {
	err = f.change(ctx, userID, func(s *state, _ *auth.Record, _ time.Time) error {
		if !s.Confirmed {
			return f.absent(ctx, userID, ErrNotEnrolled)
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

// Disable removes the second factor of a user, if there is one. Ask for one of its codes first, or
// make sure by other means that the user wants it. A deleted account needs no call if the records of the
// Factor are in [auth.Config].Records, because [auth.Authenticator.Delete] deletes them.
func (f *Factor) Disable(ctx context.Context, userID string) error {
	wasEnabled, err := f.marked(ctx, userID)
	if err == nil {
		err = f.setMark(ctx, userID, false)
	}
	if err != nil {
		return err
	}
	err = f.change(ctx, userID, func(s *state, _ *auth.Record, _ time.Time) error {
		wasEnabled = wasEnabled || s.Confirmed
		*s = state{}
		return nil
	})
	if err == nil {
		err = f.setMark(ctx, userID, false) // a concurrent call may have marked the user
	}
	if err == nil && wasEnabled {
		f.events(ctx, auth.Event{Kind: auth.EventMFADisabled, UserID: userID})
	}
	return err
}

// Status reports whether the second factor of a user is on, and how many recovery codes are left.
func (f *Factor) Status(ctx context.Context, userID string) (enabled bool, recoveryLeft int, err error) {
	s, err := f.state(ctx, userID)
	if err == nil && !s.Confirmed {
		s.Confirmed, err = f.marked(ctx, userID)
	}
	return s.Confirmed, len(s.Recovery), err
}

// state returns the content of a user's record.
func (f *Factor) state(ctx context.Context, userID string) (state, error) {
	r, _, err := f.records.Record(ctx, recordKey(userID))
	if err != nil {
		return state{}, fmt.Errorf("totp: %w", err)
	}
	return decode(r)
}

// Required implements [auth.SecondFactor].
func (f *Factor) Required(ctx context.Context, userID string) (bool, error) {
	enabled, _, err := f.Status(ctx, userID)
	return enabled, err
}

// Prove implements [auth.SecondFactor]. The code is one of the app's or a recovery code. Spaces and
// hyphens in it are ignored. For a user whose record is lost (see [Config].Marks) it returns an error that
// means an infrastructure failure.
func (f *Factor) Prove(ctx context.Context, userID, code string) ([]string, error) {
	err := f.change(ctx, userID, func(s *state, _ *auth.Record, now time.Time) error {
		if !s.Confirmed {
			return f.absent(ctx, userID, auth.ErrInvalidCredentials)
		}
		return f.use(s, userID, code, now)
	})
	if err == nil {
		err = f.markAgain(ctx, userID)
	}
	if err != nil {
		return nil, err
	}
	return []string{"otp"}, nil
}

var separators = strings.NewReplacer(" ", "", "-", "")

// use marks a code as used. It returns [auth.ErrInvalidCredentials] if the code is wrong.
func (f *Factor) use(s *state, userID, code string, now time.Time) error {
	code = strings.ToUpper(separators.Replace(code))
	if len(code) != otp.DigitsSix.Length() {
		return s.useRecovery(code)
	}
	secret, current, err := f.open(userID, s.Sealed)
	if err != nil {
		return err
	}
	newest := now.Unix() / period
	for step := newest - f.skew; step <= newest+f.skew; step++ {
		want, err := hotp.GenerateCodeCustom(secret, uint64(step), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err != nil {
			return fmt.Errorf("totp: %w", err)
		}
		// RFC 6238 section 5.2: a code is accepted once. Codes of earlier steps are refused, too.
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && step > s.Step {
			s.Step = step
			if !current {
				s.Sealed, err = f.seal(userID, secret)
			}
			return err
		}
	}
	return auth.ErrInvalidCredentials
}

// useRecovery removes a recovery code. It returns [auth.ErrInvalidCredentials] if there is no such
// code.
func (s *state) useRecovery(code string) error {
	sum := sha256.Sum256([]byte(code))
	i := slices.IndexFunc(s.Recovery, func(kept []byte) bool { return subtle.ConstantTimeCompare(kept, sum[:]) == 1 })
	if i < 0 {
		return auth.ErrInvalidCredentials
	}
	s.Recovery = slices.Delete(s.Recovery, i, i+1)
	return nil
}

// renewRecovery returns new recovery codes of 120 random bits each: groups of 4 characters.
func (s *state) renewRecovery() (codes []string) {
	s.Recovery = nil
	for range recoveryCodes {
		code := rand.Text()[:recoveryChars]
		sum := sha256.Sum256([]byte(code))
		s.Recovery = append(s.Recovery, sum[:])
		groups := slices.Collect(slices.Chunk([]byte(code), 4))
		codes = append(codes, string(bytes.Join(groups, []byte("-"))))
	}
	return codes
}

func recordKey(userID string) string { return "totp:" + digest(userID) }

func digest(userID string) string {
	sum := sha256.Sum256([]byte(userID))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

var errRecord = errors.New("totp: the record of a user is damaged")

func decode(r auth.Record) (s state, err error) {
	if r.Version == 0 {
		return s, nil
	}
	if json.Unmarshal(r.Value, &s) != nil {
		return state{}, errRecord
	}
	return s, nil
}

// change loads the state of a user, applies edit and stores the result, or deletes the record if there
// is no secret any more.
func (f *Factor) change(ctx context.Context, userID string, edit func(*state, *auth.Record, time.Time) error) error {
	for range tries {
		r, now, err := f.records.Record(ctx, recordKey(userID))
		if err != nil {
			return fmt.Errorf("totp: %w", err)
		}
		s, err := decode(r)
		if err != nil {
			return err
		}
		if err := edit(&s, &r, now); err != nil {
			return err
		}
		switch {
		case s.Sealed != nil:
			r.Key, r.Owner = recordKey(userID), userID
			r.Value, _ = json.Marshal(s) // cannot fail: bytes and numbers
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
