package fetch

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// maxNetworks bounds the networks whose fetches are counted.
const maxNetworks = 1 << 14

// sitesAsNetworks is how many times as many fetches the /48 of an IPv6 address may cause as a /64: one
// customer may have all of it.
const sitesAsNetworks = 4

// network returns the network that an address is counted with: the address itself, or the block of so many
// bits of an IPv6 address. The zero Addr has one of its own.
func network(a netip.Addr, bits int) netip.Prefix {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return netip.Prefix{}
	}
	if a.Is4() {
		bits = 32
	}
	p, _ := a.Prefix(bits) // the bits fit
	return p
}

// rates counts the fetches that networks cause. Each may cause burst at once, and one more after every. Its
// caller locks.
type rates struct {
	burst int
	every time.Duration
	full  map[netip.Prefix]time.Time // when a network may cause burst fetches again
}

// take counts a fetch, or returns how long its network must wait.
func (r *rates) take(client netip.Addr, now time.Time) (wait time.Duration) {
	own, site := network(client, 64), network(client, 48)
	wait = r.missing(own, r.every, now)
	if site != own {
		wait = max(wait, r.missing(site, r.every/sitesAsNetworks, now))
	}
	if wait > 0 {
		return wait
	}
	r.count(own, r.every, now)
	if site != own {
		r.count(site, r.every/sitesAsNetworks, now)
	}
	return 0
}

// missing returns how long a network must wait until it may cause one more fetch.
func (r *rates) missing(p netip.Prefix, every time.Duration, now time.Time) time.Duration {
	spent := max(r.full[p].Sub(now), 0) + every
	return spent - r.every*time.Duration(r.burst)
}

func (r *rates) count(p netip.Prefix, every time.Duration, now time.Time) {
	if r.full == nil {
		r.full = map[netip.Prefix]time.Time{}
	}
	full := r.full[p]
	if full.Before(now) {
		full = now
	}
	if len(r.full) >= maxNetworks {
		r.sweep(now)
	}
	r.full[p] = full.Add(every)
}

// sweep forgets the networks that have nothing to wait for, and, if these are few, any others until a
// quarter of the room is free.
func (r *rates) sweep(now time.Time) {
	for p, full := range r.full {
		if !full.After(now) {
			delete(r.full, p)
		}
	}
	for p := range r.full {
		if len(r.full) <= maxNetworks/4*3 {
			return
		}
		delete(r.full, p)
	}
}

// slots bounds how much runs at the same time under one name.
type slots struct {
	most int

	mu     sync.Mutex
	byName map[string]*slot
}

type slot struct {
	users int           // who hold it or wait for it
	free  chan struct{} // has as many elements as are held
}

// wait takes a slot, and returns how to give it back; or false if ctx ends first.
func (s *slots) wait(ctx context.Context, name string) (release func(), ok bool) {
	x := s.join(name)
	select {
	case x.free <- struct{}{}:
		return func() { <-x.free; s.leave(name, x) }, true
	case <-ctx.Done():
		s.leave(name, x)
		return nil, false
	}
}

// try takes a slot if one is free at once.
func (s *slots) try(name string) (release func(), ok bool) {
	x := s.join(name)
	select {
	case x.free <- struct{}{}:
		return func() { <-x.free; s.leave(name, x) }, true
	default:
		s.leave(name, x)
		return nil, false
	}
}

func (s *slots) join(name string) *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byName[name]
	if x == nil {
		if s.byName == nil {
			s.byName = map[string]*slot{}
		}
		x = &slot{free: make(chan struct{}, s.most)}
		s.byName[name] = x
	}
	x.users++
	return x
}

func (s *slots) leave(name string, x *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.users--; x.users == 0 {
		delete(s.byName, name)
	}
}
