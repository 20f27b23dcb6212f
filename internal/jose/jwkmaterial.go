package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"math/big"
)

// rsa reads an RSA key (RFC 7518 section 6.3). The signer is nil if the key has no private member.
func (m members) rsa() (crypto.PublicKey, crypto.Signer, error) {
	n, err := m.number("n")
	if err != nil {
		return nil, nil, err
	}
	e, err := m.number("e")
	if err != nil {
		return nil, nil, err
	}
	if e.BitLen() > 31 {
		return nil, nil, errors.New("the RSA exponent is too long: at most 31 bits")
	}
	public := &rsa.PublicKey{N: n, E: int(e.Int64())}
	if !m.has("d") {
		return public, nil, nil
	}
	if err := checkRSA(public); err != nil { // bounds the numbers before the arithmetic on them
		return nil, nil, err
	}
	private, err := m.rsaPrivate(public)
	return public, private, err
}

// rsaPrivate reads the private members (RFC 7518 section 6.3.2). The primes are required, because a
// signature takes four times as long without them. The CRT members dp, dq and qi are optional; if
// they are there, they must be right. They are not used: the standard library computes them from d,
// p and q.
func (m members) rsaPrivate(public *rsa.PublicKey) (*rsa.PrivateKey, error) {
	if m.has("oth") {
		return nil, errors.New("the RSA key has more than two primes, which is not supported")
	}
	var values [6]*big.Int // nil for an absent member
	for i, name := range []string{"d", "p", "q", "dp", "dq", "qi"} {
		if i > 2 && !m.has(name) {
			continue
		}
		n, err := m.number(name)
		if err != nil {
			return nil, err
		}
		// No member is larger than the modulus, and no prime or CRT value is below 2.
		if n.BitLen() > public.N.BitLen() || i > 0 && n.BitLen() < 2 {
			return nil, errBrokenRSA
		}
		values[i] = n
	}
	d, p, q, dp, dq, qi := values[0], values[1], values[2], values[3], values[4], values[5]
	one := big.NewInt(1)
	isExponent := func(given, prime *big.Int) bool { // d modulo prime-1, as dp and dq must be
		return given == nil || given.Cmp(new(big.Int).Mod(d, new(big.Int).Sub(prime, one))) == 0
	}
	isInverse := func() bool { // qi, the inverse of q modulo p
		product := new(big.Int).Mul(qi, q)
		return qi.Cmp(p) < 0 && product.Mod(product, p).Cmp(one) == 0
	}
	if !isExponent(dp, p) || !isExponent(dq, q) || qi != nil && !isInverse() {
		return nil, errBrokenRSA
	}
	return &rsa.PrivateKey{PublicKey: *public, D: d, Primes: []*big.Int{p, q}}, nil
}

// ec reads an ECDSA key (RFC 7518 section 6.2). The signer is nil if the key has no private member.
func (m members) ec() (crypto.PublicKey, crypto.Signer, error) {
	crv, err := m.required("crv")
	if err != nil {
		return nil, nil, err
	}
	var curve elliptic.Curve
	for i := range algorithms {
		if c := algorithms[i].curve; c != nil && c.Params().Name == crv {
			curve = c
		}
	}
	if curve == nil {
		return nil, nil, unsupported("curve %.40q", crv)
	}
	size := (curve.Params().BitSize + 7) / 8
	x, err := m.fixed("x", size)
	if err != nil {
		return nil, nil, err
	}
	y, err := m.fixed("y", size)
	if err != nil {
		return nil, nil, err
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, x...), y...))
	if err != nil {
		return nil, nil, errOffCurve
	}
	if !m.has("d") {
		return public, nil, nil
	}
	d, err := m.fixed("d", size)
	if err != nil {
		return nil, nil, err
	}
	private, err := ecdsa.ParseRawPrivateKey(curve, d)
	if err != nil || !private.PublicKey.Equal(public) {
		return nil, nil, errMismatch
	}
	return public, private, nil
}

// okp reads an Ed25519 key (RFC 8037 section 2). The signer is nil if the key has no private
// member.
func (m members) okp() (crypto.PublicKey, crypto.Signer, error) {
	crv, err := m.required("crv")
	if err != nil {
		return nil, nil, err
	}
	if crv != "Ed25519" {
		return nil, nil, unsupported("curve %.40q", crv)
	}
	x, err := m.fixed("x", ed25519.PublicKeySize)
	if err != nil {
		return nil, nil, err
	}
	public := ed25519.PublicKey(x)
	if !m.has("d") {
		return public, nil, nil
	}
	seed, err := m.fixed("d", ed25519.SeedSize)
	if err != nil {
		return nil, nil, err
	}
	private := ed25519.NewKeyFromSeed(seed)
	if !public.Equal(private.Public()) {
		return nil, nil, errMismatch
	}
	return public, private, nil
}
