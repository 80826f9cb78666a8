package store

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// An insert returns when the message is synced. The settings of the database show that it syncs what it commits: the
// copies of its file come through the page cache, so they would not notice a missing sync. The copy after each of two
// inserts shows that the insert has written the message to the file when it returns.
func TestInsertIsSynced(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	s, err := Open(dir, DefaultMaxBytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if s.db.NoSync || s.db.NoGrowSync {
		t.Error("the database does not sync what it commits")
	}
	for count, data := range []string{"first", "second"} {
		mustInsert(t, s, plain(owner(1), data, now, time.Hour))
		image, err := os.ReadFile(filepath.Join(dir, FileName))
		if err != nil {
			t.Fatal(err)
		}
		elsewhere := t.TempDir()
		if err := os.WriteFile(filepath.Join(elsewhere, FileName), image, 0o600); err != nil {
			t.Fatal(err)
		}
		restored, err := Open(elsewhere, DefaultMaxBytes)
		if err != nil {
			t.Fatal(err)
		}
		if got := mustAfter(t, restored, owner(1), "", now); len(got) != count+1 || got[count].Data != data {
			t.Errorf("after %d inserts the file holds %v", count+1, got)
		}
		if err := restored.Close(); err != nil {
			t.Error(err)
		}
	}
}
