package jwks

import (
	"github.com/seed-e36e2130/auth/cfgerr"
	"github.com/seed-e36e2130/auth/jwt"
)

// The names below are for the fuzz targets.

var MaxAge = maxAge

// ReadMetadata reads metadata as a verifier with cfg does.
func ReadMetadata(cfg Config, text string) (keysURL string, err error) {
	return newSource(&cfg, new(cfgerr.Faults)).readMetadata(text)
}

// ParseKeySet returns the keys that a verifier uses of a JWK set.
func ParseKeySet(text, rsaAlgorithm string) (keys []jwt.Key, prints []string, err error) {
	set, err := parseKeySet(text, rsaAlgorithm)
	return set.keys, set.prints, err
}
