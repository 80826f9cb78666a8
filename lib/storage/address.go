package storage

import "encoding/base32"

// zbase32 is the alphabet of human-oriented base-32, without padding. 32 bytes give 52 characters.
var zbase32 = base32.NewEncoding("ybndrfg8ejkmcpqxot1uwisza345h769").WithPadding(base32.NoPadding)

// SnodeAddress is the name that swarm lists give a node: its legacy public key in z-base-32, with ".snode" behind it.
func SnodeAddress(legacy [32]byte) string {
	return zbase32.EncodeToString(legacy[:]) + ".snode"
}
