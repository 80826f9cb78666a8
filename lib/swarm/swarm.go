// Package swarm says which swarm keeps the messages of a Session ID: arithmetic on a ring of 64-bit numbers.
//
// It promises the very choice of the 2020 storage server for every key and every set of swarms, ties and ends
// included (storage-2.0.md section 4): a client that chose otherwise would look for messages where they are not.
// It is pure.
package swarm

import (
	"encoding/binary"
	"math"
	"strconv"
)

// SwarmID names a swarm and is its place on the ring.
type SwarmID uint64

// NoSwarm is the swarm of service nodes that are in none, because they are decommissioned.
const NoSwarm SwarmID = math.MaxUint64

// ringEnd is what distances across the end of the ring are measured from. It is one short of the last 64-bit
// number, as in the storage server.
const ringEnd = math.MaxUint64 - 1

// String returns the id in lower-case hex without leading zeros.
func (id SwarmID) String() string { return strconv.FormatUint(uint64(id), 16) }

// Position returns the place on the ring of a public key (32 bytes, without the prefix of a Session ID): the XOR of
// its four big-endian 64-bit words.
func Position(key [32]byte) uint64 {
	return binary.BigEndian.Uint64(key[0:]) ^ binary.BigEndian.Uint64(key[8:]) ^
		binary.BigEndian.Uint64(key[16:]) ^ binary.BigEndian.Uint64(key[24:])
}

// Choose returns the one of ids that is nearest to position on the ring. The ids may come in any order and more than
// once; NoSwarm is left out. It returns false if nothing is left.
//
// The lower id wins a tie between neighbours, and the direct neighbour a tie with the one across the end of the ring.
func Choose(position uint64, ids []SwarmID) (SwarmID, bool) {
	lowest, nearest, highest := NoSwarm, NoSwarm, SwarmID(0)
	for _, id := range ids {
		if id == NoSwarm {
			continue
		}
		lowest, highest = min(lowest, id), max(highest, id)
		if nearest == NoSwarm || closer(position, id, nearest) {
			nearest = id
		}
	}
	if nearest == NoSwarm {
		return NoSwarm, false
	}

	// The sums may wrap around at 2^64, as they do in the storage server.
	x := position
	switch {
	case x > uint64(highest):
		if across := ringEnd - x + uint64(lowest); across < distance(x, nearest) {
			return lowest, true
		}
	case x < uint64(lowest):
		if across := x + (ringEnd - uint64(highest)); across < distance(x, nearest) {
			return highest, true
		}
	}
	return nearest, true
}

// closer reports whether a is to be preferred to b, not regarding the ends of the ring.
func closer(x uint64, a, b SwarmID) bool {
	da, db := distance(x, a), distance(x, b)
	return da < db || da == db && a < b
}

func distance(x uint64, id SwarmID) uint64 {
	return max(x, uint64(id)) - min(x, uint64(id))
}
