package secrets

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/seed-e36e2130/auth/cfgerr"
)

// Ring is the set of keys that a server uses for one purpose: the first makes what is new, and all
// verify what there is. It is safe for concurrent use.
//
// To rotate, put the new Key first and keep the old one among the older ones for as long as
// something that was made with it must stay valid. On several replicas, first add the new Key as
// an older one everywhere, then make it the first.
type Ring struct {
	keys atomic.Pointer[[]Key] // never empty; the first is current
}

// NewRing returns a Ring. It returns a [*cfgerr.Error] for each fault, joined: a Key is the zero
// Key, or two different ones have the same ID.
func NewRing(current Key, older ...Key) (*Ring, error) {
	r := new(Ring)
	if err := r.Replace(current, older...); err != nil {
		return nil, err
	}
	return r, nil
}

// Replace puts new keys in the place of all keys, in one step. It returns the errors of [NewRing],
// and then nothing has changed.
func (r *Ring) Replace(current Key, older ...Key) error {
	keys := slices.Concat([]Key{current}, older)
	var faults cfgerr.Faults
	byID := make(map[string]Key)
	for i, k := range keys {
		field := fmt.Sprintf("secrets.Ring[%d]", i)
		if k.jose == nil {
			faults.Add(field, "", "is the zero Key: New, Generate and OpenFile make one")
			continue
		}
		if same, taken := byID[k.ID()]; taken && same.jose.Fingerprint() != k.jose.Fingerprint() {
			faults.Add(field, k.ID(), "another Key has the same ID")
		}
		byID[k.ID()] = k
	}
	if err := faults.Err(); err != nil {
		return err
	}
	r.keys.Store(&keys)
	return nil
}

// Current returns the Key that makes what is new, or the zero Key for the zero Ring.
func (r *Ring) Current() Key {
	if keys := r.Keys(); len(keys) > 0 {
		return keys[0]
	}
	return Key{}
}

// Keys returns all keys, the current one first. The caller must not change the slice.
func (r *Ring) Keys() []Key {
	if keys := r.keys.Load(); keys != nil {
		return *keys
	}
	return nil
}

// ByMark returns the Key with this [Key.Mark].
func (r *Ring) ByMark(mark [8]byte) (Key, bool) {
	return r.find(func(k Key) bool { return k.Mark() == mark })
}

// ByID returns the Key with this ID.
func (r *Ring) ByID(id string) (Key, bool) {
	return r.find(func(k Key) bool { return k.ID() == id })
}

func (r *Ring) find(is func(Key) bool) (Key, bool) {
	for _, k := range r.Keys() {
		if is(k) {
			return k, true
		}
	}
	return Key{}, false
}
