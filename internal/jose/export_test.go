package jose

// NewUncheckedSecret returns a key of a secret that NewSecret would refuse:
// published test vectors are signed with such secrets.
func NewUncheckedSecret(secret []byte, alg, id string) (*Key, error) {
	return newSecret(secret, named(alg), true, id)
}
