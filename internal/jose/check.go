package jose

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// Bounds on RSA keys. RFC 7518 section 3.3 sets the lower one; the upper one
// bounds what a received key may cost.
const (
	minRSABits = 2048
	maxRSABits = 16384
)

func checkRSA(public *rsa.PublicKey) error {
	switch bits := public.N.BitLen(); {
	case bits < minRSABits || public.N.Sign() < 0:
		return fmt.Errorf("an RSA key of %d bits is too short: at least %d", bits, minRSABits)
	case bits > maxRSABits:
		return fmt.Errorf("an RSA key of %d bits is too long: at most %d", bits, maxRSABits)
	case public.N.Bit(0) == 0:
		return errors.New("the RSA modulus is even")
	case public.E < 3 || public.E%2 == 0 || public.E > 1<<31-1:
		return errors.New("the RSA exponent must be odd, at least 3 and below 2^31")
	case fromROCA(public.N):
		return errors.New("the RSA key comes from a broken generator (ROCA, CVE-2017-15361)")
	}
	return nil
}

// fromROCA reports whether n is a product of primes as a faulty library in
// security chips made them: 65537 to some power modulo each small prime. A sound
// modulus is, too, less than once in 2^100.
func fromROCA(n *big.Int) bool {
	var remainder big.Int
primes:
	for p := int64(3); p <= 701; p += 2 {
		if !big.NewInt(p).ProbablyPrime(0) {
			continue
		}
		r := remainder.Mod(n, big.NewInt(p)).Int64()
		for power, i := int64(1), int64(1); i < p; i++ {
			if power == r {
				continue primes
			}
			power = power * 65537 % p
		}
		return false
	}
	return true
}

// copyECDSA returns a copy of a point that is on one of the three curves and not
// at infinity.
func copyECDSA(public *ecdsa.PublicKey) (*ecdsa.PublicKey, error) {
	switch public.Curve {
	case elliptic.P256(), elliptic.P384(), elliptic.P521():
	default:
		return nil, errors.New("unsupported curve: P-256, P-384 and P-521 are supported")
	}
	point, err := public.Bytes()
	if err != nil {
		return nil, errOffCurve
	}
	c, err := ecdsa.ParseUncompressedPublicKey(public.Curve, point)
	if err != nil {
		return nil, errOffCurve
	}
	return c, nil
}

// The curve of RFC 8032 section 5.1: -x² + y² = 1 + d·x²·y² modulo p.
var (
	edP, _ = new(big.Int).SetString("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed", 16)
	edD, _ = new(big.Int).SetString("52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3", 16)

	// edSmallOrder8 is the y of the points of order 8; the other is its negative.
	edSmallOrder8, _ = new(big.Int).SetString("05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826", 16)
)

// checkEd25519 refuses what does not decode to a point (RFC 8032 section 5.1.3)
// and the eight points of small order, under which anybody can sign.
func checkEd25519(public ed25519.PublicKey) error {
	if len(public) != ed25519.PublicKeySize {
		return fmt.Errorf("an Ed25519 public key has %d bytes, not %d", ed25519.PublicKeySize, len(public))
	}
	reversed := slices.Clone(public)
	slices.Reverse(reversed)
	reversed[0] &= 0x7f // the sign of x
	y := new(big.Int).SetBytes(reversed)
	one := big.NewInt(1)
	yy := new(big.Int).Mul(y, y)
	// x² = u/v has a solution if u·v is a square.
	u := new(big.Int).Sub(yy, one)
	v := new(big.Int).Mul(yy, edD)
	v.Add(v, one)
	uv := u.Mul(u, v)
	uv.Mod(uv, edP)
	if y.Cmp(edP) >= 0 || big.Jacobi(uv, edP) < 0 {
		return errOffCurve
	}
	minus := new(big.Int).Sub(edP, y)
	if y.Sign() == 0 || y.Cmp(one) == 0 || minus.Cmp(one) == 0 || y.Cmp(edSmallOrder8) == 0 || minus.Cmp(edSmallOrder8) == 0 {
		return errors.New("the Ed25519 public key is a point of small order")
	}
	return nil
}
