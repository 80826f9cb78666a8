package devnet

import (
	"math"
	"slices"
	"testing"

	"sessiontool/lib/swarm"
)

func TestSpread(t *testing.T) {
	for count := 1; count < 50; count++ {
		ids := spread(count)
		if len(ids) != count || !slices.IsSorted(ids) || slices.Contains(ids, swarm.NoSwarm) {
			t.Fatalf("%d ids: %v", count, ids)
		}
		want := uint64(math.MaxUint64) / uint64(count)
		for i := range ids {
			if gap := uint64(ids[(i+1)%count]-ids[i]) - 1; count > 1 && (gap < want-1 || gap > want+uint64(count)) {
				t.Errorf("gap %d of %d is %x, want about %x", i, count, gap, want)
			}
		}
	}
}

func TestPlace(t *testing.T) {
	const intended = 2
	for _, test := range []struct {
		name  string
		sizes map[swarm.SwarmID]int
		want  swarm.SwarmID
	}{
		{"first node", nil, math.MaxUint64 / 2},
		{"smallest", map[swarm.SwarmID]int{10: 3, 20: 2, 30: 4}, 20},
		{"lowest of several", map[swarm.SwarmID]int{30: 2, 20: 2, 10: 3}, 20},
		{"not yet full", map[swarm.SwarmID]int{10: 4, 20: 3}, 20},
		{"all full, one swarm", map[swarm.SwarmID]int{1: 4}, 1<<63 + 1},
		{"all full, gap across the end", map[swarm.SwarmID]int{0x4000000000000000: 4, 0x5000000000000000: 4},
			0xc800000000000000},
		{"all full, gap between", map[swarm.SwarmID]int{0x1000000000000000: 4, 0xf000000000000000: 5},
			0x8000000000000000},
	} {
		if got := place(test.sizes, intended); got != test.want {
			t.Errorf("%s: swarm %v, want %v", test.name, got, test.want)
		}
	}
}
