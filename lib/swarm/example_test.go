package swarm_test

import (
	"fmt"

	"sessiontool/lib/swarm"
)

// The swarm of a key is the nearest one on the ring. The distance also counts across the end of the ring.
func Example() {
	swarms := []swarm.SwarmID{0x1000, 0x8000000000000000, swarm.NoSwarm, 0xf000000000000000}
	for _, key := range [][32]byte{{0x71}, {0xb8}, {0xff, 0xff}} {
		position := swarm.Position(key)
		id, ok := swarm.Choose(position, swarms)
		fmt.Printf("%016x: %s %v\n", position, id, ok)
	}
	_, ok := swarm.Choose(0, []swarm.SwarmID{swarm.NoSwarm})
	fmt.Println(ok)
	// Output:
	// 7100000000000000: 8000000000000000 true
	// b800000000000000: 8000000000000000 true
	// ffff000000000000: 1000 true
	// false
}
