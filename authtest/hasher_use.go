package authtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
)

// greedy are hashes that would cost a program its memory, its time or a panic.
var greedy = []string{
	"$2a$31$0123456789012345678901abcdefghijklmnopqrstuvwxyz01234",
	"$2b$99$0123456789012345678901abcdefghijklmnopqrstuvwxyz01234",
	"$bcrypt-sha256$v=2,t=2b,r=31$0123456789012345678901$abcdefghijklmnopqrstuvwxyz01234",
	"$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"$argon2id$v=19$m=65536,t=4294967295,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"$argon2id$v=19$m=65536,t=0,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"$argon2id$v=19$m=65536,t=1,p=0$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"$argon2id$v=19$m=8,t=1,p=256$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"$pbkdf2-sha256$2147483647$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"pbkdf2_sha256$2147483647$saltsaltsalt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	"$scrypt$ln=31,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"$6$rounds=999999999$saltsaltsaltsalt$" + strings.Repeat("a", 86),
	"$" + strings.Repeat("a", 1<<20),
	strings.Repeat("$", 1<<16),
}

func checkBounds(h auth.Hasher) error {
	ctx, cancel := background()
	defer cancel()
	for _, encoded := range greedy {
		call := "Verify with the hash " + name(encoded)
		answer := make(chan error, 1)
		go func() {
			defer func() {
				if r := recover(); r != nil {
					answer <- fmt.Errorf("a panic: %v", r)
				}
			}()
			answer <- h.Verify(ctx, encoded, "correct horse")
		}()
		select {
		case err := <-answer:
			if err := malformed(call, err); err != nil {
				return err
			}
		case <-time.After(time.Minute): // what the hash asks for takes hours, or memory that no machine has
			return fmt.Errorf("%s took more than a minute", call)
		}
	}
	return nil
}

func checkHasherContext(h auth.Hasher) error {
	ctx, cancel := background()
	defer cancel()
	const password = "correct horse"
	encoded, err := hash(ctx, h, password)
	if err != nil {
		return err
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	again, err := h.Hash(over, password)
	if err == nil {
		err = wants("Verify", h.Verify(ctx, again, password), nil)
	} else if again != "" {
		err = fmt.Errorf("Hash returned %q and an error", again)
	} else {
		err = wants("Hash", err, context.Canceled)
	}
	if err != nil {
		return err
	}
	if err := h.Verify(over, encoded, password); err != nil {
		if err := only("Verify of the password", err, context.Canceled); err != nil {
			return err
		}
	}
	err, want := h.Verify(over, encoded, "another"), auth.ErrMismatch
	if errors.Is(err, context.Canceled) {
		want = context.Canceled
	}
	return only("Verify of another password", err, want)
}

// only returns an error unless got is want and no answer about a password beside.
func only(call string, got, want error) error {
	if err := wants(call, got, want); err != nil {
		return err
	}
	for _, answer := range []error{auth.ErrMismatch, auth.ErrUnknownHash, auth.ErrMalformedHash} {
		if answer != want && errors.Is(got, answer) {
			return fmt.Errorf("%s returned %s, which is %q too", call, describe(got), answer)
		}
	}
	return nil
}

func checkSecrets(h auth.Hasher) error {
	ctx, cancel := background()
	defer cancel()
	const password = "correct-horse-battery-staple"
	encoded, err := hash(ctx, h, password)
	if err != nil {
		return err
	}
	if strings.Contains(encoded, password) {
		return errors.New("Hash returned the password in the hash")
	}
	for _, stored := range []string{encoded, encoded + "x", encoded[:len(encoded)-1], encoded[1:], "$authtest-nobody$AAAA$" + encoded} {
		err := h.Verify(ctx, stored, password+"!")
		if err == nil {
			return fmt.Errorf("Verify of another password returned nil")
		}
		for _, secret := range []string{password, stored, encoded[len(encoded)-16:]} {
			if strings.Contains(err.Error(), secret) {
				return fmt.Errorf("Verify returned %s, which holds the password or the hash", describe(err))
			}
		}
	}
	return nil
}

func checkConcurrentHashes(h auth.Hasher) error {
	ctx, cancel := background()
	defer cancel()
	const callers = 4
	errs := make(chan error, callers)
	for i := range callers {
		go func() {
			password := fmt.Sprintf("correct horse %d", i)
			encoded, err := hash(ctx, h, password)
			if err == nil {
				err = wants("Verify of another's password", h.Verify(ctx, encoded, password+"0"), auth.ErrMismatch)
			}
			errs <- err
		}()
	}
	var all error
	for range callers {
		all = errors.Join(all, <-errs)
	}
	return all
}
