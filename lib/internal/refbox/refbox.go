// Package refbox is a reference implementation of opening libsodium's sealed boxes, for tests of packages sealedbox and
// v2message. It follows libsodium's definition and shares no code with them, HSalsa20 included.
package refbox

import (
	"crypto/ecdh"
	"encoding/binary"
	"errors"
	"math/bits"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/nacl/secretbox"
)

const (
	keySize   = 32
	nonceSize = 24
)

// Open is crypto_box_seal_open. The key of the box is HSalsa20 of the X25519 secret between the ephemeral key and the
// recipient's key. Its nonce is the 24-byte BLAKE2b hash of the two public keys.
func Open(recipient [keySize]byte, sealed []byte) ([]byte, error) {
	if len(sealed) < keySize {
		return nil, errors.New("box has no ephemeral key")
	}
	private, err := ecdh.X25519().NewPrivateKey(recipient[:])
	if err != nil {
		return nil, err
	}
	ephemeral, err := ecdh.X25519().NewPublicKey(sealed[:keySize])
	if err != nil {
		return nil, err
	}
	secret, err := private.ECDH(ephemeral)
	if err != nil {
		return nil, err
	}
	hash, err := blake2b.New(nonceSize, nil)
	if err != nil {
		return nil, err
	}
	hash.Write(sealed[:keySize])
	hash.Write(private.PublicKey().Bytes())
	key := hsalsa20([keySize]byte(secret))
	plaintext, ok := secretbox.Open(nil, sealed[keySize:], (*[nonceSize]byte)(hash.Sum(nil)), &key)
	if !ok {
		return nil, errors.New("box does not decrypt")
	}
	return plaintext, nil
}

// hsalsa20 is HSalsa20 with an all-zero input: 20 rounds of Salsa20 over constants, key and input, without the final
// addition.
func hsalsa20(key [keySize]byte) (out [keySize]byte) {
	const constants = "expand 32-byte k"
	var x [16]uint32
	for i := range 4 {
		x[5*i] = binary.LittleEndian.Uint32([]byte(constants[4*i:]))
		x[1+i] = binary.LittleEndian.Uint32(key[4*i:])
		x[11+i] = binary.LittleEndian.Uint32(key[16+4*i:])
	}
	quarter := func(a, b, c, d int) {
		x[b] ^= bits.RotateLeft32(x[a]+x[d], 7)
		x[c] ^= bits.RotateLeft32(x[b]+x[a], 9)
		x[d] ^= bits.RotateLeft32(x[c]+x[b], 13)
		x[a] ^= bits.RotateLeft32(x[d]+x[c], 18)
	}
	for range 10 {
		quarter(0, 4, 8, 12)
		quarter(5, 9, 13, 1)
		quarter(10, 14, 2, 6)
		quarter(15, 3, 7, 11)
		quarter(0, 1, 2, 3)
		quarter(5, 6, 7, 4)
		quarter(10, 11, 8, 9)
		quarter(15, 12, 13, 14)
	}
	for i, word := range []uint32{x[0], x[5], x[10], x[15], x[6], x[7], x[8], x[9]} {
		binary.LittleEndian.PutUint32(out[4*i:], word)
	}
	return out
}
