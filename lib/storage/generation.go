package storage

// Generation names one of the two storage RPCs, as network files and records do. Both share onion requests, the
// envelope around messages, and the arithmetic of swarms.
type Generation string

const (
	// Generation20 requires a proof of work for every message.
	Generation20 Generation = "2.0"
	// Generation28 has namespaces, signed requests and signed results of members.
	Generation28 Generation = "2.8"
)

// Bounds of the time to live of a message to a person, in milliseconds (storage-2.0.md section 2.3, storage-2.8.md
// section 3.2).
const (
	MinTTLMillis   = 10_000
	MaxTTLMillis20 = 4 * dayMillis
	MaxTTLMillis28 = 14 * dayMillis
)

const dayMillis = 24 * 60 * 60 * 1000

// Known reports whether g is [Generation20] or [Generation28].
func (g Generation) Known() bool { return g == Generation20 || g == Generation28 }

// MaxTTLMillis returns the longest time to live of a message to a person, in milliseconds.
func (g Generation) MaxTTLMillis() int64 {
	if g == Generation28 {
		return MaxTTLMillis28
	}
	return MaxTTLMillis20
}
