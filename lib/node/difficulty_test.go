package node

import (
	"math"
	"testing"
	"time"
)

// The history of the recorded run (storage-2.0.md section 3.3): 1 from the beginning, 50 an hour before, 40 twenty
// minutes before the end of it.
func TestDifficultyHistory(t *testing.T) {
	now := time.UnixMilli(1795391738000)
	ago := func(minutes int) time.Time { return now.Add(-time.Duration(minutes) * time.Minute) }
	d := newDifficulty(1, now)
	d.set(50, ago(60))
	d.set(40, ago(20))
	if got := d.current(); got != 40 {
		t.Errorf("current difficulty is %d, want 40", got)
	}
	for _, test := range []struct {
		minutes int
		want    uint64
	}{
		{0, 40},  // in force
		{30, 40}, // 40 came within a quarter of an hour
		{36, 50}, // only 50 was known
		{46, 50}, // 50 came within a quarter of an hour, and was in force
		{61, 1},  // 50 was near, but 1 in force
		{80, 1},
	} {
		if got := d.at(ago(test.minutes).UnixMilli()); got != test.want {
			t.Errorf("a message stamped %d minutes ago has to meet %d, want %d", test.minutes, got, test.want)
		}
	}
}

// A replica may have been taken by a node that learned of a change a quarter of an hour later.
func TestDifficultyOfReplicas(t *testing.T) {
	now := time.UnixMilli(1795391738000)
	ago := func(minutes int) time.Time { return now.Add(-time.Duration(minutes) * time.Minute) }
	d := newDifficulty(1, now)
	d.set(50, ago(60))
	d.set(40, ago(20))
	for minutes, want := range map[int]uint64{0: 40, 4: 40, 6: 40, 36: 50, 44: 50, 46: 1, 60: 1, 61: 1} {
		if got := d.of(ago(minutes).UnixMilli()); got != want {
			t.Errorf("a replica stamped %d minutes ago has to meet %d, want %d", minutes, got, want)
		}
	}
}

func TestDifficultyBeforeTheFirstEntry(t *testing.T) {
	d := &difficulty{entries: []difficultyEntry{{since: 1e12, value: 7}}}
	if got := d.at(1e9); got != math.MaxInt32 {
		t.Errorf("a message from before all entries has to meet %d, want 2^31-1", got)
	}
}

// The history does not grow for ever, but what a living message may be judged by stays.
func TestDifficultyForgets(t *testing.T) {
	now := time.UnixMilli(1795391738000)
	d := newDifficulty(1, now)
	for hour := range 1000 {
		d.set(uint64(hour+2), now.Add(time.Duration(hour)*time.Hour))
	}
	if len(d.entries) > 4*24+4 {
		t.Errorf("%d entries are kept", len(d.entries))
	}
	end := now.Add(999 * time.Hour)
	if got := d.at(end.Add(-4*24*time.Hour - 20*time.Minute).UnixMilli()); got != 904 {
		t.Errorf("a message of four days ago has to meet %d, want 904", got)
	}
}

// A clock that is set back does not bring an old difficulty back.
func TestDifficultyClockSetBack(t *testing.T) {
	now := time.UnixMilli(1795391738000)
	d := newDifficulty(1, now)
	d.set(5, now)
	d.set(9, now.Add(-time.Hour))
	if got := d.current(); got != 9 {
		t.Errorf("current difficulty is %d, want the one set last, 9", got)
	}
}
