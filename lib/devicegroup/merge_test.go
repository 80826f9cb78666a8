package devicegroup

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"sessiontool/lib/accountkeys"
	"sessiontool/lib/x25519"
)

// changed returns d with another sequence number and description.
func changed(d Device, seqno int64, description string) Device {
	d.Record.SeqNo, d.Record.Description = seqno, description
	return d
}

func TestMergeTakesTheGreaterRecord(t *testing.T) {
	old := device(1)
	pending := old
	pending.State = Pending
	pending.Record.SeqNo = 9
	for name, c := range map[string]struct {
		ours, theirs Device
		theirsWins   bool
	}{
		"greater number":             {old, changed(old, 2, "new"), true},
		"smaller number":             {changed(old, 2, "new"), old, false},
		"the same":                   {old, old, false},
		"registered over pending":    {pending, old, true},
		"pending over registered":    {old, pending, false},
		"negative number":            {changed(old, -2, "new"), old, true},
		"kicked over any number":     {changed(old, 99, "new"), gone(1, Kicked, 5), true},
		"later of two kicks":         {gone(1, Kicked, 5), gone(1, Kicked, 6), true},
		"earlier of two kicks":       {gone(1, Kicked, 6), gone(1, Kicked, 5), false},
		"kicked over a later left":   {gone(1, Left, 6), gone(1, Kicked, 5), true},
		"left over an earlier kick":  {gone(1, Kicked, 5), gone(1, Left, 6), false},
		"unregistered over anything": {old, Device{ID: old.ID, State: Unregistered, Record: old.Record}, false},
	} {
		merged, changes := Merge(group(c.ours), group(c.theirs), 1000)
		want := c.ours
		if c.theirsWins {
			want = c.theirs
		}
		if got := merged.Devices[0]; len(merged.Devices) != 1 || got.State != want.State || got.GoneAt != want.GoneAt ||
			got.Record.Description != want.Record.Description {
			t.Errorf("%s: %s %d %q", name, got.State, got.GoneAt, got.Record.Description)
		}
		if len(changes.Restated) != 0 {
			t.Errorf("%s: restated %v", name, changes.Restated)
		}
	}
	one, other := changed(old, 1, "one"), changed(old, 1, "other")
	a, _ := Merge(group(one), group(other), 1000)
	b, _ := Merge(group(other), group(one), 1000)
	if a.Devices[0].Record.Description != b.Devices[0].Record.Description {
		t.Error("two records with one number do not converge")
	}
}

// A device that was removed does not come back because another one has not heard of it: the tombstone is stated again.
func TestMergeRestatesTombstones(t *testing.T) {
	merged, changes := Merge(group(gone(1, Kicked, 500)), group(changed(device(1), 99, "back")), 1000)
	if d := merged.Devices[0]; d.State != Kicked || d.GoneAt != 1000 ||
		!slices.Equal(changes.Restated, []DeviceID{{1}}) {
		t.Errorf("%s %d, %+v", d.State, d.GoneAt, changes)
	}
}

func TestMergeReportsNewDepartures(t *testing.T) {
	merged, changes := Merge(group(device(1)), group(gone(1, Left, 500), gone(2, Kicked, 500), device(3)), 1000)
	if !slices.Equal(changes.Gone, []DeviceID{{1}, {2}}) || !slices.Equal(changes.Updated, []DeviceID{{3}}) {
		t.Errorf("%+v", changes)
	}
	if _, changes = Merge(merged, group(gone(1, Left, 500), gone(2, Kicked, 500)), 1000); len(changes.Gone) != 0 {
		t.Errorf("known departures are new: %+v", changes)
	}
	if merged, _ = Merge(group(device(1), device(2)), group(), 1000); len(merged.Devices) != 2 {
		t.Error("what the other side lacks is gone")
	}
}

// A record that no message can be encrypted for does not enter the group, or the group could not be written again.
func TestMergeLeavesOutUnusableKeys(t *testing.T) {
	weak := device(1)
	weak.Record.X25519, weak.Record.SeqNo = x25519.PublicKey{}, 99
	merged, changes := Merge(group(), group(weak), 1000)
	if len(merged.Devices) != 0 || len(changes.Updated) != 0 {
		t.Errorf("%+v, %+v", merged.Devices, changes)
	}
	if merged, _ = Merge(group(device(1)), group(weak), 1000); merged.Devices[0].Record.SeqNo != 1 {
		t.Error("an unusable record replaces a good one")
	}
}

// However devices exchange their groups, they end with the same one.
func TestMergeConverges(t *testing.T) {
	for round := range uint64(100) {
		random := rand.New(rand.NewPCG(round, 2))
		replicas := make([]Group, 4)
		for i := range replicas {
			replicas[i] = group(device(1), device(2))
		}
		for step := range 12 {
			i, j, n := random.IntN(4), random.IntN(4), byte(random.IntN(4))
			g := &replicas[i]
			switch random.IntN(4) {
			case 0:
				*g, _ = Merge(*g, group(changed(device(n), int64(step%3), fmt.Sprint(i))), int64(step))
			case 1:
				*g, _ = Merge(*g, group(gone(n, []State{Left, Kicked}[step%2], int64(step+1))), int64(step))
			case 2:
				g.Keys = accountkeys.Rotate(g.Keys, accountkeys.Seed{0xff, byte(step), byte(i)}, int64(2000+step))
			default:
				*g, _ = Merge(*g, replicas[j], int64(step))
			}
		}
		for range 2 {
			for i := range replicas {
				for j := range replicas {
					replicas[i], _ = Merge(replicas[i], replicas[j], 100)
				}
			}
		}
		var first []byte
		for i, g := range replicas {
			text, err := g.encode()
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = text
			}
			if !bytes.Equal(text, first) {
				t.Fatalf("round %d: device %d has another group", round, i)
			}
		}
	}
}

func ExampleMerge() {
	phone := group(device(1), gone(2, Kicked, 5000))
	laptop := group(device(1), device(2), device(3))
	merged, changes := Merge(phone, laptop, 6000)
	for _, d := range merged.Devices {
		fmt.Println(d.ID.String()[:4], d.State)
	}
	fmt.Println(len(changes.Updated), len(changes.Restated))
	// Output:
	// 0100 registered
	// 0200 kicked
	// 0300 registered
	// 1 1
}
