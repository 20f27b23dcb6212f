package legacyhash

import (
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/seed-e36e2130/auth/passwords"
)

// maxWordPressCost is a step below the bound for bcrypt, because two forms of a password are tried.
const maxWordPressCost = "14"

func wordpress() []format {
	return []format{
		{own: isWordPress, verify: wordpressBcrypt, shared: true},
		{own: isWordPress, verify: withSlashes(wordpressBcrypt)},
		portable("$P$"),
		{own: after("$P$"), verify: withSlashes(keyed(phpass))},
		bcrypt(""), // written by plugins
		argon2(""),
	}
}

// isWordPress reports whether a hash is of WordPress 6.8 or later, and returns the bcrypt hash in it.
func isWordPress(encoded string) (string, bool) {
	rest, ok := strings.CutPrefix(encoded, "$wp")
	return rest, ok && strings.HasPrefix(rest, "$2y$")
}

// wordpressBcrypt verifies $2y$…, which is bcrypt of the base64 of the password's HMAC-SHA384. So the
// whole password counts, however long.
func wordpressBcrypt(ctx context.Context, rest, password string) error {
	if strings.IndexByte(password, 0) >= 0 {
		return &passwords.Error{Rule: passwords.Encoding}
	}
	if len(rest) > 6 && rest[4:6] > maxWordPressCost {
		return fmt.Errorf("%w: %w", passwords.ErrMalformedHash, errCost)
	}
	mac := hmac.New(sha512.New384, []byte("wp-sha384"))
	mac.Write([]byte(password))
	return cheapBcrypt.Verify(ctx, rest, base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}

// withSlashes returns the verify function for a password that came to WordPress from a form. PHP code of
// WordPress puts a backslash before each quote and backslash of what a form sends, and hashes that. A
// password without such characters does not match, because the format before has tried it.
func withSlashes(verify func(ctx context.Context, rest, password string) error) func(ctx context.Context, rest, password string) error {
	slashes := strings.NewReplacer(`'`, `\'`, `"`, `\"`, `\`, `\\`)
	return func(ctx context.Context, rest, password string) error {
		slashed := slashes.Replace(password)
		if slashed == password {
			return passwords.ErrMismatch
		}
		return verify(ctx, rest, slashed)
	}
}
