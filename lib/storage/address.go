package storage

import "encoding/base32"

// zbase32 is the alphabet of human-oriented base-32, without padding. 32 bytes give 52 characters.
var zbase32 = base32.NewEncoding("ybndrfg8ejkmcpqxot1uwisza345h769").WithPadding(base32.NoPadding)

// SnodeAddress returns the address of a node in swarm lists: its legacy public key in z-base-32 (52 characters) and
// ".snode" (storage-2.0.md section 2.1).
func SnodeAddress(legacy [32]byte) string {
	return zbase32.EncodeToString(legacy[:]) + ".snode"
}
