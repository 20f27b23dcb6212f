package authtest_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/seed-e36e2130/auth/authtest"
)

// plantedFaults are faults of a host, each with the kinds of attacks that find it and what the sentence
// about it says.
var plantedFaults = map[string]struct{ kind, says string }{
	"alg none":                     {"unsigned", "without a signature is accepted"},
	"an empty signature":           {"unsigned", "without a signature is accepted"},
	"the public key as a secret":   {"public-key", "signed with the public key"},
	"a secret of a tutorial":       {"guessed-key", "secret that can be guessed"},
	"the kid is a file":            {"key-id", "names its key in a way"},
	"a key in the header":          {"brought-key", "whose key comes with it"},
	"a key at a URL":               {"brought-key", "fetch a URL of the attacker's choice"},
	"half a signature":             {"altered", "changed after it was signed"},
	"what follows is ignored":      {"spelling", "second spelling"},
	"no expiry":                    {"genuine", "that has expired, or never expires"},
	"any audience":                 {"genuine", "for another service"},
	"any issuer":                   {"genuine", "of another issuer"},
	"before its time":              {"genuine", "before its nbf"},
	"nobody":                       {"genuine", "for nobody"},
	"any scheme":                   {"credentials", "under another scheme"},
	"an ID token":                  {"genuine", "A token of another kind"},
	"critical headers":             {"genuine", "critical header"},
	"a user in a header":           {"headers", "A header of the request names the user"},
	"another user in a header":     {"headers", "A header of the request names the user"},
	"the method of a header":       {"headers", "takes the place of credentials"},
	"the first credential":         {"credentials", "A request with two credentials"},
	"a token in the URL":           {"query", "A token in the URL"},
	"a path with capitals":         {"paths", "Another spelling of the path"},
	"no check of the origin":       {"csrf", "CSRF"},
	"an origin that begins so":     {"csrf", "CSRF"},
	"an origin that ends so":       {"csrf", "CSRF"},
	"no origin at all":             {"csrf", "CSRF"},
	"sockets for all":              {"websocket", "can open a WebSocket"},
	"CORS for all":                 {"cors", "may read the answers"},
	"CORS for null":                {"cors", "may read the answers"},
	"the first cookie":             {"tossing", "put its own cookie beside"},
	"the session wins":             {"swap", "a session of another"},
	"orders of others":             {"swap", "belongs to another by its ID"},
	"a public cache":               {"caching", "shared caches may keep it"},
	"a login in the cache":         {"caching", "lacks Cache-Control: no-store"},
	"an error in full":             {"internals", "about the inside of the program"},
	"an echo":                      {"internals", "repeats a token"},
	"an unexpected body":           {"internals", "status 500"},
	"a body without end":           {"oversized", "read to its end"},
	"a panic":                      {"anonymous spelling", "closed without an answer"},
	"nothing that is wrong at all": {},
}

// Each planted fault is found by the right sentence, by no other, and by no other kind of attack: a kit
// without it would not find the fault.
func TestAttackFindsPlantedFaults(t *testing.T) {
	t.Parallel()
	for fault, want := range plantedFaults {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, fault)
			handler := s.handler()
			found := authtest.AttackFindings(t, handler, s.config(handler))
			if want.kind == "" {
				if len(found) > 0 {
					t.Errorf("found %q in a host without a fault", found)
				}
				return
			}
			if len(found) != 1 || !strings.Contains(found[0].Says, want.says) || !strings.Contains(found[0].Says, "request: ") {
				t.Fatalf("found %q, want one sentence with %q and its request", found, want.says)
			}
			for _, kind := range found[0].Kinds {
				if !slices.Contains(strings.Fields(want.kind), kind) {
					t.Errorf("the attack %s finds it, too, beside %s", kind, want.kind)
				}
			}
		})
	}
}

// What an attack finds is not found when the attack is left out.
func TestAttackWithoutAKind(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"alg none", "no check of the origin", "the session wins", "an error in full"} {
		s := newShop(t, fault)
		handler := s.handler()
		if found := authtest.AttackFindings(t, handler, s.config(handler), plantedFaults[fault].kind); len(found) > 0 {
			t.Errorf("%s: found %q without the attack %s", fault, found, plantedFaults[fault].kind)
		}
	}
}

// A route that checks nothing has many faults, and a program that locks the victim out has one that no
// single attack shows.
func TestAttackFindsWhatIsOpenOrShut(t *testing.T) {
	t.Parallel()
	for fault, says := range map[string]string{"no check": "lets in a request without credentials", "a lock": "a stranger can lock a user out"} {
		s := newShop(t, fault)
		handler := s.handler()
		found := authtest.AttackFindings(t, handler, s.config(handler), "genuine") // needs tokens that are let in
		if !slices.ContainsFunc(found, func(f authtest.AttackFinding) bool { return strings.Contains(f.Says, says) }) {
			t.Errorf("%s: found %q, want a sentence with %q", fault, found, says)
		}
	}
}

// Each kind of attack finds a planted fault.
func TestAttackKindsAreProven(t *testing.T) {
	t.Parallel()
	proven := map[string]bool{"bodies": true} // its faults are those that the look at every answer finds
	for row := range maps.Values(plantedFaults) {
		for _, kind := range strings.Fields(row.kind) {
			proven[kind] = true
		}
	}
	for _, kind := range authtest.AttackKinds() {
		if !proven[kind] {
			t.Errorf("no planted fault proves the attack %s", kind)
		}
	}
}
