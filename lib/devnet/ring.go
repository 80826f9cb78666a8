package devnet

import (
	"math"
	"slices"

	"sessiontool/lib/swarm"
)

// fullSwarm is the multiple of its intended size at which a swarm is full.
const fullSwarm = 2

// spread returns count ids at equal distances on the ring. count is positive.
func spread(count int) []swarm.SwarmID {
	step := math.MaxUint64 / uint64(count)
	ids := make([]swarm.SwarmID, count)
	for i := range ids {
		ids[i] = swarm.SwarmID(step/2 + uint64(i)*step)
	}
	return ids
}

// place returns the swarm for a node that joins: the smallest one, or a new one in the widest gap of the ring if even
// the smallest is full. Of equal swarms it returns the one with the lowest id.
func place(sizes map[swarm.SwarmID]int, intended int) swarm.SwarmID {
	if len(sizes) == 0 {
		return spread(1)[0]
	}
	smallest := swarm.NoSwarm
	for id, size := range sizes {
		if smallest == swarm.NoSwarm || size < sizes[smallest] || size == sizes[smallest] && id < smallest {
			smallest = id
		}
	}
	if sizes[smallest] < fullSwarm*intended {
		return smallest
	}
	return widestGap(sizes)
}

// widestGap returns the middle of the widest gap between neighbours on the ring.
func widestGap(sizes map[swarm.SwarmID]int) swarm.SwarmID {
	var ids []swarm.SwarmID
	for id := range sizes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var middle swarm.SwarmID
	var widest uint64
	for i, id := range ids {
		// Less one, the way around from an id to itself fits into 64 bits.
		gap := uint64(ids[(i+1)%len(ids)]-id) - 1
		if gap > widest {
			widest, middle = gap, id+swarm.SwarmID(gap/2+1)
		}
	}
	if middle == swarm.NoSwarm {
		middle--
	}
	return middle
}
