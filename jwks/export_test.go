package jwks

import (
	"github.com/seed-e36e2130/auth/jwt"
)


// For the fuzz targets.

var MaxAge = maxAge

// ReadMetadata reads metadata as a verifier with cfg does.
func ReadMetadata(cfg Config, text string) (keysURL string, err error) {
	return newSource(&cfg, func(string, string, string) {}).readMetadata(text)
}

// ParseKeySet returns what a verifier takes from a JWK set.
func ParseKeySet(text, rsaAlgorithm string) (keys []jwt.Key, prints []string, err error) {
	set, err := parseKeySet(text, rsaAlgorithm)
	return set.keys, set.prints, err
}
