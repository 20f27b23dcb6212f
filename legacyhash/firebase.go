package legacyhash

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/seed-e36e2130/auth"
)

const (
	fbscrypt        = "$fbscrypt$"
	firebaseKeySize = 64 // bytes of a signer key, and of a digest
)

// FirebaseConfig is the rest of a project's password hash parameters, as the
// Firebase console shows them.
type FirebaseConfig struct {
	SaltSeparator string // base64_salt_separator; "": Bw==
	Rounds        int    // rounds, 1 to 8; 0: 8
	MemCost       int    // mem_cost, 1 to 17; 0: 14
}

// Firebase reads the hashes of Firebase Authentication, which are scrypt and then
// AES under the project's signer key (base64_signer_key, 64 bytes in base64). An
// export has salt and hash apart: join them as
//
//	"$fbscrypt$" + salt + "$" + passwordHash
//
// both in padded base64, of the standard alphabet as `firebase auth:export` writes
// them or of that of URLs as the Admin SDK's listUsers does. It reads Supabase's $fbscrypt$v=1,…, which brings its parameters with it,
// too, as [All] does.
//
// It returns an [*cfgerr.Error] for each fault, joined.
func Firebase(signerKey string, cfg FirebaseConfig) (Hasher, error) {
	if cfg.SaltSeparator == "" {
		cfg.SaltSeparator = "Bw=="
	}
	if cfg.Rounds == 0 {
		cfg.Rounds = 8
	}
	if cfg.MemCost == 0 {
		cfg.MemCost = 14
	}
	var faults []error
	fault := func(field, value, reason string) {
		faults = append(faults, &auth.ConfigError{Field: field, Value: value, Reason: reason})
	}
	key, err := fromBase64(standardBase64, signerKey)
	if err != nil || len(key) != firebaseKeySize {
		fault("Firebase.signerKey", "", fmt.Sprintf("want %d bytes in padded base64", firebaseKeySize))
	}
	separator, err := fromBase64(standardBase64, cfg.SaltSeparator)
	if err != nil || len(separator) > maxSalt {
		fault("FirebaseConfig.SaltSeparator", cfg.SaltSeparator, "want padded base64")
	}
	if cfg.Rounds < 1 || cfg.Rounds > maxScryptR {
		fault("FirebaseConfig.Rounds", strconv.Itoa(cfg.Rounds), "want 1 to 8, or 0 for 8")
	}
	if cfg.MemCost < 1 || cfg.MemCost > 17 {
		fault("FirebaseConfig.MemCost", strconv.Itoa(cfg.MemCost), "want 1 to 17, or 0 for 14")
	}
	if len(faults) > 0 {
		return Hasher{}, errors.Join(faults...)
	}
	project := format{own: isFirebase, verify: keyed(func(rest string) (recipe, error) {
		salt, digest, _ := strings.Cut(rest, "$")
		return firebaseHash(1<<cfg.MemCost, cfg.Rounds, 1, separator, key, salt, digest)
	})}
	return Hasher{formats: append([]format{project}, supabase()...)}, nil
}

// isFirebase reports whether a hash is one without parameters.
func isFirebase(encoded string) (string, bool) {
	rest, ok := strings.CutPrefix(encoded, fbscrypt)
	return rest, ok && strings.Count(rest, "$") == 1
}

func supabase() []format {
	return []format{{own: after(fbscrypt), verify: keyed(supabaseHash)}}
}

// supabaseHash reads v=1,n=14,r=8,p=1,ss=separator,sk=key$salt$digest.
func supabaseHash(rest string) (recipe, error) {
	part := strings.Split(rest, "$")
	if len(part) != 3 {
		return recipe{}, errParts
	}
	names, values := []string{"v", "n", "r", "p", "ss", "sk"}, strings.Split(part[0], ",")
	if len(values) != len(names) {
		return recipe{}, errParts
	}
	for i, name := range names {
		value, ok := strings.CutPrefix(values[i], name+"=")
		if !ok {
			return recipe{}, errParts
		}
		values[i] = value
	}
	n := numbers(values[1:4]...)
	if values[0] != "1" || n[0] < 1 || n[0] > 17 {
		return recipe{}, errCost
	}
	separator, err := fromBase64(standardBase64, values[4])
	if err != nil {
		return recipe{}, err
	}
	key, err := fromBase64(standardBase64, values[5])
	if err != nil {
		return recipe{}, err
	}
	return firebaseHash(1<<n[0], n[1], n[2], separator, key, part[1], part[2])
}

// firebaseBase64 decodes base64 of either alphabet, but not of both.
func firebaseBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "-_") {
		return fromBase64(urlBase64, text)
	}
	return fromBase64(standardBase64, text)
}

// firebaseHash is the recipe of what Firebase stores: the signer key, encrypted by
// AES-256-CTR under what scrypt makes of the password.
func firebaseHash(n, r, p int, separator, signerKey []byte, saltText, digestText string) (recipe, error) {
	salt, err := firebaseBase64(saltText)
	if err != nil {
		return recipe{}, err
	}
	digest, err := firebaseBase64(digestText)
	switch {
	case err != nil:
		return recipe{}, err
	case len(salt) == 0:
		return recipe{}, errSalt
	case len(digest) != firebaseKeySize || len(signerKey) != firebaseKeySize:
		return recipe{}, errLength
	}
	inner, err := scryptHash(n, r, p, append(salt, separator...), make([]byte, 32), 32)
	if err != nil {
		return recipe{}, err
	}
	return recipe{digest, func(password string) ([]byte, error) {
		key, err := inner.key(password)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		sealed := make([]byte, firebaseKeySize)
		cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(sealed, signerKey)
		return sealed, nil
	}}, nil
}
