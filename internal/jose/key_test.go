package jose_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/seed-e36e2130/auth/internal/jose"
)

var (
	secret = []byte("\x01\x9a\x32 a secret of the tests, 64 bytes of them, so that it fits them all")
	rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return k
	})
)

// keyFor returns a new key for alg that can sign.
func keyFor(t testing.TB, alg string) *jose.Key {
	t.Helper()
	var k *jose.Key
	var err error
	switch alg[:2] {
	case "HS":
		k, err = jose.NewSecret(secret, alg, "")
	default:
		k, err = jose.NewSigner(signerFor(t, alg), alg, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signerFor(t testing.TB, alg string) (s crypto.Signer) {
	t.Helper()
	var err error
	switch alg {
	case "ES256":
		s, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		s, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		s, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "EdDSA":
		_, s, err = ed25519.GenerateKey(rand.Reader)
	default:
		s = rsaKey()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// algs has the length of a signature in bytes for each algorithm.
var algs = map[string]int{
	"HS256": 32, "HS384": 48, "HS512": 64,
	"RS256": 256, "RS384": 256, "RS512": 256,
	"PS256": 256, "PS384": 256, "PS512": 256,
	"ES256": 64, "ES384": 96, "ES512": 132, "EdDSA": 64,
}

func TestSignVerify(t *testing.T) {
	t.Parallel()
	for alg, size := range algs {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			k := keyFor(t, alg)
			input := []byte("header.payload")
			out, err := k.AppendSign(t.Context(), []byte("before"), input)
			if err != nil {
				t.Fatal(err)
			}
			sig, ok := strings.CutPrefix(string(out), "before")
			if !ok || len(sig) != size || k.SignatureLen() != size || k.Algorithm() != alg {
				t.Fatalf("%s: appended %d bytes, SignatureLen %d, want %d", k.Algorithm(), len(out), k.SignatureLen(), size)
			}
			if !k.Verify(input, []byte(sig)) {
				t.Error("the key refuses its own signature")
			}
			for _, i := range []int{0, 1, size/2 - 1, size / 2, size - 1} {
				bad := []byte(sig)
				bad[i] ^= 1
				if k.Verify(input, bad) {
					t.Errorf("accepted a signature with byte %d changed", i)
				}
			}
			for _, bad := range [][]byte{nil, {}, []byte(sig)[1:], []byte(sig + "\x00"), []byte("\x00" + sig), make([]byte, size)} {
				if k.Verify(input, bad) {
					t.Errorf("accepted a signature of %d bytes", len(bad))
				}
			}
			if k.Verify([]byte("header.payloae"), []byte(sig)) {
				t.Error("accepted the signature of another text")
			}
			if err := k.SelfTest(t.Context()); err != nil {
				t.Error(err)
			}
			if k.Symmetric() {
				return
			}
			v, err := jose.NewPublic(k.Public(), alg, "")
			if err != nil {
				t.Fatal(err)
			}
			if v.CanSign() || !v.Verify(input, []byte(sig)) || v.ID() != k.ID() {
				t.Errorf("public half: CanSign is %v, the ID is %s, want false and %s, and a verified signature", v.CanSign(), v.ID(), k.ID())
			}
			if _, err := v.AppendSign(t.Context(), nil, input); err == nil {
				t.Error("a public key signed")
			}
		})
	}
}

func TestSignHonoursContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for alg := range algs {
		if _, err := keyFor(t, alg).AppendSign(ctx, nil, nil); err == nil || !strings.Contains(err.Error(), "canceled") {
			t.Errorf("%s: AppendSign with an ended context: %v", alg, err)
		}
	}
}

// remote stands for a signer outside this package: it has only the methods of crypto.Signer.
type remote struct{ crypto.Signer }

func TestRemoteSigner(t *testing.T) {
	t.Parallel()
	for alg := range algs {
		if alg[:2] == "HS" {
			continue
		}
		k, err := jose.NewSigner(remote{signerFor(t, alg)}, alg, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := k.SelfTest(t.Context()); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

// brokenSigner returns a fixed signature or error.
type brokenSigner struct {
	public    crypto.PublicKey
	signature []byte
	err       error
}

func (s brokenSigner) Public() crypto.PublicKey { return s.public }
func (s brokenSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return s.signature, s.err
}

func TestBrokenSigner(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"ES256", "EdDSA", "RS256", "PS256"} {
		public := signerFor(t, alg).Public()
		for _, signature := range [][]byte{nil, {0x30}, make([]byte, 63), make([]byte, 65), []byte("\x30\x06\x02\x01\x01\x02\x01\xff"),
			append([]byte("\x30\x26\x02\x21\x01"), append(make([]byte, 32), 2, 1, 1)...),
			[]byte("\x30\x06\x02\x01\x01\x02\x01\x01\x00"), []byte("\x30\x07\x02\x01\x01\x02\x01\x01\x00")} {
			k, err := jose.NewSigner(brokenSigner{public, signature, nil}, alg, "")
			if err != nil {
				t.Fatal(err)
			}
			if sig, err := k.AppendSign(t.Context(), nil, nil); err == nil {
				t.Errorf("%s: the signer returned %x, and AppendSign the signature %x", alg, signature, sig)
			}
		}
		k, _ := jose.NewSigner(brokenSigner{public, nil, io.ErrClosedPipe}, alg, "")
		if _, err := k.AppendSign(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), io.ErrClosedPipe.Error()) {
			t.Errorf("%s: got %v, want the error of the signer", alg, err)
		}
	}
}

func TestSelfTestFindsForeignPublicKey(t *testing.T) {
	t.Parallel()
	k, err := jose.NewSigner(swapped{signerFor(t, "ES256"), signerFor(t, "ES256").Public()}, "", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := k.SelfTest(t.Context()); err == nil {
		t.Error("SelfTest accepts a signer with the public key of another")
	}
}

// swapped is a signer with another public key.
type swapped struct {
	crypto.Signer
	public crypto.PublicKey
}

func (s swapped) Public() crypto.PublicKey { return s.public }

func TestRedaction(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"HS256", "ES256"} {
		k := keyFor(t, alg)
		var b strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
			fmt.Fprintf(&b, verb+"\n", k)
		}
		j, _ := json.Marshal(k)
		b.Write(j)
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "key", k)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "key", k)
		for _, leak := range []string{"secret of the tests", fmt.Sprintf("%x", secret), fmt.Sprint(secret), "0x1, 0x9a"} {
			if strings.Contains(b.String(), leak) {
				t.Errorf("%s shows %q:\n%s", alg, leak, b.String())
			}
		}
		if !strings.Contains(b.String(), k.ID()) {
			t.Errorf("the output does not show the ID:\n%s", b.String())
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"HS256", "RS256", "PS256", "ES256", "EdDSA"} {
		k := keyFor(b, alg)
		input := make([]byte, 350)
		sig, _ := k.AppendSign(b.Context(), nil, input)
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.Verify(input, sig)
			}
		})
		benchmarkRaw(b, alg, k, input, sig)
	}
}

// benchmarkRaw measures the lower bound: the same check by the standard library alone.
func benchmarkRaw(b *testing.B, alg string, k *jose.Key, input, sig []byte) {
	var check func() bool
	switch public := k.Public().(type) {
	case nil:
		h, sum := hmac.New(sha256.New, secret), make([]byte, 0, 32)
		check = func() bool {
			h.Reset()
			h.Write(input)
			return hmac.Equal(h.Sum(sum), sig)
		}
	case ed25519.PublicKey:
		check = func() bool { return ed25519.Verify(public, input, sig) }
	case *ecdsa.PublicKey:
		r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
		check = func() bool {
			h := sha256.Sum256(input)
			return ecdsa.Verify(public, h[:], r, s)
		}
	case *rsa.PublicKey:
		check = func() bool {
			h := sha256.Sum256(input)
			if alg == "PS256" {
				return rsa.VerifyPSS(public, crypto.SHA256, h[:], sig, nil) == nil
			}
			return rsa.VerifyPKCS1v15(public, crypto.SHA256, h[:], sig) == nil
		}
	}
	if !check() {
		b.Fatalf("%s: the standard library refuses the signature", alg)
	}
	b.Run(alg+"/raw", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			check()
		}
	})
}
