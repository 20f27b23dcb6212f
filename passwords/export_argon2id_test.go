package passwords

import (
	"time"

	"golang.org/x/crypto/argon2"
)

// LowCostArgon2id returns an Argon2id below the bounds of NewArgon2id, to keep
// tests fast.
func LowCostArgon2id(params string) Argon2id {
	p, err := parseArgon2Params(params)
	if err != nil {
		panic(err)
	}
	return Argon2id{params: p}
}

// Argon2idKey is x/crypto's own call for a hash with the parameters of a.
func Argon2idKey(a Argon2id, password, salt []byte) []byte {
	p := a.current()
	return argon2.IDKey(password, salt, uint32(p.passes), uint32(p.memory), uint8(p.lanes), argon2DigestLen)
}

// Argon2Beyond returns how much work a does after a mismatch with a hash of
// parameters stored, how much is missing from the current work, and the most
// memory it takes for that.
func Argon2Beyond(a Argon2id, stored string) (work, missing int64, memory int) {
	p := LowCostArgon2id(stored).params
	for _, rest := range a.current().beyond(p) {
		work += rest.work()
		memory = max(memory, rest.memory)
	}
	return work, max(0, a.current().work()-p.work()), memory
}

// BcryptCostFor is Calibrate's answer where a hash of the least cost takes took.
func BcryptCostFor(took, target time.Duration) (cost int, estimate time.Duration) {
	return bcryptCostFor(took, target)
}
