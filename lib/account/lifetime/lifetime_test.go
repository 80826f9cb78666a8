package lifetime

import (
	"path/filepath"
	"testing"
	"time"

	"sessiontool/keystore"
)

// The clock follows the machine's day by day. A machine's clock that is set forward by 30 days makes it one day, and
// one that is set back none.
func TestClock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keystore")
	store, err := keystore.Create(t.Context(), dir, keystore.Unlock{}, keystore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	err = store.CreateAccount(t.Context(), "alice", func(tx *keystore.Tx) error {
		if now, err := Now(tx, start); err != nil || !now.Equal(start) {
			t.Errorf("at first it is %v (%v)", now, err)
		}
		wall := start
		for i, step := range []struct{ moved, want time.Duration }{
			{0, 0}, {Day - 1, 0}, {1, Day}, {Day, 2 * Day}, {30 * Day, 3 * Day}, {-30 * Day, 3 * Day},
			{Day / 2, 3 * Day}, {Day / 2, 4 * Day}, {-time.Minute, 4 * Day}, {Day, 5 * Day}, {10 * Day, 6 * Day},
		} {
			wall = wall.Add(step.moved)
			advanced, err := Advance(tx, wall)
			if err != nil {
				return err
			}
			now, err := Now(tx, wall)
			if got := now.Sub(start); !now.Equal(advanced) || err != nil || got != step.want {
				t.Errorf("step %d: %v have passed (%v), want %v", i, got, err, step.want)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
