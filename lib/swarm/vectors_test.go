package swarm_test

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"testing"

	"sessiontool/lib/internal/vectors"
	"sessiontool/lib/swarm"
)

// TestVectorsChoose replays every recorded mapping of a key to a swarm.
func TestVectorsChoose(t *testing.T) {
	recording, err := os.Open(vectors.Path(t, "node-2020.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer recording.Close()
	lines := bufio.NewScanner(recording)
	lines.Buffer(nil, 64<<20)
	rows := 0
	for lines.Scan() {
		var row struct {
			Key    *id `json:"key_u64"`
			Server id
			Swarms []id
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		if row.Key == nil {
			continue // another kind of row
		}
		rows++
		position, want := uint64(*row.Key), swarm.SwarmID(row.Server)
		var ids []swarm.SwarmID
		for _, id := range row.Swarms {
			ids = append(ids, swarm.SwarmID(id))
		}
		for range 2 {
			if got, ok := swarm.Choose(position, ids); !ok || got != want {
				t.Errorf("key %016x in %v: got %v, server chose %v", position, ids, got, want)
			}
			slices.Reverse(ids)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if rows == 0 {
		vectors.Missing(t, "no placed key in the recording")
	}
}

// id is a 64-bit number. The recording writes it in hex.
type id uint64

func (n *id) UnmarshalText(text []byte) error {
	value, err := strconv.ParseUint(string(text), 16, 64)
	*n = id(value)
	return err
}
