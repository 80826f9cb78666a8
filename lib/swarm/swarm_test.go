package swarm_test

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"sessiontool/lib/swarm"
)

func TestPosition(t *testing.T) {
	var key [32]byte
	for i := range key {
		key[i] = byte(1 << (i / 8)) // the four words are 0101..., 0202..., 0404..., 0808...
	}
	key[7] ^= 0xf0
	if got, want := swarm.Position(key), uint64(0x0f0f0f0f0f0f0fff); got != want {
		t.Errorf("got %016x, want %016x", got, want)
	}
}

func TestChoose(t *testing.T) {
	const end = math.MaxUint64
	tests := []struct {
		name     string
		position uint64
		ids      []swarm.SwarmID
		want     swarm.SwarmID
	}{
		{"one swarm takes everything", 1 << 63, []swarm.SwarmID{7}, 7},
		{"exact hit", 200, []swarm.SwarmID{100, 200, 300}, 200},
		{"nearest", 260, []swarm.SwarmID{100, 200, 300}, 300},
		{"lower id wins a tie", 150, []swarm.SwarmID{200, 100}, 100},
		{"order and repetition do not matter", 150, []swarm.SwarmID{200, 100, 200, 100}, 100},
		{"swarm of no nodes is left out", end - 1, []swarm.SwarmID{swarm.NoSwarm, 1 << 63}, 1 << 63},
		{"across the upper end", end - 10, []swarm.SwarmID{5, end - 100}, 5},
		{"across the lower end", 10, []swarm.SwarmID{100, end - 5}, end - 5},
		// Across the end it is 50 here, and would be 52 on a ring of 2^64.
		{"direct neighbour wins a tie at the upper end", end - 50, []swarm.SwarmID{1, end - 100}, end - 100},
		{"direct neighbour wins a tie at the lower end", 50, []swarm.SwarmID{100, end - 1}, 100},
		{"shorter across the end than on a true ring", end - 50, []swarm.SwarmID{0, end - 100}, 0},
		// 2^64-2 - position is -1 here and wraps; adding the lowest id brings it back.
		{"last position", end, []swarm.SwarmID{1, end - 1}, 1},
		{"last position, lowest id 0", end, []swarm.SwarmID{0, end - 1}, end - 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got, ok := swarm.Choose(test.position, test.ids); !ok || got != test.want {
				t.Errorf("got %v, %v, want %v", got, ok, test.want)
			}
		})
	}
}

func TestChooseOfNone(t *testing.T) {
	for _, ids := range [][]swarm.SwarmID{nil, {swarm.NoSwarm}} {
		if got, ok := swarm.Choose(1, ids); ok || got != swarm.NoSwarm {
			t.Errorf("%v: got %v, %v", ids, got, ok)
		}
	}
}

func TestString(t *testing.T) {
	if got := swarm.SwarmID(0xa000000000000000).String(); got != "a000000000000000" {
		t.Errorf("got %s", got)
	}
	if got := swarm.SwarmID(0x64).String(); got != "64" {
		t.Errorf("got %s", got)
	}
}

func TestChooseAgainstRule(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	// Numbers close to each other and to the ends of the ring make ties and wraps likely.
	number := func() uint64 {
		offset := random.Uint64N(8) - 4
		switch random.IntN(3) {
		case 0:
			return offset
		case 1:
			return 1<<63 + offset
		}
		return random.Uint64()
	}
	for range 20000 {
		ids := make([]swarm.SwarmID, random.IntN(5))
		for i := range ids {
			ids[i] = swarm.SwarmID(number())
		}
		checkAgainstRule(t, number(), ids)
	}
}

func FuzzChoose(f *testing.F) {
	f.Add(uint64(150), []byte("\x00\x00\x00\x00\x00\x00\x00\x64\x00\x00\x00\x00\x00\x00\x00\xc8"))
	f.Add(uint64(math.MaxUint64), make([]byte, 8))
	f.Fuzz(func(t *testing.T, position uint64, raw []byte) {
		var ids []swarm.SwarmID
		for chunk := range slices.Chunk(raw, 8) {
			if len(chunk) == 8 {
				ids = append(ids, swarm.SwarmID(binary.BigEndian.Uint64(chunk)))
			}
		}
		checkAgainstRule(t, position, ids)
	})
}

func checkAgainstRule(t *testing.T, position uint64, ids []swarm.SwarmID) {
	t.Helper()
	got, ok := swarm.Choose(position, ids)
	want, wantOK := rule(position, ids)
	if got != want || ok != wantOK {
		t.Fatalf("position %x in %v: got %v, %v, want %v, %v", position, ids, got, ok, want, wantOK)
	}
}

// rule is storage-2.0.md section 4, sentence by sentence, in big integers.
func rule(position uint64, ids []swarm.SwarmID) (swarm.SwarmID, bool) {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id swarm.SwarmID) bool { return id == swarm.NoSwarm })
	if len(ids) == 0 {
		return swarm.NoSwarm, false
	}
	slices.Sort(ids)
	n := func(v uint64) *big.Int { return new(big.Int).SetUint64(v) }
	sub := func(a, b *big.Int) *big.Int { return new(big.Int).Sub(a, b) }
	wrap := func(v *big.Int) *big.Int { return new(big.Int).Mod(v, new(big.Int).Lsh(big.NewInt(1), 64)) }

	x, end := n(position), n(math.MaxUint64-1)
	best, distance := ids[0], sub(x, n(uint64(ids[0])))
	distance.Abs(distance)
	for _, id := range ids {
		if d := sub(x, n(uint64(id))); d.CmpAbs(distance) < 0 {
			best, distance = id, d.Abs(d)
		}
	}
	lowest, highest := n(uint64(ids[0])), n(uint64(ids[len(ids)-1]))
	if x.Cmp(highest) > 0 {
		if across := wrap(new(big.Int).Add(wrap(sub(end, x)), lowest)); across.Cmp(distance) < 0 {
			best = ids[0]
		}
	}
	if x.Cmp(lowest) < 0 {
		if across := wrap(new(big.Int).Add(x, wrap(sub(end, highest)))); across.Cmp(distance) < 0 {
			best = ids[len(ids)-1]
		}
	}
	return best, true
}
