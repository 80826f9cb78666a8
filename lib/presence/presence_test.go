package presence

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestAliveUntilClosed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "live")
	first, err := Announce(dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Announce(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if second.Look(first.Name()) != Alive || first.Look(second.Name()) != Alive || first.Look(first.Name()) != Alive {
		t.Fatal("a running process does not count as alive")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if state := second.Look(first.Name()); state != Gone {
		t.Fatalf("a process that ended well is in state %d", state)
	}
}

// A killed process leaves its file behind without the lock. That tells that it crashed, for a while.
func TestKilledProcessCrashed(t *testing.T) {
	dir := t.TempDir()
	const left = "00112233aabbccdd"
	path := filepath.Join(dir, left+suffix)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Announce(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for range 2 {
		if state := p.Look(left); state != Crashed {
			t.Fatalf("a file without a lock means state %d", state)
		}
	}
	longAgo := time.Now().Add(-2 * keepCrashed)
	if err := os.Chtimes(path, longAgo, longAgo); err != nil {
		t.Fatal(err)
	}
	other, err := Announce(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if state := p.Look(left); state != Gone {
		t.Fatalf("a process that crashed long ago is in state %d", state)
	}
}

func TestNobodyIsGone(t *testing.T) {
	p, err := Announce(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, name := range []string{"", "../x", "nobody"} {
		if state := p.Look(name); state != Gone {
			t.Errorf("%q is in state %d", name, state)
		}
	}
}
