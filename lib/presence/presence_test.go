package presence

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func announce(t *testing.T, dir string) *Presence {
	t.Helper()
	p := In(dir)
	if err := p.Announce(); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAliveUntilClosed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "live")
	first := announce(t, dir)
	second := announce(t, dir)
	defer second.Close()
	if second.State(first.Name()) != Alive || first.State(second.Name()) != Alive ||
		first.State(first.Name()) != Alive {
		t.Fatal("a running process does not count as alive")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if state := second.State(first.Name()); state != Gone {
		t.Fatalf("a process that ended well is in state %d", state)
	}
}

// A killed process leaves its file without the lock. Its state is Crashed for a while, then Gone.
func TestKilledProcessCrashed(t *testing.T) {
	dir := t.TempDir()
	const left = "00112233aabbccdd"
	path := filepath.Join(dir, left+suffix)
	p := announce(t, dir)
	defer p.Close()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if state := p.State(left); state != Crashed {
			t.Fatalf("a file without a lock means state %d", state)
		}
	}
	ages(t, path)
	other := announce(t, dir) // finds that it has ended
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if state := p.State(left); state != Crashed {
		t.Fatalf("a process that ran for hours and has just crashed is in state %d", state)
	}
	ages(t, path)
	other = announce(t, dir)
	defer other.Close()
	if state := p.State(left); state != Gone {
		t.Fatalf("a process that crashed long ago is in state %d", state)
	}
}

func TestUnknownNameIsGone(t *testing.T) {
	p := announce(t, t.TempDir())
	defer p.Close()
	for _, name := range []string{"", "../x", "unknown"} {
		if state := p.State(name); state != Gone {
			t.Errorf("%q is in state %d", name, state)
		}
	}
}

// A process without Announce creates no file and no folder.
func TestNotAnnounced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "live")
	p := In(dir)
	if state := p.State(p.Name()); state != Alive {
		t.Errorf("to itself a process is in state %d", state)
	}
	if state := StateOf(dir, p.Name()); state != Gone {
		t.Errorf("to others a process that is not announced is in state %d", state)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder is there: %v", err)
	}
}

// A second Announce changes nothing.
func TestAnnouncedTwice(t *testing.T) {
	dir := t.TempDir()
	p := announce(t, dir)
	if err := p.Announce(); err != nil {
		t.Fatal(err)
	}
	if state := StateOf(dir, p.Name()); state != Alive {
		t.Errorf("state %d", state)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

// ages makes a file look as if it was changed long ago.
func ages(t *testing.T, path string) {
	t.Helper()
	longAgo := time.Now().Add(-2 * keepCrashed)
	if err := os.Chtimes(path, longAgo, longAgo); err != nil {
		t.Fatal(err)
	}
}

// A process that leaves work unfinished has crashed for the others, for as long as a killed one.
func TestAbandoned(t *testing.T) {
	dir := t.TempDir()
	p := announce(t, dir)
	if err := p.Abandon(); err != nil {
		t.Fatal(err)
	}
	other := announce(t, dir)
	if state := other.State(p.Name()); state != Crashed {
		t.Errorf("state %d", state)
	}
	ages(t, filepath.Join(dir, p.Name()+suffix))
	third := announce(t, dir)
	if state := third.State(p.Name()); state != Gone {
		t.Errorf("hours later in state %d", state)
	}
	for _, p := range []*Presence{p, other, third, In(dir)} {
		if err := p.Abandon(); err != nil {
			t.Error(err)
		}
	}
}
