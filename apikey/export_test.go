package apikey

import "time"

// Checksum is checksum, for a test that holds it against hash/crc32.
func Checksum(text string) string {
	sum := checksum(text)
	return string(sum[:])
}

// Over reports whether an entry of a cache is over that was made at began and lives for life.
func Over(began, now time.Time, life time.Duration) bool {
	return (&entry{began: began, life: life}).over(now)
}
