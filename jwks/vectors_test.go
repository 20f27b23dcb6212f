package jwks_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-e36e2130/auth"
	"github.com/seed-e36e2130/auth/jwks"
	"github.com/seed-e36e2130/auth/jwt"
)

const vectors = "../testdata/vectors"

// publicHalf is a signer that cannot sign.
type publicHalf struct{ public crypto.PublicKey }

func (p publicHalf) Public() crypto.PublicKey { return p.public }

func (publicHalf) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("a public key")
}

func vectorKey(t testing.TB, kid, alg string) testKey {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectors, "keys", kid+".public.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return testKey{alg, kid, publicHalf{public}}
}

// The attack cases for public keys give the same results with keys that are fetched.
func TestTokenVectors(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(vectors, "settings.json"))
	if err != nil {
		t.Fatal(err)
	}
	var settings []struct {
		ID, Issuer, Audience, Typ string
		Keys                      []struct{ Kid, Alg string }
		Leeway                    int `json:"leeway_s"`
	}
	if err := json.Unmarshal(text, &settings); err != nil {
		t.Fatal(err)
	}
	cases, err := os.ReadFile(filepath.Join(vectors, "tokens.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(1_800_000_000, 0)))
		verifiers, issuers := map[string]*jwks.Verifier{}, map[string]*issuer{}
		verifierOf := func(id string) *jwks.Verifier {
			for _, s := range settings {
				if s.ID != id || verifiers[id] != nil {
					continue
				}
				var keys []testKey
				for _, k := range s.Keys {
					if strings.HasPrefix(k.Alg, "HS") {
						return nil // a symmetric key is never published
					}
					keys = append(keys, vectorKey(t, k.Kid, k.Alg))
				}
				issuers[id] = newIssuer(t, s.Issuer, keys...)
				verifiers[id] = issuers[id].verifier(t, func(cfg *jwks.Config) {
					cfg.Tokens.Audience, cfg.Tokens.DangerouslyAnyType = s.Audience, s.Typ == ""
					if cfg.Tokens.Leeway = time.Duration(s.Leeway) * time.Second; s.Leeway == 0 {
						cfg.Tokens.Leeway = jwt.NoLeeway
					}
				})
			}
			return verifiers[id]
		}
		accepts, refuses := 0, 0
		lines := bufio.NewScanner(bytes.NewReader(cases))
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			var c struct{ ID, Settings, Level, Expect, Token string }
			if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
				t.Fatal(err)
			}
			v := verifierOf(c.Settings)
			if v == nil || c.Level != "must" && c.Level != "should" && c.Level != "policy" {
				continue
			}
			p, err := v.Verify(context.Background(), c.Token)
			if (err == nil) != (c.Expect == "accept") || err != nil && !errors.Is(err, auth.ErrInvalidToken) {
				t.Errorf("%s: want %s, got %v, %v", c.ID, c.Expect, p, err)
			}
			if err == nil {
				accepts++
			} else {
				refuses++
			}
		}
		if lines.Err() != nil || accepts < 10 || refuses < 50 {
			t.Errorf("%v: %d tokens accepted, %d refused: too few", lines.Err(), accepts, refuses)
		}
		for id, i := range issuers {
			if n := i.fetches(); n > 2 { // the first fetch, and one for the tokens with unknown keys
				t.Errorf("%s: %d fetches, want at most 2", id, n)
			}
		}
		t.Logf("%d accepted, %d refused", accepts, refuses)
	})
}
