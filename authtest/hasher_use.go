package authtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
)

// greedy has hashes that would take a program's memory or time, or make it panic.
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
		result := make(chan error, 1)
		go func() {
			defer func() {
				if r := recover(); r != nil {
					result <- fmt.Errorf("a panic: %v", r)
				}
			}()
			result <- h.Verify(ctx, encoded, "correct horse")
		}()
		select {
		case err := <-result:
			if err := malformed(call, err); err != nil {
				return err
			}
		case <-time.After(time.Minute): // the cost of the hash would take hours, or more memory than machines have
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
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	again, err := h.Hash(cancelled, password)
	if err == nil {
		err = wants("Verify", h.Verify(ctx, again, password), nil)
	} else if again != "" {
		err = fmt.Errorf("Hash returned %q together with an error", again)
	} else {
		err = wants("Hash", err, context.Canceled)
	}
	if err != nil {
		return err
	}
	if err := h.Verify(cancelled, encoded, password); err != nil {
		if err := only("Verify of the right password", err, context.Canceled); err != nil {
			return err
		}
	}
	err, want := h.Verify(cancelled, encoded, "another"), auth.ErrMismatch
	if errors.Is(err, context.Canceled) {
		want = context.Canceled
	}
	return only("Verify of another password", err, want)
}

// only returns an error unless a call returned want and no other error about a password or hash.
func only(call string, got, want error) error {
	if err := wants(call, got, want); err != nil {
		return err
	}
	for _, other := range []error{auth.ErrMismatch, auth.ErrUnknownHash, auth.ErrMalformedHash} {
		if other != want && errors.Is(got, other) {
			return fmt.Errorf("%s returned %s, which also is %q", call, describe(got), other)
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
		return errors.New("the hash contains the password")
	}
	for _, stored := range []string{encoded, encoded + "x", encoded[:len(encoded)-1], encoded[1:], "$authtest-nobody$AAAA$" + encoded} {
		err := h.Verify(ctx, stored, password+"!")
		if err == nil {
			return errors.New("Verify of another password returned nil")
		}
		for _, secret := range []string{password, stored, encoded[len(encoded)-16:]} {
			if strings.Contains(err.Error(), secret) {
				return fmt.Errorf("Verify returned %s, which contains the password or the hash", describe(err))
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
				err = wants("Verify of the password of another call", h.Verify(ctx, encoded, password+"0"), auth.ErrMismatch)
			}
			errs <- err
		}()
	}
	var joined error
	for range callers {
		joined = errors.Join(joined, <-errs)
	}
	return joined
}
