package totp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/throttle"
	second "github.com/seed-e36e2130/auth/totp"
	"github.com/seed-e36e2130/auth/jwt"
	"github.com/seed-e36e2130/auth/memstore"
)

var testKey = bytes.Repeat([]byte("0123456789abcdef"), 2)

func newFactor(t testing.TB, records auth.RecordStore, older ...[]byte) *second.Factor {
	t.Helper()
	f, err := second.New(records, testKey, second.Config{Issuer: "Example", OlderKeys: older})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// codeAt returns what an app shows.
func codeAt(t testing.TB, secret string, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// enrolled returns the secret and the recovery codes of ada, who has a second factor.
func enrolled(t testing.TB, f *second.Factor) (string, []string) {
	t.Helper()
	e, err := f.Enroll(t.Context(), "ada", "ada@example.com")
	if err != nil {
		t.Fatal(err)
	}
	recovery, err := f.Confirm(t.Context(), "ada", codeAt(t, e.Secret, time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	return e.Secret, recovery
}

func TestConfig(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	for _, row := range []struct {
		records auth.RecordStore
		key     []byte
		cfg     second.Config
		fields  string
	}{
		{store, testKey, second.Config{Issuer: "Example"}, ""},
		{nil, nil, second.Config{}, "totp.New.records totp.Config.Issuer totp.New.key"},
		{store, make([]byte, 32), second.Config{Issuer: "Example"}, "totp.New.key"},
		{store, testKey[:31], second.Config{Issuer: "Example"}, "totp.New.key"},
		{store, testKey, second.Config{Issuer: "a:b", OlderKeys: [][]byte{nil}}, "totp.Config.Issuer totp.Config.OlderKeys"},
	} {
		_, err := second.New(row.records, row.key, row.cfg)
		var fields []string
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, one := range joined.Unwrap() {
				fault, ok := errors.AsType[*auth.ConfigError](one)
				if !ok {
					t.Fatal(one)
				}
				fields = append(fields, fault.Field)
			}
		}
		if got := strings.Join(fields, " "); got != row.fields {
			t.Errorf("faults in %q, want %q", got, row.fields)
		}
	}
	for _, f := range []*second.Factor{nil, new(second.Factor)} {
		_, required := f.Required(t.Context(), "ada")
		_, prove := f.Prove(t.Context(), "ada", "123456")
		_, confirm := f.Confirm(t.Context(), "ada", "123456")
		for _, err := range []error{required, prove, confirm, f.Disable(t.Context(), "ada")} {
			if err == nil || auth.HTTPStatus(err) != 500 {
				t.Errorf("zero value: %v", err)
			}
		}
	}
}

func TestEnroll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFactor(t, memstore.New())
		ctx := t.Context()
		required := func(want bool) {
			t.Helper()
			if got, err := f.Required(ctx, "ada"); err != nil || got != want {
				t.Errorf("Required is %v, %v, want %v", got, err, want)
			}
		}
		if _, err := f.Confirm(ctx, "ada", "123456"); err != second.ErrNotEnrolled {
			t.Error(err)
		}
		if _, err := f.RecoveryCodes(ctx, "ada"); err != second.ErrNotEnrolled {
			t.Error(err)
		}
		lost, err := f.Enroll(ctx, "ada", "ada@example.com")
		if err != nil {
			t.Fatal(err)
		}
		required(false)
		time.Sleep(15 * time.Minute)
		if _, err := f.Confirm(ctx, "ada", codeAt(t, lost.Secret, time.Now())); err != second.ErrNotEnrolled {
			t.Errorf("15 minutes later: %v", err)
		}
		first, err := f.Enroll(ctx, "ada", "ada@example.com")
		if err != nil {
			t.Fatal(err)
		}
		e, err := f.Enroll(ctx, "ada", "ada: the first")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Prove(ctx, "ada", codeAt(t, e.Secret, time.Now())); err != auth.ErrInvalidCredentials {
			t.Errorf("a code before Confirm: %v", err)
		}
		for _, code := range []string{"", "000000x", codeAt(t, first.Secret, time.Now()), codeAt(t, e.Secret, time.Now().Add(-2*time.Minute))} {
			if _, err := f.Confirm(ctx, "ada", code); err != auth.ErrInvalidCredentials {
				t.Errorf("%q: %v", code, err)
			}
		}
		required(false)
		code := codeAt(t, e.Secret, time.Now())
		recovery, err := f.Confirm(ctx, "ada", code[:3]+" "+code[3:])
		if err != nil || len(recovery) != 10 {
			t.Fatalf("%d recovery codes, %v", len(recovery), err)
		}
		required(true)
		time.Sleep(1000 * time.Hour)
		required(true)
		if _, err := f.Confirm(ctx, "ada", codeAt(t, e.Secret, time.Now())); err != second.ErrEnrolled {
			t.Errorf("confirmed again: %v", err)
		}
		if _, err := f.Enroll(ctx, "ada", "ada"); err != second.ErrEnrolled {
			t.Errorf("enrolled over it: %v", err)
		}
		u, err := url.Parse(e.URL)
		if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Example:ada the first" ||
			u.Query().Get("secret") != e.Secret || u.Query().Get("issuer") != "Example" || len(e.Secret) != 32 {
			t.Errorf("the URL is %s, %v", e.URL, err)
		}
		for range 2 {
			if err := f.Disable(ctx, "ada"); err != nil {
				t.Fatal(err)
			}
			required(false)
		}
	})
}

// A code is good once, and so is every one before it.
func TestReplay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFactor(t, memstore.New())
		secret, _ := enrolled(t, f)
		prove := func(at time.Duration, want error) {
			t.Helper()
			amr, err := f.Prove(t.Context(), "ada", codeAt(t, secret, time.Now().Add(at)))
			if err != want || err == nil && !slices.Equal(amr, []string{"otp"}) {
				t.Errorf("%q, %v, want %v", amr, err, want)
			}
		}
		prove(0, auth.ErrInvalidCredentials) // Confirm used it
		prove(30*time.Second, nil)
		prove(30*time.Second, auth.ErrInvalidCredentials)
		prove(0, auth.ErrInvalidCredentials)
		prove(-30*time.Second, auth.ErrInvalidCredentials)
		time.Sleep(90 * time.Second)
		prove(-60*time.Second, auth.ErrInvalidCredentials)
		prove(60*time.Second, auth.ErrInvalidCredentials)
		prove(-30*time.Second, nil)
		prove(-30*time.Second, auth.ErrInvalidCredentials)
		prove(0, nil)
		if _, err := f.Prove(t.Context(), "bob", codeAt(t, secret, time.Now().Add(30*time.Second))); err != auth.ErrInvalidCredentials {
			t.Errorf("of another user: %v", err)
		}
	})
}

func TestRecoveryCodes(t *testing.T) {
	t.Parallel()
	f := newFactor(t, memstore.New())
	ctx := t.Context()
	_, codes := enrolled(t, f)
	for i, code := range codes {
		if i%2 == 1 {
			code = strings.ToLower(strings.ReplaceAll(code, "-", " "))
		}
		if _, err := f.Prove(ctx, "ada", code); err != nil {
			t.Errorf("code %d: %v", i, err)
		}
		if _, err := f.Prove(ctx, "ada", code); err != auth.ErrInvalidCredentials {
			t.Errorf("code %d again: %v", i, err)
		}
		if _, left, err := f.Status(ctx, "ada"); err != nil || left != 9-i {
			t.Errorf("%d are left, %v", left, err)
		}
	}
	old, err := f.RecoveryCodes(ctx, "ada")
	if err != nil {
		t.Fatal(err)
	}
	renewed, err := f.RecoveryCodes(ctx, "ada")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Prove(ctx, "ada", old[0]); err != auth.ErrInvalidCredentials {
		t.Errorf("one that was replaced: %v", err)
	}
	if _, err := f.Prove(ctx, "ada", renewed[9]); err != nil {
		t.Errorf("a new one: %v", err)
	}
}

// Of many who use one code at once, one succeeds.
func TestRace(t *testing.T) {
	t.Parallel()
	f := newFactor(t, memstore.New())
	secret, recovery := enrolled(t, f)
	for _, code := range []string{codeAt(t, secret, time.Now().Add(30*time.Second)), recovery[0]} {
		var passed atomic.Int64
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				switch _, err := f.Prove(t.Context(), "ada", code); {
				case err == nil:
					passed.Add(1)
				case !errors.Is(err, auth.ErrInvalidCredentials) && !errors.Is(err, auth.ErrBusy):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := passed.Load(); n != 1 {
			t.Errorf("%d uses of one code", n)
		}
	}
}

// What the store holds opens for its user alone, and with its key.
func TestSealed(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	ctx := t.Context()
	seen := &copying{RecordStore: store}
	secret, recovery := enrolled(t, newFactor(t, seen))
	for _, r := range seen.written {
		for _, s := range append(recovery, secret, "ada", strings.ReplaceAll(recovery[0], "-", "")) {
			if bytes.Contains(r.Value, []byte(s)) || strings.Contains(r.Key, s) {
				t.Errorf("the record shows %q", s)
			}
		}
	}

	// Bob's record with ada's secret in it, by somebody who writes to the database.
	stolen := seen.written[len(seen.written)-1]
	bobs := newFactor(t, seen)
	if _, err := bobs.Enroll(ctx, "bob", "bob"); err != nil {
		t.Fatal(err)
	}
	into := seen.written[len(seen.written)-1]
	into.Value = stolen.Value
	if err := store.ReplaceRecord(ctx, into.Renew(), into); err != nil {
		t.Fatal(err)
	}
	next := codeAt(t, secret, time.Now().Add(30*time.Second))
	if _, err := bobs.Prove(ctx, "bob", next); err == nil || errors.Is(err, auth.ErrInvalidCredentials) {
		t.Errorf("ada's secret in bob's record: %v", err)
	}

	newKey := bytes.Repeat([]byte("fedcba9876543210"), 2)
	without, err := second.New(store, newKey, second.Config{Issuer: "Example"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := without.Prove(ctx, "ada", next); err == nil || auth.HTTPStatus(err) != 500 {
		t.Errorf("without the key: %v", err)
	}
	rotated, err := second.New(store, newKey, second.Config{Issuer: "Example", OlderKeys: [][]byte{testKey}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rotated.Prove(ctx, "ada", next); err != nil {
		t.Errorf("with the older key: %v", err)
	}
	if _, err := without.Prove(ctx, "ada", next); err != auth.ErrInvalidCredentials { // sealed anew, and the code is used
		t.Errorf("after a use: %v", err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		e, err := rotated.Enroll(ctx, "eve", "eve")
		if err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("enrolled", "by value", e, "by pointer", &e, "factor", rotated)
		if s := log.String() + fmt.Sprintf(verb, e) + fmt.Sprintf(verb, &e) + fmt.Sprintf(verb, rotated); strings.Contains(s, e.Secret) || strings.Contains(s, "fedcba") {
			t.Errorf("%s prints %s", verb, s)
		}
	}
}

// copying keeps what was written.
type copying struct {
	auth.RecordStore
	written []auth.Record
}

func (c *copying) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	c.written = append(c.written, r)
	return c.RecordStore.ReplaceRecord(ctx, old, r)
}

// The codes of another implementation are taken.
func TestOathtool(t *testing.T) {
	t.Parallel()
	oathtool := testenv.Command(t, "oathtool")
	f := newFactor(t, memstore.New())
	e, err := f.Enroll(t.Context(), "ada", "ada")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(oathtool, "--totp", "--base32", e.Secret).Output()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Confirm(t.Context(), "ada", strings.TrimSpace(string(out))); err != nil {
		t.Errorf("the code of oathtool: %v", err)
	}
}

// The whole way: a password, a code, a session.
func TestLogin(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	f := newFactor(t, store)
	key, err := jwt.GenerateKey(jwt.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jwt.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := jwt.NewIssuer(jwt.IssuerConfig{Issuer: "https://example.com", Audience: "https://example.com/api", Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	slow, err := throttle.New(store, throttle.Config{})
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := auth.New(store, tokens, auth.Config{SecondFactor: f, Records: store, Throttle: slow, Hasher: authtest.FastHasher(t)})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	u, err := accounts.Register(ctx, "ada", "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	e, err := f.Enroll(ctx, u.ID, u.Username)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := accounts.Login(ctx, "ada", "correct horse battery"); err != nil {
		t.Errorf("before Confirm: %v", err)
	}
	if _, err := f.Confirm(ctx, u.ID, codeAt(t, e.Secret, time.Now())); err != nil {
		t.Fatal(err)
	}
	_, err = accounts.Login(ctx, "ada", "correct horse battery")
	waits, ok := errors.AsType[*auth.MFARequiredError](err)
	if !ok {
		t.Fatal(err)
	}
	got, err := accounts.LoginMFA(ctx, waits.Token, codeAt(t, e.Secret, time.Now().Add(30*time.Second)))
	if err != nil || !slices.Equal(got.Principal.AMR(), []string{"pwd", "otp", "mfa"}) {
		t.Errorf("%v, %v", got.Principal, err)
	}
}
