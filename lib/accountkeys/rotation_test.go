package accountkeys

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const day = 24 * 60 * 60

func TestRotateLeavesOneActiveKey(t *testing.T) {
	entries := Rotate(nil, Seed{1}, 1000)
	entries = Rotate(entries, Seed{2}, 2000)
	entries = Rotate(entries, Seed{3}, 1500) // the clock went back
	want := []Entry{
		{Seed: Seed{3}, Created: 2001},
		{Seed: Seed{2}, Created: 2000, Rotated: 2001},
		{Seed: Seed{1}, Created: 1000, Rotated: 2000},
	}
	if !slices.Equal(entries, want) {
		t.Errorf("%+v", entries)
	}
	if active, found := Active(entries); !found || active.Seed != (Seed{3}) {
		t.Errorf("%+v, %t", active, found)
	}
	if _, found := Active(nil); found {
		t.Error("an active key among none")
	}
}

// Two devices rotate at once: both keep both keys, and agree on the active one.
func TestMergeOfARace(t *testing.T) {
	old := Rotate(nil, Seed{9}, 1000)
	a, b := Rotate(old, Seed{1}, 5000), Rotate(old, Seed{2}, 5007)
	ab, ba := Merge(a, b), Merge(b, a)
	if !slices.Equal(ab, ba) {
		t.Errorf("%+v and %+v", ab, ba)
	}
	want := []Entry{
		{Seed: Seed{2}, Created: 5007},
		{Seed: Seed{1}, Created: 5000, Rotated: 5007},
		{Seed: Seed{9}, Created: 1000, Rotated: 5000},
	}
	if !slices.Equal(ab, want) {
		t.Errorf("%+v", ab)
	}
	tie := Merge(Rotate(nil, Seed{4}, 1000), Rotate(nil, Seed{3}, 1000))
	if active, _ := Active(tie); active.Seed != (Seed{3}) || tie[1].Rotated != 1000 {
		t.Errorf("of two in one second: %+v", tie)
	}
}

// A device group message stays stored for 30 days, and its writer did not know of later keys.
func TestMergeDoesNotBringBackOldKeys(t *testing.T) {
	const now = 100 * day
	var entries []Entry
	for created := int64(60 * day); created <= now; created += day / 2 {
		entries = Prune(Rotate(entries, Seed{byte(created / (day / 2)), 1}, created), created)
	}
	kept := len(entries)
	old := []Entry{
		{Seed: Seed{0xee}, Created: now - 25*day},
		{Seed: Seed{0xef}, Created: now - 26*day, Rotated: now - 25*day},
	}
	merged := Prune(Merge(entries, old), now)
	if len(merged) != kept {
		t.Errorf("%d keys became %d", kept, len(merged))
	}
	if merged = Prune(Merge(old, entries), now); len(merged) != kept {
		t.Errorf("%d keys became %d, the other way round", kept, len(merged))
	}
}

// However devices exchange their lists, they end with the same one, with one active key.
func TestMergeConverges(t *testing.T) {
	for round := range uint64(200) {
		random := rand.New(rand.NewPCG(round, 1))
		devices := make([][]Entry, 4)
		for i := range devices {
			devices[i] = Rotate(nil, Seed{0: 0xff}, 1000)
		}
		for step := range 12 {
			i, j := random.IntN(4), random.IntN(4)
			if random.IntN(2) == 0 {
				devices[i] = Rotate(devices[i], Seed{byte(step), byte(i)}, 1000+random.Int64N(4))
			} else {
				devices[i] = Merge(devices[i], devices[j])
			}
		}
		all := Merge(Merge(devices[0], devices[1]), Merge(devices[2], devices[3]))
		again := Merge(devices[3], Merge(devices[2], Merge(devices[1], devices[0])))
		all, again = Merge(all, again), Merge(again, all)
		if !slices.Equal(all, again) {
			t.Fatalf("round %d: %+v and %+v", round, all, again)
		}
		if !slices.Equal(Merge(all, all), all) {
			t.Fatalf("round %d: merging with itself changes the list", round)
		}
		if active := slices.IndexFunc(all, Entry.IsActive); active != 0 ||
			slices.ContainsFunc(all[1:], Entry.IsActive) {
			t.Fatalf("round %d: not exactly one active key, first: %+v", round, all)
		}
	}
}

func TestPruneKeepsSixteenDays(t *testing.T) {
	rotated := Entry{Seed: Seed{1}, Created: 1, Rotated: 1000}
	active := Entry{Seed: Seed{2}, Created: 1000}
	for _, c := range []struct {
		now  int64
		left int
	}{{0, 2}, {1000, 2}, {1000 + 16*day - 1, 2}, {1000 + 16*day, 1}, {math.MaxInt64, 1}} {
		if left := Prune([]Entry{active, rotated}, c.now); len(left) != c.left || left[0] != active {
			t.Errorf("at %d: %+v", c.now, left)
		}
	}
	if (Entry{Rotated: math.MaxInt64}).IsExpired(math.MinInt64) {
		t.Error("a key of the far future is expired in the far past")
	}
}

// The times of all devices are within two hours, and the earliest of them is spread over the two hours whatever their
// number is.
func TestRotationDueIsSpread(t *testing.T) {
	for _, devices := range []int{1, 4} {
		early, late := 0, 0
		for i := range 200 {
			entry := Entry{Seed: Seed{byte(i)}, Created: 1_777_700_000}
			first := time.Duration(math.MaxInt64)
			for device := range devices {
				age := entry.RotationDue([32]byte{byte(device), 1}, devices).Sub(time.Unix(entry.Created, 0))
				if age < RotateAfter || age > RotateAfter+RotateSpread {
					t.Fatalf("rotates after %s", age)
				}
				first = min(first, age)
			}
			if first < RotateAfter+RotateSpread/2 {
				early++
			} else {
				late++
			}
		}
		if early < 60 || late < 60 {
			t.Errorf("%d devices: %d first rotations in the first hour, %d in the second", devices, early, late)
		}
	}
}

func TestHeldExpandsWhenNeeded(t *testing.T) {
	entry := Entry{Seed: Seed{1}, Created: 1}
	held := Hold(entry)
	known := HoldKnown(entry, held.Prefix)
	if held.Prefix != entry.Seed.AccountKey().Public().Prefix() {
		t.Errorf("prefix %x", held.Prefix)
	}
	if first := known.Key(); !first.Public().Equal(held.Key().Public()) || first != known.Key() {
		t.Error("the key differs, or is expanded twice")
	}
}

func ExampleMerge() {
	shared := Rotate(nil, Seed{1}, 1000)
	phone := Rotate(shared, Seed{2}, 44_000)
	laptop := Rotate(shared, Seed{3}, 44_100)
	for _, entry := range Merge(phone, laptop) {
		fmt.Println(entry.Created, entry.Rotated)
	}
	// Output:
	// 44100 0
	// 44000 44100
	// 1000 44000
}
