package legacyhash

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"strings"

	"github.com/seed-e36e2130/auth/cfgerr"
)

const (
	fbscrypt        = "$fbscrypt$"
	firebaseKeySize = 64 // length of a signer key and of a digest in bytes
)

// FirebaseConfig has the other password hash parameters of a project, as the Firebase console shows
// them.
type FirebaseConfig struct {
	SaltSeparator string // base64_salt_separator; empty means Bw==
	Rounds        int    // rounds, 1 to 8; 0 means 8
	MemCost       int    // mem_cost, 1 to 17; 0 means 14
}

// Firebase returns a Hasher for the hashes of Firebase Authentication, which use scrypt and then
// AES with the project's signer key (base64_signer_key, 64 bytes in base64). An export has salt and
// hash in separate fields. Join them as
//
//	"$fbscrypt$" + salt + "$" + passwordHash
//
// Both are padded base64, either in the standard alphabet, as `firebase auth:export` writes them,
// or in the URL alphabet, as listUsers of the Admin SDK returns them. The Hasher also reads
// Supabase's form $fbscrypt$v=1,…, which contains its parameters, as [All] does.
//
// It returns a [*cfgerr.Error] for each fault, joined.
func Firebase(signerKey string, cfg FirebaseConfig) (Hasher, error) {
	faults := cfgerr.Faults{Prefix: "legacyhash."}
	key, err := fromBase64(standardBase64, signerKey)
	if err != nil || len(key) != firebaseKeySize {
		faults.Add("Firebase.signerKey", "", fmt.Sprintf("must be %d bytes in padded base64", firebaseKeySize))
	}
	if cfg.SaltSeparator == "" {
		cfg.SaltSeparator = "Bw=="
	}
	separator, err := fromBase64(standardBase64, cfg.SaltSeparator)
	if err != nil || len(separator) > maxSalt {
		faults.Add("FirebaseConfig.SaltSeparator", cfg.SaltSeparator, fmt.Sprintf("must be at most %d bytes in padded base64", maxSalt))
	}
	rounds := cfgerr.Within(&faults, "FirebaseConfig.Rounds", cfg.Rounds, 8, 1, maxScryptR)
	memCost := cfgerr.Within(&faults, "FirebaseConfig.MemCost", cfg.MemCost, 14, 1, maxScryptLog2N)
	if err := faults.Err(); err != nil {
		return Hasher{}, err
	}
	project := format{own: isFirebase, verify: keyed(func(rest string) (recipe, error) {
		salt, digest, _ := strings.Cut(rest, "$")
		return firebaseHash(1<<memCost, rounds, 1, separator, key, salt, digest)
	})}
	return Hasher{formats: append([]format{project}, supabase()...)}, nil
}

// isFirebase reports whether a hash is of Firebase and without parameters, and returns salt$digest.
func isFirebase(encoded string) (string, bool) {
	rest, ok := strings.CutPrefix(encoded, fbscrypt)
	return rest, ok && strings.Count(rest, "$") == 1
}

func supabase() []format {
	return []format{{own: after(fbscrypt), verify: keyed(supabaseHash)}}
}

// supabaseHash reads v=1,n=14,r=8,p=1,ss=separator,sk=key$salt$digest, where n is the binary
// logarithm of scrypt's N.
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
	if values[0] != "1" || n[0] < 1 || n[0] > maxScryptLog2N {
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

// firebaseBase64 decodes base64 of the standard or of the URL alphabet, but not of both mixed.
func firebaseBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "-_") {
		return fromBase64(urlBase64, text)
	}
	return fromBase64(standardBase64, text)
}

// firebaseHash returns the recipe of Firebase. Its digest is the signer key, encrypted with
// AES-256-CTR under the key that scrypt derives from the password.
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
	return recipe{digest: digest, key: func(password string) ([]byte, error) {
		key, err := inner.key(password)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		sealed := make([]byte, firebaseKeySize)
		// The counter starts at zero, because each salt gives another key.
		cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(sealed, signerKey)
		return sealed, nil
	}}, nil
}
