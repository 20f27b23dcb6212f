package legacyhash

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/crypto/scrypt"
	"golang.org/x/text/unicode/norm"

	"github.com/seed-e36e2130/auth/internal/phc"
	"github.com/seed-e36e2130/auth/passwords"
)

func betterAuth() []format {
	return []format{{own: isBetterAuth, verify: keyed(luciaScrypt)}}
}

// isBetterAuth reports whether a hash has the shape of Better Auth's and Lucia 3's, which have no
// prefix.
func isBetterAuth(encoded string) (string, bool) {
	return encoded, len(encoded) == 161 && encoded[32] == ':'
}

func lucia() []format {
	return append(betterAuth(), format{own: after("s2:"), verify: keyed(luciaScrypt)})
}

// luciaScrypt reads salt:digest. The salt is 32 hexadecimal digits, or 16 letters and digits, and its
// text is hashed. The parameters are fixed by the format, so r may be above the bound for parameters of
// a hash.
func luciaScrypt(rest string) (recipe, error) {
	salt, digits, _ := strings.Cut(rest, ":")
	text, err := textSalt(salt)
	if err != nil || len(text) != 16 && len(text) != 32 {
		return recipe{}, errSalt
	}
	if _, err := fromHex(salt); len(text) == 32 && err != nil {
		return recipe{}, err
	}
	digest, err := fromHex(digits)
	if err != nil {
		return recipe{}, err
	}
	if len(digest) != 64 {
		return recipe{}, errLength
	}
	return recipe{digest: digest, key: func(password string) ([]byte, error) {
		return scrypt.Key([]byte(norm.NFKC.String(password)), text, 1<<14, 16, 1, len(digest))
	}}, nil
}

func adonisJS() []format {
	return []format{
		{own: whole("$scrypt$"), verify: keyed(phcScrypt)},
		{own: whole("$bcrypt$"), verify: adonisBcrypt, plain: true},
		argon2(""),
	}
}

// adonisBcrypt verifies $bcrypt$v=98$r=10$salt$digest: bcrypt in a PHC string, with the base64 of these
// instead of that of bcrypt. The version is the code of the letter in $2b$.
func adonisBcrypt(ctx context.Context, encoded, password string) error {
	parsed, err := phc.Parse(encoded)
	if err != nil {
		return fmt.Errorf("%w: %w", passwords.ErrMalformedHash, err)
	}
	rounds, ok := parsed.Values("r")
	if !ok || parsed.Version != "97" && parsed.Version != "98" {
		return fmt.Errorf("%w: %w", passwords.ErrMalformedHash, errParts)
	}
	cost, ok := phc.Number(rounds[0], 31)
	if !ok {
		return fmt.Errorf("%w: %w", passwords.ErrMalformedHash, errCost)
	}
	plain := fmt.Sprintf("$2b$%02d$", cost)
	for _, text := range []string{parsed.Salt, parsed.Digest} {
		decoded, err := fromBase64(rawBase64, text)
		if err != nil {
			return fmt.Errorf("%w: %w", passwords.ErrMalformedHash, err)
		}
		plain += bcryptBase64.EncodeToString(decoded)
	}
	return cheapBcrypt.Verify(ctx, plain, password)
}
