package jose

// NewUncheckedSecret returns a key of a secret that NewSecret would refuse:
// published test vectors are signed with such secrets.
func NewUncheckedSecret(secret []byte, alg, id string) (*Key, error) {
	return newSecret(secret, named(alg), true, id)
}

// Header is what a protected header means.
type Header struct {
	Key  *Key
	Type string
}

// Headers returns what the table says of a header segment, nil if it is not there,
// and what reading it says.
func (r *Ring) Headers(segment string) (fast *Header, slow Header, err error) {
	if h, ok := r.lookup(segment); ok {
		fast = &Header{h.key, h.typ}
	}
	h, err := r.parse(segment)
	return fast, Header{h.key, h.typ}, err
}
