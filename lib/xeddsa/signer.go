package xeddsa

import (
	"crypto/ed25519"
	"crypto/sha512"
	"fmt"
	"io"

	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"
)

// Signer makes many Ed25519 signatures with one key. It computes only once what every signature needs of the key, and shares the
// inversion of a field element, a quarter of the time of a signature, among the messages of one call of
// [Signer.SignAll]. It is safe for concurrent use.
type Signer struct {
	private ed25519.PrivateKey
	scalar  *edwards25519.Scalar
	prefix  [32]byte // begins the hash of every nonce
}

// NewSigner returns a Signer for a private key in the form of crypto/ed25519: the seed, followed by the public key.
func NewSigner(key [ed25519.PrivateKeySize]byte) *Signer {
	digest := sha512.Sum512(key[:ed25519.SeedSize])
	scalar, err := new(edwards25519.Scalar).SetBytesWithClamping(digest[:32])
	if err != nil {
		panic("xeddsa: " + err.Error()) // only for a wrong length
	}
	return &Signer{private: ed25519.PrivateKey(key[:]), scalar: scalar, prefix: [32]byte(digest[32:])}
}

// Sign returns the Ed25519 signature of message.
func (s *Signer) Sign(message []byte) [SignatureSize]byte {
	return [SignatureSize]byte(ed25519.Sign(s.private, message))
}

// SignAll returns the Ed25519 signatures of messages, which are those of [Signer.Sign] (RFC 8032, section 5.1.6).
func (s *Signer) SignAll(messages [][]byte) [][SignatureSize]byte {
	signatures := make([][SignatureSize]byte, len(messages))
	if len(messages) == 1 {
		signatures[0] = s.Sign(messages[0])
		return signatures
	}
	nonces, points := make([]*edwards25519.Scalar, len(messages)), make([]*edwards25519.Point, len(messages))
	for i, message := range messages {
		nonces[i] = hashToScalar(s.prefix[:], message)
		points[i] = new(edwards25519.Point).ScalarBaseMult(nonces[i])
	}
	for i, commitment := range encodePoints(points) {
		challenge := hashToScalar(commitment[:], s.private[ed25519.SeedSize:], messages[i])
		copy(signatures[i][:], commitment[:])
		copy(signatures[i][32:], challenge.MultiplyAdd(challenge, s.scalar, nonces[i]).Bytes())
	}
	return signatures
}

// Format prints a placeholder for every verb, so that no log or error shows the key.
func (s *Signer) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// String returns a placeholder.
func (s *Signer) String() string { return "xeddsa.Signer(redacted)" }

// encodePoints returns the encodings of points (RFC 8032, section 5.1.2). An encoding needs the inverse of the point's Z
// coordinate. The inverses of all points are computed from that of their product (Montgomery's trick): no Z is 0.
func encodePoints(points []*edwards25519.Point) [][32]byte {
	type coordinates struct{ x, y, z, before *field.Element } // before is the product of all earlier z
	all, product := make([]coordinates, len(points)), new(field.Element).One()
	for i, p := range points {
		c := &all[i]
		c.x, c.y, c.z, _ = p.ExtendedCoordinates()
		c.before = new(field.Element).Set(product)
		product.Multiply(product, c.z)
	}
	encoded, inverse := make([][32]byte, len(points)), new(field.Element).Invert(product)
	for i := len(points) - 1; i >= 0; i-- {
		c := all[i]
		z := c.before.Multiply(c.before, inverse) // the inverse of c.z
		inverse.Multiply(inverse, c.z)
		copy(encoded[i][:], c.y.Multiply(c.y, z).Bytes())
		encoded[i][31] |= byte(c.x.Multiply(c.x, z).IsNegative() << 7)
	}
	return encoded
}
