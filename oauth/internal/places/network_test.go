package places_test

import (
	"net/netip"
	"testing"

	"github.com/seed-e36e2130/auth/oauth/internal/places"
	"github.com/seed-e36e2130/auth/secrets"
)

func addr(text string) netip.Addr {
	if text == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(text)
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for client, want := range map[string]string{
		"198.51.100.7":            "198.51.100.0/24",
		"::ffff:198.51.100.7":     "198.51.100.0/24",
		"2001:db8:1:2::7":         "2001:db8:1::/48",
		"fe80::1%eth0":            "fe80::/48",
		"":                        "invalid Prefix",
		"255.255.255.255":         "255.255.255.0/24",
		"2001:db8:1:ffff::ffff:1": "2001:db8:1::/48",
	} {
		if got := places.Network(addr(client)).String(); got != want {
			t.Errorf("Network(%q) = %s, want %s", client, got, want)
		}
	}
}

// locate returns the place of an address in the grant.
func (g *grant) locate(t *testing.T, client string) places.Place {
	t.Helper()
	_, here, err := g.state(t).Locate(g.keys, addr(client))
	if err != nil {
		t.Fatal(err)
	}
	return here
}

func TestLocate(t *testing.T) {
	t.Parallel()
	g := newGrant(t, places.Params{})
	rows := []struct {
		x, y string
		same bool
	}{
		{"198.51.100.7", "198.51.100.250", true},
		{"198.51.100.7", "::ffff:198.51.100.8", true},
		{"198.51.100.7", "198.51.101.7", false},
		{"2001:db8:1:2::7", "2001:db8:1:ffff::1", true},
		{"2001:db8:1::7", "2001:db8:2::7", false},
		{"fe80::1%eth0", "fe80::1%eth1", true},
		{"", "", true},
		{"", "0.0.0.0", false},
		{"", "::", false},
	}
	for _, row := range rows {
		if got := g.locate(t, row.x) == g.locate(t, row.y); got != row.same {
			t.Errorf("%q and %q are one place: %t, want %t", row.x, row.y, got, row.same)
		}
	}
	other := newGrant(t, places.Params{})
	otherKeys := other.keys
	other.keys = g.keys
	if other.locate(t, "198.51.100.7") == g.locate(t, "198.51.100.7") {
		t.Error("a network has one digest in two grants")
	}
	other.keys = otherKeys
	other.stored = g.stored // the seed is known, the secret is not
	if other.locate(t, "198.51.100.7") == g.locate(t, "198.51.100.7") {
		t.Error("a network has one digest under two secrets")
	}
	var none secrets.Ring
	if _, _, err := g.state(t).Locate(&none, addr("198.51.100.7")); err == nil {
		t.Error("a place without a secret")
	}
	if _, _, err := places.Begin(&none, addr("198.51.100.7"), g.now); err == nil {
		t.Error("a grant without a secret")
	}
}

// Neither the address nor its network is stored.
func TestNoAddressIsStored(t *testing.T) {
	t.Parallel()
	g := newGrant(t, places.Params{})
	s, _, err := places.Begin(g.keys, addr("198.51.100.7"), g.now)
	if err != nil {
		t.Fatal(err)
	}
	four, six := addr("198.51.100.7").As4(), addr("::ffff:198.51.100.7").As16()
	for _, b := range [][]byte{four[:3], four[:], six[:], []byte("198.51.100")} {
		if s.Holds(b) {
			t.Errorf("the state holds %q", b)
		}
	}
}

// rotate puts a new secret first. Without keep, the others are gone.
func (g *grant) rotate(t *testing.T, keep int) {
	t.Helper()
	older := g.keys.Keys()
	ring, err := secrets.NewRing(secrets.Generate(), older[:min(keep, len(older))]...)
	if err != nil {
		t.Fatal(err)
	}
	g.keys = ring
}

// A place that is used while its old secret is in the ring is known by the new one from then on, in all
// that the state says of it.
func TestPlacesSurviveRotation(t *testing.T) {
	t.Parallel()
	g := newGrant(t, places.Params{})
	g.play(t, `
		1.1 a 1h = 1.2
		1.2 home 1h = 1.3
		1.1 thief 1h = 2.1 fork
		1.3 home 1h = 1.4
		2.1 thief 1h = 2.2 conflict 1
		1.4 trail 1h = 1.5
		1.5 b 1h = 1.6`)
	g.rotate(t, 1)
	g.play(t, `
		1.1 a 1h = 3.1 fork
		1.1 home 1h = 4.1 fork
		2.2 thief 1h = 2.3 conflict 2
		1.6 b 1h = 1.7 conflict 3
		1.6 trail 1h = 5.1 fork conflict 4`)
	g.rotate(t, 0)
	// By the new secret alone, a is own, and lineage 1 makes its trail own when it comes home.
	g.play(t, `
		3.1 a 10m = 3.2
		4.1 home 1m = 4.2
		1.7 home 1m = 1.8
		5.1 trail 1h = 5.2`)
}

// The conflicts of a place go with its new name, so that it does not get two where it would get one.
func TestConflictsSurviveRotation(t *testing.T) {
	t.Parallel()
	g := newGrant(t, places.Params{})
	g.play(t, `
		1.1 home 1h = 1.2
		1.1 thief 1h = 2.1 fork
		1.2 home 1h = 1.3
		2.1 thief 1m = 2.2 conflict 1`)
	g.rotate(t, 1)
	g.play(t, `
		1.3 home 1m = 1.4
		2.2 thief 1m = 2.3 conflict 1`)
	if _, _, n, _ := g.state(t).Counts(); n != 1 {
		t.Errorf("%d conflicts of one place within the life of an access token, want 1", n)
	}
}

// A place can be known by two names if a replica has not heard of the new secret yet.
func TestReplicaWithoutTheNewSecret(t *testing.T) {
	t.Parallel()
	g := newGrant(t, places.Params{})
	old := g.keys
	g.rotate(t, 1)
	both := g.keys
	g.play(t, "1.1 home 1h = 1.2")
	g.keys = old
	g.play(t, "1.2 home 1h = 1.3")
	if _, n, _, _ := g.state(t).Counts(); n != 2 {
		t.Fatalf("%d places, want home under two names", n)
	}
	g.keys = both
	g.play(t, `
		1.3 home 1h = 1.4
		1.4 home 1h = 1.5`)
}

// A rotation changes nothing of what is decided, however many secrets are in the ring.
func TestRotationDecidesNothing(t *testing.T) {
	t.Parallel()
	g := newGrant(t, places.Params{})
	for range 3 {
		g.rotate(t, 9)
	}
	g.play(t, `
		1.1 a 1h = 1.2
		1.2 b 1h = 1.3`)
	g.rotate(t, 9)
	g.play(t, `
		1.3 a 1h = 1.4
		1.3 b 1h = 2.1 fork`)
	g.rotate(t, 9)
	g.play(t, `
		1.4 a 1h = 1.5
		2.1 b 1h = 2.2`)
	g.rotate(t, 9)
	g.play(t, `
		2.1 b 1s = again 2.2
		2.2 home 1h = 2.3
		1.5 a 1h = 1.6
		2.3 home 1h = 2.4
		1.6 a 1h = 1.7`)
}
