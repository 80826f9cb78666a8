package store

import (
	"os"
	"testing"
	"time"
)

// An insert is in a file when it returns: a copy of the files has the message. That it is synced, too, is tested in
// package kv (TestOneSync, TestPowerCuts), because the copies come through the page cache.
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
	for count, data := range []string{"first", "second"} {
		mustInsert(t, s, plain(owner(1), data, now, time.Hour))
		elsewhere := t.TempDir()
		if err := os.CopyFS(elsewhere, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		restored, err := Open(elsewhere, DefaultMaxBytes)
		if err != nil {
			t.Fatal(err)
		}
		if got := mustAfter(t, restored, owner(1), "", now); len(got) != count+1 || got[count].Data != data {
			t.Errorf("after %d inserts the files hold %v", count+1, got)
		}
		if err := restored.Close(); err != nil {
			t.Error(err)
		}
	}
}
