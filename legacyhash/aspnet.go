package legacyhash

import (
	"encoding/binary"
	"strconv"
	"strings"
)

func aspnet() []format {
	return []format{
		{own: whole("AQAAAA"), verify: keyed(aspnet3)}, // base64 of the byte 1 and the zero bytes of a small number
		{own: isASPNET2, verify: keyed(aspnet2)},
	}
}

// aspnetDigest is the length of the digest in bytes, in both versions.
const aspnetDigest = 32

// isASPNET2 reports whether a hash has the shape of version 2, which has no prefix: 49 bytes in
// base64, the first of which is 0.
func isASPNET2(encoded string) (string, bool) {
	return encoded, len(encoded) == 68 && encoded[0] == 'A' && encoded[1] >= 'A' && encoded[1] <= 'P' && strings.HasSuffix(encoded, "==")
}

// aspnet2 reads a zero byte, 16 bytes of salt and the digest.
func aspnet2(encoded string) (recipe, error) {
	b, err := fromBase64(standardBase64, encoded)
	if err != nil {
		return recipe{}, err
	}
	newHash, _, _ := hashOf("sha1")
	return pbkdf2Hash(newHash, "1000", b[1:17], b[17:], aspnetDigest)
}

// aspnet3 reads the byte 1; four bytes each for the hash function, the iterations and the length of
// the salt; the salt; and the digest.
func aspnet3(encoded string) (recipe, error) {
	b, err := fromBase64(standardBase64, encoded)
	if err != nil {
		return recipe{}, err
	}
	const header = 13
	if len(b) < header+16+aspnetDigest || len(b) > header+64+aspnetDigest ||
		binary.BigEndian.Uint32(b[9:]) != uint32(len(b)-header-aspnetDigest) {
		return recipe{}, errLength
	}
	names := []string{"sha1", "sha256", "sha512"}
	function := binary.BigEndian.Uint32(b[1:])
	if function >= uint32(len(names)) {
		return recipe{}, errParts
	}
	newHash, _, _ := hashOf(names[function])
	iterations := strconv.FormatUint(uint64(binary.BigEndian.Uint32(b[5:])), 10)
	salt, digest := b[header:len(b)-aspnetDigest], b[len(b)-aspnetDigest:]
	return pbkdf2Hash(newHash, iterations, salt, digest, aspnetDigest)
}
