package jwks_test

import (
	"crypto/rsa"
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwks"
)

// TestKeyForTwoAlgorithms checks that a set in which one RSA key stands for two algorithms is used:
// the key for the first of them, or for that of the host, and the other keys.
func TestKeyForTwoAlgorithms(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		setting, kid, used, unused string
	}{
		"two IDs":                 {"", "ps", "RS256", "PS256"},
		"two IDs, the host's one": {"PS256", "ps", "PS256", "RS256"},
		"one ID":                  {"", "rs", "RS256", "PS256"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rs, ps, other := newKey(t, "RS256", "rs"), newKey(t, "PS256", row.kid), newKey(t, "EdDSA", "ed")
				i := newIssuer(t, issuerURL)
				i.answerSet(answer(setOf(t, rs.jwk(), ps.jwk(), other.jwk())))
				log := new(logged)
				v := i.verifier(t, func(cfg *jwks.Config) { cfg.RSAAlgorithm, cfg.Logger = row.setting, log.logger() })
				accepted(t, v, other.token(t, issuerURL))
				tokens := map[string]string{"RS256": rs.token(t, issuerURL), "PS256": ps.token(t, issuerURL)}
				accepted(t, v, tokens[row.used])
				refused(t, v, tokens[row.unused], auth.ErrInvalidToken)
				synctest.Wait()
				if strings.Count(log.String(), "key refused") != 1 || !strings.Contains(log.String(), "algorithm") {
					t.Errorf("the log does not name the key once:\n%s", log)
				}
			})
		})
	}
}

// TestKeysWithOneID checks that two keys with one ID are not used, and that the others are.
func TestKeysWithOneID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first, second, good := newKey(t, "EdDSA", "same"), newKey(t, "ES256", "same"), newKey(t, "EdDSA", "good")
		i := newIssuer(t, issuerURL)
		i.answerSet(answer(setOf(t, first.jwk(), second.jwk(), good.jwk())))
		log := new(logged)
		v := i.verifier(t, func(cfg *jwks.Config) { cfg.Logger = log.logger() })
		accepted(t, v, good.token(t, issuerURL))
		refused(t, v, first.token(t, issuerURL), auth.ErrUnknownKey)
		refused(t, v, second.token(t, issuerURL), auth.ErrUnknownKey)
		synctest.Wait()
		if strings.Count(log.String(), "key refused") != 1 || !strings.Contains(log.String(), "same") {
			t.Errorf("the log does not name the ID once:\n%s", log)
		}
	})
}

// TestNumbersInOtherSpellings checks that keys are used whose numbers have a leading zero octet or
// padding, as some libraries write them, under the thumbprint of the key.
func TestNumbersInOtherSpellings(t *testing.T) {
	t.Parallel()
	rs, es, ed := newKey(t, "RS256", "rs"), newKey(t, "ES256", "es"), newKey(t, "EdDSA", "ed")
	n := rs.signer.(*rsa.PrivateKey).N.Bytes()
	padded := func(members map[string]any, names ...string) map[string]any {
		changes := map[string]any{}
		for _, name := range names {
			raw, err := base64.RawURLEncoding.DecodeString(members[name].(string))
			if err != nil {
				t.Fatal(err)
			}
			changes[name] = base64.URLEncoding.EncodeToString(raw)
		}
		return changes
	}
	for name, row := range map[string]struct {
		key     testKey
		changes map[string]any
		want    bool
	}{
		"n with a zero octet":         {rs, map[string]any{"n": encode(append([]byte{0}, n...))}, true},
		"n with a zero octet, padded": {rs, map[string]any{"n": base64.URLEncoding.EncodeToString(append([]byte{0}, n...))}, true},
		"n with padding":              {rs, padded(rs.jwk(), "n"), true},
		"e with zero octets":          {rs, map[string]any{"e": "AAEAAQ"}, true},
		"x and y with padding":        {es, padded(es.jwk(), "x", "y"), true},
		"x of Ed25519 with padding":   {ed, padded(ed.jwk(), "x"), true},
		"n of zeros":                  {rs, map[string]any{"n": "AAAA"}, false},
		"n with wrong padding":        {rs, map[string]any{"n": encode(n) + "="}, false},
		"n with a line break":         {rs, map[string]any{"n": encode(n) + "\n"}, false},
		"x with a zero octet":         {ed, map[string]any{"x": encode(make([]byte, 33))}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				good := newKey(t, "EdDSA", "good")
				i := newIssuer(t, issuerURL)
				i.answerSet(answer(setOf(t, row.key.jwk(row.changes), good.jwk())))
				v := i.verifier(t)
				accepted(t, v, good.token(t, issuerURL))
				if token := row.key.token(t, issuerURL); row.want {
					accepted(t, v, token)
				} else {
					refused(t, v, token, auth.ErrUnknownKey)
				}
			})
		})
	}
}

// TestKeyThatIsNoJSON checks that a key whose text breaks a rule of JSON is refused alone: the keys before
// and after it are used, and the log names it, without what stands in it.
func TestKeyThatIsNoJSON(t *testing.T) {
	t.Parallel()
	bad := newKey(t, "EdDSA", "bad")
	text := string(marshal(t, bad.jwk()))
	const secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I"
	for name, broken := range map[string]string{
		"a member twice":                `{"kid":"bad",` + text[1:],
		"a member twice, nested":        `{"x":{"y":1,"y":2},` + strings.Replace(text[1:], `"x"`, `"z"`, 1),
		"a member twice in another":     `{"ext":{"y":1,"y":2},` + text[1:],
		"a member twice, then a secret": `{"kid":"bad",` + text[1:len(text)-1] + `,"d":"` + secret + `"}`,
		"a secret twice":                `{"d":"` + secret + `","d":"` + secret + `",` + text[1:],
		"invalid UTF-8":                 `{"ext":"` + "\xff" + `",` + text[1:],
		"a lone surrogate":              `{"ext":"\ud800",` + text[1:],
		"nested too deep":               `{"ext":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `,` + text[1:],
		"too many values":               `{"ext":[` + strings.Repeat("1,", 5000) + `1],` + text[1:],
		"a comma too many":              text[:len(text)-1] + ",}",
		"text after it":                 text + "{}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				first, last := newKey(t, "ES256", "first"), newKey(t, "EdDSA", "last")
				i := newIssuer(t, issuerURL)
				i.answerSet(answer(`{"keys":[` + string(marshal(t, first.jwk())) + "," + broken + " , " + string(marshal(t, last.jwk())) + "]}"))
				log := new(logged)
				v := i.verifier(t, func(cfg *jwks.Config) { cfg.Logger = log.logger() })
				accepted(t, v, first.token(t, issuerURL))
				accepted(t, v, last.token(t, issuerURL))
				refused(t, v, bad.token(t, issuerURL), auth.ErrUnknownKey)
				synctest.Wait()
				if strings.Count(log.String(), "key refused") != 1 || !strings.Contains(log.String(), "key 1:") {
					t.Errorf("the log does not name the key once:\n%s", log)
				}
				if strings.Contains(log.String(), secret) || strings.Contains(log.String(), bad.jwk()["x"].(string)) {
					t.Errorf("the log repeats the key:\n%s", log)
				}
			})
		})
	}
}

// TestEmptiedSet has an issuer withdraw its only key. The key is used for five minutes more, whatever
// MaxStale is, and not at all afterwards. An empty set that lasts for a moment changes nothing.
func TestEmptiedSet(t *testing.T) {
	t.Parallel()
	key := newKey(t, "EdDSA", "1")
	for name, empty := range map[string]string{
		"no keys":            `{"keys":[]}`,
		"an encryption key":  setOf(t, key.jwk(map[string]any{"use": "enc"})),
		"a broken key":       setOf(t, key.jwk(map[string]any{"x": "AAAA"})),
		"a published secret": setOf(t, map[string]any{"kty": "oct", "k": encode([]byte("a secret that everybody can fetch"))}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				i := newIssuer(t, issuerURL, key)
				v := i.verifier(t)
				token := func() string { return key.token(t, issuerURL) }
				accepted(t, v, token())
				full := i.set
				i.answerSet(answer(empty))
				time.Sleep(15 * time.Minute) // the keys are due
				accepted(t, v, token())
				synctest.Wait()
				time.Sleep(time.Minute)
				i.answerSet(full)
				accepted(t, v, token())
				synctest.Wait()
				time.Sleep(10 * time.Minute)
				accepted(t, v, token()) // the set was empty for a minute

				i.answerSet(answer(empty))
				time.Sleep(15 * time.Minute)
				accepted(t, v, token())
				synctest.Wait()
				for range 9 {
					time.Sleep(30 * time.Second)
					accepted(t, v, token())
					synctest.Wait()
				}
				time.Sleep(30 * time.Second)
				unavailable(t, v, token(), 30*time.Second)
				time.Sleep(time.Minute)
				i.answerSet(status(500)) // an outage does not bring the withdrawn key back
				unavailable(t, v, token(), 30*time.Second)
				i.answerSet(full)
				time.Sleep(30 * time.Second)
				accepted(t, v, token())
			})
		})
	}
}

// TestNewBadKeyIsLogged checks that the log names a bad key also where the good ones have not changed,
// and names it once.
func TestNewBadKeyIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		good, bad := newKey(t, "EdDSA", "good"), newKey(t, "EdDSA", "bad")
		i := newIssuer(t, issuerURL, good)
		log := new(logged)
		v := i.verifier(t, func(cfg *jwks.Config) { cfg.Logger = log.logger() })
		for _, want := range []int{0, 1, 1} {
			accepted(t, v, good.token(t, issuerURL))
			synctest.Wait()
			if n := strings.Count(log.String(), "key refused"); n != want {
				t.Errorf("%d messages name a bad key, want %d:\n%s", n, want, log)
			}
			i.answerSet(answer(setOf(t, bad.jwk(map[string]any{"x": "AAAA"}), good.jwk())))
			time.Sleep(20 * time.Minute)
			accepted(t, v, good.token(t, issuerURL))
			synctest.Wait()
		}
	})
}
