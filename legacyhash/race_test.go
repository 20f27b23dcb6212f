//go:build race

package legacyhash_test

const raceDetector = true
