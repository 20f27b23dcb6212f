package totp_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
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

	otp "github.com/pquerna/otp/totp"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/authtest"
	"github.com/seed-e36e2130/auth/internal/testenv"
	"github.com/seed-e36e2130/auth/memstore"
	"github.com/seed-e36e2130/auth/secrets"
	"github.com/seed-e36e2130/auth/throttle"
	"github.com/seed-e36e2130/auth/totp"
)

// newRing returns a ring of these keys, or of a new one.
func newRing(t testing.TB, keys ...secrets.Key) *secrets.Ring {
	t.Helper()
	if keys == nil {
		keys = []secrets.Key{secrets.Generate()}
	}
	ring, err := secrets.NewRing(keys[0], keys[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// newFactor returns a second factor with these keys, or with a new one.
func newFactor(t testing.TB, records auth.RecordStore, keys ...secrets.Key) *totp.Factor {
	t.Helper()
	f, err := totp.New(records, newRing(t, keys...), totp.Config{Issuer: "Example"})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// codeAt returns the code that an app shows at a time.
func codeAt(t testing.TB, secret string, at time.Time) string {
	t.Helper()
	code, err := otp.GenerateCode(secret, at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// enrolled gives ada a second factor, and returns its secret and the recovery codes.
func enrolled(t testing.TB, f *totp.Factor) (string, []string) {
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
		keys    *secrets.Ring
		cfg     totp.Config
		fields  string
	}{
		{store, newRing(t), totp.Config{Issuer: "Example"}, ""},
		{nil, nil, totp.Config{}, "totp.New.records totp.New.keys totp.Config.Issuer"},
		{store, new(secrets.Ring), totp.Config{Issuer: "Example"}, "totp.New.keys"},
		{store, newRing(t), totp.Config{Issuer: "a:b"}, "totp.Config.Issuer"},
		{store, newRing(t), totp.Config{Issuer: strings.Repeat("a", 65)}, "totp.Config.Issuer"},
		{store, newRing(t), totp.Config{Issuer: "Example", Skew: 1}, ""},
		{store, newRing(t), totp.Config{Issuer: "Example", Skew: totp.NoSkew}, ""},
		{store, newRing(t), totp.Config{Issuer: "Example", Skew: 2}, "totp.Config.Skew"},
		{store, newRing(t), totp.Config{Issuer: "Example", Skew: -2}, "totp.Config.Skew"},
	} {
		_, err := totp.New(row.records, row.keys, row.cfg)
		var fields []string
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, err := range joined.Unwrap() {
				fault, ok := errors.AsType[*auth.ConfigError](err)
				if !ok {
					t.Fatal(err)
				}
				fields = append(fields, fault.Field)
			}
		}
		if got := strings.Join(fields, " "); got != row.fields {
			t.Errorf("faults in %q, want %q", got, row.fields)
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
				t.Errorf("Required returned %v, %v, want %v", got, err, want)
			}
		}
		if _, err := f.Confirm(ctx, "ada", "123456"); err != totp.ErrNotEnrolled {
			t.Error(err)
		}
		if _, err := f.RecoveryCodes(ctx, "ada"); err != totp.ErrNotEnrolled {
			t.Error(err)
		}
		lost, err := f.Enroll(ctx, "ada", "ada@example.com")
		if err != nil {
			t.Fatal(err)
		}
		required(false)
		time.Sleep(15 * time.Minute)
		if _, err := f.Confirm(ctx, "ada", codeAt(t, lost.Secret, time.Now())); err != totp.ErrNotEnrolled {
			t.Errorf("Confirm 15 minutes later: %v", err)
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
			t.Errorf("Prove before Confirm: %v, want ErrInvalidCredentials", err)
		}
		for _, code := range []string{"", "000000x", codeAt(t, first.Secret, time.Now()), codeAt(t, e.Secret, time.Now().Add(-2*time.Minute))} {
			if _, err := f.Confirm(ctx, "ada", code); err != auth.ErrInvalidCredentials {
				t.Errorf("Confirm with %q: %v, want ErrInvalidCredentials", code, err)
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
		if _, err := f.Confirm(ctx, "ada", codeAt(t, e.Secret, time.Now())); err != totp.ErrEnrolled {
			t.Errorf("Confirm again: %v, want ErrEnrolled", err)
		}
		if _, err := f.Enroll(ctx, "ada", "ada"); err != totp.ErrEnrolled {
			t.Errorf("Enroll again: %v, want ErrEnrolled", err)
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

// TestReplay checks that a code works once, and that no code of an earlier period works after it.
func TestReplay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFactor(t, memstore.New())
		secret, _ := enrolled(t, f)
		prove := func(at time.Duration, want error) {
			t.Helper()
			amr, err := f.Prove(t.Context(), "ada", codeAt(t, secret, time.Now().Add(at)))
			if err != want || err == nil && !slices.Equal(amr, []string{"otp"}) {
				t.Errorf("Prove with the code of %v from now: %q, %v, want %v", at, amr, err, want)
			}
		}
		prove(0, auth.ErrInvalidCredentials) // used by Confirm
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
			t.Errorf("Prove with the code of another user: %v, want ErrInvalidCredentials", err)
		}
	})
}

// TestSkew checks which steps around the current one count, by the setting, and that the code of each
// step counts once.
func TestSkew(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		setting int
		accepts []int // steps, seen from the current one
	}{
		"default": {0, []int{-1, 0, 1}},
		"one":     {1, []int{-1, 0, 1}},
		"none":    {totp.NoSkew, []int{0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f, err := totp.New(memstore.New(), newRing(t), totp.Config{Issuer: "Example", Skew: row.setting})
				if err != nil {
					t.Fatal(err)
				}
				secret, _ := enrolled(t, f)
				time.Sleep(10 * time.Minute)
				for step := -3; step <= 3; step++ { // from the oldest on, because a newer code voids older ones
					code := codeAt(t, secret, time.Now().Add(time.Duration(step)*30*time.Second))
					want := auth.ErrInvalidCredentials
					if slices.Contains(row.accepts, step) {
						want = nil
					}
					if _, err := f.Prove(t.Context(), "ada", code); err != want {
						t.Errorf("the code of step %+d: %v, want %v", step, err, want)
					}
					if _, err := f.Prove(t.Context(), "ada", code); err != auth.ErrInvalidCredentials {
						t.Errorf("the code of step %+d again: %v, want ErrInvalidCredentials", step, err)
					}
				}
				if row.setting != totp.NoSkew {
					return
				}
				time.Sleep(time.Duration(60-time.Now().Second()%30) * time.Second) // begin of a step
				code := codeAt(t, secret, time.Now())
				time.Sleep(30 * time.Second)
				if _, err := f.Prove(t.Context(), "ada", code); err != auth.ErrInvalidCredentials {
					t.Errorf("a code 30 s after its step began: %v, want ErrInvalidCredentials", err)
				}
			})
		})
	}
}

// TestRecoveryCodeEntropy checks that a recovery code has at least 112 random bits (NIST SP 800-63B-4
// section 3.1.2.2), because its hash has no salt.
func TestRecoveryCodeEntropy(t *testing.T) {
	t.Parallel()
	_, codes := enrolled(t, newFactor(t, memstore.New()))
	seen := map[string]bool{}
	for _, code := range codes {
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" // 5 bits a character
		characters := strings.ReplaceAll(code, "-", "")
		if bits := 5 * len(characters); bits < 112 || strings.Trim(characters, alphabet) != "" {
			t.Errorf("the recovery code %q has %d bits, want at least 112", code, bits)
		}
		for group := range strings.SplitSeq(code, "-") {
			if len(group) != 4 {
				t.Errorf("the recovery code %q has a group of %d characters, want 4", code, len(group))
			}
		}
		if seen[code[:14]] || seen[code[15:]] {
			t.Errorf("a half of the recovery code %q occurs twice", code)
		}
		seen[code[:14]], seen[code[15:]] = true, true
	}
}

// TestRecoveryCodes checks that each recovery code works once, in several spellings, and that new
// ones replace the old ones.
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
			t.Errorf("recovery code %d: %v", i, err)
		}
		if _, err := f.Prove(ctx, "ada", code); err != auth.ErrInvalidCredentials {
			t.Errorf("recovery code %d again: %v, want ErrInvalidCredentials", i, err)
		}
		if _, left, err := f.Status(ctx, "ada"); err != nil || left != 9-i {
			t.Errorf("%d recovery codes are left, %v, want %d", left, err, 9-i)
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
		t.Errorf("a recovery code that was replaced: %v, want ErrInvalidCredentials", err)
	}
	if _, err := f.Prove(ctx, "ada", renewed[9]); err != nil {
		t.Errorf("a new recovery code: %v", err)
	}
}

// TestRace checks that of many concurrent uses of one code exactly one succeeds.
func TestRace(t *testing.T) {
	t.Parallel()
	f := newFactor(t, memstore.New())
	secret, recovery := enrolled(t, f)
	for _, code := range []string{codeAt(t, secret, time.Now().Add(30*time.Second)), recovery[0]} {
		var accepted atomic.Int64
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				switch _, err := f.Prove(t.Context(), "ada", code); {
				case err == nil:
					accepted.Add(1)
				case !errors.Is(err, auth.ErrInvalidCredentials) && !errors.Is(err, auth.ErrBusy):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := accepted.Load(); n != 1 {
			t.Errorf("%d uses of one code were accepted, want 1", n)
		}
	}
}

// TestSealed checks that the store holds no secret in clear, and that a sealed secret opens for its
// user only, with its key only.
func TestSealed(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	ctx := t.Context()
	seen := &recordingStore{RecordStore: store}
	key := secrets.Generate()
	secret, recovery := enrolled(t, newFactor(t, seen, key))
	for _, r := range seen.written {
		if r.Owner != "ada" {
			t.Errorf("the owner of the record is %q, want ada", r.Owner)
		}
		for _, s := range append(recovery, secret, "ada", strings.ReplaceAll(recovery[0], "-", "")) {
			if bytes.Contains(r.Value, []byte(s)) || strings.Contains(r.Key, s) {
				t.Errorf("the record shows %q in clear", s)
			}
		}
	}

	// An attacker who can write to the database puts ada's secret into bob's record.
	adas := seen.written[len(seen.written)-1]
	f := newFactor(t, seen, key)
	if _, err := f.Enroll(ctx, "bob", "bob"); err != nil {
		t.Fatal(err)
	}
	bobs := seen.written[len(seen.written)-1]
	bobs.Value = adas.Value
	if err := store.ReplaceRecord(ctx, bobs.Renew(), bobs); err != nil {
		t.Fatal(err)
	}
	next := codeAt(t, secret, time.Now().Add(30*time.Second))
	if _, err := f.Prove(ctx, "bob", next); err == nil || errors.Is(err, auth.ErrInvalidCredentials) {
		t.Errorf("Prove with ada's secret in bob's record: %v, want a failure", err)
	}

	// The key is replaced while the server runs.
	secretBytes := make([]byte, 32)
	rand.Read(secretBytes)
	newKey, err := secrets.New(secretBytes)
	if err != nil {
		t.Fatal(err)
	}
	withoutOld := newFactor(t, store, newKey)
	if _, err := withoutOld.Prove(ctx, "ada", next); err == nil || auth.HTTPStatus(err) != 500 {
		t.Errorf("Prove without the old key: %v, want a failure", err)
	}
	ring := newRing(t, key)
	rotated, err := totp.New(store, ring, totp.Config{Issuer: "Example"})
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Replace(newKey, key); err != nil {
		t.Fatal(err)
	}
	if _, err := rotated.Prove(ctx, "ada", next); err != nil {
		t.Errorf("Prove after the rotation: %v", err)
	}
	// That use has sealed the secret with the new key, and the code is used.
	if _, err := withoutOld.Prove(ctx, "ada", next); err != auth.ErrInvalidCredentials {
		t.Errorf("Prove with the new key only: %v, want ErrInvalidCredentials", err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		e, err := rotated.Enroll(ctx, "eve", "eve")
		if err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("enrolled", "by value", e, "by pointer", &e, "factor", rotated)
		printed := log.String() + fmt.Sprintf(verb, e) + fmt.Sprintf(verb, &e) + fmt.Sprintf(verb, rotated)
		for _, secret := range []string{
			e.Secret, string(secretBytes), fmt.Sprintf("%x", secretBytes), strings.Trim(fmt.Sprint(secretBytes), "[]"), base64.StdEncoding.EncodeToString(secretBytes),
		} {
			if strings.Contains(printed, secret) {
				t.Errorf("%s prints %s", verb, printed)
			}
		}
	}
}

// recordingStore keeps a copy of each record that is written.
type recordingStore struct {
	auth.RecordStore
	written []auth.Record
}

func (s *recordingStore) ReplaceRecord(ctx context.Context, old int64, r auth.Record) error {
	s.written = append(s.written, r)
	return s.RecordStore.ReplaceRecord(ctx, old, r)
}

// TestSealedForm checks the form of a sealed secret against the standard library: the mark of its key
// and AES-256-GCM under the MAC of a label.
func TestSealedForm(t *testing.T) {
	t.Parallel()
	seen := &recordingStore{RecordStore: memstore.New()}
	key := secrets.Generate()
	e, err := newFactor(t, seen, key).Enroll(t.Context(), "ada", "ada")
	if err != nil {
		t.Fatal(err)
	}
	var content struct{ Sealed []byte }
	if err := json.Unmarshal(seen.written[0].Value, &content); err != nil {
		t.Fatal(err)
	}
	if mark := key.Mark(); len(content.Sealed) < 20 || [8]byte(content.Sealed) != mark {
		t.Fatalf("the sealed secret %x does not begin with the mark %x", content.Sealed, mark)
	}
	mac, err := key.MAC([]byte("auth totp sealing key, version 1\x00"))
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(mac[:])
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	text, err := aead.Open(nil, content.Sealed[8:20], content.Sealed[20:], []byte("totp secret\x00\x00\x00\x00\x03ada"))
	if err != nil || string(text) != e.Secret {
		t.Errorf("the sealed secret is %q, %v", text, err)
	}
}

// TestDeleteRecords checks that a second factor is found and deleted with all that is kept about its
// user.
func TestDeleteRecords(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	f := newFactor(t, store)
	enrolled(t, f)
	if list, err := store.Records(t.Context(), "ada"); err != nil || len(list) != 1 {
		t.Errorf("ada has %d records, %v, want 1", len(list), err)
	}
	if err := store.DeleteRecords(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if required, err := f.Required(t.Context(), "ada"); err != nil || required {
		t.Errorf("Required returned %v, %v, want false", required, err)
	}
}

// TestOathtool checks that a code of another implementation is accepted.
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
		t.Errorf("Confirm with the code of oathtool: %v", err)
	}
}

// TestLogin logs in with a password and a code.
func TestLogin(t *testing.T) {
	t.Parallel()
	store := memstore.New()
	f := newFactor(t, store)
	limits, err := throttle.New(store, throttle.Config{})
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := auth.New(store, newIssuer(), auth.Config{SecondFactor: f, Records: store, Throttle: limits, Hasher: authtest.FastHasher(t)})
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
		t.Errorf("Login before Confirm: %v", err)
	}
	if _, err := f.Confirm(ctx, u.ID, codeAt(t, e.Secret, time.Now())); err != nil {
		t.Fatal(err)
	}
	_, err = accounts.Login(ctx, "ada", "correct horse battery")
	required, ok := errors.AsType[*auth.MFARequiredError](err)
	if !ok {
		t.Fatal(err)
	}
	got, err := accounts.LoginMFA(ctx, required.Token, codeAt(t, e.Secret, time.Now().Add(30*time.Second)))
	if err != nil || !slices.Equal(got.Principal.AMR(), []string{"pwd", "otp", "mfa"}) {
		t.Errorf("LoginMFA returned %v, %v", got.Principal, err)
	}
}
