package places

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/seed-e36e2130/auth/secrets"
)

// Place names a network within one grant: the beginning of a keyed digest. 56 bits are enough, because
// nobody can search for a network with a given digest without the server's secret.
type Place [7]byte

// Network returns the network of a client's address, which is its place: the /24 of an IPv4 address,
// the /48 of an IPv6 address. An IPv4-mapped IPv6 address counts as IPv4. The zero Addr has the zero
// Prefix. Events show it; the state does not have it.
func Network(client netip.Addr) netip.Prefix {
	client = client.Unmap()
	bits := 48
	if client.Is4() {
		bits = 24
	}
	network, _ := client.Prefix(bits) // without a zone; the zero Prefix for the zero Addr
	return network
}

// Locate returns the place of a client's address in this grant. After a rotation of the secrets, it also
// finds the place by the secrets that were in use before, and gives it its new name in the State that it
// returns. A place that is not used while its secret is in keys is a new place afterwards: see decision
// 0129. It returns an error if keys is empty.
func (s State) Locate(keys *secrets.Ring, client netip.Addr) (State, Place, error) {
	ring := keys.Keys()
	if len(ring) == 0 {
		return s, Place{}, fmt.Errorf("auth: refresh tokens: the ring of secrets is empty")
	}
	input := append([]byte("auth oauth place 1\x00"), s.seed[:]...)
	input = append(input, Network(client).String()...)
	var current Place
	for i, key := range ring {
		mac, err := key.MAC(input)
		if err != nil {
			return s, Place{}, err
		}
		name := Place(mac[:])
		if i == 0 {
			current = name
		} else if name != current {
			s = s.rename(name, current)
		}
	}
	return s, current, nil
}

// rename returns a State in which a place has another name.
func (s State) rename(old, name Place) State {
	s = s.clone()
	if x := s.place(old); x != nil && s.place(name) == nil {
		x.name = name
		for i := range s.conflicts {
			if c := &s.conflicts[i]; c.placed && c.where == old {
				c.where = name
			}
		}
	}
	for i := range s.lineages {
		l := &s.lineages[i]
		if l.where == old {
			l.where = name
		}
		if slices.Contains(l.trail, old) {
			l.trail = slices.Clone(l.trail)
			for j := range l.trail {
				if l.trail[j] == old {
					l.trail[j] = name
				}
			}
		}
	}
	return s
}
