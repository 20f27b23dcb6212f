package authtest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-e36e2130/auth"
)

// verifyRules are the rules for accepting tokens.
func verifyRules() []rule[auth.TokenIssuer] {
	return []rule[auth.TokenIssuer]{
		{name: "Garbage", holds: "Verify returns ErrInvalidToken for a text that is not a token, and does not panic.", check: checkGarbage},
		{name: "Altered", holds: "Verify returns ErrInvalidToken for a token with one character changed.", check: checkAlteredToken},
		{name: "Spelling", holds: "A token has one spelling: Verify returns ErrInvalidToken for a part of it, and for one with text added.", check: checkSpelling},
		{name: "Unsigned", holds: "Verify returns ErrInvalidToken for an unsigned JWT.", check: checkUnsigned},
		{name: "ErrorText", holds: "The text of an error contains no part of a token.", check: checkErrorText},
		{name: "VerifyContext", holds: "With a context that has ended, Verify does not return ErrInvalidToken for a valid token.", check: checkVerifyContext},
		{name: "ConcurrentTokens", holds: "Concurrent calls do not affect each other.", check: checkConcurrentTokens},
	}
}

// refused returns an error unless Verify returns ErrInvalidToken and no principal.
func refused(call string, i auth.TokenIssuer, token string) error {
	p, err := i.Verify(context.Background(), token)
	if p != nil {
		return fmt.Errorf("%s returned a principal and %s", call, describe(err))
	}
	return wants(call, err, auth.ErrInvalidToken)
}

func checkGarbage(i auth.TokenIssuer) error {
	for _, token := range []string{
		"", " ", ".", "..", "...", "....", "a.b.c", "{}", "null", "\x00", "\xff\xfe", "Bearer", "e30.e30.", "e30.e30.e30",
		strings.Repeat(".", 1<<16), strings.Repeat("A", 1<<20), strings.Repeat("A", 1<<12) + "." + strings.Repeat("A", 1<<12) + ".A",
	} {
		call := "Verify of " + name(token)
		if err := recovered(call, func() error { return refused(call, i, token) }); err != nil {
			return err
		}
	}
	return nil
}

// recovered calls f and returns a panic as an error.
func recovered(call string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s panicked: %v", call, r)
		}
	}()
	return f()
}

// next returns a character other than c that may occur in a token.
func next(c byte) byte {
	switch c {
	case 'z':
		return '0'
	case '9':
		return '-'
	case '-', '.':
		return 'A'
	case 'Z':
		return '_'
	case '_':
		return 'a'
	}
	return c + 1
}

func checkAlteredToken(i auth.TokenIssuer) error {
	ctx, cancel := background()
	defer cancel()
	token, _, err := issue(ctx, i, auth.Claims{Subject: "alice", Scopes: []string{"read"}})
	if err != nil {
		return err
	}
	for pos := range len(token) {
		altered := []byte(token)
		altered[pos] = next(altered[pos])
		if err := refused(fmt.Sprintf("Verify with the character %d changed", pos), i, string(altered)); err != nil {
			return err
		}
	}
	return nil
}

func checkSpelling(i auth.TokenIssuer) error {
	ctx, cancel := background()
	defer cancel()
	token, _, err := issue(ctx, i, auth.Claims{Subject: "alice"})
	if err != nil {
		return err
	}
	for n := 1; n < len(token); n++ {
		if err := refused(fmt.Sprintf("Verify of the first %d bytes", n), i, token[:n]); err != nil {
			return err
		}
	}
	for _, more := range []string{"=", "==", " ", "\n", "\r\n", "\t", "\x00", ".", ".A", "A", "AAAA", "," + token} {
		if err := refused(fmt.Sprintf("Verify of a token followed by %s", name(more)), i, token+more); err != nil {
			return err
		}
		if err := refused(fmt.Sprintf("Verify of %s followed by a token", name(more)), i, more+token); err != nil {
			return err
		}
	}
	middle := len(token) / 2
	for _, inner := range []string{"\n", " ", "=", "."} {
		if err := refused(fmt.Sprintf("Verify of a token with %q in it", inner), i, token[:middle]+inner+token[middle:]); err != nil {
			return err
		}
	}
	return nil
}

func checkUnsigned(i auth.TokenIssuer) error {
	ctx, cancel := background()
	defer cancel()
	token, p, err := issue(ctx, i, auth.Claims{Subject: "alice"})
	if err != nil {
		return err
	}
	claims, err := json.Marshal(map[string]any{
		"iss": p.Issuer(), "sub": "admin", "aud": p.Audience(), "jti": p.TokenID(),
		"iat": p.IssuedAt().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	})
	if err != nil {
		return err
	}
	payloads := []string{base64.RawURLEncoding.EncodeToString(claims)}
	signature := ""
	if parts := strings.Split(token, "."); len(parts) == 3 {
		payloads, signature = append(payloads, parts[1]), parts[2]
	}
	for _, alg := range []string{`"none"`, `"None"`, `"NONE"`, `""`, `null`, `0`, `["none"]`} {
		header := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":%s,"typ":"at+jwt"}`, alg))
		for _, payload := range payloads {
			for _, end := range []string{"", ".", "." + signature} {
				if err := refused("Verify of a JWT with alg "+alg, i, header+"."+payload+end); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func checkErrorText(i auth.TokenIssuer) error {
	ctx, cancel := background()
	defer cancel()
	token, _, err := issue(ctx, i, auth.Claims{Subject: "alice"})
	if err != nil {
		return err
	}
	end := token[len(token)-16:]
	for _, bad := range []string{token[1:], "A" + token, token + "." + end} {
		_, err := i.Verify(ctx, bad)
		if err == nil {
			return errors.New("Verify of an altered token returned nil")
		}
		if strings.Contains(err.Error(), end) {
			return fmt.Errorf("Verify returned %s, which contains a part of the token", describe(err))
		}
	}
	return nil
}

func checkVerifyContext(i auth.TokenIssuer) error {
	ctx, cancel := background()
	defer cancel()
	token, _, err := issue(ctx, i, auth.Claims{Subject: "alice"})
	if err != nil {
		return err
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	p, err := i.Verify(cancelled, token)
	if err == nil && p != nil {
		return nil
	}
	if p != nil || errors.Is(err, auth.ErrInvalidToken) {
		return fmt.Errorf("Verify returned %v and %s", p, describe(err))
	}
	return wants("Verify", err, context.Canceled)
}

func checkConcurrentTokens(i auth.TokenIssuer) error {
	ctx, cancel := background()
	defer cancel()
	return errors.Join(together(func(n int) error {
		subject := fmt.Sprintf("user-%d", n)
		_, p, err := issue(ctx, i, auth.Claims{Subject: subject, Scopes: []string{subject}})
		if err != nil {
			return err
		}
		if p.Subject() != subject || !p.HasScope(subject) {
			return fmt.Errorf("the token of %s has the subject %s", subject, p.Subject())
		}
		return nil
	})...)
}
