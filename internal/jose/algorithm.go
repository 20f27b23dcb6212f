package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // registers crypto.SHA256
	_ "crypto/sha512" // registers crypto.SHA384 and crypto.SHA512
	"fmt"
	"strings"
)

// algorithm is a signature algorithm of RFC 7518 section 3.1 or RFC 8037 section 3.1. A key is
// bound to exactly one, so that a token cannot choose it (RFC 8725 section 3.1). See decision 0004.
type algorithm struct {
	name   string
	family family
	hash   crypto.Hash    // zero for EdDSA, which hashes the message itself
	curve  elliptic.Curve // nil unless the family is ecDSA
}

// HS256 is the default algorithm of symmetric keys.
const HS256 = "HS256"

type family uint8

const (
	hmacSHA2 family = iota + 1
	rsaPKCS1
	rsaPSS
	ecDSA
	edDSA
)

var algorithms = [...]algorithm{
	{HS256, hmacSHA2, crypto.SHA256, nil},
	{"HS384", hmacSHA2, crypto.SHA384, nil},
	{"HS512", hmacSHA2, crypto.SHA512, nil},
	{"RS256", rsaPKCS1, crypto.SHA256, nil},
	{"RS384", rsaPKCS1, crypto.SHA384, nil},
	{"RS512", rsaPKCS1, crypto.SHA512, nil},
	{"PS256", rsaPSS, crypto.SHA256, nil},
	{"PS384", rsaPSS, crypto.SHA384, nil},
	{"PS512", rsaPSS, crypto.SHA512, nil},
	{"ES256", ecDSA, crypto.SHA256, elliptic.P256()},
	{"ES384", ecDSA, crypto.SHA384, elliptic.P384()},
	{"ES512", ecDSA, crypto.SHA512, elliptic.P521()},
	{"EdDSA", edDSA, 0, nil},
}

// named returns the algorithm with this name, compared byte for byte, or nil.
func named(name string) *algorithm {
	for i := range algorithms {
		if algorithms[i].name == name {
			return &algorithms[i]
		}
	}
	return nil
}

// unknown returns the error for a name that is not the name of an algorithm.
func unknown(name string) error {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = a.name
	}
	return fmt.Errorf("unknown algorithm %q: want one of %s", name, strings.Join(names, ", "))
}

// choose returns the algorithm of a key: of a public key, or of a secret if public is nil. The key
// material decides. The name chooses only among the algorithms of the material, which are HS256 to
// HS512 for a secret, and the RS and PS algorithms for an RSA key. An empty name means the default.
func choose(name string, public crypto.PublicKey) (*algorithm, error) {
	fallback := ""
	switch public := public.(type) {
	case nil:
		fallback = HS256
	case *rsa.PublicKey:
		fallback = "RS256"
	case *ecdsa.PublicKey:
		for i := range algorithms {
			if algorithms[i].curve != nil && algorithms[i].curve == public.Curve {
				fallback = algorithms[i].name
			}
		}
	case ed25519.PublicKey:
		fallback = "EdDSA"
	}
	if name == "" {
		name = fallback
	}
	alg := named(name)
	if alg == nil {
		return nil, unknown(name)
	}
	if own := named(fallback); alg.family != own.family && !(alg.family == rsaPSS && own.family == rsaPKCS1) || alg.curve != own.curve {
		return nil, fmt.Errorf("algorithm %s does not fit this kind of key, which is for %s", name, fallback)
	}
	return alg, nil
}
