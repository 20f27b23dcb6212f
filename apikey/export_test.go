package apikey

// Checksum is checksum, for a test that holds it against hash/crc32.
func Checksum(text string) string {
	sum := checksum(text)
	return string(sum[:])
}
