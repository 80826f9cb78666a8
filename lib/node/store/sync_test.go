package store

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// An insert returns when the message is synced: the database syncs its transactions, and a copy of its file, made right
// after each of two inserts, has all that was inserted until then.
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
