// Package swarm computes which swarm stores the messages of a Session ID. Swarms and keys have positions on a ring of
// 64-bit numbers.
//
// It promises the choice of the 2020 storage server for every key and every set of swarms, including ties and the ends
// of the ring (storage-2.0.md section 4). A client with another choice would look in the wrong swarm. It is pure.
package swarm

import (
	"encoding/binary"
	"math"
	"strconv"
)

// SwarmID identifies a swarm. It is also the position of the swarm on the ring.
type SwarmID uint64

// NoSwarm is the swarm ID of decommissioned service nodes, which belong to no swarm.
const NoSwarm SwarmID = math.MaxUint64

// ringEnd is the end of the ring for distances across it. As in the storage server, it is one less than the greatest
// 64-bit number.
const ringEnd = math.MaxUint64 - 1

// String returns the id in lower-case hex without leading zeros.
func (id SwarmID) String() string { return strconv.FormatUint(uint64(id), 16) }

// Position returns the position of a public key on the ring: the XOR of its four big-endian 64-bit words. The key has
// no Session ID prefix.
func Position(key [32]byte) uint64 {
	return binary.BigEndian.Uint64(key[0:]) ^ binary.BigEndian.Uint64(key[8:]) ^
		binary.BigEndian.Uint64(key[16:]) ^ binary.BigEndian.Uint64(key[24:])
}

// Choose returns the swarm ID that is nearest to position on the ring. The ids may have any order and duplicates.
// Choose ignores NoSwarm, and returns false if no other ID is left.
//
// In a tie between two neighbours the lower ID wins. In a tie between a direct neighbour and one across the end of the
// ring the direct neighbour wins.
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

// closer reports whether a is preferred to b. It does not measure across the ends of the ring.
func closer(x uint64, a, b SwarmID) bool {
	da, db := distance(x, a), distance(x, b)
	return da < db || da == db && a < b
}

func distance(x uint64, id SwarmID) uint64 {
	return max(x, uint64(id)) - min(x, uint64(id))
}
