package jose

// NewUncheckedSecret returns a key for a secret that NewSecret would refuse. Published test vectors
// are signed with such secrets.
func NewUncheckedSecret(secret []byte, alg, id string) (*Key, error) {
	return newSecret(secret, named(alg), true, id)
}

// Header is the meaning of a protected header.
type Header struct {
	Key             *Key
	Type            string
	Named, HoldsKey bool
}

func exported(h header) Header { return Header{h.key, h.typ, h.named, h.holdsKey} }

// Headers returns the meaning of a header segment from the table, or nil if the table does not have
// it, and the meaning that parsing it yields.
func (r *Ring) Headers(segment string) (fast *Header, slow Header, err error) {
	if h, ok := r.lookup(segment); ok {
		known := exported(h)
		fast = &known
	}
	h, err := r.parse(segment)
	return fast, exported(h), err
}
