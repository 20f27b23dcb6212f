package auth_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
)

// vectorSetting is one of testdata/vectors/settings.json.
type vectorSetting struct {
	ID, Issuer, Audience, Typ string
	Profile                   string
	Keys                      []struct{ Kid, Alg string }
	Leeway                    int   `json:"leeway_s"`
	Now                       int64 `json:"now"`
}

type tokenVector struct {
	ID, Group, Settings, Level, Expect, Token, Description, Why string
	WantSub                                                     string `json:"want_sub"`
}

// readLines decodes each line of a file of testdata/vectors as a T.
func readLines[T any](t testing.TB, name string) []T {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var list []T
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var v T
		if err := json.Unmarshal(sc.Bytes(), &v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		list = append(list, v)
	}
	if err := sc.Err(); err != nil || len(list) == 0 {
		t.Fatalf("%s: %d lines, %v", name, len(list), err)
	}
	return list
}

func vectorSettings(t testing.TB) map[string]vectorSetting {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors/settings.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []vectorSetting
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	byID := make(map[string]vectorSetting)
	for _, s := range list {
		byID[s.ID] = s
	}
	return byID
}

// vectorKey returns the key of testdata/vectors/keys with this ID.
func vectorKey(t testing.TB, kid, alg string) auth.Key {
	t.Helper()
	var key auth.Key
	var err error
	dir := "testdata/vectors/keys"
	if strings.HasPrefix(kid, "hs") {
		var text, secret []byte
		if text, err = os.ReadFile(filepath.Join(dir, kid+".b64")); err == nil {
			secret, err = base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
		}
		if err == nil {
			key, err = auth.NewSecretKey(secret)
		}
	} else {
		var text []byte
		if text, err = os.ReadFile(filepath.Join(dir, kid+".public.pem")); err == nil {
			block, _ := pem.Decode(text)
			var public any
			if public, err = x509.ParsePKIXPublicKey(block.Bytes); err == nil {
				key, err = auth.NewVerifyingKey(public)
			}
		}
	}
	if err == nil {
		key, err = key.WithAlgorithm(alg)
	}
	if err == nil {
		key, err = key.WithID(kid)
	}
	if err != nil {
		t.Fatalf("key %s: %v", kid, err)
	}
	return key
}

// vectorVerifier returns the verifier of a setting.
func vectorVerifier(t testing.TB, s vectorSetting, tokens int) *auth.JWTVerifier {
	t.Helper()
	var keys []auth.Key
	for _, k := range s.Keys {
		keys = append(keys, vectorKey(t, k.Kid, k.Alg))
	}
	ring, err := auth.NewVerifyingKeyRing(keys...)
	if err != nil {
		t.Fatal(err)
	}
	cfg := auth.JWTVerifierConfig{
		Issuer: s.Issuer, Audience: s.Audience, Keys: ring,
		Leeway: time.Duration(s.Leeway) * time.Second, VerifiedTokens: tokens,
		DangerouslyAnyType: s.Typ == "",
	}
	if s.Leeway == 0 {
		cfg.Leeway = auth.NoLeeway
	}
	v, err := auth.NewJWTVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// atVectorTime runs f at the time for which the vectors were made.
func atVectorTime(t *testing.T, f func(t *testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(1_800_000_000, 0)))
		f(t)
	})
}

// Every case is put three times, so that the table of headers and the table of
// verified tokens answer too, and must answer the same.
func TestTokenVectors(t *testing.T) {
	t.Parallel()
	settings := vectorSettings(t)
	cases := readLines[tokenVector](t, "testdata/vectors/tokens.jsonl")
	atVectorTime(t, func(t *testing.T) {
		verifiers := make(map[string]*auth.JWTVerifier)
		held := map[string]int{}
		for _, c := range cases {
			v := verifiers[c.Settings]
			if v == nil {
				s, ok := settings[c.Settings]
				if !ok {
					t.Fatalf("%s: unknown setting %s", c.ID, c.Settings)
				}
				v = vectorVerifier(t, s, 64)
				verifiers[c.Settings] = v
			}
			for range 3 {
				p, err := v.Verify(context.Background(), c.Token)
				if (p == nil) == (err == nil) {
					t.Fatalf("%s: principal %v and error %v", c.ID, p, err)
				}
				if err != nil && !errors.Is(err, auth.ErrInvalidToken) {
					t.Errorf("%s: error %v is not ErrInvalidToken", c.ID, err)
				}
				wrong := (err == nil) != (c.Expect == "accept") || err == nil && c.WantSub != "" && p.Subject() != c.WantSub
				switch {
				case !wrong:
					held[c.Level]++
				case c.Level == "must" || c.Level == "should" || c.Level == "policy":
					t.Errorf("%s (%s, %s): want %s %q, got %v, %v\n%s: %s", c.ID, c.Level, c.Settings, c.Expect, c.WantSub, p, err, c.Description, c.Why)
				default:
					t.Logf("%s (%s, %s): tells %s, got %v, %v: %s: %s", c.ID, c.Level, c.Settings, c.Expect, p, err, c.Description, c.Why)
				}
			}
		}
		if held["must"] == 0 {
			t.Errorf("held: %v", held)
		}
	})
}

// TestCostlyTokens holds what the cases made to be costly may cost: one that is longer
// than a token may be allocates nothing, for it is not even taken apart; another one
// 16 KiB. The least of a few runs is taken, so that nothing else is counted.
func TestCostlyTokens(t *testing.T) {
	v := vectorVerifier(t, vectorSettings(t)["HS"], 0)
	ran := 0
	for _, c := range readLines[tokenVector](t, "testdata/vectors/tokens.jsonl") {
		if c.Group != "dos" {
			continue
		}
		ran++
		most, bytes := uint64(16<<10), uint64(math.MaxUint64)
		if len(c.Token) > 8192 {
			most = 0
		}
		for range 5 {
			bytes = min(bytes, allocated(func() { _, _ = v.Verify(t.Context(), c.Token) }))
		}
		if bytes > most {
			t.Errorf("%s of %d bytes allocated %d bytes, at most %d", c.ID, len(c.Token), bytes, most)
		}
	}
	if ran == 0 {
		t.Error("no case ran")
	}
}
