package difficulty

import (
	"math"
	"testing"
	"time"
)

// The history of the recorded run (storage-2.0.md section 3.3): 1 from the beginning, 50 an hour before, 40 twenty
// minutes before the end of it.
func TestHistory(t *testing.T) {
	now := time.UnixMilli(1795391738000)
	ago := func(minutes int) time.Time { return now.Add(-time.Duration(minutes) * time.Minute) }
	d := New(1, now)
	d.Set(50, ago(60))
	d.Set(40, ago(20))
	if got := d.Current(); got != 40 {
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
		if got := d.At(ago(test.minutes).UnixMilli()); got != test.want {
			t.Errorf("a message stamped %d minutes ago has to meet %d, want %d", test.minutes, got, test.want)
		}
	}
}

// A replica may have been taken by a node that learned of a change a quarter of an hour later.
func TestOfReplicas(t *testing.T) {
	now := time.UnixMilli(1795391738000)
	ago := func(minutes int) time.Time { return now.Add(-time.Duration(minutes) * time.Minute) }
	d := New(1, now)
	d.Set(50, ago(60))
	d.Set(40, ago(20))
	for minutes, want := range map[int]uint64{0: 40, 4: 40, 6: 40, 36: 50, 44: 50, 46: 1, 60: 1, 61: 1} {
		if got := d.Of(ago(minutes).UnixMilli()); got != want {
			t.Errorf("a replica stamped %d minutes ago has to meet %d, want %d", minutes, got, want)
		}
	}
}

func TestBeforeTheFirstEntry(t *testing.T) {
	d := &History{entries: []Entry{{Since: 1e12, Value: 7}}}
	if got := d.At(1e9); got != math.MaxInt32 {
		t.Errorf("a message from before all entries has to meet %d, want 2^31-1", got)
	}
}

// The history does not grow for ever, but what a living message may be judged by stays.
func TestForgets(t *testing.T) {
	now := time.UnixMilli(1795391738000)
	d := New(1, now)
	for hour := range 1000 {
		d.Set(uint64(hour+2), now.Add(time.Duration(hour)*time.Hour))
	}
	if len(d.entries) > 4*24+4 {
		t.Errorf("%d entries are kept", len(d.entries))
	}
	end := now.Add(999 * time.Hour)
	if got := d.At(end.Add(-4*24*time.Hour - 20*time.Minute).UnixMilli()); got != 904 {
		t.Errorf("a message of four days ago has to meet %d, want 904", got)
	}
}

// A clock that is set back does not bring an old difficulty back.
func TestClockSetBack(t *testing.T) {
	now := time.UnixMilli(1795391738000)
	d := New(1, now)
	d.Set(5, now)
	d.Set(9, now.Add(-time.Hour))
	if got := d.Current(); got != 9 {
		t.Errorf("current difficulty is %d, want the one set last, 9", got)
	}
}

// FuzzDifficulty reads the stored history of difficulties: it is damaged, or written back as it was.
func FuzzDifficulty(f *testing.F) {
	now := time.UnixMilli(1795391232497)
	d := New(3, now)
	d.Set(7, now.Add(time.Hour))
	f.Add(d.Encode())
	f.Add(make([]byte, 17))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := Load(text, now)
		if err != nil {
			return
		}
		if again := d.Encode(); len(text) > 0 && string(again) != string(text) {
			t.Errorf("%x is written back as %x", text, again)
		}
		d.At(now.UnixMilli())
		d.Set(d.Current()+1, now)
		if len(d.Encode()) == 0 {
			t.Errorf("%x leaves no difficulty", text)
		}
	})
}
