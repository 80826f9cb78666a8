package ratchet

import "crypto/sha256"

// key32 is a symmetric key: a root key, a chain key or a message key.
type key32 [sha256.Size]byte

// hmacBlock is the block size of SHA-256. HMAC pads its key to this size.
const hmacBlock = sha256.BlockSize

// maxShortMessage bounds the message of shortHMAC in bytes: a block of HKDF's expansion with the longest info string.
const maxShortMessage = sha256.Size + len(messageInfo) + 1

// shortHMAC is HMAC-SHA256 (RFC 2104) of at most maxShortMessage bytes. Every sent or received message costs six calls.
// crypto/hmac allocates in each call, shortHMAC does not.
func shortHMAC(key *key32, message []byte) key32 {
	var inner [hmacBlock + maxShortMessage]byte
	var outer [hmacBlock + sha256.Size]byte
	for i := range hmacBlock {
		inner[i], outer[i] = 0x36, 0x5c
	}
	for i, b := range key {
		inner[i] ^= b
		outer[i] ^= b
	}
	n := hmacBlock + copy(inner[hmacBlock:], message)
	digest := sha256.Sum256(inner[:n])
	copy(outer[hmacBlock:], digest[:])
	return sha256.Sum256(outer[:])
}

// hkdf96 is HKDF-SHA256 (RFC 5869) with 96 bytes of output, in three blocks.
func hkdf96(input, salt *key32, info string) [3]key32 {
	prk := shortHMAC(salt, input[:])
	var output [3]key32
	var message [maxShortMessage]byte
	block := message[:0]
	for i := range output {
		block = append(append(block, info...), byte(i+1))
		output[i] = shortHMAC(&prk, block)
		block = append(message[:0], output[i][:]...)
	}
	return output
}
