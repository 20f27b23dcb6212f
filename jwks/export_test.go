package jwks

import "github.com/seed-e36e2130/auth/cfgerr"

// The names below are for the fuzz targets.

// ReadMetadata reads metadata as a verifier with cfg does.
func ReadMetadata(cfg Config, text string) (keysURL string, err error) {
	return newSource(&cfg, new(cfgerr.Faults)).readMetadata(text)
}
